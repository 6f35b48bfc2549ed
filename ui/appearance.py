"""How the program looks: light or dark, size of text, colours that read on each other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from core.colours import OKABE_ITO
from ui.focus_ring import FocusRing
from ui.preferences import Preferences

PALETTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "okabe_ito": OKABE_ITO,
        "tol_bright": (
            "#4477AA",
            "#EE6677",
            "#228833",
            "#CCBB44",
            "#66CCEE",
            "#AA3377",
            "#BBBBBB",
        ),
        "high_contrast": ("#004488", "#DDAA33", "#BB5566", "#000000", "#777777"),
    }
)
"""Series of colours that people with colour-blindness tell apart, by name; as published by Okabe
and Ito (with grey for black, which is the text) and by Paul Tol."""

READABLE = 4.5
"""Contrast that running text needs (WCAG 2, level AA)."""
VISIBLE = 3.0
"""Contrast that lines, large text and focus marks need."""

# Older styles of Windows that know no dark; Fusion does. Elsewhere Qt itself takes the platform's
# style, or Fusion where there is none.
_STYLES_WITHOUT_DARK = frozenset({"windows", "windowsvista"})
_SCHEMES = {
    "system": Qt.ColorScheme.Unknown,
    "light": Qt.ColorScheme.Light,
    "dark": Qt.ColorScheme.Dark,
}
_COLOURS = {
    # role: (light, dark)
    QPalette.ColorRole.Window: ("#f3f3f3", "#303338"),
    QPalette.ColorRole.WindowText: ("#1a1a1a", "#ececec"),
    QPalette.ColorRole.Base: ("#ffffff", "#17191b"),
    QPalette.ColorRole.AlternateBase: ("#f5f7f9", "#1f2124"),
    QPalette.ColorRole.Text: ("#1a1a1a", "#ececec"),
    QPalette.ColorRole.PlaceholderText: ("#686868", "#9b9b9b"),
    QPalette.ColorRole.Button: ("#ececec", "#404449"),
    QPalette.ColorRole.ButtonText: ("#1a1a1a", "#ececec"),
    QPalette.ColorRole.BrightText: ("#ffffff", "#ffffff"),
    QPalette.ColorRole.Light: ("#ffffff", "#5a5f65"),
    QPalette.ColorRole.Midlight: ("#e6e6e6", "#4b5056"),
    QPalette.ColorRole.Mid: ("#b8b8b8", "#3a3e43"),
    QPalette.ColorRole.Dark: ("#8f8f8f", "#1c1e20"),
    QPalette.ColorRole.Shadow: ("#6e6e6e", "#0c0d0e"),
    QPalette.ColorRole.Highlight: ("#1668b0", "#3d8fd6"),
    QPalette.ColorRole.HighlightedText: ("#ffffff", "#000000"),
    QPalette.ColorRole.Accent: ("#1668b0", "#3d8fd6"),
    QPalette.ColorRole.Link: ("#0b5cad", "#7cb8f0"),
    QPalette.ColorRole.LinkVisited: ("#6b3fa0", "#c3a6ee"),
    QPalette.ColorRole.ToolTipBase: ("#ffffff", "#404449"),
    QPalette.ColorRole.ToolTipText: ("#1a1a1a", "#ececec"),
}
_DISABLED = ("#7a7a7a", "#999da2")
_FADED_ROLES = (
    QPalette.ColorRole.WindowText,
    QPalette.ColorRole.Text,
    QPalette.ColorRole.ButtonText,
    QPalette.ColorRole.HighlightedText,
)


class Appearance(QObject):
    """Lays the user's choice of light or dark and of text size over the application.

    `apply` may be called as often as wanted, for a preview too. Where the platform cannot be asked
    for a scheme (a plain X server, no screen at all), the program's own colours are used.
    """

    changed = Signal()
    """Colours or text size have become other ones, by the user's or the system's doing."""

    def __init__(self, application: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._application = application
        self._font = QFont(application.font())
        self._chosen = "system"
        self._own_palette = False
        if application.style().name().lower() in _STYLES_WITHOUT_DARK:
            application.setStyle("Fusion")
        self._focus_ring = FocusRing(application, self)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.changed)
        application.styleHints().colorSchemeChanged.connect(self._on_system)
        application.paletteChanged.connect(self._on_palette)

    @property
    def is_dark(self) -> bool:
        """Whether text is lighter than what it stands on."""
        return is_dark(self._application.palette())

    def apply(self, preferences: Preferences) -> None:
        """Show the program as these preferences say."""
        self._scale_text(preferences.text_scale_percent)
        self._chosen = preferences.appearance
        self._application.styleHints().setColorScheme(_SCHEMES[self._chosen])
        self._colour()

    def _scale_text(self, percent: int) -> None:
        font = QFont(self._font)
        if font.pointSizeF() > 0:
            font.setPointSizeF(self._font.pointSizeF() * percent / 100)
        else:  # a platform that counts its text in pixels
            font.setPixelSize(round(self._font.pixelSize() * percent / 100))
        if font != self._application.font():
            self._application.setFont(font)
            self._soon.start()

    def _on_system(self) -> None:
        self._colour()
        self._soon.start()

    def _on_palette(self) -> None:
        # One change of scheme changes the palette several times; views redraw once.
        self._soon.start()

    def _colour(self) -> None:
        """Own colours where the platform does not follow the choice, else the platform's."""
        wanted = self._chosen
        followed = self._application.styleHints().colorScheme() == _SCHEMES[wanted]
        if wanted == "system" or followed:
            if self._own_palette:
                self._own_palette = False
                self._application.setPalette(QPalette())
            return
        self._own_palette = True
        palette = own_palette(dark=wanted == "dark")
        if palette != self._application.palette():
            self._application.setPalette(palette)


def own_palette(*, dark: bool) -> QPalette:
    """The program's own colours, for Fusion where the platform has none to offer."""
    palette = QPalette()
    for role, pair in _COLOURS.items():
        palette.setColor(role, QColor(pair[dark]))
    faded = QPalette.ColorGroup.Disabled
    for role in _FADED_ROLES:
        palette.setColor(faded, role, QColor(_DISABLED[dark]))
    palette.setColor(
        faded, QPalette.ColorRole.Highlight, QColor(_COLOURS[QPalette.ColorRole.Mid][dark])
    )
    return palette


def is_dark(palette: QPalette | None = None) -> bool:
    """Whether a palette's text is lighter than its windows; of the program's, if none is given."""
    palette = palette if palette is not None else QGuiApplication.palette()
    return luminance(palette.windowText().color()) > luminance(palette.window().color())


def luminance(colour: QColor) -> float:
    """Relative luminance by WCAG 2, 0 for black to 1 for white."""

    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(p) for p in (colour.redF(), colour.greenF(), colour.blueF()))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: QColor, other: QColor) -> float:
    """Contrast of two opaque colours by WCAG 2, 1 for none to 21 for black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(background: QColor) -> QColor:
    """Black or white, whichever reads better: the text on a class's chip."""
    black, white = QColor("#000000"), QColor("#ffffff")
    return max((black, white), key=lambda text: contrast(text, background))


def readable_on(colour: QColor, background: QColor, least: float = READABLE) -> QColor:
    """The colour, as little darkened or lightened as it needs to read on a background."""
    if contrast(colour, background) >= least:
        return QColor(colour)
    end = text_on(background)
    steps = 20
    for step in range(1, steps):
        mixed = _mixed(colour, end, step / steps)
        if contrast(mixed, background) >= least:
            return mixed
    return end


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with a share of `other` in it."""
    parts = zip(one.getRgbF()[:3], other.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(a + share * (b - a) for a, b in parts))
