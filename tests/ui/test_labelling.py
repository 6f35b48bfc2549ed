"""Labelling asks the journal, keeps undo in step with it, and tells what is saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.label_journal import LabelJournal
from core.label_scheme import BAD_SIGNAL
from core.study import Study
from core.study_labels import NS
from ui.labelling import Labelling, Selection


@pytest.fixture
def study(study_folder: Path) -> Iterator[Study]:
    opened = Study.open(study_folder)
    yield opened
    opened.close()


@pytest.fixture
def labelling(qapp, study: Study) -> Iterator[Labelling]:
    made = Labelling()
    open_as(made, study, "AB")
    yield made
    made.shut_down()


def open_as(labelling: Labelling, study: Study, rater: str) -> None:
    recording = study.recordings()[0]
    labelling.open(LabelJournal(study, recording, study.rater(rater)), study.scheme)


def states(labelling: Labelling) -> list[tuple[int, str]]:
    return [(label.start_ns // NS, label.class_name) for label in labelling.labels.states]


def test_a_key_labels_the_epoch_and_the_cursor_goes_on(labelling: Labelling):
    labelling.give("W")
    labelling.give("N1")
    assert states(labelling) == [(0, "W"), (10, "N1")]
    assert labelling.epoch == 2
    labelling.auto_advance = False
    labelling.give("N2")
    assert labelling.epoch == 2


def test_the_cursor_stays_within_the_recording(labelling: Labelling):
    labelling.step(-3)
    assert labelling.epoch == 0
    labelling.go_to_end()
    labelling.give("W")
    assert labelling.epoch == labelling.grid.epochs - 1 == 11


def test_a_selection_is_labelled_as_one_step(labelling: Labelling):
    labelling.select_epochs(7, 3)
    labelling.give("N2")
    assert [start for start, _ in states(labelling)] == [30, 40, 50, 60, 70]
    assert labelling.selection is None
    assert labelling.epoch == 8
    labelling.undo()
    assert not labelling.labels.states


def test_undo_and_redo_survive_closing_the_study(labelling: Labelling, study_folder: Path, study):
    for name in ("W", "N1", "N2", "N3"):
        labelling.give(name)
    labelling.undo()
    labelling.undo()
    study.close()
    again = Study.open(study_folder)
    try:
        open_as(labelling, again, "AB")
        assert [name for _, name in states(labelling)] == ["W", "N1"]
        assert labelling.undo_stack.count() == 4
        labelling.redo()
        assert [name for _, name in states(labelling)] == ["W", "N1", "N2"]
        labelling.undo()
        labelling.undo()
        labelling.undo()
        assert not labelling.labels.states
        assert not labelling.undo_stack.canUndo()
        labelling.give("R")
        assert not labelling.undo_stack.canRedo()
    finally:
        again.close()


def test_a_full_disk_is_said_and_labels_are_kept_until_they_can_be_written(
    qtbot, labelling: Labelling, study: Study
):
    connection = study.file.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for number in range(300):
        labelling.paint(number % 12, number % 12, ("W", "N1", "N2")[number // 12 % 3])
    assert not labelling.is_saved
    assert "full" in labelling.problem
    waiting = labelling.waiting
    assert waiting > 0
    before = labelling.labels
    connection.execute("PRAGMA max_page_count=1000000")
    with qtbot.waitSignal(labelling.saved_changed, timeout=10_000):
        pass
    assert labelling.is_saved
    assert study.labels(labelling.journal.recording.id, labelling.journal.rater.id) == before


def test_bad_signal_goes_on_the_lane_that_the_stretch_was_drawn_in(labelling: Labelling):
    labelling.select(Selection(5 * NS, 25 * NS, "emg"))
    labelling.give(BAD_SIGNAL)
    assert labelling.absent_stretches() == {"emg": [(5.0, 25.0)]}
    labelling.select(Selection(30 * NS, 31 * NS, "emg"))
    labelling.give("Arousal")
    assert labelling.event.modality == ""


def test_an_event_is_moved_renamed_and_removed(labelling: Labelling):
    labelling.go_to(2)
    labelling.give("Arousal")
    event = labelling.event
    assert (event.start_s, event.end_s) == (20, 30)
    labelling.move_event(event.id, 21.25, 28.5)
    labelling.rename_event(event.id, "Artefact")
    assert labelling.event.class_name == "Artefact"
    assert (labelling.event.start_s, labelling.event.end_s) == (21.25, 28.5)
    assert labelling.nudge_event(0.0, 0.5)
    assert labelling.event.end_s == 29
    labelling.clear()
    assert labelling.event is None
    assert not labelling.labels.events
    labelling.undo()
    assert len(labelling.labels.events) == 1


def test_there_is_one_mark_of_a_class(labelling: Labelling):
    labelling.go_to_time(12.5)
    labelling.give("Lights off")
    labelling.go_to_time(20)
    labelling.give("Lights off")
    assert [mark.start_s for mark in labelling.labels.marks] == [20.0]


def test_filling_goes_to_the_next_label_and_no_further(labelling: Labelling):
    labelling.paint(1, 1, "N2")
    labelling.paint(6, 6, "R")
    labelling.go_to(2)
    labelling.fill_to_next()
    assert [name for _, name in states(labelling)] == ["N2"] * 5 + ["R"]
    assert labelling.epoch == 5


def test_the_next_unlabelled_epoch_is_found_around_the_end(labelling: Labelling):
    labelling.paint(0, 10, "W")
    labelling.go_to(4)
    assert labelling.next_unlabelled()
    assert labelling.epoch == 11
    labelling.give("W")
    said = []
    labelling.refused.connect(said.append)
    assert not labelling.next_unlabelled()
    assert "labelled" in str(said[0])


def test_disagreements_are_epochs_that_two_people_name_differently(
    labelling: Labelling, study: Study
):
    labelling.paint(0, 5, "W")
    mine = labelling.labels
    open_as(labelling, study, "CD")
    labelling.paint(0, 2, "W")
    labelling.paint(3, 3, "N1")
    labelling.set_others({"AB": mine})
    assert labelling.disagreements().tolist() == [3]
    labelling.go_to(0)
    assert labelling.next_disagreement()
    assert labelling.epoch == 3


def test_signed_off_labels_are_locked_until_reopened(labelling: Labelling):
    labelling.give("W")
    labelling.sign_off()
    said = []
    labelling.refused.connect(said.append)
    labelling.give("N1")
    labelling.undo()
    assert states(labelling) == [(0, "W")]
    assert len(said) == 2
    assert "signed off" in str(said[0])
    labelling.reopen()
    labelling.undo()
    assert not labelling.labels.states


def test_a_selection_is_made_with_keys_alone(labelling: Labelling):
    labelling.go_to_time(12.0)
    labelling.select_from_cursor()
    labelling.go_to_time(17.5)
    labelling.select_to_cursor()
    assert labelling.selection == Selection(12 * NS, int(17.5 * NS))
    labelling.give("Arousal")
    assert (labelling.event.start_s, labelling.event.end_s) == (12.0, 17.5)
    labelling.go_to(3)
    labelling.extend_selection(1)
    labelling.extend_selection(1)
    labelling.extend_selection(-1)
    assert labelling.selection == Selection(30 * NS, 50 * NS)


def test_redo_works_right_after_undo(labelling: Labelling):
    labelling.give("W")
    labelling.give("N1")
    labelling.undo()
    assert labelling.undo_stack.canRedo()
    labelling.redo()
    assert [name for _, name in states(labelling)] == ["W", "N1"]
    labelling.undo()
    labelling.undo()
    assert not labelling.undo_stack.canUndo()


def test_the_class_of_an_epoch_is_what_covers_most_of_it(labelling: Labelling):
    labelling.do(labelling.labels.painted(0, 4 * NS, "W"), "part")
    assert labelling.state_here() is None
    labelling.do(labelling.labels.painted(4 * NS, 9 * NS, "N1"), "part")
    assert labelling.state_here() == "N1"


def test_labels_of_a_file_are_not_edited_by_keys(labelling: Labelling, study: Study):
    entry = study.recordings()[0]
    labelling.open(LabelJournal(study, entry, study.rater("scorer", "file")), study.scheme)
    said = []
    labelling.refused.connect(said.append)
    labelling.give("W")
    assert not labelling.labels.states
    assert "not made by a person" in str(said[0])


def test_a_selection_never_ends_before_the_epoch_that_it_is_for(labelling: Labelling):
    labelling.go_to(3)
    labelling.select_to_cursor()
    assert labelling.selection is None
