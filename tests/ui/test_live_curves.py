"""Curves grow with each epoch, and collapse is said in words."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from core.progress import Progress
from ui.appearance import own_palette
from ui.live_curves import CurvePlot, LiveCurves

WARNING = (
    "The model is collapsing: different windows get nearly the same embedding (mean cosine 1.00, "
    "deviation 0.01). Use a larger batch."
)


@pytest.fixture
def curves(qtbot) -> LiveCurves:
    curves = LiveCurves()
    qtbot.addWidget(curves)
    curves.resize(1000, 600)
    curves.show()
    return curves


def epoch(number: int, of: int = 20, stage: str = "fold 0: pretraining", **more: float) -> Progress:
    values = {
        "epoch": number,
        "epochs": of,
        "loss": 20.0 - number,
        "invariance": 0.1,
        "variance": 0.5,
        "covariance": 2.0,
        "deviation": 0.8,
        "effective_rank": 12.0,
        "cosine": 0.2,
        "seconds": 1.0,
    }
    return Progress(stage, values=values | more, milestone=True)


def validation(value: float, number: int | None = None, stage: str = "fold 0") -> Progress:
    values = {"validation_macro_f1": value} | ({} if number is None else {"epoch": number})
    return Progress(f"{stage}: fine-tuning", values=values, milestone=True)


def warning(stage: str, number: int) -> Progress:
    return Progress("", message=f"{stage}: pretraining, epoch {number}: {WARNING}")


def xs(plot: CurvePlot) -> list[list[float]]:
    return [x.tolist() for x, _ in plot.lines()]


def ys(plot: CurvePlot) -> list[list[float]]:
    return [y.tolist() for _, y in plot.lines()]


def ticks_of(plot: CurvePlot) -> list[str]:
    return [text for _, text in plot.plot.getAxis("bottom")._tickLevels[0]]


def test_without_anything_it_says_what_comes(curves: LiveCurves) -> None:
    assert curves.empty.isVisible()
    assert "No curves yet" in curves.empty.text()
    assert curves.shown_stage == ""
    assert "No curves yet" in curves.accessibleDescription()


def test_curves_grow_with_each_epoch(qtbot, curves: LiveCurves) -> None:
    for number in (1, 2, 3):
        curves.add(epoch(number))
    qtbot.waitUntil(lambda: xs(curves.loss) == [[1, 2, 3]])
    assert ys(curves.loss) == [[19, 18, 17]]
    assert ys(curves.rank) == [[12] * 3]
    assert ys(curves.deviation) == [[0.8] * 3]
    assert ys(curves.cosine) == [[0.2] * 3]
    assert ys(curves.terms) == [[0.1] * 3, [0.5] * 3, [2.0] * 3]
    assert curves.validation.is_empty
    assert "Comes with fine-tuning" in curves.validation.nothing.text()
    assert not curves.empty.isVisible()
    assert curves.figures.text() == (
        "fold 0, epoch 3 of 20: loss 17 (invariance 0.1, variance 0.5, covariance 2), effective "
        "rank 12, deviation 0.8, cosine 0.2."
    )
    assert curves.figures.text() in curves.accessibleDescription()
    assert not curves.notice.warns
    assert curves.notice.text() == "No sign of collapse so far."


def test_the_axis_has_room_for_all_epochs_from_the_first(curves: LiveCurves) -> None:
    curves.add(epoch(1, of=200))
    curves.draw()
    left, right = curves.loss.plot.getViewBox().viewRange()[0]
    assert left < 1 < 200 < right
    assert ticks_of(curves.loss)[0] == "1"
    assert ticks_of(curves.loss)[-1] == "200"


def test_one_epoch_of_one_is_seen(curves: LiveCurves) -> None:
    curves.add(epoch(1, of=1))
    curves.draw()
    assert ticks_of(curves.loss) == ["1"]
    left, right = curves.loss.plot.getViewBox().viewRange()[0]
    assert left < 1 < right
    (item,) = curves.loss._items
    assert item.opts["symbol"] is not None, "a line of one point is not seen"


def test_each_stage_has_a_line_and_the_present_one_stands_out(curves: LiveCurves) -> None:
    for stage in ("fold 0", "fold 1", "final fit"):
        for number in (1, 2):
            curves.add(epoch(number, stage=f"{stage}: pretraining"))
    curves.draw()
    assert len(curves.loss.lines()) == 3
    assert curves.shown_stage == "final fit"
    widths = [item.opts["pen"].width() for item in curves.loss._items]
    assert widths == [1, 1, 2]
    curves.stage.setCurrentIndex(curves.stage.findData("fold 0"))
    assert curves.shown_stage == "fold 0"
    assert [item.opts["pen"].width() for item in curves.loss._items] == [2, 1, 1]
    assert curves.figures.text().startswith("fold 0, epoch 2")
    curves.add(epoch(3, stage="final fit: pretraining"))
    curves.draw()
    assert curves.shown_stage == "fold 0", "what was chosen stays"


def test_an_opponents_pretraining_is_a_stage_of_its_own(curves: LiveCurves) -> None:
    curves.add(epoch(1))
    curves.add(epoch(1, stage="fold 0: pretraining (reference)"))
    curves.draw()
    assert curves.shown_stage == "fold 0 (reference)"
    assert len(curves.loss.lines()) == 2


def test_a_resumed_stage_goes_on_and_one_that_starts_anew_begins_again(curves: LiveCurves) -> None:
    for number in (4, 5, 5, 6):
        curves.add(epoch(number))
    curves.draw()
    assert xs(curves.loss) == [[4, 5, 6]]
    curves.add(epoch(1))
    curves.draw()
    assert xs(curves.loss) == [[1]]


def test_figures_that_are_no_numbers_leave_a_gap_and_no_crash(curves: LiveCurves) -> None:
    curves.add(epoch(1))
    curves.add(epoch(2, effective_rank=math.nan, invariance=0.0))
    curves.add(epoch(3))
    curves.draw()
    assert xs(curves.rank) == [[1, 3]]
    curves.add(epoch(4, effective_rank=math.nan))
    curves.draw()
    assert "effective rank –" in curves.figures.text()


# ---------------------------------------------------------------- validation


def test_validation_is_drawn_over_the_epochs_of_the_newest_classifier(curves: LiveCurves) -> None:
    for number, value in enumerate((0.3, 0.5, 0.6), 1):
        curves.add(validation(value, number))
    curves.draw()
    assert (xs(curves.validation), ys(curves.validation)) == ([[1, 2, 3]], [[0.3, 0.5, 0.6]])
    for number, value in enumerate((0.4, 0.7), 1):
        curves.add(validation(value, number))
    curves.draw()
    assert ys(curves.validation) == [[0.4, 0.7]]
    assert curves.figures.text() == "fold 0, validation macro F1: 0.7."


def test_classifiers_without_epochs_stand_side_by_side(curves: LiveCurves) -> None:
    for value in (0.5, 0.6, 0.7):
        curves.add(validation(value))
    curves.draw()
    assert (xs(curves.validation), ys(curves.validation)) == ([[1, 2, 3]], [[0.5, 0.6, 0.7]])
    assert curves.validation.plot._titles["bottom"] == "Classifier"
    assert curves.loss.is_empty


def test_other_reports_are_passed_over(curves: LiveCurves) -> None:
    for progress in (
        Progress("reading", 1, 5),
        Progress("fold 0: pretraining", 3, 9, values={"loss": 3.0}),
        Progress("fold 0: fine-tuning", 3, 9, values={"loss": 3.0}),
        Progress("", message="Device: CPU."),
        Progress("fold 0: majority", values={"epoch": 1.0, "loss": 1.0}),
    ):
        curves.add(progress)
    curves.draw()
    assert curves.empty.isVisible()


# ---------------------------------------------------------------- collapse


def test_collapse_is_said_in_the_words_of_the_core_with_its_stage(curves: LiveCurves) -> None:
    curves.add(epoch(5))
    curves.add(warning("fold 0", 5))
    curves.draw()
    assert curves.notice.warns
    assert curves.notice.sign.isVisible()
    assert curves.notice.text() == f"fold 0, epoch 5: {WARNING}"
    assert WARNING in curves.accessibleDescription()
    curves.add(epoch(5, stage="fold 1: pretraining"))
    curves.draw()
    assert curves.notice.text().startswith("fold 0"), "it is not forgotten in the next fold"
    curves.add(warning("fold 1", 5))
    curves.draw()
    assert curves.notice.text() == f"fold 1, epoch 5: {WARNING} The same is true of fold 0."
    curves.clear()
    assert not curves.notice.warns


def test_a_warning_may_come_with_the_milestone(curves: LiveCurves) -> None:
    both = epoch(5)
    message = f"fold 0: pretraining, epoch 5: {WARNING}"
    curves.add(Progress(both.stage, message=message, values=both.values, milestone=True))
    curves.draw()
    assert curves.notice.warns
    assert xs(curves.loss) == [[5]]


def test_the_core_warns_in_words_that_are_understood(curves: LiveCurves) -> None:
    from core.losses import collapse_verdict

    words = collapse_verdict(deviation=0.01, effective_rank=1.0, cosine=0.99, dimensions=48)
    curves.add(Progress("", message=f"fold 3: pretraining (reference), epoch 20: {words}"))
    curves.draw()
    assert curves.notice.text() == f"fold 3 (reference), epoch 20: {words}"


# ---------------------------------------------------------------- a run that has ended


def test_the_curves_of_a_report_are_shown(curves: LiveCurves, trained_study: Path) -> None:
    path = trained_study / "runs" / "001_First_run" / "report.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["pretraining"]["runs"]
    curves.set_history(runs)
    assert len(curves.loss.lines()) == len(runs) == 3
    assert curves.shown_stage == "final fit"
    assert xs(curves.loss)[0] == [1, 2]
    assert ys(curves.loss)[0] == [entry["loss"] for entry in runs[0]["epochs"]]
    assert "while a run goes on" in curves.validation.nothing.text()
    collapsed = [run["name"] for run in runs if run["verdict"] != "no sign of collapse"]
    assert curves.notice.warns == bool(collapsed)


def test_a_healthy_run_says_so_and_a_collapsed_one_why(curves: LiveCurves) -> None:
    entry = {"name": "fold 0", "epochs": [epoch(1).values | {"epoch": 1}], "stopped": ""}
    curves.set_history([entry | {"verdict": "no sign of collapse"}])
    assert curves.notice.text() == "No sign of collapse."
    curves.set_history([entry | {"verdict": WARNING}])
    assert curves.notice.text() == f"fold 0: {WARNING}"


def test_a_run_without_pretraining_and_a_damaged_report_are_no_crash(curves: LiveCurves) -> None:
    curves.set_history([])
    assert "no curves" in curves.empty.text()
    curves.set_history(
        [3, {"name": 5}, {"epochs": [1, {"epoch": "x"}, {"epoch": 2, "loss": "a"}], "verdict": 7}]
    )
    assert curves.loss.is_empty
    assert not curves.notice.warns


def test_curves_of_the_past_make_room_for_those_that_come(curves: LiveCurves) -> None:
    curves.set_history([{"name": "fold 0", "epochs": [{"epoch": 1, "loss": 1.0}], "verdict": ""}])
    curves.clear()
    curves.add(epoch(1))
    curves.draw()
    assert ys(curves.loss) == [[19.0]]


# ---------------------------------------------------------------- looks


def test_it_follows_dark_and_light(qtbot, curves: LiveCurves) -> None:
    curves.add(epoch(1))
    curves.add(warning("fold 0", 1))
    curves.draw()
    for dark in (True, False):
        curves.setPalette(own_palette(dark=dark))
        QApplication.processEvents()
        ground = curves.palette().color(QPalette.ColorRole.Base)
        assert curves.loss.plot.backgroundBrush().color() == ground
        assert curves.notice.palette().color(QPalette.ColorRole.Window).name() == "#e69f00"


@pytest.mark.parametrize(("width", "columns"), [(1200, 3), (640, 2), (340, 1)])
def test_plots_take_as_many_columns_as_fit(
    qtbot, curves: LiveCurves, width: int, columns: int
) -> None:
    curves.add(epoch(1))
    curves.draw()
    curves.resize(width, 600)
    QApplication.processEvents()
    assert curves._grid._columns == columns
    assert curves._grid.width() <= width


def test_two_hundred_epochs_of_six_stages_are_drawn_within_a_blink(curves: LiveCurves) -> None:
    for stage in range(6):
        for number in range(1, 201):
            curves.add(epoch(number, of=200, stage=f"fold {stage}: pretraining"))
    curves.draw()
    curves.add(epoch(200, of=200, stage="fold 5: pretraining", loss=1.5))
    started = time.perf_counter()
    curves.draw()
    assert time.perf_counter() - started < 0.5  # 0.01 s on a machine that is not busy
    assert sum(len(x) for x, _ in curves.loss.lines()) == 1200
    assert ys(curves.loss)[-1][-1] == 1.5
    assert np.isfinite(curves.loss.plot.getViewBox().viewRange()).all()


def test_controls_have_names(curves: LiveCurves) -> None:
    assert curves.stage.accessibleName()
    assert curves.stage.toolTip()
    for plot in curves.plots:
        assert plot.accessibleName()
        assert plot.toolTip()
