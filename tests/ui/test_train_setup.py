"""Setting up a training: quick controls and all settings agree; Start asks for what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSlider,
    QStyle,
    QStyleOptionViewItem,
    QWidget,
)

from core.config import check_steps, make_config
from ui.appearance import own_palette
from ui.config_form import ChoicesEditor
from ui.train_plan_table import PlanRow, PlanView
from ui.train_setup import (
    LABELLED,
    NAME,
    TrainRecording,
    TrainRequest,
    TrainSetup,
    masks_of,
    parse_budgets,
    way_of,
)
from ui.wizard_page import choose

RECORDINGS = (
    TrainRecording("n1", "anna", 28800.0, {"AB": 1.0, "CD": 0.5}),
    TrainRecording("n2", "anna", 28800.0, {"CD": 0.25}),
    TrainRecording("n3", "bert", 3600.0, {"AB": 0.8}),
    TrainRecording("n4", "cleo", 3600.0),
)
RATERS = ("AB", "CD")
CLASSES = ("W", "N1", "N2")
ENGINE = {
    "model": {"preset": "fast"},
    "windows": {"length_s": 30.0},
    "modalities": "sleep",
    "evaluate": {"folds": 3},
}
PRETRAINED = (("First", "/models/first"), ("Second", "/models/second"))
REUSABLE = (("First", "001_First"), ("Third", "003_Third"))
STAND_INS = {"recordings": {"sources": [{"pattern": "x"}]}, "labels": {"kind": "annotations"}}


@pytest.fixture
def setup(qtbot) -> Iterator[TrainSetup]:
    made = TrainSetup()
    qtbot.addWidget(made)
    made.resize(1100, 700)
    show_study(made)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.shut_down()


def show_study(setup: TrainSetup, engine: dict[str, Any] = ENGINE, **changed: Any) -> None:
    values = {"recordings": RECORDINGS, "raters": RATERS, "classes": CLASSES} | changed
    setup.set_study(**values, engine=engine, pretrained=PRETRAINED, reusable=REUSABLE)


def pick(box: QComboBox, value: object) -> None:
    """Choose an entry as a user does."""
    choose(box, value)
    assert box.currentData() == value
    box.activated.emit(box.currentIndex())


def steps(setup: TrainSetup) -> list[str]:
    return setup.draft.value("steps")


def ask_to_start(qtbot, setup: TrainSetup) -> TrainRequest:
    with qtbot.waitSignal(setup.start_requested) as asked:
        qtbot.keyClick(setup, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    return asked.args[0]


def test_the_key_of_the_number_pad_starts_too(qtbot, setup: TrainSetup) -> None:
    with qtbot.waitSignal(setup.start_requested):
        qtbot.keyClick(setup, Qt.Key.Key_Enter, Qt.KeyboardModifier.ControlModifier)


def test_the_key_starts_what_is_shown(qtbot, setup: TrainSetup) -> None:
    request = ask_to_start(qtbot, setup)
    assert request.engine == ENGINE
    assert request.raters == ("AB", "CD")
    assert request.recordings == ("n1", "n2", "n3", "n4")
    assert request.reuse == ""
    assert request.start_from == ""
    assert request.title  # one that stands for none
    qtbot.keyClicks(setup.data.title, " My run ")
    assert ask_to_start(qtbot, setup).title == "My run"


def test_recordings_are_ticked_by_key_and_left_out(qtbot, setup: TrainSetup) -> None:
    table = setup.data.table
    table.setFocus()
    table.selectRow(1)
    with qtbot.waitSignal(setup.settings_changed):
        qtbot.keyClick(table, Qt.Key.Key_Space)
    assert setup.request().recordings == ("n1", "n3", "n4")
    table.selectAll()
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert setup.request().recordings == ("n1", "n2", "n3", "n4")
    qtbot.mouseClick(setup.data.none, Qt.MouseButton.LeftButton)
    assert "No recording" in setup.problem()
    assert not setup.start.isEnabled()
    assert setup.reason.isVisibleTo(setup)
    qtbot.mouseClick(setup.data.all, Qt.MouseButton.LeftButton)
    assert setup.start.isEnabled()
    assert not setup.reason.isVisibleTo(setup)


def test_a_click_on_the_box_takes_one_recording_out(qtbot, setup: TrainSetup) -> None:
    table = setup.data.table
    option = QStyleOptionViewItem()
    table.initViewItemOption(option)
    option.rect = table.visualRect(table.model().index(2, NAME))
    option.features |= QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
    box = table.style().subElementRect(
        QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, table
    )
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert setup.request().recordings == ("n1", "n2", "n4")
    assert "3 of 4" in setup.data.summary.text()


def test_the_first_rater_who_labelled_a_recording_counts(qtbot, setup: TrainSetup) -> None:
    def shares() -> list[str]:
        model = setup.data.model
        return [model.index(row, LABELLED).data() for row in range(4)]

    assert shares() == ["100 %", "25 %", "80 %", "–"]
    setup.data.rater_list.setCurrentRow(1)
    with qtbot.waitSignal(setup.settings_changed):
        qtbot.mouseClick(setup.data.up, Qt.MouseButton.LeftButton)
    assert setup.request().raters == ("CD", "AB")
    assert shares() == ["50 %", "25 %", "80 %", "–"]
    setup.data.rater_list.setFocus()
    qtbot.keyClick(setup.data.rater_list, Qt.Key.Key_Space)
    assert setup.request().raters == ("AB",)
    assert shares() == ["100 %", "–", "80 %", "–"]


def test_without_labels_only_pretraining_can_be_started(qtbot, setup: TrainSetup) -> None:
    setup.data.rater_list.tick_all(False)
    assert "Nobody's labels" in setup.problem()
    pick(setup.learning.goal, "pretrain")
    assert not setup.problem()
    assert ask_to_start(qtbot, setup).raters == ()
    pick(setup.learning.goal, "evaluate")
    setup.data.rater_list.tick_all(True)
    setup.data.model.tick([0, 1, 2], False)
    assert "no labels of these raters" in setup.problem()
    show_study(setup, classes=())
    assert "no classes" in setup.problem()
    show_study(setup, recordings=())
    assert "no recordings yet" in setup.problem()


@pytest.mark.parametrize("goal", ["pretrain", "evaluate", "fit"])
@pytest.mark.parametrize("start", ["anew", "reuse", "model"])
def test_every_goal_leads_to_steps_that_can_be_taken(
    setup: TrainSetup, goal: str, start: str
) -> None:
    learning = setup.learning
    pick(learning.goal, goal)
    place = learning.start.findData(start)
    flags = learning.start.model().flags(learning.start.model().index(place, 0))
    if not flags & Qt.ItemFlag.ItemIsEnabled:
        assert (goal, start) == ("pretrain", "model")  # there would be nothing to do
        return
    pick(learning.start, start)
    request = setup.request()
    config = make_config({**STAND_INS, **request.engine})
    check_steps(config)
    assert ("pretrain" in config.steps) == (start != "model")
    assert ("evaluate" in config.steps) == (goal == "evaluate")
    assert request.start_from == ("/models/first" if start == "model" else "")
    assert config.finetune.start_from == (request.start_from or None)
    assert request.reuse == ("001_First" if start == "reuse" else "")
    assert learning.which.isVisibleTo(setup) == (start != "anew")
    assert learning.epochs.isEnabled() == (start != "model")


def test_the_run_to_take_over_or_the_model_is_chosen_beside_it(qtbot, setup: TrainSetup) -> None:
    learning = setup.learning
    pick(learning.start, "reuse")
    with qtbot.waitSignal(setup.settings_changed):
        pick(learning.which, "003_Third")
    assert setup.request().reuse == "003_Third"
    pick(learning.start, "model")
    assert setup.request().reuse == ""
    pick(learning.which, "/models/second")
    assert setup.request().start_from == "/models/second"
    pick(learning.goal, "pretrain")
    assert setup.request().start_from == ""
    assert steps(setup) == ["pretrain"]


def test_a_model_that_the_settings_name_is_shown_though_no_run_has_it(setup: TrainSetup) -> None:
    show_study(setup, {"finetune": {"from": "../elsewhere"}, "steps": ["finetune", "predict"]})
    assert setup.learning.which.currentText() == "../elsewhere"
    assert setup.learning.start.currentData() == "model"
    assert setup.learning.goal.currentText() == "As set under Advanced"
    assert not setup.problem()


def test_presets_say_what_they_are_for_and_change_all_settings(setup: TrainSetup) -> None:
    for name, epochs in (("reference", 50), ("recommended", 60), ("fast", 40)):
        pick(setup.learning.preset, name)
        assert setup.learning.preset_says.text()
        assert setup.draft.value("pretrain.epochs") == epochs
        assert setup.learning.epochs.box.value() == epochs
        assert setup.engine.get("model", {}).get("preset", "recommended") == name
        assert setup.engine["evaluate"] == {"folds": 3}


@pytest.mark.parametrize("way", ["both", "complementary", "spatial", "random", "temporal"])
def test_masking_and_share_are_chosen_and_drawn(qtbot, setup: TrainSetup, way: str) -> None:
    learning = setup.learning
    with qtbot.waitSignal(learning.picture.drawn, timeout=30_000):
        learning.picture.show_masks([{"strategy": "temporal"}], ("x",))
    pick(learning.masking, way)
    has_share = way != "complementary"
    assert learning.keep.isEnabled() == has_share
    if has_share:
        learning.slider.setValue(30)
        assert learning.keep.value() == 30
        learning.keep.setValue(35)
        assert learning.slider.value() == 35
    masks = setup.draft.value("pretrain.masking")
    assert way_of(masks) == (way, 0.35 if has_share else None)
    make_config({**STAND_INS, **setup.engine})
    qtbot.waitUntil(lambda: bool(learning.picture.examples), timeout=30_000)
    drawn = [example.mask.strategy for example in learning.picture.examples]
    assert drawn == (["complementary", "spatial"] if way == "both" else [way])
    assert "eeg_central" in learning.picture._names


def test_masks_of_ones_own_are_left_as_they_are(setup: TrainSetup) -> None:
    masks = [{"strategy": "spatial", "keep": 0.3}, {"strategy": "temporal", "weight": 2.0}]
    setup.draft.set_value("pretrain.masking", masks)
    assert setup.learning.masking.currentText() == "As set under Advanced"
    assert not setup.learning.keep.isEnabled()
    pick(setup.learning.masking, "")
    assert setup.draft.value("pretrain.masking") == masks
    pick(setup.learning.masking, "spatial")
    assert setup.learning.masking.findText("As set under Advanced") < 0


def test_quick_controls_and_all_settings_edit_one_document(qtbot, setup: TrainSetup) -> None:
    form = setup.form
    form.editor("evaluate.folds").leaves()[0].setValue(4)
    assert setup.testing.folds.box.value() == 4
    setup.testing.folds.box.setValue(6)
    assert form.editor("evaluate.folds").leaves()[0].value() == 6
    setup.learning.epochs.box.setValue(9)
    assert form.values()["pretrain"] == {"epochs": 9}
    chosen = form.editor("steps")
    assert isinstance(chosen, ChoicesEditor)
    chosen.boxes["evaluate"].click()
    assert setup.learning.goal.currentData() == "fit"
    assert not setup.testing.folds.isEnabled()
    assert "nothing is tested" in setup.testing.says.text()
    form.editor("device").leaves()[0].setCurrentText("cpu")
    assert setup.learning.device.currentData() == "cpu"
    form.editor("pretrain.loss.variance").leaves()[0].setValue(3)
    with qtbot.waitSignal(setup.settings_changed) as told:
        form.editor("seed").leaves()[0].setValue(5)
    assert told.args[0] == form.values() == setup.engine


def test_what_is_wrong_in_all_settings_keeps_start_from_being_pressed(setup: TrainSetup) -> None:
    setup.draft.set_value("model.encoder.raw", False)
    assert "spectral_bands" in setup.reason.text()
    assert not setup.start.isEnabled()
    assert not setup.copy.isEnabled()
    setup.request_start()  # nothing comes of it
    setup.draft.reset("model.encoder.raw")
    assert setup.start.isEnabled()


def test_label_budgets_are_typed_as_percents(qtbot, setup: TrainSetup) -> None:
    line = setup.testing.budgets
    assert line.text() == "1, 5, 10, 100"
    line.selectAll()
    qtbot.keyClicks(line, "2.5 7%; 100")
    assert setup.draft.value("evaluate.budgets") == [0.025, 0.07, 1.0]
    assert line.text() == "2.5 7%; 100"
    line.selectAll()
    qtbot.keyClicks(line, "0")
    assert "not above 0" in setup.reason.text()
    line.selectAll()
    qtbot.keyClicks(line, "few")
    assert "'few'" in setup.reason.text()
    setup.draft.reset("evaluate.budgets")
    assert line.text() == "1, 5, 10, 100"
    assert not setup.problem()


def test_percents_are_read_in_many_spellings() -> None:
    assert parse_budgets("") == []
    assert parse_budgets("1,5 , 10") == [0.01, 0.05, 0.1]
    assert parse_budgets(" 100 % ") == [1.0]
    with pytest.raises(ValueError, match="101"):
        parse_budgets("101")


def test_subjects_are_locked_by_ticking_them(qtbot, setup: TrainSetup) -> None:
    testing = setup.testing
    testing.locked.setFocus()
    testing.locked.setCurrentRow(1)
    qtbot.keyClick(testing.locked, Qt.Key.Key_Space)
    assert setup.draft.value("evaluate.test_subjects") == ["bert"]
    assert "Only the locked" in testing.says.text()
    setup.data.model.tick([2], False)  # bert's recording
    assert "bert" in testing.locked.ticked  # still there, to be taken out
    qtbot.keyClick(testing.locked, Qt.Key.Key_Home)
    testing.locked.tick_all(False)
    assert setup.draft.value("evaluate.test_subjects") == []


def test_opponents_are_ticked_by_what_they_are_called(setup: TrainSetup) -> None:
    testing = setup.testing
    assert len(testing.opponents.ticked) == 3
    testing.opponents.tick_all(True)
    assert len(setup.draft.value("evaluate.opponents")) == 8
    testing.opponents.tick_all(False)
    assert setup.draft.value("evaluate.opponents") == []
    make_config({**STAND_INS, **setup.engine})


def test_the_device_says_why_it_is_used(setup: TrainSetup) -> None:
    setup.set_device("CPU: PyTorch is built without CUDA.", ("auto", "cpu"))
    assert "without CUDA" in setup.learning.device_says.text()
    device = setup.learning.device
    assert [device.itemData(k) for k in range(device.count())] == ["auto", "cpu"]
    pick(device, "cpu")
    assert setup.engine["device"] == "cpu"
    setup.draft.set_value("device", "cuda")  # from a run on another computer
    assert device.currentData() == "cuda"


def test_a_plan_is_shown_and_its_refusal_stops_the_start(qtbot, setup: TrainSetup) -> None:
    rows = (PlanRow("anna", 2, 1920, {"W": 10}, ("test", "train")),)
    plan = PlanView(CLASSES, ("Fold 1", "Fold 2"), rows, ("N2 has no labels.",))
    setup.set_plan(plan)
    assert setup.start.isEnabled()
    assert setup.tabs.tabText(2) == "Plan (notes: 1)"
    setup.set_plan(PlanView(CLASSES, (), (), (), "Only anna has labels."))
    assert not setup.start.isEnabled()
    assert "Only anna has labels." in setup.reason.text()
    assert setup.tabs.tabText(2) == "Plan (refused)"
    setup.set_plan(None, "This study is open elsewhere.")
    assert "open elsewhere" in setup.reason.text()
    setup.set_plan(None)
    assert setup.start.isEnabled()
    assert setup.tabs.tabText(2) == "Plan"


def test_time_and_command_are_asked_for(qtbot, setup: TrainSetup) -> None:
    with qtbot.waitSignal(setup.estimate_requested):
        qtbot.keyClick(setup.ask_estimate, Qt.Key.Key_Space)
    setup.set_estimate("About 4 min.")
    assert setup.estimate.text() == "About 4 min."
    with qtbot.waitSignal(setup.copy_command_requested):
        qtbot.keyClick(setup.copy, Qt.Key.Key_Space)


def test_what_the_user_is_changing_survives_news_of_the_study(setup: TrainSetup) -> None:
    setup.draft.set_value("seed", 9)
    setup.data.model.tick([0], False)
    setup.data.rater_list.tick_all(False)
    more = (*RECORDINGS, TrainRecording("n5", "dora", 60.0))
    show_study(setup, recordings=more, raters=(*RATERS, "EF"))
    assert setup.draft.value("seed") == 9
    assert setup.request().recordings == ("n2", "n3", "n4", "n5")
    assert setup.request().raters == ("EF",)
    show_study(setup, {**ENGINE, "seed": 3})  # other settings of the study count
    assert setup.draft.value("seed") == 3
    setup.set_engine({"model": {"preset": "reference"}})  # of an earlier run
    assert setup.learning.preset.currentData() == "reference"


def test_a_run_that_is_gone_is_not_taken_over(setup: TrainSetup) -> None:
    pick(setup.learning.start, "reuse")
    setup.set_study(RECORDINGS, RATERS, CLASSES, ENGINE)
    assert setup.request().reuse == ""
    assert setup.learning.start.currentData() == "anew"


def test_a_new_study_is_told_once(qtbot, setup: TrainSetup) -> None:
    told: list[dict[str, Any]] = []

    def note(document: dict[str, Any]) -> None:
        told.append(document)

    setup.settings_changed.connect(note)
    show_study(setup, {"seed": 4})
    assert told == [{"seed": 4}]


def test_modalities_that_only_the_recordings_know_are_told(setup: TrainSetup) -> None:
    show_study(setup, {})
    assert len(setup.learning.picture._names) == 3  # that stand for them
    setup.set_modalities(("EEG", "EMG"))
    assert setup.learning.picture._names == ("EEG", "EMG")
    show_study(setup, {"modalities": [{"name": "acc", "channels": [{"match": ["x"]}]}]})
    assert setup.learning.picture._names == ("acc",)


def test_quick_masks_are_told_apart_from_ones_own() -> None:
    for way in ("both", "spatial", "random", "temporal"):
        assert way_of(masks_of(way, 0.4)) == (way, 0.4)
    assert way_of(masks_of("complementary", 0.4)) == ("complementary", None)
    assert way_of([{"strategy": "complementary"}, {"strategy": "spatial", "weight": 2}])[0] == ""


@pytest.mark.parametrize(("width", "columns"), [(1600, 2), (1100, 2), (520, 1)])
def test_parts_stand_side_by_side_where_there_is_room(
    qtbot, setup: TrainSetup, width: int, columns: int
) -> None:
    setup.resize(width, 700)

    def is_beside() -> bool:
        return setup.learning.x() > setup.data.geometry().right()

    qtbot.waitUntil(lambda: is_beside() == (columns == 2))
    inside, seen = setup.area.widget(), setup.area.viewport()
    qtbot.waitUntil(lambda: inside.width() <= seen.width())
    assert setup.minimumSizeHint().width() <= 460


def test_every_control_has_a_name_and_a_key_of_its_own(setup: TrainSetup) -> None:
    kinds = (QAbstractButton, QComboBox, QLineEdit, QAbstractItemView, QAbstractSpinBox, QSlider)
    for page in range(setup.tabs.count()):
        setup.tabs.setCurrentIndex(page)
        keys: dict[str, str] = {}
        for widget in (*setup.findChildren(QLabel), *setup.findChildren(QAbstractButton)):
            text = widget.text().replace("&&", "")
            if widget.isVisibleTo(setup) and "&" in text:
                key = text[text.index("&") + 1].upper()
                assert key not in keys, f"'{text}' and '{keys[key]}' share Alt+{key}"
                assert key not in "FELGVSH", f"Alt+{key} opens a menu"
                keys[key] = text
        for kind in kinds:
            for widget in setup.findChildren(kind):
                if widget.isVisibleTo(setup) and not is_inner(widget):
                    assert widget.accessibleName(), widget
                    assert widget.toolTip(), widget


def is_inner(widget: QWidget) -> bool:
    """Whether it is a part of another control."""
    parent = widget.parent()
    return (
        isinstance(widget, QHeaderView)
        or widget.objectName().startswith(("qt_", "ScrollLeft", "ScrollRight"))
        or isinstance(parent, QComboBox | QAbstractSpinBox | QAbstractItemView | QLineEdit)
    )


def test_lists_follow_light_and_dark(setup: TrainSetup) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    before = application.palette()
    try:
        for dark in (True, False):
            application.setPalette(own_palette(dark=dark))
            QApplication.processEvents()
            for view in (setup.data.table, setup.testing.locked):
                assert view.palette().base() == own_palette(dark=dark).base()
    finally:
        application.setPalette(before)
