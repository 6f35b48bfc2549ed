"""An estimate counts what a run does, multiplied by what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core import estimate as module
from core.config import RunConfig, load_run_file, make_config
from core.errors import CrosslError, DataError
from core.estimate import (
    Estimate,
    StudySize,
    estimate_run,
    estimate_seconds,
    guessed_size,
    rough_time,
)
from core.model import ModalityShape
from core.progress import Cancelled, Progress, RunContext
from core.training_plan import PlannedRecording, plan_training

SHAPES = (ModalityShape("acc", 2, 20.0, 40), ModalityShape("gyro", 1, 20.0, 40))
SIZE = StudySize(
    recordings=5,
    windows=1000,
    pretrain_windows=2000,
    labelled=500,
    classes=2,
    fold_shares=(0.8, 0.8),
)
SMALL = {
    "recordings": {"sources": [{"pattern": "{subject}.csv"}]},
    "windows": {"length_s": 2},
    "labels": {"kind": "column", "column": "activity", "classes": ["rest", "walk"]},
    "threads": 1,
    "device": "cpu",
    "model": {
        "preset": "fast",
        "encoder": {"code": 8, "widths": [4, 4, 4], "scales_s": [0.25], "latent_steps": 5},
        "aggregator": {"hidden": [8], "output": 8},
    },
    "pretrain": {"epochs": 10, "batch_size": 16, "loss": {"expander": [16]}},
    "evaluate": {"folds": 2, "budgets": [0.1, 1.0], "budget_seeds": 3, "opponents": []},
}


def config_with(**changes: Any) -> RunConfig:
    document = dict(SMALL)
    for key, value in changes.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    return make_config(document)


@pytest.fixture(autouse=True)
def _constant_times(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every measurement comes to round numbers, so that the counting can be checked; the work
    itself is not done, but in tests that ask for `measured`."""
    if "measured" in request.fixturenames:
        return
    trial = module._Trial
    monkeypatch.setattr(trial, "_step_s", lambda self, work, budget_s: 0.01)
    monkeypatch.setattr(trial, "_look_s", lambda self, work: 0.01)
    monkeypatch.setattr(trial, "_each_s", lambda self, work: work(torch.arange(2).numpy()) and 1e-3)
    monkeypatch.setattr(trial, "_encoding", lambda self, model: 1e-3)
    monkeypatch.setattr(trial, "_subsets", lambda self, model: 1e-4)
    monkeypatch.setattr(trial, "_line", lambda self, seconds_of: lambda labels: 1.0)


def stages(config: RunConfig, size: StudySize = SIZE, **more: Any) -> dict[str, float]:
    return dict(estimate_seconds(config, SHAPES, size, RunContext(), **more).stages)


def test_epochs_batches_folds_and_the_final_fit_are_multiplied_out() -> None:
    found = stages(config_with())
    # Two folds on 1600 windows, the final fit on 2000, in batches of 16; after each epoch 512
    # windows are looked at.
    batches = 100 + 100 + 125
    assert found["pretraining"] == pytest.approx(10 * (batches * 0.01 + 3 * 512 * 1e-3))
    assert found["encoding"] == pytest.approx(3 * 1000 * 1e-3)
    # A tenth of the labels three times and all of them once in each fold; the final fit.
    assert found["fine-tuning"] == pytest.approx(2 * (3 + 1) + 1)
    assert found["predictions"] == pytest.approx(2 * 1000 * 1e-4)
    more = stages(config_with(pretrain={"epochs": 30}))
    assert more["pretraining"] == pytest.approx(3 * found["pretraining"])


def test_a_pretraining_that_is_done_costs_nothing() -> None:
    whole, rest = stages(config_with()), stages(config_with(), pretraining_done=True)
    assert whole.keys() - rest.keys() == {"pretraining"}
    assert all(rest[name] == whole[name] for name in rest)


def test_every_opponent_that_takes_time_is_a_stage() -> None:
    everything = [
        "majority", "random_forest", "logistic_regression", "gradient_boosting", "supervised",
        "supervised_dropout", "random_encoders", "reference",
    ]  # fmt: skip
    found = stages(config_with(evaluate={"opponents": everything, "reference_epochs": 4}))
    assert set(everything) - set(found) == {"majority"}
    assert found["random_forest"] == pytest.approx(8.0)
    assert found["hand-made features"] == pytest.approx(2 * 1000 * 1e-3)
    # Half of 60 epochs; 40 labels are less than a batch of 64, 400 are more than six.
    tuning = 0.5 * 60 * 0.01 * 2 * (3 + 400 / 64)
    assert found["supervised"] == pytest.approx(tuning + (2 + 8) * 1000 * 1e-3)
    assert found["reference"] == pytest.approx(4 * 2 * (200 * 0.01 + 512e-3) + 2 + 8)


def test_dedicated_and_adapted_models_are_counted() -> None:
    plain = stages(config_with())
    dedicated = stages(config_with(robustness={"dedicated": True}))
    assert dedicated["fine-tuning"] == pytest.approx(plain["fine-tuning"] + 2 * 2)
    adapted = stages(config_with(evaluate={"adapt": True}))
    assert adapted["fine-tuning"] > 2 * plain["fine-tuning"]


def test_steps_that_are_left_out_take_no_time() -> None:
    only = stages(config_with(steps=["pretrain"]), size=guessed_size(config_with(), 10, ["a"]))
    assert set(only) == {"pretraining", "encoding"}
    untested = SIZE.__class__(**{**SIZE.__dict__, "fold_shares": ()})
    found = stages(config_with(steps=["pretrain", "finetune", "predict"]), untested)
    assert found["fine-tuning"] == 1.0
    assert "evaluation" not in found


def test_sizes_follow_from_subjects_and_grids() -> None:
    config = config_with(windows={"pretrain_hop_s": 0.5}, evaluate={"folds": 5})
    size = guessed_size(config, 100, ["a", "b", "c", "c"])
    assert (size.windows, size.pretrain_windows, size.recordings) == (100, 400, 4)
    assert size.fold_shares == pytest.approx((2 / 3,) * 3)
    assert size.final_share == 1.0
    locked = guessed_size(config_with(evaluate={"test_subjects": ["c"]}), 100, ["a", "b", "c", "c"])
    assert locked.fold_shares == (0.5,)
    assert locked.final_share == 0.5


def test_a_plan_tells_the_size_of_its_run() -> None:
    from core.study_labels import NS, StudyLabel, new_id

    def states(seconds: int) -> tuple[StudyLabel, ...]:
        return tuple(
            StudyLabel(new_id(), k * 10 * NS, (k + 1) * 10 * NS, ("rest", "walk")[k % 2], "state")
            for k in range(seconds // 10)
        )

    config = config_with(windows={"pretrain_hop_s": 1})
    recordings = [
        PlannedRecording(f"r{k}", f"s{k}", 60.0 * (1 + k), states(60)) for k in range(3)
    ] + [PlannedRecording("r3", "s3", 60.0)]
    plan = plan_training(config, recordings, ("rest", "walk"), 0.5)
    size = StudySize.of_plan(plan, config)
    assert (size.recordings, size.windows, size.pretrain_windows) == (4, 210, 420)
    assert (size.labelled, size.classes) == (90, 2)
    # s0 and s2 are tested in the first fold, s1 in the second; s3 is pretrained on in both.
    assert size.fold_shares == pytest.approx((90 / 210, 150 / 210))


def test_the_first_recording_tells_rates_and_channels(small_study: Any) -> None:
    config = load_run_file(small_study.run_file)
    shapes: list[tuple[ModalityShape, ...]] = []
    sizes: list[StudySize] = []
    opened: list[str] = []
    real, really_open = module.estimate_seconds, module.open_recording

    def noted(config: RunConfig, found: Any, size: StudySize, *rest: Any, **more: Any) -> Estimate:
        shapes.append(found)
        sizes.append(size)
        return real(config, found, size, *rest, **more)

    def open_noted(found: Any, *rest: Any) -> Any:
        opened.append(found.id)
        return really_open(found, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "estimate_seconds", noted)
        patch.setattr(module, "open_recording", open_noted)
        estimate = estimate_run(config, small_study.folder, RunContext())
    assert opened == ["s1"]
    assert [(s.name, s.channels, s.rate_hz, s.samples) for s in shapes[0]] == [
        ("acc", 2, 20.0, 40), ("gyro", 1, 20.0, 40),
    ]  # fmt: skip
    # Five files of nearly the same size, a minute each.
    assert sizes[0].windows == pytest.approx(150, abs=3)
    assert sizes[0].fold_shares == (0.5, 0.5)
    assert next(iter(estimate.stages)) == "reading"
    assert estimate.total_s == pytest.approx(sum(estimate.stages.values()))


def test_what_would_stop_the_run_stops_the_estimate(small_study: Any, tmp_path: Path) -> None:
    config = load_run_file(small_study.run_file)
    with pytest.raises(CrosslError):
        estimate_run(config, tmp_path, RunContext())
    missing = [{"name": "ecg", "channels": ["ECG"]}]
    small_study.document["modalities"] = missing
    small_study.write_run_file()
    with pytest.raises(DataError, match="ecg"):
        estimate_run(load_run_file(small_study.run_file), small_study.folder, RunContext())


def test_an_estimate_is_said_in_words() -> None:
    text = Estimate({"reading": 5.0, "pretraining": 700.0}).sentence()
    assert text.startswith("About 12 min, of which pretraining about 12 min.")
    assert "estimate" in text
    assert Estimate({}).sentence() == "There is nothing to do."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (40, "40 s"), (130, "2 min"), (5000, "83 min"), (7200, "2 h"),
     (12000, "3 h 20 min")],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert rough_time(seconds) == text


# ---------------------------------------------------------------- measuring itself


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure, but for a moment only."""
    monkeypatch.setattr(module, "MEASURED_S", 0.02)
    monkeypatch.setattr(module, "SHORTLY_S", 0.01)
    monkeypatch.setattr(module, "MANY_LABELS", 60)
    monkeypatch.setattr(module, "FEW_LABELS", 20)


@pytest.mark.parametrize(
    "finetune",
    [{}, {"head": "mlp", "epochs": 2, "context_windows": 1}, {"mode": "end_to_end"}],
    ids=["linear", "mlp with context", "end to end"],
)
def test_real_steps_are_measured(measured: None, finetune: dict[str, Any]) -> None:
    opponents = ["random_forest", "logistic_regression", "random_encoders", "supervised"]
    config = config_with(
        evaluate={"opponents": opponents, "reference_epochs": 1},
        finetune=finetune,
        robustness={"dedicated": "context_windows" not in finetune},
    )
    found = stages(config)
    assert set(opponents) < set(found)
    assert all(0 < seconds < 1e4 for seconds in found.values())


def test_measuring_can_be_stopped_at_every_try(measured: None) -> None:
    tries: list[Progress] = []
    config = config_with(evaluate={"opponents": ["random_forest", "gradient_boosting"]})
    estimate_seconds(config, SHAPES, SIZE, RunContext(tries.append))
    total = sum(bool(one.stage) for one in tries)
    assert total > 5
    for limit in (1, total // 2, total):
        seen: list[Progress] = []
        context = RunContext(seen.append, lambda seen=seen, limit=limit: len(seen) >= limit)
        with pytest.raises(Cancelled):
            estimate_seconds(config, SHAPES, SIZE, context)
        assert len(seen) == limit


def test_measuring_leaves_random_numbers_and_threads_alone(measured: None) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    estimate_seconds(config_with(), SHAPES, SIZE, RunContext())
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert torch.get_num_threads() == before[1]
