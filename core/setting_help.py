"""Every setting of learning as a plain value: what it is called, what it means, what it may be.

Read off the typed settings, so that a form shows what `config.py` says and nothing else. Knows
documents too: what stands where a run file leaves something out, and what it need not say.
"""

from __future__ import annotations

import copy
import functools
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.config import MaskConfig, RunConfig, check_steps, dump_config, make_config
from core.errors import ConfigError

SettingKind = Literal["bool", "int", "float", "choice", "text", "masks"]

RUN = "run"
"""Section of the settings that stand at the top of a run file."""
OF_THE_RUN = ("steps", "seed", "device", "threads")
SECTIONS = ("windows", "model", "pretrain", "finetune", "evaluate", "predict", "robustness")
PRESET = "model.preset"
LENGTH = "windows.length_s"
USUAL_PRESET = "recommended"

_FIRST_PRESETS = (USUAL_PRESET, "fast", "reference")
# A recording and labels that stand for all: of these, settings of learning say nothing.
_STAND_INS = {
    "recordings": {"sources": [{"pattern": "{subject}"}]},
    "labels": {"kind": "annotations"},
}

_GROUP_TITLES = {
    RUN: "Run",
    "windows": "Windows",
    "model": "Network",
    "model.encoder": "Encoders",
    "model.aggregator": "Aggregator",
    "pretrain": "Pretraining",
    "pretrain.loss": "Loss of pretraining",
    "finetune": "Fine-tuning",
    "evaluate": "Evaluation",
    "predict": "Prediction",
    "robustness": "Missing modalities",
}
_TITLES = {
    "threads": "Threads",
    "windows.hop_s": "Hop",
    "windows.pretrain_hop_s": "Hop in pretraining",
    "windows.length_s": "Length",
    "windows.anchor": "First window starts with",
    "model.encoder.code": "Size of an embedding",
    "model.encoder.widths": "Channels of the convolutions",
    "model.encoder.scales_s": "Lengths of the first kernels",
    "model.encoder.kernel": "Later kernels",
    "model.encoder.raw": "Branch of convolutions",
    "model.encoder.spectral_bands": "Spectral bands",
    "model.encoder.statistics": "Statistics of the window",
    "model.encoder.pool": "Pooling of time",
    "model.encoder.norm": "Normalisation",
    "model.encoder.output_norm": "Normalisation of the embedding",
    "model.encoder.kernel_l2": "L2 penalty on kernels",
    "model.aggregator.hidden": "Hidden layers",
    "model.aggregator.output": "Size of the global embedding",
    "model.aggregator.heads": "Attention heads",
    "pretrain.masking": "Ways to mask",
    "pretrain.mixture": "Several ways to mask",
    "pretrain.strict_masks": "Strict masks",
    "pretrain.loss.invariance": "Weight of invariance",
    "pretrain.loss.variance": "Weight of variance",
    "pretrain.loss.covariance": "Weight of covariance",
    "pretrain.masking[].keep": "Kept share",
    "pretrain.loss.convention": "Convention of the loss",
    "pretrain.loss.expander": "Layers of the expander",
    "finetune.from": "Start from a model",
    "finetune.hidden": "Hidden layer",
    "finetune.features": "What the head sees",
    "finetune.components": "Directions",
    "finetune.l2": "L2 penalty",
    "finetune.class_weights": "Lift of rare classes",
    "finetune.encoder_learning_rate": "Learning rate of the encoders",
    "finetune.calibrate": "Calibrated confidences",
    "finetune.context_windows": "Neighbouring windows",
    "evaluate.test_subjects": "Locked test subjects",
    "evaluate.budgets": "Label budgets",
    "evaluate.budget_seeds": "Draws of each budget",
    "evaluate.reference_epochs": "Epochs of the reference opponent",
    "evaluate.adapt": "Row adapted to the person",
    "evaluate.bootstrap": "Resamples for intervals",
    "predict.adapt_to_subject": "Adapt to the person",
    "robustness.max_modalities": "Modalities with all subsets",
    "robustness.sampled_subsets": "Sampled subsets",
    "robustness.dedicated": "Dedicated heads",
}
# Only for what has no docstring of its own in `config.py`.
_HELP = {
    "steps": "What is done, in this order. Each later step needs those that it builds on.",
    "seed": "Where all draws start from. Another seed gives another run of the same kind.",
    "device": "The processor that trains; auto takes a GPU where there is one, else the CPU.",
    "windows.length_s": "Length of every window; left out: the epoch of the study's classes.",
    "model.encoder.kind": "strided: convolutions that shorten time step by step; reference: the "
    "layers of the released code.",
    "model.encoder.activation": "What is applied after each convolution.",
    "model.encoder.dropout": "Share of values that are set to zero in the encoders in training.",
    "model.preset": "The settings that stand where nothing else is said here.",
    "model.aggregator.kind": "token: an MLP with learned tokens for what is masked; mean: the mean "
    "of what is left; attention: attention over what is left; reference: the released code's.",
    "model.aggregator.dropout": "Share of values that are set to zero in the aggregator in "
    "training.",
    "pretrain.masking": "What the two views may see. With several ways, each has a weight.",
    "pretrain.epochs": "How often every window is seen. More is better, and takes longer.",
    "pretrain.batch_size": "Windows that are compared with each other in a step of learning. The "
    "loss is not known to work with fewer than 128.",
    "pretrain.learning_rate": "Length of a step of learning; with one_cycle the longest.",
    "pretrain.schedule": "one_cycle: the rate rises, then falls to nothing; constant: it stays.",
    "pretrain.weight_decay": "How strongly weights are drawn towards zero.",
    "pretrain.loss.invariance": "How strongly the two views of a window are pulled together.",
    "pretrain.loss.variance": "How strongly each dimension of the embedding is kept spread out.",
    "pretrain.loss.covariance": "How strongly dimensions of the embedding are kept unlike each "
    "other.",
    "finetune.head": "What tells the classes apart: a linear head, or one with a hidden layer.",
    "finetune.batch_size": "Windows in a step of learning, for mlp and end_to_end.",
    "finetune.learning_rate": "Length of a step of learning, for mlp and end_to_end.",
    "finetune.dropout": "Share of values that are set to zero in the head in training, for mlp.",
    "evaluate.folds": "Groups of subjects, each of which is tested by a model that has never seen "
    "it. As many folds as subjects leave one subject out at a time.",
    "evaluate.opponents": "What the model is compared with, on the same folds and labels.",
    "predict.batch_size": "Windows that are scored at once; less takes less memory.",
    "robustness.sampled_subsets": "How many subsets are sampled where there are too many.",
}


@dataclass(frozen=True)
class Setting:
    """One setting of learning.

    Attributes
    ----------
    path: its key as a run file writes it, such as `pretrain.loss.variance`; keys of the entries
        of a list stand behind `[]`.
    section: `run` or one of `SECTIONS`.
    group: `section`, or the part of it that the setting stands in, such as `pretrain.loss`.
    title, help: a few words, and a sentence or more; plain text without marks.
    unit: such as `s`; empty where there is none.
    kind: of the value, or of each value where there are `many`.
    optional: may be left out, which is `None`.
    choices: what the value may be, for `choice`.
    least, above, most, below: bounds of a number, or of each; `least` and `most` are allowed.
    shortest: fewest values where there are `many`; count: exactly so many, where that is fixed.
    default: what stands where the document says nothing, as JSON; None too where it has to be
        said (`is_required`).
    entries: settings of each entry, for `masks`.
    """

    path: str
    section: str
    group: str
    title: str
    help: str
    kind: SettingKind
    unit: str = ""
    many: bool = False
    optional: bool = False
    is_required: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    shortest: int = 0
    count: int | None = None
    default: Any = None
    entries: tuple[Setting, ...] = ()

    def allows(self, number: float) -> bool:
        """Whether a number lies within the bounds."""
        return (
            (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )

    @property
    def bounds(self) -> str:
        """The bounds in words; empty where there are none."""
        words = (
            ("at least", self.least),
            ("above", self.above),
            ("at most", self.most),
            ("below", self.below),
        )
        return ", ".join(f"{word} {bound:.12g}" for word, bound in words if bound is not None)


# ---------------------------------------------------------------- all of them


@functools.cache
def all_settings(preset: str = USUAL_PRESET) -> tuple[Setting, ...]:
    """Every setting in the order of the run file, with what stands under a model preset.

    Raises ConfigError where there is no such preset.
    """
    defaults = _defaults(preset)
    return tuple(
        entry
        for key, model, section in _groups()
        for entry in _settings_of(model, key, section, defaults)
    )


def setting(path: str, preset: str = USUAL_PRESET) -> Setting:
    """One setting by its path. Raises KeyError."""
    return _by_path(preset)[path]


@functools.cache
def _by_path(preset: str) -> Mapping[str, Setting]:
    return {entry.path: entry for entry in all_settings(preset)}


@functools.cache
def group_titles() -> Mapping[str, str]:
    """Titles of the groups, in the order of the settings."""
    return {group: _GROUP_TITLES[group] for group in dict.fromkeys(s.group for s in all_settings())}


def group_help(group: str) -> str:
    """What a group of settings is about."""
    for key, model, _ in _groups():
        if key == group and model is not RunConfig:
            return _plain(model.__doc__ or "")
    return "What is done, and with what."


@functools.cache
def preset_names() -> tuple[str, ...]:
    """Model presets, the recommended one first."""
    folder = files("resources") / "presets" / "models"
    names = {entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")}
    first = [name for name in _FIRST_PRESETS if name in names]
    return (*first, *sorted(names.difference(first)))


# ---------------------------------------------------------------- documents


def preset_of(document: Mapping[str, Any]) -> str:
    """The preset that a document of settings stands on; the usual one where it names none, or one
    that there is not (which `find_problem` says)."""
    model = document.get("model")
    name = model.get("preset") if isinstance(model, Mapping) else None
    return name if name in preset_names() else USUAL_PRESET


def values_of(document: Mapping[str, Any], preset: str = "") -> dict[str, Any]:
    """What counts under a document for every setting, by path; wrong values are passed on."""
    preset = preset or preset_of(document)
    values = {}
    for entry in all_settings(preset):
        place: Any = document
        for part in entry.path.split("."):
            place = place.get(part, _NOTHING) if isinstance(place, Mapping) else _NOTHING
        values[entry.path] = copy.deepcopy(entry.default if place is _NOTHING else place)
    return values


def rest_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says beside the settings that are listed here, such as its modalities."""
    return _rest(document, "")


def document_of(
    values: Mapping[str, Any], rest: Mapping[str, Any] | None = None, preset: str = ""
) -> dict[str, Any]:
    """The shortest document under which these values count, with `rest` as it is.

    values: by path; what is missing stands at its default. preset: what the values are compared
    with; left out: the one that they name.
    """
    preset = preset or preset_of({"model": {"preset": values.get(PRESET)}})
    document = copy.deepcopy(dict(rest or {}))
    for entry in all_settings(preset):
        value = values.get(entry.path, entry.default)
        usual = USUAL_PRESET if entry.path == PRESET else entry.default
        if same_value(entry, value, usual):
            continue
        *groups, name = entry.path.split(".")
        place = document
        for group in groups:
            if not isinstance(place.get(group), dict):
                place[group] = {}
            place = place[group]
        place[name] = copy.deepcopy(value)
    return document


def same_value(setting: Setting, one: Any, other: Any) -> bool:
    """Whether two values mean the same to a setting."""
    if setting.kind == "masks":
        return full_masks(one) == full_masks(other)
    if setting.kind == "bool":  # 1 is no true
        return one is other
    return bool(one == other)


def full_masks(masks: Any) -> Any:
    """Ways to mask with what they leave out filled in; what cannot be read, as it is."""
    try:
        return [dump_config(MaskConfig.model_validate(mask)) for mask in masks]
    except (ValidationError, TypeError):
        return masks


def find_problem(document: Mapping[str, Any]) -> str:
    """What is wrong with a document of settings, in words; empty where nothing is.

    Recordings and labels are taken as given. Steps that lack another are told too.
    """
    where = "settings"
    try:
        for key in sorted(_STAND_INS.keys() & document.keys()):
            raise ConfigError(f"The study itself says what its {key} are.")
        windows = document.get("windows") or {"length_s": 30}
        check_steps(make_config({**document, "windows": windows, **_STAND_INS}, where))
    except ConfigError as error:
        return str(error).removeprefix(f"{where}: ")
    return ""


_NOTHING = object()


def _rest(document: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    paths, groups = _paths()
    rest: dict[str, Any] = {}
    for key, value in document.items():
        path = f"{prefix}{key}"
        if path in paths:
            continue
        if path in groups and isinstance(value, Mapping):
            below = _rest(value, f"{path}.")
            if below:
                rest[key] = below
        else:
            rest[key] = copy.deepcopy(value)
    return rest


@functools.cache
def _paths() -> tuple[frozenset[str], frozenset[str]]:
    return (
        frozenset(entry.path for entry in all_settings()),
        frozenset(key for key, _, _ in _groups()) - {RUN},
    )


# ---------------------------------------------------------------- reading the typed settings


def _groups() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Groups as (key, config class, section), in the order of the run file."""
    yield RUN, RunConfig, RUN
    for name in SECTIONS:
        yield from _groups_in(name, _model_of(RunConfig.model_fields[name]), name)


def _groups_in(
    key: str, model: type[BaseModel] | None, section: str
) -> Iterator[tuple[str, type[BaseModel], str]]:
    assert model is not None
    yield key, model, section
    for name, field in model.model_fields.items():
        below = _model_of(field)
        if below is not None:
            yield from _groups_in(f"{key}.{field.alias or name}", below, section)


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _settings_of(
    model: type[BaseModel], group: str, section: str, defaults: Mapping[str, Any]
) -> Iterator[Setting]:
    prefix = "" if model is RunConfig else f"{group}."
    fields = model.model_fields
    names = OF_THE_RUN if model is RunConfig else tuple(fields)
    for name in names:
        field = fields[name]
        if _model_of(field) is None:
            path = f"{prefix}{field.alias or name}"
            yield _setting(path, field, group, section, defaults)


def _setting(
    path: str, field: FieldInfo, group: str, section: str, defaults: Mapping[str, Any]
) -> Setting:
    shape = _shape(field.annotation, field.metadata)
    entries: tuple[Setting, ...] = ()
    if shape["kind"] == "masks":
        entries = tuple(
            _setting(f"{path}[].{name}", part, group, section, {})
            for name, part in MaskConfig.model_fields.items()
        )
    if path == PRESET:
        shape |= {"kind": "choice", "choices": preset_names()}
    name = path.rsplit(".", 1)[-1]
    default = defaults.get(path, field.get_default() if not field.is_required() else None)
    return Setting(
        path=path,
        section=section,
        group=group,
        title=_TITLES.get(path) or _title(name),
        help=_plain(field.description or _HELP.get(path, "")),
        unit=next((unit for unit in ("s", "hz") if name.endswith(f"_{unit}")), ""),
        is_required=field.is_required(),
        default=None if path == LENGTH else default,
        entries=entries,
        **shape,
    )


def _shape(annotation: Any, metadata: Iterable[Any]) -> dict[str, Any]:
    """Kind, bounds and number of values of a type."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _shape(inside[0], [*inside[1:], *metadata])
    if origin in (types.UnionType, typing.Union):
        kinds = [part for part in inside if part is not type(None)]
        if len(kinds) != 1:
            raise TypeError(f"a setting of several types: {annotation}")
        return {**_shape(kinds[0], metadata), "optional": type(None) in inside}
    if origin in (list, tuple):
        entry = _shape(inside[0], ())
        shortest = _bounds(metadata).get("shortest", 0)
        count = len(inside) if origin is tuple else None
        return {**entry, "many": True, "shortest": count or shortest, "count": count}
    if origin is Literal:
        return {"kind": "choice", "choices": tuple(inside)}
    if annotation is MaskConfig:
        return {"kind": "masks"}
    names: dict[Any, SettingKind] = {bool: "bool", int: "int", float: "float", str: "text"}
    return {"kind": names[annotation], **_bounds(metadata)}


def _bounds(metadata: Iterable[Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            bounds |= _bounds(entry.metadata)
        for name, ours in (
            ("ge", "least"), ("gt", "above"), ("le", "most"), ("lt", "below"),
            ("min_length", "shortest"),
        ):  # fmt: skip
            if getattr(entry, name, None) is not None:
                bounds[ours] = getattr(entry, name)
    return bounds


@functools.cache
def _defaults(preset: str) -> Mapping[str, Any]:
    """What stands for every setting where a document names this preset and nothing else."""
    document = dump_config(
        make_config({"model": {"preset": preset}, "windows": {"length_s": 30}, **_STAND_INS})
    )
    return dict(_flat(document, ""))


def _flat(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _title(name: str) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def _plain(text: str) -> str:
    """Text without line breaks and marks of code."""
    return " ".join(text.replace("`", "").split())
