"""What a run keeps of every window, written and read back; views and figures made from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError, ModelError
from core.fold_embeddings import FoldEmbeddings, read_fold, write_fold
from core.robustness import SubsetPredictions, fragility, plan_subsets, shapley
from core.run_results import RunResults
from core.study_labels import NS, StudyLabel, new_id
from core.window_store import FINAL, RecordingWindows, read_windows, write_windows
from core.window_view import labels_on_windows, live_figures, make_view

CLASSES = ("rest", "walk", "run")
MODALITIES = ("acc", "gyro", "temp")


def make_windows(
    count: int = 20, recording: str = "s1", subject: str = "s1", fold: str = FINAL, seed: int = 0
) -> RecordingWindows:
    """Random predictions; in window 3 temp is absent, in window 5 everything."""
    rng = np.random.default_rng(seed)
    plan = plan_subsets(3)
    present = np.ones((count, 3), bool)
    present[3, 2] = False
    present[5] = False
    probabilities = rng.dirichlet(np.ones(3), (len(plan.kept), count)).astype(np.float32)
    for row, kept in enumerate(plan.kept):
        probabilities[row, ~present[:, list(kept)].any(1)] = np.nan
    subsets = SubsetPredictions(plan, present, probabilities)
    return RecordingWindows(
        recording=recording,
        subject=subject,
        starts_s=np.arange(count) * 2.0,
        length_s=4.0,
        classes=CLASSES,
        modalities=MODALITIES,
        labels=rng.integers(-1, 3, count),
        fold=np.full(count, fold, dtype=object),
        subsets=subsets,
        fragility=fragility(subsets),
        shapley=shapley(subsets, np.full(3, 1 / 3)),
        z=rng.normal(size=(count, 3, 4)).astype(np.float32),
        embedding=rng.normal(size=(count, 5)).astype(np.float32),
    )


def test_windows_come_back_as_they_were_written(tmp_path: Path) -> None:
    windows = make_windows(fold="2")
    write_windows(tmp_path / "s1.safetensors", windows)
    back = read_windows(tmp_path / "s1.safetensors")
    for name in ("starts_s", "labels", "fragility", "shapley", "z", "embedding", "present"):
        np.testing.assert_array_equal(getattr(back, name), getattr(windows, name))
    np.testing.assert_array_equal(back.subsets.probabilities, windows.subsets.probabilities)
    assert back.subsets.plan == windows.subsets.plan
    assert list(back.fold) == ["2"] * 20
    assert (back.recording, back.subject, back.classes) == ("s1", "s1", CLASSES)


@pytest.mark.parametrize("cut", [0, 7, 200])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "s1.safetensors"
    write_windows(path, make_windows())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match="damaged"):
        read_windows(path)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_windows(tmp_path / "s9.safetensors")
    with pytest.raises(ModelError, match="no such file"):
        read_fold(tmp_path / "0.safetensors")


def test_fold_embeddings_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fold = FoldEmbeddings(
        fold="0",
        train_subjects=("a",),
        test_subjects=("b",),
        pretrain_subjects=("a", "c"),
        recordings=("a1", "b1", "c1"),
        counts=np.array([2, 0, 1]),
        starts_s=np.array([0.0, 2.0, 0.0]),
        z=rng.normal(size=(3, 2, 4)).astype(np.float32),
        present=np.array([[True, False], [True, True], [False, False]]),
    )
    write_fold(tmp_path / "0.safetensors", fold)
    back = read_fold(tmp_path / "0.safetensors")
    np.testing.assert_array_equal(back.z, fold.z)
    np.testing.assert_array_equal(back.present, fold.present)
    assert list(back.recording_index) == [0, 0, 2]
    assert back.recordings == fold.recordings
    assert back.pretrain_subjects == fold.pretrain_subjects


# ---------------------------------------------------------------- views


def test_a_view_under_a_subset_has_the_probabilities_that_were_asked_for_it() -> None:
    windows = make_windows()
    row = windows.row_of((2, 0))
    assert row is not None
    view = make_view(windows, (0, 2), windows.labels, windows.held_out)
    np.testing.assert_array_equal(view.probabilities, windows.subsets.probabilities[row])
    assert view.predicted[5] == -1
    assert np.isnan(view.confidence[5])


def test_with_everything_switched_off_nothing_is_predicted() -> None:
    windows = make_windows()
    view = make_view(windows, (), windows.labels, windows.held_out)
    assert (view.predicted == -1).all()
    figures = live_figures(view)
    assert (figures.windows, figures.left_out) == (0, 19)
    assert figures.macro_f1 is None
    assert figures.confidence is None


def test_a_subset_that_was_not_asked_is_a_key_error_and_not_another_one() -> None:
    windows = make_windows()
    few = replace(
        windows,
        subsets=SubsetPredictions(
            replace(windows.subsets.plan, kept=((0, 1, 2), (0, 1)), permutations=((0, 1, 2),)),
            windows.present,
            windows.subsets.probabilities[:2],
        ),
    )
    with pytest.raises(KeyError):
        few.probabilities((1,))


def test_unsure_windows_are_left_unassigned_and_do_not_count_as_wrong() -> None:
    windows = make_windows()
    sure = make_view(windows, (0, 1, 2), windows.labels, windows.held_out)
    view = replace(sure, threshold=0.6)
    assert view.unsure.any()
    assert (view.assigned[view.unsure] == -1).all()
    assert not (view.differs & view.unsure).any()
    assert live_figures(view).labelled < live_figures(sure).labelled


def test_live_figures_are_those_of_the_evaluation() -> None:
    from core.evaluate import score

    windows = make_windows(count=200, fold="0")
    view = make_view(windows, (0, 1), windows.labels, windows.held_out)
    figures = live_figures(view)
    expected = score(
        windows.labels, ["s"] * 200, CLASSES, probabilities=windows.probabilities((0, 1))
    )
    assert figures.macro_f1 == pytest.approx(expected.macro_f1)
    assert figures.accuracy == pytest.approx(expected.accuracy)
    assert figures.cohen_kappa == pytest.approx(expected.cohen_kappa)
    assert figures.is_test


def test_cells_of_overlapping_windows_do_not_overlap() -> None:
    view = make_view(w := make_windows(), (0,), w.labels, w.held_out)
    assert (view.ends_s[:-1] == view.starts_s[1:]).all()
    assert view.ends_s[-1] == view.starts_s[-1] + 4.0
    assert view.at(3.9) == 1
    assert view.at(1e6) is None
    assert view.at(-1.0) is None


def state(start_s: float, end_s: float, name: str) -> StudyLabel:
    return StudyLabel(new_id(), round(start_s * NS), round(end_s * NS), name, "state", "")


def test_labels_are_laid_on_windows_as_learning_lays_them() -> None:
    states = [state(0, 4, "walk"), state(4, 10, "run"), state(10, 12, "unknown to the model")]
    found = labels_on_windows(states, CLASSES, np.arange(6) * 2.0, 4.0, 0.5)
    # At 2 s there are 2 s of each: the class first in the list wins.
    assert found.tolist() == [1, 1, 2, 2, 2, -1]
    assert labels_on_windows([], CLASSES, np.arange(6) * 2.0, 4.0, 0.5).tolist() == [-1] * 6


# ---------------------------------------------------------------- results


@pytest.fixture
def results(finished_run) -> RunResults:
    return RunResults(finished_run[1])


def test_results_give_the_figures_of_the_report(results: RunResults) -> None:
    from core.progress import RunContext

    everything = results.everything(RunContext())
    own = everything.evaluation()
    assert own.macro_f1 == results.report["evaluation"]["macro_f1"]
    for row in results.report["robustness"]["subsets"]:
        kept = tuple(results.modalities.index(name) for name in row["kept"])
        assert everything.evaluation(kept, resamples=100).macro_f1 == row["macro_f1"]


def test_windows_agree_with_the_table_of_predictions(results: RunResults) -> None:
    from core.prediction_table import read_prediction_table

    for name in results.recordings():
        windows = results.windows(name)
        table = read_prediction_table(results.folder / "predictions" / f"{name}.csv")
        np.testing.assert_allclose(table.start_s, windows.starts_s)
        said = [results.classes[k] if k >= 0 else "" for k in windows.predicted()]
        assert list(table.predicted) == said
        np.testing.assert_allclose(table.fragility, windows.fragility, atol=1e-6)


def test_figures_of_people_that_the_model_has_seen_are_refused(results: RunResults) -> None:
    from core.progress import RunContext

    everything = results.everything(RunContext())
    nobody = replace(everything, held_out=np.zeros(len(everything), bool))
    with pytest.raises(DataError, match="no test"):
        nobody.evaluation()


def test_a_person_of_the_training_is_no_test_whatever_file_he_comes_in(
    results: RunResults,
) -> None:
    known, new = make_windows(subject="s1"), make_windows(subject="somebody else")
    assert not results.held_out(known).any()
    assert results.held_out(new).all()
    assert not results.held_out(new, tuple(results.seen_files)[:1]).any()


def test_of_a_model_from_elsewhere_only_files_tell_whom_it_has_seen(
    finished_run, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(finished_run[1] / "model", tmp_path / "model")
    alien = RunResults(tmp_path)
    assert alien.has_classifier
    assert alien.classes == ("rest", "walk")
    windows = make_windows(subject="s1")
    assert not alien.held_out(windows).any()  # nothing is known of it
    assert alien.held_out(windows, ("0" * 32,)).all()
    assert not alien.held_out(windows, tuple(alien.seen_files)[:1]).any()


def test_a_folder_without_results_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a report nor a model"):
        RunResults(tmp_path)
