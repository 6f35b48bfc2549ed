"""Labelling one recording as one rater: every edit is on the disk before the next one begins.

Where the disk refuses (it is full, or gone), edits stay in memory, in order, and are written as
soon as it takes them again. `is_saved` and `problem` tell the truth at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from core.errors import NotSavedError, StudyError
from core.study import Edit, Rater, Study, StudyRecording
from core.study_file import now_text
from core.study_labels import Change, new_id


@dataclass(frozen=True)
class _Waiting:
    """A step that is not on the disk yet."""

    kind: Literal["edit", "undo", "redo"]
    edit: Edit


class LabelJournal:
    """The labels of one rater in one recording, with their edits.

    A rater whom the study does not know yet (id 0) is added with the first edit.

    Attributes
    ----------
    labels: as they are now, whether on the disk or not.
    problem: why edits could not be saved, in words; empty when all are.
    """

    def __init__(self, study: Study, recording: StudyRecording, rater: Rater) -> None:
        self.recording = recording
        self.rater = rater
        self.problem = ""
        self._study = study
        self.labels = study.labels(recording.id, rater.id)
        edits = study.edits(recording.id, rater.id)
        self._done = [edit for edit in edits if edit.state == "done"]
        self._undone = [edit for edit in edits if edit.state == "undone"]
        self._waiting: list[_Waiting] = []
        self._signed = study.signed_off(recording.id, rater.id)

    @property
    def done(self) -> tuple[Edit, ...]:
        """Edits that can be undone, the last one last."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[Edit, ...]:
        """Edits that can be redone, the next one first."""
        return tuple(self._undone)

    @property
    def waiting(self) -> int:
        """How many steps are in memory alone."""
        return len(self._waiting)

    @property
    def is_saved(self) -> bool:
        return not self._waiting

    @property
    def signed_at(self) -> str | None:
        """When the rater signed these labels off, UTC; None where they can be changed."""
        return self._signed

    @property
    def why_locked(self) -> str:
        """Why no label can be changed; empty where labels can."""
        if self._study.read_only:
            return f"The study is open for reading only. {self._study.why_read_only}"
        if self.rater.kind in ("file", "model"):
            return (
                f"The labels of '{self.rater.name}' were not made by a person: choose a rater of "
                "your own to label."
            )
        if self._signed is not None:
            return f"{self.recording.name} is signed off: reopen it before its labels are changed."
        return ""

    def do(self, change: Change, what: str) -> Edit | None:
        """Make a change, and try to save it; None where it changes nothing.

        Raises StudyError where the labels are locked. A disk that refuses raises nothing: see
        `problem`. What can never be saved raises, and leaves the labels as they were.
        """
        self._refuse_locked()
        if not change:
            return None
        edit = Edit(new_id(), what, change, now_text())
        self._take(_Waiting("edit", edit), change, [*self._done, edit], [])
        return edit

    def undo(self) -> Edit | None:
        """Take the last edit back; None where there is none."""
        self._refuse_locked()
        if not self._done:
            return None
        edit = self._done[-1]
        undone = [replace(edit, state="undone"), *self._undone]
        self._take(_Waiting("undo", edit), edit.change.reversed, self._done[:-1], undone)
        return edit

    def redo(self) -> Edit | None:
        """Make the edit again that was taken back last; None where there is none."""
        self._refuse_locked()
        if not self._undone:
            return None
        edit = self._undone[0]
        done = [*self._done, replace(edit, state="done")]
        self._take(_Waiting("redo", edit), edit.change, done, self._undone[1:])
        return edit

    def save(self) -> bool:
        """Try to write what waits, in order; whether all is on the disk now."""
        while self._waiting:
            try:
                self._write_first()
            except StudyError as error:
                self.problem = str(error)
                return False
        self.problem = ""
        return True

    def sign_off(self) -> None:
        """Lock the labels. Raises StudyError where some are not saved yet."""
        if not self.save():
            raise StudyError(f"These labels cannot be signed off yet. {self.problem}")
        self._study.sign_off(self.recording.id, self._known_rater())
        self._signed = self._study.signed_off(self.recording.id, self.rater.id)

    def reopen(self) -> None:
        """Unlock the labels."""
        self._study.reopen(self.recording.id, self.rater.id)
        self._signed = None

    def _take(self, step: _Waiting, change: Change, done: list[Edit], undone: list[Edit]) -> None:
        """Take a step in memory and on the disk, or in neither."""
        kept = self.labels, self._done, self._undone
        self.labels = self.labels.apply(change)
        self._done, self._undone = done, undone
        self._waiting.append(step)
        if len(self._waiting) > 1:
            self.save()
            return
        try:
            self._write_first()
            self.problem = ""
        except NotSavedError as error:
            self.problem = str(error)
        except Exception:
            # Refused for good: else the labels would differ from those on the disk for ever.
            self._waiting.clear()
            self.labels, self._done, self._undone = kept
            raise

    def _write_first(self) -> None:
        step = self._waiting[0]
        steps: dict[str, Callable[[int, int, Edit], None]] = {
            "edit": self._study.write_edit,
            "undo": self._study.write_undo,
            "redo": self._study.write_redo,
        }
        steps[step.kind](self.recording.id, self._known_rater(), step.edit)
        del self._waiting[0]

    def _known_rater(self) -> int:
        """The rater's id, who is added to the study first where it does not know them."""
        if not self.rater.id:
            self.rater = self._study.rater(self.rater.name, self.rater.kind)
        return self.rater.id

    def _refuse_locked(self) -> None:
        if self.why_locked:
            raise StudyError(self.why_locked)
