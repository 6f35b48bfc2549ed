"""Windows as tensors: recordings prepared once, windows cut out when they are wanted.

A `PreparedRecording` keeps each modality as one continuous float32 array at its rate. A window is
a start sample in it, so overlapping windows and a second, denser grid for pretraining cost next
to nothing. `WindowSet` joins recordings and hands out batches. `iterate_windows` gives the same
numbers for a long file while holding a short stretch of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.config import LabelsConfig, WindowsConfig
from core.errors import CrosslError, DataError, OutputError, RecordingError
from core.labels import (
    UNLABELLED,
    LabelReader,
    LabelTrack,
    class_names,
    first_label_s,
    unmapped,
    window_labels,
)
from core.modalities import (
    ModalityScheme,
    ResolvedModalities,
    ResolvedModality,
    Trace,
    resolve,
    subtract_average,
)
from core.progress import RunContext
from core.recording import Finding, Recording
from core.scaling import Moments, Scaling, ScalingKind, moments_of
from core.windows import Defects, add_defects, flat_run_samples, presence, window_starts

BLOCK_SAMPLES = 1 << 17
"""Samples of a channel that are read and filtered at a time."""
DEFAULT_LIMIT_BYTES = 256 << 20
"""Signals kept in memory before they go to files."""

# ---------------------------------------------------------------- where signals are kept


class SignalStore:
    """Hands out float32 arrays: in memory up to a limit, then as files in a folder.

    Without a folder everything stays in memory. The files are plain `.npy`; `close` removes
    them, and whoever made the store calls it when the arrays are no longer used.
    """

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES, folder: Path | None = None) -> None:
        self._left = limit_bytes
        self._folder = folder
        self._lock = threading.Lock()
        self._files: list[Path] = []

    def allocate(self, channels: int, samples: int) -> np.ndarray:
        """An array of shape (channels, samples) with undefined values."""
        size = 4 * channels * samples
        with self._lock:
            if self._folder is None or size <= self._left:
                self._left -= size
                return np.empty((channels, samples), np.float32)
            path = self._folder / f"signals-{os.getpid()}-{id(self):x}-{len(self._files)}.npy"
            self._files.append(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            array: np.ndarray = np.lib.format.open_memmap(
                path, mode="w+", dtype=np.float32, shape=(channels, samples)
            )
        except OSError as error:
            raise OutputError(
                f"{path}: prepared signals of {size / 2**20:.0f} MB cannot be written "
                f"({error}); make room there or choose another cache folder."
            ) from None
        return array

    def close(self) -> None:
        """Remove the files."""
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files.clear()


# ---------------------------------------------------------------- windows of one recording


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of one recording on one grid.

    Attributes
    ----------
    starts_s: float64 (windows,), from the recording's start.
    labels: int64 (windows,), -1 unlabelled.
    present: bool (windows, modalities), in scheme order.
    alive: by modality, bool (windows, channels).
    """

    starts_s: np.ndarray
    labels: np.ndarray
    present: np.ndarray
    alive: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.starts_s)

    @staticmethod
    def make(
        resolved: ResolvedModalities,
        defects: Sequence[Sequence[Sequence[Defects]]],
        starts_s: np.ndarray,
        length_s: float,
        labels: np.ndarray | None = None,
    ) -> Windows:
        pairs = [
            presence(modality, found, starts_s, length_s)
            for modality, found in zip(resolved.modalities, defects, strict=True)
        ]
        if labels is None:
            labels = np.full(len(starts_s), UNLABELLED, np.int64)
        present = np.stack([there for _, there in pairs], axis=1)
        return Windows(starts_s, labels, present, tuple(alive for alive, _ in pairs))


@dataclass(frozen=True, eq=False)
class PreparedRecording:
    """A recording, read, filtered and cut.

    `signals` by modality in scheme order: float32 (channels, samples) at the modality's rate,
    sample k at k / rate, NaN where missing; None for a modality the recording lacks.
    `pretrain_windows` lie on the denser grid where one is configured, else are `windows`.
    """

    id: str
    subject: str
    paths: tuple[Path, ...]
    duration_s: float
    scheme: ModalityScheme
    length_s: float
    windows: Windows
    pretrain_windows: Windows
    signals: tuple[np.ndarray | None, ...]
    findings: tuple[Finding, ...]

    @property
    def starts_s(self) -> np.ndarray:
        return self.windows.starts_s

    @property
    def labels(self) -> np.ndarray:
        return self.windows.labels

    @property
    def present(self) -> np.ndarray:
        return self.windows.present

    @property
    def present_share(self) -> dict[str, float]:
        """Share of the windows in which each modality is present."""
        shares = self.windows.present.mean(axis=0)
        return {name: float(x) for name, x in zip(self.scheme.names, shares, strict=True)}

    @property
    def labelled_windows(self) -> int:
        return int((self.windows.labels >= 0).sum())


# ---------------------------------------------------------------- reading a stretch


def _read_trace(
    trace: Trace, start: int, stop: int, defects: Defects, modality: ResolvedModality
) -> np.ndarray:
    """Samples `start` to `stop` on the modality's grid; what is wrong with them into `defects`."""
    detection = modality.config.detection
    begin, end = trace.plan.input_index(start), trace.plan.input_index(stop)
    if trace.plan.copies:
        end = begin + stop - start
    flat = flat_run_samples(trace.plan.rate_in, detection)
    context = max(trace.plan.margin, flat) + (0 if trace.plan.copies else 1)
    first = begin - context
    values = trace.read(first, end + context)
    add_defects(defects, trace, detection, values, first, begin, end)
    return trace.plan.apply(values, first, start, stop)


def _read_channel(
    modality: ResolvedModality,
    row: int,
    start: int,
    stop: int,
    out: np.ndarray,
    defects: Sequence[Defects],
) -> None:
    """Fill `out`, (stop - start,), with a channel of a modality, block by block."""
    traces = modality.channels[row].traces
    if not traces:
        out[:] = np.nan
        return
    # Filters and resampling read a margin around each block: long ones want longer blocks.
    margin = max(trace.plan.margin for trace in traces)
    ratio = max(trace.plan.rate_in for trace in traces) / modality.rate_hz
    size = max(BLOCK_SAMPLES, int(8 * margin / max(ratio, 1e-9)))
    for low in range(start, stop, size):
        high = min(low + size, stop)
        target = out[low - start : high - start]
        for number, (trace, found) in enumerate(zip(traces, defects, strict=True)):
            values = _read_trace(trace, low, high, found, modality)
            if number == 0:
                target[:] = values
            else:
                target -= values


def _new_defects(resolved: ResolvedModalities) -> list[list[list[Defects]]]:
    return [
        [[Defects.none() for _ in channel.traces] for channel in modality.channels]
        for modality in resolved.modalities
    ]


def _read_signals(
    resolved: ResolvedModalities,
    ranges: Sequence[tuple[int, int]],
    allocate: Callable[[int, int], np.ndarray],
    pool: ThreadPoolExecutor | None,
) -> tuple[tuple[np.ndarray | None, ...], list[list[list[Defects]]]]:
    """All modalities from a first to a last sample each, and their defects."""
    defects = _new_defects(resolved)
    signals: list[np.ndarray | None] = []
    tasks = []
    for number, modality in enumerate(resolved.modalities):
        if not modality.found:
            signals.append(None)
            continue
        start, stop = ranges[number]
        array = allocate(len(modality.channels), stop - start)
        signals.append(array)
        tasks += [
            (modality, row, start, stop, array[row], defects[number][row])
            for row in range(len(modality.channels))
        ]
    if pool is None:
        for task in tasks:
            _read_channel(*task)
    else:
        for done in [pool.submit(_read_channel, *task) for task in tasks]:
            done.result()
    for modality, values in zip(resolved.modalities, signals, strict=True):
        if modality.config.average_reference and values is not None:
            for low in range(0, values.shape[1], BLOCK_SAMPLES):
                subtract_average(values[:, low : low + BLOCK_SAMPLES])
    return tuple(signals), defects


def start_samples(starts_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """First sample of each window, int64."""
    return np.rint(starts_s * rate_hz).astype(np.int64)


def check_length(scheme: ModalityScheme, length_s: float) -> None:
    """DataError where a window has no sample of a modality."""
    for name in scheme.names:
        if scheme.samples(name, length_s) < 1:
            raise DataError(
                f"A window of {length_s:g} s holds no sample of {name} at "
                f"{scheme.rate_hz(name):g} Hz; lengthen windows.length_s or leave it out."
            )


# ---------------------------------------------------------------- preparing


def prepare_recording(
    recording: Recording,
    scheme: ModalityScheme,
    windows: WindowsConfig,
    *,
    labels: LabelsConfig | None = None,
    track: LabelTrack | None = None,
    classes: Sequence[str] = (),
    store: SignalStore | None = None,
    pool: ThreadPoolExecutor | None = None,
) -> PreparedRecording:
    """Read a recording whole, modality by modality, and cut it into windows.

    `track`, `labels` and `classes` together give the windows' labels. Raises RecordingError where
    no window fits or where no modality was recorded anywhere.
    """
    check_length(scheme, windows.length_s)
    resolved = resolve(scheme, recording)
    _check_found(recording, scheme, resolved)
    first = None if labels is None else first_label_s(track, labels)
    starts = window_starts(recording, windows, first)
    dense = starts
    if windows.pretrain_hop_s is not None and windows.pretrain_hop_s != windows.step_s:
        dense = window_starts(recording, windows, first, windows.pretrain_hop_s)
    ranges = [
        (
            0,
            max(
                round(recording.duration_s * modality.rate_hz),
                *(
                    int(start_samples(grid[-1:], modality.rate_hz)[0])
                    + scheme.samples(modality.name, windows.length_s)
                    for grid in (starts, dense)
                ),
            ),
        )
        for modality in resolved.modalities
    ]
    allocate = (store or SignalStore()).allocate
    signals, defects = _read_signals(resolved, ranges, allocate, pool)

    cut = Windows.make(resolved, defects, starts, windows.length_s)
    cut_dense = cut if dense is starts else Windows.make(resolved, defects, dense, windows.length_s)
    findings = (*recording.findings, *resolved.findings)
    if track is not None and labels is not None:
        findings += (*track.findings, *unmapped(track, labels))
    findings += _absence(scheme, resolved, cut)
    if not cut.present.any():
        raise RecordingError(
            f"{_name(recording)}: no modality was recorded in any window: everything is missing, "
            f"flat, saturated or excluded."
        )
    prepared = PreparedRecording(
        recording.id,
        recording.subject,
        recording.paths,
        recording.duration_s,
        scheme,
        windows.length_s,
        cut,
        cut_dense,
        signals,
        tuple(dict.fromkeys(findings)),
    )
    return prepared if labels is None else with_labels(prepared, track, classes, labels)


def with_labels(
    prepared: PreparedRecording,
    track: LabelTrack | None,
    classes: Sequence[str],
    labels: LabelsConfig,
) -> PreparedRecording:
    """The same recording with the labels of a track on its windows."""

    def label(windows: Windows) -> Windows:
        numbers = window_labels(track, windows.starts_s, prepared.length_s, classes, labels)
        return replace(windows, labels=numbers)

    windows = label(prepared.windows)
    dense = prepared.pretrain_windows
    dense = windows if dense is prepared.windows else label(dense)
    return replace(prepared, windows=windows, pretrain_windows=dense)


def _check_found(
    recording: Recording, scheme: ModalityScheme, resolved: ResolvedModalities
) -> None:
    if not any(modality.found for modality in resolved.modalities):
        raise RecordingError(
            f"{_name(recording)}: no channel for any modality ({', '.join(scheme.names)}); "
            f"channels: {', '.join(_labels(recording)) or 'none'}. "
            + " ".join(dict.fromkeys(finding.message for finding in resolved.findings))
        )


def _absence(
    scheme: ModalityScheme, resolved: ResolvedModalities, windows: Windows
) -> tuple[Finding, ...]:
    findings = []
    for number, modality in enumerate(resolved.modalities):
        absent = int((~windows.present[:, number]).sum())
        if modality.found and absent:
            why = "missing, flat or saturated"
            if any(s.modality == modality.name for s in resolved.recording.excluded):
                why = "missing, flat, saturated or marked as bad"
            findings.append(
                Finding(
                    "note",
                    scheme.names[number],
                    f"{modality.name} is {why} in {absent} of {len(windows)} windows.",
                )
            )
    return tuple(findings)


def _name(recording: Recording) -> str:
    return str(recording.paths[0]) if recording.sources else recording.id


def _labels(recording: Recording) -> list[str]:
    return [c.label.strip() for source in recording.sources for c in source.file.channels]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What came of the recordings: those prepared, in order, and why others failed, by id."""

    recordings: tuple[PreparedRecording, ...]
    classes: tuple[str, ...]
    failed: dict[str, CrosslError]


def prepare(
    recordings: Sequence[Recording],
    scheme: ModalityScheme,
    windows: WindowsConfig,
    *,
    labels: LabelsConfig | None = None,
    data_root: Path = Path("."),
    key_map: dict[str, str] | None = None,
    classes: Sequence[str] | None = None,
    store: SignalStore | None = None,
    threads: int | None = None,
    context: RunContext | None = None,
) -> Prepared:
    """Prepare all recordings; one that fails does not stop the others.

    `classes` fixes the classes, as for a saved model; left out, they come from the labels
    themselves. Settings that fit no recording raise DataError at once.
    """
    context = context or RunContext()
    store = store or SignalStore()
    check_length(scheme, windows.length_s)
    failed: dict[str, CrosslError] = {}
    tracks: dict[str, LabelTrack | None] = {}
    reader = None if labels is None else LabelReader(labels, data_root, key_map)
    done: list[PreparedRecording] = []
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        for number, recording in enumerate(recordings):
            context.step("reading", number, len(recordings))
            try:
                # Labels and signals together: a text file is then parsed once for both.
                track = None if reader is None else reader.read(recording)
                prepared = prepare_recording(
                    recording,
                    scheme,
                    windows,
                    labels=labels,
                    track=track,
                    store=store,
                    pool=pool,
                )
            except RecordingError as error:
                failed[recording.id] = error
                continue
            tracks[recording.id] = track
            done.append(prepared)
    names: tuple[str, ...] = ()
    if labels is not None:
        # The classes are known only now, when every recording has shown its labels.
        names = tuple(classes) if classes is not None else class_names(tracks.values(), labels)
        done = [with_labels(p, tracks[p.id], names, labels) for p in done]
        reasons = [f.message for t in tracks.values() if t is not None for f in t.findings]
        if reasons and not any(p.labelled_windows for p in done):
            context.say(f"No window has a label. {reasons[-1]}")
    context.step("reading", len(recordings), len(recordings))
    return Prepared(tuple(done), names, failed)


# ---------------------------------------------------------------- all windows


class WindowSet:
    """The windows of several recordings, one after the other.

    Attributes
    ----------
    recording_index: int64 (windows,), into `recordings`.
    subject: str (windows,).
    starts_s: float64 (windows,); labels: int64 (windows,); present: bool (windows, modalities).
    """

    def __init__(self, recordings: Sequence[PreparedRecording], *, dense: bool = False) -> None:
        if not recordings:
            raise DataError("There is no recording to take windows from.")
        self.recordings = tuple(recordings)
        self.scheme = recordings[0].scheme
        self.length_s = recordings[0].length_s
        self._parts = [r.pretrain_windows if dense else r.windows for r in recordings]
        sizes = [len(part) for part in self._parts]
        self.recording_index = np.repeat(np.arange(len(recordings)), sizes)
        self.subject = np.repeat(np.array([r.subject for r in recordings], dtype=str), sizes)
        self.starts_s = np.concatenate([part.starts_s for part in self._parts])
        self.labels = np.concatenate([part.labels for part in self._parts])
        self.present = np.concatenate([part.present for part in self._parts])
        self._alive = [
            np.concatenate([part.alive[m] for part in self._parts])
            for m in range(len(self.scheme.names))
        ]
        # Channels of a modality that is absent in a window count as dead too: what is left of
        # them must look like a masked modality.
        self._usable = [a & self.present[:, [m]] for m, a in enumerate(self._alive)]
        self._samples = [self.scheme.samples(n, self.length_s) for n in self.scheme.names]
        self._first = [
            start_samples(self.starts_s, self.scheme.rate_hz(n)) for n in self.scheme.names
        ]
        self._cuts = [
            [_cutter(r.signals[m], self._samples[m]) for r in recordings]
            for m in range(len(self.scheme.names))
        ]
        self._moments: dict[str, Moments] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def kinds(self) -> dict[str, ScalingKind]:
        """How each modality is to be scaled, by the scheme."""
        return {m.name: m.scaling for m in self.scheme.modalities}

    def alive(self, modality: str) -> np.ndarray:
        """Which channels of a modality were recorded, bool (windows, channels)."""
        return self._alive[self.scheme.index(modality)]

    def shape(self, modality: str) -> tuple[int, int]:
        """Channels and samples of a window of a modality."""
        m = self.scheme.index(modality)
        return len(self.scheme.modalities[m].channels), self._samples[m]

    def gather(self, indices: np.ndarray, modality: str) -> np.ndarray:
        """Windows as recorded, float32 (windows, channels, samples), a new array.

        NaN where a sample is missing and in channels that count as not recorded in the window.
        """
        m = self.scheme.index(modality)
        indices = np.asarray(indices, np.int64)
        values = np.empty((len(indices), *self.shape(modality)), np.float32)
        owners = self.recording_index[indices]
        firsts = self._first[m][indices]
        edges = np.flatnonzero(np.diff(owners)) + 1
        cuts = self._cuts[m]
        if len(edges) * 4 < len(indices):  # few recordings, many windows of each in a row
            bounds = [0, *edges.tolist(), len(indices)]
            for low, high in pairwise(bounds):
                if low == high:
                    continue
                cut = cuts[owners[low]]
                values[low:high] = np.nan if cut is None else cut[firsts[low:high]]
        else:
            for row, (owner, first) in enumerate(
                zip(owners.tolist(), firsts.tolist(), strict=True)
            ):
                cut = cuts[owner]
                values[row] = np.nan if cut is None else cut[first]
        usable = self._usable[m][indices]
        if not usable.all():
            values[~usable] = np.nan
        return values

    def batch(
        self, indices: np.ndarray, scaling: Scaling | Mapping[str, Scaling]
    ) -> dict[str, np.ndarray]:
        """Scaled windows by modality, float32 (windows, channels, samples), missing samples 0.

        `scaling`: one for all, or one for each subject.
        """
        indices = np.asarray(indices, np.int64)
        result = {}
        for name in self.scheme.names:
            values = self.gather(indices, name)
            if isinstance(scaling, Scaling):
                result[name] = scaling.apply(name, values, out=values)
                continue
            subjects = self.subject[indices]
            for subject in dict.fromkeys(subjects.tolist()):
                rows = subjects == subject
                values[rows] = scaling[subject].apply(name, values[rows])
            result[name] = values
        return result

    def moments(self, modality: str) -> Moments:
        """Count, sum and sum of squares of each window and channel; computed once."""
        with self._lock:
            if modality not in self._moments:
                self._moments[modality] = self._count(modality)
            return self._moments[modality]

    def _count(self, modality: str) -> Moments:
        channels, samples = self.shape(modality)
        step = max(1, (1 << 20) // (channels * samples))
        parts = [
            moments_of(self.gather(np.arange(low, min(low + step, len(self))), modality))
            for low in range(0, len(self), step)
        ]
        count, mean, squares = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Moments(count, mean, squares)

    def fit_scaling(self, indices: np.ndarray) -> Scaling:
        """Scaling by the statistics of the given windows, such as those of training subjects."""
        return Scaling.fit(self.kinds, self._all_moments(), np.asarray(indices))

    def fit_subject_scaling(self, subjects: Sequence[str] | None = None) -> dict[str, Scaling]:
        """A scaling for each subject from all of that subject's windows, labelled or not.

        Uses the tested subject's own data: only where adaptation was asked for.
        """
        return Scaling.fit_subjects(self.kinds, self._all_moments(), self.subject, subjects)

    def _all_moments(self) -> dict[str, Moments]:
        return {name: self.moments(name) for name, k in self.kinds.items() if k == "train"}


def _cutter(signal: np.ndarray | None, samples: int) -> np.ndarray | None:
    """A view with one window per start sample, (starts, channels, samples)."""
    if signal is None or signal.shape[1] < samples:
        return None
    return sliding_window_view(signal, samples, axis=1).swapaxes(0, 1)


# ---------------------------------------------------------------- long files


@dataclass(frozen=True, eq=False)
class WindowBlock:
    """Some windows of a long recording, in order.

    `signals` by modality: float32 (windows, channels, samples) as `WindowSet.gather` gives them.
    """

    windows: Windows
    signals: dict[str, np.ndarray]

    def batch(self, scaling: Scaling) -> dict[str, np.ndarray]:
        """Scaled windows as `WindowSet.batch` gives them."""
        return {name: scaling.apply(name, values) for name, values in self.signals.items()}


def iterate_windows(
    recording: Recording,
    scheme: ModalityScheme,
    windows: WindowsConfig,
    *,
    starts_s: np.ndarray | None = None,
    block_s: float = 500.0,
) -> Iterator[WindowBlock]:
    """The windows of a recording, a block of time after the other.

    Holds no more than a block and the margins of its filters. `starts_s` replaces the grid of
    `window_starts`. The numbers are those of `prepare_recording`.
    """
    check_length(scheme, windows.length_s)
    resolved = resolve(scheme, recording)
    _check_found(recording, scheme, resolved)
    if starts_s is None:
        starts = window_starts(recording, windows)
    else:
        starts = np.asarray(starts_s, np.float64)
    position = 0
    while position < len(starts):
        end = int(np.searchsorted(starts, starts[position] + max(block_s, 1e-9), side="left"))
        part = starts[position : max(end, position + 1)]
        position += len(part)
        ranges = []
        for modality in resolved.modalities:
            first = start_samples(part[[0, -1]], modality.rate_hz)
            samples = scheme.samples(modality.name, windows.length_s)
            # Two more: a window's first sample may be rounded differently on the channel's grid.
            ranges.append((int(first[0]) - 2, int(first[1]) + samples + 2))
        signals, defects = _read_signals(resolved, ranges, _in_memory, None)
        cut = Windows.make(resolved, defects, part, windows.length_s)
        values = {}
        for m, modality in enumerate(resolved.modalities):
            samples = scheme.samples(modality.name, windows.length_s)
            view = _cutter(signals[m], samples)
            if view is None:
                shape = (len(part), len(modality.channels), samples)
                values[modality.name] = np.full(shape, np.nan, np.float32)
                continue
            chosen = view[start_samples(part, modality.rate_hz) - ranges[m][0]]
            chosen[~(cut.alive[m] & cut.present[:, [m]])] = np.nan
            values[modality.name] = chosen
        yield WindowBlock(cut, values)


def _in_memory(channels: int, samples: int) -> np.ndarray:
    return np.empty((channels, samples), np.float32)
