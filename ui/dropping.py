"""Files and folders that are dragged onto a window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QDragEnterEvent, QDropEvent


def welcome_files(event: QDragEnterEvent) -> None:
    """Let files of this computer come in."""
    if any(url.isLocalFile() for url in event.mimeData().urls()):
        event.acceptProposedAction()


def take_files(event: QDropEvent) -> list[Path]:
    """The files and folders that were dropped; the drop is accepted where there are any."""
    paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    if paths:
        event.acceptProposedAction()
    return paths
