"""The palette labels by mouse alone, shows what is done, and says what is locked and why."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QToolButton

from core.label_scheme import BAD_SIGNAL, LabelClass, LabelScheme, load_scheme
from tests.ui.dialog_checks import check_controls
from ui.label_palette import LabelPalette, Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def palette(qtbot, clock: Clock) -> LabelPalette:
    palette = LabelPalette(clock=clock)
    qtbot.addWidget(palette)
    palette.set_scheme(load_scheme("sleep_aasm"))
    palette.resize(300, 760)
    palette.show()
    qtbot.waitExposed(palette)
    return palette


def button(palette: LabelPalette, name: str) -> QToolButton:
    return palette._lines[name].button


def click(qtbot, widget, key=Qt.MouseButton.LeftButton) -> None:
    qtbot.mouseClick(widget, key)


def test_a_click_gives_a_class_and_leaves_the_keyboard_where_it_was(qtbot, palette) -> None:
    chosen: list[str] = []
    palette.class_chosen.connect(chosen.append)
    for name in ("N2", "Arousal", BAD_SIGNAL, "Lights off"):
        click(qtbot, button(palette, name))
        assert not button(palette, name).hasFocus()
    assert chosen == ["N2", "Arousal", BAD_SIGNAL, "Lights off"]
    assert button(palette, "Lights off").text() == "Lights off here"


def test_buttons_are_reached_and_pressed_by_keyboard(qtbot, palette) -> None:
    with qtbot.waitSignal(palette.class_chosen) as chosen:
        button(palette, "N3").setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.keyClick(button(palette, "N3"), Qt.Key.Key_Space)
    assert chosen.args == ["N3"]


def test_the_current_class_is_down_whatever_is_clicked(qtbot, palette) -> None:
    palette.set_current("W")
    click(qtbot, button(palette, "N2"))
    assert button(palette, "W").isChecked()
    assert not button(palette, "N2").isChecked()
    palette.set_current(None)
    assert not any(line.button.isChecked() for line in palette._lines.values())


def test_commands_are_asked_for_by_mouse(qtbot, palette) -> None:
    for widget, signal in (
        (palette.clear_button, palette.clear_requested),
        (palette.fill_button, palette.fill_requested),
        (palette.unlabelled_button, palette.next_unlabelled),
        (palette.disagreement_button, palette.next_disagreement),
    ):
        with qtbot.waitSignal(signal):
            click(qtbot, widget)
    with qtbot.waitSignal(palette.auto_advance_changed) as changed:
        palette.advance.click()
    assert changed.args == [False]
    with qtbot.assertNotEmitted(palette.auto_advance_changed):
        palette.set_auto_advance(True)
    assert palette.advance.isChecked()


def test_a_brush_belongs_to_one_state_and_a_right_click_takes_it_up(qtbot, palette) -> None:
    taken: list[object] = []
    palette.paint_class_changed.connect(taken.append)
    click(qtbot, palette._lines["R"].brush)
    click(qtbot, palette._lines["N1"].brush)
    assert not palette._lines["R"].brush.isChecked()
    button(palette, "W").customContextMenuRequested.emit(QPoint())
    click(qtbot, palette._lines["W"].brush)
    assert taken == ["R", "N1", "W", None]
    assert palette._lines["Arousal"].brush is None
    palette.set_paint_class("N2")
    palette.set_scheme(load_scheme("stress"))
    assert taken[-1] is None


def test_counts_shares_and_progress_are_shown(palette) -> None:
    palette.set_counts({"N2": 30, "Arousal": 4}, 40, 120)
    assert palette._lines["N2"].count.text() == "30"
    assert palette._lines["N2"].share.text() == "25 %"
    assert palette._lines["Arousal"].count.text() == "4"
    assert palette._lines["Arousal"].share.text() == ""
    assert palette.done.text() == "40 of 120 epochs (33 %)"
    assert palette.progress.value() == 40
    palette.set_counts({"N2": 120}, 120, 120)
    assert palette.left.text() == "All epochs are labelled."
    palette.set_counts({}, 0, 0)
    assert palette.done.text() == "Nothing to label."


def test_the_time_left_goes_by_the_pace_and_not_by_pauses(palette, clock: Clock) -> None:
    for k in range(10):
        palette.set_counts({}, k, 310)
        clock.now_s += 600 if k == 5 else 2
    assert palette.left.text() == "About 10 min left at this pace"
    palette.restart_pace()
    assert palette.left.text() == ""
    pace = Pace()
    for k in range(3):
        pace.note(k, k)
    assert pace.left_s(100) is None, "two labels tell nothing yet"


def test_locked_labels_cannot_be_pressed_and_the_reason_is_read(qtbot, palette) -> None:
    reason = "night 1 is signed off: reopen it before its labels are changed."
    palette.set_locked(reason)
    assert palette.lock.isVisible()
    assert palette.lock.text() == reason
    for widget in (button(palette, "N2"), palette._lines["N2"].brush, palette.clear_button):
        assert not widget.isEnabled()
    assert reason in button(palette, "N2").toolTip()
    assert reason in palette.clear_button.toolTip()
    assert palette.unlabelled_button.isEnabled(), "looking is allowed"
    palette.set_locked("")
    assert not palette.lock.isVisible()
    assert button(palette, "N2").isEnabled()


def test_tooltips_name_the_keys(palette) -> None:
    assert "(key W or 0)" in button(palette, "W").toolTip()
    palette.set_keys({"clear": "Del", "next_unlabelled": "Ctrl+U"})
    assert palette.clear_button.toolTip().endswith("(Del)")
    assert palette.unlabelled_button.toolTip().endswith("(Ctrl+U)")
    for widget in palette.findChildren(QToolButton):
        assert widget.accessibleName(), widget


def test_another_scheme_takes_the_old_classes_away(qtbot, palette) -> None:
    palette.set_scheme(
        LabelScheme((LabelClass("R & D", "#0072B2"), LabelClass("x", "#E69F00", ("x",))), 10)
    )
    QApplication.processEvents()
    assert list(palette._lines) == ["R & D", "x"]
    assert button(palette, "R & D").text() == "R && D"
    assert palette._grid.itemAtPosition(1, 0).widget() is button(palette, "R & D")
    seen = {w.accessibleName() for w in palette.findChildren(QToolButton) if w.isVisible()}
    assert seen == {"R & D", "x", "Paint R & D on the strip", "Paint x on the strip"}


def test_nothing_is_cut_off_at_the_side(palette) -> None:
    QApplication.processEvents()
    inner = palette._inner
    assert inner.width() >= inner.minimumSizeHint().width()


def test_controls_have_names_and_keys(palette) -> None:
    palette.resize(300, 700)
    check_controls(palette)
