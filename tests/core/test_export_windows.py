"""Predictions become labels without overlap, tables, and Parquet that holds what the run kept."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from core.errors import ConfigError, OutputError
from core.export_windows import (
    METADATA_KEY,
    WindowsItem,
    WindowsOptions,
    bare_recording,
    existing_files,
    export_windows,
    grid_of,
    planned_files,
    states_of,
)
from core.label_files import WRITTEN, read_labels
from core.progress import Cancelled, Progress, RunContext
from core.run_results import RunResults
from core.study_labels import NS, make_grid
from core.window_store import RecordingWindows, write_windows
from core.window_view import make_view
from tests.core.test_window_store import CLASSES, make_windows


def sure_windows(
    classes: list[int], confidence: float = 0.9, hop_s: float = 2.0, length_s: float = 4.0
) -> RecordingWindows:
    """Windows that are predicted as given, all by the same confidence; -1: nothing present."""
    count = len(classes)
    made = make_windows(max(count, 6))
    probabilities = made.subsets.probabilities[:, :count].copy()
    for row, code in enumerate(classes):
        probabilities[:, row] = np.nan if code < 0 else (1 - confidence) / 2
        if code >= 0:
            probabilities[:, row, code] = confidence
    present = np.ones((count, 3), bool)
    present[np.array(classes) < 0] = False
    return replace(
        made,
        subsets=replace(made.subsets, probabilities=probabilities, present=present),
        starts_s=np.arange(count) * hop_s,
        length_s=length_s,
        labels=made.labels[:count],
        fold=made.fold[:count],
    )


def view_of(windows: RecordingWindows, threshold: float = 0.0):
    kept = tuple(range(len(windows.modalities)))
    return make_view(windows, kept, windows.labels, windows.held_out, threshold)


def spans(labels) -> list[tuple[float, float, str]]:
    return [(x.start_s, x.end_s, x.class_name) for x in labels.states]


@pytest.fixture
def results(tmp_path: Path) -> RunResults:
    """A run of two recordings, `n1` and `n2`."""
    folder = tmp_path / "run"
    for number, name in enumerate(("n1", "n2")):
        windows = make_windows(40, name, "anna", fold="0" if number else "final", seed=number)
        write_windows(folder / "windows" / f"{name}.safetensors", windows)
    (folder / "report.json").write_text(
        json.dumps({"classes": CLASSES, "modalities": ["acc", "gyro", "temp"]})
    )
    return RunResults(folder)


def items(*names: str) -> list[WindowsItem]:
    return [WindowsItem(bare_recording(name, "anna", 82.0)) for name in names or ("n1", "n2")]


# ---------------------------------------------------------------- labels


def test_overlapping_windows_hold_up_to_the_next_ones_start() -> None:
    grid = make_grid(12, 2)
    labels = states_of(view_of(sure_windows([0, 0, 1, 1])), "as_labelled", grid)
    assert spans(labels) == [(0, 2, "rest"), (2, 4, "rest"), (4, 6, "walk"), (6, 10, "walk")]
    assert {x.source for x in labels.states} == {"model"}
    assert labels.states[0].confidence == pytest.approx(0.9)


def test_neighbours_of_a_class_are_joined_with_their_mean_confidence_by_time() -> None:
    windows = sure_windows([0, 0, 1, 0], hop_s=4.0)
    windows.subsets.probabilities[0, 1] = (0.5, 0.3, 0.2)
    labels = states_of(view_of(windows), "intervals", make_grid(16, 4))
    assert spans(labels) == [(0, 8, "rest"), (8, 12, "walk"), (12, 16, "rest")]
    assert labels.states[0].confidence == pytest.approx(0.7)


def test_gaps_and_windows_without_an_answer_part_labels() -> None:
    windows = sure_windows([0, -1, 0, 0], hop_s=4.0)
    windows.starts_s[3] += 6.0
    labels = states_of(view_of(windows), "intervals", make_grid(30, 4))
    assert spans(labels) == [(0, 4, "rest"), (8, 12, "rest"), (18, 22, "rest")]


def test_unsure_windows_are_left_out() -> None:
    windows = sure_windows([0, 0, 1], hop_s=4.0)
    windows.subsets.probabilities[0, 1] = (0.5, 0.3, 0.2)
    labels = states_of(view_of(windows, threshold=0.6), "intervals", make_grid(12, 4))
    assert spans(labels) == [(0, 4, "rest"), (8, 12, "walk")]


def test_epochs_of_the_study_get_what_accepting_would_give_them() -> None:
    labels = states_of(view_of(sure_windows([0, 0, 1, 1])), "epochs", make_grid(10, 5))
    assert spans(labels) == [(0, 5, "rest"), (5, 10, "walk")]


@pytest.mark.parametrize("hop_s", [0.1, 1 / 3, 2.0])
def test_times_that_are_no_whole_numbers_never_overlap(hop_s: float) -> None:
    count = 3000
    windows = sure_windows([k % 2 for k in range(count)], hop_s=hop_s, length_s=hop_s)
    labels = states_of(view_of(windows), "as_labelled", make_grid(count * hop_s, 1))
    assert len(labels) == count
    same = sure_windows([1] * count, hop_s=hop_s, length_s=hop_s)
    joined = states_of(view_of(same), "intervals", make_grid(count * hop_s, 1))
    assert len(joined) == 1
    assert joined.states[0].end_ns == pytest.approx(count * hop_s * NS, abs=1e4)


def test_without_a_study_the_grid_is_that_of_the_windows() -> None:
    windows = sure_windows([0] * 10, hop_s=2.0)
    windows.starts_s[:] += 0.5
    grid = grid_of(windows, WindowsItem(bare_recording("n1", "a", 30.0)))
    assert grid.span(0) == (NS // 2, NS // 2 + 2 * NS)
    own = grid_of(windows, WindowsItem(bare_recording("n1", "a", 30.0, 1.0), epoch_s=5.0))
    assert own.span(0) == (NS, 6 * NS)


@pytest.mark.parametrize("label_format", WRITTEN)
def test_every_label_format_takes_predictions(
    label_format: str, results: RunResults, tmp_path: Path
) -> None:
    options = WindowsOptions(label_format=label_format, states="as_labelled")
    files = export_windows(results, items(), tmp_path / "out", options, "First")
    assert [file.error for file in files] == ["", ""]
    assert all(file.written for file in files)
    assert files[0].path.name.startswith("n1_First")
    back = read_labels(files[0].path, label_format, epoch_s=2.0)
    assert {x.text for x in back.labels} <= {*CLASSES, "?", *range(9)}
    windows = results.windows("n1")
    assert sum(x.text in CLASSES for x in back.labels) >= int((windows.predicted() >= 0).sum())


def test_confidence_and_rater_stand_in_the_table(results: RunResults, tmp_path: Path) -> None:
    options = WindowsOptions(states="as_labelled", threshold=0.7)
    (file, _) = export_windows(results, items(), tmp_path, options, "First")
    with file.path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    view = view_of(results.windows("n1"), 0.7)
    assert len(rows) == int((view.assigned >= 0).sum()) > 0
    assert {row["rater"] for row in rows} == {"First"}
    assert [row["label"] for row in rows] == [CLASSES[k] for k in view.assigned if k >= 0]
    assert float(rows[0]["confidence"]) >= 0.7


# ---------------------------------------------------------------- tables


def test_the_table_of_predictions_holds_labels_as_they_are_now(
    results: RunResults, tmp_path: Path
) -> None:
    def lay(windows: RecordingWindows) -> np.ndarray:
        return np.full(len(windows), 2)

    entry = replace(items("n2")[0], lay=lay)
    (file,) = export_windows(results, [entry], tmp_path, WindowsOptions("predictions"), "First")
    assert file.path.name == "n2_First_predictions.csv"
    with file.path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == file.labels == 40
    assert {row["label"] for row in rows} == {"run"}
    assert {row["fold"] for row in rows} == {"0"}
    assert rows[3]["present"] == "acc;gyro"


def test_predictions_of_fewer_modalities_say_so(results: RunResults, tmp_path: Path) -> None:
    options = WindowsOptions("predictions", kept=(0, 2))
    (file,) = export_windows(results, items("n1"), tmp_path, options, "First")
    assert "acc, temp alone" in file.findings[0].message
    with file.path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    expected = results.windows("n1").probabilities((0, 2))
    assert float(rows[0]["p_rest"]) == pytest.approx(expected[0, 0], abs=1e-6)
    assert rows[0]["present"] == "acc;temp"
    assert rows[0]["fragility"] == rows[0]["shapley_acc"] == ""


def test_a_subset_that_was_not_asked_is_told(results: RunResults, tmp_path: Path) -> None:
    windows = results.windows("n1")
    plan = replace(windows.subsets.plan, kept=windows.subsets.plan.kept[:1])
    few = replace(windows.subsets, plan=plan, probabilities=windows.subsets.probabilities[:1])
    write_windows(results.path_of("n1"), replace(windows, subsets=few))
    options = WindowsOptions("predictions", kept=(0,))
    first, second = export_windows(results, items(), tmp_path, options, "First")
    assert "did not ask what acc alone" in first.error
    assert second.written


# ---------------------------------------------------------------- Parquet


def test_parquet_holds_every_window_with_its_numbers(results: RunResults, tmp_path: Path) -> None:
    options = WindowsOptions("embeddings", with_codes=True)
    (file,) = export_windows(results, items(), tmp_path, options, "First")
    assert file.path == tmp_path / "First_embeddings.parquet"
    assert (file.labels, file.error) == (80, "")
    windows = results.windows("n2")
    found = duckdb.sql(
        f"SELECT * FROM '{file.path}' WHERE recording = 'n2' ORDER BY start_s"
    ).fetchnumpy()
    np.testing.assert_allclose(found["start_s"], windows.starts_s)
    np.testing.assert_allclose(found["end_s"], windows.starts_s + 4.0)
    got = np.stack([np.ma.filled(found[f"embedding_{k}"], np.nan) for k in range(1, 6)], 1)
    np.testing.assert_array_equal(got, windows.embedding)
    got = np.stack([np.ma.filled(found[f"p_{name}"], np.nan) for name in CLASSES], 1)
    np.testing.assert_array_equal(got, windows.subsets.full)
    assert list(found["fold"]) == ["0"] * 40
    assert found["present_temp"][3] == np.False_
    assert np.ma.getmaskarray(found["z_temp_1"])[3]  # absent, not zero
    np.testing.assert_array_equal(found["z_acc_2"][:3], windows.z[:3, 0, 1])
    nothing = duckdb.sql(
        f"SELECT predicted, confidence, p_rest FROM '{file.path}' "
        "WHERE recording = 'n1' AND start_s = 10"
    ).fetchall()
    assert nothing == [(None, None, None)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_parquet_says_what_its_columns_mean(results: RunResults, tmp_path: Path) -> None:
    options = WindowsOptions("embeddings")
    (file,) = export_windows(results, items("n1"), tmp_path, options, 'It\'s "mine"')
    assert file.path.name == "n1_It_s_mine__embeddings.parquet"
    (key, value), *_ = duckdb.sql(
        f"SELECT key, value FROM parquet_kv_metadata('{file.path}')"
    ).fetchall()
    assert key.decode() == METADATA_KEY
    document = json.loads(value)
    assert document["run"] == 'It\'s "mine"'
    assert document["classes"] == list(CLASSES)
    assert document["columns"]["embedding"] == [f"embedding_{k}" for k in range(1, 6)]
    assert document["columns"]["probabilities"] == ["p_rest", "p_walk", "p_run"]
    names = [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{file.path}'").fetchall()]
    assert names == [name for group in document["columns"].values() for name in group]
    assert str(tmp_path) not in value.decode()


def test_names_that_differ_in_case_alone_or_hold_quotes_get_columns_of_their_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    windows = replace(make_windows(8, "n1"), classes=("rest", "Rest", 'a"b'))
    write_windows(folder / "windows" / "n1.safetensors", windows)
    (folder / "report.json").write_text(json.dumps({"classes": list(windows.classes)}))
    (file,) = export_windows(
        RunResults(folder), items("n1"), tmp_path, WindowsOptions("embeddings"), "First"
    )
    names = duckdb.sql(f"SELECT * FROM '{file.path}'").columns
    assert {"p_rest", "p_Rest_2", 'p_a"b'} <= set(names)


def test_windows_of_another_model_are_left_out_with_a_word(
    results: RunResults, tmp_path: Path
) -> None:
    other = replace(make_windows(8, "n2"), classes=("a", "b", "c"))
    write_windows(results.path_of("n2"), other)
    (file,) = export_windows(results, items(), tmp_path, WindowsOptions("embeddings"), "First")
    assert file.labels == 40
    assert "n2 is left out" in file.findings[0].message
    results.path_of("n1").unlink()
    results.path_of("n2").unlink()
    (file,) = export_windows(
        results, items(), tmp_path / "x", WindowsOptions("embeddings"), "First"
    )
    assert not file.written
    assert "no such file" in file.error
    assert list((tmp_path / "x").iterdir()) == []


# ---------------------------------------------------------------- files


def test_nothing_is_replaced_unless_told_to(results: RunResults, tmp_path: Path) -> None:
    for options in (WindowsOptions(), WindowsOptions("predictions"), WindowsOptions("embeddings")):
        planned = planned_files(items(), tmp_path, options, "First")
        assert existing_files(items(), tmp_path, options, "First") == ()
        export_windows(results, items(), tmp_path, options, "First")
        assert existing_files(items(), tmp_path, options, "First") == planned
        with pytest.raises(OutputError, match="there already"):
            export_windows(results, items(), tmp_path, options, "First")
        export_windows(results, items(), tmp_path, options, "First", force=True)


def test_names_that_cannot_be_are_refused_first(results: RunResults, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        planned_files(items(), tmp_path, WindowsOptions(naming="{night}"), "First")


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(
    results: RunResults, tmp_path: Path
) -> None:
    results.path_of("n1").write_bytes(b"?")
    for form in ("labels", "predictions"):
        first, second = export_windows(
            results, items(), tmp_path, WindowsOptions(form), "First", force=True
        )
        assert "damaged" in first.error
        assert second.written


@pytest.mark.parametrize("form", ["labels", "predictions", "embeddings"])
def test_stopping_leaves_no_half_file(form: str, results: RunResults, tmp_path: Path) -> None:
    seen: list[Progress] = []
    context = RunContext(seen.append, lambda: len(seen) > 1)
    with pytest.raises(Cancelled):
        export_windows(
            results, items(), tmp_path / "out", WindowsOptions(form), "First", context=context
        )
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert len(left) == (form != "embeddings")


def test_a_folder_that_cannot_be_written_is_told(results: RunResults, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for form in ("labels", "predictions", "embeddings"):
        with pytest.raises(OutputError):
            export_windows(results, items(), tmp_path / "file" / "x", WindowsOptions(form), "First")
