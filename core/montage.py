"""What is drawn of a recording, and how: traces in order, each with its derivation and filter.

A `Montage` holds plain values that a study keeps as JSON. `display_channels` finds its traces in a
recording: channels that are read lazily, each at its own rate.
"""

# core.modalities and core.filters bring scipy along, which takes a second to load. A recording
# that is drawn as it is needs neither, so they are imported where they are needed.
from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import FilterConfig
from core.errors import ConfigError
from core.recording import Channel, Recording, Source

if TYPE_CHECKING:
    from core.config import Kind, ModalityConfig
    from core.filters import TracePlan
    from core.modalities import ModalityScheme, ResolvedChannel

DOCUMENT_VERSION = 1

# ---------------------------------------------------------------- settings


@dataclass(frozen=True)
class TraceSettings:
    """One trace: which channel it shows, and how.

    Attributes
    ----------
    name: shown beside the trace; no two traces of a montage have the same.
    channel: names of the channel, the first that a recording has wins. They match as those of a
        modality do (`*` and `?` allowed, `C3` finds `EEG C3`), but a label written the same way
        goes before others.
    source: the file that the channel is in, where a recording has several; empty: any.
    number: which of several channels called alike, counted from 0.
    minus: names of the channel to subtract. Where `channel` has several names, one that already
        says a difference (`C3-M2`) is taken as it is.
    average_reference: subtract the mean of the modality's traces that have this and the same rate.
    unit: the unit of values; empty: the channel's own. A channel in a unit that measures something
        else is not taken.
    modality: name of the modality, or empty.
    kind: what it measures; empty: guessed.
    low_hz, high_hz, notch_hz: the filter, as in `FilterConfig`.
    inverted: draw with negative values up. Drawing only: values stay as they are.
    sensitivity: units over the height of a lane; None: chosen from the signal.
    hidden: kept in the montage, but not drawn.
    """

    name: str
    channel: tuple[str, ...]
    source: str = ""
    number: int = 0
    minus: tuple[str, ...] = ()
    average_reference: bool = False
    unit: str = ""
    modality: str = ""
    kind: str = ""
    low_hz: float | None = None
    high_hz: float | None = None
    notch_hz: float | None = None
    inverted: bool = False
    sensitivity: float | None = None
    hidden: bool = False

    @property
    def filter(self) -> FilterConfig:
        return FilterConfig(low_hz=self.low_hz, high_hz=self.high_hz, notch_hz=self.notch_hz)

    @property
    def is_filtered(self) -> bool:
        return any(edge is not None for edge in (self.low_hz, self.high_hz, self.notch_hz))


@dataclass(frozen=True)
class Montage:
    """Traces from top to bottom. Raises ConfigError when two have the same name."""

    traces: tuple[TraceSettings, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(t.name for t in self.traces).items() if n > 1]
        if twice:
            raise ConfigError(f"montage: two traces are called '{twice[0]}'; give each a name.")

    def __getitem__(self, name: str) -> TraceSettings:
        for trace in self.traces:
            if trace.name == name:
                return trace
        raise KeyError(name)

    def changed(self, name: str, **values: Any) -> Montage:
        """The same montage with other settings of one trace. KeyError where there is none."""
        self[name]
        return Montage(tuple(replace(t, **values) if t.name == name else t for t in self.traces))

    def to_document(self) -> dict[str, Any]:
        """Plain JSON values; settings that are as usual are left out."""
        defaults = {f.name: f.default for f in fields(TraceSettings)}
        traces = []
        for trace in self.traces:
            values = {f.name: getattr(trace, f.name) for f in fields(TraceSettings)}
            traces.append(
                {
                    key: list(value) if isinstance(value, tuple) else value
                    for key, value in values.items()
                    if value != defaults[key]
                }
            )
        return {"schema_version": DOCUMENT_VERSION, "traces": traces}

    @classmethod
    def from_document(cls, document: object, where: str = "montage") -> Montage:
        """The montage of `to_document`. Raises ConfigError that says what is wrong in it."""
        if not isinstance(document, Mapping) or not isinstance(document.get("traces"), list):
            raise ConfigError(f"{where}: a montage is an object with a list called 'traces'.")
        version = document.get("schema_version", DOCUMENT_VERSION)
        if version != DOCUMENT_VERSION:
            raise ConfigError(
                f"{where}: schema_version is {version!r}, and this program knows "
                f"{DOCUMENT_VERSION}; a newer version of the program may open it."
            )
        unknown = sorted(set(document) - {"schema_version", "traces"})
        if unknown:
            raise ConfigError(f"{where}: there is no such key as '{unknown[0]}'.")
        return cls(
            tuple(
                _trace_from(entry, f"{where}: traces.{number}")
                for number, entry in enumerate(document["traces"])
            )
        )


def _trace_from(entry: object, where: str) -> TraceSettings:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: a trace is an object with its settings.")
    unknown = sorted(str(key) for key in set(entry) - set(_CHECKS))
    if unknown:
        raise ConfigError(
            f"{where}: there is no such key as '{unknown[0]}'; known: {', '.join(_CHECKS)}."
        )
    missing = [key for key in ("name", "channel") if key not in entry]
    if missing:
        raise ConfigError(f"{where}.{missing[0]}: this key is required.")
    values = {}
    for key, value in entry.items():
        check, wanted = _CHECKS[key]
        try:
            values[key] = check(value)
        except ValueError:
            raise ConfigError(f"{where}.{key}: {wanted} is needed here, not {value!r}.") from None
    trace = TraceSettings(**values)
    if trace.low_hz is not None and trace.high_hz is not None and trace.low_hz >= trace.high_hz:
        raise ConfigError(f"{where}: low_hz must be below high_hz.")
    return trace


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _name(value: object) -> str:
    if not _text(value).strip():
        raise ValueError
    return _text(value)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_name(value),)
    if not isinstance(value, list):
        raise ValueError
    return tuple(_name(entry) for entry in value)


def _some_names(value: object) -> tuple[str, ...]:
    if not _names(value):
        raise ValueError
    return _names(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _positive(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError
    if not 0 < value < float("inf"):
        raise ValueError
    return float(value)


_CHECKS: dict[str, tuple[Callable[[object], Any], str]] = {
    "name": (_name, "a text"),
    "channel": (_some_names, "a name, or a list of names,"),
    "source": (_text, "a text"),
    "number": (_count, "a number from 0"),
    "minus": (_names, "a name, or a list of names,"),
    "average_reference": (_flag, "true or false"),
    "unit": (_text, "a text"),
    "modality": (_text, "a text"),
    "kind": (_text, "a text"),
    "low_hz": (_positive, "a frequency above 0, or null,"),
    "high_hz": (_positive, "a frequency above 0, or null,"),
    "notch_hz": (_positive, "a frequency above 0, or null,"),
    "inverted": (_flag, "true or false"),
    "sensitivity": (_positive, "an amount above 0, or null,"),
    "hidden": (_flag, "true or false"),
}

# ---------------------------------------------------------------- default montages


def montage_for(
    recording: Recording, scheme: ModalityScheme | None = None, filtered: bool = False
) -> Montage:
    """Every channel of a recording, modalities first.

    The scheme's channels come in its order, with their derivations and units, also those that the
    recording lacks; then, of no modality, every channel that is left, in file order. `filtered`:
    with each modality's own filter. Without a scheme it is every channel in file order.
    """
    traces = _traces_of(scheme, recording, filtered) if scheme is not None else []
    taken = {found for trace in traces if (found := _find_plus(trace, recording)) is not None}
    return Montage(_told_apart([*traces, *_rest(recording, taken)]))


def complete(montage: Montage, recording: Recording) -> Montage:
    """The montage with every channel of the recording that it does not show yet, at the end."""
    taken = {
        found for trace in montage.traces if (found := _find_plus(trace, recording)) is not None
    }
    return Montage(_told_apart([*montage.traces, *_rest(recording, taken)]))


def _traces_of(scheme: ModalityScheme, recording: Recording, filtered: bool) -> list[TraceSettings]:
    from core.modalities import ModalityScheme, kind_of, resolve

    # A channel too slow for its modality's filter is still there to be looked at.
    bare = ModalityScheme(
        tuple(m.model_copy(update={"filter": FilterConfig()}) for m in scheme.modalities)
    )
    traces = []
    resolved = resolve(bare, recording)
    for modality, found in zip(scheme.modalities, resolved.modalities, strict=True):
        for number, channel in enumerate(found.channels):
            trace = _trace_of(modality, number, channel, recording)
            trace = replace(trace, kind=kind_of(modality))
            if filtered:
                trace = replace(trace, **modality.filter.model_dump())
            traces.append(trace)
    return traces


def _trace_of(
    modality: ModalityConfig, number: int, found: ResolvedChannel, recording: Recording
) -> TraceSettings:
    """A modality's channel: as found here, then under the names that it may have elsewhere."""
    wanted = modality.channels[number]
    settings = TraceSettings(
        name=wanted.match[0],
        channel=tuple(wanted.match),
        source=wanted.source or modality.source or "",
        minus=tuple(wanted.minus or ()),
        average_reference=modality.average_reference,
        unit=modality.unit or "",
        modality=modality.name,
    )
    if not found.traces:
        return settings
    plus = found.traces[0]
    labels = [trace.source.file.channels[trace.channel].label.strip() for trace in found.traces]
    name = _shown(plus.source, labels[0], recording)
    # The reference without its type: EEG C3-M2, not EEG C3-EEG M2.
    for label in labels[1:]:
        words = label.split(maxsplit=1)
        bare = len(words) == 2 and labels[0].casefold().startswith(words[0].casefold() + " ")
        name += f"-{words[1] if bare else label}"
    channel: tuple[str, ...] = tuple(dict.fromkeys((labels[0], *wanted.match)))
    if len(labels) > 1 and _says_difference(labels[0]):
        channel = (labels[0],)  # by itself, so that the reference is subtracted all the same
    trace = replace(
        settings,
        name=name,
        channel=channel,
        minus=tuple(dict.fromkeys((*labels[1:], *settings.minus))),
        source=plus.source.name if len(recording.sources) > 1 else settings.source,
    )
    alike = [
        (recording.sources[place], number)
        for place, number, label in _pool(trace, recording)
        if label == labels[0]
    ]
    found_at = (plus.source, plus.channel)
    # A channel without a single sample is none to draw.
    return replace(trace, number=alike.index(found_at)) if found_at in alike else settings


def _rest(recording: Recording, taken: set[tuple[int, int]]) -> list[TraceSettings]:
    several = len(recording.sources) > 1
    traces = []
    for place, source in enumerate(recording.sources):
        met: Counter[str] = Counter()
        for number, channel in enumerate(source.file.channels):
            if not _is_signal(channel):
                continue
            label = channel.label.strip()
            if (place, number) not in taken:
                traces.append(
                    TraceSettings(
                        name=_shown(source, label, recording) or f"{number + 1}",
                        channel=(label,),
                        source=source.name if several else "",
                        number=met[label],
                    )
                )
            met[label] += 1
    return traces


def _shown(source: Source, label: str, recording: Recording) -> str:
    return f"{source.name}: {label}" if len(recording.sources) > 1 else label


def _told_apart(traces: Iterable[TraceSettings]) -> tuple[TraceSettings, ...]:
    """The traces, those called like one before them with a number behind their name."""
    used: set[str] = set()
    result = []
    for trace in traces:
        name, count = trace.name, 1
        while name in used:
            count += 1
            name = f"{trace.name} ({count})"
        used.add(name)
        result.append(replace(trace, name=name))
    return tuple(result)


# ---------------------------------------------------------------- finding channels


def _is_signal(channel: Channel) -> bool:
    return channel.samples > 0 and channel.rate_hz > 0


def _find_plus(trace: TraceSettings, recording: Recording) -> tuple[int, int] | None:
    found = _find(trace.channel, trace, recording, trace.number)
    return None if found is None else found[:2]


def _pool(trace: TraceSettings, recording: Recording) -> list[tuple[int, int, str]]:
    """The channels that a trace may take: place of the source, number in it, label."""
    return [
        (place, number, channel.label.strip())
        for place, source in enumerate(recording.sources)
        if _is_from(source, trace.source)
        for number, channel in enumerate(source.file.channels)
        if _is_signal(channel) and _in_unit(channel.unit, trace.unit) is not None
    ]


def _find(
    names: Sequence[str], trace: TraceSettings, recording: Recording, number: int
) -> tuple[int, int, str] | None:
    """Place of the source, number of the channel in it, and the name that found it."""
    pool = _pool(trace, recording)
    for name in names:
        found = [(place, k) for place, k, label in pool if label == name.strip()]
        if not found:
            found = [
                (place, k)
                for place, k, label in pool
                if _answers(label, recording.sources[place], name)
            ]
        if len(found) > number:
            return (*found[number], name)
    return None


def _is_from(source: Source, wanted: str) -> bool:
    if not wanted or source.name.casefold() == wanted.strip().casefold():
        return True
    from fnmatch import fnmatchcase

    return fnmatchcase(source.name.casefold(), wanted.strip().casefold())


def _answers(label: str, source: Source, pattern: str) -> bool:
    from core.modalities import matches

    return matches(label, pattern) or matches(f"{source.name}:{label}", pattern)


def _in_unit(unit: str, wanted: str) -> tuple[float, float, str] | None:
    """Factor and offset into the wanted unit, and the unit that values then have: the channel's
    own where it is not known. None where the two measure different things."""
    own = unit.strip()
    if not wanted or own == wanted:
        return 1.0, 0.0, own
    from core.modalities import convert

    try:
        factors = convert(own, wanted)
    except ValueError:
        return None
    return (1.0, 0.0, own) if factors is None else (*factors, wanted)


def _says_difference(name: str) -> bool:
    from core.modalities import names_of

    return bool(re.search(r"\w-\w", names_of(name)[-1]))


# ---------------------------------------------------------------- channels to draw


@dataclass(frozen=True)
class _Input:
    """A channel of a file in the unit of its trace; `place` is that of its source."""

    source: Source = field(repr=False)
    place: int
    number: int
    scale: float
    shift: float
    unit: str

    @property
    def channel(self) -> Channel:
        return self.source.file.channels[self.number]

    def read(self, start: int, stop: int) -> np.ndarray:
        values = self.source.file.read(self.number, start, stop)
        if self.scale != 1.0 or self.shift != 0.0:
            values = values * np.float32(self.scale)
            values += np.float32(self.shift)
        return values

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.place, self.number, self.scale, self.shift)


@dataclass(frozen=True)
class _Derivation:
    """One channel, or the difference of two, on the even grid of the first."""

    plus: _Input
    minus: _Input | None = None

    def read(self, start: int, stop: int) -> np.ndarray:
        values = self.plus.read(start, stop)
        if self.minus is None:
            return values
        plus, minus = self.plus.channel, self.minus.channel
        shift_s = self.minus.source.offset_s - self.plus.source.offset_s
        if abs(plus.rate_hz - minus.rate_hz) <= 1e-9 * plus.rate_hz and shift_s == 0:
            return values - self.minus.read(start, stop)
        from core.filters import TracePlan

        plan = TracePlan(minus.rate_hz, plus.rate_hz, shift_s, None)
        first = plan.input_index(start) - plan.margin
        other = self.minus.read(first, plan.input_index(stop) + plan.margin + 1)
        return values - plan.apply(other, first, start, stop)

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.plus.identity, None if self.minus is None else self.minus.identity)

    @property
    def inputs(self) -> tuple[_Input, ...]:
        return (self.plus,) if self.minus is None else (self.plus, self.minus)


class _Average:
    """The mean over derivations of one rate. Each of them asks for it in turn, so that the last
    stretches are kept. Safe from several threads."""

    KEPT = 4

    def __init__(self, members: tuple[_Derivation, ...]) -> None:
        self.members = members
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def read(self, start: int, stop: int) -> np.ndarray:
        key = (start, stop)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        total = np.zeros(stop - start)
        count = np.zeros(stop - start, np.int32)
        for member in self.members:
            values = member.read(start, stop)
            there = ~np.isnan(values)
            total += np.where(there, values, 0)
            count += there
        mean = (total / np.maximum(count, 1)).astype(np.float32)
        self._kept[key] = mean
        while len(self._kept) > self.KEPT:
            try:
                self._kept.popitem(last=False)
            except KeyError:  # another thread was faster
                break
        return mean


@dataclass(frozen=True, eq=False)
class DisplayChannel:
    """A trace of a montage in one recording.

    `rate_hz` and `samples` are the channel's own: sample k lies at offset_s + k / rate_hz seconds
    from the recording's start. `source` is the place of its file among the recording's sources.
    A trace whose channel the recording lacks has no samples, and source -1. `problem` says in a
    sentence what of the settings could not be followed; empty: all was.
    """

    settings: TraceSettings
    unit: str = ""
    rate_hz: float = 1.0
    offset_s: float = 0.0
    samples: int = 0
    source: int = -1
    problem: str = ""
    derivation: _Derivation | None = field(default=None, repr=False)
    average: _Average | None = field(default=None, repr=False)
    filter: FilterConfig | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def modality(self) -> str:
        return self.settings.modality

    @property
    def absent(self) -> bool:
        return self.derivation is None

    @cached_property
    def kind(self) -> Kind:
        """What it measures: as set, or guessed from modality and name."""
        from typing import get_args

        from core.config import Kind
        from core.kinds import guess_kind

        if self.settings.kind in get_args(Kind):
            return self.settings.kind  # type: ignore[return-value]
        return guess_kind(self.modality or self.name)

    @cached_property
    def _plan(self) -> TracePlan | None:
        # When first read, not when made: that happens in the background.
        if self.filter is None:
            return None
        from core.filters import TracePlan, design

        taps = design(self.filter, self.rate_hz)
        return None if taps is None else TracePlan(self.rate_hz, self.rate_hz, 0.0, taps)

    @property
    def margin(self) -> int:
        """Samples that a value depends on, on each side."""
        return 0 if self._plan is None else self._plan.margin

    @cached_property
    def reads(self) -> tuple[Any, ...]:
        """What its values are made of: equal for traces of one recording with equal values."""
        band = self.filter
        return (
            None if self.derivation is None else self.derivation.identity,
            None if self.average is None else tuple(m.identity for m in self.average.members),
            None if band is None else (band.low_hz, band.high_hz, band.notch_hz),
        )

    @property
    def inputs(self) -> tuple[tuple[Source, int], ...]:
        """Every file channel that values come from, as source and number, each once."""
        if self.derivation is None:
            return ()
        derivations = (self.derivation, *(self.average.members if self.average else ()))
        found = {(i.place, i.number): (i.source, i.number) for d in derivations for i in d.inputs}
        return tuple(found.values())

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop`, float32 in its unit, derived and filtered; (stop - start,).

        NaN where nothing was recorded, also outside the file. The result does not depend on where
        reading is cut. Safe from several threads.
        """
        if self.derivation is None:
            return np.full(stop - start, np.nan, np.float32)
        pad = self.margin
        values = self.derivation.read(start - pad, stop + pad)
        if self.average is not None:
            values = values - self.average.read(start - pad, stop + pad)
        if self._plan is None:
            return values
        return self._plan.apply(values, start - pad, start, stop)


def display_channels(montage: Montage, recording: Recording) -> tuple[DisplayChannel, ...]:
    """The traces of a montage in a recording, in order, hidden ones too.

    A trace whose channel the recording lacks is left out, but for the first of a modality of
    which the recording has nothing: that one stands for the modality, as absent.
    """
    found = [(trace, *_derive(trace, recording)) for trace in montage.traces]
    averages = _averages([(trace, derivation) for trace, derivation, _ in found])
    there = {trace.modality for trace, derivation, _ in found if derivation is not None}
    channels = []
    for trace, derivation, problem in found:
        if derivation is not None:
            channels.append(_display(trace, derivation, averages, problem))
        elif trace.modality and trace.modality not in there:
            there.add(trace.modality)
            channels.append(DisplayChannel(trace))
    return tuple(channels)


def _derive(trace: TraceSettings, recording: Recording) -> tuple[_Derivation | None, str]:
    """How to read a trace, if the recording has its channel, and what could not be followed."""

    def taken(place: int, number: int, unit: str) -> _Input:
        source = recording.sources[place]
        factors = _in_unit(source.file.channels[number].unit, unit)
        assert factors is not None  # else it would not have been found
        return _Input(source, place, number, *factors)

    found = _find(trace.channel, trace, recording, trace.number)
    if found is None:
        return None, ""
    plus = taken(*found[:2], trace.unit)
    if not trace.minus or (len(trace.channel) > 1 and _says_difference(found[2])):
        return _Derivation(plus), ""
    reference = _find(trace.minus, replace(trace, unit=plus.unit), recording, 0)
    if reference is None or reference[:2] == found[:2]:
        return _Derivation(plus), (
            f"There is no {' or '.join(trace.minus)} to subtract; shown as recorded."
        )
    return _Derivation(plus, taken(*reference[:2], plus.unit)), ""


def _group(trace: TraceSettings, derivation: _Derivation) -> tuple[Any, ...]:
    plus = derivation.plus
    return (trace.modality, plus.unit, plus.channel.rate_hz, plus.source.offset_s)


def _averages(
    found: Sequence[tuple[TraceSettings, _Derivation | None]],
) -> dict[tuple[Any, ...], _Average]:
    groups: dict[tuple[Any, ...], list[_Derivation]] = {}
    for trace, derivation in found:
        if trace.average_reference and derivation is not None:
            groups.setdefault(_group(trace, derivation), []).append(derivation)
    return {key: _Average(tuple(members)) for key, members in groups.items() if len(members) > 1}


def _display(
    trace: TraceSettings,
    derivation: _Derivation,
    averages: Mapping[tuple[Any, ...], _Average],
    problem: str,
) -> DisplayChannel:
    channel = derivation.plus.channel
    average = averages.get(_group(trace, derivation)) if trace.average_reference else None
    problems = [problem] if problem else []
    if trace.average_reference and average is None:
        problems.append("No other trace of its modality has its rate; shown without reference.")
    band = trace.filter if trace.is_filtered else None
    if band is not None and band.low_hz is not None and band.low_hz >= channel.rate_hz / 2:
        problems.append(
            f"A filter from {band.low_hz:g} Hz leaves nothing of a channel recorded at "
            f"{channel.rate_hz:g} Hz; shown without filter."
        )
        band = None
    return DisplayChannel(
        settings=trace,
        unit=derivation.plus.unit,
        rate_hz=channel.rate_hz,
        offset_s=derivation.plus.source.offset_s,
        samples=channel.samples,
        source=derivation.plus.place,
        problem=" ".join(problems),
        derivation=derivation,
        average=average,
        filter=band,
    )
