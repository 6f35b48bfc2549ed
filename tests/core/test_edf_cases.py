"""Every deviation that files in the world have: what is read, and the finding that says so."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import make_config
from core.dataset import iterate_windows
from core.edf_header import FILE_FIELDS, SIGNAL_FIELDS
from core.envelope import recording_envelopes
from core.errors import RecordingError
from core.modalities import choose_scheme
from core.open_recording import open_file
from core.read_edf import EdfFile, open_edf
from tests.core.edf_bytes import ANNOTATIONS, make_file, make_signal, ramp, ramp24, stamp

BDF_ANNOTATIONS = make_signal("BDF Annotations", 14, unit="", low=-1, high=1)
THREE = [[ramp(k)] for k in range(3)]
Options = dict[str, Any]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., EdfFile]:
    def opened(blob: bytes) -> EdfFile:
        path = tmp_path / "night.edf"
        path.write_bytes(blob)
        return open_edf(path)

    return opened


def with_stamps(stamps: list[str], more: dict[int, str] | None = None) -> list[list[bytes]]:
    """Records of one ramp and one annotation signal that holds these time stamps."""
    return [
        [ramp(k), stamp(f"{text}\x14\x14\x00{(more or {}).get(k, '')}")]
        for k, text in enumerate(stamps)
    ]


def plus(stamps: list[str], kind: str = "EDF+C", more: dict[int, str] | None = None) -> bytes:
    return make_file([make_signal(), ANNOTATIONS], with_stamps(stamps, more), reserved=kind)


def one(**options: Any) -> bytes:
    return make_file([make_signal()], THREE, **options)


def signal(**change: Any) -> bytes:
    return make_file([make_signal(**change)], THREE)


@dataclass(frozen=True)
class Case:
    """A file, its findings (severity, field, part of the message) and what it is read as."""

    blob: bytes
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    samples: int | None = 30
    gain: float = 0.1


DRIFT_C = [f"+{k * 1.02:.3f}" for k in range(60)]
CASES = {
    "clean EDF": Case(one()),
    # -- counts and lengths
    "record count -1": Case(one(count=-1), [("repaired", "record count", "-1 .* holds 3")]),
    "record count no number": Case(one(count="many"), [("repaired", "record count", "'many'")]),
    "record count negative": Case(one(count=-7), [("repaired", "record count", "'-7'")]),
    "record count too high": Case(one(count=9), [("repaired", "record count", "9 .* holds 3")]),
    "record count too low": Case(one(count=2), [("repaired", "record count", "2 .* holds 3")]),
    "record count 3.0": Case(one(count="3.0"), [("note", "record count", "'3.0'.* read as 3")]),
    "record count right-aligned": Case(one(count="       3"), [("note", "record count", "left")]),
    "zero records": Case(make_file([make_signal()], []), [("note", "record count", "0 samples")],
                         0),
    "zero records announced, three there": Case(one(count=0), [("repaired", "record count", "0")]),
    "record count -1 and no records": Case(
        make_file([make_signal()], [], count=-1),
        [("note", "record count", "0 samples"), ("repaired", "record count", "-1")], 0),
    "incomplete last record": Case(
        make_file([make_signal()], [*THREE, [ramp(3)[:7]]], count=4),
        [("repaired", "data records", "7 of 20 bytes; it was dropped"),
         ("repaired", "record count", "4 .* holds 3")]),
    "only an incomplete record": Case(
        make_file([make_signal()], [[ramp(0)[:7]]]),
        [("note", "record count", "0 samples"), ("repaired", "data records", "dropped"),
         ("repaired", "record count", "1 .* holds 0")], 0),
    "trailing bytes": Case(one(tail=b"xyz"), [("repaired", "data records", "3 bytes")]),
    "trailing zero bytes, more than a record": Case(
        one(tail=bytes(47)), [("repaired", "data records", "47 zero bytes")]),
    "header length too short": Case(one(header_bytes=256), [("repaired", "header length",
                                                              "'256'.* 512 bytes; that was")]),
    "header length no number": Case(one(header_bytes="x"), [("repaired", "header length", "'x'")]),
    "header length right, with a stretch between": Case(
        one(header_bytes=1024, between=bytes(512)),
        [("repaired", "header length", "read from there")]),
    "number of signals with text after it": Case(
        one(signal_count="1 ch"), [("repaired", "signals", "text after the number.* read as 1")]),
    "number of signals unreadable": Case(one(signal_count="?"), [("repaired", "signals", "'\\?'")]),
    "number of signals wrong, header length right": Case(
        make_file([make_signal()] * 2, [[ramp(k)] * 2 for k in range(40)], signal_count=5),
        [("note", "label", "same label"), ("repaired", "signals", "those of 2 signals")], 400),
    "number of signals far too high": Case(
        one(signal_count=9999), [("repaired", "signals", "'9999'.* those of 1 signals")]
    ),
    "no signals at all": Case(make_file([], []), [("note", "signals", "no signals")], None),
    # -- record duration and samples
    "record duration with text after it": Case(
        one(record_s="1 sec"), [("repaired", "record duration", "read as 1")]),
    "record duration with a decimal comma": Case(
        one(record_s="1,0"), [("repaired", "record duration", "decimal comma")]),
    "a signal without samples": Case(
        make_file([make_signal(), make_signal("empty", 0)], THREE),
        [("unreadable", "samples per record", "empty.* left out")]),
    # -- calibration
    "physical minimum above maximum is allowed": Case(signal(low=100, high=-100), gain=-0.1),
    "digital minimum above maximum": Case(
        signal(digital_low=1000, digital_high=-1000),
        [("note", "digital limits", "1000, is above .* -1000; .* straight line")], gain=-0.1),
    "digital limits beyond 16 bits": Case(
        signal(digital_low=-40000, digital_high=40000, low=-4000, high=4000),
        [("note", "digital limits", "-40000 to 40000, lie outside its 16-bit")]),
    "digital limits not whole": Case(
        signal(digital_low="-1000.5", digital_high="1000.5", low="-100.05", high="100.05"),
        [("note", "digital limits", "not whole")]),
    "digital limits equal": Case(
        signal(digital_low=3, digital_high=3),
        [("uncalibrated", "calibration", "digital minimum and maximum are both 3")], gain=1),
    "physical limits equal": Case(
        signal(low=5, high=5),
        [("uncalibrated", "calibration", "physical minimum and maximum are both 5")], gain=1),
    "a limit that is no number": Case(
        signal(low="abc"), [("uncalibrated", "calibration", "not a number")], gain=1),
    "an infinite limit": Case(
        signal(high="inf"), [("uncalibrated", "calibration", "not a number")], gain=1),
    "a limit beyond float32": Case(
        signal(high="1e300"), [("uncalibrated", "calibration", "not a number")], gain=1),
    "a limit with a decimal comma": Case(
        signal(low="-100,0", high="100,0"),
        [("repaired", "physical maximum", "'100,0'; it was read as 100.0"),
         ("repaired", "physical minimum", "decimal comma")]),
    "a limit with its unit after it": Case(
        signal(high="100 uV"), [("repaired", "physical maximum", "text after the number")]),
    "limits with exponents": Case(signal(low="-1E+2", high="1.0e2")),
    "limits padded with zero bytes": Case(
        signal(low=b"-100\x00\x00\x00\x00", high=b"100\x00zzz", digital_high=b"1000\x00\x00"),
        [("note", "digital maximum", "zero bytes"), ("note", "physical maximum", "zero bytes"),
         ("note", "physical minimum", "zero bytes")]),
    # -- texts
    "version padded with zero bytes": Case(one(version=b"0\x00\x00\x00\x00\x00\x00\x00"),
                                           [("note", "version", "padded")]),
    "no ASCII in patient and recording": Case(
        one(patient="Müller".encode("latin-1"), recording="Schlaflabor Tübingen".encode()),
        [("note", "patient", "not ASCII"), ("note", "recording", "not ASCII")]),
    "no ASCII anywhere in plain EDF": Case(
        make_file([make_signal("Atmung Flußß".encode("latin-1"), unit=b"\xb5V",
                               transducer="Gürtel", prefilter="HP:0,1Hz für")], THREE,
                  patient="Jürgen", recording="Nächtlich", reserved="für"),
        [("note", "label", "Flußß .*Latin-1"), ("note", "patient", "ASCII"),
         ("note", "prefilter", "ASCII"), ("note", "recording", "ASCII"),
         ("note", "transducer", "ASCII"), ("note", "unit", "µV .*Latin-1")]),
    "label in UTF-8": Case(signal(label="Impédance".encode()),
                           [("note", "label", "Impédance .read as UTF-8")]),
    "label in Latin-1": Case(signal(label=b"Imp\xe9dance"),
                             [("note", "label", "Impédance .*read as Latin-1")]),
    "label of broken bytes": Case(signal(label=b"E\xff\xfe\x81G"),
                                  [("note", "label", "Eÿþ.*Latin-1")]),
    "label with control characters": Case(signal(label=b"EE\x1bG\x07"),
                                          [("note", "label", "control characters")]),
    "label with rubbish after a zero byte": Case(signal(label=b"EEG\x00\x41\x42"),
                                                 [("note", "label", "zero bytes")]),
    "empty label": Case(signal(label=""), [("repaired", "label", "called 'signal 1'")]),
    "the same label twice": Case(
        make_file([make_signal()] * 2, [[ramp(k)] * 2 for k in range(3)]),
        [("note", "label", "same label: EEG Fp1")]),
    "unit with a Greek mu": Case(signal(unit="μV".encode()), [("note", "unit", "µV .*UTF-8")]),
    "unit with the micro sign in Latin-1": Case(signal(unit=b"\xb5V"), [("note", "unit", "µV")]),
    # -- date and time
    "colons in the time": Case(one(time="12:00:00"), [("note", "start time", "'12:00:00'")]),
    "slashes in the date": Case(one(date="31/01/20"), [("note", "start date", "'31/01/20'")]),
    "one digit in the date": Case(one(date="1.2.20"), [("note", "start date", "'1.2.20'")]),
    "impossible date": Case(one(date="31.02.20"), [("repaired", "start date", "no place")]),
    "date of zeros": Case(one(date="00.00.00"), [("repaired", "start date", "no place")]),
    "empty date": Case(one(date=""), [("repaired", "start date", "'' is not a date")]),
    "impossible time": Case(one(time="24.61.00"), [("repaired", "start time", "no place")]),
    # -- EDF+ and its kind
    "EDF+C": Case(plus(["+0", "+1", "+2"])),
    "reserved in lower case": Case(plus(["+0", "+1", "+2"], "edf+c"),
                                   [("note", "reserved", "lower case.*EDF\\+C")]),
    "reserved neither C nor D": Case(
        plus(["+0", "+1", "+2"], "EDF+"),
        [("note", "reserved", "annotation signal"), ("repaired", "reserved", "plain EDF")]),
    "annotation signal in plain EDF": Case(plus(["+0", "+1", "+2"], ""),
                                           [("note", "reserved", "read as annotations")]),
    "EDF+C without annotation signal": Case(one(reserved="EDF+C"), [("repaired", "signals",
                                                                     "no annotation signal")]),
    "EDF+D without annotation signal": Case(one(reserved="EDF+D"), [("repaired", "signals",
                                                                     "gaps .* cannot be known")]),
    "annotation label in lower case": Case(
        make_file([make_signal(), {**ANNOTATIONS, "label": "EDF annotations"}],
                  with_stamps(["+0", "+1", "+2"]), reserved="EDF+C"),
        [("note", "label", "'EDF annotations', not 'EDF Annotations'")]),
    "startdate X": Case(make_file([make_signal(), ANNOTATIONS], with_stamps(["+0", "+1", "+2"]),
                                  reserved="EDF+C", recording="Startdate X X X X")),
    "startdate with a month in lower case": Case(
        make_file([make_signal(), ANNOTATIONS], with_stamps(["+0", "+1", "+2"]), reserved="EDF+C",
                  recording="Startdate 31-jan-2020 X X X"), [("note", "recording", "capital")]),
    "no startdate in EDF+": Case(
        make_file([make_signal(), ANNOTATIONS], with_stamps(["+0", "+1", "+2"]), reserved="EDF+C",
                  recording="night of somebody"), [("note", "recording", "Startdate")]),
    "startdate of another day": Case(
        make_file([make_signal(), ANNOTATIONS], with_stamps(["+0", "+1", "+2"]), reserved="EDF+C",
                  recording="Startdate 30-JAN-1984 X X X"),
        [("repaired", "start date", "does not agree .* latter was used")]),
    # -- time stamps
    "first record after a fraction": Case(plus(["+0.25", "+1.25", "+2.25"])),
    "first record an hour later": Case(plus(["+3600", "+3601", "+3602"]),
                                       [("note", "time stamps", "3600 s after")]),
    "time stamps that drift a little": Case(
        plus(["+0", "+1.1", "+2.2"]), [("note", "time stamps", "up to 0.2 s .* follow each other")]
    ),
    "time stamps that drift far in EDF+C": Case(
        make_file([make_signal(), ANNOTATIONS], with_stamps(DRIFT_C), reserved="EDF+C"),
        [("repaired", "time stamps", "drift against the record duration")], 611),
    "a jump in EDF+C": Case(
        plus(["+0", "+1", "+30"]),
        [("note", "gaps", "1 times, for 28 s"), ("repaired", "time stamps", "continuous.* jump")],
        310),
    "gaps in EDF+D": Case(plus(["+0", "+2", "+5.5"], "EDF+D"),
                          [("note", "gaps", "2 times, for 3.5 s")], 65),
    "EDF+D without gaps": Case(plus(["+0", "+1", "+2"], "EDF+D")),
    "a record without a time stamp": Case(
        make_file([make_signal(), ANNOTATIONS],
                  [[ramp(0), stamp("+0\x14\x14")], [ramp(1), stamp("")],
                   [ramp(2), stamp("+2\x14\x14")]], reserved="EDF+D"),
        [("repaired", "time stamps", "1 of 3 .* follow")]),
    "first annotation is no time stamp": Case(
        make_file([make_signal(), ANNOTATIONS],
                  [[ramp(k), stamp(f"+{k}\x14text\x14\x00+{k}\x14\x14")] for k in range(3)],
                  reserved="EDF+C"), [("note", "time stamps", "3 data records .* elsewhere")]),
    "time stamps in the second annotation signal": Case(
        make_file([make_signal(), ANNOTATIONS, ANNOTATIONS],
                  [[ramp(k), stamp(""), stamp(f"+{k}\x14\x14")] for k in range(3)],
                  reserved="EDF+C"), [("note", "time stamps", "3 data records .* elsewhere")]),
    "one damaged time stamp": Case(plus(["+0", "+7001", "+2"], "EDF+D"),
                                   [("repaired", "time stamps", "neither neighbour fits")]),
    "damaged first time stamp": Case(plus(["+900", "+1", "+2"], "EDF+D"),
                                     [("repaired", "time stamps", "neither neighbour fits")]),
    # -- annotations
    "annotations in Latin-1": Case(
        make_file([make_signal(), ANNOTATIONS],
                  [[r, s.replace("ü".encode(), b"\xfc").ljust(40, b"\x00")] for r, s in
                   with_stamps(["+0", "+1", "+2"], {1: "+1.5\x14für\x14"})], reserved="EDF+C"),
        [("note", "annotations", "Latin-1")]),
    "an annotation without a sign": Case(plus(["+0", "+1", "+2"], more={0: "0.5\x14a\x14"}),
                                         [("note", "annotations", "no sign")]),
    "an annotation with a decimal comma": Case(plus(["+0", "+1", "+2"], more={0: "+0,5\x14a\x14"}),
                                               [("repaired", "annotations", "comma")]),
    "an annotation with a negative duration": Case(
        plus(["+0", "+1", "+2"], more={0: "+0.5\x15-2\x14a\x14"}),
        [("repaired", "annotations", "unreadable duration")]),
    "an annotation cut off": Case(plus(["+0", "+1", "+2"], more={0: "+0.5\x14abc"}),
                                  [("note", "annotations", "cut off")]),
    "an annotation with control characters": Case(
        plus(["+0", "+1", "+2"], more={0: "+0.5\x14a\x1b[31mb\x14"}),
        [("note", "annotations", "control characters")]),
    "an annotation a century away": Case(
        plus(["+0", "+1", "+2"], more={0: "+3155760000\x14a\x14"}),
        [("repaired", "annotations", "more than a year")]),
    "rubbish among annotations": Case(plus(["+0", "+1", "+2"], more={0: "rubbish"}),
                                      [("repaired", "annotations", "passed over")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_deviation_is_read_as_it_says(name: str, opened: Callable[..., EdfFile]) -> None:
    case = CASES[name]
    file = opened(case.blob)
    told = sorted((f.severity, f.field, f.message) for f in file.findings)
    assert len(told) == len(case.findings), told
    for (severity, where, message), (wanted, field_name, part) in zip(
        told, sorted(case.findings), strict=True
    ):
        assert (severity, where) == (wanted, field_name)
        assert re.search(part, message), message
        assert message.endswith(".")
    if case.samples is None:
        assert file.channels == ()
        return
    channel = file.channels[0]
    assert channel.samples == case.samples
    assert channel.calibrated == (case.gain != 1)
    values = file.read(0, 0, channel.samples)
    recorded = values[np.isfinite(values)]
    expected = np.arange(len(recorded)) * case.gain
    np.testing.assert_allclose(recorded, expected, atol=1e-4)
    digital, there = file.read_digital(0, 0, channel.samples)
    np.testing.assert_array_equal(there, np.isfinite(values))
    assert not digital[~there].any()


# ---------------------------------------------------------------- values and rates


@pytest.mark.parametrize(
    ("record_s", "samples", "rate_hz"),
    [
        (1, 1, 1),
        (1, 30_000, 30_000),
        (0.1, 3_000, 30_000),
        (0.004, 1, 250),
        ("0.03125", 8, 256),
        (30, 1, 1 / 30),
        (3, 100, 100 / 3),
        ("0.9995", 512, 512 / 0.9995),
        (1, 999_999, 999_999),
    ],
)
def test_rates_and_record_durations_of_all_sizes(
    opened: Callable[..., EdfFile], record_s: object, samples: int, rate_hz: float
) -> None:
    data = np.arange(3 * samples) % 2000 - 1000
    rows = [[part.astype("<i2").tobytes()] for part in data.reshape(3, samples)]
    file = opened(make_file([make_signal(samples=samples)], rows, record_s=record_s))
    assert file.findings == ()
    assert file.channels[0].rate_hz == pytest.approx(rate_hz, rel=1e-12)
    assert file.duration_s == pytest.approx(3 * float(str(record_s)))
    np.testing.assert_allclose(file.read(0, 0, 3 * samples), data * 0.1, atol=1e-4)


@pytest.mark.parametrize("count", [1, 12, 500])
def test_many_signals_each_at_its_own_rate(opened: Callable[..., EdfFile], count: int) -> None:
    sizes = [number % 7 + 1 for number in range(count)]
    signals = [make_signal(f"ch{number}", size) for number, size in enumerate(sizes)]
    file = opened(make_file(signals, [[ramp(k, size) for size in sizes] for k in range(4)]))
    assert file.findings == ()
    assert [channel.label for channel in file.channels] == [f"ch{k}" for k in range(count)]
    for number, size in enumerate(sizes):
        assert file.channels[number].rate_hz == size
        np.testing.assert_allclose(
            file.read(number, 0, 4 * size), np.arange(4 * size) * 0.1, atol=1e-5
        )


@pytest.mark.parametrize("bdf", [False, True])
@pytest.mark.parametrize(
    ("low", "high"), [(-187500, 187499.98), (0, 1), (-1, 1e-6), (32767, -32768), (1e-7, 1e-6)]
)
def test_values_of_the_full_range_are_right_to_one_digital_step(
    opened: Callable[..., EdfFile], bdf: bool, low: float, high: float
) -> None:
    bits = 24 if bdf else 16
    ends = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    digital = np.linspace(ends[0], ends[1], 1000).astype("<i4")
    raw = digital[:, None].view(np.uint8)[:, : bits // 8].tobytes()
    text = [f"{value:.8g}"[:8] for value in (low, high)]
    limits = {"low": text[0], "high": text[1], "digital_low": ends[0], "digital_high": ends[1]}
    file = opened(make_file([make_signal(samples=1000, **limits)], [[raw]], bdf=bdf))
    first, last = float(text[0]), float(text[1])
    step = (last - first) / (ends[1] - ends[0])
    exact = first + (digital - ends[0]) * step
    values = file.read(0, 0, 1000)
    assert values.dtype == np.float32
    rounding = np.spacing(np.float32(max(abs(first), abs(last))))  # of float32 itself
    np.testing.assert_allclose(values, exact, rtol=0, atol=max(abs(step), rounding))
    channel = file.channels[0]
    assert (channel.minimum, channel.maximum) == (float(values.min()), float(values.max()))
    np.testing.assert_array_equal(file.read_digital(0, 0, 1000)[0], digital)


def test_limits_far_from_zero_lose_no_more_than_float32_must(
    opened: Callable[..., EdfFile],
) -> None:
    digital = np.arange(32000, 32760)
    limits = {"low": 0, "high": 1, "digital_low": 32000, "digital_high": 32767}
    blob = make_file([make_signal(samples=760, **limits)], [[digital.astype("<i2").tobytes()]])
    np.testing.assert_allclose(opened(blob).read(0, 0, 760), (digital - 32000) / 767, atol=2e-5)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("date", "recording", "year"),
    [
        ("01.06.85", "", 1985),
        ("01.06.99", "", 1999),
        ("01.06.00", "", 2000),
        ("01.06.84", "", 2084),
        ("01.06.24", "Startdate 01-JUN-1924 X X X", 1924),
        ("01.06.yy", "Startdate 01-JUN-2090 X X X", 2090),
    ],
)
def test_years_of_two_digits_lie_between_1985_and_2084(
    opened: Callable[..., EdfFile], date: str, recording: str, year: int
) -> None:
    records = with_stamps(["+0.5"])
    kind = "EDF+C" if recording else ""
    signals = [make_signal(), ANNOTATIONS] if recording else [make_signal()]
    records = records if recording else [[ramp(0)]]
    file = opened(make_file(signals, records, date=date, recording=recording, reserved=kind))
    fraction = 500_000 if recording else 0
    assert file.start == datetime(year, 6, 1, 12, 0, 0, fraction)
    assert file.start_s == file.start.replace(tzinfo=UTC).timestamp()


def test_a_file_without_a_clock_says_so(opened: Callable[..., EdfFile]) -> None:
    file = opened(one(date="99.99.99"))
    assert (file.start, file.start_s, file.has_clock) == (None, 0, False)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_startdates_of_other_ages_are_no_dates(opened: Callable[..., EdfFile], year: str) -> None:
    blob = make_file([make_signal(), ANNOTATIONS], with_stamps(["-9"]), reserved="EDF+C",
                     recording=f"Startdate 01-JAN-{year} X X X", date="01.01.20")  # fmt: skip
    assert opened(blob).start == datetime(2020, 1, 1, 11, 59, 51)


@pytest.mark.parametrize("bdf", [False, True])
def test_records_lie_at_their_time_stamps_and_gaps_stay_gaps(
    opened: Callable[..., EdfFile], bdf: bool
) -> None:
    put = ramp24 if bdf else ramp
    notes = BDF_ANNOTATIONS if bdf else ANNOTATIONS
    texts = ["+0.3\x14\x14", "+1.3\x14\x14\x00+1.8\x151\x14in\x14", "+4.3\x14\x14\x00+3\x14gap\x14"]
    records = [[put(k), stamp(text, 42 if bdf else 40)] for k, text in enumerate(texts)]
    kind = "BDF+D" if bdf else "EDF+D"
    file = opened(make_file([make_signal(), notes], records, reserved=kind, bdf=bdf))
    assert file.format == kind
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [(2, pytest.approx(2))]
    np.testing.assert_allclose(file.record_starts_s, [0, 1, 4])
    assert file.start == datetime(2020, 1, 31, 12, 0, 0, 300_000)
    values = file.read(0, 0, 50)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(values)), np.arange(20, 40))
    np.testing.assert_allclose(values[40:], np.arange(20, 30) * 0.1, atol=1e-5)
    assert [(a.onset_s, a.text) for a in file.annotations] == [
        (pytest.approx(1.5), "in"), (pytest.approx(2.7), "gap"),
    ]  # fmt: skip
    digital, recorded = file.read_digital(0, 15, 45)
    assert digital.dtype == np.int32
    np.testing.assert_array_equal(digital[:5], np.arange(15, 20))
    np.testing.assert_array_equal(recorded, [True] * 5 + [False] * 20 + [True] * 5)
    np.testing.assert_array_equal(
        file.read_digital_records(0, 1, 3), np.arange(10, 30).reshape(2, 10)
    )


def test_a_drifting_clock_of_edf_plus_d_is_no_gap(opened: Callable[..., EdfFile]) -> None:
    stamps = [f"+{k * 1.004:.3f}" for k in range(100)]
    file = opened(make_file([make_signal(samples=100), ANNOTATIONS],
                            [[ramp(k, 100), stamp(f"{t}\x14\x14")] for k, t in enumerate(stamps)],
                            reserved="EDF+D"))  # fmt: skip
    assert file.gaps == ()
    assert file.duration_s == pytest.approx(99 * 1.004 + 1, abs=0.006)
    assert [f.severity for f in file.findings] == ["repaired"]
    assert "drift" in file.findings[0].message


# ---------------------------------------------------------------- annotations


def test_overlapping_annotations_and_several_signals_of_them(
    opened: Callable[..., EdfFile],
) -> None:
    records = [
        [ramp(0), stamp("+0\x14\x14\x00+0\x155\x14long\x14"), stamp("+1\x152\x14inside\x14")],
        [ramp(1), stamp("+1\x14\x14\x00+1\x152\x14inside\x14"), stamp("+0.5\x14first\x14")],
    ]
    signals = [make_signal(), ANNOTATIONS, ANNOTATIONS]
    file = opened(make_file(signals, records, reserved="EDF+C"))
    assert file.findings == ()
    assert [(a.onset_s, a.duration_s, a.text) for a in file.annotations] == [
        (0, 5, "long"), (0.5, 0, "first"), (1, 2, "inside"), (1, 2, "inside"),
    ]  # fmt: skip


@pytest.mark.parametrize("record_s", [0, 1, 30])
def test_annotation_only_files(opened: Callable[..., EdfFile], record_s: int) -> None:
    text = "+0\x14\x14\x00+0\x1530\x14Sleep stage W\x14"
    file = opened(make_file([ANNOTATIONS], [[stamp(text)]], reserved="EDF+C", record_s=record_s))
    assert (file.channels, file.findings, file.duration_s) == ((), (), record_s)
    assert file.annotations[0].duration_s == 30


@pytest.mark.parametrize(
    "text", ["line\nfeed", "tab\tand\r\n", "中文测试", "Schläft, «tief»", " " * 20, "é" * 200]
)
def test_annotations_keep_every_sign_that_utf8_has(
    opened: Callable[..., EdfFile], text: str
) -> None:
    notes = {**ANNOTATIONS, "samples": 300}
    record = [ramp(0), stamp(f"+0\x14\x14\x00+0.5\x14{text}\x14", 600)]
    file = opened(make_file([make_signal(), notes], [record], reserved="EDF+C"))
    assert [annotation.text for annotation in file.annotations] == [text]
    assert file.findings == ()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "empty"),
        (bytes(4000), "begins with zero bytes"),
        (b"\xef\xbb\xbf<html><head>" + b" " * 300, "web page"),
        (b"{\"error\": \"log in\"}" + b" " * 300, "neither an EDF nor a BDF"),
        (one()[:255], "ends inside its header, after 255 bytes"),
        (one()[:300], "announces 1 signals, which takes 512 bytes, but the file has only 300"),
        (one(signal_count="x", header_bytes="y"), "'x' as the number of signals"),
        (one(signal_count=-1, header_bytes=1), "'-1' as the number of signals"),
        (one(signal_count=9999, header_bytes=9), "announces 9999 signals"),
        (one(record_s=0), "0 s as the duration"),
        (one(record_s=-1), "'-1' as the duration"),
        (one(record_s="1e99"), "1e\\+99 s as the duration .* 3 records would last .* years"),
        (one(record_s="1e-30"), "1e-30 s as the duration .* 10 samples"),
        (one(record_s=b"\xff\x1b[31m"), "'\\?\\?\\[31m' as the duration"),
        (signal(samples=-5), "'-5' as the number of samples"),
        (signal(samples=""), "'' as the number of samples"),
        (make_file([make_signal()], [[b"\n" * 20]]).replace(b"\n", b"\r\n"), "carriage return"),
        (one(tail=b"").replace(b"\n", b"\r\n", 1), "carriage return"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_truthfully_is_refused_with_the_reason(
    opened: Callable[..., EdfFile], blob: bytes, reason: str
) -> None:
    with pytest.raises(RecordingError, match=reason) as caught:
        opened(blob)
    assert "night.edf" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_carriage_return_and_line_feed_at_the_end_are_just_trailing_bytes(
    opened: Callable[..., EdfFile],
) -> None:
    blob = make_file([make_signal()], [[b"\x01\x00" * 10]], tail=b"\r\n")
    assert [f.field for f in opened(blob).findings] == ["data records"]


def test_a_file_that_shrinks_while_open_is_an_error_and_no_crash(
    opened: Callable[..., EdfFile],
) -> None:
    file = opened(make_file([make_signal(samples=5000)], [[ramp(0, 5000)]] * 20))
    file.read(0, 0, 100)
    file.path.write_bytes(file.path.read_bytes()[:6000])
    with pytest.raises(RecordingError, match="shorter"):
        file.read(0, 90_000, 100_000)
    file.path.unlink()
    with pytest.raises(RecordingError, match="no longer be read"):
        file.read(0, 0, 10)


# ---------------------------------------------------------------- sizes


@pytest.mark.skipif(sys.platform == "win32", reason="files are not sparse there")
def test_places_beyond_four_gigabytes_are_right(opened: Callable[..., EdfFile]) -> None:
    """A sparse file: it takes a few kilobytes of the disk."""
    samples, records = 1_000_000, 2_600  # 5.2 GB
    file = opened(make_file([make_signal(samples=samples)], [[ramp(0)]], count=records))
    with file.path.open("r+b") as stream:
        stream.truncate(512 + 2 * samples * records)
        stream.seek(512 + 2 * (samples * records - 10))
        stream.write(np.arange(10, dtype="<i2").tobytes())
    file = open_edf(file.path)
    assert file.findings == ()
    assert file.channels[0].samples == samples * records
    np.testing.assert_allclose(
        file.read(0, samples * records - 12, samples * records),
        [0, 0, *np.arange(10) * 0.1],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "options",
    [{"count": 99999999}, {"count": 99999999, "record_s": "1e7"}],
)
def test_lying_numbers_take_no_memory(
    opened: Callable[..., EdfFile], options: dict[str, Any]
) -> None:
    file = opened(one(**options))
    assert file.channels[0].samples == 30
    file = opened(make_file([make_signal(samples=99999999)], THREE, **options))
    assert file.channels[0].samples == 0


# ---------------------------------------------------------------- what a writer needs


def test_the_header_is_given_raw_and_interpreted(opened: Callable[..., EdfFile]) -> None:
    blob = make_file(
        [make_signal("EEG", 4, transducer="AgAgCl", prefilter="HP:0.1Hz"), ANNOTATIONS],
        [[ramp(k, 4), stamp(f"+{k}.5\x14\x14")] for k in range(3)],
        reserved="EDF+C", record_s="0.5", patient="P-1 F 01-JAN-1980 Somebody",
    )  # fmt: skip
    file = opened(blob)
    header = file.header
    assert b"".join(header.fields[name] for name, _ in FILE_FIELDS) == blob[:256]
    table = b"".join(signal.fields[name] for name, _ in SIGNAL_FIELDS for signal in header.signals)
    assert table == blob[256:768]
    first = header.signals[0]
    assert (first.label, first.transducer, first.unit) == ("EEG", "AgAgCl", "uV")
    assert (first.prefilter, first.samples, first.column) == ("HP:0.1Hz", 4, 0)
    assert (first.physical_minimum, first.digital_maximum) == (-100, 1000)
    assert (header.record_s, header.records, header.stated_records) == (0.5, 3, 3)
    assert (header.header_bytes, header.record_bytes, header.trailing_bytes) == (768, 48, 0)
    assert file.raw_records(1, 3).tobytes() == blob[768 + 48 :]
    assert "Somebody" not in repr(header)
    with pytest.raises(IndexError):
        file.raw_records(0, 4)
    with pytest.raises(IndexError):
        file.read_digital_records(0, -1, 2)
    with pytest.raises(ValueError, match="read-only"):
        file.raw_records(0, 1)[0, 0] = 1


@pytest.mark.parametrize("bdf", [False, True])
def test_gaps_are_absent_in_windows_and_open_in_drawing(tmp_path: Path, bdf: bool) -> None:
    """20 s, a gap of 20 s, 20 s: windows of the gap have no modality, and no line crosses it."""
    rng = np.random.default_rng(4)
    width = 3 if bdf else 2
    notes = BDF_ANNOTATIONS if bdf else ANNOTATIONS
    records = []
    for k in range(40):
        noise = rng.integers(-500, 500, 100).astype("<i4")[:, None].view(np.uint8)[:, :width]
        at_s = k if k < 20 else k + 20
        records.append([noise.tobytes(), stamp(f"+{at_s}\x14\x14", 42 if bdf else 40)])
    path = tmp_path / "night.edf"
    kind = "EDF+D"  # for BDF too, as some devices have it
    path.write_bytes(make_file([make_signal("EEG", 100), notes], records, reserved=kind, bdf=bdf))
    recording = open_file(path)
    config = make_config(
        {
            "name": "gaps",
            "recordings": {"sources": [{"pattern": "{subject}.edf"}]},
            "modalities": [{"name": "eeg", "kind": "eeg", "channels": ["EEG"]}],
            "windows": {"length_s": 5},
            "labels": {"kind": "annotations", "classes": ["a", "b"]},
        }
    )
    scheme = choose_scheme(config.modalities, [recording])
    blocks = list(iterate_windows(recording, scheme, config.windows))
    starts_s = np.concatenate([block.windows.starts_s for block in blocks])
    present = np.concatenate([block.windows.present[:, 0] for block in blocks])
    inside = (starts_s >= 20) & (starts_s < 40)
    assert inside.any()
    assert not present[inside].any()
    assert present[(starts_s + 5 <= 18) | (starts_s >= 42)].all()
    (channel,) = recording_envelopes(recording)
    for columns in (50, 6000):
        times, drawn = channel.line(0.0, 60.0, columns)
        crossing = drawn[(times > 21) & (times < 39)]
        assert not np.isfinite(crossing).any()
        assert np.isfinite(drawn[times < 19]).all()
