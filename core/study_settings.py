"""What a study's settings say beside its recordings and labels, as text that people can change.

The engine's part is JSON, as in a run file. Its keys are listed with what they mean and may be, as
the typed settings say it.
"""

from __future__ import annotations

import fnmatch
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.config import (
    ExclusionConfig,
    ModalityConfig,
    RecordingsConfig,
    RunConfig,
    WindowsConfig,
    check_excluded_modalities,
    dump_config,
)
from core.errors import ConfigError
from core.modalities import AUTO, load_preset
from core.study import Study, engine_config
from core.study_plan import make_recordings

OWN_PAGES = ("modalities", "windows")
"""Keys of the engine's settings that are set elsewhere than in its text."""
_OF_THE_STUDY = ("schema_version", "name", "notes", "data_root", "recordings", "labels")
_WHERE = "study settings: "


# ---------------------------------------------------------------- the engine's part


def engine_text(engine: Mapping[str, Any]) -> str:
    """The engine's settings, but for those that have pages of their own, as JSON."""
    rest = {key: value for key, value in engine.items() if key not in OWN_PAGES}
    return json.dumps(rest, indent=2, ensure_ascii=False)


def parse_engine(text: str) -> dict[str, Any]:
    """What was typed as the engine's settings. Raises ConfigError in words."""
    try:
        document = json.loads(text.strip() or "{}", object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        raise ConfigError(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise ConfigError("The brackets are nested too deeply.") from None
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(document, dict):
        raise ConfigError("The settings are one JSON object in braces.")
    for key in document:
        if key in OWN_PAGES:
            raise ConfigError(f"'{key}' has a page of its own; take it out here.")
        if key in _OF_THE_STUDY:
            raise ConfigError(f"'{key}' is said by the study itself; take it out here.")
    check_engine(document)
    return document


def check_engine(engine: Mapping[str, Any]) -> RunConfig:
    """The settings with all defaults. Raises ConfigError, without a word on where they came
    from."""
    try:
        return engine_config(dict(engine))
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(_WHERE)) from None


def engine_windows(engine: Mapping[str, Any]) -> WindowsConfig:
    """The windows of a study's settings, or those that stand for none."""
    return engine_config(dict(engine)).windows


def _no_key_twice(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"The key '{key}' stands twice in one place.")
        document[key] = value
    return document


# ---------------------------------------------------------------- its keys


@dataclass(frozen=True)
class EngineKey:
    """A key of the engine's settings.

    Attributes
    ----------
    path: as in `model.encoder.code`; entries of a list stand as `[]`.
    about: what it means; may be empty.
    allowed: what it may be, in words; empty for a group of keys.
    value: what counts now, as JSON; empty for a group.
    """

    path: str
    about: str
    allowed: str = ""
    value: str = ""

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[-1]

    @property
    def is_group(self) -> bool:
        return not self.allowed

    @property
    def can_be_put_in(self) -> bool:
        """Whether its value can be put into the text as it stands."""
        return not self.is_group and "[]" not in self.path


def engine_keys(engine: Mapping[str, Any] | None = None) -> tuple[EngineKey, ...]:
    """All keys of the engine's text, groups before what they hold, with the values that count
    where `engine` says what it says. Raises ConfigError as `check_engine` does."""
    config = check_engine(engine or {})
    left = (*OWN_PAGES, *_OF_THE_STUDY)
    return tuple(_keys_of(config, RunConfig, "", left))


def put_in(engine: Mapping[str, Any], key: EngineKey) -> dict[str, Any]:
    """The settings with a key said that was left out, or as it was where it is said already."""
    document: dict[str, Any] = json.loads(json.dumps(engine))
    place = document
    *groups, name = key.path.split(".")
    for group in groups:
        place = place.setdefault(group, {})
    place.setdefault(name, json.loads(key.value))
    return document


def _keys_of(
    config: BaseModel | None, model: type[BaseModel], prefix: str, left_out: Sequence[str] = ()
) -> Iterable[EngineKey]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in left_out:
            continue
        path = f"{prefix}{key}"
        value = getattr(config, name) if config is not None else None
        about = " ".join((field.description or "").split())
        group = _model_in(field.annotation)
        if group is not None and isinstance(value, BaseModel):
            yield EngineKey(path, about or _doc(group))
            yield from _keys_of(value, group, f"{path}.")
            continue
        plain = "" if config is None else json.dumps(_plain(config, name), ensure_ascii=False)
        yield EngineKey(path, about, _allowed(field), plain)
        if group is not None:
            yield from _keys_of(None, group, f"{path}[].")


def _plain(config: BaseModel, name: str) -> Any:
    field = type(config).model_fields[name]
    return dump_config(config)[field.alias or name]


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The config class that a value is, or that the entries of a list are."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in typing.get_args(annotation) if (m := _model_in(a))), None)


def _allowed(field: FieldInfo) -> str:
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, bounds: Sequence[Any] = ()) -> str:
    """What values a type takes, in words: `whole number, at least 1`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _words(arguments[0], (*arguments[1:], *bounds))
    if origin in (types.UnionType, typing.Union):
        kinds = [_words(a, bounds) for a in arguments if a is not type(None)]
        return "; or ".join([*kinds, *(["null"] if type(None) in arguments else [])])
    if origin is Literal:
        return "one of " + ", ".join(json.dumps(value) for value in arguments)
    if origin is list:
        return f"list; each: {_words(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)}; each: {_words(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "object"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return ", ".join([names.get(annotation, "value"), *_bounds(bounds)])


def _bounds(metadata: Sequence[Any]) -> Iterable[str]:
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            yield from _bounds(entry.metadata)
            continue
        for name, word in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            bound = getattr(entry, name, None)
            if bound is not None:
                yield f"{word} {bound}"


# ---------------------------------------------------------------- modalities that labels name


def modalities_in_labels(study: Study) -> tuple[str, ...]:
    """Names of modalities that events of any rater are about, such as bad signal."""
    rows = study.file.read("SELECT DISTINCT modality FROM label WHERE modality <> ''")
    return tuple(sorted(row[0] for row in rows))


def modality_names(choice: str | Sequence[ModalityConfig]) -> tuple[str, ...] | None:
    """The names of a choice of modalities; None where the recordings decide."""
    if isinstance(choice, str):
        return None if choice == AUTO else tuple(m.name for m in load_preset(choice))
    return tuple(modality.name for modality in choice)


# ---------------------------------------------------------------- recordings


def recordings_of_settings(values: Mapping[str, Any]) -> RecordingsConfig:
    """How files of a study's recordings are put together, from its settings as they are kept.

    Raises ConfigError in words.
    """
    return make_recordings({"sources": [{"pattern": "{subject}"}], "listed": [], **values})


# ---------------------------------------------------------------- stretches left out


def make_exclusions(
    rows: Sequence[Mapping[str, Any]],
    modalities: Sequence[str] | None,
    recordings: Sequence[str],
) -> tuple[ExclusionConfig, ...]:
    """Stretches that are not used, from plain values. Raises ConfigError in words, with the row
    counted from 1.

    `modalities`, `recordings`: the names that there are; modalities None where they are not known.
    """
    made: list[ExclusionConfig] = []
    for number, row in enumerate(rows, 1):
        try:
            config = make_recordings({"sources": [{"pattern": "file"}], "exclude": [dict(row)]})
            if modalities is not None:
                check_excluded_modalities(config, modalities)
        except ConfigError as error:
            text = str(error).removeprefix("recordings.").replace("exclude.0.", "")
            raise ConfigError(f"Row {number}: {text}") from None
        (entry,) = config.exclude
        if not any(fnmatch.fnmatchcase(name, entry.recording) for name in recordings):
            raise ConfigError(
                f"Row {number}: the study has no recording '{entry.recording}'; * and ? stand for "
                "any text and letter."
            )
        if entry.end_s is not None and entry.end_s <= (entry.start_s or 0):
            raise ConfigError(f"Row {number}: the stretch ends before it starts.")
        made.append(entry)
    return tuple(made)
