"""A simulated night, written as EDF+ with its hypnogram.

For tests, benchmarks and tutorials. Nothing in it was recorded from anybody, and the file says so:
patient and recording fields read SIMULATED. Signals follow textbook descriptions of sleep stages
(AASM manual): slow waves in N3, spindles and K-complexes in N2, alpha and blinks in wake, slow eye
movements in N1, rapid eye movements and loss of muscle tone in REM, with a heart and a breath that
change along. A seed stands for a person: amplitudes, alpha and spindle frequency, muscle tone,
heart and breathing rate are its own.

The night is computed in blocks of a few minutes and written block by block, so memory does not
grow with the number of channels times the length.

Command: ``python -m core.simulate OUT.edf --hours 8 --seed 1``.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

from core.errors import ConfigError, CrosslError, OutputError
from core.progress import RunContext
from core.simulated_body import (
    EPOCH_S,
    KINDS,
    RANGES,
    STAGES,
    UNSCORED,
    Dropout,
    Kind,
    Night,
    SimulatedChannel,
    signal_blocks,
)

_EEG_LABELS = ("C3-M2", "C4-M1", "F3-M2", "F4-M1", "O1-M2", "O2-M1", "P3-M2", "P4-M1")
_EOG_LABELS = ("E1-M2", "E2-M1")
_EMG_LABELS = ("chin", "leg left", "leg right")
_RESP_LABELS = ("thorax", "abdomen", "flow")


@dataclass(frozen=True)
class SimulatedNight:
    """What was written: the file, and the truth behind it.

    `stages` has one entry per 30 s epoch, `None` where the hypnogram says unscored.
    """

    path: Path
    channels: tuple[SimulatedChannel, ...]
    stages: tuple[str | None, ...]
    dropouts: tuple[Dropout, ...]

    @property
    def duration_s(self) -> int:
        return EPOCH_S * len(self.stages)


def night_channels(
    eeg: int = 2,
    eog: int = 2,
    emg: int = 1,
    ecg: int = 1,
    resp: int = 1,
    rate_hz: int | None = None,
) -> tuple[SimulatedChannel, ...]:
    """So many channels of each kind, named as sleep laboratories name them.

    Without `rate_hz`: EEG, EMG and ECG at 256 Hz, EOG at 128 Hz, breathing at 25 Hz.
    """

    def labels(names: Sequence[str], prefix: str, count: int) -> list[str]:
        more = (str(number) for number in range(len(names) + 1, count + 1))
        return [f"{prefix} {name}" for name in (*names, *more)][:count]

    plan: list[tuple[Kind, list[str], int]] = [
        ("eeg", labels(_EEG_LABELS, "EEG", eeg), 256),
        ("eog", labels(_EOG_LABELS, "EOG", eog), 128),
        ("emg", labels(_EMG_LABELS, "EMG", emg), 256),
        ("ecg", ["ECG", *labels((), "ECG", ecg)[1:]][:ecg], 256),
        ("resp", labels(_RESP_LABELS, "Resp", resp), 25),
    ]
    return tuple(
        SimulatedChannel(label, kind, rate_hz or rate)
        for kind, names, rate in plan
        for label in names
    )


# -------------------------------------------------------------------------------- the file


def _annotation(second: int, stage: int) -> bytes:
    text = "Sleep stage ?" if stage == UNSCORED else f"Sleep stage {STAGES[stage]}"
    return f"+{second}\x15{EPOCH_S}\x14{text}\x14\x00".encode("ascii")


class _Writer:
    """EDF+C with data records of 1 s, written block by block.

    edfio makes the header, from a file of one record; only the number of records and the records
    themselves are put in here, because edfio writes whole files from memory.
    """

    ANNOTATION_BYTES = 64

    def __init__(
        self, stream: BinaryIO, channels: Sequence[SimulatedChannel], seconds: int, seed: int
    ) -> None:
        self._stream = stream
        self._channels = channels
        signals = [
            EdfSignal.from_digital(
                np.zeros(channel.rate_hz, np.int16),
                channel.rate_hz,
                label=channel.label,
                transducer_type="SIMULATED",
                physical_dimension=RANGES[channel.kind][0],
                physical_range=(-RANGES[channel.kind][1], RANGES[channel.kind][1]),
                digital_range=(-32767, 32767),
            )
            for channel in channels
        ]
        time_keeping = len("+0\x14\x14\x00")
        filling = self.ANNOTATION_BYTES - time_keeping - len("+0\x14\x14\x00")
        template = Edf(
            signals,
            patient=Patient(code="SIMULATED", name="SIMULATED"),
            recording=Recording(
                startdate=datetime.date(2001, 1, 1),
                hospital_administration_code="SIMULATED",
                investigator_technician_code="SIMULATED",
                equipment_code="crossl-app",
                additional=(f"seed_{seed}",),
            ),
            starttime=datetime.time(22, 30),
            data_record_duration=1,
            annotations=[EdfAnnotation(0, None, "x" * filling)],
        )
        content = template.to_bytes()
        header = content[: template.bytes_in_header_record]
        record_bytes = sum(2 * channel.rate_hz for channel in channels) + self.ANNOTATION_BYTES
        assert len(content) - len(header) == record_bytes
        # Bytes 236 to 244 of an EDF header: the number of data records.
        stream.write(header[:236] + f"{seconds:<8d}".encode("ascii") + header[244:])
        self._record_bytes = record_bytes

    def write(self, start_s: int, signals: Sequence[np.ndarray], stages: np.ndarray) -> None:
        """Append the seconds from `start_s`; `stages` are the hypnogram of the whole night."""
        seconds = len(signals[0]) // self._channels[0].rate_hz
        records = np.zeros((seconds, self._record_bytes), np.uint8)
        place = 0
        for channel, signal in zip(self._channels, signals, strict=True):
            limit = RANGES[channel.kind][1]
            digital = np.rint(np.clip(signal / limit, -1, 1) * 32767).astype("<i2")
            width = 2 * channel.rate_hz
            records[:, place : place + width] = digital.view(np.uint8).reshape(seconds, width)
            place += width
        for row in range(seconds):
            second = start_s + row
            text = f"+{second}\x14\x14\x00".encode("ascii")
            if second % EPOCH_S == 0:
                text += _annotation(second, int(stages[second // EPOCH_S]))
            records[row, place : place + len(text)] = np.frombuffer(text, np.uint8)
        self._stream.write(records.tobytes())


def simulate_night(
    path: Path | str,
    hours: float = 8.0,
    seed: int = 0,
    channels: Sequence[SimulatedChannel] | None = None,
    *,
    artefacts: bool = True,
    dropout_share: float = 0.0,
    unscored_share: float = 0.0,
    overwrite: bool = False,
    context: RunContext | None = None,
) -> SimulatedNight:
    """Write one simulated night as EDF+ with its hypnogram as annotations.

    The length is rounded up to whole epochs of 30 s. The same arguments give the same bytes on the
    same versions of numpy and scipy. Annotations read ``Sleep stage W``, ``N1``, ``N2``, ``N3``,
    ``R``, and ``?`` for the unscored share.

    Parameters
    ----------
    channels: default `night_channels()`.
    artefacts: body movements that shake every channel.
    dropout_share: share of the night, 0 to below 1, in which each kind of channel carries nothing.
    unscored_share: share of the epochs whose stage is left unscored.
    overwrite: otherwise an existing file is left alone and `OutputError` raised.

    Raises `ConfigError` for settings that cannot be, `OutputError` where the file cannot be
    written, `Cancelled` when the context asks for it. No unfinished file is left under `path`.
    """
    path = Path(path)
    chosen = night_channels() if channels is None else tuple(channels)
    _check(hours, seed, chosen, dropout_share, unscored_share)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: name another file, or allow overwriting it.")
    context = context or RunContext()
    epochs = int(np.ceil(round(hours * 3600 / EPOCH_S, 6)))
    night_seed, signal_seed, score_seed = np.random.SeedSequence(seed).spawn(3)
    night = Night(epochs, night_seed, artefacts, dropout_share)
    unscored = np.random.default_rng(score_seed).random(epochs) < unscored_share
    scored = np.where(unscored, UNSCORED, night.stages)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _removed_unless_renamed(partial):
            with partial.open("wb") as stream:
                writer = _Writer(stream, chosen, night.seconds, seed)
                for start_s, signals in signal_blocks(night, chosen, signal_seed):
                    writer.write(start_s, signals, scored)
                    done = start_s + len(signals[0]) // chosen[0].rate_hz
                    context.step("simulate", done, night.seconds)
            partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): "
            "choose another folder or free some space."
        ) from error
    stages = tuple(None if stage == UNSCORED else STAGES[stage] for stage in scored)
    return SimulatedNight(path, chosen, stages, night.dropouts)


@contextmanager
def _removed_unless_renamed(partial: Path) -> Iterator[None]:
    """Whatever stops the writing, the unfinished file goes."""
    try:
        yield
    finally:
        partial.unlink(missing_ok=True)


def _check(
    hours: float,
    seed: int,
    channels: Sequence[SimulatedChannel],
    dropout_share: float,
    unscored_share: float,
) -> None:
    # 99 999 999 records fit into the header; a week is more than any night.
    if not 0 < hours <= 168:
        raise ConfigError(f"hours is {hours}: give a length above 0 and up to 168.")
    if seed < 0:
        raise ConfigError(f"seed is {seed}: give a whole number from 0 up.")
    for name, share in (("dropout_share", dropout_share), ("unscored_share", unscored_share)):
        if not 0 <= share < 1:
            raise ConfigError(f"{name} is {share}: give a share from 0 to below 1.")
    if not channels:
        raise ConfigError("There is no channel to simulate: name at least one.")
    for channel in channels:
        if channel.kind not in KINDS:
            raise ConfigError(
                f"Channel '{channel.label}' is of unknown kind '{channel.kind}': "
                f"choose one of {', '.join(KINDS)}."
            )
        if not (isinstance(channel.rate_hz, int) and 10 <= channel.rate_hz <= 2048):
            raise ConfigError(
                f"Channel '{channel.label}' has a rate of {channel.rate_hz} Hz: "
                "give a whole number from 10 to 2048."
            )
        if not channel.label.isascii() or not 0 < len(channel.label) <= 16:
            raise ConfigError(f"Channel name '{channel.label}' must be 1 to 16 ASCII characters.")


# ------------------------------------------------------------------------------- the command


def _parsed_channel(text: str) -> SimulatedChannel:
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or parts[1] not in KINDS or not parts[2].isdigit():
        raise argparse.ArgumentTypeError(
            f"'{text}' is not NAME:KIND:RATE, such as 'EEG C3-M2:eeg:256' "
            f"(kinds: {', '.join(KINDS)})"
        )
    label, kind, rate = parts
    return SimulatedChannel(label, next(k for k in KINDS if k == kind), int(rate))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write simulated nights (EDF+ with hypnogram). Nothing in them is recorded.",
    )
    parser.add_argument("output", type=Path, metavar="OUT.edf")
    parser.add_argument("--hours", type=float, default=8.0, help="length, default 8")
    parser.add_argument("--seed", type=int, default=0, help="the person, default 0")
    parser.add_argument(
        "--nights",
        type=int,
        default=1,
        help="so many files, OUT_<seed>.edf, with as many seeds from --seed up",
    )
    parser.add_argument(
        "--channels",
        type=_parsed_channel,
        nargs="+",
        metavar="NAME:KIND:RATE",
        help="default: 2 EEG, 2 EOG, chin EMG, ECG, breathing",
    )
    parser.add_argument("--no-artefacts", action="store_true", help="without body movements")
    parser.add_argument("--dropout-share", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--unscored-share", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "python -m core.simulate") -> int:
    """Run the command; returns 0, 2 wrong settings, 4 not written, 130 interrupted.

    `prog` is what the help calls the command. Like every argparse command it leaves through
    `SystemExit` for `--help` and arguments that cannot be parsed.
    """
    arguments = _parser(prog).parse_args(argv)
    try:
        return _write_nights(arguments)
    except ConfigError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    except CrosslError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; finished nights are kept.", file=sys.stderr)
        return 130


def _write_nights(arguments: argparse.Namespace) -> int:
    if arguments.nights < 1:
        raise ConfigError(f"--nights is {arguments.nights}: give 1 or more.")
    output: Path = arguments.output
    for seed in range(arguments.seed, arguments.seed + arguments.nights):
        path = output
        if arguments.nights > 1:
            path = output.with_name(f"{output.stem}_{seed:03d}{output.suffix or '.edf'}")
        night = simulate_night(
            path,
            hours=arguments.hours,
            seed=seed,
            channels=arguments.channels,
            artefacts=not arguments.no_artefacts,
            dropout_share=arguments.dropout_share,
            unscored_share=arguments.unscored_share,
            overwrite=arguments.force,
        )
        shares = ", ".join(
            f"{stage} {night.stages.count(stage) / len(night.stages):.0%}" for stage in STAGES
        )
        print(f"{path}: simulated, {night.duration_s / 3600:g} h, seed {seed} ({shares})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
