"""The traces show the state and the epoch that one looks at."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QImage, QPalette

from core.label_scheme import LabelScheme, load_scheme
from core.study_labels import NS, StudyLabel, make_grid, make_recording_labels
from ui.epoch_layer import EpochLayer
from ui.time_plot import TimePlot

SCHEME = load_scheme("sleep_aasm")
N2 = QColor("#0072B2")


@pytest.fixture
def plot(qtbot) -> TimePlot:
    made = TimePlot()
    qtbot.addWidget(made)
    made.resize(1000, 240)
    made.setYRange(-2.6, 0.6, padding=0)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def layer(plot: TimePlot) -> EpochLayer:
    """Ten minutes of N2 but for the third epoch, which is unlabelled."""
    made = EpochLayer()
    plot.addItem(made, ignoreBounds=True)
    labels = make_recording_labels(
        StudyLabel(k + 1, k * 30 * NS, (k + 1) * 30 * NS, "N2") for k in range(20) if k != 2
    )
    made.set_labels(labels, SCHEME, make_grid(600, 30))
    return made


def at(plot: TimePlot, time_s: float, y: float | None = None) -> tuple[int, int]:
    """Pixel of a time and a value; without a value, of the upper edge."""
    area = plot.getViewBox().sceneBoundingRect()
    (low, high), (bottom, top) = plot.getViewBox().viewRange()
    x = area.left() + (time_s - low) / (high - low) * area.width()
    down = 2.0 if y is None else (top - y) / (top - bottom) * area.height()
    return round(x), round(area.top() + down)


def shown(plot: TimePlot, start_s: float, end_s: float) -> QImage:
    plot.setXRange(start_s, end_s, padding=0)
    return plot.grab().toImage()


def test_the_bar_has_the_colour_of_each_state(plot: TimePlot, layer: EpochLayer):
    for stretch in ((0, 600), (0, 120)):
        image = shown(plot, *stretch)
        assert image.pixelColor(*at(plot, 3)) == N2
        assert image.pixelColor(*at(plot, 63)) != N2
        assert image.pixelColor(*at(plot, 93)) == N2


def test_names_are_shown_where_epochs_are_wide(plot: TimePlot, layer: EpochLayer):
    def letters(stretch: tuple[float, float]) -> bool:
        image = shown(plot, *stretch)
        x, y = at(plot, 15)
        colours = {
            image.pixelColor(x + dx, y + dy).name() for dx in range(-8, 9) for dy in range(3, 14)
        }
        return "#ffffff" in colours and N2.name() in colours

    assert letters((0, 120))


def test_the_epoch_of_the_cursor_is_shaded(plot: TimePlot, layer: EpochLayer):
    plain = shown(plot, 0, 300).pixelColor(*at(plot, 45, -1.5))
    layer.set_cursor(1)
    image = shown(plot, 0, 300)
    assert image.pixelColor(*at(plot, 45, -1.5)) != plain
    assert image.pixelColor(*at(plot, 75, -1.5)) == plain
    layer.set_cursor(None)
    assert shown(plot, 0, 300).pixelColor(*at(plot, 45, -1.5)) == plain


def test_borders_are_drawn_only_where_epochs_are_wide_enough(plot: TimePlot, layer: EpochLayer):
    def colours(stretch: tuple[float, float]) -> int:
        image = shown(plot, *stretch)
        left, y = at(plot, stretch[0], -1.5)
        right, _ = at(plot, stretch[1], -1.5)
        return len({image.pixelColor(x, y).name() for x in range(left + 2, right - 2)})

    assert colours((0, 600)) == 2
    layer.set_labels(make_recording_labels(()), SCHEME, make_grid(600, 2))
    assert colours((0, 600)) == 1


def test_it_leaves_the_range_and_the_mouse_of_the_plot_alone(plot: TimePlot, layer: EpochLayer):
    plot.setXRange(100, 200, padding=0)
    plot.getViewBox().updateAutoRange()
    assert plot.getViewBox().viewRange()[0] == [100, 200]
    assert not hasattr(layer, "mouseDragEvent")
    assert not hasattr(layer, "mouseClickEvent")
    assert layer.dataBounds(0) is None


def test_colours_follow_the_palette(plot: TimePlot, layer: EpochLayer):
    layer.set_cursor(1)
    light = shown(plot, 0, 300).pixelColor(*at(plot, 45, -1.5))
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor("#101010"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#f0f0f0"))
    plot.setPalette(palette)
    dark = shown(plot, 0, 300).pixelColor(*at(plot, 45, -1.5))
    assert light.lightness() > 200
    assert 16 < dark.lightness() < 80


def test_without_a_grid_or_classes_nothing_is_drawn(plot: TimePlot, layer: EpochLayer):
    layer.set_labels(make_recording_labels(()), LabelScheme((), 30.0), None)
    layer.set_cursor(3)
    image = shown(plot, 0, 300)
    x, y = at(plot, 100, -1.0)
    assert {image.pixelColor(x + dx, y).name() for dx in range(200)} == {
        plot.soft_colour(0.0).name()
    }
