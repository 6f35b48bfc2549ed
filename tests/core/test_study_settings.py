"""The settings of a study as text: checked in words, with every key of the run file explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.study_plan import engine_of_run_file
from core.study_settings import (
    check_engine,
    engine_keys,
    engine_text,
    make_exclusions,
    modalities_in_labels,
    modality_names,
    parse_engine,
    put_in,
    recordings_of_settings,
)
from tests.core.study_makers import label, make_study, put

ENGINE = {"model": {"preset": "fast"}, "seed": 3, "windows": {"length_s": 30}, "modalities": "auto"}


def test_the_text_holds_all_but_what_has_a_page_of_its_own():
    text = engine_text(ENGINE)
    assert parse_engine(text) == {"model": {"preset": "fast"}, "seed": 3}
    assert parse_engine("  \n") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"seed": 3', "Line 1, column 11: Expecting ',' delimiter."),
        ("[1]", "one JSON object in braces"),
        ('{"seed": 1, "seed": 2}', "The key 'seed' stands twice"),
        ('{"windows": {"length_s": 4}}', "'windows' has a page of its own"),
        ('{"labels": null}', "'labels' is said by the study itself"),
        ('{"name": "x"}', "'name' is said by the study itself"),
        ('{"pretrain": {"epoch": 3}}', "pretrain.epoch: there is no such key; did you mean 'epoc"),
        ('{"pretrain": {"epochs": 0}}', "pretrain.epochs: Input should be greater than or equal"),
        ('{"model": {"preset": "huge"}}', "model.preset: there is no preset 'huge'; there are "),
        ('{"seed": NaN}', "seed: "),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_is_said_in_words(text: str, words: str):
    with pytest.raises(ConfigError) as caught:
        parse_engine(text)
    assert words in str(caught.value)
    assert "study settings" not in str(caught.value)


def test_every_key_is_there_with_what_counts_and_what_it_may_be():
    keys = {key.path: key for key in engine_keys({"model": {"preset": "fast"}, "seed": 3})}
    assert keys["seed"].value == "3"
    assert keys["seed"].allowed == "whole number, at least 0, below 2147483648"
    assert keys["device"].allowed == 'one of "auto", "cpu", "cuda", "mps"'
    assert keys["threads"].allowed == "whole number, at least 1; or null"
    assert keys["model.encoder"].is_group
    assert keys["model.encoder.code"].about == "Numbers in a modality's embedding."
    # A preset's values count where nothing else is said.
    preset = check_engine({"model": {"preset": "fast"}})
    assert keys["model.encoder.code"].value == str(preset.model.encoder.code)
    assert keys["finetune.from"].value == "null"
    assert keys["pretrain.masking[].keep"].allowed == "number, above 0, at most 1"
    assert not keys["pretrain.masking[].keep"].can_be_put_in
    assert not {"windows", "modalities", "recordings", "labels", "name"} & set(keys)
    groups = {path.rpartition(".")[0].removesuffix("[]") for path in keys} - {""}
    assert groups <= set(keys)


def test_a_key_is_put_in_with_what_counts_and_replaces_nothing():
    keys = {key.path: key for key in engine_keys()}
    document = {"model": {"preset": "fast"}}
    changed = put_in(document, keys["model.encoder.dropout"])
    assert changed == {"model": {"preset": "fast", "encoder": {"dropout": 0.0}}}
    assert document == {"model": {"preset": "fast"}}
    assert put_in({"seed": 7}, keys["seed"]) == {"seed": 7}
    for key in keys.values():
        if key.can_be_put_in:
            check_engine(put_in({}, key))


def test_the_engine_of_a_run_file_is_taken_without_the_rest(small_study, tmp_path: Path):
    small_study.document["finetune"] = {"from": "../models/first"}
    small_study.document["steps"] = ["finetune", "evaluate"]
    small_study.write_run_file()
    engine = engine_of_run_file(small_study.run_file)
    kept = ("threads", "device", "model", "pretrain", "evaluate", "finetune", "steps")
    assert sorted(engine) == sorted(kept)
    assert engine["finetune"] == {"from": str(tmp_path / "models" / "first")}
    assert parse_engine(json.dumps(engine)) == engine
    with pytest.raises(ConfigError, match="no such run file"):
        engine_of_run_file(tmp_path / "none.json")


def test_stretches_are_checked_row_by_row():
    row = {"recording": "n*", "start_s": 1.0, "end_s": 2.0, "modality": "eeg", "reason": "why"}
    (made,) = make_exclusions([row], ["eeg"], ["n1"])
    assert (made.recording, made.end_s, made.modality) == ("n*", 2.0, "eeg")
    (whole,) = make_exclusions([{"recording": "n1"}], None, ["n1"])
    assert whole.whole
    for wrong, words in (
        ({"modality": "egg"}, "Row 2: modality: there is no modality 'egg'; did you mean 'eeg'?"),
        ({"recording": "x"}, "Row 2: the study has no recording 'x'"),
        ({"end_s": 0.5}, "Row 2: the stretch ends before it starts."),
        ({"start_s": "soon"}, "Row 2: start_s: "),
    ):
        with pytest.raises(ConfigError) as caught:
            make_exclusions([row, {**row, **wrong}], ["eeg"], ["n1"])
        assert str(caught.value).startswith(words)


def test_the_modalities_that_events_are_about_are_known(tmp_path: Path):
    study = make_study(tmp_path)
    try:
        assert modalities_in_labels(study) == ()
        events = [label(0, 5, "Bad signal", "event", name) for name in ("emg", "eeg", "emg", "")]
        put(study, study.recordings()[0], study.rater("AB"), events)
        assert modalities_in_labels(study) == ("eeg", "emg")
    finally:
        study.close()


def test_names_of_modalities_and_settings_of_recordings():
    assert modality_names("auto") is None
    assert "eeg" in " ".join(modality_names("sleep") or ())
    assert recordings_of_settings({"join": "union"}).join == "union"
    with pytest.raises(ConfigError, match="join"):
        recordings_of_settings({"join": "sideways"})
