"""Everything reads in light and dark, and the focus can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from ui.appearance import (
    PALETTES,
    READABLE,
    VISIBLE,
    Appearance,
    contrast,
    is_dark,
    own_palette,
    readable_on,
    text_on,
)
from ui.preferences import DEFAULTS, Preferences

Role = QPalette.ColorRole


@pytest.fixture
def appearance(qapp: QApplication) -> Iterator[Appearance]:
    made = Appearance(qapp)
    yield made
    made.apply(DEFAULTS)
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_dark_and_light_and_back_to_the_systems_colours(qtbot, qapp, appearance) -> None:
    before = qapp.palette()
    with qtbot.waitSignal(appearance.changed):
        appearance.apply(Preferences(appearance="dark"))
    assert appearance.is_dark
    assert is_dark(QWidget().palette())
    with qtbot.waitSignal(appearance.changed):
        appearance.apply(Preferences(appearance="light"))
    assert not appearance.is_dark
    appearance.apply(DEFAULTS)
    assert qapp.palette() == before


def test_one_change_is_announced_once(qtbot, appearance) -> None:
    calls = []
    appearance.changed.connect(lambda: calls.append(1))
    with qtbot.waitSignal(appearance.changed):
        appearance.apply(Preferences(appearance="dark", text_scale_percent=150))
    appearance.apply(Preferences(appearance="dark", text_scale_percent=150))
    qtbot.wait(20)
    assert calls == [1]


def test_text_is_scaled_from_the_systems_size_not_from_the_last_one(qapp, appearance) -> None:
    size = qapp.font().pointSizeF()
    for percent in (150, 200, 75, 100):
        appearance.apply(Preferences(text_scale_percent=percent))
        assert QLineEdit().font().pointSizeF() == pytest.approx(size * percent / 100)


@pytest.mark.parametrize("dark", [False, True])
def test_own_colours_read(dark: bool) -> None:
    palette = own_palette(dark=dark)
    for text, below in (
        (Role.WindowText, Role.Window),
        (Role.Text, Role.Base),
        (Role.Text, Role.AlternateBase),
        (Role.ButtonText, Role.Button),
        (Role.HighlightedText, Role.Highlight),
        (Role.ToolTipText, Role.ToolTipBase),
        (Role.Link, Role.Base),
        (Role.Link, Role.Window),
        (Role.LinkVisited, Role.Base),
        (Role.PlaceholderText, Role.Base),
    ):
        assert contrast(palette.color(text), palette.color(below)) >= READABLE, (text, below)
    for below in (Role.Window, Role.Base, Role.Button):
        assert contrast(palette.color(Role.Highlight), palette.color(below)) >= 2.5, below
    assert contrast(palette.color(Role.Highlight), palette.color(Role.Window)) >= VISIBLE
    faded = palette.color(QPalette.ColorGroup.Disabled, Role.Text)
    assert contrast(faded, palette.color(Role.Base)) > 2
    assert faded != palette.color(Role.Text)


def test_contrast_is_that_of_the_guideline() -> None:
    black, white = QColor("black"), QColor("white")
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21)
    assert contrast(white, white) == 1
    # A pair that guides to accessibility give as just enough.
    assert contrast(QColor("#767676"), white) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", PALETTES)
@pytest.mark.parametrize("dark", [False, True])
def test_every_class_colour_can_be_written_and_written_on(name: str, dark: bool) -> None:
    below = own_palette(dark=dark).color(Role.Base)
    for text in PALETTES[name]:
        colour = QColor(text)
        assert contrast(text_on(colour), colour) >= READABLE
        assert contrast(readable_on(colour, below), below) >= READABLE
        assert contrast(readable_on(colour, below, VISIBLE), below) >= VISIBLE


def test_a_colour_that_reads_is_left_as_it_is() -> None:
    blue = QColor("#0072B2")
    assert readable_on(blue, QColor("white")) == blue
    lighter = readable_on(blue, QColor("#17191b"))
    assert lighter != blue
    assert abs(lighter.hue() - blue.hue()) < 15


# ---------------------------------------------------------------- the ring round the focus


class Parts(QWidget):
    """A list in a splitter, a flat button and a field."""

    def __init__(self) -> None:
        super().__init__()
        self.resize(400, 300)
        self.field = QLineEdit()
        self.list = QListWidget()
        self.list.addItems(["a", "b"])
        self.flat = QPushButton("flat")
        self.flat.setFlat(True)
        self.split = QSplitter()
        self.split.addWidget(self.list)
        self.split.addWidget(self.flat)
        column = QVBoxLayout(self)
        column.addWidget(self.field)
        column.addWidget(self.split)


@pytest.fixture
def parts(qtbot) -> Iterator[Parts]:
    parts = Parts()
    qtbot.addWidget(parts)
    with qtbot.waitActive(parts):
        parts.show()
    yield parts
    parts.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tab_draws_a_ring_round_what_has_the_focus(qtbot, appearance, parts, scheme) -> None:
    appearance.apply(Preferences(appearance=scheme))
    ring = appearance._focus_ring
    parts.field.setFocus()
    assert ring.ring is None
    for part in (parts.list, parts.flat):
        qtbot.keyClick(parts.focusWidget(), Qt.Key.Key_Tab)
        assert part.hasFocus()
        assert ring.ring.isVisible()
        corner = part.mapTo(parts, part.rect().topLeft())
        picture = parts.grab().toImage()
        assert picture.pixelColor(corner) == parts.palette().highlight().color()
    assert parts.split.count() == 2
    qtbot.keyClick(parts.focusWidget(), Qt.Key.Key_Tab)
    assert parts.field.hasFocus()
    assert ring.ring is None


def test_the_ring_follows_and_goes_with_its_widget(qtbot, appearance, parts) -> None:
    parts.field.setFocus()
    qtbot.keyClick(parts.field, Qt.Key.Key_Tab)
    ring = appearance._focus_ring.ring
    before = ring.geometry()
    parts.split.setSizes([100, 300])
    assert ring.width() < before.width()
    parts.resize(500, 400)
    qtbot.waitUntil(lambda: ring.y() > before.y())
    parts.split.hide()
    assert not ring.isVisible()
    parts.list.setParent(None)
    parts.list.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert appearance._focus_ring.ring is None
