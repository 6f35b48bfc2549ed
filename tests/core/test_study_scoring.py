"""Recordings are scored one by one with a run's model; what the run predicted itself stays."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import load_run_file
from core.errors import DataError, ModelError, RecordingError
from core.find_recordings import FoundFile, FoundRecording, open_recording
from core.progress import Cancelled, Progress, RunContext
from core.run_results import RunResults
from core.study_scoring import (
    ToScore,
    items_of_files,
    predicted_by_run,
    score_files_with_run,
    score_study_recordings,
    scored_entries,
    scored_recordings,
    summarise,
)
from core.window_store import FINAL
from tests.core.test_window_store import make_windows


@pytest.fixture
def run(finished_run: Any, tmp_path: Path) -> Path:
    """A copy of a finished run, free to be written into."""
    folder = tmp_path / "run"
    shutil.copytree(finished_run[1], folder)
    return folder


@pytest.fixture
def new(small_study: Any) -> Any:
    """A study with two recordings, `anna` and `bert`, that the run has never seen."""
    for path in small_study.folder.glob("*.csv"):
        path.unlink()
    small_study.write("anna", 42)
    small_study.write("bert", 43)
    return small_study


def to_score(study: Any, name: str, path: Path | None = None) -> ToScore:
    config = load_run_file(study.run_file).recordings
    file = FoundFile("main", path or study.folder / f"{name}.csv", config.sources[0], ("activity",))
    found = FoundRecording(name, name, {}, (file,))
    return ToScore(name, name, found, partial(open_recording, found, config))


def test_scored_recordings_lie_in_the_run_beside_its_own(run: Path, new: Any) -> None:
    before = {path.name: path.read_bytes() for path in (run / "windows").iterdir()}
    told = []
    results = score_study_recordings(
        run, [to_score(new, "anna"), to_score(new, "bert")], RunContext(), done=told.append
    )
    assert [(x.name, x.state) for x in results] == [("anna", "scored"), ("bert", "scored")]
    assert told == results
    summary = results[0].summary
    assert summary is not None
    assert summary.windows == summary.answered == 30
    assert sum(summary.shares.values()) == pytest.approx(1.0)
    assert 0.5 < summary.confidence <= 1.0
    windows = RunResults(run).windows("anna")
    assert set(windows.fold) == {FINAL}
    truth = np.array([start // 10 % 2 for start in windows.starts_s])
    assert (windows.predicted() == truth).mean() > 0.9
    assert (run / "predictions" / "anna.csv").is_file()
    assert set(scored_entries(run)) == {"anna", "bert"} == set(RunResults(run).scored)
    for name, content in before.items():
        assert (run / "windows" / name).read_bytes() == content
    again = scored_recordings(run)
    assert [(x.name, x.state, x.summary) for x in again] == [
        (x.name, x.state, x.summary) for x in results
    ]


def test_what_the_run_predicted_itself_is_left_alone(run: Path, finished_run: Any) -> None:
    study = finished_run[0]
    before = (run / "windows" / "s1.safetensors").read_bytes()
    assert predicted_by_run(run) == {"s1", "s2", "s3", "s4", "s5"}
    (result,) = score_study_recordings(run, [to_score(study, "s1")], RunContext())
    assert result.state == "predicted already"
    assert "itself" in result.error
    assert (run / "windows" / "s1.safetensors").read_bytes() == before
    assert not scored_entries(run)


def test_windows_of_a_fold_are_left_alone_whatever_the_list_says(
    run: Path, finished_run: Any
) -> None:
    (run / "scored.json").write_text(json.dumps({"s1": {"id": "s1", "status": "ok"}}))
    (result,) = score_study_recordings(run, [to_score(finished_run[0], "s1")], RunContext())
    assert result.state == "predicted already"


def test_a_recording_that_was_scored_can_be_scored_again(run: Path, new: Any) -> None:
    item = to_score(new, "anna")
    score_study_recordings(run, [item], RunContext())
    assert "anna" not in predicted_by_run(run)
    (result,) = score_study_recordings(run, [item], RunContext())
    assert result.state == "scored"


def test_one_that_fails_does_not_stop_the_others(run: Path, new: Any) -> None:
    def gone() -> Any:
        raise RecordingError("gone.csv: there is no such file.")

    bad = to_score(new, "gone")
    bad = ToScore("gone", "gone", bad.found, gone)
    strange = new.folder / "strange.csv"
    strange.write_text("time,a,b\n" + "".join(f"{k / 20},{k % 7},{k % 5}\n" for k in range(400)))
    items = [bad, to_score(new, "strange", strange), to_score(new, "anna")]
    results = score_study_recordings(run, items, RunContext())
    assert [x.state for x in results] == ["failed", "failed", "scored"]
    assert "no such file" in results[0].error
    assert results[1].error
    assert scored_entries(run)["gone"]["status"] == "failed"
    assert not RunResults(run).has("gone")


def test_a_failure_does_not_hide_what_was_scored_before(run: Path, new: Any) -> None:
    score_study_recordings(run, [to_score(new, "anna")], RunContext())

    def gone() -> Any:
        raise RecordingError("anna.csv: there is no such file.")

    item = ToScore("anna", "anna", to_score(new, "anna").found, gone)
    (result,) = score_study_recordings(run, [item], RunContext())
    assert result.state == "failed"
    assert scored_entries(run)["anna"]["status"] == "ok"
    assert RunResults(run).has("anna")


def test_too_little_memory_fails_the_recording_and_no_more(
    run: Path, new: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import scoring

    right = scoring.score_recordings

    def short(saved: Any, model: Any, found: Any, *more: Any, **options: Any) -> None:
        if found[0][0].id == "anna":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 GB")
        right(saved, model, found, *more, **options)

    monkeypatch.setattr(scoring, "score_recordings", short)
    results = score_study_recordings(
        run, [to_score(new, "anna"), to_score(new, "bert")], RunContext()
    )
    assert [x.state for x in results] == ["failed", "scored"]
    assert "memory" in results[0].error


def test_stopping_keeps_what_is_done(run: Path, new: Any) -> None:
    seen: list[Progress] = []

    def stop() -> bool:
        return any(progress.stage == "scoring bert" for progress in seen)

    told = []
    with pytest.raises(Cancelled):
        score_study_recordings(
            run,
            [to_score(new, "anna"), to_score(new, "bert")],
            RunContext(seen.append, stop),
            done=told.append,
        )
    assert [x.name for x in told] == ["anna"]
    assert set(scored_entries(run)) == {"anna"}
    assert RunResults(run).has("anna")
    assert not RunResults(run).has("bert")
    last = seen[-1]
    assert (last.values["recording"], last.values["recordings"]) == (1.0, 2.0)


def test_files_outside_of_the_study_get_names_of_their_own(
    run: Path, new: Any, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    same = shutil.copy(new.folder / "anna.csv", elsewhere / "s1.csv")
    (result,) = score_files_with_run(run, [Path(same)], RunContext())
    assert (result.name, result.state) == ("s1_2", "scored")
    assert RunResults(run).windows("s1").held_out.any()
    # The same file again is the same recording, another one is not.
    assert [x.name for x in items_of_files(run, [Path(same)])] == ["s1_2"]
    other = tmp_path / "other"
    other.mkdir()
    moved = shutil.copy(same, other / "s1.csv")
    assert [x.name for x in items_of_files(run, [Path(moved)])] == ["s1_3"]
    with pytest.raises(DataError, match="no files"):
        items_of_files(run, [])


def test_recordings_unlike_the_training_data_are_said_to_be(run: Path, new: Any) -> None:
    loud = new.signals(42)
    new.write("anna", 42, ax=loud["ax"] * 1e4, ay=loud["ay"] * 1e4)
    (result,) = score_study_recordings(run, [to_score(new, "anna")], RunContext())
    assert any("unlike" in finding for finding in result.findings)


def test_a_model_without_classes_is_refused(run: Path, new: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.json"):
        score_study_recordings(tmp_path, [to_score(new, "anna")], RunContext())
    pretrained = tmp_path / "pretrained"
    assert new.run(pretrained, "--set", 'steps=["pretrain"]') == 0
    with pytest.raises(ModelError, match="pretrained only"):
        score_study_recordings(pretrained, [to_score(new, "anna")], RunContext())


def test_a_damaged_list_is_refused_in_words(run: Path) -> None:
    (run / "scored.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        scored_entries(run)


def test_a_summary_counts_only_windows_with_an_answer() -> None:
    windows = make_windows(20)
    summary = summarise(windows, threshold=0.6)
    assert (summary.windows, summary.answered) == (20, 19)
    best = np.delete(windows.subsets.full, 5, axis=0).max(axis=1)  # 5: nothing is present
    assert summary.unsure == pytest.approx((best < 0.6).mean())
    assert summary.confidence == pytest.approx(best.mean())
