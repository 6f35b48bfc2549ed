"""The switches ask for what should be kept, and say in words what the figures are worth."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.window_view import LiveFigures, live_figures
from tests.ui.dialog_checks import check_controls
from tests.ui.window_example import (
    CHANGED,
    COUNT,
    MODALITIES,
    WITHOUT_EEG,
    make_example_view,
    make_windows,
    seen_by_the_model,
)
from ui.modality_switches import ModalitySwitches


@pytest.fixture
def page(qtbot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    column = QVBoxLayout(made)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(ModalitySwitches())
    column.addStretch(1)
    made.resize(1200, 300)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def switches(page: QWidget) -> ModalitySwitches:
    """Three modalities, of which the EOG is missing in three windows of twenty."""
    made = page.findChild(ModalitySwitches)
    shares = dict(zip(MODALITIES, make_windows().present.mean(axis=0), strict=True))
    made.set_modalities(MODALITIES, shares, {"eog": "It is flat from 0:01:20 on."})
    return made


def texts(switches: ModalitySwitches) -> list[str]:
    return [switch.text() for switch in switches.switches]


def states(switches: ModalitySwitches) -> list[bool]:
    return [switch.isChecked() for switch in switches.switches]


def test_a_click_asks_for_the_others(switches: ModalitySwitches, qtbot):
    assert switches.kept == (0, 1, 2)
    with qtbot.waitSignal(switches.kept_changed) as asked:
        QTest.mouseClick(switches.switches[0], Qt.MouseButton.LeftButton, pos=_box(switches, 0))
    assert asked.args == [(1, 2)]
    assert states(switches) == [False, True, True]
    with qtbot.waitSignal(switches.kept_changed) as asked:
        switches.switches[2].setFocus()
        QTest.keyClick(switches.switches[2], Qt.Key.Key_Space)
    assert asked.args == [(1,)]
    with qtbot.waitSignal(switches.kept_changed) as asked:
        switches.all_on.click()
    assert asked.args == [(0, 1, 2)]
    assert states(switches) == [True] * 3
    assert not switches.all_on.isEnabled()


def _box(switches: ModalitySwitches, number: int):
    rect = switches.switches[number].rect()
    return rect.center().__class__(8, rect.center().y())


def test_showing_what_is_kept_asks_for_nothing(switches: ModalitySwitches, qtbot):
    with qtbot.assertNotEmitted(switches.kept_changed):
        switches.set_kept((2, 0))
    assert switches.kept == (0, 2)
    assert states(switches) == [True, False, True]
    assert switches.all_on.isEnabled()


def test_menus_have_the_same_switches(switches: ModalitySwitches, qtbot):
    actions = switches.actions_for_menu
    assert [action.text() for action in actions] == list(MODALITIES)
    assert all(action.shortcut().isEmpty() for action in actions)  # the window's own have them
    with qtbot.waitSignal(switches.kept_changed) as asked:
        actions[1].trigger()
    assert asked.args == [(0, 2)]
    assert [action.isChecked() for action in actions] == [True, False, True]
    assert states(switches) == [True, False, True]
    with qtbot.waitSignal(switches.kept_changed) as asked:
        switches.all_on_action.trigger()
    assert asked.args == [(0, 1, 2)]


def test_what_is_missing_is_said(switches: ModalitySwitches):
    assert texts(switches) == [
        "eeg (missing in 5 %)",
        "eog (missing in 15 %)",
        "emg (missing in 5 %)",
    ]
    tip = switches.switches[1].toolTip()
    assert "Alt+2" in tip
    assert "In 15 % of the windows it is missing" in tip
    assert tip.endswith("It is flat from 0:01:20 on.")


def test_next_to_nothing_missing_is_not_called_nothing(switches: ModalitySwitches):
    switches.set_modalities(("a", "b"), {"a": 0.9999, "b": 0.0001})
    assert texts(switches) == ["a (missing in 1 %)", "b (missing in 99 %)"]


def test_what_the_recording_does_not_have_is_off_for_good(switches: ModalitySwitches, qtbot):
    switches.set_modalities(MODALITIES, {"eog": 0.0}, {"eog": "No channel of it is in the file."})
    eog = switches.switches[1]
    assert not eog.isEnabled()
    assert not eog.isChecked()
    assert eog.text() == "eog (absent)"
    assert eog.toolTip() == ("eog is absent from this recording. No channel of it is in the file.")
    assert not switches.actions_for_menu[1].isEnabled()
    # Nobody took it away: with all others on, everything is kept.
    assert switches.kept == (0, 1, 2)
    assert not switches.all_on.isEnabled()
    with qtbot.waitSignal(switches.kept_changed) as asked:
        switches.switches[0].click()
    assert asked.args == [(1, 2)]


def test_figures_say_what_has_changed(switches: ModalitySwitches):
    figures = live_figures(make_example_view(WITHOUT_EEG, threshold=0.5))
    switches.set_kept(WITHOUT_EEG)
    switches.set_figures(figures)
    assert switches.figures_in_words == (
        f"changed {len(CHANGED)} of {COUNT - 1} (16 %) · confidence 0.78 · "
        f"macro F1 {figures.macro_f1:.2f} · unsure 5.3 %"
    )
    switches.set_figures(None)
    assert switches.figures_in_words == ""


def test_a_person_that_the_model_has_seen_is_no_test(switches: ModalitySwitches):
    switches.set_figures(live_figures(seen_by_the_model()))
    assert "(no test: the model has seen this person)" in switches.figures_in_words
    switches.set_figures(live_figures(make_example_view()))
    assert "no test" not in switches.figures_in_words


def test_windows_without_an_answer_are_counted(switches: ModalitySwitches):
    switches.set_kept((1,))
    switches.set_figures(live_figures(make_example_view((1,))))
    assert "without an answer 2" in switches.figures_in_words


def test_figures_that_are_undefined_are_dashes(switches: ModalitySwitches):
    nothing = LiveFigures(0, 0, None, None, None, 0, True, None, None, None)
    switches.set_figures(nothing)
    assert switches.figures_in_words == "confidence – · macro F1 – · unsure –"


def test_with_all_off_it_says_that_there_is_nothing(switches: ModalitySwitches, qtbot):
    for number in (0, 1):
        switches.switches[number].click()
    with qtbot.waitSignal(switches.kept_changed) as asked:
        switches.switches[2].click()
    assert asked.args == [()]
    switches.set_figures(live_figures(make_example_view(())))
    assert switches.figures_in_words == "Every sensor is off: there is nothing to predict from."
    switches.all_on.click()
    assert switches.kept == (0, 1, 2)


def test_only_an_absent_modality_left_is_nothing_too(switches: ModalitySwitches):
    switches.set_modalities(MODALITIES, {"eog": 0.0})
    switches.set_kept((1,))
    assert "nothing to predict from" in switches.figures_in_words


def test_many_modalities_wrap_and_nothing_is_cut_off(
    page: QWidget, switches: ModalitySwitches, qtbot
):
    names = tuple(f"modality {number}" for number in range(14))
    switches.set_modalities(names, dict.fromkeys(names, 0.5))
    switches.set_figures(live_figures(seen_by_the_model()))
    page.resize(700, 400)
    qtbot.waitUntil(lambda: switches.height() == switches.heightForWidth(700))
    boxes = [switch.geometry() for switch in switches.switches]
    assert len({box.top() for box in boxes}) > 2
    for k, box in enumerate(boxes):
        assert switches.rect().contains(box)
        assert not any(box.intersects(other) for other in boxes[k + 1 :])
    narrow = switches.height()
    page.resize(1600, 400)
    qtbot.waitUntil(lambda: switches.height() < narrow)


def test_playing_with_the_switches_does_not_lay_the_window_out_anew(
    switches: ModalitySwitches, qtbot
):
    qtbot.waitUntil(lambda: switches.height() == switches.heightForWidth(switches.width()))
    places = None
    for kept in ((0, 1, 2), (1, 2), (0, 2), (0, 1)):
        switches.set_kept(kept)
        switches.set_figures(live_figures(make_example_view(kept, threshold=0.5)))
        now = [switch.geometry() for switch in switches.switches]
        assert places in (None, now)
        places = now


def test_a_name_is_shown_as_it_is(switches: ModalitySwitches):
    switches.set_modalities(("a&b",), {})
    assert switches.switches[0].text() == "a&&b"
    assert switches.switches[0].accessibleName() == "a&b"
    assert switches.actions_for_menu[0].text() == "a&&b"


def test_keys_of_the_window_are_named(switches: ModalitySwitches):
    switches.set_keys(("F2", ""), "F9")
    tips = [switch.toolTip() for switch in switches.switches]
    assert "(F2)" in tips[0]
    assert "(" not in tips[1].split(".")[0]
    assert "(F9)" in switches.all_on.toolTip()


def test_other_modalities_replace_the_switches(switches: ModalitySwitches, page: QWidget):
    switches.set_modalities(("acc",), {"acc": 1.0})
    assert texts(switches) == ["acc"]
    assert switches.kept == (0,)
    switches.set_modalities(())
    assert switches.switches == ()
    assert not switches.all_on.isVisible()
    page.grab()


def test_colours_show_whether_it_is_on_and_follow_the_palette(switches: ModalitySwitches):
    def middle(number: int) -> QColor:
        image = switches.switches[number].icon().pixmap(12, 12).toImage()
        return image.pixelColor(image.width() // 2, image.height() // 2)

    assert middle(0).alpha() == 255
    switches.set_kept((1, 2))
    assert middle(0).alpha() == 0
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, middle(1))  # as the colour of the EOG
    switches.setPalette(palette)
    assert middle(1) != palette.color(QPalette.ColorRole.Window)


def test_controls_have_names_and_tooltips(switches: ModalitySwitches, page: QWidget):
    page.resize(900, 300)
    for switch in switches.switches:
        assert switch.accessibleName()
        assert switch.toolTip()
        assert switch.focusPolicy() & Qt.FocusPolicy.TabFocus
    check_controls(switches)
