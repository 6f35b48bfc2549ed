"""A trained model as a folder: `model.json` and `weights.safetensors`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from core.checkpoint import load_tensors, replace_folder
from core.classifier import Classifier
from core.config import RunConfig, dump_config
from core.errors import ModelError
from core.modalities import ModalityScheme
from core.model import CrosslModel, ModalityShape
from core.scaling import Scaling

KIND = "crossl-app model"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class SavedModel:
    """All that is needed to apply a model to new recordings.

    `classifier` is None for a model that was pretrained only. `about`: versions, fingerprint of
    the training data and what else is for people; never a patient field.
    """

    config: RunConfig
    scheme: ModalityScheme
    shapes: tuple[ModalityShape, ...]
    scaling: Scaling
    classes: tuple[str, ...]
    model: CrosslModel
    classifier: Classifier | None
    typical: dict[str, Any]
    about: dict[str, Any]


def save_model(folder: Path, saved: SavedModel) -> None:
    """Write the folder; what stood there before is replaced only when all is written."""
    network = saved.classifier if saved.classifier is not None else saved.model
    document = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "config": dump_config(saved.config),
        "modalities": [dump_config(modality) for modality in saved.scheme.modalities],
        "shapes": [vars(shape) for shape in saved.shapes],
        "classes": list(saved.classes),
        "scaling": saved.scaling.to_json(),
        "fine_tuned": saved.classifier is not None,
        "typical": saved.typical,
        **saved.about,
    }
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_folder(
        folder, {"model.json": text.encode("utf-8"), "weights.safetensors": save(tensors)}
    )


def load_model(folder: Path) -> SavedModel:
    """Read a model's folder. Raises ModelError when it is missing, damaged or of another kind."""
    path = folder / "model.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: no trained model is here (there is no model.json).") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ModelError(f"{path}: this is not a model of crossl-app.")
    if document.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path}: made by another version (format {document.get('format_version')}, "
            f"this program reads {FORMAT_VERSION})."
        )
    try:
        return _build(folder, document)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{path}: damaged ({type(error).__name__}: {error}).") from None


def _build(folder: Path, document: dict[str, Any]) -> SavedModel:
    from core.config import ModalityConfig

    config = RunConfig.model_validate(document["config"])
    shapes = tuple(ModalityShape(**shape) for shape in document["shapes"])
    scheme = ModalityScheme(
        tuple(ModalityConfig.model_validate(values) for values in document["modalities"])
    )
    classes = tuple(document["classes"])
    if not shapes or len(shapes) != len(scheme.modalities):
        raise ValueError(f"{len(shapes)} shapes for {len(scheme.modalities)} modalities")
    if not isinstance(document["data"]["files"], list):
        raise ValueError("data.files is no list")
    model = CrosslModel.build(config.model, shapes, seed=0)
    classifier = (
        Classifier(model, config.finetune, len(classes)) if document["fine_tuned"] else None
    )
    tensors, _ = load_tensors(folder / "weights.safetensors")
    network: torch.nn.Module = classifier if classifier is not None else model
    network.load_state_dict(tensors)
    network.eval()
    known = {
        "kind", "format_version", "config", "modalities", "shapes", "classes", "scaling",
        "fine_tuned", "typical",
    }  # fmt: skip
    return SavedModel(
        config=config,
        scheme=scheme,
        shapes=shapes,
        scaling=Scaling.from_json(document["scaling"]),
        classes=classes,
        model=model,
        classifier=classifier,
        typical=document["typical"],
        about={key: value for key, value in document.items() if key not in known},
    )
