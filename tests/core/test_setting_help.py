"""Settings as plain values say what the typed settings say, and documents stay what they mean."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files

import pytest
from pydantic import BaseModel

from core import setting_help
from core.config import (
    EvaluateConfig,
    FinetuneConfig,
    MaskConfig,
    ModelConfig,
    PredictConfig,
    PretrainConfig,
    RobustnessConfig,
    RunConfig,
    WindowsConfig,
    dump_config,
    make_config,
)
from core.errors import ConfigError
from core.setting_help import (
    LENGTH,
    OF_THE_RUN,
    Setting,
    all_settings,
    document_of,
    find_problem,
    group_help,
    group_titles,
    preset_names,
    preset_of,
    rest_of,
    setting,
    values_of,
)

STAND_INS = {"recordings": {"sources": [{"pattern": "x"}]}, "windows": {"length_s": 30}}
MODELS = {
    "windows": WindowsConfig,
    "model": ModelConfig,
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
    "evaluate": EvaluateConfig,
    "predict": PredictConfig,
    "robustness": RobustnessConfig,
}


def fields_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}.{field.alias or name}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields_of(kind, path)
        else:
            yield path, field.description


def everything() -> dict[str, str | None]:
    """Every key that has to be there, with its docstring."""
    found = {name: RunConfig.model_fields[name].description for name in OF_THE_RUN}
    for name, model in MODELS.items():
        found |= dict(fields_of(model, name))
    for name, field in MaskConfig.model_fields.items():
        found[f"pretrain.masking[].{name}"] = field.description
    return found


def with_entries() -> list[Setting]:
    return [part for entry in all_settings() for part in (entry, *entry.entries)]


def test_every_field_appears_once_with_its_help() -> None:
    settings = with_entries()
    docstrings = everything()
    assert sorted(entry.path for entry in settings) == sorted(docstrings)
    for entry in settings:
        assert entry.title
        assert entry.help
        if docstrings[entry.path]:
            assert entry.help == " ".join(docstrings[entry.path].replace("`", "").split())


def test_help_written_beside_the_settings_hides_no_docstring_and_names_real_keys() -> None:
    docstrings = everything()
    for path in setting_help._HELP:
        assert docstrings[path] is None
    paths = {entry.path for entry in with_entries()}
    assert paths >= set(setting_help._TITLES)


def test_titles_tell_settings_of_a_group_apart() -> None:
    for group in group_titles():
        titles = [entry.title for entry in all_settings() if entry.group == group]
        assert len(set(titles)) == len(titles)
        assert group_help(group)


def put(path: str, value: object) -> dict[str, object]:
    document: dict[str, object] = dict(STAND_INS)
    *groups, name = path.split(".")
    place = document
    for group in groups:
        place[group] = dict(place.get(group, {}))
        place = place[group]
    place[name] = value
    return document


@pytest.mark.parametrize("entry", all_settings(), ids=lambda entry: entry.path)
def test_bounds_and_choices_are_those_that_the_check_of_a_run_file_keeps_to(entry: Setting) -> None:
    def accepts(value: object) -> bool:
        if entry.many:
            value = [value] * (entry.count or max(entry.shortest, 1))
        try:
            make_config(put(entry.path, value))
        except ConfigError:
            return False
        return True

    if entry.kind == "choice":
        assert all(accepts(choice) for choice in entry.choices)
        assert not accepts("no such choice")
    if entry.kind in ("int", "float"):
        for number in (-2, -1, 0, 0.5, 1, 2, 3, 4, 15, 16, 99, 100, 2**31 - 1, 2**31):
            if entry.kind == "float" or number == int(number):
                assert accepts(number) == entry.allows(number), number
    if entry.kind != "masks":
        try:
            make_config(put(entry.path, None))
            takes_none = True
        except ConfigError:
            takes_none = False
        assert takes_none == entry.optional


@pytest.mark.parametrize("preset", preset_names())
def test_defaults_are_what_a_run_file_with_the_preset_alone_means(preset: str) -> None:
    config = dump_config(make_config({**STAND_INS, "model": {"preset": preset}}))
    values = values_of({"model": {"preset": preset}})
    assert values.pop(LENGTH) is None  # the study says it
    for path, value in values.items():
        place = config
        for part in path.split("."):
            place = place[part]
        assert value == place, path
    assert document_of(values_of({}, preset), {}, preset) == (
        {} if preset == "recommended" else {"model": {"preset": preset}}
    )


def test_a_document_that_goes_through_values_means_the_same_and_says_no_more() -> None:
    folder = files("resources") / "examples"
    examples = [json.loads(entry.read_text()) for entry in folder.iterdir()]
    assert examples
    for example in examples:
        document = document_of(values_of(example), rest_of(example))
        assert dump_config(make_config(document)) == dump_config(make_config(example))
        assert document_of(values_of(document), rest_of(document)) == document


def test_what_is_no_setting_of_learning_is_kept_as_it_is() -> None:
    document = {"modalities": "sleep", "pretrain": {"epochs": 7, "epoch": 8}, "seed": 0}
    assert rest_of(document) == {"modalities": "sleep", "pretrain": {"epoch": 8}}
    assert document_of(values_of(document), rest_of(document)) == {
        "modalities": "sleep",
        "pretrain": {"epochs": 7, "epoch": 8},
    }
    assert "there is no such key" in find_problem(document)


def test_ways_to_mask_are_the_same_with_what_they_leave_out_and_without() -> None:
    entry = setting("pretrain.masking")
    short = [{"strategy": "complementary"}, {"strategy": "spatial"}]
    assert setting_help.same_value(entry, short, entry.default)
    assert not setting_help.same_value(entry, short[:1], entry.default)
    assert not setting_help.same_value(entry, [{"keep": 2}], entry.default)


def test_true_is_not_one() -> None:
    assert not setting_help.same_value(setting("pretrain.strict_masks"), 1, True)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, ""),
        ({"windows": {"length_s": 2}, "steps": ["pretrain"]}, ""),
        ({"pretrain": {"epochs": 0}}, "pretrain.epochs"),
        ({"steps": ["evaluate"]}, "finetune.from"),
        ({"steps": ["pretrain", "evaluate"]}, "needs 'finetune'"),
        ({"model": {"preset": "fsat"}}, "there is no preset 'fsat'"),
        ({"labels": {}}, "The study itself"),
        ({"windows": {"hop_s": 2}}, "windows.length_s"),
    ],
)
def test_problems_are_told_in_the_words_of_the_run_file_check(
    document: dict[str, object], words: str
) -> None:
    problem = find_problem(document)
    assert words in problem
    assert bool(problem) == bool(words)
    assert not problem.startswith("settings:")


def test_an_unknown_preset_stands_on_the_usual_one() -> None:
    assert preset_of({"model": {"preset": "fsat"}}) == "recommended"
    assert preset_of({"model": {"preset": ["fast"]}}) == "recommended"
    assert preset_of({}) == "recommended"
    assert preset_of({"model": {"preset": "fast"}}) == "fast"


def test_values_can_be_changed_without_changing_the_defaults() -> None:
    values_of({})["model.encoder.widths"].append(1)
    assert values_of({})["model.encoder.widths"] == [32, 64, 64]


def test_bounds_are_said_in_words() -> None:
    assert setting("model.encoder.dropout").bounds == "at least 0, below 1"
    assert setting("seed").bounds == "at least 0, below 2147483648"
    assert not setting("device").bounds


def test_looking_at_settings_loads_no_torch() -> None:
    code = "import sys, core.setting_help as s; s.all_settings(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
