"""EDF and BDF: values, times and annotations as written, and the true reason for what is not."""

from __future__ import annotations

import gzip
import os
import random
import threading
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CrosslError, RecordingError
from core.read_edf import open_edf
from tests.core.edf_bytes import ANNOTATIONS, make_file, make_signal, ramp, stamp


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*args: object, **options: object) -> Path:
        path = tmp_path / "night.edf"
        path.write_bytes(make_file(*args, **options))  # type: ignore[arg-type]
        return path

    return write


def severities(file: object) -> dict[str, str]:
    return {finding.field: finding.severity for finding in file.findings}  # type: ignore[attr-defined]


# ---------------------------------------------------------------- real files

REFUSED = {"corrupt_crlf_S001R03.edf": "line feed"}
NOT_CLEAN = {
    "duplicate_channel_labels.edf": {("note", "label")},
    "edfPlusD.edf": {("note", "gaps")},
    "invalid-date.edf": {("repaired", "start date"), ("note", "record count")},
    "noxturnal_subject1.edf": {("note", "label"), ("note", "unit")},
    "psg_dreams_excerpt3.edf": {("note", "digital limits")},
    "test.bdf": {("note", "record count")},
    "test_uneven_samp.edf": {("repaired", "start date"), ("repaired", "data records")},
    "zero-data-records.edf": {("note", "record count")},
}


def test_every_shared_recording_opens_or_is_refused_for_the_true_reason(shared: Path) -> None:
    folder = shared / "data" / "recordings"
    paths = sorted([*folder.glob("*.edf"), *folder.glob("*.bdf")])
    assert len(paths) >= 26
    for path in paths:
        if path.name in REFUSED:
            with pytest.raises(RecordingError, match=REFUSED[path.name]):
                open_edf(path)
            continue
        file = open_edf(path)
        found = {(finding.severity, finding.field) for finding in file.findings}
        assert found == NOT_CLEAN.get(path.name, set()), path.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
            other = read(path)
        assert len(file.channels) == len(other.signals)
        for number, (channel, signal) in enumerate(zip(file.channels, other.signals, strict=True)):
            # edfio knows no UTF-8 in labels
            assert channel.label == signal.label or "\ufffd" in signal.label
            assert channel.rate_hz == pytest.approx(signal.sampling_frequency, rel=1e-9)
            values = file.read(number, 0, channel.samples)
            if file.gaps:  # edfio closes gaps up
                values = values[np.isfinite(values)]
            assert len(values) == len(signal.data)
            step = (signal.physical_max - signal.physical_min) / (
                signal.digital_max - signal.digital_min
            )
            np.testing.assert_allclose(values, signal.data, rtol=0, atol=0.5 * abs(step))
        theirs = [note for note in other.annotations if note.text]
        assert len(file.annotations) == len(theirs)
        for ours, note in zip(file.annotations, theirs, strict=True):
            assert ours.text == note.text
            assert ours.onset_s == pytest.approx(note.onset, abs=1e-6)
            assert ours.duration_s == pytest.approx(note.duration or 0)


def test_gaps_of_the_shared_discontinuous_file_are_where_its_time_stamps_say(shared: Path) -> None:
    file = open_edf(shared / "data" / "recordings" / "edfPlusD.edf")
    assert file.format == "EDF+D"
    assert file.duration_s == 20
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [
        (1, 1), (3, 1), (10, 2), (13, 2), (16, 3),
    ]  # fmt: skip
    values = file.read(0, 0, file.channels[0].samples)
    rate = int(file.channels[0].rate_hz)
    missing = np.isnan(values).reshape(-1, rate)
    assert (missing.all(axis=1) == missing.any(axis=1)).all()
    assert [int(second) for second in np.flatnonzero(missing[:, 0])] == [
        1, 3, 10, 11, 13, 14, 16, 17, 18,
    ]  # fmt: skip


def test_subsecond_start_is_part_of_the_clock_time(shared: Path) -> None:
    file = open_edf(shared / "data" / "recordings" / "subsecond_starttime.edf")
    assert file.start_s % 1 == pytest.approx(0.3945312, abs=1e-6)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_pyedflib_files_come_back_to_half_a_digital_step(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"night.{kind}"
    rng = np.random.default_rng(3)
    top = 32767 if kind == "edf" else 8388607
    rates = (256, 100, 1)
    data = [rng.uniform(-500, 500, 30 * rate) for rate in rates]
    file_type = pyedflib.FILETYPE_EDFPLUS if kind == "edf" else pyedflib.FILETYPE_BDFPLUS
    writer = pyedflib.EdfWriter(str(path), 3, file_type=file_type)
    for number, rate in enumerate(rates):
        writer.setSignalHeader(number, {
            "label": f"ch{number}", "dimension": "uV", "sample_frequency": rate,
            "physical_max": 500, "physical_min": -500, "digital_max": top,
            "digital_min": -top - 1, "prefilter": "", "transducer": "",
        })  # fmt: skip
    writer.writeSamples(data)
    writer.writeAnnotation(1.5, 2.0, "Schläft")
    writer.writeAnnotation(7.25, -1, "wach")
    writer.close()
    file = open_edf(path)
    assert [channel.label for channel in file.channels] == ["ch0", "ch1", "ch2"]
    assert file.findings == ()
    for number, rate in enumerate(rates):
        assert file.channels[number].rate_hz == rate
        values = file.read(number, 0, 30 * rate)
        assert values.dtype == np.float32
        step = 1000 / (2 * top + 1)
        np.testing.assert_allclose(values, data[number], rtol=0, atol=step + 6e-5)
    assert [(a.onset_s, a.duration_s, a.text) for a in file.annotations] == [
        (1.5, 2.0, "Schläft"), (7.25, 0.0, "wach"),
    ]  # fmt: skip


@given(
    start=st.integers(-30, 260),
    length=st.integers(0, 280),
    bdf=st.booleans(),
    samples=st.integers(1, 12),
    records=st.integers(1, 20),
)
@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
def test_any_part_equals_that_part_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    start: int, length: int, bdf: bool, samples: int, records: int,
) -> None:  # fmt: skip
    width = 3 if bdf else 2
    rng = np.random.default_rng(samples)
    digital = rng.integers(-1000, 1001, (records, samples))
    raw = digital.astype("<i4")[..., None].view(np.uint8)[..., :width]
    other = b"\x07" * width * 4
    blob = make_file(
        [make_signal("other", 4), make_signal(samples=samples)],
        [[other, row.tobytes()] for row in raw],
        bdf=bdf,
    )
    path = tmp_path_factory.mktemp("part") / "a.edf"
    path.write_bytes(blob)
    file = open_edf(path)
    whole = np.full(800, np.nan, np.float32)
    whole[100 : 100 + digital.size] = digital.ravel().astype(np.float32) * 0.1
    np.testing.assert_allclose(
        file.read(1, start, start + length), whole[100 + start : 100 + start + length], atol=1e-5
    )


def test_limits_equal_what_a_saturated_sample_reads_as(write: Callable[..., Path]) -> None:
    signal = make_signal(samples=2, low=-3276.8, high=3276.7, digital_low=-32768,
                         digital_high=32767)  # fmt: skip
    file = open_edf(write([signal], [[np.array([-32768, 32767], "<i2").tobytes()]]))
    low, high = file.read(0, 0, 2)
    assert (file.channels[0].minimum, file.channels[0].maximum) == (float(low), float(high))
    assert file.channels[0].maximum == pytest.approx(3276.7)


def test_many_files_and_threads_read_the_same_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.read_edf._MAPS_KEPT", 4)
    path = tmp_path / "a.edf"
    path.write_bytes(make_file([make_signal()], [[ramp(k)] for k in range(200)]))
    files = [open_edf(path) for _ in range(20)]
    expected = np.arange(500, 1500, dtype=np.float32) * np.float32(0.1)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for number in random.Random(seed).choices(range(20), k=60):
            if not np.allclose(files[number].read(0, 500, 1500), expected):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    if Path("/proc/self/fd").is_dir():
        links = [os.readlink(e.path) for e in os.scandir("/proc/self/fd") if os.path.islink(e.path)]
        assert links.count(str(path)) <= 4


def test_a_gzip_file_reads_as_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "a.edf.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(make_file([make_signal()], [[ramp(0)], [ramp(1)]]))
    file = open_edf(path)
    assert file.path == path
    np.testing.assert_allclose(file.read(0, 0, 20), np.arange(20) * 0.1, atol=1e-6)


# ---------------------------------------------------------------- clock


def test_clock_time_is_that_of_the_given_zone(write: Callable[..., Path]) -> None:
    path = write([make_signal()], [[ramp(0)]])
    assert open_edf(path).start_s == 1580472000
    assert open_edf(path, "Europe/Berlin").start_s == 1580472000 - 3600
    with pytest.raises(RecordingError, match="no time zone 'Mars'"):
        open_edf(path, "Mars")


@pytest.mark.parametrize(
    ("date", "time", "seconds", "finding"),
    [
        ("31.01.85", "00.00.00", 475977600, {}),
        ("31.01.84", "00.00.00", datetime(2084, 1, 31, tzinfo=UTC).timestamp(), {}),
        ("31/01/20", "12:00:00", 1580472000, {"start date": "note", "start time": "note"}),
        ("00.00.00", "12.00.00", None, {"start date": "repaired"}),
        ("31.02.20", "12.00.00", None, {"start date": "repaired"}),
        ("31.01.20", "24.61.00", None, {"start time": "repaired"}),
    ],
)
def test_dates_follow_the_two_digit_year_rule_or_are_named(
    write: Callable[..., Path], date: str, time: str, seconds: float | None, finding: dict[str, str]
) -> None:
    file = open_edf(write([make_signal()], [[ramp(0)]], date=date, time=time, recording=""))
    assert file.has_clock == (seconds is not None)
    assert file.start_s == (seconds or 0)
    assert severities(file) == finding


# ---------------------------------------------------------------- bent headers


@pytest.mark.parametrize(
    ("options", "finding"),
    [
        ({"count": -1}, {"record count": "repaired"}),
        ({"count": "abc"}, {"record count": "repaired"}),
        ({"count": 7}, {"record count": "repaired"}),
        ({"count": 2}, {"record count": "repaired"}),
        ({"header_bytes": 256}, {"header length": "repaired"}),
    ],
)
def test_counts_that_do_not_fit_are_repaired_from_the_file(
    write: Callable[..., Path], options: dict[str, object], finding: dict[str, str]
) -> None:
    file = open_edf(write([make_signal()], [[ramp(k)] for k in range(3)], **options))
    assert file.channels[0].samples == 30
    assert severities(file) == finding


def test_an_incomplete_last_record_is_dropped_and_named(write: Callable[..., Path]) -> None:
    file = open_edf(write([make_signal()], [[ramp(0)], [ramp(1)], [ramp(2)[:7]]]))
    assert file.channels[0].samples == 20
    assert any("7 of 20 bytes; it was dropped" in finding.message for finding in file.findings)


def test_trailing_bytes_are_left_and_named(write: Callable[..., Path]) -> None:
    file = open_edf(write([make_signal()], [[ramp(0)], [ramp(1), b"xyz"]]))
    assert file.channels[0].samples == 20
    assert [f.field for f in file.findings] == ["data records"]
    assert "3 bytes" in file.findings[0].message


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({"low": 5, "high": 5}, "uncalibrated"),
        ({"digital_low": 3, "digital_high": 3}, "uncalibrated"),
        ({"low": "abc"}, "uncalibrated"),
        ({"high": "1e300"}, "uncalibrated"),
        ({"digital_low": -40000, "digital_high": 40000}, "note"),
        ({"digital_low": 1000, "digital_high": -1000}, "note"),
        ({"low": "-100,5"}, "repaired"),
    ],
)
def test_calibration_is_named_where_it_is_not_plain(
    write: Callable[..., Path], change: dict[str, object], severity: str
) -> None:
    file = open_edf(write([make_signal(**change)], [[ramp(1)]]))
    assert [finding.severity for finding in file.findings] == [severity]
    values = file.read(0, 0, 10)
    assert np.isfinite(values).all()
    if severity == "uncalibrated":
        np.testing.assert_array_equal(values, np.arange(10, 20))
        assert file.channels[0].unit == ""
        assert file.channels[0].minimum is None


def test_a_decimal_comma_calibrates_as_a_point_would(write: Callable[..., Path]) -> None:
    comma = make_signal(low="-100,5", high="100,5")
    file = open_edf(write([comma], [[ramp(0)]]))
    np.testing.assert_allclose(file.read(0, 0, 10), np.arange(10) * 0.1005, atol=1e-5)


def test_labels_of_any_encoding_are_read(write: Callable[..., Path]) -> None:
    signals = [make_signal("Impédance".encode()), make_signal(b"Imp\xe9dance"), make_signal("")]
    file = open_edf(write(signals, [[ramp(0)] * 3]))
    assert [channel.label for channel in file.channels] == ["Impédance", "Impédance", "signal 3"]
    assert [f.severity for f in file.findings if f.field == "label"] == [
        "note", "note", "repaired", "note",
    ]  # fmt: skip


def test_bdf_that_calls_itself_edf_plus_d_has_its_annotations_read(
    write: Callable[..., Path],
) -> None:
    notes = make_signal("BDF Annotations", 10, low=-1, high=1)
    records = [
        [b"\x01\x00\x00" * 10, stamp("+0\x14\x14\x00+0.5\x14a\x14", 30)],
        [b"\x02\x00\x00" * 10, stamp("+4\x14\x14", 30)],
    ]
    file = open_edf(write([make_signal(), notes], records, reserved="EDF+D", bdf=True))
    assert file.format == "BDF+D"
    assert [channel.label for channel in file.channels] == ["EEG Fp1"]
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [(1, 3)]
    assert file.annotations[0].text == "a"
    assert severities(file)["reserved"] == "repaired"


# ---------------------------------------------------------------- time stamps


def test_records_of_a_discontinuous_file_lie_at_their_time_stamps(
    write: Callable[..., Path],
) -> None:
    stamps = ("+0.25\x14\x14", "+1.25\x14\x14\x00+1.5\x152\x14Stufe N2\x14", "+10.25\x14\x14")
    records = [[ramp(k), stamp(text)] for k, text in enumerate(stamps)]
    file = open_edf(write([make_signal(), ANNOTATIONS], records, reserved="EDF+D"))
    assert file.duration_s == 11
    assert file.start_s == 1580472000.25
    assert file.channels[0].samples == 110
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [(2, 8)]
    expected = np.full(114, np.nan)
    expected[:20] = np.arange(20) * 0.1
    expected[100:110] = np.arange(20, 30) * 0.1
    np.testing.assert_allclose(file.read(0, 0, 114), expected, atol=1e-5)
    note = file.annotations[0]
    assert (note.onset_s, note.duration_s, note.text) == (1.25, 2, "Stufe N2")


def test_backward_and_wild_time_stamps_are_named(write: Callable[..., Path]) -> None:
    stamps = (
        "+0\x14\x14",
        "+9\x14\x14",
        "+5\x14\x14",
        "+99999999999\x14\x14",
        "nonsense",
        "-3\x14\x14",
    )
    records = [[ramp(k), stamp(text)] for k, text in enumerate(stamps)]
    file = open_edf(write([make_signal(), ANNOTATIONS], records, reserved="EDF+D"))
    assert file.duration_s == 10
    fields = [finding.field for finding in file.findings if finding.severity == "repaired"]
    assert sorted(fields) == ["annotations", "annotations", *["time stamps"] * 3]
    np.testing.assert_allclose(file.read(0, 50, 80), np.arange(20, 50) * 0.1, atol=1e-5)


def test_a_jump_in_a_file_that_calls_itself_continuous_is_kept(write: Callable[..., Path]) -> None:
    records = [[ramp(k), stamp(f"+{t}\x14\x14")] for k, t in enumerate((0, 1, 30))]
    file = open_edf(write([make_signal(), ANNOTATIONS], records, reserved="EDF+C"))
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [(2, 28)]
    assert severities(file)["time stamps"] == "repaired"


def test_annotations_of_all_annotation_signals_are_read_in_order(
    write: Callable[..., Path],
) -> None:
    records = [
        [ramp(0), stamp("+0\x14\x14\x00+3\x14c\x14b & b\x14"), stamp("+1\x14a\x14")],
        [ramp(1), stamp("+1\x14\x14Beginn\x14"), b"+2\x14\xe9\x14".ljust(40, b"\x00")],
    ]
    signals = [make_signal(), ANNOTATIONS, ANNOTATIONS]
    file = open_edf(write(signals, records, reserved="EDF+C"))
    assert [(a.onset_s, a.text) for a in file.annotations] == [
        (1, "a"), (1, "Beginn"), (2, "é"), (3, "c"), (3, "b & b"),
    ] or [(a.onset_s, a.text) for a in file.annotations] == [
        (1, "Beginn"), (1, "a"), (2, "é"), (3, "c"), (3, "b & b"),
    ]  # fmt: skip
    assert severities(file) == {"annotations": "note"}


def test_an_annotation_only_file_has_no_channels(write: Callable[..., Path]) -> None:
    record = [stamp("+0\x14\x14\x00+30\x1530\x14Sleep stage W\x14")]
    file = open_edf(write([ANNOTATIONS], [record], reserved="EDF+C", record_s=0))
    assert file.channels == ()
    assert file.annotations[0].text == "Sleep stage W"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "empty"),
        (b"\n <!DOCTYPE html><html>" + b" " * 300, "web page"),
        (b"PK\x03\x04" + b" " * 300, "zip"),
        (b"time,a,b\n1,2,3\n" * 40, "neither an EDF nor a BDF"),
        (b"0       " + b" " * 20, "ends inside its header"),
        (make_file([make_signal()], [])[:400], "announces 1 signals"),
        (make_file([make_signal(samples="x")], [[ramp(0)]]), "number of samples"),  # type: ignore[arg-type]
        (make_file([make_signal()], [[ramp(0)]], record_s=0), "0 s as the duration"),
        (make_file([make_signal()], [[ramp(0)]], record_s="abc"), "duration of a data record"),
        (make_file([make_signal()], [[ramp(0)]], record_s=-1), "duration of a data record"),
        (b"\x1f\x8b\x08\x00damaged", "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, blob: bytes, reason: str
) -> None:
    path = tmp_path / "night.edf"
    path.write_bytes(blob)
    with pytest.raises(RecordingError, match=reason) as caught:
        open_edf(path)
    assert "night.edf" in str(caught.value)


def test_line_feeds_that_became_cr_lf_are_recognised(tmp_path: Path) -> None:
    good = make_file([make_signal()], [[ramp(k)] for k in range(300)])
    assert good.count(b"\n") > 32
    path = tmp_path / "a.edf"
    path.write_bytes(good.replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match="carriage return"):
        open_edf(path)
    path.write_bytes(good)
    assert open_edf(path).findings == ()


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        open_edf(tmp_path / "none.edf")
    with pytest.raises(RecordingError, match="folder"):
        open_edf(tmp_path)


def test_findings_never_name_the_patient(write: Callable[..., Path]) -> None:
    path = write(
        [make_signal(low="1,0"), make_signal("")],
        [[ramp(0)] * 2],
        patient="MCH-0234567 F 02-MAY-1951 Hagar_Müller",
        recording="Startdate 32-JAN-2020 Hagar_Müller",
        reserved="EDF+C",
        date="99.99.99",
        count=-1,
    )
    file = open_edf(path)
    assert len(file.findings) >= 4
    assert "agar" not in str(file.findings) + str(file.annotations) + str(file.channels)


def test_damaged_headers_end_in_a_recording_or_a_sentence(tmp_path: Path) -> None:
    """A short fuzz; the long one is in the benchmarks."""
    generator = random.Random(11)
    records = [[ramp(k), stamp(f"+{k}\x14\x14\x00+{k}.5\x14x\x14")] for k in range(4)]
    seeds = [
        make_file([make_signal(), ANNOTATIONS], records, reserved=reserved)
        for reserved in ("EDF+C", "EDF+D", "")
    ]
    path = tmp_path / "mutated.edf"
    opened = 0
    for _ in range(700):
        blob = bytearray(generator.choice(seeds))
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(blob) if generator.random() < 0.3 else 768)
            kind = generator.random()
            if kind < 0.5:
                blob[place] = generator.choice(b"0123456789-+., eE\x00\xff\x14\x15")
            elif kind < 0.8:
                blob[place] = generator.randrange(256)
            else:
                blob[place : place + 8] = generator.choice(
                    (b"99999999", b"-1      ", b"1e300   ", b"0       ", b"nan     ", b"        ")
                )
        if generator.random() < 0.1:
            del blob[generator.randrange(len(blob)) :]
        path.write_bytes(blob)
        try:
            file = open_edf(path)
        except CrosslError as error:
            assert str(path) in str(error)  # noqa: PT017 - most of the cases raise nothing
            continue
        opened += 1
        for number, channel in enumerate(file.channels):
            file.read(number, 0, min(channel.samples, 1000))
            file.read(number, max(channel.samples - 20, 0), channel.samples + 5)
    assert opened > 50
