"""A trained model is a folder of JSON and safetensors that gives back the same predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.classifier import Embedded, embed
from core.errors import ModelError
from core.saved_model import SavedModel, load_model, save_model


@pytest.fixture
def model(finished_run: Any, tmp_path: Path) -> Path:
    """A copy of the finished run's model."""
    return Path(shutil.copytree(finished_run[1] / "model", tmp_path / "model"))


def predict(saved: SavedModel) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    batch = {
        shape.name: torch.randn(6, shape.channels, shape.samples, generator=generator)
        for shape in saved.shapes
    }
    present = torch.ones(6, len(saved.shapes), dtype=torch.bool)
    assert saved.classifier is not None
    z = embed(saved.model, batch, present)
    embedded = Embedded(z, present, torch.zeros(6, 0, dtype=torch.long))
    return saved.classifier.probabilities(embedded)


def change(folder: Path, **values: Any) -> None:
    document = json.loads((folder / "model.json").read_text())
    for key, value in values.items():
        if value is None:
            document.pop(key)
        else:
            document[key] = value
    (folder / "model.json").write_text(json.dumps(document))


def test_the_folder_tells_what_was_trained_on_what(model: Path) -> None:
    document = json.loads((model / "model.json").read_text())
    assert document["classes"] == ["rest", "walk"]
    assert [one["name"] for one in document["modalities"]] == ["acc", "gyro"]
    assert set(document["scaling"]) == {"acc", "gyro"}
    assert document["config"]["windows"]["length_s"] == 2
    assert document["versions"]["torch"]
    assert document["data"]["recordings"] == 5
    assert len(document["data"]["files"]) == 5
    assert document["data"]["fingerprint"]
    assert document["intended_use"].startswith("Research")


def test_nothing_in_the_folder_names_a_subject_or_a_path(model: Path, finished_run: Any) -> None:
    document = json.loads((model / "model.json").read_text())
    document.pop("config")  # what the user wrote
    text = json.dumps(document)
    assert str(finished_run[0].folder) not in text
    assert '"s1"' not in text


def test_saved_and_loaded_again_it_predicts_the_same(model: Path, tmp_path: Path) -> None:
    first = load_model(model)
    save_model(tmp_path / "again", first)
    second = load_model(tmp_path / "again")
    np.testing.assert_array_equal(predict(first), predict(second))
    assert second.classes == first.classes
    assert second.typical == first.typical
    assert second.about == first.about
    for name in first.scaling.means:
        np.testing.assert_array_equal(first.scaling.means[name], second.scaling.means[name])
    assert (tmp_path / "again" / "model.json").read_text() == (model / "model.json").read_text()


def test_the_weights_are_safetensors_and_no_pickle(model: Path) -> None:
    from safetensors import safe_open

    with safe_open(model / "weights.safetensors", framework="np") as file:
        assert file.keys()
    assert b"pickle" not in (model / "weights.safetensors").read_bytes()


def test_a_missing_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no trained model is here"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="no trained model is here"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_cut_short_is_a_sentence(model: Path, name: str, share: float) -> None:
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert str(model) in str(caught.value)


def test_missing_weights_are_a_sentence(model: Path) -> None:
    (model / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights.safetensors: there is no such file"):
        load_model(model)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"kind": "something else"}, "not a model of crossl-app"),
        ({"format_version": 99}, "another version"),
        ({"scaling": None}, "damaged"),
        ({"classes": ["a", "b", "c"]}, "damaged"),
        ({"classes": 3}, "damaged"),
        ({"shapes": []}, "damaged"),
        ({"shapes": [{"name": "acc"}]}, "damaged"),
        ({"modalities": [{"name": "acc"}]}, "damaged"),
        ({"config": {}}, "damaged"),
        ({"config": []}, "damaged"),
        ({"scaling": []}, "damaged"),
        ({"scaling": {"acc": {"kind": "train", "mean": ["x"], "deviation": [1]}}}, "damaged"),
        ({"typical": None}, "damaged"),
        ({"data": None}, "damaged"),
    ],
)
def test_a_model_file_that_is_not_right_is_a_sentence(
    model: Path, values: dict[str, Any], part: str
) -> None:
    change(model, **values)
    with pytest.raises(ModelError, match=part):
        load_model(model)


def test_a_model_file_that_is_no_object_is_a_sentence(model: Path) -> None:
    for content in (b"[]", b"\xff\xfe", b"[" * 100_000):
        (model / "model.json").write_bytes(content)
        with pytest.raises(ModelError):
            load_model(model)
