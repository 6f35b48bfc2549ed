"""Line icons, drawn from `resources/icons` in the colour of the text around them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QObject, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

SIZES = (16, 20, 24, 32, 48, 64)
"""Side lengths in pixels that an icon holds; screens of high density take the larger ones."""
_OWN_COLOURS = frozenset({"crossl-app"})


@cache
def icon_names() -> tuple[str, ...]:
    """Names that `icon` knows, sorted."""
    folder = files("resources") / "icons"
    names = (e.name.removesuffix(".svg") for e in folder.iterdir() if e.name.endswith(".svg"))
    return tuple(sorted(set(names) - _OWN_COLOURS))


def icon(name: str, palette: QPalette | None = None) -> QIcon:
    """The icon in the text colour of a palette, the program's own if none is given.

    It keeps its colour when the palette changes; `keep_icon` follows. Raises KeyError for a name
    that is not there. Whoever shows it gives it a text or an accessible name.
    """
    palette = palette if palette is not None else QGuiApplication.palette()
    made = QIcon()
    text, chosen = QPalette.ColorRole.WindowText, QPalette.ColorRole.HighlightedText
    for mode, group, role in (
        (QIcon.Mode.Normal, QPalette.ColorGroup.Active, text),
        (QIcon.Mode.Disabled, QPalette.ColorGroup.Disabled, text),
        (QIcon.Mode.Selected, QPalette.ColorGroup.Active, chosen),
    ):
        drawing = _drawing(name, palette.color(group, role))
        for side in SIZES:
            made.addPixmap(_pixmap(drawing, side), mode)
    return made


def pixmap(name: str, side: int, colour: QColor, ratio: float = 1.0) -> QPixmap:
    """One picture of an icon, `side` points wide, for a screen with `ratio` pixels a point."""
    picture = _pixmap(_drawing(name, colour), round(side * ratio))
    picture.setDevicePixelRatio(ratio)
    return picture


def keep_icon(target: QAction | QAbstractButton, name: str) -> None:
    """Give an action or a button an icon that follows changes of the palette."""
    _KeptIcon(target, name)


class _KeptIcon(QObject):
    """Draws its parent's icon anew with each palette; it goes when the parent goes."""

    # An icon engine in Python would be shorter, but PySide6 6.11 crashes on engines of its users.

    def __init__(self, target: QAction | QAbstractButton, name: str) -> None:
        super().__init__(target)
        self._target = target
        self._name = name
        for other in target.children():
            if isinstance(other, _KeptIcon) and other is not self:
                other.deleteLater()
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.paletteChanged.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        self._target.setIcon(icon(self._name))


@cache
def _source(name: str) -> str:
    if name not in icon_names():
        raise KeyError(f"there is no icon '{name}'; there are {', '.join(icon_names())}")
    path = files("resources") / "icons" / f"{name}.svg"
    return path.read_text(encoding="utf-8")


def _drawing(name: str, colour: QColor) -> QSvgRenderer:
    # Half-transparent text colours exist (disabled text on macOS); SVG says that apart.
    text = _source(name).replace(
        'stroke="currentColor"',
        f'stroke="{colour.name()}" stroke-opacity="{colour.alphaF():.3f}"',
    )
    return QSvgRenderer(QByteArray(text.encode()))


def _pixmap(drawing: QSvgRenderer, side: int) -> QPixmap:
    picture = QPixmap(side, side)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    drawing.render(painter)
    painter.end()
    return picture
