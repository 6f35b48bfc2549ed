"""Opening some of many recordings, to see what they hold before a study is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.config import RecordingsConfig
from core.errors import CrosslError
from core.find_recordings import FoundRecording, open_recording
from core.progress import RunContext
from core.recording import Recording

LOOK_INTO = 8
"""Recordings that are opened before anything is guessed."""


@dataclass(frozen=True)
class OpenedRecordings:
    """Recordings that were found, and those of them that were opened.

    Attributes
    ----------
    found: all of them.
    opened: those that could be opened, each with what was found, in the same order.
    failed: id and reason of those that could not be opened.
    """

    found: tuple[FoundRecording, ...]
    opened: tuple[tuple[FoundRecording, Recording], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def recordings(self) -> tuple[Recording, ...]:
        return tuple(recording for _, recording in self.opened)

    @property
    def tried(self) -> int:
        return len(self.opened) + len(self.failed)


def open_some(
    found: Sequence[FoundRecording],
    config: RecordingsConfig,
    context: RunContext | None = None,
    most: int | None = LOOK_INTO,
) -> OpenedRecordings:
    """Open at most `most` recordings, spread over the list; None for all.

    Recordings whose files are incomplete are not tried. One that cannot be opened does not stop
    the others.
    """
    context = context or RunContext()
    whole = [one for one in found if one.error is None]
    count = len(whole) if most is None else min(most, len(whole))
    # From the first to the last, at steps that differ: names often come in turns.
    chosen = [whole[round(k * (len(whole) - 1) / max(1, count - 1))] for k in range(count)]
    opened: list[tuple[FoundRecording, Recording]] = []
    failed: list[tuple[str, str]] = []
    for number, one in enumerate(chosen):
        context.step(f"opening {one.id}", number, count)
        try:
            opened.append((one, open_recording(one, config)))
        except CrosslError as error:
            failed.append((one.id, str(error)))
    context.step("opening", count, count)
    return OpenedRecordings(tuple(found), tuple(opened), tuple(failed))
