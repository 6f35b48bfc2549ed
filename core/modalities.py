"""Which channels of a recording make up which modality, and reading them at its rate and unit.

`choose_scheme` settles, once for a study, the modalities with all their rates and units;
`resolve` finds them in one recording. A settled scheme is plain configuration, so a saved model
carries it and new recordings are read the same way.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files

import numpy as np
from pydantic import TypeAdapter

from core.config import DetectionConfig, Kind, ModalityConfig
from core.errors import ConfigError, DataError
from core.filters import TracePlan, design
from core.kinds import guess_kind
from core.recording import Channel, Finding, Recording, Source, Stretch

AUTO = "auto"
AUTO_MINIMUM = 2
"""Modalities that a preset must find before `auto` takes it: one alone has nothing to cross."""

# ---------------------------------------------------------------- presets


def preset_names() -> tuple[str, ...]:
    """Names of the modality presets, sorted."""
    folder = files("resources") / "presets" / "modalities"
    return tuple(
        sorted(e.name.removesuffix(".json") for e in folder.iterdir() if e.name.endswith(".json"))
    )


@lru_cache(maxsize=16)
def load_preset(name: str) -> tuple[ModalityConfig, ...]:
    """The modalities of `resources/presets/modalities/<name>.json`; ConfigError if none is."""
    if name not in preset_names():
        raise ConfigError(
            f"modalities: there is no preset '{name}'; there are {', '.join(preset_names())}, "
            f"'{AUTO}', or a list of modalities."
        )
    path = files("resources") / "presets" / "modalities" / f"{name}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    return tuple(TypeAdapter(list[ModalityConfig]).validate_python(document["modalities"]))


def preset_about(name: str) -> str:
    """What a preset is for, in a sentence or two; empty for other names."""
    if name not in preset_names():
        return ""
    path = files("resources") / "presets" / "modalities" / f"{name}.json"
    return str(json.loads(path.read_text(encoding="utf-8")).get("about", ""))


# ---------------------------------------------------------------- kinds

# What a sensor of this kind does when it works, measured on 20 wristbands worn for an hour each.
# Skin temperature is written in steps of 0.02 °C and rests on one for up to 18 s, skin conductance
# for up to 4 s. An accelerometer in steps of 1/64 g on a resting arm keeps all three axes for 1 s
# in most of a window, but not for 5 s.
_KIND_DETECTION: dict[Kind, dict[str, object]] = {
    "acc": {"flat_run_s": 5.0},
    "gyro": {"flat_run_s": 5.0},
    "temp": {"max_flat_share": 1.0, "max_saturated_share": 1.0},
    "eda": {"flat_run_s": 20.0},
}


def kind_of(modality: ModalityConfig) -> Kind:
    """What a modality measures: as configured, or guessed from its name."""
    return modality.kind or guess_kind(modality.name)


def _detection_of(modality: ModalityConfig) -> DetectionConfig:
    """The detection settings, with what the user left open filled in by the kind."""
    values = dict(_KIND_DETECTION.get(kind_of(modality), {}))
    given = modality.detection.model_dump(include=modality.detection.model_fields_set)
    return DetectionConfig(**(values | given))


# ---------------------------------------------------------------- units

# Unit, lower case: (what it measures, factor to the base unit, offset in the base unit). Letters
# that mean two things (ms: milliseconds, millisiemens) are told apart by the unit asked for.
_UNITS: dict[str, tuple[tuple[str, float, float], ...]] = {}


def _known(quantity: str, **units: float) -> None:
    for unit, factor in units.items():
        _UNITS[unit] = (*_UNITS.get(unit, ()), (quantity, factor, 0.0))


_known("voltage", v=1.0, mv=1e-3, uv=1e-6, nv=1e-9, volt=1.0, microvolt=1e-6, microvolts=1e-6)
_known("acceleration", g=9.80665, mg=9.80665e-3)
for _unit in ("m/s2", "m/s^2", "m/s²", "m/s/s", "ms-2", "m.s-2", "m s-2", "m*s-2"):
    _known("acceleration", **{_unit: 1.0})
for _unit in ("g/64", "1/64g", "1/64 g"):
    _known("acceleration", **{_unit: 9.80665 / 64})
for _unit in ("rad/s", "rads", "rad.s-1", "rad s-1"):
    _known("rotation", **{_unit: 1.0})
for _unit in ("deg/s", "°/s", "dps", "deg.s-1"):
    _known("rotation", **{_unit: float(np.pi / 180)})
for _unit in ("c", "degc", "°c", "deg c", "celsius", "℃"):
    _UNITS[_unit] = (("temperature", 1.0, 0.0),)
_UNITS["k"] = _UNITS["kelvin"] = (("temperature", 1.0, -273.15),)
for _unit in ("f", "degf", "°f", "fahrenheit"):
    _UNITS[_unit] = (("temperature", 5 / 9, -160 / 9),)
_known("conductance", s=1.0, ms=1e-3, us=1e-6, ns=1e-9, microsiemens=1e-6, usiemens=1e-6)
_known("time", s=1.0, sec=1.0, ms=1e-3, us=1e-6)
_known("pressure", pa=1.0, hpa=100.0, kpa=1e3, mbar=100.0, cmh2o=98.0665, mmhg=133.322)
_known("share", **{"%": 1.0, "percent": 1.0, "pct": 1.0})
_known("frequency", hz=1.0, bpm=1 / 60, **{"1/min": 1 / 60, "/min": 1 / 60})
_known("resistance", ohm=1.0, kohm=1e3)
_known("volume", ml=1.0, l=1e3)


def convert(unit: str, wanted: str) -> tuple[float, float] | None:
    """Factor and offset that turn values in `unit` into `wanted`.

    None where either is unknown. Raises ValueError where both are known and measure different
    things. Upper and lower case do not matter: EDF files write `MV` for millivolt.
    """
    a, b = _plain(unit), _plain(wanted)
    if a == b:
        return 1.0, 0.0
    if a not in _UNITS or b not in _UNITS:
        return None
    for quantity, factor, offset in _UNITS[a]:
        for other, divisor, shift in _UNITS[b]:
            if quantity == other:
                return factor / divisor, (offset - shift) / divisor
    raise ValueError(f"{unit} is not a multiple of {wanted}")


def _plain(unit: str) -> str:
    text = " ".join(unit.split()).casefold()
    return text.replace("µ", "u").replace("μ", "u").replace("\ufffd", "u")


# ---------------------------------------------------------------- names

_TYPE_WORD = re.compile(r"^(eeg|ecg|ekg|eog|emg|erg|meg|mcg|resp|temp)[ _-]+(?=\S)")
_REFERENCE = re.compile(r"[-_](ref|le|avg|av)$")


@lru_cache(maxsize=4096)
def names_of(label: str) -> tuple[str, ...]:
    """The names a channel answers to, lower case.

    `EEG C3-A2 ` is also `c3-a2`, `EEG Fp1-REF` also `fp1`, `C3:M2` and `C3 - M2` also `c3-m2`.
    """
    text = " ".join(label.split()).casefold()
    names = [text]
    joined = re.sub(r"\s*[-:/–_]\s*", "-", text)
    for name in (text, joined):
        bare = _TYPE_WORD.sub("", name)
        names += [name, bare, _REFERENCE.sub("", bare)]
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=1 << 16)
def matches(label: str, pattern: str) -> bool:
    """Whether a channel answers to a pattern with `*` and `?`, without regard to case."""
    wanted = " ".join(pattern.split()).casefold().replace("[", "[[]")
    return any(fnmatchcase(name, wanted) for name in names_of(label))


def _from_source(source: Source, wanted: str | None) -> bool:
    return wanted is None or fnmatchcase(source.name.casefold(), wanted.strip().casefold())


# ---------------------------------------------------------------- schemes and resolving


@dataclass(frozen=True)
class ModalityScheme:
    """The modalities of a study, in order, with kind, rate, unit and detection all settled."""

    modalities: tuple[ModalityConfig, ...]
    preset: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(modality.name for modality in self.modalities)

    def index(self, name: str) -> int:
        return self.names.index(name)

    def rate_hz(self, name: str) -> float:
        """Rate of a modality; every settled scheme has one."""
        rate = self.modalities[self.index(name)].rate_hz
        if rate is None:
            raise ValueError(f"the rate of {name} is not settled")
        return rate

    def samples(self, name: str, length_s: float) -> int:
        """Samples of a window of a modality."""
        return round(length_s * self.rate_hz(name))


@dataclass(frozen=True)
class Trace:
    """One channel of one file, read in the modality's unit on its own grid.

    `low`, `high`: the device's limits in the modality's unit, where the file says so. `excluded`:
    input samples that count as missing, as (start, stop).
    """

    source: Source
    channel: int
    scale: float
    shift: float
    low: float | None
    high: float | None
    valid_range: tuple[float, float] | None
    excluded: tuple[tuple[int, int], ...]
    plan: TracePlan

    def read(self, start: int, stop: int) -> np.ndarray:
        """Input samples, float32; missing, impossible and excluded ones NaN. (stop - start,)"""
        values = self.source.file.read(self.channel, start, stop)
        if self.scale != 1.0 or self.shift != 0.0:
            values = values * np.float32(self.scale)
            values += np.float32(self.shift)
        if self.valid_range is not None:
            outside = (values < self.valid_range[0]) | (values > self.valid_range[1])
            if outside.any():
                values = np.where(outside, np.float32(np.nan), values)
        for first, last in self.excluded:
            if first < stop and last > start:
                values = values.copy()
                values[max(first - start, 0) : last - start] = np.nan
        return values


@dataclass(frozen=True)
class ResolvedChannel:
    """One channel of a modality in one recording: a trace, or the difference of two.

    No trace at all: the recording lacks it, and it reads as NaN. `label` is for people.
    """

    label: str
    traces: tuple[Trace, ...]


@dataclass(frozen=True)
class ResolvedModality:
    """A modality in one recording; `channels` has an entry for every configured channel."""

    config: ModalityConfig
    rate_hz: float
    channels: tuple[ResolvedChannel, ...]

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def found(self) -> bool:
        """Whether the recording has any of its channels."""
        return any(channel.traces for channel in self.channels)


@dataclass(frozen=True)
class ResolvedModalities:
    """All modalities of a scheme in one recording, in scheme order."""

    recording: Recording
    modalities: tuple[ResolvedModality, ...]
    findings: tuple[Finding, ...]

    def __getitem__(self, name: str) -> ResolvedModality:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise KeyError(name)


def choose_scheme(
    config: str | Sequence[ModalityConfig], recordings: Sequence[Recording]
) -> ModalityScheme:
    """Settle the modalities for a set of recordings.

    `config` is a list, the name of a preset, or `auto`. Modalities of a preset that no recording
    has are left out with a finding; a listed modality that no recording has raises DataError, and
    so does `auto` when no preset fits. Rates and units left open become those that most
    recordings have; of rates equally common the middle one, or the lower of two.
    """
    findings: list[Finding] = []
    preset: str | None = None
    if isinstance(config, str):
        preset = _fitting_preset(recordings) if config == AUTO else config
        wanted = load_preset(preset)
    else:
        wanted = tuple(config)
    settled = []
    absent: list[str] = []
    for modality in wanted:
        found = [_channels_of(modality, recording) for recording in recordings]
        if not any(found):
            if preset is None:
                raise DataError(
                    f"No recording has a channel for modality '{modality.name}' (looked for "
                    f"{_wanted_names(modality)}). Channels found: {_all_names(recordings)}."
                )
            absent.append(modality.name)
            continue
        settled.append(_settle(modality, found))
    if not settled:
        raise DataError(
            f"No recording has a channel of the preset '{preset}'. Channels found: "
            f"{_all_names(recordings)}. Write the modalities as a list."
        )
    if absent:
        message = f"No recording has {', '.join(absent)} of the preset '{preset}'; left out."
        findings.append(Finding("note", "modalities", message))
    if config == AUTO:
        findings.append(
            Finding("note", "modalities", f"Preset '{preset}' chosen by the channels' names.")
        )
    return ModalityScheme(tuple(settled), preset, tuple(findings))


def _fitting_preset(recordings: Sequence[Recording]) -> str:
    scores = {
        name: sum(
            sum(bool(_channels_of(modality, recording)) for modality in load_preset(name))
            for recording in recordings
        )
        / max(1, len(recordings))
        for name in preset_names()
    }
    best = max(scores, key=lambda name: scores[name], default="")
    if not best or scores[best] < AUTO_MINIMUM:
        raise DataError(
            f"No modality preset ({', '.join(preset_names())}) fits these recordings. Channels "
            f"found: {_all_names(recordings)}. Write the modalities as a list."
        )
    return best


def _settle(modality: ModalityConfig, found: Sequence[Sequence[Channel]]) -> ModalityConfig:
    rates = Counter(max(c.rate_hz for c in channels) for channels in found if channels)
    middle = float(np.median(list(rates.elements())))
    common = max(rates, key=lambda rate: (rates[rate], -abs(rate - middle), -rate))
    units = Counter(c.unit.strip() for channels in found for c in channels if c.unit.strip())
    unit = modality.unit
    if unit is None and units and _comparable(list(units)):
        unit = units.most_common(1)[0][0]
    return modality.model_copy(
        update={
            "kind": kind_of(modality),
            "rate_hz": modality.rate_hz or common,
            "unit": unit,
            "detection": _detection_of(modality),
        }
    )


def _comparable(units: Sequence[str]) -> bool:
    """Whether values in any of these units can be turned into the first one."""
    try:
        return all(convert(unit, units[0]) is not None for unit in units)
    except ValueError:
        return False


def _all_names(recordings: Iterable[Recording]) -> str:
    several = False
    names: dict[str, None] = {}
    for recording in recordings:
        several |= len(recording.sources) > 1
        for source in recording.sources:
            for channel in source.file.channels:
                label = channel.label.strip()
                names[f"{source.name}: {label}" if several else label] = None
    listed = list(names)
    more = f" and {len(listed) - 40} more" if len(listed) > 40 else ""
    return ", ".join(listed[:40]) + more if listed else "none"


def _wanted_names(modality: ModalityConfig) -> str:
    text = ", ".join(dict.fromkeys(name for c in modality.channels for name in c.match))
    return f"{text} in source {modality.source}" if modality.source else text


def _channels_of(modality: ModalityConfig, recording: Recording) -> list[Channel]:
    return [
        source.file.channels[number]
        for found in _find(modality, recording, [])
        for source, number in found
    ]


def _find(
    modality: ModalityConfig, recording: Recording, findings: list[Finding]
) -> list[tuple[tuple[Source, int], ...]]:
    """For each configured channel: nothing, one file channel, or the two of a difference."""
    result: list[tuple[tuple[Source, int], ...]] = []
    used: set[tuple[str, int]] = set()
    for wanted in modality.channels:
        pool = [
            (source, number)
            for source in recording.sources
            if _from_source(source, wanted.source) and _from_source(source, modality.source)
            for number, channel in enumerate(source.file.channels)
            if channel.rate_hz > 0 and _measures(channel, modality, findings)
        ]
        free = [(s, n) for s, n in pool if (f"{s.name}\0{s.file.path}", n) not in used]
        pattern, plus = _first(free, wanted.match)
        if plus is None:
            result.append(())
            continue
        used.add((f"{plus[0].name}\0{plus[0].file.path}", plus[1]))
        if wanted.minus is None or _is_difference(pattern):
            result.append((plus,))
            continue
        _, minus = _first([entry for entry in pool if entry != plus], wanted.minus)
        if minus is None:
            # Files that name single electrodes and hold no reference were referenced before.
            label = plus[0].file.channels[plus[1]].label.strip()
            findings.append(
                Finding(
                    "uncalibrated",
                    modality.name,
                    f"There is {label} but no {' or '.join(wanted.minus)} to subtract from it; "
                    f"it is taken as recorded.",
                )
            )
            result.append((plus,))
        else:
            result.append((plus, minus))
    return result


def _first(
    pool: Sequence[tuple[Source, int]], patterns: Sequence[str]
) -> tuple[str, tuple[Source, int] | None]:
    for pattern in patterns:
        for source, number in pool:
            label = source.file.channels[number].label
            # `watch:x_acc` names the source too, where channels of several are called alike.
            if matches(label, pattern) or matches(f"{source.name}:{label.strip()}", pattern):
                return pattern, (source, number)
    return "", None


def _is_difference(pattern: str) -> bool:
    """Whether a name such as `C3-M2` or `EEG Fpz-Cz` says that two electrodes were subtracted."""
    return bool(re.search(r"\w-\w", names_of(pattern)[-1]))


def _measures(channel: Channel, modality: ModalityConfig, findings: list[Finding]) -> bool:
    """Whether the unit allows the channel: an impedance in Ohm is no EEG in uV."""
    if not channel.unit.strip() or modality.unit is None:
        return True
    try:
        convert(channel.unit, modality.unit)
    except ValueError:
        names = [name for wanted in modality.channels for name in wanted.match]
        if any(matches(channel.label, name) for name in names):
            _add(
                findings,
                Finding(
                    "note",
                    modality.name,
                    f"{channel.label.strip()} is in {channel.unit.strip()}, not in a multiple of "
                    f"{modality.unit}; it is passed over.",
                ),
            )
        return False
    return True


def _add(findings: list[Finding], finding: Finding) -> None:
    if finding not in findings:
        findings.append(finding)


def resolve(scheme: ModalityScheme, recording: Recording) -> ResolvedModalities:
    """Find the scheme's modalities in a recording.

    What is missing is no error: a channel that is not there reads as NaN, and a modality without
    any channel is absent in every window; both are in the findings.
    """
    findings: list[Finding] = []
    resolved = []
    for modality in scheme.modalities:
        channels = []
        for wanted, found in zip(
            modality.channels, _find(modality, recording, findings), strict=True
        ):
            try:
                traces = tuple(_trace(s, n, modality, recording, findings) for s, n in found)
            except DataError as error:  # a channel too slow for the modality's filter
                findings.append(Finding("note", modality.name, f"{wanted.match[0]}: {error}"))
                traces = ()
            label = "-".join(s.file.channels[n].label.strip() for s, n in found)
            channels.append(ResolvedChannel(label or wanted.match[0], traces))
        missing = [channel.label for channel in channels if not channel.traces]
        if len(missing) == len(channels):
            findings.append(
                Finding(
                    "note",
                    modality.name,
                    f"No channel for {modality.name} (looked for {_wanted_names(modality)}); "
                    f"it counts as missing.",
                )
            )
        elif missing:
            findings.append(
                Finding(
                    "note", modality.name, f"{modality.name} lacks {', '.join(missing)}, as NaN."
                )
            )
        rate = scheme.rate_hz(modality.name)
        resolved.append(ResolvedModality(modality, rate, tuple(channels)))
    return ResolvedModalities(recording, tuple(resolved), tuple(findings))


def _trace(
    source: Source,
    number: int,
    modality: ModalityConfig,
    recording: Recording,
    findings: list[Finding],
) -> Trace:
    channel = source.file.channels[number]
    scale, shift = 1.0, 0.0
    if modality.unit is not None:
        factors = convert(channel.unit, modality.unit)
        if factors is None:
            what = f"unit '{channel.unit.strip()}'" if channel.unit.strip() else "no unit"
            _add(
                findings,
                Finding(
                    "uncalibrated",
                    modality.name,
                    f"{channel.label.strip()} has {what}; its values are taken as {modality.unit}.",
                ),
            )
        else:
            scale, shift = factors
    rate = modality.rate_hz or channel.rate_hz
    plan = TracePlan(
        channel.rate_hz, rate, source.offset_s, design(modality.filter, channel.rate_hz)
    )
    return Trace(
        source,
        number,
        scale,
        shift,
        None if channel.minimum is None else channel.minimum * scale + shift,
        None if channel.maximum is None else channel.maximum * scale + shift,
        modality.detection.valid_range,
        tuple(
            _samples(stretch, source, channel)
            for stretch in recording.excluded
            if stretch.modality in (None, modality.name)
        ),
        plan,
    )


def _samples(stretch: Stretch, source: Source, channel: Channel) -> tuple[int, int]:
    first = (stretch.start_s - source.offset_s) * channel.rate_hz
    last = (stretch.end_s - source.offset_s) * channel.rate_hz
    limit = float(channel.samples + 1)  # an open end is infinite
    return (
        int(np.ceil(np.clip(first, -1, limit) - 1e-6)),
        int(np.ceil(np.clip(last, -1, limit) - 1e-6)),
    )


# ---------------------------------------------------------------- reading


def read_trace(trace: Trace, start: int, stop: int) -> np.ndarray:
    """Samples `start` to `stop` of the modality's grid from one trace, float32."""
    margin = trace.plan.margin
    first = trace.plan.input_index(start) - margin
    if trace.plan.copies:
        return trace.read(first, first + stop - start)
    values = trace.read(first, trace.plan.input_index(stop) + margin + 1)
    return trace.plan.apply(values, first, start, stop)


def subtract_average(values: np.ndarray) -> None:
    """Subtract, in place, the mean over the channels that are there; (channels, samples)."""
    there = ~np.isnan(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0).sum(axis=0, dtype=np.float64)
    values -= (total / np.maximum(count, 1)).astype(np.float32)


def read_modality(
    resolved: ResolvedModalities, name: str, start_s: float, stop_s: float
) -> np.ndarray:
    """A stretch of a modality, float32, (channels, samples), at its rate and in its unit.

    The first sample is the one nearest to `start_s`; sample k of the recording lies at
    k / rate_hz. NaN where nothing was recorded, outside the valid range and where excluded. Safe
    from several threads; takes memory for the stretch only.
    """
    modality = resolved[name]
    start = round(start_s * modality.rate_hz)
    stop = start + round((stop_s - start_s) * modality.rate_hz)
    values = np.full((len(modality.channels), stop - start), np.nan, np.float32)
    for row, channel in enumerate(modality.channels):
        for number, trace in enumerate(channel.traces):
            part = read_trace(trace, start, stop)
            if number == 0:
                values[row] = part
            else:
                values[row] -= part
    if modality.config.average_reference:
        subtract_average(values)
    return values
