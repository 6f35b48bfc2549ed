"""What a study is labelled with: classes with colours and keys, and the length of an epoch.

States exclude each other (sleep stages); events are stretches that may overlap (arousals); marks
are single moments, one of each in a recording (lights off). Presets are data files,
`resources/presets/schemes/<name>.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any, Literal

from core.colours import OKABE_ITO
from core.errors import ConfigError

ClassKind = Literal["state", "event", "mark"]
KINDS: tuple[ClassKind, ...] = ("state", "event", "mark")
BAD_SIGNAL = "Bad signal"
"""The event that every study has: on a modality, it makes that modality absent there."""
COLOURS = (*OKABE_ITO, "#882255", "#117733", "#332288", "#AA4499")
"""For classes that have none yet; the last ones by Paul Tol."""
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class LabelClass:
    """A class with the look and the keys that it has in the window.

    Attributes
    ----------
    colour: `#rrggbb`.
    keys: single letters or digits, upper case, that give this class.
    """

    name: str
    colour: str
    keys: tuple[str, ...] = ()
    kind: ClassKind = "state"

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(key.upper() for key in self.keys))


@dataclass(frozen=True)
class LabelScheme:
    """The classes of a study in order, and how they are laid over time.

    Attributes
    ----------
    epoch_s: length of an epoch of the labelling grid, in seconds.
    ordered: whether the states have an order and are drawn as steps (a hypnogram).
    page_s: what the window shows at first, in seconds.
    guide_uv: lines at plus and minus this many µV in voltage traces; None for none.
    """

    classes: tuple[LabelClass, ...]
    epoch_s: float
    ordered: bool = False
    page_s: float | None = None
    guide_uv: float | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def states(self) -> tuple[LabelClass, ...]:
        return tuple(c for c in self.classes if c.kind == "state")

    @property
    def events(self) -> tuple[LabelClass, ...]:
        return tuple(c for c in self.classes if c.kind == "event")

    @property
    def marks(self) -> tuple[LabelClass, ...]:
        return tuple(c for c in self.classes if c.kind == "mark")

    def find(self, name: str) -> LabelClass | None:
        return next((c for c in self.classes if c.name == name), None)

    def by_key(self, key: str) -> LabelClass | None:
        """The class that a letter or digit gives; None for other keys."""
        return next((c for c in self.classes if key.upper() in c.keys), None)

    def with_classes(self, names: Iterable[str], kind: ClassKind = "state") -> LabelScheme:
        """The scheme with further classes for names that it lacks, each with a free colour and
        key."""
        scheme = self
        for name in names:
            if scheme.find(name) is None:
                taken = {key for c in scheme.classes for key in c.keys}
                free = next((k for k in _likely_keys(name) if k not in taken), None)
                added = LabelClass(name, _free_colour(scheme), (free,) if free else (), kind)
                scheme = replace(scheme, classes=(*scheme.classes, added))
        return scheme

    def to_document(self) -> dict[str, Any]:
        """Plain JSON values."""
        document = asdict(self)
        document["classes"] = [
            {**entry, "keys": list(entry["keys"])} for entry in document["classes"]
        ]
        return document


def scheme_from_document(document: Any, where: str = "label scheme") -> LabelScheme:
    """The scheme of plain JSON values. Raises ConfigError that says what is wrong."""
    if not isinstance(document, dict) or not isinstance(document.get("classes"), list):
        raise ConfigError(f"{where}: a label scheme is an object with a list of classes.")
    known = {"classes", "epoch_s", "ordered", "page_s", "guide_uv", "about"}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ConfigError(f"{where}: there is no key '{unknown[0]}' in a label scheme.")
    try:
        classes = tuple(
            LabelClass(
                str(entry["name"]),
                str(entry["colour"]),
                tuple(str(key) for key in entry.get("keys", ())),
                entry.get("kind", "state"),
            )
            for entry in document["classes"]
        )
        page = document.get("page_s")
        guide = document.get("guide_uv")
        return LabelScheme(
            classes,
            float(document["epoch_s"]),
            bool(document.get("ordered", False)),
            None if page is None else float(page),
            None if guide is None else float(guide),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: the label scheme cannot be used ({error}).") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def scheme_names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    folder = files("resources") / "presets" / "schemes"
    return tuple(
        sorted(e.name.removesuffix(".json") for e in folder.iterdir() if e.name.endswith(".json"))
    )


def load_scheme(name: str) -> LabelScheme:
    """The preset of that name. Raises ConfigError that lists the presets."""
    return scheme_from_document(_preset(name), f"label scheme {name}")


def scheme_about(name: str) -> str:
    """What a preset is for, in a sentence."""
    return str(_preset(name).get("about", ""))


def scheme_for(names: Sequence[str], epoch_s: float) -> LabelScheme:
    """A scheme of states with these names, each with a colour and, where one is free, a key.

    Names that are all known to a preset take that preset's colours, keys and order.
    """
    wanted = list(dict.fromkeys(name for name in names if name.strip()))
    for preset in scheme_names():
        scheme = load_scheme(preset)
        states = {c.name for c in scheme.states}
        if wanted and set(wanted) <= states:
            return replace(scheme, epoch_s=epoch_s)
    bare = LabelScheme((bad_signal_class(),), epoch_s)
    scheme = bare.with_classes(wanted)
    return replace(scheme, classes=(*scheme.states, *scheme.events))


def bad_signal_class() -> LabelClass:
    return LabelClass(BAD_SIGNAL, "#8C8C8C", (), "event")


def _preset(name: str) -> dict[str, Any]:
    if name not in scheme_names():
        raise ConfigError(
            f"there is no label scheme '{name}'; there are {', '.join(scheme_names())}."
        )
    path = files("resources") / "presets" / "schemes" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _free_colour(scheme: LabelScheme) -> str:
    taken = {c.colour.upper() for c in scheme.classes}
    return next(
        (colour for colour in COLOURS if colour.upper() not in taken),
        COLOURS[len(scheme.classes) % len(COLOURS)],
    )


def _likely_keys(name: str) -> list[str]:
    """The letters of a name, then the digits, then every other letter."""
    letters = [sign.upper() for sign in name if sign.isascii() and sign.isalnum()]
    return [*letters, *"123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


def _check(scheme: LabelScheme) -> None:
    if not 0.01 <= scheme.epoch_s <= 86400:
        raise ConfigError(f"an epoch of {scheme.epoch_s:g} s cannot be; give 0.01 s to a day.")
    names = [c.name for c in scheme.classes]
    keys = [key for c in scheme.classes for key in c.keys]
    for values, what in ((names, "class"), (keys, "key")):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ConfigError(f"{what} '{twice[0]}' is there twice.")
    for entry in scheme.classes:
        if not entry.name.strip() or entry.name != entry.name.strip():
            raise ConfigError("a class needs a name, without blanks at its ends.")
        if entry.kind not in KINDS:
            raise ConfigError(f"class '{entry.name}': kind is one of {', '.join(KINDS)}.")
        if not _COLOUR.fullmatch(entry.colour):
            raise ConfigError(f"class '{entry.name}': '{entry.colour}' is no colour #rrggbb.")
        for key in entry.keys:
            if len(key) != 1 or not key.isascii() or not key.isalnum():
                raise ConfigError(
                    f"class '{entry.name}': '{key}' is no key; use single letters and digits."
                )
