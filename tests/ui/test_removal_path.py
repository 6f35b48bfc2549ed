"""The path of least loss: its rows in order, asked for with mouse and keys, told in words; and the
bars and the table beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest

from core.progress import RunContext
from core.subset_figures import SubsetFigures, path_sentence, subset_figures
from tests.core.test_subset_figures import make_all
from ui.class_damage_table import LOST, ClassDamageTable
from ui.removal_path import RemovalPath
from ui.shapley_bars import ShapleyBars

ROLE = Qt.ItemDataRole


@pytest.fixture
def figures() -> SubsetFigures:
    return subset_figures(make_all(4, (2.0, 1.2, 0.1, 0.6)), RunContext())


@pytest.fixture
def seen() -> SubsetFigures:
    """Figures of people that the model has seen."""
    windows = make_all()
    return subset_figures(replace(windows, held_out=np.zeros(len(windows), bool)), RunContext())


@pytest.fixture
def path(qtbot, figures: SubsetFigures) -> RemovalPath:
    made = RemovalPath()
    qtbot.addWidget(made)
    made.set_figures(figures)
    made.resize(made.sizeHint())
    made.show()
    qtbot.waitExposed(made)
    return made


def press(path: RemovalPath, row: int) -> None:
    rows = 1 + 3
    height = path.sizeHint().height() - path.fontMetrics().height() - 12
    place = QPoint(60, int((row + 0.5) * height / rows))
    QTest.mouseClick(path, Qt.MouseButton.LeftButton, pos=place)


def test_a_click_asks_for_what_is_left_after_a_step(
    qtbot, path: RemovalPath, figures: SubsetFigures
) -> None:
    kept = [(0, 1, 2, 3), *(step.figure.kept for step in figures.path)]
    for row, wanted in enumerate(kept):
        with qtbot.waitSignal(path.subset_chosen) as asked:
            press(path, row)
        assert asked.args == [wanted]


def test_keys_walk_down_the_path_and_ask(qtbot, path: RemovalPath, figures: SubsetFigures) -> None:
    for _ in range(9):
        QTest.keyClick(path, Qt.Key.Key_Down)
    QTest.keyClick(path, Qt.Key.Key_Up)
    with qtbot.waitSignal(path.subset_chosen) as asked:
        QTest.keyClick(path, Qt.Key.Key_Return)
    assert asked.args == [figures.path[1].figure.kept]


def test_the_path_is_told_in_words(path: RemovalPath, figures: SubsetFigures) -> None:
    assert path.accessibleDescription() == path_sentence(figures)
    first = figures.modalities[figures.path[0].removed]
    assert path.describe(1).startswith(f"− {first}: macro F1 {figures.path[0].figure.macro_f1:.2f}")
    assert "95 % interval" in path.describe(1)


def test_the_stairs_go_left_as_the_score_falls(path: RemovalPath, figures: SubsetFigures) -> None:
    image = path.grab().toImage()
    height = path.sizeHint().height() - path.fontMetrics().height() - 12
    found = []
    for row in range(4):
        y = int((row + 0.5) * height / 4)
        # The dot of the row, the only strong colour in its middle.
        strong = [x for x in range(image.width()) if image.pixelColor(x, y).hsvSaturation() > 200]
        found.append(float(np.median(strong)))
    assert found == sorted(found, reverse=True)
    assert found[0] - found[3] > 20


def test_without_scores_the_path_is_one_of_agreement(
    path: RemovalPath, seen: SubsetFigures
) -> None:
    path.set_figures(seen)
    assert "agreement with all" in path.describe(1)
    assert "macro F1" not in path.describe(2)


def test_without_a_second_sensor_there_is_no_path(qtbot, path: RemovalPath) -> None:
    path.set_figures(subset_figures(make_all(1), RunContext()))
    path.grab()
    with qtbot.assertNotEmitted(path.subset_chosen):
        QTest.keyClick(path, Qt.Key.Key_Return)
        press(path, 0)


# ---------------------------------------------------------------- bars


def test_bars_show_the_mean_share_overall_or_of_one_class(qtbot, figures: SubsetFigures) -> None:
    bars = ShapleyBars()
    qtbot.addWidget(bars)
    bars.set_figures(figures)
    assert bars.values == dict(zip(figures.modalities, figures.shapley.tolist(), strict=True))
    bars.classes.setCurrentText("walk")
    walking = figures.shapley_by_class[1].tolist()
    assert bars.values == dict(zip(figures.modalities, walking, strict=True))
    bars.set_figures(replace(figures))
    assert bars.classes.currentText() == "walk"
    assert f"m0 {walking[0]:.2f}" in bars.bars.accessibleDescription()
    bars.grab()


def test_bars_of_a_class_that_is_never_predicted_say_so(qtbot, figures: SubsetFigures) -> None:
    bars = ShapleyBars()
    qtbot.addWidget(bars)
    bars.set_figures(replace(figures, shapley_by_class=np.full((3, 4), np.nan)))
    bars.classes.setCurrentText("run")
    assert all(value != value for value in bars.values.values())
    bars.grab()
    bars.set_figures(None)
    assert bars.values == {}
    bars.grab()


# ---------------------------------------------------------------- classes


@pytest.fixture
def damage(qtbot, figures: SubsetFigures) -> ClassDamageTable:
    made = ClassDamageTable()
    qtbot.addWidget(made)
    made.set_figures(figures, {"walk": "#123456"})
    return made


def test_each_class_has_its_score_and_what_it_falls_by_without_each_sensor(
    damage: ClassDamageTable, figures: SubsetFigures
) -> None:
    values = figures.damage
    assert damage.heads() == (
        ("rest", "walk", "run"),
        ("windows", "F1 with all", "− m0", "− m1", "− m2", "− m3"),
    )
    for row, cells in enumerate(damage.texts()):
        assert cells[0] == str(values.labelled[row])
        assert cells[1] == f"{values.f1[row]:.2f}"
        assert cells[2] == f"{values.f1_without[0, row]:.2f}   −{values.drop[0, row]:.2f}"


def test_the_class_that_suffers_most_is_named_and_its_cell_has_the_strongest_colour(
    damage: ClassDamageTable, figures: SubsetFigures
) -> None:
    modality, number = figures.damage.worst
    sentence = damage.sentence()
    assert sentence.startswith(f"{figures.classes[number]} suffers most: without m{modality} ")
    model = damage.model()

    def distance(row: int, column: int) -> int:
        colour = model.index(row, column).data(ROLE.BackgroundRole)
        return 0 if colour is None else 255 - colour.blue()

    cells = {(r, c): distance(r, c) for r in range(3) for c in range(2, 6)}
    assert max(cells.values()) == cells[number, 2 + modality] > 0
    tip = model.index(number, 2 + modality).data(ROLE.ToolTipRole)
    assert "95 % interval" in tip
    assert model.index(0, 0).data(ROLE.BackgroundRole) is None


def test_cells_read_in_the_dark_too(damage: ClassDamageTable, figures: SubsetFigures) -> None:
    from ui.appearance import contrast, own_palette

    modality, number = figures.damage.worst
    for dark in (False, True):
        damage.setPalette(own_palette(dark=dark))
        cell = damage.model().index(number, 2 + modality)
        ground, text = cell.data(ROLE.BackgroundRole), cell.data(ROLE.ForegroundRole)
        assert contrast(ground, text) > 4.5
        base = damage.palette().color(QPalette.ColorRole.Base)
        assert abs(ground.hue() - LOST.hue()) < 25
        assert ground != base


def test_classes_have_the_colours_of_the_study(damage: ClassDamageTable) -> None:
    chip = damage.model().headerData(1, Qt.Orientation.Vertical, ROLE.DecorationRole)
    assert chip.pixmap(10, 10).toImage().pixelColor(5, 5) == QColor("#123456")


def test_without_scores_it_tells_which_windows_change(
    damage: ClassDamageTable, seen: SubsetFigures
) -> None:
    damage.set_figures(seen)
    assert damage.heads()[1] == ("called so", "− m0", "− m1", "− m2")
    assert damage.texts()[0][0] == str(seen.damage.called[0])
    assert damage.texts()[0][1].endswith(" %")
    assert "of its windows are called otherwise" in damage.sentence()
    damage.set_figures(None)
    assert damage.texts() == []
    assert damage.sentence() == ""
