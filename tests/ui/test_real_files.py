"""The window tells the truth about files as they come, and labels only what is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QMessageBox

from core.errors import CrosslError, NotSavedError
from core.open_recording import RECORDING_ENDINGS
from core.study import Study
from core.study_file import StudyFile
from core.study_labels import NS
from ui.labelling import Selection

PAGE_S = 30.0


@pytest.fixture
def open_study(qtbot, make_window: Callable, study_folder: Path) -> Callable:
    """Opens the study of two recordings, to be labelled by AB, and waits until it is shown."""

    def open_() -> object:
        window = make_window()
        window._session.choose_rater("AB")
        with qtbot.waitSignal(window.view.drawn, timeout=10_000):
            window._session.open_study(study_folder)
        window.activateWindow()
        window.view.plot.setFocus()
        return window

    return open_


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bool]]:
    """`full` says whether the disk that studies lie on takes nothing more."""
    state = {"full": False}
    write = StudyFile.writing

    @contextmanager
    def writing(self: StudyFile) -> Iterator[object]:
        if state["full"]:
            raise NotSavedError("The disk is full.")
        with write(self) as connection:
            yield connection

    monkeypatch.setattr(StudyFile, "writing", writing)
    yield state
    state["full"] = False


def press(qtbot, window, *keys: object) -> None:
    for key in keys:
        qtbot.keyClick(window.view.plot, key)


def states(window) -> list[tuple[float, str]]:
    labels = window._session.labelling.labels
    return [(label.start_s, label.class_name) for label in labels.states]


def on_disk(folder: Path, name: str) -> list[tuple[float, str]]:
    study = Study.open(folder, read_only=True)
    try:
        recording = next(r for r in study.recordings() if r.name == name)
        rater = study.rater("AB")
        labels = study.labels(recording.id, rater.id)
        return [(label.start_s, label.class_name) for label in labels.states]
    finally:
        study.close()


def close_boxes(window) -> list[str]:
    """What boxes say, which are closed."""
    said = []
    for box in window.findChildren(QMessageBox):
        if box.isVisible():
            said.append(box.text())
            box.close()
    return said


def choose(qtbot, window, place: int) -> None:
    """Show another recording of the study, and wait for it."""
    wanted = window._session.recordings[place]
    with qtbot.waitSignal(window._session.shown_changed, timeout=10_000):
        window._session.choose(wanted.id)
    assert window._session.shown.entry.id == wanted.id


# ---------------------------------------------------------------- files


@pytest.mark.slow
def test_every_shared_recording_is_drawn_or_says_why_not(qtbot, make_window, shared: Path):
    window = make_window()
    session = window._session
    failures: list[Exception] = []
    session.failed.connect(failures.append)
    drawn = 0
    files = (shared / "data" / "recordings").rglob("*")
    for path in sorted(p for p in files if p.name.endswith(RECORDING_ENDINGS)):
        failures.clear()
        session.close_recording()
        session.open_path(path)
        qtbot.waitUntil(lambda: session.shown is not None or bool(failures), timeout=20_000)
        if failures:
            assert isinstance(failures[0], CrosslError), path.name
            assert path.name in close_boxes(window)[0]
            continue
        recording = session.shown.recording
        has_samples = any(c.samples for s in recording.sources for c in s.file.channels)
        assert window.page.problem.isVisible() == (not has_samples), path.name
        assert bool(window.view.lanes) == has_samples, path.name
        if has_samples:
            for step in (window.view.show_all, window.view.zoom_in, window.view.next_page):
                step()
                window.grab()
            drawn += 1
        assert not close_boxes(window), path.name
    assert drawn > 15


def test_a_file_without_signals_is_explained_and_not_an_empty_page(qtbot, make_window, shared):
    window = make_window()
    with qtbot.waitSignal(window.shown, timeout=10_000):
        window._session.open_path(shared / "data" / "recordings" / "SC4001EC-Hypnogram.edf")
    assert "holds no signals, only annotations (154)" in window.page.problem.text()
    assert window.page.problem.isVisible()


# ---------------------------------------------------------------- labels on the screen


def in_sight(window) -> bool:
    """Whether the epoch that a key would label is on the screen."""
    low, high = window.view.range_s
    start, end = window._session.labelling.epoch_span_s
    return low - 1e-6 <= start and end <= high + 1e-6


def test_every_epoch_is_on_the_screen_before_its_key_is_pressed(qtbot, open_study):
    window = open_study()
    session = window._session
    # A page of one epoch: its edge is the next one's beginning.
    session.change_scheme(replace(session.labelling.scheme, epoch_s=PAGE_S), {})
    for epoch in range(4):
        assert window.view.range_s == pytest.approx((epoch * PAGE_S, (epoch + 1) * PAGE_S))
        assert in_sight(window)
        press(qtbot, window, "2")
    assert [start for start, _ in states(window)] == [0.0, 30.0, 60.0, 90.0]


def test_another_page_takes_the_cursor_along(qtbot, open_study):
    window = open_study()
    press(qtbot, window, Qt.Key.Key_PageDown, Qt.Key.Key_PageDown)
    assert window.view.range_s == pytest.approx((60.0, 90.0))
    assert in_sight(window)
    press(qtbot, window, "2")
    assert states(window) == [(60.0, "N2")]
    window.page.overview.range_chosen.emit(5.0, 45.0)
    assert in_sight(window)
    press(qtbot, window, "3")
    assert states(window) == [(10.0, "N3"), (60.0, "N2")]
    press(qtbot, window, Qt.Key.Key_PageUp)
    assert in_sight(window)


def test_a_page_that_still_shows_the_cursor_leaves_it_where_it_is(qtbot, open_study):
    window = open_study()
    labelling = window._session.labelling
    labelling.go_to(2)
    window.view.show_range(15.0, 45.0)
    window.view.zoom_in()
    assert labelling.epoch == 2


def test_inside_an_epoch_the_cursor_goes_along_without_the_view_jumping(qtbot, open_study):
    window = open_study()
    window.view.show_range(93.0, 97.0)
    assert window._session.labelling.epoch == 9
    assert window.view.range_s == pytest.approx((93.0, 97.0))


def test_a_selection_that_was_left_behind_is_not_labelled(qtbot, open_study):
    window = open_study()
    labelling = window._session.labelling
    labelling.select(Selection(0, 20 * NS))
    window.view.show_range(60.0, 90.0)
    assert labelling.selection is None
    press(qtbot, window, "2")
    assert states(window) == [(60.0, "N2")]


def test_going_to_an_epoch_of_another_recording_ends_at_that_epoch(qtbot, open_study):
    window = open_study()
    session = window._session
    with qtbot.waitSignal(session.shown_changed, timeout=10_000):
        session.show_epoch(session.recordings[1].id, 7)
    assert session.shown.entry.name == "n2"
    assert session.labelling.epoch == 7
    assert in_sight(window)
    choose(qtbot, window, 0)
    assert session.labelling.epoch == 0


def test_the_lanes_below_are_on_the_same_clock_with_and_without_a_scroll_bar(qtbot, open_study):
    window = open_study()
    window.view.show_all()
    for lanes in (1, 16):
        window.view.set_lanes_shown(lanes)
        qtbot.waitUntil(lambda n=lanes: window.view._scroll.isVisible() == (n == 1))
        window.grab()
        for time_s in (0.0, 55.0, 119.0):
            places = []
            for plot in (window.view.plot, window.page.steps.plot):
                scene = plot.getViewBox().mapViewToScene(QPointF(time_s, 0.0))
                places.append(plot.mapTo(window, plot.mapFromScene(scene)).x())
            assert abs(places[0] - places[1]) <= 1, (lanes, time_s)


# ---------------------------------------------------------------- labels are never lost


def test_labels_that_wait_are_kept_when_another_recording_arrives(
    qtbot, open_study, disk, study_folder: Path
):
    window = open_study()
    session = window._session
    press(qtbot, window, "2")
    session.choose(session.recordings[1].id)
    disk["full"] = True  # while the other one is being opened
    press(qtbot, window, "3", "1")
    qtbot.waitUntil(lambda: not session._opening.is_busy, timeout=10_000)
    assert close_boxes(window) == ["The disk is full."]
    assert session.shown.entry.name == "n1"
    assert session.labelling.waiting == 2
    disk["full"] = False
    assert session.labelling.save()
    expected = [(0.0, "N2"), (10.0, "N3"), (20.0, "N1")]
    assert states(window) == expected
    assert on_disk(study_folder, "n1") == expected
    choose(qtbot, window, 1)


@pytest.mark.parametrize("what", ["montage", "blinded", "reload", "rater"])
def test_labels_that_wait_are_written_before_they_are_read_again(
    qtbot, open_study, disk, study_folder: Path, what: str
):
    window = open_study()
    session = window._session
    disk["full"] = True
    press(qtbot, window, "2", "3")
    disk["full"] = False  # there is room again before saving is tried again
    if what == "montage":
        montage = session.shown.montage
        session.set_montage(montage.changed(montage.traces[0].name, inverted=True), True)
    elif what == "blinded":
        session.set_blinded(True)
    elif what == "reload":
        session.reload_labels()
    else:
        session.choose_rater("CD")
    assert on_disk(study_folder, "n1") == [(0.0, "N2"), (10.0, "N3")]
    session.choose_rater("AB")
    assert states(window) == [(0.0, "N2"), (10.0, "N3")]


def test_with_labels_that_wait_nothing_else_is_read(qtbot, open_study, disk):
    window = open_study()
    session = window._session
    disk["full"] = True
    press(qtbot, window, "2")
    session.reload_labels()
    session.set_blinded(True)
    session.choose_rater("CD")
    assert close_boxes(window) == ["The disk is full."] * 3
    assert session.labelling.waiting == 1
    assert states(window) == [(0.0, "N2")]
    assert session.rater.name == window.panel.rater.currentText() == "AB"
    disk["full"] = False
    assert session.labelling.save()


# ---------------------------------------------------------------- who and what


def test_the_panel_names_the_one_who_labels(qtbot, open_study, study_folder: Path):
    window = open_study()
    session = window._session
    press(qtbot, window, "2")
    for name in ("CD", "AB", "Ümläut 😀"):
        window.panel.rater_chosen.emit(name)
        assert session.labelling.journal.rater.name == name
        assert window.panel.rater.currentText() == name
    assert on_disk(study_folder, "n1") == [(0.0, "N2")]


def test_who_comes_back_to_the_recording_that_is_shown_stays_there(qtbot, open_study):
    window = open_study()
    session = window._session
    first, second = session.recordings
    session.choose(second.id)
    session.choose(first.id)
    qtbot.waitUntil(lambda: not session._opening.is_busy, timeout=10_000)
    assert session.shown.entry.name == "n1"
    assert session.labelling.journal.recording.name == "n1"
