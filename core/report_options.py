"""What goes into the report of a study, as whoever asks for one says it."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = (
    *("study", "evaluation", "robustness", "tables", "predictions", "recordings"),
    *("pretraining", "model_card", "settings"),
)
"""What a report may hold, in its order; a summary stands in every one."""


@dataclass(frozen=True)
class ExtraTable:
    """A table of plain texts from outside, such as figures of sleep.

    Attributes
    ----------
    text_columns: hold words, the others figures.
    recording_column, subject_column, rater_column: whose cells are names, to be replaced in an
        anonymous report; None where there are none.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text_columns: tuple[int, ...] = (0,)
    recording_column: int | None = None
    subject_column: int | None = None
    rater_column: int | None = None


@dataclass(frozen=True)
class ReportOptions:
    """What goes into a report, by names in `PARTS`.

    `anonymous`: numbers for recordings, people and raters, and neither notes nor paths.
    `with_paths`: where the recordings lie.
    """

    parts: tuple[str, ...] = PARTS
    anonymous: bool = False
    with_paths: bool = False


EVERYTHING = ReportOptions()
"""All parts, with names and without paths."""
