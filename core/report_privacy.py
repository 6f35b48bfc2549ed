"""Taking names and places out of a report before it is handed on.

A report names recordings, people and files: in fields of its own, and in messages. Fields are
replaced by their meaning, messages word by word. What a user typed (notes, names of classes) is
free text that no program can see through.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from core.plain_json import as_list, as_map

Json = Mapping[str, Any]

# A message that begins with a path, as errors do; then paths anywhere else, folder by folder.
_LEADING = re.compile(r"^(?:/|~/|[A-Za-z]:[\\/]|\\\\)[^:]*(?=: )")
_POSIX = re.compile(r"(?<![\w/.~])~?/(?:[^\s/'\":,;()]+/)+")
_WINDOWS = re.compile(r"(?<!\w)(?:[A-Za-z]:[\\/]|\\\\)(?:[^\s\\/'\":,;()]+[\\/])*")


@dataclass(frozen=True)
class Aliases:
    """What recordings, subjects and raters are called in their place, by name."""

    recordings: dict[str, str]
    subjects: dict[str, str]
    raters: dict[str, str]

    @classmethod
    def of(
        cls, recordings: Iterable[str], subjects: Iterable[str], raters: Iterable[str] = ()
    ) -> Aliases:
        """Numbers in the order given; the first of equal names counts."""

        def numbered(word: str, names: Iterable[str]) -> dict[str, str]:
            order = [name for name in dict.fromkeys(names) if name]
            digits = len(str(len(order)))
            return {name: f"{word} {k:0{digits}d}" for k, name in enumerate(order, start=1)}

        return cls(
            numbered("recording", recordings),
            numbered("subject", subjects),
            numbered("rater", raters),
        )

    def recording(self, name: Any) -> str:
        """A recording's alias; one that is not known is not named."""
        return self.recordings.get(str(name), "a recording")

    def subject(self, name: Any) -> str:
        """A subject's alias."""
        return self.subjects.get(str(name), "a subject")

    def rater(self, name: Any) -> str:
        """A rater's alias."""
        return self.raters.get(str(name), "a rater")

    def in_text(self, text: str) -> str:
        """A message with every known name in it replaced, where it stands as a word."""
        known = {**self.raters, **self.subjects, **self.recordings}
        if not known or not text:
            return text
        longest_first = sorted(known, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda found: known[found.group()], text)


def aliases_of(
    report: Json,
    scored: Mapping[str, Json],
    recordings: Iterable[str] = (),
    subjects: Iterable[str] = (),
    raters: Iterable[str] = (),
) -> Aliases:
    """Aliases of everybody that a report or later scoring names, after those given."""
    entries = [*map(as_map, as_list(report.get("recordings"))), *map(as_map, scored.values())]
    evaluation, final = as_map(report.get("evaluation")), as_map(report.get("final"))
    named = [
        *(str(entry.get("subject") or "") for entry in entries),
        *map(str, as_map(evaluation.get("per_subject"))),
        *(str(name) for names in final.values() for name in as_list(names)),
    ]
    return Aliases.of(
        [*recordings, *(str(entry.get("id") or "") for entry in entries)],
        [*subjects, *named],
        raters,
    )


def without_paths(report: Json) -> dict[str, Any]:
    """A report in which files have names but no folders, neither in fields nor in messages."""
    clean = copy.deepcopy(dict(report))
    entries = [as_map(entry) for entry in as_list(clean.get("recordings"))]
    known = {str(path) for entry in entries for path in paths_of(entry)}
    for entry in entries:
        if entry.get("path"):
            entry["path"] = _name(str(entry["path"]))
        if isinstance(entry.get("paths"), Mapping):
            entry["paths"] = {key: _name(str(p)) for key, p in as_map(entry["paths"]).items()}
        else:
            entry["paths"] = [_name(str(path)) for path in as_list(entry.get("paths"))]
        _each_message(entry, known)
    if entries:
        clean["recordings"] = entries
    for key in ("error", "model"):
        if clean.get(key):
            clean[key] = without_folders(str(clean[key]), known)
    evaluation = as_map(clean.get("evaluation"))
    if evaluation.get("notes"):
        notes = [without_folders(str(note), known) for note in as_list(evaluation["notes"])]
        clean["evaluation"] = {**evaluation, "notes": notes}
    if clean.get("config"):
        clean["config"] = _config_without_paths(as_map(clean["config"]))
    return clean


def anonymous(report: Json, aliases: Aliases) -> dict[str, Any]:
    """A report without paths in which numbers stand for recordings, subjects and raters.

    The notes and what the run file lists and excludes are left out.
    """
    names = _file_names(report, aliases)
    clean = without_paths(report)
    said = names.in_text
    for entry in as_list(clean.get("recordings")):
        entry["id"] = aliases.recording(entry.get("id"))
        entry["subject"] = aliases.subject(entry.get("subject"))
        entry["path"], entry["paths"] = None, {}
        if entry.get("error"):
            entry["error"] = said(str(entry["error"]))
        for finding in as_list(entry.get("findings")):
            finding["message"] = said(str(finding.get("message") or ""))
    if clean.get("error"):
        clean["error"] = said(str(clean["error"]))
    clean["final"] = {
        key: [aliases.subject(name) for name in as_list(values)]
        for key, values in as_map(clean.get("final")).items()
    }
    evaluation = as_map(clean.get("evaluation"))
    if evaluation:
        evaluation["per_subject"] = {
            aliases.subject(name): row
            for name, row in as_map(evaluation.get("per_subject")).items()
        }
        evaluation["folds"] = [
            {
                key: [aliases.subject(name) for name in value] if isinstance(value, list) else value
                for key, value in as_map(fold).items()
            }
            for fold in as_list(evaluation.get("folds"))
        ]
        evaluation["notes"] = [said(str(note)) for note in as_list(evaluation.get("notes"))]
        clean["evaluation"] = evaluation
    config = as_map(clean.get("config"))
    if config:
        config.pop("notes", None)
        recordings = as_map(config.get("recordings"))
        for key in ("exclude", "key_map"):
            recordings.pop(key, None)
        for source in as_list(recordings.get("sources")):
            for key in ("pattern", "values"):
                source.pop(key, None)
        config["recordings"] = recordings
        tested = as_map(config.get("evaluate"))
        if tested.get("test_subjects"):
            people = [aliases.subject(name) for name in as_list(tested["test_subjects"])]
            config["evaluate"] = {**tested, "test_subjects": people}
        clean["config"] = config
    return clean


def paths_of(entry: Json) -> list[str]:
    """All files of a recording's entry in a report, as they were written there."""
    paths = entry.get("paths")
    named = as_map(paths).values() if isinstance(paths, Mapping) else as_list(paths)
    return list(dict.fromkeys(str(path) for path in (*named, entry.get("path")) if path))


def without_folders(text: str, known: Iterable[str] = ()) -> str:
    """A message in which only the last part of each path is left."""
    for path in sorted(known, key=len, reverse=True):
        for form in dict.fromkeys((path, os.path.normpath(path))):
            text = text.replace(form, _name(path))
    text = _LEADING.sub(lambda found: _name(found.group()), text)
    return _WINDOWS.sub("", _POSIX.sub("", text))


# ---------------------------------------------------------------- parts


def _each_message(entry: dict[str, Any], known: Iterable[str]) -> None:
    if entry.get("error"):
        entry["error"] = without_folders(str(entry["error"]), known)
    entry["findings"] = [
        {**as_map(f), "message": without_folders(str(as_map(f).get("message") or ""), known)}
        for f in as_list(entry.get("findings"))
    ]


def _name(path: str) -> str:
    """The last part of a path of either kind of system."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def _file_names(report: Json, aliases: Aliases) -> Aliases:
    """The aliases, with names of files and of the folders just above as names of recordings."""
    known = dict(aliases.recordings)
    for entry in map(as_map, as_list(report.get("recordings"))):
        alias = aliases.recording(entry.get("id"))
        for path in paths_of(entry):
            parts = [part for part in re.split(r"[\\/]", path) if part not in ("", ".", "..")]
            for part in (*parts[-1:], PurePath(parts[-1]).stem if parts else ""):
                known.setdefault(part, alias)
    return Aliases({name: to for name, to in known.items() if name}, aliases.subjects,
                   aliases.raters)  # fmt: skip


def _config_without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """The settings without where things lie, and without the list of recordings."""
    config["data_root"] = None
    recordings = as_map(config.get("recordings"))
    if recordings:
        listed = as_list(recordings.get("listed"))
        if listed:
            count = len(listed)
            recordings["listed"] = "1 recording" if count == 1 else f"{count} recordings"
        for source in as_list(recordings.get("sources")):
            if source.get("pattern"):
                source["pattern"] = _name(str(source["pattern"]))
        config["recordings"] = recordings
    labels = as_map(config.get("labels"))
    if labels.get("pattern"):
        config["labels"] = {**labels, "pattern": _name(str(labels["pattern"]))}
    finetune = as_map(config.get("finetune"))
    if finetune.get("from"):
        config["finetune"] = {**finetune, "from": _name(str(finetune["from"]))}
    return {key: value if key == "notes" else _relative(value) for key, value in config.items()}


def _relative(value: Any) -> Any:
    """A value of the settings in which absolute paths have lost their folders."""
    if isinstance(value, dict):
        return {key: _relative(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_relative(entry) for entry in value]
    if isinstance(value, str) and len(value) > 1 and (
        PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()
    ):  # fmt: skip
        return _name(value)
    return value
