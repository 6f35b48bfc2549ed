"""Run files: defaults, presets, `--set`, and every wrong key named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config import (
    RunConfig,
    dump_config,
    load_model_preset,
    load_run_file,
    make_config,
)
from core.errors import ConfigError


def minimal(**more: Any) -> dict[str, Any]:
    return {
        "recordings": {"sources": [{"pattern": "{subject}.csv"}]},
        "windows": {"length_s": 2},
        **more,
    }


def message(document: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        make_config(document)
    return str(caught.value)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(minimal()))
    return path


def test_a_minimal_run_file_gets_all_steps_and_the_recommended_preset() -> None:
    config = make_config(minimal())
    assert config.steps == ["pretrain", "finetune", "evaluate", "predict", "robustness"]
    assert config.model.preset == "recommended"
    assert config.windows.step_s == 2


@pytest.mark.parametrize(
    ("changes", "path", "right"),
    [
        ({"pretrian": {}}, "pretrian", "pretrain"),
        ({"pretrain": {"epoch": 3}}, "pretrain.epoch", "epochs"),
        ({"pretrain": {"loss": {"invarience": 3}}}, "pretrain.loss.invarience", "invariance"),
        ({"finetune": {"form": "x"}}, "finetune.form", "from"),
        ({"evaluate": {"fold": 3}}, "evaluate.fold", "folds"),
        ({"model": {"encoder": {"kernl": 3}}}, "model.encoder.kernl", "kernel"),
        ({"windows": {"length_s": 2, "hopp_s": 1}}, "windows.hopp_s", "hop_s"),
        (
            {"labels": {"kind": "column", "column": "x", "clases": []}},
            "labels.clases",
            "classes",
        ),
        (
            {"labels": {"kind": "table", "pattern": "x", "time_column": "t", "label_colum": "l"}},
            "labels.label_colum",
            "label_column",
        ),
        (
            {"modalities": [{"name": "a", "channels": ["x"], "rat_hz": 3}]},
            "modalities.0.rat_hz",
            "rate_hz",
        ),
        (
            {"modalities": [{"name": "a", "channels": [{"mach": ["x"]}]}]},
            "modalities.0.channels.0.mach",
            "match",
        ),
        (
            {"recordings": {"sources": [{"pattern": "x", "csv": {"seperator": ";"}}]}},
            "recordings.sources.0.csv.seperator",
            "separator",
        ),
        ({"pretrain": {"masking": [{"stratgy": "spatial"}]}}, "masking.0.stratgy", "strategy"),
    ],
)
def test_a_wrong_key_is_named_by_its_path_with_the_nearest_right_one(
    changes: dict[str, Any], path: str, right: str
) -> None:
    said = message(minimal(**changes))
    assert path in said
    assert f"did you mean '{right}'" in said


LISTED = {"id": "a", "subject": "s", "files": {"sp": "x.csv"}}


def listing(*changes: dict[str, Any], sources: int = 1, **more: Any) -> dict[str, Any]:
    """A run file whose recordings are listed, one for each change to the usual entry."""
    listed = [{**LISTED, **change} for change in changes]
    recordings = {"sources": [{"name": "main"}] * sources, "listed": listed, **more}
    return minimal(recordings=recordings)


def test_listed_recordings_take_the_place_of_patterns() -> None:
    config = make_config(listing({}, {"id": "b", "files": {"sw": {"path": "y", "source": "main"}}}))
    assert [entry.id for entry in config.recordings.listed or ()] == ["a", "b"]
    first, second = config.recordings.listed or ()
    assert first.files["sp"].path == "x.csv"
    assert config.recordings.source_of("sp", first.files["sp"]).name == "main"
    assert config.recordings.source_of("sw", second.files["sw"]).name == "main"
    assert make_config(dump_config(config)) == config
    # As a model keeps it.
    assert make_config(listing()).recordings.listed == []


def test_a_listed_file_is_read_like_the_source_it_names_or_of_its_name_or_the_first() -> None:
    files = {"sp": "1", "sw": "2", "other": {"path": "3", "source": "sw"}}
    document = listing({"files": files})
    document["recordings"]["sources"] = [{"name": "main"}, {"name": "sw"}]
    recordings = make_config(document).recordings
    (entry,) = recordings.listed or ()
    names = {name: recordings.source_of(name, file).name for name, file in entry.files.items()}
    assert names == {"sp": "main", "sw": "sw", "other": "sw"}


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (listing({}, {"id": "A"}), "recordings.listed.1.id: 'A' is not told from 'a'"),
        (listing({"id": "a b"}), "recordings.listed.0.id: an id is used as a file name; write it "
         "as 'a_b'"),
        (listing({"id": "../a"}), "recordings.listed.0.id"),
        (listing({"id": "NUL"}), "write it as 'NUL_'"),
        (listing({"id": "x" * 201}), "longer than 200"),
        (listing({"id": ""}), "recordings.listed.0.id"),
        (listing({"subject": ""}), "recordings.listed.0.subject"),
        (listing({"files": {}}), "recordings.listed.0.files"),
        (listing({"files": {"sp": {"pth": "x"}}}), "did you mean 'path'"),
        (
            listing({"files": {"sp": {"path": "x", "source": "mian"}}}),
            "recordings.listed.0.files.sp.source: no entry of `sources` is called 'mian'; did you "
            "mean 'main'",
        ),
        (listing({"files": {"main": "x"}}, sources=2), "2 entries of `sources` are called 'main'"),
        (minimal(recordings={"sources": [{"pattern": "x"}, {}]}),
         "recordings.sources.1.pattern: this key is required"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_meant_is_refused(document: dict[str, Any], part: str) -> None:
    assert part in message(document)


def test_a_modality_that_is_bad_somewhere_must_be_one_of_those_listed() -> None:
    exclude = [{"recording": "*"}, {"recording": "*", "modality": "gryo"}]
    recordings = {"sources": [{"pattern": "x"}], "exclude": exclude}
    listed = [{"name": "gyro", "channels": ["gx"]}]
    said = message(minimal(recordings=recordings, modalities=listed))
    assert "recordings.exclude.1.modality: there is no modality 'gryo'; did you mean 'gyro'" in said
    config = make_config(minimal(recordings=recordings))  # a preset is known only with recordings
    assert [entry.whole for entry in config.recordings.exclude] == [True, False]


def test_every_wrong_key_and_value_is_named_at_once() -> None:
    said = message(
        minimal(
            pretrain={"epochs": 0, "bach_size": 4},
            evaluate={"fold": 3},
            seed="no",
        )
    )
    for part in ("4 things", "pretrain.epochs", "batch_size", "evaluate.fold", "seed"):
        assert part in said
    assert "\n" not in said


def test_a_key_like_no_other_lists_those_that_there_are() -> None:
    said = message(minimal(windows={"length_s": 2, "qqqq": 1}))
    assert "windows.qqqq" in said
    assert "pretrain_hop_s" in said


def test_a_key_that_is_required_is_named() -> None:
    assert "windows: this key is required" in message({"recordings": {"sources": [{}]}})
    said = message({"recordings": {"sources": [{}]}, "windows": {"length_s": 1}})
    assert "recordings.sources.0.pattern: this key is required" in said


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"device": "gpu"}, "device"),
        ({"steps": ["pretrain", "fly"]}, "steps.1"),
        ({"steps": []}, "steps"),
        ({"windows": {"length_s": 0}}, "windows.length_s"),
        ({"windows": {"length_s": float("nan")}}, "windows.length_s"),
        ({"windows": {"length_s": 1e400}}, "windows.length_s"),
        ({"labels": {"kind": "colunm", "column": "x"}}, "labels"),
        (
            {"labels": {"kind": "column", "column": "x", "classes": ["a", "b", "a"]}},
            "labels.classes: class named twice: a",
        ),
        (
            {"labels": {"kind": "column", "column": "x", "classes": ["a", " "]}},
            "labels.classes: a class needs a name",
        ),
        ({"seed": -1}, "seed"),
        ({"schema_version": 2}, "schema_version"),
        ({"modalities": []}, "empty"),
        ({"modalities": [{"name": "a/b", "channels": ["x"]}]}, "modalities.0.name"),
        (
            {"modalities": [{"name": "a", "channels": ["x"]}, {"name": "a", "channels": ["y"]}]},
            "named twice: a",
        ),
        (
            {
                "modalities": [
                    {"name": "a", "channels": ["x"], "filter": {"low_hz": 9, "high_hz": 3}}
                ]
            },
            "low_hz must be below high_hz",
        ),
        ({"evaluate": {"budgets": [0]}}, "evaluate.budgets.0"),
        ({"recordings": {"sources": []}}, "recordings.sources"),
        ({"pretrain": {"masking": []}}, "pretrain.masking"),
        ({"model": {"preset": "best"}}, "recommended"),
        ({"model": {"preset": 3}}, "preset"),
        ({"model": "fast"}, "model"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_found(changes: dict[str, Any], part: str) -> None:
    assert part in message(minimal(**changes))


def test_the_run_file_lies_over_its_preset_key_by_key() -> None:
    preset = load_model_preset("reference")
    config = make_config(minimal(model={"preset": "reference"}, pretrain={"epochs": 3}))
    assert config.pretrain.epochs == 3
    assert config.pretrain.batch_size == preset["pretrain"]["batch_size"]
    assert config.model.encoder.kind == "reference"
    assert config.pretrain.strict_masks is False


@pytest.mark.parametrize("name", ["recommended", "reference", "fast"])
def test_every_model_preset_makes_a_valid_config(name: str) -> None:
    assert make_config(minimal(model={"preset": name})).model.preset == name


def test_every_example_run_file_is_valid(repository: Path) -> None:
    files = sorted((repository / "resources/examples").glob("*.json"))
    files.append(repository / "resources/sample_study/run.json")
    assert len(files) >= 4
    for path in files:
        assert isinstance(load_run_file(path), RunConfig)


def test_a_dumped_config_is_a_run_file_that_means_the_same() -> None:
    config = make_config(
        minimal(finetune={"from": "m"}, model={"preset": "reference"}, modalities="sleep")
    )
    dumped = json.loads(json.dumps(dump_config(config)))
    assert dumped["finetune"]["from"] == "m"
    assert make_config(dumped) == config


@pytest.mark.parametrize(
    ("assignment", "found"),
    [
        ("pretrain.epochs=7", lambda c: c.pretrain.epochs == 7),
        ("name=a=b", lambda c: c.name == "a=b"),
        ("evaluate.budgets=[0.5]", lambda c: c.evaluate.budgets == [0.5]),
        ("recordings.sources.0.name=watch", lambda c: c.recordings.sources[0].name == "watch"),
        ("finetune.calibrate=false", lambda c: c.finetune.calibrate is False),
        ("model.preset=reference", lambda c: c.pretrain.batch_size == 8),
        ("finetune.from=models/a", lambda c: c.finetune.start_from == "models/a"),
        ("threads=null", lambda c: c.threads is None),
    ],
)
def test_set_changes_a_value_before_the_preset_is_chosen(
    run_file: Path, assignment: str, found: Any
) -> None:
    assert found(load_run_file(run_file, [assignment]))


def test_a_later_set_wins(run_file: Path) -> None:
    assert load_run_file(run_file, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("assignment", "part"),
    [
        ("pretrain.epochs", "key.key=value"),
        ("=3", "key.key=value"),
        ("pretrain.epoch=3", "did you mean 'epochs'"),
        ("recordings.sources.5.name=x", "'5' is not one of the 1 entries"),
        ("recordings.sources.name=x", "'name' is not one of the 1 entries"),
        ("windows.length_s.x=3", "lies below a value"),
        ("windows..length_s=3", "windows"),
        ("seed=", "seed"),
        ("seed=1e3", "seed"),
    ],
)
def test_a_wrong_set_is_refused(run_file: Path, assignment: str, part: str) -> None:
    if assignment == "seed=1e3":
        assert load_run_file(run_file, [assignment]).seed == 1000  # a whole number all the same
        return
    with pytest.raises(ConfigError) as caught:
        load_run_file(run_file, [assignment])
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "not valid JSON"),
        (b'{"a": 1,}', "line 1"),
        (b"[1]", "one JSON object"),
        (b"null", "one JSON object"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b'{"seed": 1, "seed": 2}', "'seed' stands twice"),
        (b'{"windows": {"length_s": NaN}}', "length_s"),
    ],
)
def test_a_file_that_is_no_run_file_is_refused_by_name(
    tmp_path: Path, content: bytes, part: str
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_run_file(path)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such run file"):
        load_run_file(tmp_path / "run.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_run_file(tmp_path)


def test_a_run_file_with_a_byte_order_mark_is_read(run_file: Path) -> None:
    run_file.write_text(run_file.read_text(), encoding="utf-8-sig")
    assert load_run_file(run_file).windows.length_s == 2


def test_deeply_nested_json_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError):
        load_run_file(path)


def test_something_endless_is_no_run_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: its zeros take no room
    with pytest.raises(ConfigError, match="far too large"):
        load_run_file(path)
