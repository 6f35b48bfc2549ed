"""The form shows every setting, says only what differs, and leads back to the preset."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QWidget,
)

from core.config import make_config
from core.errors import ConfigError
from core.setting_help import LENGTH, all_settings, group_titles
from ui.config_form import (
    ChoiceEditor,
    ChoicesEditor,
    ConfigForm,
    ListEditor,
    MasksEditor,
    NumberEditor,
    SettingsDraft,
    TextEditor,
    list_text,
    parse_list,
    value_text,
)

STAND_INS = {"recordings": {"sources": [{"pattern": "x"}]}, "windows": {"length_s": 30}}


@pytest.fixture
def form(qtbot) -> ConfigForm:
    made = ConfigForm()
    qtbot.addWidget(made)
    made.resize(760, 560)
    made.show()
    qtbot.waitExposed(made)
    return made


def type_over(qtbot, widget: QWidget, text: str) -> None:
    widget.setFocus()
    widget.selectAll()
    qtbot.keyClicks(widget, text)


def shown(form: ConfigForm) -> set[str]:
    return {
        path
        for group in form.groups.values()
        for path, editor in group.editors.items()
        if editor.isVisibleTo(form)
    }


def test_every_setting_has_an_editor_with_a_name_and_a_tooltip(form: ConfigForm) -> None:
    for entry in all_settings():
        editor = form.editor(entry.path)
        assert editor.isVisibleTo(form)
        for widget in editor.leaves():
            assert widget.accessibleName(), entry.path
            assert widget.toolTip(), entry.path
    for kind in (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit):
        for widget in form.findChildren(kind):
            is_inner = isinstance(widget.parent(), QComboBox | QAbstractSpinBox | QLineEdit)
            if widget.isVisibleTo(form) and not is_inner:
                assert widget.accessibleName()
                assert widget.toolTip()


def test_editors_show_the_values_of_the_preset(form: ConfigForm) -> None:
    form.set_document({"model": {"preset": "reference"}})
    epochs = form.editor("pretrain.epochs")
    assert isinstance(epochs, NumberEditor)
    assert epochs.box.value() == 50
    convention = form.editor("pretrain.loss.convention")
    assert isinstance(convention, ChoiceEditor)
    assert convention.box.currentText() == "reference"
    rate = form.editor("pretrain.learning_rate")
    assert isinstance(rate, NumberEditor)
    assert rate.box.text() == "0.0001"
    hidden = form.editor("model.aggregator.hidden")
    assert isinstance(hidden, ListEditor)
    assert hidden.line.text() == "64, 32"


def test_only_what_differs_is_said_and_the_button_beside_it_takes_it_back(
    qtbot, form: ConfigForm
) -> None:
    form.set_document({"model": {"preset": "fast"}, "modalities": "sleep"})
    assert form.values() == {"model": {"preset": "fast"}, "modalities": "sleep"}
    editor = form.editor("pretrain.epochs")
    group = form.groups["pretrain"]
    label, _, back = group._rows["pretrain.epochs"]
    assert not label.font().bold()
    assert not back.isVisibleTo(form)
    with qtbot.waitSignal(form.changed):
        type_over(qtbot, editor.leaves()[0], "12")
    assert form.values()["pretrain"] == {"epochs": 12}
    assert label.font().bold()
    assert "40" in back.toolTip()
    assert "1 changed" in group.button.text()
    qtbot.mouseClick(back, Qt.MouseButton.LeftButton)
    assert "pretrain" not in form.values()
    assert not label.font().bold()
    assert not back.isVisibleTo(form)
    assert group.button.text() == "Pretraining"
    assert editor.leaves()[0].hasFocus()  # the button is gone, the keyboard is not


def test_another_preset_keeps_what_was_changed_and_brings_the_rest(form: ConfigForm) -> None:
    form.set_document({"pretrain": {"epochs": 12}, "windows": {"length_s": 4}})
    form.draft.set_value("model.preset", "reference")
    assert form.draft.value("pretrain.epochs") == 12
    assert form.draft.value("pretrain.batch_size") == 8
    assert form.draft.value(LENGTH) == 4
    assert form.values() == {
        "model": {"preset": "reference"},
        "pretrain": {"epochs": 12},
        "windows": {"length_s": 4},
    }
    box = form.editor("model.preset").leaves()[0]
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData("recommended"))
    assert form.draft.value("pretrain.batch_size") == 256
    assert form.draft.preset == "recommended"


def test_a_preset_may_stand_beside_a_document_that_names_none(form: ConfigForm) -> None:
    form.set_document({}, preset="fast")
    assert form.draft.value("pretrain.epochs") == 40
    assert form.values() == {"model": {"preset": "fast"}}
    form.set_document({"model": {"preset": "reference"}}, preset="fast")
    assert form.draft.preset == "reference"


def test_changes_are_undone_to_the_document_that_was_given(qtbot, form: ConfigForm) -> None:
    given = {"pretrain": {"epochs": 12}, "windows": {"length_s": 4}}
    form.set_document(given)
    assert not form.back.isEnabled()
    form.draft.set_values({"pretrain.epochs": 13, "seed": 5})
    assert form.values() != given
    qtbot.mouseClick(form.back, Qt.MouseButton.LeftButton)
    assert form.values() == given
    assert not form.back.isEnabled()


def test_the_search_shows_settings_with_these_words_and_then_all_again(
    qtbot, form: ConfigForm
) -> None:
    qtbot.keyClicks(form.find, "learning rate")
    assert shown(form) >= {"pretrain.learning_rate", "finetune.encoder_learning_rate"}
    assert "seed" not in shown(form)
    assert form.groups["robustness"].isHidden()
    form.find.setText("no such words")
    assert form.none_found.isVisibleTo(form)
    form.find.clear()
    assert not form.none_found.isVisibleTo(form)
    assert all(group.isVisibleTo(form) for group in form.groups.values())
    assert form.groups["pretrain"].is_open
    assert not form.groups["finetune"].is_open


def test_changed_settings_alone_can_be_shown(qtbot, form: ConfigForm) -> None:
    form.set_document({"seed": 3, "pretrain": {"epochs": 12}})
    qtbot.mouseClick(form.only_changed, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert shown(form) == {"seed", "pretrain.epochs"}
    form.draft.reset("seed")  # does not vanish below the cursor
    assert "seed" in shown(form)


def test_the_help_of_the_setting_in_focus_is_shown(qtbot, form: ConfigForm) -> None:
    form.show_setting("finetune.class_weights")
    assert "rare classes" in form.help.text()
    assert "at least 0, at most 1" in form.help.text()
    assert "0.5" in form.help.text()
    qtbot.keyClick(form.focusWidget(), Qt.Key.Key_Tab)
    assert "finetune.modality_dropout" in form.help.text()


def test_tab_goes_through_groups_in_the_order_in_which_they_stand(qtbot, form: ConfigForm) -> None:
    for group in reversed(form.groups.values()):  # made in another order
        group.open(True)
    expected = [
        widget
        for key in group_titles()
        for widget in (
            form.groups[key].button,
            *(part for editor in form.groups[key].editors.values() for part in editor.leaves()),
        )
        if widget.isEnabled()
    ]
    form.groups["run"].button.setFocus()
    for widget in expected[1:]:
        before = form.focusWidget()
        qtbot.keyClick(before, Qt.Key.Key_Tab)
        assert form.focusWidget() is widget, (before.accessibleName(), widget.accessibleName())


def test_a_group_folds_by_key(qtbot, form: ConfigForm) -> None:
    button = form.groups["evaluate"].button
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert "evaluate.folds" in shown(form)
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert "evaluate.folds" not in shown(form)


# ---------------------------------------------------------------- editors


def test_numbers_keep_to_their_bounds_while_they_are_typed(qtbot, form: ConfigForm) -> None:
    box = form.editor("evaluate.folds").leaves()[0]
    type_over(qtbot, box, "1")  # two at least
    assert form.draft.value("evaluate.folds") == 5
    qtbot.keyClicks(box, "0")
    assert form.draft.value("evaluate.folds") == 10
    dropout = form.editor("model.encoder.dropout").leaves()[0]
    assert isinstance(dropout, QDoubleSpinBox)
    type_over(qtbot, dropout, "0,25")
    assert form.draft.value("model.encoder.dropout") == 0.25
    type_over(qtbot, dropout, "1")
    dropout.clearFocus()
    assert form.draft.value("model.encoder.dropout") != 1
    assert not form.problem()


def test_small_numbers_are_shown_and_kept_exactly(qtbot, form: ConfigForm) -> None:
    box = form.editor("pretrain.learning_rate").leaves()[0]
    type_over(qtbot, box, "3e-5")
    assert form.draft.value("pretrain.learning_rate") == 3e-5
    assert form.values() == {"pretrain": {"learning_rate": 3e-5}}
    box.stepUp()
    assert form.draft.value("pretrain.learning_rate") == pytest.approx(3.1e-5)


def test_what_may_be_left_out_has_a_tick_for_it(qtbot, form: ConfigForm) -> None:
    editor = form.editor("pretrain.patience")
    assert isinstance(editor, NumberEditor)
    assert editor.left_out.isChecked()
    assert not editor.box.isEnabled()
    editor.left_out.click()
    type_over(qtbot, editor.box, "4")
    assert form.values() == {"pretrain": {"patience": 4}}
    editor.left_out.click()
    assert form.values() == {}
    path = form.editor("finetune.from")
    assert isinstance(path, TextEditor)
    type_over(qtbot, path.line, "a/model")
    assert form.draft.value("finetune.from") == "a/model"
    path.line.selectAll()
    qtbot.keyClick(path.line, Qt.Key.Key_Delete)
    assert form.draft.value("finetune.from") is None


def test_lists_are_typed_with_commas_and_a_wrong_one_is_told(qtbot, form: ConfigForm) -> None:
    editor = form.editor("model.encoder.widths")
    assert isinstance(editor, ListEditor)
    type_over(qtbot, editor.line, "8, 16, 32")
    assert form.values() == {"model": {"encoder": {"widths": [8, 16, 32]}}}
    type_over(qtbot, editor.line, "8, 16")
    assert "3 values" in form.problem()
    assert form.reason.isVisibleTo(form)
    assert form.draft.is_changed("model.encoder.widths")
    assert editor.line.text() == "8, 16"  # what is being typed stays
    type_over(qtbot, editor.line, "8, 16, x")
    assert "'x'" in form.problem()
    type_over(qtbot, editor.line, "8, 16, 0")
    assert "at least 1" in form.problem()
    form.draft.reset("model.encoder.widths")
    assert not form.problem()
    assert editor.line.text() == "32, 64, 64"
    assert form.values() == {}


def test_names_with_commas_are_put_in_quotes() -> None:
    entry = next(e for e in all_settings() if e.path == "evaluate.test_subjects")
    names = ["anna", "b, the second", 'c "x"']
    text = list_text(entry, names[:2])
    assert text == 'anna, "b, the second"'
    assert parse_list(entry, text) == names[:2]
    assert parse_list(entry, " ") == []


def test_choices_are_ticked_and_the_last_one_stays(form: ConfigForm) -> None:
    editor = form.editor("steps")
    assert isinstance(editor, ChoicesEditor)
    editor.boxes["robustness"].click()
    assert form.values() == {"steps": ["pretrain", "finetune", "evaluate", "predict"]}
    for name in ("finetune", "evaluate", "predict", "pretrain"):
        editor.boxes[name].click()
    assert "at least 1" in form.problem()
    assert form.draft.value("steps") == ["pretrain"]


def test_ways_to_mask_are_added_changed_and_removed(qtbot, form: ConfigForm) -> None:
    editor = form.editor("pretrain.masking")
    assert isinstance(editor, MasksEditor)
    assert [row.mask()["strategy"] for row in editor.rows] == ["complementary", "spatial"]
    assert not editor.rows[0].keep.isEnabled()  # it has no share
    qtbot.mouseClick(editor.rows[0].remove, Qt.MouseButton.LeftButton)
    assert form.values() == {"pretrain": {"masking": [{"strategy": "spatial"}]}}
    assert not editor.rows[0].remove.isEnabled()
    type_over(qtbot, editor.rows[0].keep, "0.3")
    qtbot.mouseClick(editor.add, Qt.MouseButton.LeftButton)
    type_over(qtbot, editor.rows[1].weight, "2")
    assert form.values() == {
        "pretrain": {
            "masking": [
                {"strategy": "spatial", "keep": 0.3},
                {"strategy": "random", "weight": 2.0},
            ]
        }
    }
    assert form.values()["pretrain"] == {
        "masking": make_config({**STAND_INS, **form.values()}).model_dump(
            mode="json", exclude_unset=True
        )["pretrain"]["masking"]
    }
    form.draft.reset("pretrain.masking")
    assert [row.mask()["strategy"] for row in editor.rows] == ["complementary", "spatial"]


def test_what_is_typed_in_the_form_is_a_valid_run_file(form: ConfigForm) -> None:
    for entry in all_settings():
        for widget in form.editor(entry.path).leaves():
            if isinstance(widget, QAbstractSpinBox) and widget.isEnabled():
                widget.stepBy(1)
    make_config({**STAND_INS, **form.values(), "windows": {"length_s": 30}})


def test_problems_are_those_of_the_run_file_check(form: ConfigForm) -> None:
    form.draft.set_values({"model.encoder.raw": False})
    with pytest.raises(ConfigError) as caught:
        make_config({**STAND_INS, **form.values()}, "settings")
    assert form.problem() == str(caught.value).removeprefix("settings: ")
    assert form.reason.text() == form.problem()


def test_two_forms_of_one_draft_show_the_same(qtbot) -> None:
    draft = SettingsDraft()
    forms = [ConfigForm(draft), ConfigForm(draft)]
    for form in forms:
        qtbot.addWidget(form)
    boxes = [form.editor("seed").leaves()[0] for form in forms]
    boxes[0].setValue(7)
    assert boxes[1].value() == 7


def test_values_are_said_in_words() -> None:
    settings = {entry.path: entry for entry in all_settings()}
    cases = {
        "threads": (None, "left out"),
        "pretrain.strict_masks": (True, "yes"),
        "model.encoder.scales_s": ([0.05, 0.1], "0.05, 0.1"),
        "evaluate.test_subjects": ([], "none"),
        "pretrain.weight_decay": (1e-4, "0.0001"),
        "pretrain.masking": (
            [{"strategy": "complementary"}, {"strategy": "spatial"}],
            "complementary; spatial 0.5",
        ),
    }
    for path, (value, text) in cases.items():
        assert value_text(settings[path], value) == text


def test_the_wheel_over_a_field_changes_nothing(qtbot, form: ConfigForm) -> None:
    box = form.editor("seed").leaves()[0]
    box.clearFocus()
    middle = QPointF(box.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(box.mapToGlobal(middle.toPoint())),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, event)
    assert form.values() == {}


def test_keys_of_the_form_are_told_apart(form: ConfigForm) -> None:
    keys = []
    for widget in form.findChildren(QWidget):
        text = getattr(widget, "text", lambda: "")()
        text = text.replace("&&", "") if isinstance(text, str) else ""
        if "&" in text and widget.isVisibleTo(form):
            keys.append(text[text.index("&") + 1].upper())
    assert len(set(keys)) == len(keys) == 3
    QApplication.processEvents()
