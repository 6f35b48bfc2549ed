"""The program's own icon: one drawing for small sizes, one for all others."""

from __future__ import annotations

from importlib.resources import files

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

SMALL_SIZES = (16, 20, 24, 32)
LARGE_SIZES = (48, 64, 96, 128, 256)


def app_icon() -> QIcon:
    """The icon at all sizes that windows, task bars and dialogs ask for."""
    folder = files("resources")
    icon = QIcon()
    for drawing, sides in (
        (folder / "artwork" / "crossl-app-small.svg", SMALL_SIZES),
        (folder / "icons" / "crossl-app.svg", LARGE_SIZES),
    ):
        renderer = QSvgRenderer(QByteArray(drawing.read_bytes()))
        for side in sides:
            picture = QPixmap(side, side)
            picture.fill(Qt.GlobalColor.transparent)
            painter = QPainter(picture)
            renderer.render(painter)
            painter.end()
            icon.addPixmap(picture)
    return icon
