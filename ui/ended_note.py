"""What the window says of programs that have not ended well."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget


def _tr(text: str) -> str:
    return QCoreApplication.translate("ended_note", text)


def crash_box(
    was_window: bool, when: str, path: Path, report: str, count: int, parent: QWidget
) -> QMessageBox:
    """A box that blocks nothing, about a crash and where its report lies.

    `was_window`: whether a window crashed, else a command. `count`: of crashes since the last
    start; this is the last of them.
    """
    text = (
        _tr("crossl-app ended unexpectedly last time ({when}). Your labels are kept.")
        if was_window
        else _tr("A command of crossl-app ended unexpectedly ({when}). What it finished is kept.")
    ).format(when=when)
    if count > 1:
        text += " " + _tr("It was the last of {n} such ends.").format(n=count)
    box = QMessageBox(QMessageBox.Icon.Warning, "crossl-app", text, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(
        _tr(
            "The report is in {path}\n\nIt says where in the program it happened, with versions. "
            "It holds no patient data; please send it to the developers."
        ).format(path=path)
    )
    box.setDetailedText(report)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowModality(Qt.WindowModality.NonModal)
    folder = box.addButton(_tr("Show the &folder"), QMessageBox.ButtonRole.ActionRole)
    copy = box.addButton(_tr("Cop&y the report"), QMessageBox.ButtonRole.ActionRole)
    close = box.addButton(QMessageBox.StandardButton.Close)
    box.setDefaultButton(close)
    box.setEscapeButton(close)
    _keep_open(folder, lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent))))
    _keep_open(copy, lambda: QGuiApplication.clipboard().setText(report))
    return box


def killed_text() -> str:
    """A line about a window that was ended from outside."""
    return _tr(
        "crossl-app was ended from outside last time, such as when memory ran out or the computer "
        "was switched off. Your labels are kept."
    )


def _keep_open(button: QAbstractButton, action: object) -> None:
    """A click does this alone; it does not close the box."""
    button.clicked.disconnect()
    button.clicked.connect(action)
