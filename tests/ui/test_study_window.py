"""The whole window with a study, driven by keys and mouse as a rater drives it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QAction, QContextMenuEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QToolBar,
    QToolButton,
    QWidget,
)

from core.label_files import read_labels
from core.label_journal import LabelJournal
from core.progress import RunContext
from core.sample_studies import create_sample_study
from core.study import Study
from core.study_labels import NS
from ui.command_palette import CommandPalette
from ui.go_to_dialog import GoToDialog
from ui.main_window import MainWindow
from ui.moved_files_dialog import MovedFilesDialog
from ui.preferences import DEFAULTS
from ui.raters_dialog import RatersDialog
from ui.shortcuts_window import ShortcutsWindow
from ui.study_panel import NAME
from ui.time_plot import TimePlot

Key, Modifier = Qt.Key, Qt.KeyboardModifier
CTRL, SHIFT, ALT = Modifier.ControlModifier, Modifier.ShiftModifier, Modifier.AltModifier
NONE = Modifier.NoModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
EEG, EMG = 0, 1
"""Lanes of the small study, from the top."""
LONGEST_STALL_S = 0.4
"""Aim is 0.1 s; machines that run tests are slow and busy."""


@pytest.fixture(autouse=True)
def _every_move_counts() -> Iterator[None]:
    """pyqtgraph leaves out moves that follow each other within milliseconds."""
    before = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", 0)
    yield
    pg.setConfigOption("mouseRateLimit", before)


@pytest.fixture(scope="session")
def sample_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real sample study; tests take copies."""
    folder = tmp_path_factory.mktemp("sample") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSL_CACHE_DIR", str(folder.parent / "unpacked"))
        create_sample_study(folder, RunContext())
    return folder


@pytest.fixture
def sample(sample_study: Path, tmp_path: Path) -> Path:
    """A copy of the sample study, free to be labelled."""
    return shutil.copytree(sample_study, tmp_path / "Sample study")


class Hand:
    """Keys and mouse in one window, and what can be seen in it."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self.qtbot, self.window = qtbot, window
        self.page, self.palette, self.panel = window.page, window.palette_panel, window.panel
        self.labelling = window._session.labelling

    # -- opening

    def open(self, folder: Path, rater: str = "AB") -> Hand:
        """Open a study as this rater, and wait until its first recording is drawn."""
        self.window._session.choose_rater(rater)
        with self.qtbot.waitSignal(self.page.drawn, timeout=20_000):
            self.window._session.open_study(folder)
        return self

    def come_back(self) -> None:
        """Give the window the keys, after a dialog: without a screen nobody else does."""
        self.window.activateWindow()
        self.qtbot.waitUntil(self.window.isActiveWindow, timeout=5000)

    # -- keys

    def key(self, *keys: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        """Press keys where the focus is."""
        for key in keys:
            self.qtbot.keyClick(self.focus, key, modifiers)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        for letter in text:
            QTest.keyClicks(self.focus, letter)

    @property
    def focus(self) -> QWidget:
        return QApplication.focusWidget() or self.window

    # -- mouse

    def place(self, plot: TimePlot, time_s: float, y: float) -> QPoint:
        """Where a time and a height of a plot are, in its viewport."""
        scene = plot.getViewBox().mapViewToScene(QPointF(time_s, y))
        return plot.mapFromScene(scene)

    def click(
        self,
        plot: TimePlot,
        time_s: float,
        y: float,
        button: Qt.MouseButton = LEFT,
        modifiers: Qt.KeyboardModifier = NONE,
    ) -> None:
        self.qtbot.mouseClick(plot.viewport(), button, modifiers, self.place(plot, time_s, y))

    def drag(
        self,
        plot: TimePlot,
        start_s: float,
        end_s: float,
        y: float,
        modifiers: Qt.KeyboardModifier = NONE,
    ) -> None:
        """Drag with the left button, in a few moves as a hand does."""
        start, end = self.place(plot, start_s, y), self.place(plot, end_s, y)
        viewport = plot.viewport()
        hover(viewport, start)
        QTest.mousePress(viewport, LEFT, modifiers, start)
        for share in (0.3, 0.7, 1.0):
            move(viewport, start + (end - start) * share, modifiers)
        QTest.mouseRelease(viewport, LEFT, modifiers, end)

    def press(self, button: QAbstractButton) -> None:
        """Click on a button."""
        self.qtbot.mouseClick(button, LEFT)

    def choose(self, *texts: str) -> None:
        """Choose from the menu that is open, and from menus in it, with the mouse."""
        menu = QApplication.activePopupWidget()
        for text in texts:
            assert isinstance(menu, QMenu), f"no menu is open for '{text}'"
            action = next(a for a in menu.actions() if a.text().replace("&", "") == text)
            if action.menu() is not None:  # it opens by itself after a while
                menu.setActiveAction(action)
                self.qtbot.keyClick(menu, Key.Key_Right)
                menu = action.menu()
            else:
                self.qtbot.mouseClick(menu, LEFT, NONE, menu.actionGeometry(action).center())

    # -- what is there

    @property
    def states(self) -> list[tuple[int, str]]:
        """Start in s and class of each state."""
        return [(x.start_ns // NS, x.class_name) for x in self.labelling.labels.states]

    @property
    def events(self) -> list[tuple[float, float, str, str]]:
        """Start, end in s, class and modality of each event."""
        found = self.labelling.labels.events
        return [(round(x.start_s), round(x.end_s), x.class_name, x.modality) for x in found]

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next key labels, from 1 as people count."""
        return self.labelling.epoch + 1

    def on_disk(self, folder: Path) -> list[tuple[int, str]]:
        """States of this rater in the shown recording, read by another connection."""
        study = Study.open(folder, read_only=True)
        try:
            journal = self.labelling.journal
            rater = next((r for r in study.raters() if r.name == journal.rater.name), None)
            if rater is None:
                return []
            labels = study.labels(journal.recording.id, rater.id)
            return [(x.start_ns // NS, x.class_name) for x in labels.states]
        finally:
            study.close()

    def dialog(self, kind: type) -> QWidget:
        """The one dialog of that kind that is open."""
        found = [d for d in self.window.findChildren(kind) if d.isVisible()]
        assert len(found) == 1, found
        return found[0]


def move(viewport: QWidget, to: QPoint, modifiers: Qt.KeyboardModifier = NONE) -> None:
    _send_move(viewport, to, LEFT, modifiers)


def hover(viewport: QWidget, to: QPoint) -> None:
    _send_move(viewport, to, Qt.MouseButton.NoButton, NONE)


def _send_move(
    viewport: QWidget, to: QPoint, buttons: Qt.MouseButton, modifiers: Qt.KeyboardModifier
) -> None:
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        QPointF(to),
        QPointF(viewport.mapToGlobal(to)),
        Qt.MouseButton.NoButton,
        buttons,
        modifiers,
    )
    QApplication.sendEvent(viewport, event)


@pytest.fixture
def make_hand(qtbot, make_window) -> Callable[[], Hand]:
    def make() -> Hand:
        window = make_window()
        window.resize(1400, 900)
        return Hand(qtbot, window)

    return make


@pytest.fixture
def hand(make_hand, study_folder: Path) -> Hand:
    """The small study, open as rater AB: two recordings of twelve epochs of 10 s."""
    return make_hand().open(study_folder)


def label_as(folder: Path, rater: str, names: dict[int, str], recording: int = 0) -> None:
    """Let somebody label whole epochs, before the window opens the study."""
    study = Study.open(folder)
    try:
        journal = LabelJournal(study, study.recordings()[recording], study.rater(rater))
        epoch_ns = round(study.scheme.epoch_s * NS)
        for epoch, name in names.items():
            start = epoch * epoch_ns
            journal.do(journal.labels.painted(start, start + epoch_ns, name), name)
    finally:
        study.close()


# ---------------------------------------------------------------- opening


def test_a_study_shows_its_recordings_its_rater_its_classes_and_its_signals(hand: Hand):
    window = hand.window
    assert window.windowTitle() == "n1 – Two nights – crossl-app"
    assert [row.name for row in hand.panel.model.rows] == ["n1", "n2"]
    assert hand.panel.rater.currentText() == "AB"
    assert window.recordings_dock.isVisible()
    assert window.palette_dock.isVisible()
    assert list(hand.palette._lines)[:5] == ["W", "R", "N1", "N2", "N3"]
    assert hand.palette.done.text() == "0 of 12 epochs (0 %)"
    assert [name for name, _, _ in window.view.lines] == ["EEG C3-M2", "EMG chin", "Temp"]
    assert window.status.saved.text() == "Saved"
    assert window.page.where.text().endswith("epoch 1 of 12  ·  unlabelled")
    assert window.view.plot.hasFocus()  # the next key labels


def test_the_sample_study_opens_and_is_labelled_by_keys(make_hand, sample: Path):
    hand = make_hand().open(sample)
    assert len(hand.panel.model.rows) == 10
    assert [entry.name for entry in hand.labelling.scheme.states] == [
        *("ABD", "ER", "FEL", "IR", "PEN", "ROW", "TRAP"),
    ]
    hand.type("aeft")
    assert hand.states == [(0, "ABD"), (2, "ER"), (4, "FEL"), (6, "TRAP")]
    assert hand.on_disk(sample) == hand.states
    # What the people of the sample study said is seen beside it.
    assert hand.page.agreement.isVisible()
    assert list(hand.labelling.others) == ["sample study"]


def test_without_a_name_in_the_preferences_the_user_of_this_computer_labels(
    qtbot, make_window, study_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LOGNAME", "somebody")
    window = make_window()
    with qtbot.waitSignal(window.page.drawn, timeout=20_000):
        window._session.open_study(study_folder)
    assert window.panel.rater.currentText() == "somebody"
    Hand(qtbot, window).type("w")
    assert len(window._session.labelling.labels.states) == 1


def test_another_recording_is_chosen_by_keys_and_by_mouse(qtbot, hand: Hand):
    tree = hand.panel.tree
    place = tree.visualRect(hand.panel.model.index_of(2).siblingAtColumn(NAME)).center()
    with qtbot.waitSignal(hand.page.drawn, timeout=10_000):
        qtbot.mouseClick(tree.viewport(), LEFT, NONE, place)
    assert hand.window.windowTitle().startswith("n2 – ")
    tree.setFocus()
    hand.key(Key.Key_Up)
    with qtbot.waitSignal(hand.page.drawn, timeout=10_000):
        hand.key(Key.Key_Return)
    assert hand.window.windowTitle().startswith("n1 – ")
    assert hand.window.view.plot.hasFocus()


# ---------------------------------------------------------------- labelling by keys


def test_class_keys_label_and_go_on(hand: Hand, study_folder: Path):
    hand.type("w123r")
    assert hand.states == [(0, "W"), (10, "N1"), (20, "N2"), (30, "N3"), (40, "R")]
    assert hand.epoch == 6
    assert hand.on_disk(study_folder) == hand.states
    assert hand.palette.done.text() == "5 of 12 epochs (42 %)"
    assert hand.palette._lines["N2"].count.text() == "1"
    assert hand.panel.model.rows[0].labelled_share == pytest.approx(5 / 12)
    assert hand.window.view.range_s == pytest.approx((30, 60))  # the page follows


def test_arrows_and_pages_and_ends_move(hand: Hand):
    page = hand.window.view
    hand.key(Key.Key_Right, Key.Key_Right)
    assert hand.epoch == 3
    hand.key(Key.Key_Left)
    assert hand.epoch == 2
    hand.key(Key.Key_PageDown)
    assert page.range_s == pytest.approx((30, 60))
    hand.key(Key.Key_PageUp)
    assert page.range_s == pytest.approx((0, 30))
    hand.key(Key.Key_End)
    assert hand.epoch == 12
    assert page.range_s == pytest.approx((90, 120))
    hand.key(Key.Key_Home)
    assert hand.epoch == 1
    assert page.range_s == pytest.approx((0, 30))


def test_delete_clears_and_undo_and_redo_go_back_and_forth(hand: Hand, study_folder: Path):
    hand.type("w1")
    hand.key(Key.Key_Left)
    hand.key(Key.Key_Delete)
    assert hand.states == [(0, "W")]
    hand.key(Key.Key_Z, modifiers=CTRL)
    assert hand.states == [(0, "W"), (10, "N1")]
    hand.key(Key.Key_Z, Key.Key_Z, modifiers=CTRL)
    assert hand.states == []
    assert hand.on_disk(study_folder) == []
    hand.key(Key.Key_Z, modifiers=CTRL | SHIFT)
    hand.key(Key.Key_Y, modifiers=CTRL)
    assert hand.states == [(0, "W"), (10, "N1")]
    assert hand.on_disk(study_folder) == hand.states


def test_undo_works_after_closing_the_window_and_opening_another(
    make_hand, study_folder: Path, hand: Hand
):
    hand.type("w12")
    hand.window.close()
    again = make_hand().open(study_folder)
    assert again.states == [(0, "W"), (10, "N1"), (20, "N2")]
    again.key(Key.Key_Z, Key.Key_Z, modifiers=CTRL)
    assert again.states == [(0, "W")]
    again.key(Key.Key_Z, modifiers=CTRL | SHIFT)
    assert again.states == [(0, "W"), (10, "N1")]


def test_filling_and_going_to_what_is_unlabelled(hand: Hand):
    hand.type("2")
    hand.key(Key.Key_End)
    hand.type("w")
    hand.key(Key.Key_Home)
    hand.key(Key.Key_F, modifiers=CTRL)
    assert [name for _, name in hand.states] == ["N2"] * 11 + ["W"]
    hand.key(Key.Key_Home)
    for _ in range(3):
        hand.key(Key.Key_Right)
    hand.key(Key.Key_Delete)
    hand.key(Key.Key_Home)
    hand.key(Key.Key_Right, modifiers=CTRL)
    assert hand.epoch == 4
    hand.type("3")
    hand.key(Key.Key_Right, modifiers=CTRL)
    assert "Every epoch is labelled" in hand.window.statusBar().currentMessage()


def test_a_selection_with_shift_is_labelled_as_one_step(hand: Hand):
    hand.key(Key.Key_Right)
    hand.key(Key.Key_Right, Key.Key_Right, Key.Key_Right, modifiers=SHIFT)
    hand.key(Key.Key_Left, modifiers=SHIFT)
    hand.type("r")
    assert hand.states == [(10, "R"), (20, "R"), (30, "R")]
    hand.key(Key.Key_Z, modifiers=CTRL)
    assert hand.states == []
    hand.key(Key.Key_Right, modifiers=SHIFT)
    hand.key(Key.Key_Escape)
    assert hand.labelling.selection is None


def test_going_on_after_a_label_can_be_turned_off_and_that_is_remembered(
    make_hand, hand: Hand, study_folder: Path
):
    hand.key(Key.Key_A, modifiers=CTRL | SHIFT)
    assert not hand.palette.advance.isChecked()
    hand.type("w")
    assert hand.epoch == 1
    hand.window.close()
    again = make_hand().open(study_folder)
    assert not again.palette.advance.isChecked()
    again.type("1")
    assert again.states == [(0, "N1")]
    again.qtbot.mouseClick(again.palette.advance, LEFT, NONE, QPoint(8, 8))
    assert again.palette.advance.isChecked()
    again.type("2")
    assert again.epoch == 2


# ---------------------------------------------------------------- labelling by mouse


def test_the_palette_alone_labels_clears_fills_and_goes_on(hand: Hand):
    palette = hand.palette
    for name in ("W", "N1"):
        hand.press(palette._lines[name].button)
    assert hand.states == [(0, "W"), (10, "N1")]
    hand.press(palette.fill_button)
    assert [name for _, name in hand.states] == ["W"] + ["N1"] * 11
    hand.press(palette.clear_button)
    assert [name for _, name in hand.states] == ["W"] + ["N1"] * 10
    hand.click(hand.page.steps.plot, 5.0, -2.5)
    hand.press(palette.unlabelled_button)
    assert hand.epoch == 12
    hand.press(palette._lines["Lights off"].button)
    assert [x.start_s for x in hand.labelling.labels.marks] == [110.0]
    hand.press(palette._lines["Arousal"].button)
    assert hand.events == [(110, 120, "Arousal", "")]


def test_dragging_over_the_strip_selects_and_a_class_labels_it(hand: Hand):
    steps = hand.page.steps.plot
    hand.drag(steps, 12.0, 27.0, -2.5)
    assert hand.labelling.selection is not None
    hand.type("3")
    assert hand.states == [(10, "N3"), (20, "N3")]


def test_control_and_drag_over_the_strip_paints_the_class_of_that_height(hand: Hand):
    steps = hand.page.steps.plot
    names = [entry.name for entry in hand.labelling.scheme.states]
    hand.drag(steps, 2.0, 18.0, -names.index("N2") - 0.5, modifiers=CTRL)
    assert hand.states == [(0, "N2"), (10, "N2")]
    hand.click(steps, 25.0, -names.index("W") - 0.5, modifiers=CTRL)
    assert hand.states[-1] == (20, "W")
    hand.key(Key.Key_Z, Key.Key_Z, modifiers=CTRL)
    assert hand.states == []


def test_a_brush_of_the_palette_paints(hand: Hand):
    hand.press(hand.palette._lines["N1"].brush)
    hand.drag(hand.page.steps.plot, 2.0, 28.0, -2.5)
    assert hand.states == [(0, "N1"), (10, "N1"), (20, "N1")]
    hand.press(hand.palette._lines["N1"].brush)
    hand.drag(hand.page.steps.plot, 2.0, 28.0, -2.5)
    assert hand.labelling.selection is not None


def test_a_click_on_the_overview_goes_there(qtbot, hand: Hand):
    overview = hand.page.overview
    middle = QPoint(round(overview._x(75.0)), overview.height() // 3)
    qtbot.mouseClick(overview, LEFT, NONE, middle)
    assert hand.window.view.range_s == pytest.approx((60, 90), abs=1)
    assert hand.epoch == 8


# ---------------------------------------------------------------- events, bad signal, marks


def test_an_event_is_made_changed_and_removed_on_the_traces(hand: Hand, study_folder: Path):
    traces = hand.window.view.plot
    hand.drag(traces, 5.0, 12.0, -EEG)
    hand.type("a")
    assert hand.events == [(5, 12, "Arousal", "")]
    hand.drag(traces, 12.0, 17.0, -EEG)  # its edge
    assert hand.events == [(5, 17, "Arousal", "")]
    hand.key(Key.Key_Z, modifiers=CTRL)
    assert hand.events == [(5, 12, "Arousal", "")]
    hand.click(traces, 8.0, -EEG)
    hand.key(Key.Key_Delete)
    assert hand.events == []
    assert hand.states == []


def test_the_edges_of_an_event_are_set_with_keys_alone(hand: Hand):
    hand.key(*[Key.Key_Right] * 10, modifiers=ALT)
    assert hand.labelling.time_s == pytest.approx(3.0)
    hand.key(Key.Key_BracketLeft)
    hand.key(*[Key.Key_Right] * 10, modifiers=ALT)
    hand.key(Key.Key_BracketRight)
    hand.type("h")
    assert hand.events == [(3, 6, "Hypopnea", "")]
    hand.key(*[Key.Key_Right] * 10, modifiers=ALT)
    hand.key(*[Key.Key_Left] * 10, modifiers=CTRL | ALT)
    assert hand.events == [(0, 9, "Hypopnea", "")]
    hand.key(Key.Key_Escape)
    hand.type("x")
    hand.key(Key.Key_Period, modifiers=CTRL)
    hand.key(Key.Key_Delete)
    assert len(hand.events) == 1


def test_bad_signal_shades_the_lanes_of_the_modality_that_was_dragged_over(hand: Hand):
    traces = hand.window.view.plot
    lanes = {lane.name: lane.modality for lane in hand.window.view.lanes}
    hand.drag(traces, 5.0, 20.0, -EMG)
    hand.key(Key.Key_B, modifiers=CTRL)
    assert hand.events == [(5, 20, "Bad signal", lanes["EMG chin"])]
    assert list(hand.window.view._item._absent) == [lanes["EMG chin"]]
    hand.drag(traces, 21.0, 25.0, -EEG)
    hand.type("b")
    assert hand.events[1] == (21, 25, "Bad signal", lanes["EEG C3-M2"])


def test_marks_are_set_at_the_time_cursor_and_there_is_one_of_each(hand: Hand):
    hand.click(hand.window.view.plot, 14.0, -EEG)
    hand.press(hand.palette._lines["Lights off"].button)
    hand.click(hand.window.view.plot, 23.0, -EEG)
    hand.press(hand.palette._lines["Lights off"].button)
    (mark,) = hand.labelling.labels.marks
    assert mark.start_s == pytest.approx(23.0, abs=0.1)
    assert mark.class_name == "Lights off"


# ---------------------------------------------------------------- menus on things


def test_a_right_click_on_the_strip_labels_the_epoch_under_it(hand: Hand):
    hand.click(hand.page.steps.plot, 25.0, -2.5, RIGHT)
    hand.choose("N2")
    assert hand.states == [(20, "N2")]
    hand.key(Key.Key_Home)
    hand.click(hand.page.steps.plot, 25.0, -2.5, RIGHT)
    hand.choose("Clear label")
    assert hand.states == []


def test_a_right_click_on_the_traces_offers_what_fits_a_stretch(hand: Hand):
    traces = hand.window.view.plot
    hand.drag(traces, 5.0, 12.0, -EMG)
    hand.click(traces, 8.0, -EMG, RIGHT)
    hand.choose("Bad signal in emg")
    assert hand.events == [(5, 12, "Bad signal", "emg")]
    hand.click(traces, 25.0, -EEG, RIGHT)
    hand.choose("Lights on here")
    assert [round(x.start_s) for x in hand.labelling.labels.marks] == [25]
    hand.click(traces, 15.0, -EEG, RIGHT)
    hand.choose("Label", "N3")
    assert hand.states == [(10, "N3")]


def test_a_right_click_on_an_event_renames_and_removes_it(hand: Hand):
    traces = hand.window.view.plot
    hand.drag(traces, 5.0, 12.0, -EEG)
    hand.type("a")
    hand.click(traces, 8.0, -EEG, RIGHT)
    hand.choose("Artefact")
    assert hand.events == [(5, 12, "Artefact", "")]
    hand.click(traces, 8.0, -EEG, RIGHT)
    hand.choose("Remove")
    assert hand.events == []


def test_the_menu_key_opens_the_menu_of_the_epoch(hand: Hand):
    hand.page.steps.setFocus()
    place = hand.page.steps.rect().center()
    event = QContextMenuEvent(
        QContextMenuEvent.Reason.Keyboard, place, hand.page.steps.mapToGlobal(place)
    )
    QApplication.sendEvent(hand.page.steps, event)
    menu = QApplication.activePopupWidget()
    hand.qtbot.keyClick(menu, Key.Key_Down)
    hand.qtbot.keyClick(menu, Key.Key_Return)
    assert hand.states == [(0, "W")]


def test_a_right_click_on_a_recording_offers_what_can_be_done_with_it(hand: Hand):
    tree = hand.panel.tree
    index = hand.panel.model.index_of(1).siblingAtColumn(NAME)
    place = tree.visualRect(index).center()
    event = QContextMenuEvent(
        QContextMenuEvent.Reason.Mouse, place, tree.viewport().mapToGlobal(place)
    )
    QApplication.sendEvent(tree.viewport(), event)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert "Sign off this recording" in [a.text().replace("&", "") for a in menu.actions()]
    menu.close()


# ---------------------------------------------------------------- raters


def test_another_rater_sees_other_labels(hand: Hand, study_folder: Path):
    hand.type("w1")
    rater = hand.panel.rater
    rater.setFocus()
    rater.lineEdit().selectAll()
    hand.type("CD")
    hand.key(Key.Key_Return)
    assert hand.labelling.journal.rater.name == "CD"
    assert hand.states == []
    assert hand.window._preferences.value.rater == "CD"
    hand.window.view.plot.setFocus()
    hand.key(Key.Key_Home)  # where one was stays
    hand.type("r")
    assert hand.on_disk(study_folder) == [(0, "R")]
    assert list(hand.labelling.others) == ["AB"]
    rater.setCurrentIndex(rater.findText("AB"))
    rater.activated.emit(rater.currentIndex())
    assert hand.states == [(0, "W"), (10, "N1")]


def test_disagreements_are_shown_and_walked_through(make_hand, study_folder: Path):
    label_as(study_folder, "CD", dict.fromkeys(range(12), "N2"))
    label_as(study_folder, "AB", {k: "R" if k in (4, 9) else "N2" for k in range(12)})
    hand = make_hand().open(study_folder)
    assert hand.page.agreement.isVisible()
    hand.key(Key.Key_D, modifiers=CTRL)
    assert hand.epoch == 5
    hand.key(Key.Key_D, modifiers=CTRL)
    assert hand.epoch == 10
    hand.key(Key.Key_D, modifiers=CTRL | SHIFT)
    assert hand.epoch == 5
    hand.type("2")
    assert hand.labelling.disagreements().tolist() == [9]
    hand.press(hand.palette.disagreement_button)
    assert hand.epoch == 10


def test_blinded_raters_do_not_see_each_other(make_hand, study_folder: Path):
    label_as(study_folder, "CD", dict.fromkeys(range(12), "N2"))
    hand = make_hand().open(study_folder)
    assert hand.page.agreement.isVisible()
    hand.window.registry.action("study.raters").trigger()
    dialog = hand.dialog(RatersDialog)
    hand.qtbot.keyClick(dialog.blinded, Key.Key_Space)
    assert not hand.page.agreement.isVisible()
    assert hand.labelling.others == {}
    assert hand.panel.blinded.isVisible()
    hand.key(Key.Key_D, modifiers=CTRL)
    assert hand.epoch == 1
    dialog.close()
    hand.window._session.close_study()
    again = Study.open(study_folder, read_only=True)
    assert again.settings.blinded
    again.close()


def test_signing_off_locks_the_keys_until_it_is_reopened(hand: Hand, study_folder: Path):
    hand.type("w1")
    hand.window.registry.action("study.sign_off").trigger()
    assert hand.window.status.locked.text() == "signed off"
    assert hand.panel.model.rows[0].signed_off
    hand.window.view.plot.setFocus()
    hand.type("2")
    hand.key(Key.Key_Z, modifiers=CTRL)
    hand.drag(hand.page.steps.plot, 2.0, 28.0, -0.5, modifiers=CTRL)
    assert hand.on_disk(study_folder) == [(0, "W"), (10, "N1")]
    assert "signed off" in hand.window.statusBar().currentMessage()
    assert not hand.palette._lines["W"].button.isEnabled()
    hand.window.registry.action("study.reopen").trigger()
    hand.type("2")
    assert hand.states[-1] == (20, "N2")
    assert not hand.window.status.locked.isVisible()


# ---------------------------------------------------------------- saved, or not


def fill_the_disk(hand: Hand) -> None:
    """From now on the study's disk takes no more, and a rater goes on labelling."""
    connection = hand.window._session.study.file.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    hand.key(Key.Key_A, modifiers=CTRL | SHIFT)  # one epoch, over and over
    for number in range(400):
        hand.type("w12"[number % 3])
        if not hand.labelling.is_saved:
            return
    raise AssertionError("the disk took everything")


def make_room(hand: Hand) -> None:
    hand.window._session.study.file.connection.execute("PRAGMA max_page_count=1000000")


def test_a_full_disk_is_said_at_once_and_closing_asks(hand: Hand, study_folder: Path):
    window = hand.window
    fill_the_disk(hand)
    assert window.status.saved.text() == "NOT SAVED: 1 edit"
    assert "full" in window.status.text.text()
    hand.type("3")
    assert window.status.saved.text() == "NOT SAVED: 2 edits"
    assert [name for _, name in hand.states] == ["N3"]
    assert hand.on_disk(study_folder) != hand.states
    window.close()
    assert window.isVisible()
    box = hand.dialog(QMessageBox)
    assert "not saved" in box.text()
    box.reject()
    assert window.isVisible()
    hand.come_back()
    make_room(hand)
    hand.press(window.status.saved)
    assert window.status.saved.text() == "Saved"
    assert "full" not in window.status.text.text()
    assert hand.on_disk(study_folder) == hand.states


def test_saving_is_tried_again_by_itself(qtbot, hand: Hand, study_folder: Path):
    fill_the_disk(hand)
    make_room(hand)
    qtbot.waitUntil(lambda: hand.window.status.saved.text() == "Saved", timeout=10_000)
    assert hand.on_disk(study_folder) == hand.states


def test_labels_that_the_disk_refuses_can_be_saved_elsewhere(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill_the_disk(hand)
    rescued = tmp_path / "rescued.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(rescued), ""))
    hand.window.close()
    box = hand.dialog(QMessageBox)
    hand.press(next(b for b in box.buttons() if "elsewhere" in b.text()))
    assert [(x.onset_s, x.text) for x in read_labels(rescued).labels] == hand.states
    box.close()
    make_room(hand)
    hand.press(hand.window.status.saved)


def test_closing_loses_labels_only_when_the_user_says_so(hand: Hand, study_folder: Path):
    fill_the_disk(hand)
    hand.window.close()
    box = hand.dialog(QMessageBox)
    hand.press(next(b for b in box.buttons() if "lose" in b.text()))
    assert not hand.window.isVisible()


def test_a_second_window_on_the_same_study_reads_and_says_why(
    make_hand, hand: Hand, study_folder: Path
):
    hand.type("w1")
    second = make_hand().open(study_folder)
    window = second.window
    assert window.status.locked.isVisible()
    assert window.status.locked.text() == "read-only"
    assert "open" in window.status.locked.toolTip()
    assert not window.status.saved.isVisible()
    assert second.states == [(0, "W"), (10, "N1")]
    second.type("2")
    second.key(Key.Key_Z, modifiers=CTRL)
    assert second.states == [(0, "W"), (10, "N1")]
    assert "reading only" in window.statusBar().currentMessage()
    assert "reading only" in second.palette.lock.text()
    assert not second.palette._lines["W"].button.isEnabled()
    for name in ("study.sign_off", "study.scheme", "study.import_labels", "label.clear"):
        assert not window.registry.action(name).isEnabled(), name
    # The first window goes on.
    hand.come_back()
    hand.window.view.plot.setFocus()
    hand.type("3")
    assert hand.states[-1] == (20, "N3")


# ---------------------------------------------------------------- files


def test_a_file_that_is_gone_is_said_and_found_again(qtbot, make_hand, study_folder: Path):
    elsewhere = study_folder.parent / "elsewhere"
    elsewhere.mkdir()
    os.rename(study_folder / "recordings" / "n1.edf", elsewhere / "renamed.edf")
    hand = make_hand()
    window = hand.window
    window._session.choose_rater("AB")
    with qtbot.waitSignal(window.shown, timeout=10_000):
        window._session.open_study(study_folder)
    assert "n1.edf" in window.page.problem.text()
    assert not window.view.isVisible()
    qtbot.waitUntil(lambda: bool(hand.panel.model.rows[0].problem), timeout=10_000)
    assert hand.panel.model.rows[1].problem == ""
    window.registry.action("study.moved").trigger()
    dialog = hand.dialog(MovedFilesDialog)
    dialog.add_folder(str(elsewhere))
    qtbot.waitUntil(lambda: dialog.go.isEnabled(), timeout=10_000)
    with qtbot.waitSignal(window.page.drawn, timeout=10_000):
        hand.press(dialog.go)
    assert window.page.problem.text() == ""
    assert window.view.isVisible()
    qtbot.waitUntil(lambda: not hand.panel.model.rows[0].problem, timeout=10_000)
    hand.come_back()
    assert window.view.plot.hasFocus()
    hand.type("w")
    assert hand.states == [(0, "W")]


# ---------------------------------------------------------------- typing elsewhere


def test_letters_typed_into_a_field_label_nothing(qtbot, hand: Hand):
    for field in (hand.panel.filter, hand.panel.rater.lineEdit()):
        field.setFocus()
        field.selectAll()
        hand.type("w123r")
        assert field.text() == "w123r"
        assert hand.states == []
    hand.window.view.plot.setFocus()
    assert hand.panel.rater.currentText() == "AB"  # not entered


def test_letters_typed_into_dialogs_label_nothing(qtbot, hand: Hand):
    registry = hand.window.registry
    for name, kind in (
        ("view.go_to", GoToDialog),
        ("help.shortcuts", ShortcutsWindow),
        ("study.raters", RatersDialog),
        ("help.palette", CommandPalette),
    ):
        registry.action(name).trigger()
        dialog = hand.dialog(kind)
        qtbot.waitUntil(lambda dialog=dialog: dialog.isAncestorOf(hand.focus), timeout=5000)
        hand.type("w12")
        assert hand.states == [], name
        dialog.close()
        hand.come_back()
    hand.type("w")
    assert hand.states == [(0, "W")]


def test_letters_work_with_the_focus_on_the_palette_too(hand: Hand):
    hand.palette.clear_button.setFocus()
    hand.type("w")
    assert hand.states == [(0, "W")]


# ---------------------------------------------------------------- finding one's way


def test_the_page_of_keys_lists_those_of_the_classes(hand: Hand):
    hand.key(Key.Key_Slash, modifiers=CTRL)
    page = hand.dialog(ShortcutsWindow)
    text = page.as_text()
    assert "W\tW or 0" in text
    assert "Arousal\tA" in text
    assert "Fill to the next label\tCtrl+F" in text
    page.close()


def test_a_command_is_found_by_typing_and_run(hand: Hand):
    hand.type("w")
    hand.key(Key.Key_Home)
    hand.key(Key.Key_K, modifiers=CTRL)
    palette = hand.dialog(CommandPalette)
    palette.line.setFocus()
    QTest.keyClicks(palette.line, "next unlab")
    assert palette.shown()[0] == "go.unlabelled"
    hand.qtbot.keyClick(palette.line, Key.Key_Return)
    assert hand.epoch == 2
    assert hand.window._preferences.value.recent_commands == ("go.unlabelled",)


def test_everything_that_can_be_pressed_has_a_name(hand: Hand):
    window = hand.window
    for action in window.findChildren(QAction):
        if not action.isSeparator() and not action.objectName().startswith("_q_"):
            assert action.text() or action.menu(), action.objectName()
    for command in window.registry.actions():
        assert command.text, command.id
        assert command.action.toolTip(), command.id
    tools = window.findChild(QToolBar, "tools")
    for button in tools.findChildren(QToolButton):
        if button.isVisible() and not button.objectName().startswith("qt_"):
            assert button.accessibleName(), button.toolTip()
    for kind in (QAbstractButton, QComboBox, QLineEdit, QAbstractItemView, QAbstractSpinBox):
        for widget in window.findChildren(kind):
            if widget.isVisible() and not is_inner(widget):
                text = widget.text() if isinstance(widget, QAbstractButton) else ""
                assert widget.accessibleName() or text, widget
    for plot in window.findChildren(TimePlot):
        assert plot.accessibleName(), plot.parent()


def is_inner(widget: QWidget) -> bool:
    """Whether it is a part of another control, or of Qt's own."""
    parent = widget.parent()
    return (
        widget.objectName().startswith("qt_")
        or isinstance(widget, QHeaderView)
        or isinstance(parent, QComboBox | QAbstractSpinBox | QAbstractItemView | QLineEdit)
        or (parent is not None and isinstance(parent.parent(), QComboBox))
    )


def test_no_two_parts_of_the_window_share_a_menu_key(hand: Hand):
    keys: dict[str, str] = {}
    window = hand.window
    texts = [action.text() for action in window.menuBar().actions()]
    for kind in (QLabel, QAbstractButton):
        texts += [
            w.text()
            for w in window.findChildren(kind)
            if w.isVisible() and "&nbsp;" not in w.text()
        ]
    for text in dict.fromkeys(texts):
        bare = text.replace("&&", "")
        if "&" in bare:
            key = bare[bare.index("&") + 1].upper()
            assert key not in keys, f"'{text}' and '{keys[key]}' share Alt+{key}"
            keys[key] = text
    for menu in window.menuBar().findChildren(QMenu):
        taken: dict[str, str] = {}
        for action in menu.actions():
            bare = action.text().split("\t")[0].replace("&&", "")
            if "&" in bare:
                key = bare[bare.index("&") + 1].upper()
                assert key not in taken, f"'{bare}' and '{taken[key]}' in {menu.title()}"
                taken[key] = bare


def test_every_part_can_be_reached_with_tab(hand: Hand):
    window = hand.window
    seen: list[QWidget] = []
    for _ in range(80):
        hand.key(Key.Key_Tab)
        at = QApplication.focusWidget()
        if at in seen:
            break
        seen.append(at)
    wanted = (
        *(hand.page.overview, hand.page.page_choice, hand.page.steps, hand.panel.filter),
        *(hand.panel.tree, hand.palette.clear_button, hand.palette.advance, window.status.saved),
    )
    for widget in wanted:
        inside = any(widget is w or widget.isAncestorOf(w) for w in seen)
        assert inside, f"Tab does not come to {widget.accessibleName() or widget}"


# ---------------------------------------------------------------- looks


def test_dark_and_larger_text_apply_to_the_whole_window(qapp, hand: Hand):
    window = hand.window
    before = window.font().pointSizeF()
    try:
        window._preferences.update(appearance="dark", text_scale_percent=150)
        QApplication.processEvents()
        assert window.palette().window().color().lightness() < 100
        assert window.view.plot.backgroundBrush().color().lightness() < 100
        assert window.font().pointSizeF() == pytest.approx(1.5 * before)
        # In pixels: most of the window is dark, and nothing is left of the light one.
        picture = window.grab().toImage()
        places = [
            (x, y) for x in range(5, picture.width(), 23) for y in range(5, picture.height(), 23)
        ]
        light = sum(picture.pixelColor(x, y).lightness() > 200 for x, y in places)
        assert light < 0.1 * len(places)
    finally:
        window._preferences.update(
            appearance=DEFAULTS.appearance, text_scale_percent=DEFAULTS.text_scale_percent
        )


def test_the_page_goes_by_the_clock_when_asked(hand: Hand):
    hand.key(Key.Key_T, modifiers=CTRL)
    assert hand.window._preferences.value.time_mode == "clock"
    hand.key(Key.Key_T, modifiers=CTRL)
    assert hand.window._preferences.value.time_mode == "elapsed"


# ---------------------------------------------------------------- never blocked


class Watchdog(QObject):
    """Measures for how long the event loop did not come round."""

    def __init__(self) -> None:
        super().__init__()
        self.longest_s = 0.0
        self._last = time.monotonic()
        self._timer = QTimer(self)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now

    def stop(self) -> float:
        self._tick()
        self._timer.stop()
        return self.longest_s


def test_opening_and_labelling_never_block_the_window(qtbot, make_hand, sample: Path):
    hand = make_hand()
    # What is loaded once is loaded while the welcome page is looked at.
    qtbot.waitUntil(lambda: not hand.window._warming.isActive(), timeout=10_000)
    qtbot.waitUntil(lambda: not hand.window._looking.is_busy, timeout=20_000)
    watchdog = Watchdog()
    hand.open(sample)
    for letter in "aefiprt" * 4:
        hand.type(letter)
        QApplication.processEvents()
    with qtbot.waitSignal(hand.page.drawn, timeout=10_000):
        hand.key(Key.Key_0, modifiers=CTRL)
    assert watchdog.stop() < LONGEST_STALL_S


def test_the_window_closes_in_the_middle_of_everything(qtbot, make_hand, sample: Path):
    hand = make_hand().open(sample)
    hand.type("ae")
    hand.key(Key.Key_G, modifiers=CTRL | SHIFT)  # the spectrogram begins
    hand.window.rater_commands.show_agreement()
    hand.window.help.show_help()
    hand.window._session.choose(3)
    hand.window.close()
    assert not [d for d in hand.window.findChildren(QDialog) if d.isVisible()]
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
