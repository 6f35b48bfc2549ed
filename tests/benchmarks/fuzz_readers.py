"""Damaged EDF, BDF and CSV files by the thousand: every one is read or refused in a sentence.

    python tests/benchmarks/fuzz_readers.py --cases 200000 --seed 0

Each case takes a generated file and damages it: flipped bits, header fields replaced by nasty
numbers, lying counts, cut off, extended or exchanged parts, headers of other files, line feeds
turned into CR LF. A child process opens it and reads first, middle and last samples, annotations
and everything else that is told about it; it may take 5 s and 200 MB more than before. A crash, a
hang, too much memory or any error that is no CrosslError is an offence: the file is written to the
output folder, and the exit status is 1. A case follows from seed and number alone.

For EDF the system refuses more memory than that; for CSV the peak is looked at, because duckdb
reserves addresses that it never uses. Not for Windows, where nothing waits for a pipe.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import random
import select
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.core.edf_bytes import ANNOTATIONS, make_file, make_signal, ramp, ramp24, stamp  # noqa: E402

LONGEST_S = 5.0
MOST_BYTES = 200 << 20
CSV_EVERY = 50  # a CSV case takes about fifty times as long as an EDF case
GZIP_EVERY = 40
_NASTY = (
    b"0", b"-0", b"-1", b"1", b"2", b"3", b"255", b"256", b"65535", b"65536", b"99999999",
    b"-9999999", b"2147483647"[:8], b"4294967296"[:8], b"1e300", b"-1e300", b"1e-300", b"1e8",
    b"1e-8", b"nan", b"inf", b"-inf", b"1,5", b".", b"-", b"+", b"", b"0x10", b"1 2", b"\x00" * 8,
    b"\xff" * 8, b"        ", b"1_000", b"\xb2", b"1.", b".5", b"00000001", b"0.000001", b"1e400",
    b"EDF+C", b"EDF+D", b"BDF+D", b"24BIT", b"31.02.20", b"99.99.99", b"23.59.60", b"yy.yy.yy",
)  # fmt: skip
_LISTS = (
    b"+0\x14\x14\x00", b"-1\x14\x14\x00", b"+1e9\x14\x14\x00", b"+999999999999\x14\x14\x00",
    b"+31622399\x14\x14\x00", b"\x14\x14\x14", b"\x15\x15", b"+1\x15+1\x15+1\x14x\x14\x00",
    b"+1\x15-1\x14x\x14\x00", b"+0.00000001\x14\x14\x00", b"+1,5\x14\xff\xfe\x14\x00",
)  # fmt: skip
# Places of the numbers in the first part of the header: of header length, record count, record
# duration and number of signals.
_COUNTS = ((184, 8), (236, 8), (244, 8), (252, 4))


# ---------------------------------------------------------------- files to damage


def edf_corpus() -> list[bytes]:
    """Small files of every kind, all of them right."""
    bdf_notes = make_signal("BDF Annotations", 14, unit="", low=-1, high=1)

    def stamped(step: float, put: Callable[[int], bytes], length: int) -> list[list[bytes]]:
        return [
            [
                put(k),
                stamp(f"+{k * step:g}\x14\x14\x00+{k * step + 0.5:g}\x151\x14a{k}\x14", length),
            ]
            for k in range(6)
        ]

    rates = [make_signal(f"ch{k}", size) for k, size in enumerate((1, 7, 100, 256))]
    many = [make_signal(f"ch{k}", 2) for k in range(40)]
    return [
        make_file([make_signal()], [[ramp(k)] for k in range(20)]),
        make_file(rates, [[ramp(k, s) for s in (1, 7, 100, 256)] for k in range(5)]),
        make_file(many, [[ramp(k, 2) for _ in many] for k in range(3)], record_s="0.004"),
        make_file([make_signal(), ANNOTATIONS], stamped(1, ramp, 40), reserved="EDF+C"),
        make_file([make_signal(), ANNOTATIONS], stamped(2.5, ramp, 40), reserved="EDF+D"),
        make_file([ANNOTATIONS, ANNOTATIONS, make_signal()],
                  [[stamp(f"+{k}\x14\x14"), stamp(f"+{k}\x14x\x14"), ramp(k)] for k in range(5)],
                  reserved="EDF+C"),
        make_file([ANNOTATIONS], [[stamp("+0\x14\x14\x00+0\x1530\x14Sleep stage W\x14")]],
                  reserved="EDF+C", record_s=0),
        make_file([make_signal()], [[ramp24(k)] for k in range(9)], reserved="24BIT", bdf=True),
        make_file([make_signal(), bdf_notes], stamped(1, ramp24, 42), reserved="BDF+C", bdf=True),
        make_file([make_signal(), bdf_notes], stamped(3, ramp24, 42), reserved="BDF+D", bdf=True),
        make_file([make_signal(), bdf_notes], stamped(3, ramp24, 42), reserved="EDF+D", bdf=True),
        make_file([make_signal()], []),
    ]  # fmt: skip


def csv_corpus() -> list[bytes]:
    """Small CSV files: with and without header, clocks, other separators, damaged cells."""
    even = "time,a,b\n" + "".join(f"{k / 10},{k % 7},{k * 0.5}\n" for k in range(80))
    clock = "t;x\n" + "".join(f"2024-01-31 12:00:{k % 60:02d},5;{k},25\n" for k in range(50))
    bare = "".join(f"{k},{k * k}\n" for k in range(60))
    device = "1580472000.0\n4.0\n" + "".join(f"{k % 5}.25\n" for k in range(60))
    vendor = "Device: x\nRate: 10\n\n" + even.replace(",", "\t")
    gaps = "timestamp,x,label\n" + "".join(
        f"{1580472000000 + k * 100 + (k > 30) * 60000},{'' if k % 9 == 0 else k},sit\n"
        for k in range(70)
    )
    return [text.encode() for text in (even, clock, bare, device, vendor, gaps)]


# ---------------------------------------------------------------- damage


def make_case(seed: int, number: int) -> tuple[str, bytes]:
    """Ending and contents of a case: a function of seed and number alone."""
    generator = random.Random(f"{seed}:{number}")
    if number % CSV_EVERY == CSV_EVERY - 1:
        return ".csv", _damage_csv(generator, bytearray(generator.choice(_csv())))
    blob = bytearray(generator.choice(_edf()))
    for _ in range(generator.choice((1, 1, 1, 2, 3, 6))):
        blob = _damage_edf(generator, blob)
    if number % GZIP_EVERY == GZIP_EVERY - 1:
        packed = bytearray(gzip.compress(bytes(blob), 1, mtime=0))
        if generator.random() < 0.7:
            _flip(generator, packed, generator.randrange(1, 4))
        if generator.random() < 0.2:
            del packed[generator.randrange(2, len(packed)) :]
        return ".edf.gz", bytes(packed)
    return ".edf", bytes(blob)


@cache
def _edf() -> list[bytes]:
    return edf_corpus()


@cache
def _csv() -> list[bytes]:
    return csv_corpus()


def _flip(generator: random.Random, blob: bytearray, count: int) -> None:
    for _ in range(count if blob else 0):
        blob[generator.randrange(len(blob))] ^= 1 << generator.randrange(8)


def _header_place(generator: random.Random, blob: bytearray) -> int:
    signals = max(1, min(len(blob) // 256 - 1, 40))
    return generator.randrange(min(len(blob), 256 * (signals + 1)))


def _fields(blob: bytearray) -> list[tuple[int, int]]:
    """Places and lengths of the numbers in the header."""
    try:
        count = min(max(int(bytes(blob[252:256])), 1), 100)
    except ValueError:
        count = 1
    fields = list(_COUNTS)
    for before, length in ((104, 8), (112, 8), (120, 8), (128, 8), (216, 8)):
        fields += [(256 + count * before + k * length, length) for k in range(count)]
    fields += [(168, 8), (176, 8), (192, 44), (256, 16), (256 + count * 96, 8)]
    return fields


def _damage_edf(generator: random.Random, blob: bytearray) -> bytearray:
    """One damage, chosen by chance."""
    if len(blob) < 2:
        return blob
    kind = generator.randrange(12)
    if kind == 0:
        _flip(generator, blob, generator.randrange(1, 20))
    elif kind == 1:  # bits of the header
        for _ in range(generator.randrange(1, 6)):
            blob[_header_place(generator, blob)] ^= 1 << generator.randrange(8)
    elif kind in (2, 3):  # a number of the header
        place, length = generator.choice(_fields(blob) if kind == 2 else _COUNTS)
        blob[place : place + length] = generator.choice(_NASTY).ljust(length)[:length]
    elif kind == 4:  # digits and signs of the header
        for _ in range(generator.randrange(1, 5)):
            blob[_header_place(generator, blob)] = generator.choice(b"0123456789-+., eE\x00\xff")
    elif kind == 5:
        del blob[generator.randrange(len(blob)) :]
    elif kind == 6:
        blob += generator.choice((bytes, generator.randbytes))(generator.randrange(1, 3000))
    elif kind == 7:  # two stretches change places
        length = generator.randrange(1, 64)
        a, b = sorted(generator.randrange(len(blob)) for _ in range(2))
        blob[a : a + length], blob[b : b + length] = blob[b : b + length], blob[a : a + length]
    elif kind == 8:  # the header of one file, the contents of another
        other = generator.choice(_edf())
        cut = generator.choice((8, 192, 252, 256, 512, generator.randrange(1, len(other))))
        blob = bytearray(other[:cut]) + blob[cut:]
    elif kind == 9:
        blob = bytearray(bytes(blob).replace(*generator.choice(
            ((b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\x00", b""), (b" ", b"\x00"), (b"\x14", b"")))
        ))  # fmt: skip
    elif kind == 10:  # a list in an annotation signal, or anywhere among the samples
        text = generator.choice(_LISTS)
        place = bytes(blob).find(b"+", generator.randrange(len(blob)))
        place = place if place >= 0 else generator.randrange(len(blob))
        blob[place : place + len(text)] = text
    else:  # bytes lost or added on the way
        place = generator.randrange(len(blob))
        if generator.random() < 0.5:
            del blob[place : place + generator.randrange(1, 9)]
        else:
            blob[place:place] = generator.randbytes(generator.randrange(1, 9))
    return blob


def _damage_csv(generator: random.Random, blob: bytearray) -> bytes:
    for _ in range(generator.choice((1, 1, 2, 4))):
        kind = generator.randrange(7)
        place = generator.randrange(len(blob) + 1)
        if kind == 0:
            _flip(generator, blob, generator.randrange(1, 10))
        elif kind == 1:
            del blob[place:]
        elif kind == 2:
            blob[place:place] = generator.choice(
                (*_NASTY, b'"', b"\r", b"\n\n\n", b",,,,,", b"1e308", b"9" * 40, b"\xff\xfe")
            )
        elif kind == 3:
            blob = bytearray(bytes(blob).replace(*generator.choice(
                ((b"\n", b"\r\n"), (b"\n", b"\r"), (b",", b";"), (b".", b","), (b"\n", b"")))
            ))  # fmt: skip
        elif kind == 4:
            blob[place:place] = generator.randbytes(generator.randrange(1, 50))
        elif kind == 5:
            lines = bytes(blob).splitlines(keepends=True)
            generator.shuffle(lines)
            blob = bytearray(b"".join(lines))
        else:
            blob[place : place + 8] = b"\x00" * generator.randrange(8)
    return bytes(blob)


# ---------------------------------------------------------------- the child


def read_everything(path: Path) -> None:
    """Open a file and read what there is to read of it; raises what the readers raise."""
    from core.config import CsvConfig
    from core.read_csv import open_csv
    from core.read_edf import open_edf

    file: Any = open_csv(path, CsvConfig()) if path.suffix == ".csv" else open_edf(path)
    told = (file.format, file.findings, file.annotations, file.gaps, file.channels)
    if not (str(told) and math.isfinite(file.start_s) and math.isfinite(file.duration_s)):
        raise AssertionError(f"start {file.start_s}, duration {file.duration_s}")
    if file.duration_s < 0:
        raise AssertionError(f"duration {file.duration_s}")
    for number, channel in enumerate(file.channels[:60]):
        if not (channel.rate_hz > 0 and channel.samples >= 0):
            raise AssertionError(str(channel))
        for start in (0, channel.samples // 2, max(channel.samples - 300, 0)):
            stop = min(start + 310, channel.samples + 10)
            values = file.read(number, start, stop)
            if values.shape != (stop - start,) or values.dtype != "float32":
                raise AssertionError(f"{values.shape} {values.dtype}")
            if path.suffix != ".csv":
                file.read_digital(number, start, stop)
    if path.suffix != ".csv":
        records = file.header.records
        if len(file.record_starts_s) != records:
            raise AssertionError("record starts")
        file.raw_records(max(records - 2, 0), records)


def serve(kind: str) -> None:
    """Run the cases whose seed and number come in; tell before and after each."""
    from core.errors import CrosslError

    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    # A disk would take longer than the readers.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        os.environ["CROSSL_CACHE_DIR"] = str(Path(folder) / "cache")
        os.environ["CROSSL_CACHE_LIMIT_MB"] = "1"
        _warm_up(Path(folder), kind)
        if kind == "edf":  # duckdb reserves gigabytes that it never touches
            _limit_memory()
        most = _peak_bytes() + MOST_BYTES
        while len(data := incoming.read(16)) == 16:
            seed, number = struct.unpack("<qq", data)
            ending, blob = make_case(seed, number)
            path = Path(folder) / f"case{ending}"
            path.write_bytes(blob)
            outgoing.write(b"go\n")
            outgoing.flush()
            try:
                read_everything(path)
                outcome = "opened"
            except CrosslError:
                outcome = "refused"
            except BaseException:
                outcome = repr(traceback.format_exc())
            if _peak_bytes() > most:
                outcome = f"memory: {_peak_bytes() >> 20} MB"
                most = _peak_bytes() + MOST_BYTES  # once is enough
            outgoing.write(outcome.encode() + b"\n")
            outgoing.flush()


def _warm_up(folder: Path, kind: str) -> None:
    """Load what a first case would load, so that it does not count as the case's memory."""
    for ending, blob in ((".csv", _csv()[0]), (".edf", _edf()[3]), (".edf", _edf()[0])):
        if (ending == ".csv") == (kind == "csv"):
            path = folder / f"first{ending}"
            path.write_bytes(blob)
            read_everything(path)


def _limit_memory() -> None:
    """No more than MOST_BYTES from here on, where the system can limit that."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return
    import resource

    pages = int(status.read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _peak_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# ---------------------------------------------------------------- the parent


def child_command(kind: str) -> list[str]:
    return [sys.executable, "-X", "faulthandler", __file__, "--child", kind]


class Child:
    """A process that runs one case after the other."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
                       "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            bufsize=0,
        )
        self.buffer = b""

    def run(self, seed: int, number: int) -> str:
        """`opened`, `refused`, or what went wrong; after a hang or crash the child is gone."""
        try:
            self.process.stdin.write(struct.pack("<qq", seed, number))
            # Starting takes its time; the case itself may not.
            if self._line(60.0) != "go":
                return self._gone()
            return self._line(LONGEST_S) or self._gone()
        except BrokenPipeError:
            return self._gone()
        except TimeoutError:
            self.process.kill()
            self.process.wait()
            return f"hang: more than {LONGEST_S:g} s"

    def _line(self, seconds: float) -> str:
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return ""
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def _gone(self) -> str:
        status = self.process.wait()
        self.errors.seek(0)
        return f"crash: exit status {status}: {self.errors.read()[-3000:]!r}"

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def fuzz(
    cases: int, seed: int, output: Path, first: int = 0, only: str | None = None
) -> tuple[Counter[str], list[str]]:
    """Run the cases, or `only` the "edf" or "csv" ones of them; returns how many ended in which
    way, and the offences."""
    children: dict[str, Child] = {}
    counts: Counter[str] = Counter()
    offences: list[str] = []
    started = time.monotonic()
    slowest = 0.0
    try:
        for number in range(first, first + cases):
            kind = "csv" if number % CSV_EVERY == CSV_EVERY - 1 else "edf"
            if only is not None and kind != only:
                continue
            child = children.get(kind)
            if child is None or not child.is_alive:
                if child is not None:
                    child.close()
                child = children[kind] = Child(child_command(kind))
            before = time.monotonic()
            outcome = child.run(seed, number)
            if counts[kind]:  # the first one of a child waits for its start
                slowest = max(slowest, time.monotonic() - before)
            counts[kind] += 1
            if outcome in ("opened", "refused"):
                counts[f"{kind} {outcome}"] += 1
            else:
                ending, blob = make_case(seed, number)
                output.mkdir(parents=True, exist_ok=True)
                written = output / f"{seed}_{number}{ending}"
                written.write_bytes(blob)
                offences.append(f"{written}: {outcome}")
                print(offences[-1], flush=True)
            if (number - first + 1) % 10_000 == 0:
                seconds = time.monotonic() - started
                print(f"{number - first + 1} cases, {seconds:.0f} s, {len(offences)} offences",
                      flush=True)  # fmt: skip
    finally:
        for child in children.values():
            child.close()
    counts["slowest ms"] = round(slowest * 1000)
    return counts, offences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--child", choices=("edf", "csv"), help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("edf", "csv"), help="leave the others out")
    options = parser.parse_args()
    if options.child:
        serve(options.child)
        return 0
    started = time.monotonic()
    counts, offences = fuzz(
        options.cases, options.seed, options.output, options.first, options.only
    )
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")
    print(f"{options.cases} cases, seed {options.seed}, {time.monotonic() - started:.0f} s: "
          f"{len(offences)} offences")  # fmt: skip
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
