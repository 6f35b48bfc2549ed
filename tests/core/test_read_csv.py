"""CSV: every dialect gives the same numbers, every guess is named, time is never bent."""

from __future__ import annotations

import gzip
import itertools
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import CsvConfig
from core.errors import RecordingError
from core.read_csv import CsvFile, open_csv


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "a.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        return path

    return write


def values(file: CsvFile, channel: int = 0) -> np.ndarray:
    return file.read(channel, 0, file.channels[channel].samples)


def table(rows: int = 20, step: float = 0.02, header: str = "time,a,b\n") -> str:
    return header + "".join(f"{k * step:.6g},{k},{-0.5 * k}\n" for k in range(rows))


def fields(file: CsvFile, severity: str) -> set[str]:
    return {finding.field for finding in file.findings if finding.severity == severity}


# ---------------------------------------------------------------- dialects


@given(
    data=st.lists(
        st.tuples(
            st.floats(-1e6, 1e6, width=32),
            st.one_of(st.none(), st.integers(-(10**6), 10**6)),
        ),
        min_size=6,
        max_size=40,
    ),
    dialect=st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","),
                             ("|", "."), (" ", ".")]),
    newline=st.sampled_from(["\n", "\r\n"]),
    header=st.booleans(),
    packed=st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_dialect_told_or_guessed_gives_the_same_numbers(
    tmp_path_factory: pytest.TempPathFactory,
    data: list[tuple[float, int | None]],
    dialect: tuple[str, str],
    newline: str,
    header: bool,
    packed: bool,
) -> None:
    separator, decimal = dialect
    lines = [separator.join(("time", "left", "right"))] if header else []
    for k, (first, second) in enumerate(data):
        cells = (f"{k * 0.25:.2f}", f"{first:.4f}", "NA" if second is None else str(second))
        lines.append(separator.join(cell.replace(".", decimal) for cell in cells))
    text = (newline.join(lines) + newline).encode()
    path = tmp_path_factory.mktemp("csv") / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(text) if packed else text)
    told = CsvConfig(
        separator=separator, decimal=decimal, header=header, rate_hz=4, time_unit="s",
        time_column="time" if header else "column0", skip_rows=0,
    )  # fmt: skip
    for config in (told, CsvConfig(separator=separator)):
        if config is not told and (separator == " " or any(s is None for _, s in data)):
            continue
        file = open_csv(path, config)
        assert [channel.rate_hz for channel in file.channels] == [4, 4]
        expected = np.array([[f, np.nan if s is None else s] for f, s in data], np.float64)
        np.testing.assert_allclose(values(file, 0), expected[:, 0], rtol=1e-6, atol=6e-5)
        np.testing.assert_allclose(values(file, 1), expected[:, 1], rtol=1e-6)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("header", [True, False])
def test_the_separator_is_guessed_and_named(write, separator: str, header: bool) -> None:
    text = table(header="time,a,b\n" if header else "").replace(",", separator)
    file = open_csv(write(text), CsvConfig())
    assert len(file.channels) == 2
    np.testing.assert_allclose(values(file, 1), -0.5 * np.arange(20))
    assert {"separator", "header", "time_column", "rate"} <= fields(file, "note")


def test_a_decimal_comma_is_guessed_and_named(write) -> None:
    file = open_csv(write(table().replace(",", ";").replace(".", ",")), CsvConfig())
    np.testing.assert_allclose(values(file, 1), -0.5 * np.arange(20))
    assert file.channels[0].rate_hz == 50
    assert "decimal" in fields(file, "note")


def test_comments_and_a_vendor_header_are_passed_over_and_named(write) -> None:
    file = open_csv(write("# device 7\n# 50 Hz\n" + table()), CsvConfig())
    assert len(values(file)) == 20
    assert "comment" in fields(file, "note")
    file = open_csv(write("Device,X7\nSubject,anonymous\n\n" + table()), CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(20))
    told = open_csv(write("junk;junk\n1,2,3\n" + table()), CsvConfig(skip_rows=2))
    assert [channel.label for channel in told.channels] == ["a", "b"]
    slashes = open_csv(write("// one\n// two\n" + table()), CsvConfig(comment="//"))
    assert len(values(slashes)) == 20


def test_a_header_written_as_a_comment_names_the_columns(write) -> None:
    for separator in (",", "\t", " "):
        text = ("# device 7\n# " + table()).replace(",", separator).replace("# t", "#t")
        file = open_csv(write(text), CsvConfig())
        assert [channel.label for channel in file.channels] == ["a", "b"]
        assert file.channels[0].rate_hz == 50


def test_columns_can_be_named_left_out_and_given_units(write) -> None:
    config = CsvConfig(columns=["t", "x", "y"], ignore_columns=["y"], units={"x": "mV"},
                       header=False)  # fmt: skip
    file = open_csv(write(table(header="")), config)
    assert [(channel.label, channel.unit) for channel in file.channels] == [("x", "mV")]
    file = open_csv(write("time [s],EDA (uS)\n0,1\n1,2\n2,3\n"), CsvConfig())
    assert (file.channels[0].label, file.channels[0].unit) == ("EDA (uS)", "uS")
    with pytest.raises(RecordingError, match="has 1 names, but the file has 3"):
        open_csv(write(table()), CsvConfig(columns=["t"]))


def test_latin_1_and_utf_16_texts_are_read(write) -> None:
    text = table(header="time,Schläfe,b\n")
    for encoding in ("latin-1", "utf-16", "utf-8-sig"):
        file = open_csv(write(text, encoding=encoding), CsvConfig())
        assert file.channels[0].label == "Schläfe"
        assert ("encoding" in fields(file, "note")) == (encoding == "latin-1")


def test_a_path_with_the_signs_of_patterns_is_one_file(write) -> None:
    path = write(table(), "run=1/a[b]*'?.csv")
    write(table(5), "run=1/ab2x.csv")
    file = open_csv(path, CsvConfig())
    assert [channel.label for channel in file.channels] == ["a", "b"]
    assert len(values(file)) == 20


# ---------------------------------------------------------------- numbers


def test_cells_that_are_no_numbers_are_missing_and_counted(write) -> None:
    rows = [f"{k * 0.1:.1f},{k},{k}" for k in range(300)]
    rows[250] = "25.0,error,250"
    rows[260] = "26.0,1e300,260"
    rows[270] = "27.0,,270"
    file = open_csv(write("time,a,b\n" + "\n".join(rows)), CsvConfig())
    missing = np.flatnonzero(np.isnan(values(file)))
    assert missing.tolist() == [250, 260, 270]
    assert values(file)[251] == 251
    messages = [f.message for f in file.findings if f.field == "a"]
    assert any("2 cells of column 'a' are not numbers" in message for message in messages)
    assert any("1 cells of 'a' are empty" in message for message in messages)
    assert not np.isnan(values(file, 1)).any()


def test_rows_of_a_large_file_with_a_damaged_cell_keep_their_order(write) -> None:
    rows = [f"{k},{k},{'x' * 80}" for k in range(200_000)]  # read by several threads
    rows[150_000] = f"error,error,{'x' * 80}"
    path = write("a,b,note\n" + "\n".join(rows) + "\n")
    file = open_csv(path, CsvConfig(rate_hz=1, time_column="none"))
    expected = np.arange(200_000, dtype=np.float32)
    expected[150_000] = np.nan
    np.testing.assert_array_equal(values(file, 0), expected)
    np.testing.assert_array_equal(values(file, 1), expected)


@pytest.mark.parametrize(
    ("cell", "decimal", "expected"),
    [("1,234.5", None, 1234.5), ("1.234,5", None, 1234.5), ("1.234.567", ",", 1234567)],
)
def test_thousands_separators_are_taken_out_and_named(
    write, cell: str, decimal: str | None, expected: float
) -> None:
    text = "time;a\n" + "".join(f"{k};{cell}\n" for k in range(10))
    file = open_csv(write(text), CsvConfig(decimal=decimal, separator=";", time_unit="s"))
    assert (values(file) == expected).all()
    assert "thousands" in fields(file, "repaired")


def test_mangled_numbers_are_never_silently_wrong(write) -> None:
    text = "time;a\n" + "".join(f"{k};1.234.{k:03d}\n" for k in range(10))
    file = open_csv(write(text), CsvConfig())
    assert np.isnan(values(file)).all()
    assert fields(file, "unreadable") == {"numbers"}
    text = "time;a\n" + "".join(f"{k};1,2{k}4\n" for k in range(10))
    doubtful = open_csv(write(text), CsvConfig())
    assert fields(doubtful, "uncalibrated") == {"decimal"}
    assert not fields(open_csv(write(text), CsvConfig(decimal=",")), "uncalibrated")


@pytest.mark.parametrize(
    ("cell", "expected"), [("1 234,5", 1234.5), ("1\u202f234,5", 1234.5), ("1'234.5", 1234.5)]
)
def test_blanks_and_apostrophes_between_thousands_are_taken_out(
    write, cell: str, expected: float
) -> None:
    file = open_csv(write("time;a\n" + "".join(f"{k};{cell}\n" for k in range(10))), CsvConfig())
    assert (values(file) == expected).all()
    assert "thousands" in fields(file, "repaired")


def test_numbers_in_two_forms_are_missing_and_never_bent(write) -> None:
    rows = [f"{k};{'1.234,5' if k > 250 else '1,234.5'}" for k in range(300)]
    file = open_csv(write("time;a\n" + "\n".join(rows)), CsvConfig())
    got = values(file)
    assert (got[:251] == 1234.5).all()
    assert np.isnan(got[251:]).all()
    messages = [f.message for f in file.findings if f.field == "a"]
    assert any("49 cells" in m and "another form" in m and "'1.234,5'" in m for m in messages)
    rows = [f"{k};{'1.234,5' if k % 2 else '1,234.5'}" for k in range(300)]
    both = open_csv(write("time;a\n" + "\n".join(rows)), CsvConfig())
    assert np.isnan(values(both)).all()
    assert "numbers" in fields(both, "unreadable")
    rows = [f"{k};{'1,5' if k > 250 else '1.5'}" for k in range(300)]
    signs = open_csv(write("time;a\n" + "\n".join(rows)), CsvConfig())
    assert np.isnan(values(signs)[251:]).all()
    assert (values(signs)[:251] == 1.5).all()


@given(
    cells=st.lists(
        st.sampled_from(["1.5", "1,5", "1,234.5", "1.234,5", "1.234", "1,234", "12", "1e3", "1.2.3",
                         "1. Feb", "Feb 01", "", "1.23E+05", "1 234"]),
        min_size=3, max_size=12,
    )
)  # fmt: skip
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
def test_no_mixture_of_number_forms_gives_a_number_that_nobody_wrote(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("time;a;b\n" + "".join(f"{k};{c};1\n" for k, c in enumerate(cells)))
    meant = {
        "1.5": {1.5}, "1,5": {1.5}, "1,234.5": {1234.5}, "1.234,5": {1234.5},
        "1.234": {1.234, 1234}, "1,234": {1.234, 1234}, "12": {12}, "1e3": {1e3},
        "1.23E+05": {1.23e5}, "1 234": {1234},
    }  # fmt: skip
    file = open_csv(path, CsvConfig(rate_hz=1, time_unit="s"))
    if "a" not in [channel.label for channel in file.channels]:
        assert "columns" in fields(file, "note")
        return
    got = values(file)
    for number, cell in zip(got, cells, strict=False):
        assert np.isnan(number) or float(number) in {float(np.float32(m)) for m in meant[cell]}
    wrong = sum(np.isnan(got[k]) and bool(cell) for k, cell in enumerate(cells[: len(got)]))
    told = "".join(f.message for f in file.findings)
    assert not wrong or "taken as missing" in told


def test_points_that_may_separate_thousands_are_doubted(write) -> None:
    rows = "".join(f"{k};{['987', '1.234', '12', '2.500'][k % 4]}\n" for k in range(40))
    file = open_csv(write("time;a\n" + rows), CsvConfig())
    assert fields(file, "uncalibrated") == {"decimal"}
    told = open_csv(write("time;a\n" + rows), CsvConfig(decimal=","))
    assert values(told)[:4].tolist() == [987, 1234, 12, 2500]


def test_numbers_that_a_spreadsheet_made_dates_are_named(write) -> None:
    cells = ["1.5", "1. Feb", "Feb 01", "02.05.2024", "1.23E+05"]
    rows = "".join(f"{k},{cells[0 if k < 10 else k % 5]}\n" for k in range(40))
    file = open_csv(write("time,a\n" + rows), CsvConfig())
    assert np.isnan(values(file)).sum() == 18
    assert values(file)[14] == pytest.approx(1.23e5)
    assert "a" in fields(file, "unreadable")
    assert any("spreadsheet" in finding.message for finding in file.findings)


def test_a_last_line_cut_short_is_left_out_and_named(write) -> None:
    file = open_csv(write(table() + "0.4,20"), CsvConfig())
    assert len(values(file)) == 20
    assert "last line" in fields(file, "repaired")
    whole = open_csv(write(table() + "0.4,20,1"), CsvConfig())
    assert len(values(whole)) == 21
    assert "last line" not in fields(whole, "repaired")
    rows = "".join(f"{k},{k}.1234\n" for k in range(20))
    number = open_csv(write("time,a\n" + rows + "20,20.1"), CsvConfig())
    assert np.isnan(values(number)[20])
    assert "last line" in fields(number, "repaired")


def test_labels_skip_the_last_line_when_it_is_cut(write) -> None:
    rows = "".join(f"{k},L{k},{k}\n" for k in range(10))
    file = open_csv(write("a,label,b\n" + rows + "10,L10"),
                    CsvConfig(rate_hz=1, time_column="none"), ["label"])  # fmt: skip
    assert file.texts("label")[1] == [f"L{k}" for k in range(10)]


def test_a_row_that_is_short_is_missing_and_one_too_long_refuses_the_file(write) -> None:
    file = open_csv(write(table().replace("0.04,2,-1.0\n", "0.04,2\n")), CsvConfig())
    assert values(file)[2] == 2
    assert np.isnan(values(file, 1)[2])
    with pytest.raises(RecordingError, match=r"a\.csv.*line 4 has 4 columns"):
        open_csv(write(table().replace("0.04,2,", "0.04,2,5,")), CsvConfig())
    text = table(20000) + "400,6000,1,5\n400.02,6001,1\n"
    with pytest.raises(RecordingError, match=r"a\.csv.*Expected Number of Columns: 3 Found: 4"):
        open_csv(write(text), CsvConfig())


@pytest.mark.parametrize(
    ("header", "end"), [("time,a,b,", ","), ("time,a,b", ","), ("time,a,b,", "")]
)
def test_separators_at_the_end_of_lines_make_no_channel(write, header: str, end: str) -> None:
    rows = table(header="").replace("\n", end + "\n")
    file = open_csv(write(f"{header}\n{rows}"), CsvConfig())
    assert [channel.label for channel in file.channels] == ["a", "b"]
    np.testing.assert_allclose(values(file, 1), -0.5 * np.arange(20))


def test_a_row_of_units_below_the_header_gives_units(write) -> None:
    text = "time,eda,bvp\ns,uS,[mV]\n" + table(header="")
    file = open_csv(write(text), CsvConfig())
    assert [(c.label, c.unit) for c in file.channels] == [("eda", "uS"), ("bvp", "mV")]
    np.testing.assert_allclose(values(file), np.arange(20))
    assert "units_row" in fields(file, "note")
    assert not fields(file, "repaired")
    given = open_csv(file.path, CsvConfig(units={"eda": "nS"}))
    assert [channel.unit for channel in given.channels] == ["nS", "mV"]
    odd = "time,eda,bvp\nwhen,how much,why\n" + table(header="")
    told = open_csv(write(odd), CsvConfig(units_row=True))
    assert [channel.label for channel in told.channels] == ["eda", "bvp"]
    untold = open_csv(write(text), CsvConfig(units_row=False))
    assert len(values(untold)) == 20


def test_headers_repeated_in_joined_files_are_no_rows(write) -> None:
    later = "".join(f"{k * 0.02:.6g},{k},{-0.5 * k}\n" for k in range(20, 40))
    file = open_csv(write(table() + "time,a,b\n" + later), CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(40), atol=1e-4)
    assert fields(file, "repaired") == {"header"}
    config = CsvConfig(rate_hz=10, time_column="none")
    timeless = open_csv(write("a,b,L\n1,2,x\n3,4,y\na,b,L\n5,6,z\n"), config, ["L"])
    assert values(timeless).tolist() == [1, 3, 5]
    assert timeless.texts("L")[1] == ["x", "y", "z"]
    doubled = open_csv(write("Time,uV,uV\n0,1,2\n1,2,3\nTime,uV,uV\n2,3,4\n"), CsvConfig())
    assert values(doubled, 1).tolist() == [2, 3, 4]


def test_empty_lines_and_mixed_line_ends_lose_no_rows(write) -> None:
    file = open_csv(write(table().replace("\n", "\n\n")), CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(20))
    mixed = "time,a\r\n" + "".join(f"{k},{k}\n" for k in range(20))
    far = "time,a\n" + "".join(f"{k},{k}{chr(13) * (k > 39990)}\n" for k in range(40000))
    for text, count in ((mixed, 20), (far, 40000)):
        file = open_csv(write(text), CsvConfig())
        np.testing.assert_array_equal(values(file), np.arange(count))
        assert "line ends" in fields(file, "repaired")
    old = open_csv(write(table().replace("\n", "\r")), CsvConfig())
    np.testing.assert_allclose(values(old), np.arange(20))


def test_quotes_around_cells_names_and_line_ends(write) -> None:
    rows = "".join(f'"{k}","{k}.5",{k}\n' for k in range(10))
    file = open_csv(write('time,"a, left","b ""x"""\n' + rows), CsvConfig())
    assert [channel.label for channel in file.channels] == ["a, left", 'b "x"']
    np.testing.assert_allclose(values(file), np.arange(10) + 0.5)
    broken = open_csv(write('time,"a\n(mV)",b\n' + table(header="")), CsvConfig())
    assert (broken.channels[0].label, broken.channels[0].unit) == ("a (mV)", "mV")
    np.testing.assert_allclose(values(broken), np.arange(20))
    single = "".join(f"'{k}','{k}.5','{k}'\n" for k in range(10))
    np.testing.assert_allclose(
        values(open_csv(write("'time','a','b'\n" + single), CsvConfig())), np.arange(10) + 0.5
    )
    inch = open_csv(write('Device,5" screen\n\n' + table()), CsvConfig())
    assert len(values(inch)) == 20
    for far in (20, 30000):
        with pytest.raises(RecordingError, match=r"quotation mark .*never closed"):
            open_csv(write(table(far) + '"600,20,3\n600.02,1,2\n'), CsvConfig())


def test_zero_bytes_are_named_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(table(30000).encode() + b"\0" * 5000 + b"\n600,30000,1\n")
    file = open_csv(path, CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(30001), atol=0.02)
    assert "time stamps" in fields(file, "repaired")
    path.write_bytes(table(30000).encode() + b"\0" * 3_000_000)
    started = time.monotonic()
    with pytest.raises(RecordingError, match="longer than 2 MB"):
        open_csv(path, CsvConfig())
    assert time.monotonic() - started < 5


def test_text_columns_are_not_channels(write) -> None:
    text = "time,a,mood\n" + "".join(f"{k},{k},calm\n" for k in range(10))
    file = open_csv(write(text), CsvConfig())
    assert [channel.label for channel in file.channels] == ["a"]
    assert "columns" in fields(file, "note")


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("name", "first", "step", "unit", "clock"),
    [
        ("timestamp", 1657544418323, 20, None, 1657544418.323),
        ("timestamp", 1657544418323000, 20000, None, 1657544418.323),
        ("timestamp", 1657544418.25, 0.02, None, 1657544418.25),
        ("time_ms", 0, 20, None, None),
        ("t", 0, 20, None, None),
        ("Time [us]", 0, 20000, None, None),
        ("elapsed", 100, 0.02, None, None),
        ("ticks", 5, 20, "ms", None),
    ],
)
def test_units_of_time_are_told_or_guessed(
    write, name: str, first: float, step: float, unit: str | None, clock: float | None
) -> None:
    rows = "".join(f"{k},{first + k * step!r}\n" for k in range(50))
    config = CsvConfig(time_unit=unit, time_column=name if unit else None)
    file = open_csv(write(f"a,{name}\n{rows}"), config)
    assert file.channels[0].rate_hz == pytest.approx(50)
    assert file.duration_s == pytest.approx(1)
    assert file.has_clock == (clock is not None)
    assert file.start_s == pytest.approx(clock or 0, abs=1e-6)
    np.testing.assert_allclose(values(file), np.arange(50), atol=1e-3)


@pytest.mark.parametrize(
    ("form", "zone", "utc_hour"),
    [
        ("%Y-%m-%dT%H:%M:%S.%f", None, 12),
        ("%Y-%m-%d %H:%M:%S.%f", "Europe/Berlin", 11),
        ("%Y-%m-%d %H:%M:%S,%f", "Europe/Berlin", 11),
        ("%Y-%m-%d %H:%M:%S,%f+03:00", None, 9),
        ("%Y-%m-%dT%H:%M:%S.%f+03:00", "Europe/Berlin", 9),
        ("%Y-%m-%dT%H:%M:%S.%fZ", "Europe/Berlin", 12),
        ("%d/%m/%Y  %H:%M:%S.%f", None, 12),
        ("%d.%m.%Y %H:%M:%S.%f", None, 12),
        ("%m/%d/%Y %I:%M:%S.%f %p", None, 12),
    ],
)
def test_dates_in_words_are_clock_times(write, form: str, zone: str | None, utc_hour: int) -> None:
    start = datetime(2020, 1, 31, 12, 0, 0)
    rows = "".join(f"{(start + timedelta(seconds=k / 4)).strftime(form)};{k}\n" for k in range(20))
    file = open_csv(write("when;a\n" + rows), CsvConfig(time_column="when"), (), zone)
    assert file.has_clock
    assert file.start_s == datetime(2020, 1, 31, utc_hour, tzinfo=UTC).timestamp()
    assert file.channels[0].rate_hz == 4
    np.testing.assert_allclose(values(file), np.arange(20))


def test_times_of_day_pass_midnight_and_are_no_clock(write) -> None:
    start = datetime(2020, 1, 31, 23, 59, 55)
    rows = "".join(f"{(start + timedelta(seconds=k)).strftime('%H:%M:%S')},{k}\n"
                   for k in range(20))  # fmt: skip
    file = open_csv(write("time,a\n" + rows), CsvConfig())
    assert not file.has_clock
    np.testing.assert_allclose(values(file), np.arange(20))


def test_a_change_to_summer_time_is_no_gap(write) -> None:
    start = datetime(2020, 3, 29, 0, 59, 50, tzinfo=UTC)
    rows = []
    for k in range(20):
        local = start + timedelta(seconds=k) + timedelta(hours=1 if k < 10 else 2)
        rows.append(f"{local.strftime('%Y-%m-%d %H:%M:%S')},{k}")
    file = open_csv(write("time,a\n" + "\n".join(rows)), CsvConfig(), (), "Europe/Berlin")
    assert file.gaps == ()
    assert file.start_s == start.timestamp()


def test_a_date_that_may_be_day_or_month_first_is_named(write) -> None:
    rows = "".join(f"04/12/2018 11:00:{k:02d},{k}\n" for k in range(20))
    file = open_csv(write("time,a\n" + rows), CsvConfig())
    assert file.start_s == datetime(2018, 12, 4, 11, tzinfo=UTC).timestamp()
    assert "time stamps" in fields(file, "repaired")


def test_without_a_time_column_the_rate_says_all(write) -> None:
    text = "a,b\n" + "".join(f"{k},{k}\n" for k in range(30))
    file = open_csv(write(text), CsvConfig(time_column="none", rate_hz=10))
    assert file.duration_s == 3
    assert not file.has_clock
    assert [channel.samples for channel in file.channels] == [30, 30]
    with pytest.raises(RecordingError, match=r"no column with the time .*a, b.*csv\.rate_hz"):
        open_csv(write(text), CsvConfig())
    with pytest.raises(RecordingError, match="no column 'clock' for the time; there are a, b"):
        open_csv(write(text), CsvConfig(time_column="clock"))


def test_jittered_stamps_are_put_on_an_even_grid(write) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.004, 0.016, 5000))
    signal = np.sin(2 * np.pi * 1.5 * times)
    rows = "".join(f"{t:.6f},{v:.6f}\n" for t, v in zip(times, signal, strict=True))
    file = open_csv(write("time,a\n" + rows), CsvConfig(rate_hz=100))
    grid = times[0] + np.arange(file.channels[0].samples) / 100
    assert abs(file.channels[0].samples - (times[-1] - times[0]) * 100) <= 2
    expected = np.sin(2 * np.pi * 1.5 * grid)
    np.testing.assert_allclose(values(file)[:-1], expected[:-1], atol=1e-2)
    assert file.gaps == ()
    assert file.duration_s == pytest.approx(times[-1] - times[0] + 0.01)


def test_the_last_sample_counts_until_the_next_is_due(write) -> None:
    times = [0, 0.01, 0.02, 0.033, 0.5, 0.51, 0.524]
    rows = "".join(f"{t},{k}\n" for k, t in enumerate(times))
    file = open_csv(write("time,a\n" + rows), CsvConfig(rate_hz=100))
    assert file.duration_s == pytest.approx(0.534)
    got = values(file)
    np.testing.assert_allclose(got[:5], [0, 1, 2, 2 + 10 / 13, 3], atol=1e-5)
    assert np.isnan(got[5:50]).all()
    np.testing.assert_allclose(got[50:], [4, 5, 5 + 10 / 14, 6], atol=1e-5)


def test_the_measured_rate_is_not_biased_by_rounded_stamps(write) -> None:
    rows = "".join(f"{1657544418323 + int(k * 1000 / 128)},{k % 7}\n" for k in range(2000))
    file = open_csv(write("timestamp,a\n" + rows), CsvConfig())
    assert file.channels[0].rate_hz == 128
    # Evenly sampled with rounded stamps: the samples are taken as they are.
    np.testing.assert_array_equal(values(file), np.arange(2000) % 7)


def test_duplicated_stamps_are_averaged_and_named(write) -> None:
    rows = "0,1\n0.1,2\n0.1,4\n0.2,5\n0.3,6\n0.4,7\n"
    file = open_csv(write("time,a\n" + rows), CsvConfig(rate_hz=10))
    np.testing.assert_allclose(values(file), [1, 3, 5, 6, 7])
    assert any("1 of 6 rows have the time" in finding.message for finding in file.findings)


def test_backward_stamps_are_sorted_and_named(write) -> None:
    order = [0, 1, 2, 5, 3, 4, 6, 7, 8, 9]
    file = open_csv(write("time,a\n" + "".join(f"{k / 10},{k}\n" for k in order)), CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(10), atol=1e-5)
    assert "time stamps" in fields(file, "repaired")


def test_a_clock_set_back_keeps_what_was_recorded_first(write) -> None:
    stamps = [*range(100), *range(90, 200)]
    rows = "".join(f"{t},{k},L{k}\n" for k, t in enumerate(stamps))
    file = open_csv(write("time,a,L\n" + rows), CsvConfig(), ["L"])
    np.testing.assert_array_equal(values(file), [*range(100), *range(110, 210)])
    assert file.channels[0].rate_hz == 1
    messages = [f.message for f in file.findings if f.field == "time stamps"]
    assert len(messages) == 1
    assert "from 99.000 s to 90.000 s" in messages[0]
    assert "10 of 210 rows were left out" in messages[0]
    times, texts = file.texts("L")
    assert times.tolist() == [*range(200)]
    assert texts == [f"L{k}" for k in (*range(100), *range(110, 210))]


@given(
    lengths=st.lists(st.integers(20, 60), min_size=1, max_size=4),
    back=st.lists(st.integers(6, 80), min_size=3, max_size=3),
)
@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
def test_after_any_resets_each_time_has_the_sample_recorded_first(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], back: list[int]
) -> None:
    stamps: list[int] = []
    start = 0
    for length, step in zip(lengths, [*back, 0], strict=False):
        stamps += range(start, start + length)
        start = stamps[-1] + 1 - step
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("time,a\n" + "".join(f"{t},{k}\n" for k, t in enumerate(stamps)))
    file = open_csv(path, CsvConfig(rate_hz=1, time_unit="s"))
    first: dict[int, int] = {}
    for k, t in enumerate(stamps):
        first.setdefault(t, k)
    low = min(stamps)
    got = values(file)
    for t in range(low, max(stamps) + 1):
        if t in first:
            assert got[t - low] == first[t]


def test_blocks_that_come_late_are_sorted_in(write) -> None:
    stamps = [*range(100), *range(150, 300), *range(100, 150), *range(300, 400)]
    file = open_csv(write("time,a\n" + "".join(f"{t / 100},{t}\n" for t in stamps)), CsvConfig())
    np.testing.assert_allclose(values(file), np.arange(400), atol=1e-3)
    assert file.gaps == ()
    assert any("fill times that were missing" in f.message for f in file.findings)


def test_newest_first_and_rows_in_no_order_are_sorted_and_named(write) -> None:
    newest = "".join(f"{t},{t}\n" for t in range(50, 0, -1))
    file = open_csv(write("time,a\n" + newest), CsvConfig())
    np.testing.assert_array_equal(values(file), np.arange(1, 51))
    assert any("newest rows come first" in f.message for f in file.findings)
    order = np.random.default_rng(0).permutation(3000)
    mixed = open_csv(write("time,a\n" + "".join(f"{t},{t}\n" for t in order)), CsvConfig())
    np.testing.assert_array_equal(values(mixed), np.arange(3000))
    assert any("in no order of time" in f.message for f in mixed.findings)


def test_many_resets_take_no_long_time(write) -> None:
    rows = "".join(f"{(k % 500) / 50},{k}\n" for k in range(100_000))
    started = time.monotonic()
    file = open_csv(write("time,a\n" + rows), CsvConfig())
    assert time.monotonic() - started < 5
    np.testing.assert_array_equal(values(file), np.arange(500))


def autumn(hours: list[int]) -> str:
    return "time,a\n" + "".join(
        f"2020-10-25 {hour:02d}:{minute:02d}:00,{60 * k + minute}\n"
        for k, hour in enumerate(hours)
        for minute in range(60)
    )


@pytest.mark.parametrize(
    ("hours", "start", "said"),
    [
        ([1, 2, 2, 3], 23, "goes back within it"),
        ([1, 2], 23, "first time"),
        ([2, 3], 1, "second time"),
        ([2], 0, "nothing tells"),
    ],
)
def test_the_end_of_summer_time_is_no_jump_in_a_known_zone(
    write, hours: list[int], start: int, said: str
) -> None:
    file = open_csv(write(autumn(hours)), CsvConfig(), (), "Europe/Berlin")
    np.testing.assert_array_equal(values(file), np.arange(60 * len(hours)))
    assert file.gaps == ()
    assert datetime.fromtimestamp(file.start_s, UTC).hour == start
    assert any("Summer time ends" in f.message and said in f.message for f in file.findings)


def test_the_end_of_summer_time_without_a_zone_is_a_clock_set_back(write) -> None:
    file = open_csv(write(autumn([1, 2, 2, 3])), CsvConfig())
    np.testing.assert_array_equal(values(file), [*range(120), *range(180, 240)])
    assert any("60 of 240 rows were left out" in f.message for f in file.findings)


def test_repeats_of_a_sample_are_not_counted_in_the_rate(write) -> None:
    for share in (1, 3):
        rows = "".join(f"{k / 50},{k * 7 % 13},{k}\n" * (1 + (k % share == 0)) for k in range(200))
        file = open_csv(write("time,a,b\n" + rows), CsvConfig())
        assert file.channels[0].rate_hz == 50
        np.testing.assert_array_equal(values(file, 1), np.arange(200))
        assert any("same sample" in f.message for f in file.findings)


def test_several_samples_under_one_stamp_now_and_then_count_in_the_rate(write) -> None:
    rng = np.random.default_rng(1)
    stamps = np.cumsum(np.where(rng.random(2000) < 0.05, 0, 10)) + 1657544418323
    rows = "".join(f"{t},{k}\n" for k, t in enumerate(stamps))
    file = open_csv(write("timestamp,a\n" + rows), CsvConfig())
    assert any("counted in the rate" in f.message for f in file.findings)
    # Delivered late, not sampled faster: the median step decides where both are far apart.
    assert 100 <= file.channels[0].rate_hz <= 106


@pytest.mark.parametrize(
    ("form", "rate", "first"), [("%Y-%m-%d %H:%M:%S", 100, 37), ("%H:%M:%S", 64, 0)]
)
def test_coarse_stamps_are_spread_evenly(write, form: str, rate: int, first: int) -> None:
    start = datetime(2024, 1, 1)
    rows = "".join(
        f"{(start + timedelta(seconds=k // rate)).strftime(form)},{k},L{k}\n"
        for k in range(first, 9 * rate + first)
    )
    file = open_csv(write("time,a,L\n" + rows), CsvConfig(), ["L"])
    assert file.channels[0].rate_hz == rate
    np.testing.assert_array_equal(values(file), np.arange(first, 9 * rate + first))
    assert any("clock is coarse" in f.message for f in file.findings)
    if file.has_clock:  # the first second was cut: its rows lead up to the next
        assert file.start_s == pytest.approx(start.replace(tzinfo=UTC).timestamp() + first / rate)
    times, texts = file.texts("L")
    np.testing.assert_allclose(times, np.arange(9 * rate) / rate, atol=1e-6)
    assert texts[5] == f"L{first + 5}"


def test_gaps_between_coarse_stamps_stay_gaps(write) -> None:
    rows = "".join(f"{s},{k}\n" for s in (*range(5), *range(20, 25)) for k in range(10))
    file = open_csv(write("time,a\n" + rows), CsvConfig(time_unit="s"))
    assert file.channels[0].rate_hz == 10
    assert len(file.gaps) == 1
    assert file.gaps[0].start_s == pytest.approx(5)
    assert file.gaps[0].duration_s == pytest.approx(15)


def test_a_grid_that_would_fill_the_memory_is_refused(write) -> None:
    rows = "".join(f"{k / 50},{k}\n" for k in range(200)) + "20000000,3\n"
    with pytest.raises(RecordingError, match="cannot be meant"):
        open_csv(write("time,a\n" + rows), CsvConfig(max_gap_s=1e9))
    rows = "".join(f"{(k // 2) * 0.09 + (k % 2) * 1e-6!r},{k}\n" for k in range(2000))
    with pytest.raises(RecordingError, match="cannot be meant"):
        open_csv(write("time,a\n" + rows), CsvConfig())


def test_jumps_are_gaps_and_never_filled(write) -> None:
    times = [*range(10), *range(30, 40)]
    rows = "".join(f"{t / 10},{t}\n" for t in times)
    file = open_csv(write("time,a\n" + rows), CsvConfig())
    assert file.duration_s == 4
    assert len(file.gaps) == 1
    assert file.gaps[0].start_s == pytest.approx(1)
    assert file.gaps[0].duration_s == pytest.approx(2)
    whole = file.read(0, -2, 44)
    missing = np.flatnonzero(np.isnan(whole)) - 2
    assert missing.tolist() == [-2, -1, *range(10, 30), 40, 41, 42, 43]
    np.testing.assert_allclose(file.read(0, 25, 35), [np.nan] * 5 + [30, 31, 32, 33, 34])
    bridged = open_csv(write("time,a\n" + rows), CsvConfig(max_gap_s=5, rate_hz=10))
    assert bridged.gaps == ()
    np.testing.assert_allclose(values(bridged), np.arange(40), atol=1e-4)


def test_a_gap_of_months_takes_no_memory(write) -> None:
    rows = "".join(f"{t},{k}\n" for k, t in enumerate([*range(50), *range(10**7, 10**7 + 50)]))
    file = open_csv(write("time,a\n" + rows), CsvConfig(rate_hz=100, time_unit="s", max_gap_s=2))
    assert file.channels[0].samples > 9e8
    assert file._grid is not None
    assert file._grid[0].nbytes < 1e6


def test_rows_without_a_time_and_far_away_are_left_out_and_named(write) -> None:
    rows = [f"{1657544418 + k},{k}" for k in range(300)]
    rows[100], rows[200] = "0,100", "?,200"
    file = open_csv(write("timestamp,a\n" + "\n".join(rows)), CsvConfig(rate_hz=1))
    assert file.start_s == 1657544418
    assert any("2 rows have no readable time" in finding.message for finding in file.findings)


def test_a_missing_sample_is_missing_on_the_grid_too(write) -> None:
    text = "time,a\n0.005,0\n0.015,\n0.025,2\n0.035,3\n0.045,4\n0.055,5\n"
    file = open_csv(write(text), CsvConfig(rate_hz=100))
    np.testing.assert_allclose(values(file), [0, np.nan, 2, 3, 4, 5], atol=1e-5)


def test_one_row_or_one_time_needs_a_rate(write) -> None:
    with pytest.raises(RecordingError, match=r"give csv\.rate_hz"):
        open_csv(write("time,a\n5,1\n5,2\n"), CsvConfig())


# ---------------------------------------------------------------- E4


def test_a_second_time_and_a_date_are_not_channels(write) -> None:
    rows = "".join(f"{1657544418000 + 20 * k},{k * 0.02:.2f},{k}\n" for k in range(20))
    file = open_csv(write("timestamp,elapsed,a\n" + rows), CsvConfig())
    assert [channel.label for channel in file.channels] == ["a"]
    assert file.has_clock
    rows = "".join(f"2020-01-31,12:00:{k:02d},{k}\n" for k in range(20))
    file = open_csv(write("Date,Time,a\n" + rows), CsvConfig())
    assert [channel.label for channel in file.channels] == ["a"]
    assert file.channels[0].rate_hz == 1
    assert not file.has_clock


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_e4_exports_start_at_their_first_line(write, newline: str) -> None:
    lines = ["1644226061.50", "4.000000", *(str(k) for k in range(12))]
    path = write(newline.join(lines) + newline, "EDA.csv")
    for config in (CsvConfig(layout="e4"), CsvConfig()):
        file = open_csv(path, config)
        assert (file.start_s, file.has_clock, file.duration_s) == (1644226061.5, True, 3)
        assert [channel.label for channel in file.channels] == ["EDA"]
        np.testing.assert_array_equal(values(file), np.arange(12))
    assert "layout" in fields(file, "note")


def test_e4_acceleration_has_three_channels(write) -> None:
    text = "1644226061, 1644226061, 1644226061\n32, 32, 32\n" + "2,10,63\n" * 64
    file = open_csv(write(text, "ACC.csv"), CsvConfig(layout="e4", units={"x": "1/64 g"}))
    assert [(c.label, c.unit) for c in file.channels] == [("x", "1/64 g"), ("y", ""), ("z", "")]
    assert file.read(2, 0, 3).tolist() == [63, 63, 63]
    named = open_csv(file.path, CsvConfig(layout="e4", columns=["ax", "ay", "az"]))
    assert named.channels[2].label == "az"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1644226061.0, IBI\n35.48,0.89\n", "intervals between heart beats"),
        ("1644226140\n1644226435\n1644226707\n", "as the rate"),
        ("1644226140\n4\n", "no samples"),
        ("a\nb\nc\n", "first line must be the start time"),
    ],
)
def test_what_is_no_even_e4_export_is_refused_with_the_reason(
    write, text: str, reason: str
) -> None:
    with pytest.raises(RecordingError, match=reason):
        open_csv(write(text), CsvConfig(layout="e4"))


# ---------------------------------------------------------------- label columns


def test_label_columns_keep_every_row_at_its_own_time(write) -> None:
    text = "t,a,label\n" + "".join(
        f"{1657544418000 + t},{k},{label}\n"
        for k, (t, label) in enumerate([(0, "SIT"), (9, "SIT"), (9, "?"), (31, ""), (40, "2")])
    )
    file = open_csv(write(text), CsvConfig(rate_hz=100, time_unit="ms"), ["label"])
    assert [channel.label for channel in file.channels] == ["a"]
    times, texts = file.texts("label")
    np.testing.assert_allclose(times, [0, 0.009, 0.009, 0.031, 0.04], atol=1e-9)
    assert texts == ["SIT", "SIT", "?", "", "2"]
    with pytest.raises(RecordingError, match="no column 'stage'; there are t, a, label"):
        file.texts("stage")


def test_label_columns_without_a_time_column_follow_the_rate(write) -> None:
    text = "a,stage\n" + "".join(f"{k},{k // 5}\n" for k in range(10))
    file = open_csv(write(text), CsvConfig(time_column="none", rate_hz=5), ["stage"])
    times, texts = file.texts("stage")
    assert len(file.channels) == 1
    np.testing.assert_allclose(times, np.arange(10) / 5)
    assert texts == ["0"] * 5 + ["1"] * 5


def test_labels_of_sorted_rows_are_sorted_with_them(write) -> None:
    rows = "".join(f"{k / 10},{k},L{k}\n" for k in [0, 1, 4, 2, 3, 5])
    file = open_csv(write("time,a,label\n" + rows), CsvConfig(), ["label"])
    assert file.texts("label")[1] == [f"L{k}" for k in range(6)]


# ---------------------------------------------------------------- laziness, threads, refusals


def test_a_dropped_grid_is_made_anew_and_no_thread_is_left(
    write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.read_csv._GRID_BYTES_KEPT", 2000)
    files = [open_csv(write(table(200), f"{k}.csv"), CsvConfig()) for k in range(4)]
    assert [file._grid is None for file in files] == [True, True, True, False]
    seen: list[bool] = []

    def work(shift: int) -> None:
        for file in itertools.islice(itertools.cycle(files), shift, shift + 8):
            seen.append(bool(np.allclose(file.read(0, 50, 60), np.arange(50, 60))))

    before = len(os.listdir("/proc/self/task")) if Path("/proc/self/task").is_dir() else None
    threads = [threading.Thread(target=work, args=(shift,)) for shift in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 24
    assert all(seen)
    if before is not None:
        end = time.monotonic() + 3  # a joined thread leaves the list a moment later
        while len(os.listdir("/proc/self/task")) > before and time.monotonic() < end:
            time.sleep(0.01)
        assert len(os.listdir("/proc/self/task")) <= before


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\x00\x01\x02\x03" * 100, "not a text file"),
        (b"time,a,b\n", "no rows"),
        (b"time,mood\n0,calm\n1,calm\n", "no column holds a signal"),
        (b"time,a\nyesterday,1\ntoday,2\n", "neither numbers nor dates"),
        (b"\x1f\x8b\x08\x00damaged", "cannot be unpacked"),
        ("time,a\n0,1\n".encode("utf-16-be"), "not a text file|zero bytes"),
        (b"\xfe\xff" + "time,a\n0,1\n".encode("utf-16-be"), "high byte first"),
        ("time,a\n0,1\n".encode("utf-16-le"), r"say so with csv\.encoding"),
        ("time,“a”\n0,1\n1,2\n".encode("cp1252"), "Windows-1252"),
        (b"x" * 400_000, "no table of rows"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, blob: bytes, reason: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(blob)
    with pytest.raises(RecordingError, match=reason) as caught:
        open_csv(path, CsvConfig())
    assert "a.csv" in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        open_csv(tmp_path / "none.csv", CsvConfig())
    with pytest.raises(RecordingError, match="folder"):
        open_csv(tmp_path, CsvConfig())


# ---------------------------------------------------------------- real files


def test_phone_recordings_have_six_channels_and_their_labels(shared: Path) -> None:
    path = shared / "data" / "har_phone_watch" / "s11" / "s11_03_sp.csv"
    file = open_csv(path, CsvConfig(rate_hz=100), ["label"])
    assert [channel.label for channel in file.channels] == [
        "x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro",
    ]  # fmt: skip
    assert file.start_s == 1657544418.323
    raw = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 6))
    times, texts = file.texts("label")
    assert len(texts) == len(raw)
    np.testing.assert_allclose(times, (raw[:, 1] - raw[0, 1]) / 1000, atol=1e-6)
    keep = np.concatenate(([True], np.diff(raw[:, 1]) > 0))
    alone = keep & np.concatenate((np.diff(raw[:, 1]) > 0, [True]))
    grid = np.interp(raw[alone, 1] - raw[0, 1], np.arange(file.channels[0].samples) * 10.0,
                     values(file))  # fmt: skip
    assert np.corrcoef(grid, raw[alone, 0])[0, 1] > 0.99


def test_a_vendor_file_opens_without_being_told_anything(shared: Path) -> None:
    file = open_csv(shared / "data" / "recordings" / "mouse_csv" / "eeg_emg.txt", CsvConfig())
    assert [channel.label for channel in file.channels] == ["uV", "uV_1", "uV_2", "V"]
    assert file.channels[0].rate_hz == 128
    np.testing.assert_allclose(file.read(0, 0, 3), [-128.795975, -126.201736, -115.481461])
    told = "".join(finding.message for finding in file.findings)
    assert "raind" not in told
    assert "Female" not in told


def test_wristband_exports_open_and_uneven_ones_are_refused(shared: Path) -> None:
    folder = shared / "data" / "stress_wristband" / "signals" / "S01"
    rates = {"ACC": 32, "BVP": 64, "EDA": 4, "TEMP": 4, "HR": 1}
    for name, rate in rates.items():
        file = open_csv(folder / f"{name}.csv", CsvConfig(layout="e4"))
        assert file.channels[0].rate_hz == rate
        assert file.start_s == 1644226061 + 10 * (name == "HR")
        lines = (folder / f"{name}.csv").read_text().split()
        assert file.channels[0].samples == len(lines) - (6 if name == "ACC" else 2)
    for name in ("IBI", "tags_S01"):
        with pytest.raises(RecordingError, match="not an evenly sampled"):
            open_csv(folder / f"{name}.csv", CsvConfig(layout="e4"))
