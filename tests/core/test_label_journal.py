"""No edit is lost: it is on the disk, or it waits in memory, in order; the journal says which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotSavedError, StudyError
from core.label_journal import LabelJournal
from core.label_scheme import load_scheme
from core.study import Study
from core.study_labels import NS, Change, RecordingLabels, StudyLabel
from tests.core.study_example import make_study, open_journal

EPOCH = 30 * NS


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    study = make_study(tmp_path / "study")
    yield study
    study.close()


@pytest.fixture
def journal(study: Study) -> LabelJournal:
    return open_journal(study)


def paint(journal: LabelJournal, epoch: int, name: str | None = "N2", what: str = "") -> Any:
    start = epoch * EPOCH
    return journal.do(
        journal.labels.painted(start, start + EPOCH, name), what or f"epoch {epoch}: {name}"
    )


def no_room(study: Study) -> None:
    """A disk that is full: the file cannot grow."""
    pages = study.file.connection.execute("PRAGMA page_count").fetchone()[0]
    study.file.connection.execute(f"PRAGMA max_page_count={pages}")


def room(study: Study) -> None:
    study.file.connection.execute("PRAGMA max_page_count=1000000")


def refuse(study: Study, on: bool) -> None:
    """A file that takes nothing at all, from one edit on."""
    study.file.connection.execute(f"PRAGMA query_only={'ON' if on else 'OFF'}")


def on_disk(journal: LabelJournal, study: Study) -> LabelJournal:
    return LabelJournal(study, journal.recording, journal.rater)


def test_an_edit_is_on_the_disk_when_it_returns(study: Study, journal: LabelJournal) -> None:
    reader = Study.open(study.folder)  # another connection sees only what is committed
    for epoch in range(5):
        edit = paint(journal, epoch)
        assert edit == journal.done[-1]
        assert on_disk(journal, reader).labels == journal.labels
        assert journal.is_saved
    journal.undo()
    assert on_disk(journal, reader).labels == journal.labels
    assert on_disk(journal, reader).undone == journal.undone
    journal.redo()
    assert on_disk(journal, reader).done == journal.done
    reader.close()


def test_what_changes_nothing_is_no_edit(study: Study, journal: LabelJournal) -> None:
    paint(journal, 0)
    before = study.audit()
    assert paint(journal, 0) is None
    assert journal.do(Change(), "nothing") is None
    assert journal.redo() is None
    assert journal.undo() is not None
    assert journal.undo() is None
    assert len(study.audit()) == len(before) + 1


def test_undo_and_redo_go_step_by_step(journal: LabelJournal) -> None:
    seen = [journal.labels]
    for epoch in range(4):
        paint(journal, epoch, "W" if epoch % 2 else "R")
        seen.append(journal.labels)
    done = journal.done
    for labels in reversed(seen[:-1]):
        journal.undo()
        assert journal.labels == labels
    assert [edit.id for edit in journal.undone] == [edit.id for edit in done]
    assert {edit.state for edit in journal.undone} == {"undone"}
    for labels in seen[1:]:
        journal.redo()
        assert journal.labels == labels
    assert journal.done == done
    journal.undo()
    paint(journal, 9)
    assert journal.undone == ()


# ---------------------------------------------------------------- disks that refuse


def test_a_full_disk_is_said_and_nothing_is_lost(study: Study, journal: LabelJournal) -> None:
    for epoch in range(3):
        paint(journal, epoch)
    no_room(study)
    for epoch in range(40):
        paint(journal, epoch, "W" if epoch % 2 else "R", "a long name " * 50)
    assert not journal.is_saved
    assert journal.waiting > 0
    assert "could not be saved: the disk is full" in journal.problem
    assert len(journal.labels) == 40
    saved = on_disk(journal, study)
    # What is on the disk is how far it came: some first edits, no later one without an earlier.
    assert list(saved.done) == list(journal.done)[: len(saved.done)]
    assert len(saved.done) + journal.waiting == len(journal.done)
    assert journal.save() is False
    room(study)
    assert journal.save() is True
    assert (journal.is_saved, journal.waiting, journal.problem) == (True, 0, "")
    saved = on_disk(journal, study)
    assert saved.labels == journal.labels
    assert saved.done == journal.done


def test_what_waits_is_written_with_the_next_edit(study: Study, journal: LabelJournal) -> None:
    refuse(study, True)
    for epoch in range(3):
        paint(journal, epoch)
    assert journal.waiting == 3
    assert "it cannot be written" in journal.problem
    refuse(study, False)
    paint(journal, 3)
    assert (journal.is_saved, journal.problem) == (True, "")
    assert on_disk(journal, study).done == journal.done


def test_undo_and_redo_go_on_while_nothing_can_be_saved(
    study: Study, journal: LabelJournal
) -> None:
    paint(journal, 0, "W")
    paint(journal, 1, "N1")
    refuse(study, True)
    paint(journal, 1, "N2")
    journal.undo()
    journal.undo()  # of an edit that is on the disk
    journal.redo()
    journal.redo()
    journal.undo()
    paint(journal, 5, "R")
    assert journal.waiting == 7
    assert [edit.what for edit in journal.done] == ["epoch 0: W", "epoch 1: N1", "epoch 5: R"]
    assert [edit.what for edit in on_disk(journal, study).done] == ["epoch 0: W", "epoch 1: N1"]
    refuse(study, False)
    assert journal.save()
    saved = on_disk(journal, study)
    assert saved.labels == journal.labels
    assert saved.done == journal.done
    assert saved.undone == journal.undone == ()
    told = [f"{e.action} {e.detail}" for e in reversed(study.audit())][-7:]
    assert told == [
        "edit epoch 1: N2",
        "undo epoch 1: N2",
        "undo epoch 1: N1",
        "redo epoch 1: N1",
        "redo epoch 1: N2",
        "undo epoch 1: N2",
        "edit epoch 5: R",
    ]


def test_a_disk_that_fails_at_any_statement_loses_nothing(
    study: Study, journal: LabelJournal
) -> None:
    paint(journal, 0)
    connection = study.file.connection
    broken = 0
    # The connection breaks off ever later, from its first look at the names on.
    for steps in range(1, 400, 4):
        connection.set_progress_handler(lambda: 1, steps)
        paint(journal, steps % 40, "W" if journal.done[-1].what != "W" else "R", "x")
        broken += not journal.is_saved
        connection.set_progress_handler(None, 1)
        assert journal.save()
        saved = on_disk(journal, study)
        assert saved.labels == journal.labels
        assert saved.done == journal.done
    assert broken > 3


def test_signing_off_waits_until_all_is_saved(study: Study, journal: LabelJournal) -> None:
    refuse(study, True)
    paint(journal, 0)
    with pytest.raises(StudyError, match=r"cannot be signed off yet\. .*could not be saved"):
        journal.sign_off()
    assert journal.signed_at is None
    refuse(study, False)
    journal.sign_off()
    assert journal.is_saved
    assert journal.signed_at == study.signed_off(journal.recording.id, journal.rater.id)
    refuse(study, True)
    with pytest.raises(NotSavedError):
        journal.reopen()
    assert journal.signed_at is not None
    refuse(study, False)
    journal.reopen()
    assert journal.signed_at is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("paint"), st.integers(0, 7), st.sampled_from(["W", "N1", None])),
        st.tuples(st.just("event"), st.integers(0, 7)),
        st.tuples(st.just("remove")),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
        st.tuples(st.just("refuse")),
        st.tuples(st.just("take")),
        st.tuples(st.just("reopen")),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(deadline=None, max_examples=60)
def test_memory_and_disk_agree_whatever_is_done(
    steps: list[tuple], tmp_path_factory: pytest.TempPathFactory
) -> None:
    study = make_study(tmp_path_factory.mktemp("journal") / "study")
    journal = open_journal(study)
    plain: list[RecordingLabels] = [RecordingLabels()]
    place = 0
    for step in steps:
        before = journal.labels
        if step[0] == "paint":
            if paint(journal, step[1], step[2]):
                plain[place + 1 :] = [journal.labels]
                place += 1
        elif step[0] == "event":
            start = step[1] * NS
            journal.do(journal.labels.with_event(start, start + NS, "Arousal", "eeg"), "event")
            plain[place + 1 :] = [journal.labels]
            place += 1
        elif step[0] == "remove" and journal.labels.events:
            journal.do(journal.labels.without(journal.labels.events[0].id), "remove")
            plain[place + 1 :] = [journal.labels]
            place += 1
        elif step[0] == "undo":
            place -= journal.undo() is not None
        elif step[0] == "redo":
            place += journal.redo() is not None
        elif step[0] in ("refuse", "take"):
            refuse(study, step[0] == "refuse")
        elif step[0] == "reopen" and journal.is_saved:
            study.close()
            study = Study.open(study.folder)
            journal = open_journal(study)
            assert journal.labels == before
        assert journal.labels == plain[place]
        assert bool(journal.problem) is not journal.is_saved
        assert len(journal.done) == place
        assert len(journal.undone) == len(plain) - 1 - place
    refuse(study, False)
    assert journal.save()
    saved = on_disk(journal, study)
    assert saved.labels == journal.labels
    assert saved.done == journal.done
    assert saved.undone == journal.undone
    study.close()


# ---------------------------------------------------------------- what is refused for good


def test_labels_that_are_signed_off_are_locked_with_the_reason(
    study: Study, journal: LabelJournal
) -> None:
    paint(journal, 0)
    paint(journal, 1)
    journal.undo()
    assert journal.why_locked == ""
    journal.sign_off()
    assert "night1 is signed off: reopen it" in journal.why_locked
    labels = journal.labels
    for step in (lambda: paint(journal, 3), journal.undo, journal.redo):
        with pytest.raises(StudyError, match="night1 is signed off"):
            step()
    assert journal.labels == labels
    assert on_disk(journal, study).why_locked == journal.why_locked
    journal.reopen()
    assert journal.why_locked == ""
    assert journal.redo() is not None


def test_a_study_that_is_only_read_locks_its_labels_with_the_reason(study: Study) -> None:
    paint(open_journal(study), 0)
    second = Study.open(study.folder)
    journal = open_journal(second)
    assert journal.why_locked.startswith("The study is open for reading only. It is open in anoth")
    for step in (lambda: paint(journal, 3), journal.undo, journal.redo):
        with pytest.raises(StudyError, match="reading only"):
            step()
    assert len(journal.labels) == 1
    second.close()


def test_an_edit_that_the_study_refuses_leaves_memory_as_the_disk(
    study: Study, journal: LabelJournal
) -> None:
    paint(journal, 0)
    paint(journal, 1)
    journal.undo()
    before = journal.labels, journal.done, journal.undone
    study.sign_off(journal.recording.id, journal.rater.id)  # in another view of this window
    for step in (lambda: paint(journal, 3), journal.undo, journal.redo):
        with pytest.raises(StudyError, match="night1 is signed off"):
            step()
        assert (journal.labels, journal.done, journal.undone) == before
        assert (journal.is_saved, journal.problem) == (True, "")
    study.reopen(journal.recording.id, journal.rater.id)
    unknown = Change((), (StudyLabel(1, 0, 5, "Snoring", "event"),))
    with pytest.raises(KeyError):
        journal.do(unknown, "a class that is not there")
    with pytest.raises(ValueError, match="overlap"):
        journal.do(Change((), (StudyLabel(1, 0, 5, "W"),)), "two at a time")
    assert (journal.labels, journal.done, journal.undone) == before
    paint(journal, 3)
    assert on_disk(journal, study).labels == journal.labels


def test_edits_that_waited_and_are_then_refused_stay_and_say_so(
    study: Study, journal: LabelJournal
) -> None:
    refuse(study, True)
    paint(journal, 0)
    paint(journal, 1)
    refuse(study, False)
    study.sign_off(journal.recording.id, journal.rater.id)
    assert journal.save() is False
    assert "signed off" in journal.problem
    paint(journal, 2)
    assert journal.waiting == 3
    assert len(journal.labels) == 3
    study.reopen(journal.recording.id, journal.rater.id)
    assert journal.save()
    assert on_disk(journal, study).labels == journal.labels


def test_edits_that_waited_are_not_lost_by_a_change_of_classes(
    study: Study, journal: LabelJournal
) -> None:
    refuse(study, True)
    paint(journal, 0)
    with suppress(NotSavedError):
        study.change_scheme(load_scheme("stress"))
    refuse(study, False)
    assert journal.save()
    assert on_disk(journal, study).labels == journal.labels
