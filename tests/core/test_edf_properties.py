"""What holds for every EDF and BDF file, however it came about."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.edf_header import FILE_FIELDS, SIGNAL_FIELDS
from core.errors import RecordingError
from core.read_edf import EdfFile, open_edf
from tests.core.edf_bytes import ANNOTATIONS, make_file, make_signal, ramp, stamp

NUMBERS = st.sampled_from(
    [b"0", b"-1", b"1", b"2", b"1e300", b"1e-300", b"1e-8", b"-1e-300", b"1e7", b"99999999",
     b"1,5", b"nan", b"", b"1 x", b"\x00"]
)  # fmt: skip
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


def look_at_everything(file: EdfFile) -> None:
    for number, channel in enumerate(file.channels):
        for start in (-5, channel.samples // 2, channel.samples - 5):
            values = file.read(number, start, start + 10)
            digital, recorded = file.read_digital(number, start, start + 10)
            np.testing.assert_array_equal(np.isfinite(values), recorded)
            assert not digital[~recorded].any()
            inside = (np.arange(start, start + 10) >= 0) & (
                np.arange(start, start + 10) < channel.samples
            )
            assert not recorded[~inside].any()
    assert len(file.record_starts_s) == file.header.records
    assert all(np.diff([a.onset_s for a in file.annotations]) >= 0)
    assert all(f.message and f.field for f in file.findings)


@given(
    place=st.sampled_from([*FILE_FIELDS, *SIGNAL_FIELDS]),
    data=st.one_of(NUMBERS, st.binary(max_size=8)),
    kind=st.sampled_from(["", "EDF+C", "EDF+D"]),
)
@QUICK
def test_a_header_with_any_bytes_in_a_field_is_read_or_refused(
    folder: Path, place: tuple[str, int], data: bytes, kind: str
) -> None:
    name, length = place
    records = [[ramp(k), stamp(f"+{2 * k}\x14\x14")] for k in range(4)]
    blob = bytearray(make_file([make_signal(), ANNOTATIONS], records, reserved=kind))
    begin = 0
    if place in FILE_FIELDS:
        for other, size in FILE_FIELDS[: FILE_FIELDS.index(place)]:
            begin += size
            assert other != name
    else:
        begin = 256 + 2 * sum(size for _, size in SIGNAL_FIELDS[: SIGNAL_FIELDS.index(place)])
    blob[begin : begin + length] = data.ljust(length)[:length]
    path = folder / "field.edf"
    path.unlink(missing_ok=True)
    path.write_bytes(blob)
    try:
        file = open_edf(path)
    except RecordingError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - most cases raise nothing
        return
    look_at_everything(file)


@given(lists=st.lists(st.binary(max_size=40), min_size=3, max_size=3))
@QUICK
def test_any_bytes_among_annotations_are_read_or_passed_over(
    folder: Path, lists: list[bytes]
) -> None:
    records = [[ramp(k), data.ljust(40, b"\x00")] for k, data in enumerate(lists)]
    path = folder / "notes.edf"
    path.unlink(missing_ok=True)
    path.write_bytes(make_file([make_signal(), ANNOTATIONS], records, reserved="EDF+C"))
    file = open_edf(path)
    look_at_everything(file)
    recorded = file.read_digital(0, 0, file.channels[0].samples)[1]
    assert 0 < recorded.sum() <= 30


@given(
    gaps=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    samples=st.integers(1, 9),
    start=st.integers(-20, 400),
    length=st.integers(0, 300),
)
@QUICK
def test_records_of_discontinuous_files_lie_where_their_stamps_say(
    folder: Path, gaps: list[int], samples: int, start: int, length: int
) -> None:
    seconds = np.cumsum(gaps) + np.arange(len(gaps)) - gaps[0]
    expected = np.full(2000, np.nan)
    records = []
    for number, second in enumerate(seconds.tolist()):
        records.append([ramp(number, samples), stamp(f"+{second}\x14\x14")])
        values = np.arange(number * samples, (number + 1) * samples) * 0.1
        if 100 + (second + 1) * samples <= len(expected):
            expected[100 + second * samples : 100 + (second + 1) * samples] = values
    path = folder / "gaps.edf"
    path.unlink(missing_ok=True)
    signals = [make_signal(samples=samples), ANNOTATIONS]
    path.write_bytes(make_file(signals, records, reserved="EDF+D"))
    file = open_edf(path)
    np.testing.assert_allclose(file.record_starts_s, seconds)
    assert file.duration_s == seconds[-1] + 1
    assert [(gap.start_s, gap.duration_s) for gap in file.gaps] == [
        (before + 1, after - before - 1)
        for before, after in pairwise(seconds)
        if after - before > 1
    ]
    stop = min(start + length, 1200)
    if stop > start:
        whole = expected[100 + start : 100 + stop]
        values = file.read(0, start, stop)[: len(whole)]
        np.testing.assert_allclose(values, whole, atol=1e-4)


def test_one_file_is_opened_by_many_threads_at_once(tmp_path: Path) -> None:
    path = tmp_path / "night.edf"
    path.write_bytes(make_file([make_signal()], [[ramp(k)] for k in range(50)]))
    opened: list[EdfFile] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(15):
                file = open_edf(path)
                file.read(0, 100, 200)
                opened.append(file)
        except BaseException as error:  # for the main thread to see
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(opened) == 90
    assert all(file.findings == () for file in opened)
