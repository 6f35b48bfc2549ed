"""A corrupted recording as the final model sees it, beside the same sensor taken away."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corrupted_scoring import CorruptedResult, Sweep, score_corrupted, sweep_noise
from core.corruption import Corruption
from core.errors import ConfigError, DataError, ModelError
from core.find_recordings import open_recording
from core.progress import Cancelled, Progress, RunContext
from core.recording import Recording
from core.run_results import RunResults
from core.saved_model import SavedModel, load_model
from core.scoring import group_files
from core.window_store import RecordingWindows
from core.window_view import LiveFigures


@lru_cache(maxsize=1)
def _opened(run: Path, file: Path) -> tuple[SavedModel, Recording, RecordingWindows]:
    saved = load_model(run / "model")
    found = group_files([file], saved.config)[0]
    recording = open_recording(found, saved.config.recordings)
    return saved, recording, RunResults(run).windows("s1")


@pytest.fixture
def bench(finished_run: Any) -> tuple[SavedModel, Recording, RecordingWindows]:
    study, output = finished_run
    return _opened(output, study.folder / "s1.csv")


def tried(bench: Any, *corruptions: Corruption, **values: Any) -> CorruptedResult:
    return score_corrupted(*bench[:2], corruptions, bench[2], RunContext(), **values)


def test_noise_too_weak_to_matter_gives_the_clean_predictions(bench: Any) -> None:
    result = tried(bench, Corruption("noise", ("acc",), 60.0))
    final = tried(bench, Corruption("noise", ("gyro",), 60.0))
    np.testing.assert_allclose(result.probabilities, final.probabilities, atol=0.02)
    assert result.corrupted.changed == 0.0
    assert result.corrupted.macro_f1 == result.clean.macro_f1
    assert result.windows == len(bench[2])
    assert result.caught_share == 0.0


def test_strong_noise_gets_through_and_changes_predictions(bench: Any) -> None:
    result = tried(bench, Corruption("noise", ("acc",), -20.0))
    assert result.modalities == ("acc",)
    np.testing.assert_array_equal(result.through, result.touched)
    assert result.corrupted.changed > 0
    assert result.corrupted.windows == result.windows


def test_a_failure_that_is_found_out_is_the_removal_of_the_sensor(bench: Any) -> None:
    saved, _, clean = bench
    result = tried(bench, Corruption("flat", ("acc",)))
    assert result.caught_share == 1.0
    assert not result.through.any()
    assert result.corrupted == result.removed
    kept = np.zeros_like(clean.present)
    kept[:, saved.scheme.index("gyro")] = True
    import torch

    from core.classifier import Embedded, neighbours_in_time

    neighbours = neighbours_in_time(
        np.zeros(len(clean), int), clean.starts_s, 2.0, saved.config.finetune.context_windows
    )
    embedded = Embedded(torch.from_numpy(clean.z), torch.from_numpy(clean.present), neighbours)
    expected = saved.classifier.probabilities(embedded, kept)
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)


def test_figures_stand_on_the_windows_that_a_short_failure_touches(bench: Any) -> None:
    result = tried(bench, Corruption("gaps", ("gyro",), 1.0, 10.0, 20.0))
    starts = bench[2].starts_s
    inside = (starts < 20.0) & (starts + 2.0 > 10.0)
    np.testing.assert_array_equal(result.touched[:, 1], inside)
    assert not result.touched[:, 0].any()
    assert result.windows == result.corrupted.windows == int(inside.sum())
    outside = tried(bench, Corruption("noise", ("gyro",), 60.0)).probabilities[~inside]
    np.testing.assert_allclose(result.probabilities[~inside], outside, atol=0.02)


def test_with_every_sensor_gone_nothing_is_left_to_predict_from(bench: Any) -> None:
    result = tried(bench, Corruption("gaps", ("acc", "gyro"), 1.0, 10.0, 20.0))
    assert result.corrupted.windows == result.removed.windows == 0
    assert result.corrupted.left_out == result.windows
    assert result.corrupted.macro_f1 is None
    assert result.removed.confidence is None


def test_people_that_the_model_has_seen_are_no_test(bench: Any) -> None:
    corruption = Corruption("clip", ("acc",), 0.5)
    assert not tried(bench, corruption).corrupted.is_test
    assert tried(bench, corruption, is_test=True).corrupted.is_test


def test_labels_as_they_are_now_are_scored(bench: Any) -> None:
    corruption = Corruption("clip", ("acc",), 0.5)
    nobody = np.full(len(bench[2]), -1)
    figures = tried(bench, corruption, labels=nobody).corrupted
    assert figures.labelled == 0
    assert figures.macro_f1 is None
    assert figures.changed is not None


def test_a_sweep_goes_from_weak_to_strong_noise_and_removal_stays_the_same(bench: Any) -> None:
    seen: list[Progress] = []
    sweep = sweep_noise(
        *bench[:2], Corruption("pink", ("acc",)), bench[2], RunContext(report=seen.append)
    )
    assert sweep.strengths_db == (20.0, 10.0, 5.0, 0.0, -5.0)
    assert len({result.removed for result in sweep.results}) == 1
    changed = [result.corrupted.changed for result in sweep.results]
    assert changed[0] <= changed[-1]
    done = [progress.done / progress.total for progress in seen]
    assert done == sorted(done)
    assert done[-1] < 1
    alone = tried(bench, Corruption("pink", ("acc",), -5.0))
    np.testing.assert_array_equal(alone.probabilities, sweep.results[-1].probabilities)


def figures(changed: float, macro_f1: float, is_test: bool) -> LiveFigures:
    return LiveFigures(10, 0, 0.0, changed, 0.5, 10, is_test, macro_f1, macro_f1, macro_f1)


@pytest.mark.parametrize(
    ("is_test", "found"), [(True, 0.0), (False, 5.0)], ids=["by macro F1", "by changes"]
)
def test_a_sweep_tells_from_where_on_removal_is_better(
    bench: Any, is_test: bool, found: float
) -> None:
    one = tried(bench, Corruption("noise", ("acc",), 20.0))
    removed = figures(0.2, 0.7, is_test)
    noisy = [(20.0, 0.3, 0.6), (10.0, 0.1, 0.8), (5.0, 0.3, 0.75), (0.0, 0.4, 0.5)]
    results = tuple(
        replace(
            one,
            corruptions=(Corruption("noise", ("acc",), strength),),
            corrupted=figures(changed, score, is_test),
            removed=removed,
        )
        for strength, changed, score in noisy
    )
    assert Sweep(results).better_without_db == found
    assert Sweep(results[:2]).better_without_db is None


def test_what_cannot_be_tried_is_refused_in_words(bench: Any) -> None:
    saved, recording, clean = bench
    noise = Corruption("noise", ("acc",))
    with pytest.raises(DataError, match="no window has a signal of acc"):
        tried(bench, replace(noise, start_s=1e4))
    with pytest.raises(ConfigError, match="no ratio of signal to noise for flat line on acc"):
        sweep_noise(saved, recording, Corruption("flat", ("acc",)), clean, RunContext())
    with pytest.raises(ModelError, match="another model"):
        tried((saved, recording, replace(clean, modalities=("gyro", "acc"))), noise)
    predict = saved.config.predict.model_copy(update={"adapt_to_subject": True})
    adapted = replace(saved, config=saved.config.model_copy(update={"predict": predict}))
    with pytest.raises(ModelError, match="adapts its scaling to the person"):
        tried((adapted, recording, clean), noise)
    with pytest.raises(ModelError, match="knows no classes"):
        tried((replace(saved, classifier=None), recording, clean), noise)


def test_it_can_be_stopped(bench: Any) -> None:
    context = RunContext(should_stop=lambda: True)
    with pytest.raises(Cancelled):
        score_corrupted(*bench[:2], [Corruption("noise", ("acc",))], bench[2], context)
