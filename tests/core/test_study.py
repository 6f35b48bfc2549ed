"""What a study keeps, what it refuses, and that labels outlive whatever is done to the rest."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import study as study_module
from core import study_file
from core.errors import ConfigError, NotSavedError, RecordingError, StudyError
from core.file_system import file_fingerprint
from core.label_journal import LabelJournal
from core.label_scheme import LabelClass, LabelScheme, load_scheme
from core.study import Edit, Study, StudyRecording, StudySettings, check_engine_settings
from core.study_file import STUDY_FILE, now_text
from core.study_labels import NS, Change, RecordingLabels, StudyLabel, new_id
from tests.core.study_example import (
    DURATION_S,
    found_recording,
    make_study,
    open_in_memory,
    open_journal,
    write_recording,
)

EPOCH = 30 * NS
SCHEME = load_scheme("sleep_aasm")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """A study of two recordings of two people."""
    study = make_study(tmp_path / "study", ("night1", "night2"))
    yield study
    study.close()


def paint(journal: LabelJournal, epoch: int, name: str | None) -> None:
    start = epoch * EPOCH
    journal.do(journal.labels.painted(start, start + EPOCH, name), f"epoch {epoch}: {name}")


def reopened(study: Study) -> Study:
    study.close()
    return Study.open(study.folder)


def states(study: Study, recording: int = 0, rater: str = "AB") -> list[str]:
    labels = study.labels(study.recordings()[recording].id, study.rater(rater).id)
    return [label.class_name for label in labels.states]


def test_labelling_needs_neither_torch_nor_qt(repository: Path) -> None:
    slow = ("torch", "scipy", "sklearn", "duckdb", "pyedflib", "PySide6")
    code = f"import sys, core.label_journal; print([m for m in {slow} if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(repository)}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- create and settings


def test_a_study_gives_back_what_was_put_in(tmp_path: Path) -> None:
    settings = StudySettings(
        "Nights",
        "two per person",
        {"windows": {"length_s": 10}, "model": {"preset": "fast"}},
        {"join": "union", "key_map": {"1": "S01"}},
        {"gain": [1, 2]},
        True,
    )
    study = Study.create(tmp_path / "s", settings, SCHEME)
    assert study.settings == settings
    assert study.scheme == SCHEME
    study = reopened(study)
    assert study.settings == settings
    assert study.scheme == SCHEME
    assert study.recordings_config().join == "union"
    assert study.recordings_config().key_map == {"1": "S01"}
    assert study.recordings() == ()
    assert study.raters() == ()
    study.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"engine": {"windos": {"length_s": 10}}}, "windos"),
        ({"engine": {"windows": {"length_s": -1}}}, "length_s"),
        ({"engine": {"model": {"preset": "best"}}}, "there is no preset 'best'"),
        ({"engine": {"labels": None}}, "study itself says what its labels are"),
        ({"engine": {"recordings": {}}}, "study itself says what its recordings are"),
        ({"recordings": {"joint": "union"}}, "joint"),
        ({"recordings": {"join": "both"}}, "join"),
    ],
)
def test_settings_that_the_engine_cannot_use_are_refused(
    study: Study, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    before = study.settings
    with pytest.raises(ConfigError, match=says):
        study.change_settings(replace(before, **wrong))
    assert study.settings == before
    with pytest.raises(ConfigError, match=says):
        Study.create(tmp_path / "new", replace(before, **wrong), SCHEME)
    # Nothing half-made is in the way of a better try.
    Study.create(tmp_path / "new", before, SCHEME).close()


def test_a_study_without_patterns_is_one_whose_files_are_listed(study: Study) -> None:
    sources = {"sources": [{"name": "main"}]}  # as the wizard leaves it, for named files
    study.change_settings(replace(study.settings, recordings=sources))
    assert study.open_recording(study.recordings()[0]).duration_s == DURATION_S


def test_settings_may_be_none_at_all() -> None:
    check_engine_settings({})


def test_a_study_that_dies_while_it_is_made_was_never_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        assert not (tmp_path / "s" / STUDY_FILE).exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "change_scheme", die)
    with pytest.raises(KeyboardInterrupt):
        Study.create(tmp_path / "s", StudySettings("s"), SCHEME)
    with pytest.raises(StudyError, match="no study in this folder"):
        Study.open(tmp_path / "s")


def test_a_second_window_sees_what_the_first_changes(study: Study) -> None:
    second = Study.open(study.folder)
    assert second.read_only
    assert second.scheme == study.scheme
    study.change_scheme(study.scheme.with_classes(["Movement"]))
    paint(open_journal(study), 3, "Movement")
    assert second.scheme == study.scheme
    assert states(second) == ["Movement"]
    for change in (
        lambda: second.change_settings(second.settings),
        lambda: second.change_scheme(SCHEME),
        lambda: second.rater("new"),
        lambda: second.sign_off(1, 1),
        lambda: second.note("AB", "", "exported", ""),
    ):
        with pytest.raises(NotSavedError, match="open for reading only"):
            change()
    second.close()


# ---------------------------------------------------------------- classes


def test_a_class_with_labels_does_not_go(study: Study) -> None:
    paint(open_journal(study), 0, "N3")
    without = replace(SCHEME, classes=tuple(c for c in SCHEME.classes if c.name != "N3"))
    with pytest.raises(StudyError, match=r"'N3' has labels \(1\): give them another class"):
        study.change_scheme(without)
    as_event = replace(
        SCHEME,
        classes=tuple(replace(c, kind="event") if c.name == "N3" else c for c in SCHEME.classes),
    )
    with pytest.raises(StudyError, match="another kind of class"):
        study.change_scheme(as_event)
    assert study.scheme == SCHEME
    assert reopened(study).scheme == SCHEME


def test_a_class_without_labels_goes_or_becomes_another_kind(study: Study) -> None:
    classes = tuple(
        replace(c, kind="event") if c.name == "N1" else c for c in SCHEME.classes if c.name != "N3"
    )
    study.change_scheme(replace(SCHEME, classes=classes, epoch_s=20, guide_uv=None))
    study = reopened(study)
    assert study.scheme.classes == classes
    assert study.scheme.epoch_s == 20
    assert study.scheme.guide_uv is None
    study.close()


def test_renamed_classes_take_their_labels_and_history_along(study: Study) -> None:
    journal = open_journal(study)
    for epoch, name in enumerate(("N1", "N2", "N3", "N2")):
        paint(journal, epoch, name)
    renamed = {"N1": "N2", "N2": "N1", "N3": "deep"}  # two swap their names
    classes = tuple(replace(c, name=renamed.get(c.name, c.name)) for c in SCHEME.classes)
    study.change_scheme(replace(SCHEME, classes=classes), renamed)
    study = reopened(study)
    assert states(study) == ["N2", "N1", "deep", "N1"]
    assert [c.name for c in study.scheme.states] == ["W", "R", "N2", "N1", "deep"]
    journal = open_journal(study)
    for _ in range(2):
        journal.undo()
    journal.redo()
    assert states(study) == ["N2", "N1", "deep"]
    study.close()


def test_a_class_may_take_the_name_of_one_that_goes_unless_that_has_labels(study: Study) -> None:
    paint(open_journal(study), 0, "N1")
    merged = replace(SCHEME, classes=tuple(c for c in SCHEME.classes if c.name != "N1"))
    study.change_scheme(merged, {"N1": "N2"})
    assert states(study) == ["N2"]
    paint(open_journal(study), 1, "N3")
    fewer = replace(merged, classes=tuple(c for c in merged.classes if c.name != "N2"))
    with pytest.raises(StudyError, match="'N3' has labels"):
        study.change_scheme(fewer, {"N2": "N3"})
    with pytest.raises(StudyError, match="Two classes cannot both become 'N3'"):
        study.change_scheme(fewer, {"N2": "N3", "W": "N3"})
    assert states(study) == ["N2", "N3"]
    known = {row[0] for row in study.file.connection.execute("SELECT name FROM label_class")}
    assert known == {c.name for c in merged.classes}


def test_classes_keep_order_colour_and_keys(study: Study) -> None:
    classes = tuple(
        LabelClass(c.name, "#12345" + str(n % 10), (), c.kind)
        for n, c in enumerate(reversed(SCHEME.classes))
    )
    study.change_scheme(LabelScheme(classes, 30, True, 90.0, 37.5))
    study = reopened(study)
    assert study.scheme.classes == classes
    study.close()


# ---------------------------------------------------------------- recordings


def test_a_recording_keeps_where_it_lies_and_how_it_is_read(study: Study) -> None:
    first, second = study.recordings()
    assert (first.name, first.subject, first.duration_s) == ("night1", "s1", DURATION_S)
    assert first.fields == {"subject": "s1"}
    entry = first.files[0]
    path = study.folder.parent / "recordings" / "night1.edf"
    assert entry.relative_path == "../recordings/night1.edf"
    assert Path(entry.absolute_path) == path.resolve()
    assert entry.fingerprint == file_fingerprint(path)
    assert entry.size_bytes == path.stat().st_size
    assert study.recording(second.id) == second
    with pytest.raises(KeyError):
        study.recording(99)
    opened = study.open_recording(first)
    assert (opened.id, opened.subject, opened.duration_s) == ("night1", "s1", DURATION_S)


def test_settings_of_a_file_survive(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t;a\n0;1\n")
    csv = {"separator": ";", "time_column": "t", "rate_hz": 20}
    found = found_recording(path, "csv", format="csv", csv=csv, time_zone="Europe/Berlin")
    study.add_recordings([(found, open_in_memory(found))])
    kept = next(r for r in study.recordings() if r.name == "csv").files[0].settings
    assert kept == found.files[0].config


def test_recordings_come_all_or_none(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    write_recording(path)
    good, twin = found_recording(path, "good"), found_recording(path, "NIGHT1")
    gone = found_recording(tmp_path / "none.edf", "gone")
    before = study.recordings()
    with pytest.raises(StudyError, match="a recording 'NIGHT1' already"):
        study.add_recordings([(r, open_in_memory(r)) for r in (good, twin)])
    with pytest.raises(RecordingError, match=r"none\.edf: cannot be read"):
        study.add_recordings([(r, open_in_memory(r)) for r in (good, gone)])
    assert study.recordings() == before
    assert len(study.add_recordings([(good, open_in_memory(good))])) == 1
    assert study.recordings()[0].name == "good"


def test_a_recording_goes_with_its_labels_and_nothing_else(study: Study) -> None:
    first, second = study.recordings()
    for number in range(2):
        journal = open_journal(study, number)
        paint(journal, 1, "N2")
        journal.undo()
        paint(journal, 2, "N1")
        journal.sign_off()
    open_journal(study).reopen()
    study.remove_recording(first.id, "AB")
    assert [r.id for r in study.recordings()] == [second.id]
    for table, count in (("label", 1), ("edit", 2), ("sign_off", 1), ("subject", 1)):
        rows = study.file.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert rows == count, table
    assert study.file.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert (study.folder.parent / "recordings" / "night1.edf").exists()
    entry = study.audit("night1")[0]
    assert (entry.who, entry.action, entry.detail) == ("AB", "recording removed", "1 labels")
    # A recording that comes later is not taken for it.
    found = found_recording(study.folder.parent / "recordings" / "night1.edf", "night1")
    open_journal(study).reopen()
    study.remove_recording(second.id)
    assert study.add_recordings([(found, open_in_memory(found))])[0] > second.id


def test_subjects_are_renamed_joined_and_dropped(study: Study) -> None:
    first, second = study.recordings()
    study.rename_subject(second.id, " s1 ", "AB")
    assert [r.subject for r in study.recordings()] == ["s1", "s1"]
    assert study.file.connection.execute("SELECT name FROM subject").fetchall() == [("s1",)]
    with pytest.raises(StudyError, match="A subject needs a name"):
        study.rename_subject(first.id, "  ")
    assert study.audit("night2")[0].detail == "s2 → s1"


def test_epochs_may_start_later(study: Study) -> None:
    recording = study.recordings()[0]
    study.set_grid_offset(recording.id, 12 * NS, "AB")
    assert study.recording(recording.id).grid_offset_ns == 12 * NS
    assert study.audit("night1")[0].detail == "12 s"


def test_a_study_moved_with_its_recordings_finds_them(study: Study, tmp_path: Path) -> None:
    study.close()
    old = tmp_path / "recordings"
    away = tmp_path / "other" / "place"
    away.mkdir(parents=True)
    shutil.move(study.folder, away / "study")
    shutil.copytree(old, away / "recordings")
    moved = Study.open(away / "study")
    first = moved.recordings()[0]
    # Those beside it come first, even while the old ones are there.
    assert moved.path_of(first.files[0]) == away / "recordings" / "night1.edf"
    shutil.rmtree(old)
    assert moved.missing_files(first) == ()
    assert moved.open_recording(first).duration_s == DURATION_S
    moved.close()


def test_a_study_moved_alone_finds_its_recordings_where_they_were(
    study: Study, tmp_path: Path
) -> None:
    study.close()
    (tmp_path / "other" / "place").mkdir(parents=True)
    shutil.move(study.folder, tmp_path / "other" / "place" / "study")
    moved = Study.open(tmp_path / "other" / "place" / "study")
    assert moved.open_recording(moved.recordings()[0]).duration_s == DURATION_S
    moved.close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_study_behind_a_link_finds_its_recordings(study: Study, tmp_path: Path) -> None:
    study.close()
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(study.folder)
    linked = Study.open(link)
    entry = linked.recordings()[0].files[0]
    assert linked.path_of(entry) == (tmp_path / "recordings" / "night1.edf").resolve()
    linked.close()


def test_a_recording_on_another_drive_is_kept_by_its_full_path(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise ValueError("path is on mount 'D:'")

    monkeypatch.setattr(study_module.os.path, "relpath", refuse)
    path = tmp_path / "x.edf"
    write_recording(path)
    found = found_recording(path, "far")
    (added,) = study.add_recordings([(found, open_in_memory(found))])
    recording = study.recording(added)
    assert recording.files[0].relative_path is None
    assert study.open_recording(recording).duration_s == DURATION_S


def test_a_recording_that_was_moved_away_is_named_and_found_again(
    study: Study, tmp_path: Path
) -> None:
    recording = study.recordings()[0]
    old, new = tmp_path / "recordings" / "night1.edf", tmp_path / "new" / "renamed.edf"
    new.parent.mkdir()
    shutil.move(old, new)
    assert study.missing_files(recording) == recording.files
    assert study.path_of(recording.files[0]) == old.resolve()
    with pytest.raises(RecordingError, match=r"night1\.edf is not there; .*Find moved files"):
        study.open_recording(recording)
    with pytest.raises(RecordingError, match="cannot be read"):
        study.relocate(recording.id, "main", old)
    study.relocate(recording.id, "main", new, "AB")
    recording = study.recording(recording.id)
    assert recording.files[0].relative_path == "../new/renamed.edf"
    assert study.missing_files(recording) == ()
    assert study.open_recording(recording).duration_s == DURATION_S
    assert study.audit("night1")[0].detail == "renamed.edf"


def test_a_missing_file_that_is_optional_is_not_the_one_that_is_named(
    study: Study, tmp_path: Path
) -> None:
    watch, main = tmp_path / "watch.edf", tmp_path / "main.edf"
    for path in (watch, main):
        write_recording(path)
    one = found_recording(watch, "both", optional=True)
    other = found_recording(main, "both")
    files = (replace(one.files[0], name="watch"), *other.files)
    both = replace(other, files=files)
    (added,) = study.add_recordings([(both, open_in_memory(both))])
    watch.unlink()
    assert study.open_recording(study.recording(added)).duration_s == DURATION_S
    main.unlink()
    with pytest.raises(RecordingError, match=r"main\.edf is not there"):
        study.open_recording(study.recording(added))


# ---------------------------------------------------------------- raters


def test_a_rater_is_one_whatever_the_case(study: Study) -> None:
    first = study.rater(" Özge ")
    assert study.rater("özge") == study.rater("ÖZGE") == first
    model = study.rater("model 1", "model")
    assert model.kind == "model"
    assert [r.name for r in study.raters()] == ["Özge", "model 1"]
    with pytest.raises(StudyError, match="A rater needs a name"):
        study.rater("  ")


# ---------------------------------------------------------------- labels and edits


def test_labels_of_raters_and_recordings_stay_apart(study: Study) -> None:
    for recording in (0, 1):
        for rater in ("AB", "CD"):
            for epoch in range(1 + 2 * recording + (rater == "CD")):
                paint(open_journal(study, recording, rater), epoch, "W")
    counts = [len(states(study, n, rater)) for n in (0, 1) for rater in ("AB", "CD")]
    assert counts == [1, 2, 3, 4]
    ids = [(r.id, study.rater(name).id) for r in study.recordings() for name in ("AB", "CD")]
    assert study.labelled_ns() == {
        pair: n * EPOCH for pair, n in zip(ids, (1, 2, 3, 4), strict=True)
    }


def test_labels_keep_all_that_they_say(study: Study) -> None:
    recording, rater = study.recordings()[0], study.rater("AB")
    labels = (
        StudyLabel(new_id(), 0, 1, "W", "state", "", "model", 0.1 + 0.2),
        StudyLabel(2**62, 10**15, 10**15 + 1, "N1", "state", "", "imported", None),
        StudyLabel(new_id(), 5, 5, "Arousal", "event", "eeg", "human"),
        StudyLabel(new_id(), 3, 900, "Bad signal", "event", "emg", "imported", 1.0),
        StudyLabel(new_id(), 7, 7, "Lights off", "mark"),
    )
    edit = Edit(new_id(), "import 'x' → \0 ü", Change((), labels), now_text())
    study.write_edit(recording.id, rater.id, edit)
    study = reopened(study)
    kept = study.labels(recording.id, rater.id)
    assert set(kept) == set(labels)
    assert len(kept) == len(labels)
    assert study.edits(recording.id, rater.id) == (edit,)
    study.close()


@pytest.mark.parametrize(
    ("added", "error"),
    [
        ((StudyLabel(5, 10, 10, "W"),), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 5, "Arousal", "event"),), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 20, "W"), StudyLabel(6, 19, 30, "N1")), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 20, "W"), StudyLabel(6, 5, 11, "N1")), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 20, "W"), StudyLabel(6, 0, 90, "N1")), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 20, "W"), StudyLabel(5, 30, 40, "W")), sqlite3.IntegrityError),
        ((StudyLabel(5, 10, 20, "W"), StudyLabel(6, 30, 40, "Z")), KeyError),
    ],
)
def test_the_file_itself_refuses_labels_that_cannot_be(
    study: Study, added: tuple[StudyLabel, ...], error: type[Exception]
) -> None:
    recording, rater = study.recordings()[0], study.rater("AB")
    with pytest.raises(error):
        study.write_edit(recording.id, rater.id, Edit(new_id(), "x", Change((), added), now_text()))
    assert len(study.labels(recording.id, rater.id)) == 0
    assert study.edits(recording.id, rater.id) == ()
    # Neighbours that touch are none of these.
    fine = (StudyLabel(5, 10, 20, "W"), StudyLabel(6, 20, 30, "W"), StudyLabel(7, 0, 10, "W"))
    study.write_edit(recording.id, rater.id, Edit(new_id(), "x", Change((), fine), now_text()))
    with pytest.raises(ValueError, match="2 labels were to go, 1 were there"):
        study.write_edit(
            recording.id,
            rater.id,
            Edit(new_id(), "x", Change((fine[0], StudyLabel(99, 0, 1, "W"))), now_text()),
        )
    assert len(study.labels(recording.id, rater.id)) == 3


def test_the_history_survives_reopening(study: Study) -> None:
    journal = open_journal(study)
    for epoch in range(6):
        paint(journal, epoch, "N2" if epoch % 2 else "W")
    for _ in range(3):
        journal.undo()
    journal.redo()
    study = reopened(study)
    again = open_journal(study)
    assert again.done == journal.done
    assert again.undone == journal.undone
    assert again.labels == journal.labels
    while again.undo():
        pass
    assert again.labels == RecordingLabels()
    while again.redo():
        pass
    assert states(study) == ["W", "N2"] * 3
    study.close()


def test_what_was_undone_cannot_come_back_after_a_new_edit(study: Study) -> None:
    journal = open_journal(study)
    for epoch in range(3):
        paint(journal, epoch, "W")
    journal.undo()
    paint(journal, 7, "R")
    study = reopened(study)
    journal = open_journal(study)
    assert journal.undone == ()
    assert [edit.what for edit in journal.done] == ["epoch 0: W", "epoch 1: W", "epoch 7: R"]
    # It stays on record.
    rows = study.file.connection.execute("SELECT what FROM edit WHERE state = 'dropped'").fetchall()
    assert rows == [("epoch 2: W",)]
    study.close()


def test_nothing_is_undone_beyond_an_edit_whose_class_is_gone(study: Study) -> None:
    study.change_scheme(study.scheme.with_classes(["Movement"]))
    journal = open_journal(study)
    paint(journal, 0, "W")
    paint(journal, 1, "Movement")
    paint(journal, 1, "N1")
    paint(journal, 2, "N2")
    paint(journal, 3, "N3")
    journal.undo()
    study.change_scheme(SCHEME)
    # The next new class must not be taken for the one that went.
    study.change_scheme(SCHEME.with_classes(["Unsure"]))
    study = reopened(study)
    journal = open_journal(study)
    assert [edit.what for edit in journal.done] == ["epoch 2: N2"]
    assert [edit.what for edit in journal.undone] == ["epoch 3: N3"]
    journal.redo()
    while journal.undo():
        pass
    assert states(study) == ["W", "N1"]
    study.close()


def test_what_was_undone_with_a_class_that_is_gone_does_not_come_back(study: Study) -> None:
    study.change_scheme(study.scheme.with_classes(["Movement"]))
    journal = open_journal(study)
    for epoch, name in enumerate(("W", "N1", "Movement", "N2")):
        paint(journal, epoch, name)
    for _ in range(3):
        journal.undo()
    study.change_scheme(SCHEME)
    journal = open_journal(study)
    assert [edit.what for edit in journal.undone] == ["epoch 1: N1"]
    assert [edit.what for edit in journal.done] == ["epoch 0: W"]
    paint(journal, 5, "R")
    assert open_journal(study).undone == ()


def test_of_very_many_edits_those_next_in_turn_are_kept(study: Study) -> None:
    journal = open_journal(study)
    for epoch in range(30):
        paint(journal, epoch, "W")
    for _ in range(20):
        journal.undo()
    recording, rater = study.recordings()[0].id, study.rater("AB").id
    edits = study.edits(recording, rater, most=4)
    assert [e.what for e in edits if e.state == "done"] == [f"epoch {n}: W" for n in range(6, 10)]
    assert [e.what for e in edits if e.state == "undone"] == [
        f"epoch {n}: W" for n in range(10, 14)
    ]


def test_a_night_of_thousands_of_labels_comes_in_at_once(study: Study) -> None:
    journal = open_journal(study)
    start = time.perf_counter()
    journal.do(journal.labels.painted(0, 30_000 * NS, "W", "imported", epoch_ns=NS), "import")
    took = time.perf_counter() - start
    assert journal.is_saved
    assert took < 15  # about 1.3 s on two cores
    start = time.perf_counter()
    again = open_journal(study)
    assert again.labels == journal.labels
    assert len(again.labels) == 30_000
    assert time.perf_counter() - start < 5
    # The next edits are not slowed down by it.
    start = time.perf_counter()
    for epoch in range(20):
        paint(again, epoch, "R")
    assert (time.perf_counter() - start) / 20 < 0.1


def test_an_edit_takes_no_longer_after_thousands_of_others(study: Study) -> None:
    plan = study.file.connection.execute(
        "EXPLAIN QUERY PLAN UPDATE edit SET state = 'dropped' WHERE recording_id = 1 AND "
        "rater_id = 1 AND state = 'undone'"
    ).fetchall()
    assert "edit_undone" in str(plan)


# ---------------------------------------------------------------- signing off


def test_what_is_signed_off_stays_until_it_is_reopened(study: Study) -> None:
    first, _ = study.recordings()
    rater = study.rater("AB")
    journal = open_journal(study)
    paint(journal, 0, "W")
    paint(journal, 1, "N1")
    journal.undo()
    assert study.signed_off(first.id, rater.id) is None
    study.sign_off(first.id, rater.id)
    signed = study.signed_off(first.id, rater.id)
    assert signed is not None
    datetime.fromisoformat(signed)
    study.sign_off(first.id, rater.id)
    assert study.signed_off(first.id, rater.id) == signed  # the first time counts
    assert study.all_signed_off() == {(first.id, rater.id)}
    edit = Edit(new_id(), "x", Change((), (StudyLabel(1, 0, 1, "W"),)), now_text())
    for write, step in (
        (study.write_edit, edit),
        (study.write_undo, journal.done[-1]),
        (study.write_redo, journal.undone[0]),
    ):
        with pytest.raises(StudyError, match="night1 is signed off: reopen it"):
            write(first.id, rater.id, step)
    assert states(study) == ["W"]
    # Another rater and another recording are open.
    paint(open_journal(study, 0, "CD"), 0, "R")
    paint(open_journal(study, 1, "AB"), 0, "R")
    study = reopened(study)
    assert study.signed_off(first.id, rater.id) == signed
    study.reopen(first.id, rater.id)
    assert study.signed_off(first.id, rater.id) is None
    paint(open_journal(study), 5, "R")
    assert states(study) == ["W", "R"]
    study.close()


# ---------------------------------------------------------------- audit


def test_the_audit_tells_who_did_what_and_when(study: Study) -> None:
    began = datetime.now(UTC)
    first, _ = study.recordings()
    journal = open_journal(study)
    paint(journal, 0, "W")
    journal.undo()
    journal.redo()
    journal.sign_off()
    journal.reopen()
    study.change_settings(replace(study.settings, notes="x", blinded=True), "CD")
    study.change_scheme(SCHEME, who="CD")
    study.set_grid_offset(first.id, NS, "CD")
    study.note("CD", "night1", "exported", "labels.csv")
    study = reopened(study)
    told = [(e.who, e.recording, e.action, e.detail) for e in reversed(study.audit())]
    assert told[:4] == [
        ("", "", "settings", "name"),
        ("", "", "label scheme", ", ".join(c.name for c in SCHEME.classes)),
        ("AB", "night1", "recording added", ""),
        ("AB", "night2", "recording added", ""),
    ]
    assert told[4:] == [
        ("AB", "", "rater added", "person"),
        ("AB", "night1", "edit", "epoch 0: W"),
        ("AB", "night1", "undo", "epoch 0: W"),
        ("AB", "night1", "redo", "epoch 0: W"),
        ("AB", "night1", "signed off", ""),
        ("AB", "night1", "reopened", ""),
        ("CD", "", "settings", "notes, blinded"),
        ("CD", "", "label scheme", ", ".join(c.name for c in SCHEME.classes)),
        ("CD", "night1", "epochs start at", "1 s"),
        ("CD", "night1", "exported", "labels.csv"),
    ]
    assert [e.action for e in study.audit("night2")] == ["recording added"]
    assert len(study.audit(most=3)) == 3
    for entry in study.audit(most=4):
        assert abs(datetime.fromisoformat(entry.at) - began).total_seconds() < 60
    study.close()


def test_nothing_is_on_the_record_that_did_not_happen(study: Study) -> None:
    before = study.audit()
    study.change_settings(study.settings)
    with pytest.raises(StudyError):
        study.change_scheme(replace(SCHEME, classes=SCHEME.classes[1:]), {"W": "x", "R": "x"})
    study.file.connection.execute("PRAGMA query_only=ON")
    with pytest.raises(NotSavedError):
        study.note("AB", "", "exported", "")
    study.file.connection.execute("PRAGMA query_only=OFF")
    assert study.audit() == before


# ---------------------------------------------------------------- disks


def test_a_disk_that_gives_nothing_back_is_said(study: Study) -> None:
    study.file.connection.set_progress_handler(lambda: 1, 1)
    for look in (study.recordings, study.raters, study.audit, study.labelled_ns):
        with pytest.raises(StudyError, match="cannot be read: interrupted"):
            look()
    study.file.connection.set_progress_handler(None, 1)


def test_a_study_in_a_folder_that_cannot_be_written_is_read(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(open_journal(study), 0, "W")
    study.close()
    monkeypatch.setattr(study_file, "_can_write", lambda _: False)
    reader = Study.open(study.folder)
    assert reader.read_only
    assert states(reader) == ["W"]
    assert reader.scheme == SCHEME
    first = reader.recordings()[0]
    assert isinstance(first, StudyRecording)
    assert reader.open_recording(first).duration_s == DURATION_S
    reader.close()


def test_settings_in_the_file_are_plain_json(study: Study) -> None:
    for _, value in study.file.connection.execute("SELECT name, value FROM setting"):
        json.loads(value)


def test_a_signed_recording_is_neither_removed_nor_given_another_grid(study: Study) -> None:
    journal = open_journal(study)
    paint(journal, 0, "W")
    journal.sign_off()
    entry = study.recordings()[0]
    for change in (
        lambda: study.remove_recording(entry.id),
        lambda: study.set_grid_offset(entry.id, 5),
    ):
        with pytest.raises(StudyError, match="signed off by AB"):
            change()
    journal.reopen()
    study.set_grid_offset(entry.id, 5)
    study.remove_recording(entry.id)
    assert not [one for one in study.recordings() if one.id == entry.id]
