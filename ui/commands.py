"""What groups of commands have in common."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ui.actions import ActionRegistry
from ui.preferences import PreferenceStore
from ui.session import Session


class Commands(QObject):
    """A group of commands: each opens a dialog, and hands its answer to the session."""

    failed = Signal(object)
    said = Signal(str)
    """What has been done, in words, for the status bar."""

    def __init__(
        self,
        session: Session,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session = session
        self._registry = registry
        self._preferences = preferences
        self._window = window

    def _who(self) -> str:
        """Who labels, for the audit."""
        rater = self._session.rater
        return rater.name if rater is not None else ""

    def _folder(self, purpose: str) -> Path | None:
        """The folder that dialogs of this purpose were in last."""
        text = self._preferences.folder_for(purpose)
        return Path(text) if text else None
