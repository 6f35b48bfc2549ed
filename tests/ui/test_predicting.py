"""What a run says of the shown recording follows switches, labels, recordings and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.robustness import SubsetPredictions
from core.study import Study
from tests.conftest import RATER
from ui.predicting import Predicting
from ui.session import Session


@pytest.fixture
def opened(qtbot) -> Iterator[Callable[[Path], tuple[Session, Predicting]]]:
    made = []

    def make(folder: Path) -> tuple[Session, Predicting]:
        session = Session()
        predicting = Predicting(session, session)
        made.append((session, predicting))
        session.choose_rater(RATER)
        with qtbot.waitSignal(session.shown_changed, check_params_cb=None, timeout=10_000):
            session.open_path(folder)
        qtbot.waitUntil(lambda: session.shown is not None, timeout=10_000)
        return session, predicting

    yield make
    for session, predicting in made:
        predicting.shut_down()
        session.shut_down()


def test_the_newest_run_with_predictions_is_looked_at(opened, study_copy: Path) -> None:
    _session, predicting = opened(study_copy)
    assert predicting.run is not None
    assert predicting.run.title == "First run"
    assert predicting.view is not None
    assert len(predicting.view) == 30
    assert predicting.view.held_out.all()
    assert predicting.modalities == ("acc", "gyro")


def test_switching_a_modality_off_shows_the_predictions_without_it(
    qtbot, opened, study_copy: Path
) -> None:
    _session, predicting = opened(study_copy)
    with qtbot.waitSignal(predicting.view_changed):
        predicting.set_kept((1,))
    windows = predicting.windows
    assert windows is not None
    np.testing.assert_array_equal(predicting.view.probabilities, windows.probabilities((1,)))
    with qtbot.waitSignal(predicting.view_changed):
        predicting.set_kept((0, 1))
    np.testing.assert_array_equal(predicting.view.probabilities, windows.probabilities())


def test_switches_stay_when_another_recording_is_shown(qtbot, opened, study_copy: Path) -> None:
    session, predicting = opened(study_copy)
    predicting.set_kept((1,))
    before = predicting.windows.recording
    with qtbot.waitSignal(session.shown_changed):
        session.choose(session.recordings[1].id)
    assert predicting.windows.recording != before
    assert predicting.view.kept == (1,)


def test_a_label_counts_in_the_figures_a_moment_later(qtbot, opened, study_copy: Path) -> None:
    session, predicting = opened(study_copy)
    assert predicting.figures.labelled == 30
    session.choose_rater("AB")  # who has not labelled yet is shown the labels of the run
    qtbot.waitUntil(lambda: session.labelling.journal.rater.name == "AB")
    assert predicting.figures.labelled == 30
    session.labelling.label("walk")
    qtbot.waitUntil(lambda: predicting.figures.labelled == 1)
    assert predicting.view.labels[:2].tolist() == [1, -1]


def test_all_windows_have_the_figures_of_the_report(qtbot, opened, study_copy: Path) -> None:
    _session, predicting = opened(study_copy)
    with qtbot.waitSignal(predicting.everything_changed, timeout=10_000):
        predicting.want_everything()
    report = predicting.results.report
    found = predicting.everything.evaluation(resamples=100)
    assert found.macro_f1 == report["evaluation"]["macro_f1"]


def test_blinded_raters_see_no_predictions(qtbot, opened, study_copy: Path) -> None:
    study = Study.open(study_copy)
    study.change_settings(replace(study.settings, blinded=True))
    study.close()
    session, predicting = opened(study_copy)
    assert predicting.view is None
    assert predicting.run is None
    session.set_blinded(False)
    assert predicting.view is not None


def test_a_results_folder_of_batch_mode_has_the_same_views(qtbot, opened, finished_run) -> None:
    _session, predicting = opened(finished_run[1])
    assert predicting.view is not None
    assert predicting.run is None
    with qtbot.waitSignal(predicting.view_changed):
        predicting.set_kept((0,))
    assert predicting.figures.labelled == len(predicting.view)


def test_a_subset_that_was_not_asked_is_answered_by_the_final_model(
    qtbot, opened, study_copy: Path
) -> None:
    _session, predicting = opened(study_copy)
    windows = predicting.windows
    few = replace(
        windows,
        subsets=SubsetPredictions(
            replace(windows.subsets.plan, kept=((0, 1),), permutations=((0, 1),)),
            windows.present,
            windows.subsets.probabilities[:1],
        ),
    )
    predicting.results._windows[windows.recording] = few
    predicting._on_shown()
    predicting.set_kept((0,))
    qtbot.waitUntil(lambda: predicting.view.kept == (0,), timeout=20_000)
    assert np.isfinite(predicting.view.probabilities).all()
    assert not predicting.view.held_out.any()  # the final model has seen this person


def test_a_damaged_file_of_windows_is_said_and_the_recording_still_shown(
    qtbot, opened, study_copy: Path
) -> None:
    for path in (study_copy / "runs").glob("*/windows/*"):
        path.write_bytes(b"not this")
    session = Session()
    predicting = Predicting(session, session)
    said = []
    predicting.failed.connect(said.append)
    session.choose_rater(RATER)
    session.open_path(study_copy)
    qtbot.waitUntil(lambda: session.shown is not None, timeout=10_000)
    assert predicting.view is None
    assert "damaged" in str(said[0])
    predicting.shut_down()
    session.shut_down()


def test_a_run_that_is_gone_is_no_longer_looked_at(qtbot, opened, study_copy: Path) -> None:
    import shutil

    _session, predicting = opened(study_copy)
    shutil.rmtree(predicting.run.folder)
    with qtbot.waitSignal(predicting.runs_changed):
        predicting.refresh_runs()
    assert predicting.run is None
    assert predicting.view is None
    assert predicting.runs == ()


def without_subsets(predicting: Predicting, recording: str) -> None:
    """As after a run with so many modalities that only some subsets were asked."""
    windows = predicting.results.windows(recording)
    predicting.results.keep(
        replace(
            windows,
            subsets=SubsetPredictions(
                replace(windows.subsets.plan, kept=((0, 1),), permutations=((0, 1),)),
                windows.present,
                windows.subsets.probabilities[:1],
            ),
        )
    )


def test_while_an_answer_is_waited_for_no_other_recording_is_shown(
    qtbot, opened, study_copy: Path
) -> None:
    session, predicting = opened(study_copy)
    for entry in session.recordings[:2]:
        without_subsets(predicting, entry.name)
    predicting._on_shown()
    predicting.set_kept((0,))
    qtbot.waitUntil(lambda: predicting.view.kept == (0,), timeout=20_000)
    seen = []
    predicting.view_changed.connect(lambda: seen.append(predicting.view))
    session.choose(session.recordings[1].id)
    qtbot.waitUntil(lambda: bool(seen) and seen[-1] is not None, timeout=20_000)
    assert seen[0] is None
    assert seen[-1].kept == (0,)
    assert seen[-1].starts_s is predicting.windows.starts_s


def test_a_subset_that_cannot_be_answered_leaves_the_switches_as_they_were(
    qtbot, opened, study_copy: Path
) -> None:
    session, predicting = opened(study_copy)
    without_subsets(predicting, session.recordings[0].name)
    predicting._on_shown()
    (predicting.run.folder / "model" / "weights.safetensors").write_bytes(b"not this")
    said = []
    predicting.failed.connect(said.append)
    predicting.set_kept((0,))
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert predicting.kept == (0, 1)
    assert predicting.view.kept == (0, 1)


def test_large_files_of_windows_are_read_in_the_background(
    qtbot, opened, study_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.predicting.LARGE_BYTES", 10)
    _session, predicting = opened(study_copy)
    qtbot.waitUntil(lambda: predicting.view is not None, timeout=10_000)
    assert len(predicting.view) == 30


def test_another_title_of_the_run_does_not_read_it_again(qtbot, opened, study_copy: Path) -> None:
    from core.study_runs import rename_run, set_state

    _session, predicting = opened(study_copy)
    results, windows = predicting.results, predicting.windows
    rename_run(predicting.run, "Better title")
    predicting.refresh_runs()
    assert predicting.run.title == "Better title"
    assert predicting.results is results
    assert predicting.windows is windows
    set_state(predicting.run, "stopped")
    (predicting.run.folder / "report.json").touch()
    predicting.refresh_runs()
    assert predicting.results is not results
