"""Heads trained on kept embeddings give the figures of the run, and follow new labels."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.budget_curve import FinalHead, at_counts, budget_curve, refit_and_predict
from core.classifier import Embedded
from core.errors import DataError, ModelError
from core.progress import Cancelled, RunContext
from core.run_results import RunResults
from core.saved_model import load_model
from core.window_store import FINAL, RecordingWindows, write_windows
from tests.conftest import SmallStudy

BUDGETS = [0.2, 1.0]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """A run that has kept its embeddings; the last of its six people has no labels."""
    study = SmallStudy(tmp_path_factory.mktemp("kept") / "study", people=6)
    study.write("s6", 6, activity=np.full(study.seconds * study.rate_hz, "", dtype=object))
    study.document["evaluate"] |= {"folds": 3, "budgets": BUDGETS, "budget_seeds": 2}
    study.document["predict"] = {"keep_embeddings": True}
    study.write_run_file()
    output = study.folder.parent / "out"
    assert study.run(output) == 0
    return RunResults(output)


@pytest.fixture
def labels(kept: RunResults) -> dict[str, np.ndarray]:
    return {name: kept.windows(name).labels.copy() for name in kept.recordings()}


@pytest.fixture
def subjects(kept: RunResults) -> dict[str, str]:
    return {name: kept.windows(name).subject for name in kept.recordings()}


def curve(kept: RunResults, labels, subjects, folder: Path | None = None, **changes):
    arguments = {"budgets": BUDGETS, "seeds": 2, "context": RunContext()} | changes
    return budget_curve(
        folder or kept.folder, kept.config, labels, subjects, kept.classes, **arguments
    )


def copied(kept: RunResults, target: Path, *without: str) -> Path:
    shutil.copytree(kept.folder, target, ignore=shutil.ignore_patterns(*without))
    return target


def test_the_runs_own_labels_give_the_rows_of_its_report(kept, labels, subjects) -> None:
    found = curve(kept, labels, subjects)
    assert list(found.rows) == kept.report["evaluation"]["label_efficiency"]
    assert found.macro_f1 == kept.report["evaluation"]["macro_f1"]
    assert found.labels == kept.report["evaluation"]["windows"]
    assert found.people == 5
    assert found.notes == ()


def test_labels_are_taken_as_they_are_now(kept, labels, subjects) -> None:
    few = {name: np.where(np.arange(len(v)) % 5 == 0, v, -1) for name, v in labels.items()}
    found = curve(kept, few, subjects)
    assert found.labels == sum((values >= 0).sum() for values in few.values())
    assert found.rows[-1]["labels"] < kept.report["evaluation"]["label_efficiency"][-1]["labels"]


def test_somebody_who_was_unlabelled_is_learned_from_and_not_tested(kept, labels, subjects) -> None:
    labels["s6"] = labels["s5"].copy()
    found = curve(kept, labels, subjects)
    assert found.people == 5
    own = kept.report["evaluation"]["label_efficiency"][-1]["labels"]
    assert found.rows[-1]["labels"] == own + (labels["s6"] >= 0).sum()
    assert "(1) are learned from but not tested" in found.notes[0]


def test_a_fold_whose_people_have_no_label_any_more_is_left_out(kept, labels, subjects) -> None:
    folds = kept.report["evaluation"]["folds"]
    for name in folds[0]["test_subjects"]:
        labels[name][:] = -1
    assert curve(kept, labels, subjects).people == 5 - len(folds[0]["test_subjects"])


def test_without_the_checkpoints_heads_do_without_the_global_embedding_and_it_is_said(
    kept, labels, subjects, tmp_path: Path
) -> None:
    folder = copied(kept, tmp_path / "run", "pretrain-own-1.safetensors")
    found = curve(kept, labels, subjects, folder)
    assert "without the global one" in found.notes[0]
    assert [row["budget"] for row in found.rows] == BUDGETS


def test_what_cannot_be_done_is_said_in_words(kept, labels, subjects, tmp_path: Path) -> None:
    bare = copied(kept, tmp_path / "bare", "embeddings")
    with pytest.raises(ModelError, match="keep_embeddings"):
        curve(kept, labels, subjects, bare)
    with pytest.raises(DataError, match="Nobody whom this run held out has a label"):
        curve(kept, {}, subjects)
    lonely = {name: values for name, values in labels.items() if name == "s1"}
    with pytest.raises(DataError, match="at least one more person"):
        curve(kept, lonely, subjects)
    with pytest.raises(DataError, match="s1: there are labels for 3 windows"):
        curve(kept, {**labels, "s1": labels["s1"][:3]}, subjects)
    damaged = copied(kept, tmp_path / "damaged")
    (damaged / "checkpoints" / "pretrain-own-0.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="damaged"):
        curve(kept, labels, subjects, damaged)


def test_it_stops_when_asked(kept, labels, subjects) -> None:
    with pytest.raises(Cancelled):
        curve(kept, labels, subjects, context=RunContext(should_stop=lambda: True))


def test_a_curve_of_counts_grows_with_the_labels(kept, labels, subjects) -> None:
    reported = []
    context = RunContext(report=reported.append)
    counts = [4, 16, 10_000]
    found = at_counts(kept.folder, kept.config, labels, subjects, kept.classes, counts, 2, context)
    assert [row["budget"] for row in found.rows] == counts
    assert [row["labels"] for row in found.rows[:2]] == [4, 16]
    everything = kept.report["evaluation"]["label_efficiency"][-1]["labels"]
    assert found.rows[-1]["labels"] == everything, "a fold has no more than all"
    assert all(row["seeds"] == 2 for row in found.rows)
    assert {(p.stage, p.total) for p in reported} == {("label budgets", 3 * 6)}
    with pytest.raises(ValueError, match="2 or more"):
        at_counts(kept.folder, kept.config, labels, subjects, kept.classes, [1], 2, context)


# ---------------------------------------------------------------- the final head


def test_refitting_with_the_runs_labels_gives_the_runs_model(kept, labels, subjects) -> None:
    found = refit_and_predict(
        kept.folder, kept.config, labels, subjects, kept.classes, RunContext()
    )
    classifier = load_model(kept.folder / "model").classifier
    assert set(found) == set(kept.recordings())
    for name, probabilities in found.items():
        windows = kept.windows(name)
        embedded = Embedded(
            torch.from_numpy(windows.z),
            torch.from_numpy(windows.present),
            torch.zeros(len(windows), 0, dtype=torch.long),
        )
        expected = classifier.probabilities(embedded)
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_head_follows_new_labels(kept, labels, subjects) -> None:
    head = FinalHead(kept.folder, kept.config, subjects, RunContext())
    before = head.refit(labels, kept.classes, RunContext())
    turned = {name: np.where(v >= 0, 1 - v, -1) for name, v in labels.items()}
    after = head.refit(turned, kept.classes, RunContext())
    for name in head.recordings:
        assert (before[name].argmax(1) != after[name].argmax(1)).mean() > 0.9


def test_a_head_needs_two_classes(kept, labels, subjects) -> None:
    head = FinalHead(kept.folder, kept.config, subjects, RunContext())
    one = {name: np.where(values == 0, 0, -1) for name, values in labels.items()}
    with pytest.raises(DataError, match="one class only"):
        head.refit(one, kept.classes, RunContext())
    with pytest.raises(DataError, match="No subject"):
        head.refit({}, kept.classes, RunContext())


def test_locked_people_are_not_learned_from(kept, labels, subjects) -> None:
    evaluate = kept.config.evaluate.model_copy(update={"test_subjects": ["s1"]})
    config = kept.config.model_copy(update={"evaluate": evaluate})
    head = FinalHead(kept.folder, config, subjects, RunContext())
    with_them = head.refit(labels, kept.classes, RunContext())
    labels["s1"] = 1 - labels["s1"]
    wrong = head.refit(labels, kept.classes, RunContext())
    np.testing.assert_array_equal(with_them["s2"], wrong["s2"])


def test_a_run_without_windows_is_refused(kept, subjects, tmp_path: Path) -> None:
    bare = copied(kept, tmp_path / "bare", "windows")
    with pytest.raises(ModelError, match="no windows"):
        FinalHead(bare, kept.config, subjects, RunContext())


def test_a_thousand_windows_are_predicted_anew_within_a_second(
    kept, subjects, tmp_path: Path
) -> None:
    """Embeddings of the size that the `recommended` preset makes would not fit this small model;
    so many windows are what takes the time."""
    folder = copied(kept, tmp_path / "many", "windows")
    rng = np.random.default_rng(0)
    base = kept.windows("s1")
    rows = rng.integers(0, len(base), 200)
    labels = {}
    for number in range(1, 6):
        name = f"s{number}"
        labels[name] = base.labels[rows]
        write_windows(folder / "windows" / f"{name}.safetensors", _taken(base, name, rows))
    head = FinalHead(folder, kept.config, subjects, RunContext())
    head.refit(labels, kept.classes, RunContext())  # torch.optim imports much the first time
    started = time.perf_counter()
    found = head.refit(labels, kept.classes, RunContext())
    assert sum(map(len, found.values())) == 1000
    assert time.perf_counter() - started < 1.0


def _taken(base: RecordingWindows, name: str, rows: np.ndarray) -> RecordingWindows:
    return RecordingWindows(
        recording=name,
        subject=name,
        starts_s=np.arange(len(rows)) * base.length_s,
        length_s=base.length_s,
        classes=base.classes,
        modalities=base.modalities,
        labels=base.labels[rows],
        fold=np.full(len(rows), FINAL, dtype=object),
        subsets=base.subsets.select(rows),
        fragility=base.fragility[rows],
        shapley=base.shapley[rows],
        z=base.z[rows],
        embedding=base.embedding[rows],
    )
