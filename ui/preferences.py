"""What the user has chosen for good: typed, with defaults, kept in the user's own folder."""

from __future__ import annotations

import json
import os
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from PySide6.QtCore import QCoreApplication, QObject, Signal

from core.atomic_file import write_atomically
from core.errors import CrosslError
from core.user_folders import settings_folder

MOST_RECENT = 10
SCHEMA_VERSION = 1
Appearances = Literal["system", "light", "dark"]
TimeModes = Literal["elapsed", "clock"]
PaletteNames = Literal["okabe_ito", "tol_bright", "high_contrast"]


@dataclass(frozen=True)
class RecentStudy:
    """A study folder that was open.

    Attributes
    ----------
    path: the folder, absolute.
    opened: when it was opened last, local time as ISO text; empty when that is not known.
    """

    path: str
    opened: str = ""

    @property
    def name(self) -> str:
        return Path(self.path).name or self.path

    @property
    def opened_at(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self.opened)
        except ValueError:
            return None


@dataclass(frozen=True)
class Preferences:
    """The user's settings; the defaults stand here and nowhere else.

    Attributes
    ----------
    text_scale_percent: size of all text, relative to the system's.
    recent_studies: newest first, at most ten.
    recent_commands: names of commands run from the command palette, newest first.
    window_geometry, window_state: what Qt's saveGeometry and saveState gave, as base64.
    auto_advance: whether a label's key goes on to the next epoch.
    whole_strip: whether the strip of ordered classes shows the whole recording.
    time_mode: time from the recording's start, or time of day.
    last_folders: the folder a dialog was in last, by what the dialog is for.
    rater: who labels, for new labels; empty until the user has said it.
    palette: name of the series of colours in `ui.appearance.PALETTES`.
    """

    text_scale_percent: Annotated[int, Field(ge=75, le=250)] = 100
    appearance: Appearances = "system"
    palette: PaletteNames = "okabe_ito"
    time_mode: TimeModes = "elapsed"
    auto_advance: bool = True
    whole_strip: bool = True
    rater: str = ""
    recent_studies: tuple[RecentStudy, ...] = ()
    recent_commands: tuple[str, ...] = ()
    last_folders: Mapping[str, str] = field(default_factory=dict)
    window_geometry: str = ""
    window_state: str = ""


DEFAULTS = Preferences()
_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(kind)
    for name, kind in typing.get_type_hints(Preferences, include_extras=True).items()
}


def preferences_path() -> Path:
    """Where the settings are kept: in the user's folder for settings on this system."""
    return settings_folder() / "preferences.json"


class PreferenceStore(QObject):
    """Holds the settings, writes each change at once, and tells who listens.

    A file that cannot be used never stops the program: a damaged one is kept beside its place under
    another name, values that cannot be are replaced by defaults, and `messages` says so.
    """

    changed = Signal(object)
    """Other Preferences are in force."""
    failed = Signal(object)
    """A CrosslError: the file could not be written; the change holds until the program ends."""

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = path if path is not None else preferences_path()
        self._messages: list[str] = []
        self._said = ""
        self._value = self._read()

    @property
    def value(self) -> Preferences:
        return self._value

    @property
    def messages(self) -> tuple[str, ...]:
        """What was met when the file was read, in sentences for the user."""
        return tuple(self._messages)

    def update(self, **changes: Any) -> None:
        """Change settings and write them.

        Raises ValueError for a setting that does not exist or a value that it cannot have: a
        mistake of the program.
        """
        checked = {}
        for name, value in changes.items():
            if name not in _ADAPTERS:
                raise ValueError(f"there is no preference '{name}'")
            checked[name] = _ADAPTERS[name].validate_python(value)
        new = replace(self._value, **checked)
        if new == self._value:
            return
        self._value = new
        self._write()
        self.changed.emit(new)

    # -- what is changed in passing

    def note_study(self, path: Path, now: datetime | None = None) -> None:
        """Put a study at the head of the recent ones."""
        full = os.path.abspath(path)
        opened = (now or datetime.now()).isoformat(timespec="seconds")
        others = [entry for entry in self._value.recent_studies if entry.path != full]
        recent = (RecentStudy(full, opened), *others)[:MOST_RECENT]
        self.update(recent_studies=recent)

    def forget_study(self, path: Path) -> None:
        """Take a study off the list of recent ones; the study itself stays where it is."""
        full = os.path.abspath(path)
        kept = tuple(entry for entry in self._value.recent_studies if entry.path != full)
        self.update(recent_studies=kept)

    def note_command(self, name: str) -> None:
        """Put a command at the head of the recent ones."""
        others = [entry for entry in self._value.recent_commands if entry != name]
        self.update(recent_commands=(name, *others)[:MOST_RECENT])

    def folder_for(self, purpose: str) -> str:
        """The folder a dialog for this purpose was in last; empty for none."""
        return self._value.last_folders.get(purpose, "")

    def note_folder(self, purpose: str, folder: Path) -> None:
        """Remember the folder that a dialog for this purpose was in."""
        self.update(last_folders={**self._value.last_folders, purpose: os.path.abspath(folder)})

    # -- the file

    def _read(self) -> Preferences:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return DEFAULTS
        except OSError as error:
            self._put_aside(error.strerror or str(error))
            return DEFAULTS
        try:
            document = json.loads(content.decode("utf-8"))
            if not isinstance(document, dict):
                raise ValueError("no object")
        except (ValueError, RecursionError):
            self._put_aside(self.tr("they are damaged"))
            return DEFAULTS
        document.pop("schema_version", None)
        values = {}
        for name, value in document.items():
            if name not in _ADAPTERS:
                self._messages.append(
                    self.tr(
                        "{path}: there is no setting '{name}'; it is left out when the "
                        "settings are written again."
                    ).format(path=self.path, name=name)
                )
                continue
            try:
                values[name] = _ADAPTERS[name].validate_python(value)
            except ValidationError:
                self._messages.append(
                    self.tr(
                        "{path}: '{name}' cannot be what the file says; its default is used."
                    ).format(path=self.path, name=name)
                )
        if "recent_studies" in values:
            values["recent_studies"] = values["recent_studies"][:MOST_RECENT]
        return Preferences(**values)

    def _put_aside(self, why: str) -> None:
        kept = self.path.with_name(self.path.name + ".damaged")
        says = self.tr(
            "{path}: the settings cannot be used ({why}); the defaults take their place."
        )
        says = says.format(path=self.path, why=why)
        try:
            os.replace(self.path, kept)
        except OSError as error:
            and_then = self.tr("The file could not be put aside ({reason}).").format(
                reason=error.strerror or error
            )
        else:
            and_then = self.tr("The file was kept as {kept}.").format(kept=kept.name)
        self._messages.append(f"{says} {and_then}")

    def _write(self) -> None:
        document = {"schema_version": SCHEMA_VERSION, **asdict(self._value)}
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        try:
            write_atomically(self.path, text.encode("utf-8"))
        except CrosslError as error:
            # Said once, not with every change of a window's size.
            if str(error) != self._said:
                self._said = str(error)
                self.failed.emit(error)
        else:
            self._said = ""


def palette_title(name: str) -> str:
    """What the user reads for a series of colours."""
    titles = {
        "okabe_ito": QCoreApplication.translate("preferences", "Okabe and Ito"),
        "tol_bright": QCoreApplication.translate("preferences", "Tol, bright"),
        "high_contrast": QCoreApplication.translate("preferences", "High contrast"),
    }
    return titles[name]
