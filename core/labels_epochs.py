"""Labels as one value per epoch, one a line, in order.

The file says neither how long an epoch is nor where the first begins; both have to be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from core.errors import RecordingError
from core.label_set import (
    Encoded,
    Label,
    LabelSet,
    ReadOptions,
    changed,
    counted,
    decimal_text,
    exact,
    listed,
    make_label_set,
    note,
    start_is_lost,
    tidy,
    without,
)
from core.recording import Finding

UNSCORED = "?"
DEFAULT_EPOCH_S = 30.0
_HEADING = re.compile(r"\[.*\]")
_COLUMN_NAMES = frozenset(("stage", "stages", "sleep_stage", "sleep stage", "hypnogram", "label"))
_MOST_EPOCHS = 10_000_000


def _is_heading(line: str) -> bool:
    return _HEADING.fullmatch(line.strip()) is not None or line.strip().casefold() in _COLUMN_NAMES


def read_epochs(path: Path, text: str, options: ReadOptions) -> LabelSet:
    """One label a line; an empty line is an epoch without a label.

    A first line in square brackets, or the name of a column, is a heading. Raises
    RecordingError where `epoch_s` is not given.
    """
    lines = re.split(r"\r\n|\n|\r", text)
    findings = []
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return make_label_set((), options.start, [note("The file is empty.")], "epochs")
    if options.epoch_s is None:
        raise RecordingError(
            f"{path}: one value per epoch, but how long an epoch is does not stand in the file: "
            "give its length (--epoch 30, or labels.epoch_s)."
        )
    if _is_heading(lines[0]):
        findings.append(note(f"The first line, {listed(lines[:1])}, was taken for a heading."))
        lines = lines[1:]
    epoch, offset = exact(options.epoch_s), exact(options.offset_s)
    labels = [
        Label(float(offset + number * epoch), options.epoch_s, line)
        for number, line in enumerate(lines)
        if line.strip()
    ]
    empty = len(lines) - len(labels)
    if empty:
        findings.append(note(f"{counted(empty, 'line')} without text are epochs without a label."))
    return make_label_set(labels, options.start, findings, "epochs")


@dataclass(frozen=True)
class Grid:
    """Labels laid on epochs: `texts` one an epoch, empty where there is none; `rest` are those
    that do not fill whole epochs, or lie on one that is taken."""

    epoch_s: float
    offset_s: float
    texts: tuple[str, ...]
    rest: tuple[Label, ...]
    longer: int


def guess_epoch_s(labels: Iterable[Label]) -> float:
    """The epoch that most time is scored in: the longest that divides the commonest lengths."""
    lengths = sorted({exact(label.duration_s) for label in labels if label.duration_s > 0})
    for whole in (Decimal(30), Decimal(20)):
        if lengths and all(length % whole == 0 for length in lengths):
            return float(whole)
    shortest = lengths[0] if lengths else Decimal(0)
    if shortest and all(length % shortest == 0 for length in lengths):
        return float(shortest)
    return DEFAULT_EPOCH_S


def lay_on_epochs(
    labels: Sequence[Label], epoch_s: float, offset_s: float, *, longest_s: float | None = None
) -> Grid:
    """Lay labels on epochs from `offset_s` on. A label that fills several epochs is in each."""
    epoch, offset = exact(epoch_s), exact(offset_s)
    texts: dict[int, str] = {}
    rest: list[Label] = []
    longer = 0
    for label in labels:
        first, off = divmod(exact(label.onset_s) - offset, epoch)
        times, left = divmod(exact(label.duration_s), epoch)
        count = int(times)
        places = range(int(first), int(first) + count)
        fits = not (off or left) and count and first >= 0 and label.text
        one_line = "\n" not in label.text
        if not fits or not one_line or places.stop > _MOST_EPOCHS or any(
            place in texts for place in places
        ):  # fmt: skip
            rest.append(label)
            continue
        longer += count > 1
        texts.update(dict.fromkeys(places, label.text))
    count = max(texts, default=-1) + 1
    return Grid(
        epoch_s, offset_s, tuple(texts.get(k, "") for k in range(count)), tuple(rest), longer
    )


def grid_labels(grid: Grid, filler: str) -> list[Label]:
    """The labels that a reader of the grid finds."""
    epoch, offset = exact(grid.epoch_s), exact(grid.offset_s)
    return [
        Label(float(offset + number * epoch), grid.epoch_s, text or filler)
        for number, text in enumerate(grid.texts)
    ]


def grid_findings(grid: Grid, filler: str) -> list[Finding]:
    """Long labels that were cut into epochs, and epochs that were filled."""
    findings = []
    if grid.longer:
        findings.append(
            note(
                f"{counted(grid.longer, 'label')} longer than an epoch were written once in each "
                f"epoch of {decimal_text(grid.epoch_s)} s."
            )
        )
    empty = grid.texts.count("")
    if empty:
        findings.append(
            changed(f"{counted(empty, 'epoch')} without a label were written as '{filler}'.")
        )
    return findings


def write_epochs(
    labels: LabelSet, epoch_s: float | None = None, offset_s: float | None = None
) -> Encoded:
    """One line an epoch, `?` where there is no label.

    Without `epoch_s` the labels' own length, without `offset_s` the first label's onset. Labels
    that do not fill whole epochs, or overlap another, have no place and are named.
    """
    kept, findings = without(
        labels.labels, "A list of epochs", channel=True, rater=True, confidence=True, extra=True
    )
    findings += start_is_lost(labels.start, "A list of epochs")
    if epoch_s is None:
        epoch_s = guess_epoch_s(kept)
    if offset_s is None:
        offset_s = kept[0].onset_s if kept else 0.0
    grid = lay_on_epochs(kept, epoch_s, offset_s)
    if grid.rest:
        findings.append(
            changed(
                f"{counted(len(grid.rest), 'label')} that do not fill whole epochs of "
                f"{decimal_text(epoch_s)} s from {decimal_text(offset_s)} s on, or overlap "
                f"another, have no place in a list of epochs: "
                f"{listed([label.text for label in grid.rest])}."
            )
        )
    findings += grid_findings(grid, UNSCORED)
    if grid.texts:
        findings.append(
            note(
                "The file does not say where its epochs lie: read it with an epoch of "
                f"{decimal_text(epoch_s)} s and an offset of {decimal_text(offset_s)} s."
            )
        )
    held = grid_labels(grid, UNSCORED)
    lines = [tidy(label.text) for label in held]
    content = "".join(line + "\n" for line in lines)
    return Encoded(content.encode("utf-8"), tuple(held), tuple(findings))
