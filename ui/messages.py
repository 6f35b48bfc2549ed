"""How errors look: a short box for expected ones, a report to copy for bugs."""

from __future__ import annotations

import traceback

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from core.errors import CrosslError
from core.version import __version__


def _tr(text: str) -> str:
    return QCoreApplication.translate("messages", text)


def show_error(error: BaseException, parent: QWidget | None = None) -> QMessageBox:
    """Show an error in the box that fits it; returns the box, which is already open."""
    box = error_box(error) if isinstance(error, CrosslError) else bug_box(error)
    if parent is not None:
        box.setParent(parent, box.windowFlags())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def error_box(error: CrosslError) -> QMessageBox:
    """A short box with the sentence that the core wrote for the user."""
    box = QMessageBox(QMessageBox.Icon.Warning, "crossl-app", str(error))
    # File names are the user's data, not markup.
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStandardButtons(QMessageBox.StandardButton.Ok)
    return box


def bug_box(error: BaseException) -> QMessageBox:
    """A box that says this is a mistake of the program, with a traceback to copy."""
    text = bug_report(error)
    box = QMessageBox(
        QMessageBox.Icon.Critical,
        "crossl-app",
        _tr("Something went wrong inside crossl-app. Your files were not changed."),
    )
    box.setInformativeText(
        _tr("Please send the report to the developers: press Copy, and paste it into a message.")
    )
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setDetailedText(text)
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    copy = box.addButton(_tr("Copy"), QMessageBox.ButtonRole.ActionRole)
    # A click on the button must not close the box.
    copy.clicked.disconnect()
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    return box


def bug_report(error: BaseException) -> str:
    """The traceback with the version; only program text, no values of the user's data."""
    lines = traceback.format_exception(error)
    return f"crossl-app {__version__}\n" + "".join(lines)
