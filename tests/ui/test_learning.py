"""From a study to runs, predictions, sensors, map and lists, by what a user does in the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QMessageBox

from core.errors import CrosslError, OutputError
from core.study_runs import runs_of
from tests.conftest import RATER
from ui.main_window import MainWindow

LONG = 60_000


@pytest.fixture
def open_study(qtbot, make_window) -> Callable[..., MainWindow]:
    def open_it(folder: Path, rater: str = "AB") -> MainWindow:
        window = make_window()
        window._session.choose_rater(rater)
        window._session.open_path(folder)
        qtbot.waitUntil(lambda: window._session.shown is not None, timeout=20_000)
        qtbot.waitUntil(lambda: window.predicting.view is not None, timeout=20_000)
        return window

    return open_it


@pytest.fixture
def window(open_study, study_copy: Path) -> MainWindow:
    return open_study(study_copy)


def press(qtbot, window: MainWindow, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
    joined = Qt.KeyboardModifier.NoModifier
    for modifier in modifiers:
        joined |= modifier
    qtbot.keyClick(window.view.plot, key, joined)


def read_everything(qtbot, window: MainWindow) -> None:
    window.predicting.want_everything()
    qtbot.waitUntil(lambda: window.predicting.everything is not None, timeout=20_000)


CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)

# ---------------------------------------------------------------- predictions


def test_keys_switch_a_modality_off_and_on_again(qtbot, window: MainWindow) -> None:
    window.view.plot.setFocus()
    press(qtbot, window, Qt.Key.Key_1, ALT)
    assert window.predicting.kept == (1,)
    assert not window.page.switches.switches[0].isChecked()
    np.testing.assert_array_equal(
        window.strip.view.probabilities, window.predicting.windows.probabilities((1,))
    )
    press(qtbot, window, Qt.Key.Key_0, ALT)
    assert window.predicting.kept == (0, 1)


def test_a_click_on_a_switch_does_the_same(qtbot, window: MainWindow) -> None:
    qtbot.mouseClick(window.page.switches.switches[1], Qt.MouseButton.LeftButton)
    assert window.predicting.kept == (0,)


def test_accepting_labels_the_epoch_with_the_model_as_source(qtbot, window: MainWindow) -> None:
    labelling = window._session.labelling
    window.view.plot.setFocus()
    press(qtbot, window, Qt.Key.Key_Return, CTRL)
    (state,) = labelling.labels.states
    view = window.predicting.view
    assert state.source == "model"
    assert state.class_name == view.classes[view.predicted[0]]
    assert state.confidence == pytest.approx(float(view.confidence[0]))
    assert labelling.epoch == 1
    press(qtbot, window, Qt.Key.Key_Z, CTRL)
    assert labelling.labels.states == ()


def test_accepting_all_that_are_sure_leaves_the_unsure_and_the_labelled_alone(
    qtbot, window: MainWindow
) -> None:
    labelling, predicting = window._session.labelling, window.predicting
    labelling.label("walk")
    confidence = np.sort(predicting.view.confidence)
    predicting.set_threshold(float(confidence[10]))
    window.learning.predicts.accept_all()
    box = window.findChild(QMessageBox)
    qtbot.mouseClick(box.button(QMessageBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    by_hand = [state for state in labelling.labels.states if state.source == "human"]
    assert len(by_hand) == 1
    unsure = int(predicting.view.unsure.sum())
    assert 29 - unsure <= len(labelling.labels.states) - 1 <= 30 - unsure


def test_walking_goes_to_windows_that_differ_from_their_labels(qtbot, window: MainWindow) -> None:
    labelling, predicting = window._session.labelling, window.predicting
    view = predicting.view
    labelling.auto_advance = False
    wrong = {"rest": "walk", "walk": "rest"}
    for row in (7, 20):
        labelling.go_to_time(float(view.starts_s[row]) + 0.5)
        labelling.label(wrong[view.classes[view.predicted[row]]])
    qtbot.waitUntil(lambda: int(predicting.view.differs.sum()) == 2)
    labelling.go_to(0)
    window.view.plot.setFocus()
    press(qtbot, window, Qt.Key.Key_J, CTRL)
    assert labelling.epoch == 7
    press(qtbot, window, Qt.Key.Key_J, CTRL)
    assert labelling.epoch == 20
    press(qtbot, window, Qt.Key.Key_J, CTRL, SHIFT)
    assert labelling.epoch == 7


def test_a_click_on_the_strip_goes_there(qtbot, window: MainWindow) -> None:
    window.view.show_range(0, 10)
    window.strip.went_to.emit(41.0)
    low, high = window.view.range_s
    assert low <= 41.0 <= high
    assert window._session.labelling.epoch == 20


def test_rows_of_subsets_are_below_the_traces_and_choose_a_subset(
    qtbot, window: MainWindow
) -> None:
    window.registry.action("view.subsets").trigger()
    assert window.page.subsets.isVisible()
    window.page.subsets.subset_chosen.emit((1,))
    assert window.predicting.kept == (1,)
    window.registry.action("view.subsets").trigger()
    assert not window.page.subsets.isVisible()


# ---------------------------------------------------------------- pages


def test_the_evaluation_page_has_the_figures_of_the_report(qtbot, window: MainWindow) -> None:
    window.registry.action("page.evaluation").trigger()
    page = window.learning.evaluation
    assert page.isVisible()
    assert page.is_test
    macro_f1 = window.predicting.results.report["evaluation"]["macro_f1"]
    assert any(f"{macro_f1:.3f}" in text for text in texts_of(page))


def texts_of(widget) -> list[str]:
    from PySide6.QtWidgets import QLabel

    return [label.text() for label in widget.findChildren(QLabel)]


def test_a_cell_of_the_confusion_matrix_lists_its_windows(qtbot, window: MainWindow) -> None:
    window.registry.action("page.evaluation").trigger()
    read_everything(qtbot, window)
    window.learning.evaluation.cell_chosen.emit("walk", "walk")
    report = window.predicting.results.report["evaluation"]
    walk = report["classes"].index("walk")
    rows = window.learning.windows.windows.rows
    assert len(rows) == report["confusion"][walk][walk]
    assert {row.predicted for row in rows} == {"walk"}
    last = len(rows) - 1
    window.learning.windows.windows.window_chosen.emit(last)
    assert window.learning._pages.current == "recording"
    qtbot.waitUntil(lambda: window._session.shown.entry.name == rows[last].recording)
    qtbot.waitUntil(
        lambda: window._session.labelling.epoch_span_s[0] == pytest.approx(rows[last].start_s),
        timeout=10_000,
    )


def test_the_sensors_page_answers_and_its_rows_are_the_switches(qtbot, window: MainWindow) -> None:
    window.registry.action("page.sensors").trigger()
    page = window.learning.sensors
    qtbot.waitUntil(lambda: "los" in page.answer.text(), timeout=LONG)
    page.subset_chosen.emit((0,))
    assert window.predicting.kept == (0,)


def test_a_failing_sensor_is_tried_on_the_shown_recording(qtbot, window: MainWindow) -> None:
    from core.corruption import Corruption

    window.registry.action("page.sensors").trigger()
    panel = window.learning.sensors.corruption
    qtbot.waitUntil(lambda: window.predicting.everything is not None, timeout=LONG)
    qtbot.waitUntil(lambda: panel.isVisible() and bool(panel.modalities), timeout=LONG)
    results: list[object] = []
    panel.set_result = results.append
    panel.requested.emit([Corruption("flat", ("acc",))])
    qtbot.waitUntil(lambda: bool(results), timeout=LONG)
    (result,) = results
    assert result.caught_share == pytest.approx(1.0, abs=0.1)


def test_heads_are_trained_again_from_the_labels_as_they_are(qtbot, window: MainWindow) -> None:
    window.registry.action("page.evaluation").trigger()
    read_everything(qtbot, window)
    taken: list[object] = []
    window.learning.evaluation.set_live_budget = taken.append
    window.learning.evaluation.budget_requested.emit()
    qtbot.waitUntil(lambda: bool(taken), timeout=LONG)
    expected = window.predicting.results.report["evaluation"]["macro_f1"]
    assert taken[0].macro_f1 == expected


# ---------------------------------------------------------------- map and lists


def test_the_map_shows_every_window_and_a_click_goes_there(qtbot, window: MainWindow) -> None:
    window.registry.action("view.map").trigger()
    map = window.learning.map
    qtbot.waitUntil(lambda: map._data is not None, timeout=LONG)
    everything = window.predicting.everything
    assert len(map._data) == len(everything)
    row = len(everything) - 3
    map.window_chosen.emit(row)
    recording, start = everything.place(row)
    qtbot.waitUntil(lambda: window._session.shown.entry.name == recording, timeout=10_000)
    qtbot.waitUntil(
        lambda: window._session.labelling.epoch_span_s[0] == pytest.approx(start), timeout=10_000
    )


def test_a_lasso_labels_windows_of_several_recordings(qtbot, window: MainWindow) -> None:
    read_everything(qtbot, window)
    everything = window.predicting.everything
    first_of_second = int(np.searchsorted(everything.recording_index, 1))
    window.learning.map.label_requested.emit(np.array([0, 1, first_of_second]), "walk")
    study = window._session.study
    rater = next(r for r in study.raters() if r.name == "AB")
    counts = [len(study.labels(entry.id, rater.id).states) for entry in window._session.recordings]
    assert counts == [2, 1, 0, 0, 0]
    window._session.labelling.undo()
    assert window._session.labelling.labels.states == ()


def test_ten_windows_to_label_next_are_walked_with_the_labelling_keys(
    qtbot, window: MainWindow
) -> None:
    window.learning.lists.suggest()
    panel = window.learning.windows
    qtbot.waitUntil(lambda: len(panel.windows.rows) == 10, timeout=LONG)
    first = panel.windows.current
    assert first == 0
    shown = panel.windows.rows[0].recording
    qtbot.waitUntil(lambda: window._session.shown.entry.name == shown, timeout=10_000)
    qtbot.waitUntil(
        lambda: (
            window._session.labelling.epoch_span_s[0]
            == pytest.approx(panel.windows.rows[0].start_s)
        ),
        timeout=10_000,
    )
    window._session.labelling.give("walk")
    qtbot.waitUntil(lambda: panel.windows.rows[0].label == "walk")
    qtbot.waitUntil(lambda: panel.windows.current == 1)


def test_the_curve_says_why_it_cannot_grow_from_labels_of_one_person(
    qtbot, open_study, study_copy: Path
) -> None:
    window = open_study(study_copy)
    window._session.labelling.label("walk")
    read_everything(qtbot, window)
    window.learning.lists.grow()
    panel = window.learning.windows
    qtbot.waitUntil(lambda: bool(panel.points) or "person" in panel.says.text(), timeout=LONG)


# ---------------------------------------------------------------- training


def small_request(window: MainWindow, **changes: object):
    window.registry.action("page.train").trigger()
    request = window.learning.training.setup.request()
    return replace(request, title="Second run", **changes)


def wait_for_end(qtbot, window: MainWindow) -> None:
    queue = window.learning.queue
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=LONG)


def test_the_page_is_filled_from_the_study_and_says_who_is_tested(
    qtbot, window: MainWindow
) -> None:
    window.registry.action("page.train").trigger()
    setup = window.learning.training.setup
    request = setup.request()
    assert len(request.recordings) == 5
    assert request.raters == (RATER,)
    qtbot.waitUntil(lambda: setup._plan is not None, timeout=LONG)
    assert setup.problem() == ""
    assert len(setup._plan.rows) == 5


def test_a_run_started_in_the_window_ends_with_predictions_and_curves(
    qtbot, window: MainWindow
) -> None:
    request = small_request(window)
    window.learning.training.setup.start_requested.emit(request)
    wait_for_end(qtbot, window)
    runs = {run.title: run for run in window.predicting.runs}
    assert runs["Second run"].state == "finished"
    assert window.predicting.run.title == "Second run"
    assert window.predicting.view is not None
    curves = window.learning.training.curves
    assert (
        any(len(curve.epochs) for curve in curves.stages.values())
        if hasattr(curves, "stages")
        else curves.shown_stage
    )


def test_a_run_that_is_stopped_can_be_resumed_and_equals_one_that_was_not(
    qtbot, window: MainWindow
) -> None:
    learning = window.learning
    request = small_request(window)
    first = next(run for run in window.predicting.runs if run.title == "First run")
    expected = first.report()["evaluation"]["macro_f1"]
    stopped = []

    def stop_soon(job_id: int, progress: object) -> None:
        if "pretraining" in progress.stage and not stopped:
            stopped.append(job_id)
            learning.queue.stop(job_id)

    learning.queue.progressed.connect(stop_soon)
    learning.training.setup.start_requested.emit(request)
    wait_for_end(qtbot, window)
    run = next(run for run in window.predicting.runs if run.title == "Second run")
    assert run.state == "stopped"
    assert learning.queue.job_for(run.name).can_resume
    learning.training.runs.resume_requested.emit(run.name)
    wait_for_end(qtbot, window)
    run = window.predicting.run_named(run.name)
    assert run.state == "finished"
    assert run.report()["evaluation"]["macro_f1"] == expected


def test_closing_the_window_stops_a_run_which_is_offered_again_at_the_next_start(
    qtbot, open_study, study_copy: Path
) -> None:
    window = open_study(study_copy)
    request = small_request(window)
    with qtbot.waitSignal(window.learning.queue.progressed, timeout=LONG):
        window.learning.training.setup.start_requested.emit(request)
    window.close()
    run = next(run for run in runs_of(study_copy) if run.title == "Second run")
    assert run.state in ("stopped", "finished")
    assert run.state != "running"


def test_a_run_left_running_by_a_crash_is_stopped_when_the_study_is_opened(
    qtbot, open_study, study_copy: Path
) -> None:
    from core.study_runs import set_state

    (run,) = runs_of(study_copy)
    set_state(run, "running")
    open_study(study_copy)
    (run,) = runs_of(study_copy)
    assert run.state == "stopped"
    assert run.can_resume


def test_a_damaged_recording_is_told_and_the_run_goes_on(
    qtbot, open_study, study_copy: Path
) -> None:
    window = open_study(study_copy)
    entry = window._session.recordings[-1]
    window._session.study.path_of(entry.files[0]).write_bytes(b"")
    window.learning.training.setup.start_requested.emit(small_request(window))
    wait_for_end(qtbot, window)
    run = next(run for run in window.predicting.runs if run.title == "Second run")
    assert run.state == "partial"
    assert any(r["status"] == "failed" for r in run.report()["recordings"])


def test_the_command_that_is_copied_repeats_the_run(qtbot, window: MainWindow) -> None:
    import shlex

    from crossl_app.cli import run as run_command

    (run,) = window.predicting.runs
    window.learning.training.runs.copy_command_requested.emit(run.name)
    command = shlex.split(QApplication.clipboard().text())
    assert command[:2] == ["crossl-app", "--batch"]
    assert run_command(command[1:]) == 0
    output = Path(command[-1])
    for name in ("evaluation", "robustness"):
        import json

        batch = json.loads((output / "report.json").read_text())[name]
        assert batch == run.report()[name]
    for path in (run.folder / "predictions").glob("*.csv"):
        assert path.read_bytes() == (output / "predictions" / path.name).read_bytes()


def test_a_run_is_deleted_after_asking(qtbot, window: MainWindow) -> None:
    (run,) = window.predicting.runs
    window.learning.trains.delete([run.name])
    box = window.findChild(QMessageBox)
    qtbot.mouseClick(box.button(QMessageBox.StandardButton.Yes), Qt.MouseButton.LeftButton)
    assert window.predicting.runs == ()
    assert not run.folder.exists()
    assert window.predicting.view is None


def test_a_window_of_the_strip_has_a_menu_that_accepts(qtbot, window: MainWindow) -> None:
    from PySide6.QtWidgets import QMenu

    window.page.window_menu_requested.emit(4, QPoint(0, 0))
    assert window._session.labelling.epoch == 4
    menu = window.findChildren(QMenu)[-1]
    assert window.registry.action("predict.accept") in menu.actions()
    menu.close()


# ---------------------------------------------------------------- files, scoring


def test_a_report_is_written_as_html_and_as_pdf(qtbot, window: MainWindow, tmp_path: Path) -> None:
    from core.report_options import ReportOptions
    from ui.report_dialog import ReportDialog, ReportRequest

    window.registry.action("file.report").trigger()
    dialog = window.findChild(ReportDialog)
    for form in ("html", "pdf"):
        path = tmp_path / f"report.{form}"
        with qtbot.waitSignal(dialog.written, timeout=LONG):
            dialog.wanted.emit(ReportRequest(path, form, "A4", ReportOptions()))
        assert path.stat().st_size > 10_000
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not for diagnosis" in text
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    dialog.reject()


def test_predictions_are_exported_as_labels_and_as_parquet(
    qtbot, window: MainWindow, tmp_path: Path
) -> None:
    import duckdb

    from core.export_windows import WindowsOptions
    from ui.export_predictions_dialog import ExportPredictionsDialog, PredictionsRequest

    window.registry.action("file.export_predictions").trigger()
    dialog = window.findChild(ExportPredictionsDialog)
    items = window.learning.reports._items(window.predicting.results)
    for form in ("labels", "embeddings"):
        with qtbot.waitSignal(dialog.exported, timeout=LONG):
            dialog.wanted.emit(
                PredictionsRequest(tuple(items), tmp_path, WindowsOptions(form=form), "First run")
            )
    assert len(list(tmp_path.glob("*.csv"))) == 5
    (parquet,) = tmp_path.glob("*.parquet")
    [(count,)] = duckdb.sql(f"SELECT count(*) FROM '{parquet}'").fetchall()
    assert count == 150
    dialog.reject()


def test_a_recording_that_was_added_later_is_scored_into_the_run(
    qtbot, open_study, study_copy: Path
) -> None:
    from core.study import Study

    study = Study.open(study_copy)
    known = study.recordings()[0]
    found = study.found(known)
    fresh = replace(found, id="z_later", subject="somebody new")
    study.add_recordings([(fresh, study.open_recording(known))])
    study.close()
    window = open_study(study_copy)
    window.registry.action("predict.score").trigger()
    from ui.score_dialog import ScoreDialog, ScoreRequest

    dialog = window.findChild(ScoreDialog)
    with qtbot.waitSignal(dialog.scored, timeout=LONG):
        dialog.wanted.emit(ScoreRequest(window.predicting.run.name, ("z_later",)))
    dialog.reject()
    assert window.predicting.results.has("z_later")
    entry = next(e for e in window._session.recordings if e.name == "z_later")
    window._session.choose(entry.id)
    qtbot.waitUntil(lambda: window._session.shown.entry.name == "z_later", timeout=10_000)
    qtbot.waitUntil(lambda: window.predicting.view is not None, timeout=10_000)
    # The file is one that the model has learnt from, whatever the person is called here.
    assert not window.predicting.view.held_out.any()


# ---------------------------------------------------------------- what may go wrong


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been shown in boxes."""
    texts: list[str] = []

    def note(error: BaseException, window: object) -> None:
        del window
        assert isinstance(error, CrosslError), error
        texts.append(str(error))

    monkeypatch.setattr("ui.main_window.show_error", note)
    return texts


def words_of(window: MainWindow) -> list[str]:
    """Collects what groups of commands say in the status bar."""
    said: list[str] = []
    for group in window.learning.groups:
        group.said.connect(said.append)
    return said


def test_a_blinded_study_shows_no_predictions_anywhere(
    qtbot, window: MainWindow, told: list[str]
) -> None:
    learning, predicting = window.learning, window.predicting
    window.registry.action("view.map").trigger()
    learning.lists.suggest()
    qtbot.waitUntil(lambda: len(learning.windows.windows.rows) == 10, timeout=LONG)
    qtbot.waitUntil(lambda: len(learning.map.canvas.placed) > 0, timeout=LONG)
    window.registry.action("page.sensors").trigger()
    (run,) = predicting.runs
    window._session.set_blinded(True)
    assert predicting.results is None
    assert predicting.view is None
    assert predicting.everything is None
    assert learning._pages.current == "recording"
    assert not window.strip.isVisible()
    assert learning.windows.windows.rows == ()
    assert not learning.map.canvas.placed.any()
    for id in ("page.evaluation", "page.sensors", "view.map", "windows.suggest", "predict.score",
               "file.report", "file.export_predictions"):  # fmt: skip
        assert not window.registry.action(id).isEnabled(), id
    said = words_of(window)
    window.registry.action("page.train").trigger()
    learning.training.runs.show_requested.emit(run.name)
    assert predicting.results is None
    assert "blinded" in said[-1]
    learning.training.runs.report_requested.emit(run.name)
    assert "blinded" in told[-1]
    predicting.choose(run.name)
    assert predicting.results is None
    window._session.set_blinded(False)
    assert predicting.view is not None


def test_a_second_window_reads_and_is_refused_all_else_in_words(
    qtbot, open_study, window: MainWindow, study_copy: Path, told: list[str]
) -> None:
    from core.study_runs import set_state

    (run,) = runs_of(study_copy)
    second = open_study(study_copy)
    assert second._session.study.read_only
    assert second.predicting.view is not None
    request = small_request(second)
    setup, runs = second.learning.training.setup, second.learning.training.runs
    qtbot.waitUntil(lambda: setup._plan is not None, timeout=LONG)
    assert setup.problem()
    assert not setup.start.isEnabled()
    set_state(run, "stopped")
    second.predicting.refresh_runs()
    for ask in (
        lambda: setup.start_requested.emit(request),
        lambda: runs.resume_requested.emit(run.name),
        lambda: runs.rename_requested.emit(run.name, "Other"),
        lambda: runs.delete_requested.emit([run.name]),
        lambda: runs.import_requested.emit(),
        lambda: setup.copy_command_requested.emit(),
    ):
        before = len(told)
        ask()
        assert len(told) == before + 1
    assert not second.learning.queue.is_busy
    (after,) = runs_of(study_copy)
    assert (after.title, after.state) == ("First run", "stopped")
    assert not second.registry.action("predict.score").isEnabled()


def test_labels_made_while_a_run_learns_are_kept_and_the_list_that_is_walked_stays(
    qtbot, window: MainWindow
) -> None:
    learning, labelling = window.learning, window._session.labelling
    learning.lists.suggest()
    panel = learning.windows
    qtbot.waitUntil(lambda: len(panel.windows.rows) == 10, timeout=LONG)
    listed = [(row.recording, row.start_s) for row in panel.windows.rows]
    first = window.predicting.run
    request = small_request(window)
    said = words_of(window)
    learning.training.setup.start_requested.emit(request)
    window.registry.action("page.recording").trigger()
    recording = panel.windows.rows[0].recording
    qtbot.waitUntil(lambda: window._session.shown.entry.name == recording, timeout=10_000)
    qtbot.waitUntil(
        lambda: labelling.epoch_span_s[0] == pytest.approx(panel.windows.rows[0].start_s),
        timeout=10_000,
    )
    labelling.give("walk")
    wait_for_end(qtbot, window)
    assert [(row.recording, row.start_s) for row in panel.windows.rows] == listed
    assert panel.windows.rows[0].label == "walk"
    assert window.predicting.run.name == first.name
    assert any("finished" in text for text in said)
    study = window._session.study
    rater = next(r for r in study.raters() if r.name == "AB")
    entry = next(e for e in window._session.recordings if e.name == recording)
    assert [s.class_name for s in study.labels(entry.id, rater.id).states] == ["walk"]


def test_an_undone_label_is_taken_off_the_list(qtbot, window: MainWindow) -> None:
    panel, labelling = window.learning.windows, window._session.labelling
    read_everything(qtbot, window)
    window.learning.lists._is_suggestion = False
    window.learning.lists.list_rows(np.arange(4), "four windows")
    before = [row.label for row in panel.windows.rows]
    panel.windows.step(1)
    other = "walk" if before[0] == "rest" else "rest"
    labelling.label(other)
    qtbot.waitUntil(lambda: panel.windows.rows[0].label == other)
    labelling.undo()
    qtbot.waitUntil(lambda: panel.windows.rows[0].label == before[0])


def test_another_study_stops_the_run_within_seconds_and_is_shown(
    qtbot, open_study, window: MainWindow, study_copy: Path, trained_study: Path, tmp_path: Path
) -> None:
    import shutil
    import time

    other = Path(shutil.copytree(trained_study, tmp_path / "other"))
    request = small_request(window)
    with qtbot.waitSignal(window.learning.queue.progressed, timeout=LONG):
        window.learning.training.setup.start_requested.emit(request)
    window._session.labelling.label("walk")
    began = time.monotonic()
    window._session.open_path(other)
    qtbot.waitUntil(lambda: window._session.study.folder == other, timeout=10_000)
    qtbot.waitUntil(lambda: window.predicting.view is not None, timeout=10_000)
    assert time.monotonic() - began < 6  # opening included
    assert not window.learning.queue.is_busy
    run = next(run for run in runs_of(study_copy) if run.title == "Second run")
    assert run.state in ("stopped", "finished")
    assert [r.title for r in window.predicting.runs] == ["First run"]
    from core.study import Study

    study = Study.open(study_copy)
    rater = next(r for r in study.raters() if r.name == "AB")
    assert len(study.labels(study.recordings()[0].id, rater.id).states) == 1
    study.close()


def test_labels_from_the_map_leave_its_layout_alone(qtbot, window: MainWindow) -> None:
    window.registry.action("view.map").trigger()
    map = window.learning.map
    qtbot.waitUntil(lambda: map._data is not None, timeout=LONG)
    shown: list[str] = []
    map.set_points = lambda *a, **k: shown.append(k.get("projection", ""))
    predicting = window.predicting
    predicting._run = replace(predicting.run, raters=())  # figures stand on one's own labels
    everything = predicting.everything
    last = len(everything) - 1
    window.learning.lists.label_rows(np.array([0, last]), "walk")
    qtbot.waitUntil(
        lambda: np.flatnonzero(predicting.everything.labels == 1).tolist() == [0, last],
        timeout=LONG,
    )
    assert predicting.everything.starts_s is everything.starts_s
    assert map._data.labels[last] == 1
    assert shown == []


def test_a_recording_that_left_the_study_is_not_suggested(qtbot, window: MainWindow) -> None:
    gone = window._session.recordings[-1]
    window._session.change_study(lambda study: study.remove_recording(gone.id))
    panel = window.learning.windows
    for _ in range(2):
        window.learning.lists.suggest()
        qtbot.waitUntil(lambda: not window.learning.lists._suggesting.is_busy
                        and bool(panel.windows.rows), timeout=LONG)  # fmt: skip
        assert gone.name not in {row.recording for row in panel.windows.rows}
    window.registry.action("page.sensors").trigger()
    qtbot.waitUntil(lambda: "los" in window.learning.sensors.answer.text(), timeout=LONG)


def test_a_run_that_was_pretrained_only_says_so_on_every_page(
    qtbot, window: MainWindow, told: list[str]
) -> None:
    request = small_request(window)
    request = replace(request, engine={**request.engine, "steps": ["pretrain"]})
    window.learning.training.setup.start_requested.emit(request)
    wait_for_end(qtbot, window)
    run = next(run for run in window.predicting.runs if run.title == "Second run")
    assert run.state == "finished"
    assert window.predicting.run.title == "First run"
    said = words_of(window)
    window.learning.training.runs.show_requested.emit(run.name)
    assert "no predictions" in said[-1]
    assert window.learning._pages.current == "train"
    window.predicting.choose(run.name)
    window.registry.action("page.evaluation").trigger()
    assert not window.learning.evaluation.is_test
    window.registry.action("page.sensors").trigger()
    qtbot.waitUntil(lambda: "no predictions" in window.learning.sensors.answer.text(), timeout=LONG)
    window.registry.action("windows.suggest").trigger()
    qtbot.waitUntil(lambda: "no predictions" in window.learning.windows.windows.message.text(),
                    timeout=LONG)  # fmt: skip
    assert window.learning.windows.more.isEnabled()
    assert told == []
    # A run can be fine-tuned from it at once.
    window.learning.training.runs.finetune_from_requested.emit(run.name)
    setup = window.learning.training.setup
    qtbot.waitUntil(lambda: setup._plan is not None, timeout=LONG)
    assert setup.problem() == ""
    assert "pretrain" not in setup.request().engine["steps"]


@pytest.mark.parametrize("name", ["report.json", "model/model.json"])
@pytest.mark.parametrize("text", ['{"config": ', "[]", '{"modalities": ["a"], "final": []}', ""])
def test_a_run_that_was_damaged_while_it_was_looked_at_is_told(
    qtbot, window: MainWindow, told: list[str], name: str, text: str
) -> None:
    (run,) = window.predicting.runs
    (run.folder / name).write_text(text)
    window.registry.action("page.train").trigger()
    window.predicting.refresh_runs()
    window.learning.training.runs.show_requested.emit(run.name)
    for page in ("evaluation", "sensors", "recording"):
        window.learning.show_page(page)
    is_readable = name == "report.json" and "final" in text
    assert bool(told) != is_readable
    assert window._session.shown is not None


def test_windows_that_vanish_while_they_are_looked_at_are_told(
    qtbot, window: MainWindow, told: list[str]
) -> None:
    folder = window.predicting.run.folder / "windows"
    names = [entry.name for entry in window._session.recordings]
    (folder / f"{names[1]}.safetensors").unlink()
    (folder / f"{names[2]}.safetensors").write_bytes(b"\0" * 40)
    window._session.choose(window._session.recordings[1].id)
    qtbot.waitUntil(lambda: window._session.shown.entry.name == names[1], timeout=10_000)
    assert window.predicting.view is None
    assert not window.strip.isVisible()
    window._session.choose(window._session.recordings[2].id)
    qtbot.waitUntil(lambda: window._session.shown.entry.name == names[2], timeout=10_000)
    assert window.predicting.view is None
    assert "damaged" in told[-1]
    window.registry.action("page.sensors").trigger()
    qtbot.waitUntil(lambda: len(told) > 1, timeout=LONG)
    assert names[2] in told[-1]
    # The other recordings still answer.
    qtbot.waitUntil(lambda: "los" in window.learning.sensors.answer.text(), timeout=LONG)
    assert len(window.predicting.everything.recordings) == 3


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_full_disk_while_learning_is_told_and_the_run_goes_on_later(
    qtbot, window: MainWindow, told: list[str], everywhere: bool
) -> None:
    learning, patch = window.learning, pytest.MonkeyPatch()

    def full(path: Path, content: bytes) -> None:
        raise OutputError(f"{path}: cannot be written (No space left on device).")

    def fill_disk(job_id: int, progress: object) -> None:
        if "pretraining" in progress.stage:
            patch.setattr("core.checkpoint.write_atomically", full)
            if everywhere:
                patch.setattr("core.study_runs.write_atomically", full)

    learning.queue.progressed.connect(fill_disk)
    said = words_of(window)
    learning.training.setup.start_requested.emit(small_request(window))
    try:
        wait_for_end(qtbot, window)
    finally:
        patch.undo()
    learning.queue.progressed.disconnect(fill_disk)
    run = next(run for run in window.predicting.runs if run.title == "Second run")
    assert any("No space left" in text for text in (*said, *told))
    assert window.predicting.run.title == "First run"
    assert run.state == ("running" if everywhere else "failed")
    learning.show_page("recording")
    learning.show_page("train")
    assert window.predicting.run_named(run.name).can_resume
    learning.training.runs.resume_requested.emit(run.name)
    wait_for_end(qtbot, window)
    assert window.predicting.run_named(run.name).state == "finished"


def test_a_class_that_left_the_scheme_is_named_when_its_prediction_is_accepted(
    qtbot, window: MainWindow
) -> None:
    session, predicting = window._session, window.predicting
    scheme = session.study.scheme
    renamed = tuple(
        replace(entry, name="stride") if entry.name == "walk" else entry for entry in scheme.classes
    )
    session.change_scheme(replace(scheme, classes=renamed), {"walk": "stride"})
    qtbot.waitUntil(lambda: (predicting.view.labels == 1).sum() == 0)  # none has the old name
    row = int(np.flatnonzero(predicting.view.predicted == 1)[0])
    said = words_of(window)
    window.learning.predicts.go_to_row(row)
    window.learning.predicts.accept()
    assert "'walk'" in said[-1]
    assert session.labelling.labels.states == ()


def test_the_train_page_knows_labels_that_were_just_made(qtbot, window: MainWindow) -> None:
    window.registry.action("page.train").trigger()
    setup = window.learning.training.setup
    assert "AB" not in setup.request().raters
    window.registry.action("page.recording").trigger()
    window._session.labelling.label("walk")
    window.registry.action("page.train").trigger()
    assert setup.request().raters[-1] == "AB" or "AB" in setup.request().raters


def test_one_person_with_labels_is_offered_a_run_without_a_test(
    qtbot, open_study, study_copy: Path
) -> None:
    from core.study import Study

    study = Study.open(study_copy)
    rater = next(r for r in study.raters() if r.name == RATER)
    for entry in study.recordings()[1:]:
        study.remove_recording(entry.id)
    assert study.labels(study.recordings()[0].id, rater.id).states
    study.close()
    window = open_study(study_copy)
    request = small_request(window)
    setup = window.learning.training.setup
    qtbot.waitUntil(lambda: setup._plan is not None, timeout=LONG)
    assert setup.problem() == ""
    assert "evaluate" not in request.engine["steps"]
    setup.start_requested.emit(request)
    wait_for_end(qtbot, window)
    assert window.predicting.run.title == "Second run"
    assert not window.predicting.figures.is_test
    window.registry.action("page.evaluation").trigger()
    assert not window.learning.evaluation.is_test
    window.registry.action("page.sensors").trigger()
    qtbot.waitUntil(lambda: "no test" in window.learning.sensors.answer.text(), timeout=LONG)
    assert "Scores stand on" not in window.learning.sensors.basis.text()


def test_a_window_of_several_epochs_is_labelled_as_a_whole(
    qtbot, open_study, study_copy: Path
) -> None:
    from core.study import Study

    study = Study.open(study_copy)
    study.change_scheme(replace(study.scheme, epoch_s=0.5), {})
    study.close()
    window = open_study(study_copy)
    read_everything(qtbot, window)
    everything = window.predicting.everything
    window.learning.lists.list_rows(np.array([3]), "one window")
    window.learning.windows.windows.step(1)
    qtbot.waitUntil(lambda: window._session.labelling.selection is not None, timeout=10_000)
    window._session.labelling.give("walk")
    states = window._session.labelling.labels.states
    start = float(everything.starts_s[3])
    assert (states[0].start_s, states[-1].end_s) == (start, start + everything.length_s)
    assert len(states) == 4
    qtbot.waitUntil(lambda: window.learning.windows.windows.rows[0].label == "walk")


def test_the_time_that_a_training_takes_is_estimated_in_words(qtbot, window: MainWindow) -> None:
    small_request(window)
    setup = window.learning.training.setup
    qtbot.waitUntil(lambda: setup._plan is not None, timeout=LONG)
    setup.estimate_requested.emit()
    qtbot.waitUntil(lambda: "estimate" in setup.estimate.text(), timeout=LONG)
    assert setup.estimate.text().startswith("About")


def test_pages_are_made_when_they_are_looked_at(make_window) -> None:
    learning = make_window().learning
    for page in (learning._training, learning._evaluation, learning._sensors, learning._sleep):
        assert not page.is_made


def test_no_key_labels_while_the_recording_of_the_next_window_is_being_opened(
    qtbot, window: MainWindow
) -> None:
    read_everything(qtbot, window)
    labelling = window._session.labelling
    first_of_second = int(np.searchsorted(window.predicting.everything.recording_index, 1))
    window.learning.lists.list_rows(np.array([first_of_second]), "one window")
    window.learning.windows.windows.step(1)  # another recording is on its way
    labelling.give("walk")
    assert labelling.labels.states == ()
    name = window._session.recordings[1].name
    qtbot.waitUntil(lambda: window._session.shown.entry.name == name, timeout=10_000)
    assert labelling.labels.states == ()
    qtbot.waitUntil(lambda: not labelling._held, timeout=10_000)
    labelling.give("walk")
    assert len(labelling.labels.states) == 1


def test_a_recording_that_cannot_be_opened_does_not_lock_the_labels(
    qtbot, window: MainWindow, told: list[str]
) -> None:
    entry = window._session.recordings[1]
    window._session.study.path_of(entry.files[0]).write_bytes(b"")
    window.learning.lists.show_recording(entry.name)
    qtbot.waitUntil(lambda: window._session.shown.entry.id == entry.id, timeout=10_000)
    assert window._session.shown.problem
    first = window._session.recordings[0]
    window.learning.lists.show_recording(first.name)
    qtbot.waitUntil(lambda: window._session.shown.entry.id == first.id, timeout=10_000)
    qtbot.waitUntil(lambda: not window._session.labelling._held, timeout=10_000)
    window._session.labelling.give("walk")
    assert len(window._session.labelling.labels.states) == 1


def test_a_model_that_was_brought_in_scores_and_is_never_called_a_test(
    qtbot, window: MainWindow, tmp_path: Path, told: list[str]
) -> None:
    from core.study_runs import export_model, import_model
    from ui.score_dialog import ScoreDialog, ScoreRequest

    (run,) = window.predicting.runs
    folder = export_model(run, tmp_path / "model")
    brought = import_model(window._session.study, folder, "Brought in")
    window.predicting.refresh_runs()
    window.predicting.choose(brought.name)
    for page in ("evaluation", "sensors", "recording"):
        window.learning.show_page(page)
    qtbot.waitUntil(lambda: not window.predicting._reading.is_busy, timeout=LONG)
    names = tuple(entry.name for entry in window._session.recordings[:2])
    window.registry.action("predict.score").trigger()
    dialog = window.findChild(ScoreDialog)
    with qtbot.waitSignal(dialog.scored, timeout=LONG):
        dialog.wanted.emit(ScoreRequest(brought.name, names))
    dialog.reject()
    qtbot.waitUntil(lambda: window.predicting.view is not None, timeout=LONG)
    assert not window.predicting.figures.is_test
    window.registry.action("page.evaluation").trigger()
    assert not window.learning.evaluation.is_test
    window.registry.action("page.sensors").trigger()
    sensors = window.learning.sensors
    qtbot.waitUntil(lambda: "windows keep" in sensors.answer.text(), timeout=LONG)
    assert "Scores stand on" not in sensors.basis.text()
    assert told == []


def test_a_model_is_looked_at_in_the_background_and_then_brought_in(
    qtbot, window: MainWindow, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from core.study_runs import export_model
    from ui import training_commands

    find_model, read_in = training_commands.find_model, []

    def noted(source: Path) -> Path:
        read_in.append(threading.current_thread() is threading.main_thread())
        return find_model(source)

    monkeypatch.setattr(training_commands, "find_model", noted)
    (run,) = window.predicting.runs
    place = export_model(run, tmp_path / "given")
    choose = "ui.training_commands.QFileDialog.getExistingDirectory"
    monkeypatch.setattr(choose, lambda *_: str(place))
    monkeypatch.setattr(
        "ui.training_commands.QInputDialog.getText", lambda *_, **__: ("From elsewhere", True)
    )
    training = window.learning.trains
    training.import_model()
    qtbot.waitUntil(lambda: len(window.predicting.runs) == 2, timeout=LONG)
    assert read_in == [False]
    assert {one.title for one in window.predicting.runs} == {run.title, "From elsewhere"}
    assert told == []
    # What is no model is said, and nothing is made of it.
    monkeypatch.setattr(choose, lambda *_: str(tmp_path))
    training.import_model()
    qtbot.waitUntil(lambda: len(told) == 1, timeout=LONG)
    assert str(tmp_path) in told[0]
    assert len(runs_of(window._session.study.folder)) == 2


def test_suggestions_go_through_one_recording_after_the_other(qtbot, window: MainWindow) -> None:
    window.learning.lists.suggest()
    panel = window.learning.windows.windows
    qtbot.waitUntil(lambda: len(panel.rows) == 10, timeout=LONG)
    names = [entry.name for entry in window._session.recordings]
    places = [(names.index(row.recording), row.start_s) for row in panel.rows]
    assert len({place for place, _ in places}) > 1
    assert places == sorted(places)


def test_old_results_without_windows_are_shown_as_before(
    qtbot, make_window, finished_run, tmp_path: Path, told: list[str]
) -> None:
    import shutil

    folder = Path(shutil.copytree(finished_run[1], tmp_path / "old"))
    shutil.rmtree(folder / "windows")
    window = make_window()
    window._session.open_path(folder)
    qtbot.waitUntil(lambda: window._session.shown is not None, timeout=20_000)
    assert window._session.shown.predictions is not None
    assert window.predicting.results is None
    assert not window.registry.action("page.sensors").isEnabled()
    assert told == []


def test_labels_of_the_runs_rater_may_be_gone(qtbot, open_study, study_copy: Path) -> None:
    from core.label_journal import LabelJournal
    from core.study import Study
    from core.study_labels import Change

    study = Study.open(study_copy)
    rater = next(r for r in study.raters() if r.name == RATER)
    for entry in study.recordings():
        states = study.labels(entry.id, rater.id).states
        journal = LabelJournal(study, entry, replace(rater, kind="person"))
        journal.do(Change(tuple(states), ()), "all gone")
    assert not any(study.labels(e.id, rater.id).states for e in study.recordings())
    study.close()
    window = open_study(study_copy)
    assert window.predicting.figures.labelled == 0
    window.registry.action("page.sensors").trigger()
    sensors = window.learning.sensors
    qtbot.waitUntil(lambda: "windows keep" in sensors.answer.text(), timeout=LONG)
    assert "Scores stand on" not in sensors.basis.text()
    window.learning.lists.suggest()
    qtbot.waitUntil(lambda: len(window.learning.windows.windows.rows) == 10, timeout=LONG)


# ---------------------------------------------------------------- unusual studies


def test_a_subject_renamed_after_training_is_still_one_the_model_had_not_seen(
    qtbot, window: MainWindow, told: list[str]
) -> None:
    session = window._session
    assert window.predicting.figures.is_test
    window.registry.action("page.sensors").trigger()
    sensors = window.learning.sensors
    qtbot.waitUntil(lambda: "5 people" in sensors.basis.text(), timeout=LONG)
    before = sensors.basis.text()
    entry = session.recordings[0]
    session.change_study(lambda study: study.rename_subject(entry.id, "somebody", "AB"))
    qtbot.waitUntil(lambda: session.recordings[0].subject == "somebody", timeout=10_000)
    assert window.predicting.figures.is_test
    window.predicting.forget_everything()
    window.predicting.want_everything()
    qtbot.waitUntil(lambda: window.predicting.everything is not None, timeout=LONG)
    assert sensors.basis.text() == before
    # Whoever was locked under the old name is shown, so that the lock can be taken off.
    window.registry.action("page.train").trigger()
    draft = window.learning.training.setup.draft
    draft.set_values({"evaluate.test_subjects": [entry.subject]})
    qtbot.waitUntil(lambda: bool(window.learning.training.setup.problem()), timeout=LONG)
    assert entry.subject in window.learning.training.setup.problem()
    assert told == []


def test_two_people_who_are_one_after_training_are_no_test(qtbot, window: MainWindow) -> None:
    session = window._session
    window.registry.action("page.evaluation").trigger()
    evaluation = window.learning.evaluation
    assert evaluation.is_test
    first, second = session.recordings[:2]
    session.change_study(lambda study: study.rename_subject(second.id, first.subject, "AB"))
    qtbot.waitUntil(lambda: not evaluation.is_test, timeout=LONG)
    assert any("Study → Subject" in text for text in texts_of(evaluation))
    session.choose(first.id)
    qtbot.waitUntil(lambda: window.predicting.view is not None, timeout=LONG)
    assert not window.predicting.figures.is_test
    # Right again when that was a mistake.
    session.change_study(lambda study: study.rename_subject(second.id, second.subject, "AB"))
    qtbot.waitUntil(lambda: evaluation.is_test, timeout=LONG)


TWELVE = [f"m{number:02d}" for number in range(12)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["context head", "overlapping windows", "twelve modalities"])
def test_unusual_studies_are_learnt_and_answered(
    qtbot, open_study, small_study, tmp_path: Path, told: list[str], kind: str
) -> None:
    from core.progress import RunContext
    from core.study import Study
    from core.study_creation import create_study
    from core.study_plan import plan_from_run_file
    from core.study_runs import create_run
    from core.train_run import train

    document = small_study.document
    if kind == "context head":
        document["finetune"] = {"context_windows": 2}
    elif kind == "overlapping windows":
        document["windows"]["hop_s"] = 0.5
    else:
        document["modalities"] = [
            {"name": name, "kind": "acc", "rate_hz": 20, "channels": [name]} for name in TWELVE
        ]
        for person in range(1, 6):
            rng = np.random.default_rng(person)
            walks = small_study.signals(person)["activity"] == "walk"
            columns = {name: rng.normal(size=len(walks)) * (1 + 2 * walks) for name in TWELVE}
            small_study.write(f"s{person}", person, ax=None, ay=None, gx=None, **columns)
    small_study.write_run_file()
    folder = tmp_path / "unusual"
    plan = plan_from_run_file(small_study.run_file, folder, context=RunContext())
    scheme = replace(plan.scheme, epoch_s=2.0)
    create_study(replace(plan, scheme=scheme, rater=RATER), RunContext())
    study = Study.open(folder)
    engine = {**study.settings.engine, "threads": 1, "predict": {"keep_embeddings": True}}
    assert train(create_run(study, "Run", engine, [RATER]), RunContext()).state == "finished"
    study.close()

    window = open_study(folder)
    windows = window.predicting.windows
    assert len(windows.starts_s) == (117 if kind == "overlapping windows" else 30)
    count = len(windows.modalities)
    assert count == (12 if kind == "twelve modalities" else 2)
    switches = window.page.switches.switches
    off = (0, 1, 3) if count == 12 else (0,)
    for number in off:
        switches[number].click()
    kept = tuple(number for number in range(count) if number not in off)
    qtbot.waitUntil(lambda: window.predicting.view.kept == kept, timeout=LONG)
    assert np.isfinite(window.predicting.view.probabilities).all()
    window.registry.action("page.sensors").trigger()
    sensors = window.learning.sensors
    qtbot.waitUntil(lambda: "labelled windows of 5 people" in sensors.basis.text(), timeout=LONG)
    window.learning.lists.suggest()
    listed = window.learning.windows.windows
    qtbot.waitUntil(lambda: len(listed.rows) == 10, timeout=LONG)
    spans = [(row.recording, row.start_s) for row in listed.rows]
    for (name, start), (other, later) in pairwise(spans):
        assert name != other or later - start >= 2.0  # no two share time
    assert told == []
