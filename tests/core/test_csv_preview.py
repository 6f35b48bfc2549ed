"""The preview decides as the reader does, says why, and names the key that says otherwise."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import CsvConfig
from core.csv_preview import CsvPreview, preview_csv
from core.errors import RecordingError
from core.read_csv import open_csv


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "a.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def rows(count: int = 30, step: float = 0.02) -> str:
    return "".join(f"{k * step:.6g},{k},{-0.5 * k},calm\n" for k in range(count))


def value(preview: CsvPreview, name: str) -> object:
    return preview.choice(name).value


NAMES = {
    "encoding", "layout", "comment", "separator", "header", "skip_rows", "units_row", "decimal",
    "thousands", "time_column", "time_unit", "rate_hz", "max_gap_s",
}  # fmt: skip


def test_every_decision_has_a_value_a_reason_and_a_key(write) -> None:
    path = write("Device,X7\n\ntime,eda,bvp,mood\ns,uS,mV,\n" + rows())
    preview = preview_csv(path, rows=5)
    assert {choice.name for choice in preview.choices} == NAMES
    known = {f"csv.{name}" for name in CsvConfig.model_fields}
    for choice in preview.choices:
        assert choice.guessed
        assert choice.reason.endswith((".", "Hz."))
        assert choice.key in known
    assert preview.lines[:3] == ("Device,X7", "", "time,eda,bvp,mood")
    assert (preview.header_line, preview.units_line) == (3, 4)
    assert value(preview, "skip_rows") == 2
    assert value(preview, "separator") == ","
    assert value(preview, "rate_hz") == 50
    assert value(preview, "max_gap_s") == 0.1
    assert [(c.name, c.unit, c.role) for c in preview.columns] == [
        ("time", "s", "time"), ("eda", "uS", "signal"), ("bvp", "mV", "signal"),
        ("mood", "", "text"),
    ]  # fmt: skip
    assert all(column.reason and column.key for column in preview.columns)
    assert preview.texts[1] == ("0.02", "1", "-0.5", "calm")
    np.testing.assert_allclose(preview.numbers[:, :3], [[k * 0.02, k, -0.5 * k] for k in range(5)])
    assert np.isnan(preview.numbers[:, 3]).all()
    assert not preview.problem


@pytest.mark.parametrize(
    ("text", "given_config", "name", "expected"),
    [
        ("time;a\n0;1\n1;2\n2;3\n", {"separator": ";"}, "separator", ";"),
        ("time;a\n0;1,5\n1;2,5\n2;3\n", {"decimal": ","}, "decimal", ","),
        ("time;a\n0;1.234\n1;2.345\n2;3\n", {"thousands": ".", "decimal": ","}, "thousands", "."),
        ("time;a\n0;1,234\n1;2,345\n2;3\n", {"thousands": ",", "decimal": "."}, "thousands", ","),
        ("time,a\n0,1\n1,2\n2,3\n", {"header": True}, "header", True),
        ("0,1\n1,2\n2,3\n", {"header": False, "time_column": "column0"}, "header", False),
        ("! x\ntime,a\n0,1\n1,2\n", {"comment": "!"}, "comment", "!"),
        ("1,1\ntime,a\n0,1\n1,2\n", {"skip_rows": 1}, "skip_rows", 1),
        ("time,a\nx,y\n0,1\n1,2\n", {"units_row": True}, "units_row", True),
        ("time,a\n0,1\n1,2\n", {"encoding": "latin-1"}, "encoding", "latin-1"),
        ("x,a\n0,1\n1,2\n", {"time_column": "x"}, "time_column", "x"),
        ("time,a\n0,1\n1,2\n", {"time_column": "none", "rate_hz": 5}, "time_column", "none"),
        ("time,a\n0,1\n1,2\n", {"time_unit": "ms"}, "time_unit", "ms"),
        ("time,a\n0,1\n1,2\n", {"rate_hz": 2}, "rate_hz", 2),
        ("time,a\n0,1\n1,2\n", {"max_gap_s": 7}, "max_gap_s", 7),
    ],
)
def test_what_the_run_file_says_is_taken_by_preview_and_reader(
    write, text: str, given_config: dict[str, object], name: str, expected: object
) -> None:
    config = CsvConfig(**given_config)
    path = write(text)
    preview = preview_csv(path, config)
    choice = preview.choice(name)
    assert (choice.value, choice.guessed) == (expected, False)
    assert choice.reason == f"{choice.key} says so."
    file = open_csv(path, config)
    shown = [column.name for column in preview.columns if column.role == "signal"]
    assert [channel.label for channel in file.channels] == shown
    first = [preview.numbers[0, k] for k, c in enumerate(preview.columns) if c.role == "signal"]
    np.testing.assert_allclose([file.read(k, 0, 1)[0] for k in range(len(first))], first)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"time_column": "tme"}, r"no column 'tme' .*there are time, a, b, L\. Is it 'time'\?"),
        ({"separator": ";"}, r"csv\.separator is ';', but no line has one; ','"),
        ({"separator": ",,"}, r"csv\.separator must be one character"),
        ({"decimal": ","}, r"csv\.decimal is ',', but numbers are written as in '-?0\.\d+'"),
        ({"decimal": ".", "thousands": "."}, r"csv\.decimal and csv\.thousands are both"),
        ({"time_unit": "iso"}, "neither numbers nor dates"),
        ({"time_unit": "ms", "time_column": "L"}, r"csv\.time_unit is ms, but .* no numbers"),
        ({"skip_rows": 500}, "no rows below the first 500 lines"),
        ({"columns": ["a", "b"]}, r"csv\.columns has 2 names, but the file has 4"),
        ({"encoding": "utf-16"}, "not UTF-16"),
        ({"layout": "e4"}, "not an evenly sampled Empatica export"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_by_preview_and_reader(
    write, config: dict[str, object], reason: str
) -> None:
    path = write("time,a,b,L\n" + rows())
    for open_it in (preview_csv, open_csv):
        with pytest.raises(RecordingError, match=reason):
            open_it(path, CsvConfig(**config))


def test_columns_that_are_not_there_are_named_with_the_nearest(write) -> None:
    path = write("time,left,right,L\n" + rows())
    config = CsvConfig(ignore_columns=["rihgt"], units={"lefft": "mV"})
    messages = [finding.message for finding in preview_csv(path, config).findings]
    assert any("ignore_columns names 'rihgt'" in m and "Is it 'right'?" in m for m in messages)
    assert any("units names 'lefft'" in m and "Is it 'left'?" in m for m in messages)


def test_roles_of_columns_are_told_apart(write) -> None:
    lines = "".join(f"{1657544418000 + 20 * k},{k * 0.02:.2f},{k},{k},x,y,\n" for k in range(20))
    path = write("timestamp,elapsed,a,b,mood,label,\n" + lines)
    preview = preview_csv(path, CsvConfig(ignore_columns=["b"]), label_columns=["label"])
    assert [column.role for column in preview.columns] == [
        "time", "another time", "signal", "ignored", "text", "label", "empty",
    ]  # fmt: skip
    assert preview.has_clock
    assert preview.start_s == 1657544418
    assert preview.numbers[0, 0] == 1657544418


def test_times_in_words_gaps_and_coarse_stamps_are_seen(write) -> None:
    lines = "".join(f"2024-01-01 00:00:{k // 4:02d},{k}\n" for k in range(80) if not 20 <= k < 40)
    preview = preview_csv(write("time,a\n" + lines), time_zone="Europe/Berlin")
    assert value(preview, "time_unit") == "iso"
    assert value(preview, "rate_hz") == 4
    assert preview.gaps == 1
    assert preview.start_s == 1704063600
    assert any("clock is coarse" in finding.message for finding in preview.findings)


def test_a_missing_rate_is_a_problem_and_no_refusal(write) -> None:
    preview = preview_csv(write("a,b\n1,2\n3,4\n5,6\n"))
    assert "csv.rate_hz" in preview.problem
    assert value(preview, "time_column") == "none"
    assert value(preview, "rate_hz") is None
    same = preview_csv(write("time,b\n1,2\n1,4\n1,6\n"))
    assert "time stamps are all the same" in same.problem


def test_an_empatica_export_is_shown_as_one(write) -> None:
    path = write("1644226061.5\n4.0\n" + "".join(f"{k}\n" for k in range(30)), "EDA.csv")
    preview = preview_csv(path, rows=3)
    assert value(preview, "layout") == "e4"
    assert preview.choice("layout").guessed
    assert not preview_csv(path, CsvConfig(layout="e4")).choice("layout").guessed
    assert value(preview, "rate_hz") == 4
    assert (preview.start_s, preview.has_clock) == (1644226061.5, True)
    assert [column.name for column in preview.columns] == ["EDA"]
    assert preview.numbers.tolist() == [[0], [1], [2]]


def test_only_the_head_is_read_and_gzip_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "time,a,b,L\n" + rows(60_000)
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text(text + "damaged,too,many,cells,here\n")
    packed.write_bytes(gzip.compress(text.encode()))
    monkeypatch.setattr("core.csv_query.Query.fetch", None)  # the whole file is never parsed
    for path in (plain, packed):
        preview = preview_csv(path)
        assert value(preview, "rate_hz") == 50
        assert len(preview.texts) == 20


@given(
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    header=st.booleans(),
    vendor=st.integers(0, 3),
    unit=st.sampled_from([1, 1000]),
)
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
def test_preview_and_reader_never_differ(
    tmp_path_factory: pytest.TempPathFactory,
    separator: str,
    decimal: str,
    header: bool,
    vendor: int,
    unit: int,
) -> None:
    if separator == "," and decimal == ",":
        return
    lines = [f"Note {k}: none" for k in range(vendor if header else 0)]
    lines += [separator.join(("time", "left", "right"))] if header else []
    for k in range(40):
        cells = (f"{k * 0.25 * unit:g}", f"{k * 1.5 + 0.25:.4f}", f"{-k:.2f}")
        lines.append(separator.join(cell.replace(".", decimal) for cell in cells))
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    preview, file = preview_csv(path, rows=40), open_csv(path, CsvConfig())
    assert value(preview, "rate_hz") == file.channels[0].rate_hz
    assert (value(preview, "separator"), value(preview, "decimal")) == (separator, decimal)
    assert value(preview, "header") == header
    signals = [k for k, column in enumerate(preview.columns) if column.role == "signal"]
    for channel, column in enumerate(signals):
        read = file.read(channel, 0, 40)
        np.testing.assert_allclose(read, preview.numbers[:, column], rtol=1e-6)
    told = {finding.message for finding in preview.findings if finding.field != "rate"}
    assert told == {finding.message for finding in file.findings if finding.field != "rate"}


def test_the_vendor_file_is_explained(shared: Path) -> None:
    folder = shared / "data" / "recordings" / "mouse_csv"
    preview = preview_csv(folder / "eeg_emg.txt")
    assert preview.header_line == 19
    assert [column.role for column in preview.columns] == ["time", *["signal"] * 4, "empty"]
    assert value(preview, "rate_hz") == 128
    stages = preview_csv(folder / "stages.txt")
    assert stages.units_line == 20
    assert stages.columns[2].role == "text"
    assert stages.columns[3].unit == "%"
