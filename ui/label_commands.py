"""Undo and redo: Qt's undo stack as a view of the journal's edits."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from core.label_journal import LabelJournal
from core.study import Edit


class _EditCommand(QUndoCommand):
    """One edit. The journal has made it before the stack hears of it, so the first redo is none."""

    def __init__(self, stack: LabelUndoStack, edit: Edit) -> None:
        super().__init__(edit.what)
        self._stack = stack

    def undo(self) -> None:
        self._stack.step_back()

    def redo(self) -> None:
        self._stack.step_forth()


class LabelUndoStack(QUndoStack):
    """The undo stack of one rater in one recording; it is filled from the study when opened."""

    stepped = Signal()
    """An edit was taken back or made again."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._journal: LabelJournal | None = None
        self._in_step_with_journal = False

    def follow(self, journal: LabelJournal | None) -> None:
        """Show the edits of another journal, those that were taken back too."""
        self._journal = journal
        self._in_step_with_journal = True
        try:
            self.clear()
            if journal is not None:
                for edit in (*journal.done, *journal.undone):
                    self.push(_EditCommand(self, edit))
                self.setIndex(len(journal.done))
        finally:
            self._in_step_with_journal = False

    def take(self, edit: Edit) -> None:
        """Put an edit on the stack that the journal has just made."""
        self._in_step_with_journal = True
        try:
            self.push(_EditCommand(self, edit))
        finally:
            self._in_step_with_journal = False

    def step_back(self) -> None:
        """Called by Qt for each command that is undone."""
        if not self._in_step_with_journal and self._journal is not None:
            self._journal.undo()
            self.stepped.emit()

    def step_forth(self) -> None:
        """Called by Qt for each command that is redone."""
        if not self._in_step_with_journal and self._journal is not None:
            self._journal.redo()
            self.stepped.emit()
