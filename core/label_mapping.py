"""Tables that turn labels as written into the names that are wanted, applied in the open.

Presets are data files, `resources/presets/labels/<name>.json`; own tables have the same form:
`{"about": "...", "mapping": {"Sleep stage 3": "N3", "Movement time": null}}`, or the inner object
alone. null makes a label unlabelled. Texts count as they are, upper and lower case included.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.label_set import Label, LabelSet, counted, listed, note

LabelMapping = dict[str, str | None]
_LARGEST = 1 << 22


@dataclass(frozen=True)
class MappedText:
    """One row of the table that shows what a mapping did.

    `became` is None for unlabelled; `known` tells whether the mapping has the text at all.
    """

    text: str
    count: int
    became: str | None
    known: bool

    @property
    def outcome(self) -> str:
        """What became of the text, for people."""
        if not self.known:
            return "left as it is: not in the table"
        return "unlabelled" if self.became is None else self.became


def mapping_names() -> tuple[str, ...]:
    """Names of the mapping presets, sorted."""
    folder = files("resources") / "presets" / "labels"
    return tuple(
        sorted(e.name.removesuffix(".json") for e in folder.iterdir() if e.name.endswith(".json"))
    )


def mapping_about(name: str) -> str:
    """What a preset is for, in a sentence or two. Raises ConfigError for other names."""
    return str(_preset(name).get("about", ""))


def load_mapping(name: str) -> LabelMapping:
    """The mapping preset of that name. Raises ConfigError that lists the presets."""
    return _checked(_preset(name), f"mapping preset {name}")


def _preset(name: str) -> dict[str, Any]:
    if name not in mapping_names():
        raise ConfigError(
            f"there is no mapping preset '{name}'; there are {', '.join(mapping_names())}."
        )
    path = files("resources") / "presets" / "labels" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def read_mapping(name: str) -> LabelMapping:
    """The mapping of a preset, or of a JSON file where the name ends in .json or is a path.

    Raises ConfigError with what is wrong in it.
    """
    path = Path(name)
    if not name.casefold().endswith(".json") and len(path.parts) < 2:
        return load_mapping(name)
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path}: far too large for a mapping.")
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_key_twice)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such mapping file; presets are {', '.join(mapping_names())}."
        ) from None
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}: not valid JSON, line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: the mapping cannot be read ({error}).") from None
    return _checked(document, str(path))


def _no_key_twice(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"'{key}' stands twice in one place")
        document[key] = value
    return document


def _checked(document: Any, where: str) -> LabelMapping:
    table = document
    if isinstance(document, dict) and isinstance(document.get("mapping"), dict):
        unknown = sorted(set(document) - {"about", "mapping"})
        if unknown:
            raise ConfigError(
                f"{where}: beside 'mapping' only 'about' may stand, not {listed(unknown)}."
            )
        table = document["mapping"]
    if not isinstance(table, dict):
        raise ConfigError(
            f'{where}: a mapping is a JSON object, such as {{"Sleep stage 3": "N3"}}.'
        )
    wrong = [key for key, value in table.items() if not isinstance(value, str | None)]
    if wrong:
        raise ConfigError(f"{where}: {listed(wrong)} must lead to a text or to null.")
    return dict(table)


def apply_mapping(
    labels: LabelSet, mapping: Mapping[str, str | None]
) -> tuple[LabelSet, tuple[MappedText, ...]]:
    """The labels under their new names, and what became of each text, the commonest first.

    What the mapping turns into null or nothing is left out; a text that it does not hold stays as
    it is, and a finding names it.
    """
    counts = Counter(label.text for label in labels.labels)
    rows = []
    for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        known = text in mapping
        became = mapping[text] if known else text
        rows.append(MappedText(text, count, (became or "").strip() or None, known))
    kept: list[Label] = []
    for label in labels.labels:
        name = mapping.get(label.text, label.text)
        if label.text not in mapping:
            kept.append(label)
        elif name is not None and name.strip():
            kept.append(replace(label, text=name))
    findings = list(labels.findings)
    unknown = [row for row in rows if not row.known]
    if unknown:
        findings.append(
            note(
                f"The mapping does not hold {counted(len(unknown), 'text')}, left as written: "
                f"{listed([row.text for row in unknown], 20)}."
            )
        )
    return replace(labels, labels=tuple(kept), findings=tuple(findings)), tuple(rows)
