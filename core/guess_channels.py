"""Which channels there are, what they measure, and how they are best grouped into modalities.

Names, units and rates tell; samples are not read. Every guess comes with its reason, and
`move_channel` lets a user say otherwise.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.config import (
    ChannelConfig,
    FilterConfig,
    Kind,
    LabelsConfig,
    ModalityConfig,
    WindowsConfig,
)
from core.errors import DataError
from core.kinds import guess_kind
from core.modalities import (
    AUTO,
    choose_scheme,
    convert,
    kind_of,
    load_preset,
    names_of,
    preset_names,
    resolve,
)
from core.recording import Channel, Recording

ChannelKey = tuple[str, str]
"""Name of the source, and label without blanks at its ends: a channel across recordings."""
ModalitiesChoice = str | tuple[ModalityConfig, ...]
"""Name of a preset, `auto`, or a list."""

MOST_GROUPS = 12
"""With more groups, channels of unknown kind are joined."""
MANY_ELECTRODES = 8
"""EEG channels that a preset leaves out, from which on regions of the scalp are used instead."""
_ELECTRODE = re.compile(
    r"(nz|fp[z12]|af[z1-8]|f[z1-9]|f10|f[tc][z1-9]|f[tc]10|c[z1-6]|t[3-9p]|t10|tp[789]|tp10|cp[z1-6]"
    r"|p[z1-9]|p10|po[z1-9]|po10|o[z12]|iz)(?:[-:](?:a[12]|m[12]|ref|le|av|avg|cle|ler|cz|fz|oz)*)?"
)
_REFERENCES = re.compile(r"[am][12](?:[-:][am][12])?")
_NO_SIGNAL = re.compile(
    r"\b(imp|impedance|impédance|batt(?:ery)?|marker|trigger|status|hypno\w*|position|pos|light"
    r"|cable|counter|event\w*|sample ?count|stage|quality|error|annotations?)\b"
)
_REGIONS: tuple[tuple[str, str], ...] = (
    ("frontal_eeg", r"nz|fp|af|f(?![ctp])"),
    ("central_eeg", r"f[ct]|cp|c|t[3478](?!\d)|t9|t10"),
    ("posterior_eeg", r"t[56]|tp|p|o|iz"),
)
# The rate that is enough for what a kind tells, in Hz; twice as fast is thinned out.
_ENOUGH_HZ: Mapping[Kind, float] = {
    "eeg": 125, "eog": 125, "ecg": 125, "emg": 250, "acc": 100, "gyro": 100, "bvp": 64,
    "resp": 25, "eda": 8, "temp": 4,
}  # fmt: skip
_KIND_UNITS: Mapping[Kind, tuple[str, ...]] = {
    "acc": ("g", "m/s2"),
    "gyro": ("rad/s",),
    "temp": ("degC",),
    "eda": ("uS", "microsiemens"),
}
_VOLTAGES: frozenset[Kind] = frozenset(("eeg", "eog", "emg"))
_AXIS = re.compile(
    r"^[xyz](?=[ _.\-]|$)|(?<![a-zA-Z])[xyz](?=[ _.\-])|(?<=[a-z_ .\-])[xyzXYZ]$|\d+$"
)


@dataclass(frozen=True)
class ChannelRow:
    """A channel by its name, in all recordings that were looked into.

    Attributes
    ----------
    recordings: how many have it.
    rates_hz, units: those met, the commonest first.
    """

    source: str
    label: str
    recordings: int
    rates_hz: tuple[float, ...]
    units: tuple[str, ...]
    kind: Kind

    @property
    def key(self) -> ChannelKey:
        return self.source, self.label


@dataclass(frozen=True)
class ModalitiesGuess:
    """Modalities with the reason they were guessed."""

    modalities: ModalitiesChoice
    reason: str


@dataclass(frozen=True)
class ModalityFit:
    """What a choice of modalities does with the recordings that were looked into.

    Attributes
    ----------
    settled: the modalities that some recording has, with rate, unit and detection filled in.
    absent: names of modalities that no recording has.
    taken: for each channel, the modalities that it is part of.
    recordings: for each modality, how many recordings have it.
    notes: what was met on the way, in words.
    """

    settled: tuple[ModalityConfig, ...]
    absent: tuple[str, ...]
    taken: Mapping[ChannelKey, tuple[str, ...]]
    recordings: Mapping[str, int]
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------- presets


# ---------------------------------------------------------------- looking


def channel_table(
    recordings: Iterable[Recording], left_out: Collection[str] = ()
) -> tuple[ChannelRow, ...]:
    """Every channel of the recordings, in order of appearance; `left_out` are labels that are no
    channels, such as a column with labels."""
    counts: Counter[ChannelKey] = Counter()
    rates: dict[ChannelKey, Counter[float]] = {}
    units: dict[ChannelKey, Counter[str]] = {}
    no = {name.strip().casefold() for name in left_out}
    for recording in recordings:
        seen = set()
        for source in recording.sources:
            for channel in source.file.channels:
                key = (source.name, channel.label.strip())
                if channel.rate_hz <= 0 or key[1].casefold() in no:
                    continue
                seen.add(key)
                rates.setdefault(key, Counter())[channel.rate_hz] += 1
                units.setdefault(key, Counter())[channel.unit.strip()] += 1
        counts.update(dict.fromkeys(seen, 1))
    return tuple(
        ChannelRow(
            source,
            label,
            counts[source, label],
            tuple(rate for rate, _ in rates[source, label].most_common()),
            tuple(unit for unit, _ in units[source, label].most_common() if unit),
            channel_kind(label, next(iter(units[source, label]), ""), source),
        )
        for source, label in rates
    )


def channel_kind(label: str, unit: str = "", source: str = "") -> Kind:
    """What a channel measures, by its name, else its unit, else the name of its source."""
    name = names_of(label)[-1]
    if _ELECTRODE.fullmatch(name):
        return "eeg"
    kind = guess_kind(label)
    if kind != "other":
        return kind
    if re.fullmatch(r"e[12](-[am][12])?", name):
        return "eog"
    for prefix, meant in (("a", "acc"), ("g", "gyro")):
        if re.fullmatch(rf"{prefix}[ _.\-]?[xyz]", name):
            return meant  # type: ignore[return-value]
    for measured, examples in _KIND_UNITS.items():
        if unit.strip() and any(_is_multiple(unit, example) for example in examples):
            return measured
    return guess_kind(source)


def _is_multiple(unit: str, wanted: str) -> bool:
    if unit.strip().casefold() in ("s", "ms"):  # seconds as well as siemens
        return False
    try:
        return convert(unit, wanted) is not None
    except ValueError:
        return False


def several_sources(recordings: Iterable[Recording]) -> bool:
    """Whether any recording has more than one file, so that names alone do not tell channels
    apart."""
    return any(len(recording.sources) > 1 for recording in recordings)


def fit_modalities(modalities: ModalitiesChoice, recordings: Sequence[Recording]) -> ModalityFit:
    """What a choice of modalities finds. Raises DataError where it finds nothing at all."""
    if isinstance(modalities, str):
        scheme = choose_scheme(modalities, recordings)
        wanted = load_preset(scheme.preset or modalities)
    else:
        wanted = modalities
    settled: list[ModalityConfig] = []
    absent: list[str] = []
    notes: list[str] = []
    for modality in wanted:
        try:
            settled += choose_scheme([modality], recordings).modalities
        except DataError:
            absent.append(modality.name)
    if not settled:
        choose_scheme(modalities, recordings)  # says why
        raise DataError("No recording has a channel of these modalities.")
    taken: dict[ChannelKey, dict[str, None]] = {}
    counts: Counter[str] = Counter()
    scheme = choose_scheme(settled, recordings)
    for recording in recordings:
        resolved = resolve(scheme, recording)
        notes += [finding.message for finding in resolved.findings
                  if finding.severity != "note" or "Hz" in finding.message]  # fmt: skip
        for one in resolved.modalities:
            counts[one.name] += one.found
            for channel in one.channels:
                for trace in channel.traces:
                    key = trace.source.name, trace.source.file.channels[trace.channel].label.strip()
                    taken.setdefault(key, {})[one.name] = None
    return ModalityFit(
        tuple(settled),
        tuple(absent),
        {key: tuple(names) for key, names in taken.items()},
        dict(counts),
        tuple(dict.fromkeys(notes)),
    )


# ---------------------------------------------------------------- guessing


def guess_modalities(
    recordings: Sequence[Recording], left_out: Collection[str] = ()
) -> ModalitiesGuess:
    """The preset that fits, or else groups by what the channels measure.

    Never empty as long as a recording has a channel; DataError without one.
    """
    rows = channel_table(recordings, left_out)
    if not rows:
        raise DataError("None of the recordings that were looked into has a channel.")
    try:
        scheme = choose_scheme(AUTO, recordings)
    except DataError:
        scheme = None
    if scheme is not None and scheme.preset is not None:
        fit = fit_modalities(scheme.preset, recordings)
        unused = [row for row in rows if row.key not in fit.taken]
        electrodes = [row for row in unused if row.kind == "eeg" and not _is_reference(row)]
        if len(electrodes) < MANY_ELECTRODES:
            used = ", ".join(modality.name for modality in fit.settled)
            return ModalitiesGuess(
                scheme.preset,
                f"The channels' names fit the preset '{scheme.preset}', which finds {used}.",
            )
        reason = (
            f"The preset '{scheme.preset}' would leave out {len(electrodes)} EEG channels, so the "
            "channels were grouped by what they measure and by regions of the scalp."
        )
    else:
        reason = (
            f"No preset ({', '.join(preset_names())}) fits the channels' names, so they were "
            "grouped by what they measure."
        )
    return ModalitiesGuess(group_channels(rows, several_sources(recordings)), reason)


def group_channels(
    rows: Sequence[ChannelRow], by_source: bool = False
) -> tuple[ModalityConfig, ...]:
    """Modalities by source and kind; EEG by regions of the scalp, unknown ones by their name.

    Markers, impedances and references stay out as long as there is anything else.
    """
    signals = [row for row in rows if not _is_no_signal(row) and not _is_reference(row)]
    groups: dict[tuple[str, str, Kind], list[ChannelRow]] = {}
    for row in signals or rows:
        groups.setdefault((row.source if by_source else "", _group_name(row), row.kind), []).append(
            row
        )
    if len(groups) > MOST_GROUPS:
        groups = _joined_unknown(groups)
    modalities: list[ModalityConfig] = []
    taken: set[str] = set()
    for (source, base, kind), members in groups.items():
        several = by_source and sum(name == base for _, name, _ in groups) > 1
        wanted = f"{source}_{base}" if several else base
        name = free_name(wanted or source, taken)
        taken.add(name)
        modalities.append(_modality(name, source, kind, members))
    return tuple(modalities)


def _joined_unknown(
    groups: Mapping[tuple[str, str, Kind], list[ChannelRow]],
) -> dict[tuple[str, str, Kind], list[ChannelRow]]:
    """Channels of unknown kind by unit and rate: dozens of modalities are of no use."""
    joined: dict[tuple[str, str, Kind], list[ChannelRow]] = {}
    for (source, name, kind), rows in groups.items():
        for row in rows:
            if kind == "other":
                unit = row.units[0] if row.units else ""
                name = f"other_{unit}_{row.rates_hz[0]:g}hz"
            joined.setdefault((source, name, kind), []).append(row)
    return joined


def _modality(name: str, source: str, kind: Kind, rows: Sequence[ChannelRow]) -> ModalityConfig:
    rate = max(row.rates_hz[0] for row in rows)
    units = {row.units[0] for row in rows if row.units}
    voltage = kind in _VOLTAGES and all(_is_multiple(unit, "uV") for unit in units)
    return ModalityConfig(
        name=name,
        source=source or None,
        kind=kind,
        rate_hz=enough_rate_hz(kind, rate),
        unit="uV" if voltage and units else None,
        filter=FilterConfig(low_hz=0.3, high_hz=45) if kind == "eeg" and rate > 100
        else FilterConfig(),
        channels=[ChannelConfig(match=[row.label]) for row in rows],
    )  # fmt: skip


def enough_rate_hz(kind: Kind, rate_hz: float) -> float:
    """The rate itself, or a whole part of it where it is much more than the kind needs."""
    enough = _ENOUGH_HZ.get(kind)
    if enough is None or rate_hz < 2 * enough:
        return rate_hz
    return rate_hz / math.ceil(rate_hz / (1.05 * enough))


def free_name(wanted: str, taken: Collection[str]) -> str:
    """A name for a modality out of any text: letters, digits and `_`, other than those taken."""
    base = re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_").lower() or "signal"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def _group_name(row: ChannelRow) -> str:
    if row.kind == "eeg":
        name = names_of(row.label)[-1]
        for region, pattern in _REGIONS:
            if _ELECTRODE.fullmatch(name) and re.match(pattern, name):
                return region
        return "eeg"
    if row.kind != "other":
        return row.kind
    base = _AXIS.sub("", row.label.strip()).strip(" _.-")
    return base or row.source


def _is_no_signal(row: ChannelRow) -> bool:
    words = " ".join(re.findall(r"[a-zé]+", row.label.casefold()))
    return bool(_NO_SIGNAL.search(words))


def _is_reference(row: ChannelRow) -> bool:
    return bool(_REFERENCES.fullmatch(names_of(row.label)[-1]))


# ---------------------------------------------------------------- changing


def as_list(
    modalities: ModalitiesChoice, recordings: Sequence[Recording]
) -> tuple[ModalityConfig, ...]:
    """The modalities as a list: those of a preset that some recording has, with the channels that
    were found. A list stays as it is."""
    if not isinstance(modalities, str):
        return modalities
    scheme = choose_scheme(modalities, recordings)
    wanted = {modality.name: modality for modality in load_preset(scheme.preset or modalities)}
    kept = []
    for settled in scheme.modalities:
        used = _used_channels(settled, recordings)
        modality = wanted[settled.name]
        channels = [modality.channels[k] for k in sorted({k for k, _ in used})]
        kept.append(modality.model_copy(update={"channels": channels}))
    return tuple(kept)


def move_channel(
    modalities: Sequence[ModalityConfig],
    row: ChannelRow,
    to: str | None,
    recordings: Sequence[Recording],
) -> tuple[ModalityConfig, ...]:
    """The modalities with a channel in another one, new if there is none of that name, or in none.

    A modality that loses its last channel is dropped.
    """
    changed: list[ModalityConfig] = []
    for modality in modalities:
        users = {k for k, key in _used_channels(modality, recordings) if key == row.key}
        if modality.name == to and users:
            changed.append(modality)
            continue
        channels = [c for k, c in enumerate(modality.channels) if k not in users]
        if channels:
            changed.append(modality.model_copy(update={"channels": channels}))
    if to is None:
        return tuple(changed)
    several = several_sources(recordings)
    names = [modality.name for modality in changed]
    if to not in names:
        return (*changed, _modality(to, row.source if several else "", row.kind, [row]))
    at = names.index(to)
    if not any(key == row.key for _, key in _used_channels(changed[at], recordings)):
        source = row.source if several and changed[at].source != row.source else None
        more = [*changed[at].channels, ChannelConfig(match=[row.label], source=source)]
        own = changed[at].source
        if source is not None and own is not None:
            # A modality of one source becomes one of several: each channel names its own.
            more = [c if c.source else c.model_copy(update={"source": own}) for c in more]
            changed[at] = changed[at].model_copy(update={"source": None})
        changed[at] = changed[at].model_copy(update={"channels": more})
    return tuple(changed)


def _used_channels(
    modality: ModalityConfig, recordings: Sequence[Recording]
) -> set[tuple[int, ChannelKey]]:
    """Places in the modality's list, each with the channels that it finds."""
    try:
        scheme = choose_scheme([modality], recordings)
    except DataError:
        return set()
    return {
        (k, (trace.source.name, _label(trace.source.file.channels[trace.channel])))
        for recording in recordings
        for k, channel in enumerate(resolve(scheme, recording).modalities[0].channels)
        for trace in channel.traces
    }


def _label(channel: Channel) -> str:
    return channel.label.strip()


# ---------------------------------------------------------------- windows


@dataclass(frozen=True)
class WindowsGuess:
    """Windows with the reason they were guessed."""

    windows: WindowsConfig
    reason: str


def guess_windows(
    modalities: ModalitiesChoice,
    settled: Sequence[ModalityConfig],
    epoch_s: float | None = None,
    labels: LabelsConfig | None = None,
    durations_s: Sequence[float] = (),
) -> WindowsGuess:
    """Windows that suit what is measured. `epoch_s`: of labels that come in epochs."""
    kinds = {kind_of(modality) for modality in settled}
    anchor = "labels" if labels is not None and labels.kind not in ("field", "column") else (
        "recording"
    )  # fmt: skip
    if modalities == "sleep" or (epoch_s is not None and epoch_s >= 4 and "eeg" in kinds):
        length = epoch_s or 30.0
        return WindowsGuess(
            WindowsConfig(length_s=length, anchor=anchor),
            f"Sleep is scored in epochs, so a window is one epoch of {length:g} s.",
        )
    if kinds and kinds <= {"acc", "gyro"}:
        values = (2.0, 1.0, 0.5)
        reason = "Movements of a body last a second or two."
    elif kinds & {"eda", "temp", "bvp"}:
        values = (60.0, 30.0, 10.0)
        reason = "Sweat, temperature and pulse change within a minute or so."
    elif "eeg" in kinds:
        values = (10.0, 10.0, 2.0)
        reason = "A few seconds of EEG hold enough of its rhythms."
    else:
        values = (10.0, 5.0, 2.5)
        reason = "Nothing tells how long things last here; ten seconds are a usual start."
    shortest = min(durations_s, default=math.inf)
    if shortest < 4 * values[0]:
        scale = 2.0 ** math.floor(math.log2(max(shortest, 0.5) / (4 * values[0])))
        values = tuple(round(value * scale, 3) for value in values)  # type: ignore[assignment]
        reason += f" Shortened, since the shortest recording lasts {shortest:.3g} s."
    length, hop, dense = values
    windows = WindowsConfig(
        length_s=length,
        hop_s=None if hop == length else hop,
        pretrain_hop_s=None if dense == hop else dense,
        anchor=anchor,
    )
    return WindowsGuess(windows, reason)
