"""Files of labels: what is written is read back, what cannot be held is said."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import AnnotationLabels, FileLabels, make_config
from core.errors import ConfigError, OutputError, RecordingError
from core.label_files import FORMATS, WRITTEN, read_labels, write_labels, written_paths
from core.label_mapping import (
    apply_mapping,
    load_mapping,
    mapping_about,
    mapping_names,
    read_mapping,
)
from core.label_set import (
    ClockReader,
    Label,
    LabelSet,
    decimal_text,
    make_label_set,
    parse_clock,
)
from core.labels import LabelReader, window_labels
from tests.core.memory_file import MemoryFile, make_recording

ENDINGS = {
    "edf": "a.edf",
    "csv": "a.csv",
    "tsv": "a.tsv",
    "bids": "sub-1_events.tsv",
    "nsrr": "a.xml",
    "profusion": "a-profusion.xml",
    "luna": "a.annot",
    "epochs": "a.txt",
}
START = datetime(2024, 3, 1, 22, 30, 15, 250000)
NIGHT = make_label_set(
    [
        Label(-12.5, 30, "lights, \"off\"; 'now'"),
        Label(0, 30, "N2"),
        Label(0.001953125, 0, "Zucken", channel="EMG Bein links"),
        Label(10, 45.25, "Apnoe µ – 呼吸"),
        Label(12, 3, "Apnoe µ – 呼吸", channel="Flow"),
        Label(86400.5, 30, "N2"),
    ]
)


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of files are written here, and none has to outlive a power cut."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def messages(findings) -> str:
    return "\n".join(finding.message for finding in findings)


def keys(labels) -> Counter:
    return Counter(
        (x.onset_s, x.duration_s, x.text, x.channel, x.rater, x.confidence, tuple(sorted(x.extra)))
        for x in labels
    )


def written(folder: Path, labels: LabelSet, format: str, **more):
    path = folder / ENDINGS[format]
    return path, write_labels(path, labels, **more)


# ---------------------------------------------------------------- round trips

SECONDS = st.one_of(
    st.integers(-7200, 200_000),
    st.floats(-7200, 200_000).map(lambda value: round(value, 9)),
)
LENGTHS = st.one_of(
    st.just(0), st.integers(0, 40_000), st.floats(0, 40_000).map(lambda value: round(value, 9))
)
SIGNS = st.characters(codec="utf-8", exclude_categories=["Cs"])
ANY_TEXT = st.one_of(
    st.text(SIGNS, max_size=20),
    st.sampled_from(
        ["Sleep stage 2", "a,b", "a;b", 'say "x"', "tab\there", "two\nlines", "#1", "=1", "n/a",
         "NA", "nan", "start", "onset,label", "1", "0+00:00:01", ".", "...", "e:1", "@@", "<b>&",
         "é", "onset\tduration\ttrial_type"]
    ),
)  # fmt: skip
EXTRAS = st.dictionaries(
    st.sampled_from(["SpO2Nadir", "instance", "note", "stop", "value", "end", "scorer"]),
    st.text(SIGNS, min_size=1, max_size=6),
    max_size=2,
).map(lambda pairs: tuple(pairs.items()))
ANY_LABEL = st.builds(
    Label, SECONDS, LENGTHS, ANY_TEXT, ANY_TEXT | st.just(""), ANY_TEXT | st.just(""),
    st.none() | st.floats(0, 1), EXTRAS,
)  # fmt: skip
ANY_SET = st.lists(ANY_LABEL, max_size=6).map(make_label_set)


@pytest.mark.parametrize("format", ["csv", "tsv"])
@given(labels=ANY_SET)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_table_holds_everything(format, labels, tmp_path: Path) -> None:
    path, findings = written(tmp_path, labels, format)
    found = read_labels(path)
    assert keys(found.labels) == keys(labels.labels)
    assert not findings


@given(labels=ANY_SET)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_bids_holds_everything_but_a_label_called_n_a(labels, tmp_path: Path) -> None:
    path, findings = written(tmp_path, labels, "bids")
    if not findings:
        assert keys(read_labels(path).labels) == keys(labels.labels)
    else:
        assert any("n/a" in repr(label).casefold() for label in labels.labels)


@pytest.mark.parametrize("format", ["edf", "nsrr", "profusion", "luna", "epochs"])
@given(labels=ANY_SET)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_not_read_back_is_a_finding(format, labels, tmp_path: Path) -> None:
    path, findings = written(tmp_path, labels, format)
    found = read_labels(path, format, epoch_s=30) if format != "profusion" else read_labels(path)
    if keys(found.labels) != keys(labels.labels):
        assert findings
    assert read_labels(path, format, epoch_s=30).format == format


PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"],
                  exclude_characters='@|="#\ufffe\uffff'),
    min_size=2, max_size=20,
).filter(lambda text: len(text.strip()) > 1 and text.strip() not in ("...", "12"))  # fmt: skip


@pytest.mark.parametrize("format", ["edf", "nsrr", "profusion", "luna"])
@given(
    labels=st.lists(st.builds(Label, SECONDS, LENGTHS, PLAIN, PLAIN | st.just("")), max_size=6).map(
        make_label_set
    )
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_times_texts_and_channels_survive_every_event_format(format, labels, tmp_path) -> None:
    if format == "luna":
        labels = make_label_set(replace(x, onset_s=abs(x.onset_s)) for x in labels.labels)
    path, findings = written(tmp_path, labels, format)
    assert keys(read_labels(path, format).labels) == keys(labels.labels)
    assert all(finding.severity == "note" for finding in findings)


@pytest.mark.parametrize("format", ["epochs", "profusion", "edf", "csv", "bids", "nsrr", "luna"])
@given(
    stages=st.lists(st.sampled_from("012359"), min_size=1, max_size=40),
    epoch=st.sampled_from([1, 5, 20, 30, 0.1]),
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_hypnogram_survives_every_format(format, stages, epoch, tmp_path: Path) -> None:
    labels = make_label_set(
        Label(float(k * np.float64(epoch)), epoch, stage) for k, stage in enumerate(stages)
    )
    path, findings = written(tmp_path, labels, format, epoch_s=epoch)
    assert keys(read_labels(path, format, epoch_s=epoch).labels) == keys(labels.labels)
    assert all(finding.severity == "note" for finding in findings)


@pytest.mark.parametrize("format", ["luna", "csv", "tsv", "bids"])
def test_confidence_and_rater_travel_where_there_is_a_place(format, tmp_path: Path) -> None:
    labels = make_label_set(
        [
            Label(0, 30, "N2", "", "AB", 0.875),
            Label(30, 30, "R", "", "C D", 0.1),
            Label(60, 30, "W"),
        ]
    )
    path, findings = written(tmp_path, labels, format)
    assert read_labels(path).labels == labels.labels
    assert read_labels(path).raters == ("AB", "C D")
    assert not findings


@pytest.mark.parametrize("format", ["edf", "nsrr", "profusion", "epochs"])
def test_confidence_and_rater_are_reported_where_there_is_none(format, tmp_path: Path) -> None:
    labels = make_label_set([Label(0, 30, "N2", "", "AB", 0.875), Label(30, 30, "R", "", "AB")])
    _, findings = written(tmp_path, labels, format)
    assert "no place for the rater; it was left out of 2 labels" in messages(findings)
    assert "no place for the confidence; it was left out of 1 label." in messages(findings)


@pytest.mark.parametrize("format", WRITTEN)
def test_no_labels_make_a_file_that_says_so(format, tmp_path: Path) -> None:
    path, findings = written(tmp_path, make_label_set(()), format)
    assert len(read_labels(path)) == 0 if format != "epochs" else path.read_bytes() == b""
    assert not findings


def test_every_format_takes_a_night_with_overlaps_moments_and_other_scripts(tmp_path) -> None:
    for format in ("edf", "csv", "tsv", "bids", "nsrr", "profusion"):
        path, findings = written(tmp_path, NIGHT, format)
        assert keys(read_labels(path).labels) == keys(NIGHT.labels), format
        assert all(found.severity == "note" for found in findings), (format, findings)


# ---------------------------------------------------------------- EDF+


def test_an_edf_file_of_labels_tells_nothing_of_a_person_and_keeps_the_clock(tmp_path) -> None:
    labels = make_label_set([Label(-0.25, 0.1, "début"), Label(0.1, 30, "W")], START)
    path, findings = written(tmp_path, labels, "edf")
    assert not findings
    header = path.read_bytes()[:256]
    assert " ".join(header[8:168].decode().split()) == "X X X X Startdate 01-MAR-2024 X X X"
    assert header[192:197] == b"EDF+C"
    assert header[244:252].strip() == b"0"
    found = read_labels(path)
    assert (found.labels, found.start) == (labels.labels, START)
    unknown, _ = written(tmp_path, make_label_set([Label(1, 0, "x")]), "edf")
    assert read_labels(unknown).start is None
    assert b"Startdate X X X X" in unknown.read_bytes()[:256]


def test_an_edf_file_of_labels_is_read_by_other_programs(tmp_path: Path) -> None:
    import edfio
    import pyedflib

    many = make_label_set(
        Label(k / 4, 0.125, f"Ereignis ä {k % 7}") for k in range(4_000)
    )  # more than fit into one data record
    path, findings = written(tmp_path, many, "edf")
    assert not findings
    theirs = edfio.read_edf(path).annotations
    assert [(a.onset, a.duration, a.text) for a in theirs] == [
        (x.onset_s, x.duration_s, x.text) for x in many.labels
    ]
    with pyedflib.EdfReader(str(path)) as reader:
        onsets, durations, _ = reader.readAnnotations()
        np.testing.assert_allclose(onsets, [x.onset_s for x in many.labels], atol=1e-6)
        np.testing.assert_allclose(durations.astype(float), 0.125)
        assert reader.signals_in_file == 0
    assert len(read_labels(path)) == 4_000


def test_what_edf_cannot_hold_is_said(tmp_path: Path) -> None:
    labels = make_label_set(
        [Label(0, 1, ""), Label(1, 1, "a\x14b"), Label(2, 1, "x@@y")], datetime(1900, 1, 1)
    )
    path, findings = written(tmp_path, labels, "edf")
    said = messages(findings)
    assert "without text: 1 label left out" in said
    assert "control signs" in said
    assert "start in 1900" in said
    assert "1 label will be read otherwise than meant" in said
    assert [x.text for x in read_labels(path).labels] == ["a\ufffdb", "x"]


def test_real_hypnograms_and_annotations(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "recordings"
    for night in sorted(folder.glob("*Hypnogram.edf")):
        found = read_labels(night)
        assert found.start is not None
        assert found.format == "edf"
        assert found.labels[0].text == "Sleep stage W"
        for format in ("edf", "csv", "bids", "nsrr", "luna"):
            path, _ = written(tmp_path, found, format)
            assert read_labels(path).labels == found.labels
        mapped, table = apply_mapping(found, load_mapping("aasm_from_rk"))
        assert all(row.known for row in table)
        assert {x.text for x in mapped.labels} <= {"W", "N1", "N2", "N3", "R"}
    found = read_labels(folder / "test_edfann.edf")
    assert len(found) == 856
    assert found.labels[2].text == "Lights off"
    assert found.labels[2].channel == "EEG F4-A1"
    path, _ = written(tmp_path, found, "nsrr")
    assert keys(read_labels(path).labels) == keys(found.labels)


def test_real_text_hypnograms(shared: Path) -> None:
    folder = shared / "data" / "recordings"
    found = read_labels(folder / "psg_dreams_excerpt3_hypnogram_5s.txt", epoch_s=5)
    assert "'[Hypnogram]', was taken for a heading" in messages(found.findings)
    assert len(found) == 360
    assert found.labels[-1].onset_s == 5 * 359
    with pytest.raises(RecordingError, match="give its length"):
        read_labels(folder / "psg_dreams_excerpt3_hypnogram_5s.txt")
    mouse = read_labels(folder / "mouse_csv" / "stages.txt")
    assert mouse.start == datetime(2018, 12, 4, 11, 0, 11)
    assert [(x.onset_s, x.duration_s, x.text) for x in mouse.labels[:3]] == [
        (0, 10, "W"), (10, 10, "W*"), (20, 10, "W")
    ]  # fmt: skip
    said = messages(mouse.findings)
    assert "day before the month" in said
    assert "10 s apart" in said
    assert dict(mouse.labels[0].extra)["Epoch No."] == "0"


# ---------------------------------------------------------------- tables


def table(folder: Path, text: str, name: str = "t.csv", **options) -> LabelSet:
    path = folder / name
    path.write_bytes(text.encode())
    return read_labels(path, **options)


def rows(found: LabelSet) -> list[tuple[float, float, str]]:
    return [(x.onset_s, x.duration_s, x.text) for x in found.labels]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("onset,duration,label\n0,30,W\n30.5,1e1,R\n", [(0, 30, "W"), (30.5, 10, "R")]),
        ("Start;End;Stage\r\n0,5;1,25;W\r\n", [(0.5, 0.75, "W")]),
        ("event\tonset_ms\tduration (ms)\nblink\t1500\t250\n", [(1.5, 0.25, "blink")]),
        ("start_time,stop_time,description\n5,5,x\n9,7,y\n", [(5, 0, "x"), (9, 0, "y")]),
        ("0,30,W\n30,30,N1\n60,30,N2\n", [(0, 30, "W"), (30, 30, "N1"), (60, 30, "N2")]),
        ("0\t30\tW\n30\t90\tN1\n90\t100\tN2\n", [(0, 30, "W"), (30, 60, "N1"), (90, 10, "N2")]),
        ("5;W\n9;N1\n", [(5, 0, "W"), (9, 0, "N1")]),
        ("time|label\n0|a\n4|b\n8|c\n", [(0, 4, "a"), (4, 4, "b"), (8, 4, "c")]),
        ("onset,duration,label\n0,00:00:30,W\n,,\n1,,x\n", [(0, 30, "W"), (1, 0, "x")]),
        ("onset,label\r0,a\r9,b\r", [(0, 0, "a"), (9, 0, "b")]),
    ],
)
def test_tables_as_people_write_them(text, expected, tmp_path: Path) -> None:
    found = table(tmp_path, text)
    assert rows(found) == expected


def test_guesses_about_a_table_are_findings(tmp_path: Path) -> None:
    found = table(
        tmp_path, "device X\n\nBegin;Stage;Scorer;Note\n0,5;W;AB;\n;N1;AB;\n1;N2;AB;late\n"
    )
    said = messages(found.findings)
    assert (
        "semicolons between columns, below line 3: onset from 'Begin', label from 'Stage'" in said
    )
    assert "decimal comma" in said
    assert "1 row without an onset" in said
    assert "read as moments" in said
    assert found.labels[0].rater == "AB"
    assert found.labels[1].extra == (("Note", "late"),)
    latin = tmp_path / "latin.csv"
    latin.write_bytes("onset,label\n1,Träume\n".encode("cp1252"))
    assert read_labels(latin).labels[0].text == "Träume"
    assert "not UTF-8" in messages(read_labels(latin).findings)
    wide = tmp_path / "wide.csv"
    wide.write_bytes("onset,label\n1,Träume\n".encode("utf-16"))
    assert read_labels(wide).labels[0].text == "Träume"
    packed = tmp_path / "p.csv.gz"
    packed.write_bytes(gzip.compress(b"onset,label\n1,x\n"))
    assert rows(read_labels(packed)) == [(1, 0, "x")]


def test_clock_times_run_past_midnight_and_before_the_start(tmp_path: Path) -> None:
    text = (
        "time,end,label\n22:29:00,22:30:00,lights\n23:59:30,00:00:15.5,W\n00:00:15.5,07:00:00,R\n"
    )
    found = table(tmp_path, text, start=datetime(2024, 3, 1, 22, 30))
    assert rows(found) == [
        (-60, 60, "lights"), (5370, 45.5, "W"), (5415.5, 25184.5, "R")
    ]  # fmt: skip
    with pytest.raises(RecordingError, match="--start"):
        table(tmp_path, text)
    days = "time,label\n23:00,a\n06:00,b\n14:00,c\n22:00,d\n05:00,e\n"
    found = table(tmp_path, days, start=datetime(2024, 3, 1, 22, 30))
    assert [x.onset_s / 3600 for x in found.labels] == [0.5, 7.5, 15.5, 23.5, 30.5]
    # Grouped by kind, so back in time; and more than half a day without a row.
    grouped = "time,label\n23:00,a\n06:00,a\n23:30,b\n13:00,b\n"
    found = table(tmp_path, grouped, start=datetime(2024, 3, 1, 22, 30))
    assert [x.onset_s / 3600 for x in found.labels] == [0.5, 1, 7.5, 14.5]


def test_dated_times_need_no_start_and_follow_the_clock_of_the_zone(tmp_path: Path) -> None:
    text = "time,label\n2024-03-31T01:30:00,a\n2024-03-31T03:30:00,b\n2024-03-31T03:30:00Z,c\n"
    found = table(tmp_path, text, time_zone="Europe/Berlin")
    assert [x.onset_s for x in found.labels] == [0, 3600, 10800]
    assert found.start == datetime(2024, 3, 31, 1, 30)
    assert "became the start" in messages(found.findings)
    assert [x.onset_s for x in table(tmp_path, text).labels] == [0, 7200, 7200]
    found = table(tmp_path, "time,label\n1709332200.5,a\n1709332201.5,b\n")
    assert [x.onset_s for x in found.labels] == [0, 1]
    assert found.start == datetime(2024, 3, 1, 22, 30, 0, 500000)
    found = table(tmp_path, "time,label\n1709332200500,a\n", start=datetime(2024, 3, 1, 22, 30))
    assert found.labels[0].onset_s == 0.5


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("11:30:02pm", 84602), ("12:00 AM", 0), ("23.30.02,5", 84602.5), ("24:00:00", 86400),
        ("01-Mar-2024 00:00:01", 1), ("13/01/2024 00:00:02", 2), ("01/13/2024 00:00:02", 2),
        ("2024-03-01 00:00:00.123456789", 0.123456789), ("01-03-24-00:00:03", 3),
        ("25:00:00", None), ("2024-03-01", None), ("31/02/2024 00:00:00", None), ("x", None),
        ("13:00 pm", None), ("0001-01-01 00:00:00", None), ("01/01/9999 00:00:00", None),
    ],
)  # fmt: skip
def test_clock_times(text, second) -> None:
    clock = parse_clock(text)
    assert (None if clock is None else float(clock.second)) == second


def test_a_stop_may_lie_more_than_twelve_hours_later() -> None:
    clock = ClockReader(Path("x"), datetime(2024, 3, 1, 20, 0))
    onset = clock.elapsed("20:30")
    assert clock.stop_after("19:00", onset) == 23 * 3600


def test_numbered_epochs_and_headings(tmp_path: Path) -> None:
    found = table(tmp_path, "Epoch,Stage\n1,W\n2,R\n4,N1\n", epoch_s=30, offset_s=5)
    assert rows(found) == [(5, 30, "W"), (35, 30, "R"), (95, 30, "N1")]
    assert "numbered in 'Epoch', from 1; the first begins at 5" in messages(found.findings)
    found = table(tmp_path, "epoch;stage;scorer\n0;W;AB\n1;R;AB\n", epoch_s=20)
    assert rows(found) == [(0, 20, "W"), (20, 20, "R")]
    assert found.raters == ("AB",)
    with pytest.raises(RecordingError, match="give their length"):
        table(tmp_path, "epoch,stage\n1,W\n")
    with pytest.raises(RecordingError, match="line 2: 'x' in 'epoch' numbers no epoch"):
        table(tmp_path, "epoch,stage\nx,W\n", epoch_s=30)
    assert rows(table(tmp_path, "Stage\nW\n", "a.txt", epoch_s=30)) == [(0, 30, "W")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("onset,label\n0,a\nnoon,b\n", "line 3: 'noon' in column 'onset'"),
        ("onset,duration,label\n0,long,b\n", "line 2: 'long' in column 'duration' is not a time"),
        ("alpha,beta\n1,2\n", "neither the ending nor the content|no table of labels"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(text, reason, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=reason):
        table(tmp_path, text)


# ---------------------------------------------------------------- BIDS


def test_bids_has_a_json_beside_it_and_n_a_for_nothing(tmp_path: Path) -> None:
    labels = make_label_set([Label(0, 30, "N2", "EEG", "", 0.5), Label(30, 0, "")])
    path, _ = written(tmp_path, labels, "bids")
    assert path.read_text().splitlines() == [
        "onset\tduration\ttrial_type\tchannel\tconfidence", "0\t30\tN2\tEEG\t0.5",
        "30\t0\tn/a\tn/a\tn/a",
    ]  # fmt: skip
    sidecar = json.loads((tmp_path / "sub-1_events.json").read_text())
    assert sidecar["trial_type"]["Levels"] == {"N2": "NREM sleep stage 2"}
    assert set(sidecar) == {"onset", "duration", "trial_type", "channel", "confidence"}
    assert written_paths(path) == (path, tmp_path / "sub-1_events.json")
    (tmp_path / "sub-1_events.json").write_text(
        '{"trial_type": {"Levels": {"N2": {"Description": "stage two"}}}}'
    )
    assert "N2 = stage two" in messages(read_labels(path).findings)
    (tmp_path / "sub-1_events.json").write_text("{")
    assert "cannot be read" in messages(read_labels(path).findings)


# ---------------------------------------------------------------- XML

NSRR = """<?xml version="1.0" encoding="UTF-8"?>
<PSGAnnotation><SoftwareVersion>X</SoftwareVersion><EpochLength>30</EpochLength><ScoredEvents>
<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>
<Duration>32520</Duration><ClockTime>01.01.85 20.51.46</ClockTime></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0</Start><Duration>1500.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Respiratory|Respiratory</EventType>
<EventConcept>SpO2 desaturation|SpO2 desaturation</EventConcept><Start>0.5</Start>
<Duration>17</Duration><SignalLocation>SpO2</SignalLocation><SpO2Nadir>88</SpO2Nadir></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 4 sleep|4</EventConcept>
<Start>1500</Start><Duration>30</Duration></ScoredEvent>
</ScoredEvents></PSGAnnotation>"""
PROFUSION = """<CMPStudyConfig><EpochLength>30</EpochLength><ScoredEvents><ScoredEvent>
<Name>Hypopnea</Name><Start>35.5</Start><Duration>12</Duration><Input>Airflow</Input>
<LowestSpO2>90</LowestSpO2></ScoredEvent></ScoredEvents>
<SleepStages><SleepStage>0</SleepStage><SleepStage>5</SleepStage></SleepStages></CMPStudyConfig>"""


def test_nsrr_files_keep_concepts_types_and_further_elements(tmp_path: Path) -> None:
    found = table(tmp_path, NSRR, "a.xml")
    assert rows(found) == [
        (0, 1500, "Wake|0"), (0.5, 17, "SpO2 desaturation|SpO2 desaturation"),
        (1500, 30, "Stage 4 sleep|4"),
    ]  # fmt: skip
    assert found.labels[1].channel == "SpO2"
    assert dict(found.labels[1].extra) == {
        "EventType": "Respiratory|Respiratory", "SpO2Nadir": "88"
    }  # fmt: skip
    assert found.start == datetime(1985, 1, 1, 20, 51, 46)
    assert "is no label" in messages(found.findings)
    path, _ = written(tmp_path, found, "nsrr")
    assert read_labels(path).labels == found.labels
    mapped, _ = apply_mapping(found, load_mapping("aasm_from_rk"))
    assert [x.text for x in mapped.labels] == ["W", "SpO2 desaturation|SpO2 desaturation", "N3"]
    back, _ = apply_mapping(mapped, load_mapping("nsrr_from_aasm"))
    assert back.labels[2].text == "Stage 3 sleep|3"


def test_profusion_files_keep_stages_and_events(tmp_path: Path) -> None:
    found = table(tmp_path, PROFUSION, "a-profusion.xml")
    assert found.format == "profusion"
    assert rows(found) == [(0, 30, "0"), (30, 30, "5"), (35.5, 12, "Hypopnea")]
    assert found.labels[2].channel == "Airflow"
    path, _ = written(tmp_path, found, "profusion")
    assert read_labels(path).labels == found.labels
    assert "<SleepStage>5</SleepStage>" in path.read_text()
    gap = make_label_set([Label(0, 60, "2"), Label(90, 30, "5"), Label(95, 30, "1")])
    path, findings = written(tmp_path, gap, "profusion", epoch_s=30)
    assert rows(read_labels(path)) == [
        (0, 30, "2"), (30, 30, "2"), (60, 30, "9"), (90, 30, "5"), (95, 30, "1")
    ]  # fmt: skip
    said = messages(findings)
    assert "1 epoch without a label were written as '9'" in said
    assert "1 stage that do not fill" in said


def test_entity_bombs_and_broken_xml_are_refused_in_a_sentence(tmp_path: Path) -> None:
    entities = '<!ENTITY a "aa"><!ENTITY b "&a;&a;">'
    bomb = f"<!DOCTYPE x [{entities}]><PSGAnnotation>&b;</PSGAnnotation>"
    with pytest.raises(RecordingError, match=r"defines entities.*Export it again"):
        table(tmp_path, bomb, "a.xml")
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///x">]><PSGAnnotation>&a;</PSGAnnotation>'
    with pytest.raises(RecordingError, match="defines entities"):
        table(tmp_path, outside, "a.xml")
    with pytest.raises(RecordingError, match="not valid XML"):
        table(tmp_path, NSRR[:-20], "a.xml")
    with pytest.raises(RecordingError, match="its root is 'html'"):
        table(tmp_path, "<html/>", "a.xml")
    with pytest.raises(RecordingError, match=r"scored event 2.*Start 'noon'"):
        table(tmp_path, NSRR.replace("<Start>0</Start><Duration>1500", "<Start>noon</Start><Duration>1"), "a.xml")  # fmt: skip  # noqa: E501


# ---------------------------------------------------------------- Luna

ANNOT = """# N2 | stage two
# spindle | sleep spindle | amp[num] frq[num]
class\tinstance\tchannel\tstart\tstop\tmeta
N2\t.\t.\te:1\t.\t.
N2\t.\t.\te:2\te:3\t.
N2\t.\t.\te:20:10:4\t.\t.
spindle\ts-1\tC3\t12.25\t+0.75\t3.5|13
spindle\tfast\tC4\t0+00:02:00\t0+00:02:01.5\trater=AB|confidence=0.5|note="a|b=c"
arousal\t.\t.\t22:28:45\t22:28:50\t.
lights\t.\t.\t02-03-2024-00:00:15\t...\t.
lights_on\t.\t.\t06:00:00\t...\t.
"""


def test_luna_files_in_every_notation(tmp_path: Path) -> None:
    start = datetime(2024, 3, 1, 22, 28, 15)
    found = table(tmp_path, ANNOT, "a.annot", start=start, end_s=28_000)
    assert keys(found.labels) == keys(
        [
            Label(0, 30, "N2"), Label(30, 60, "N2"), Label(30, 20, "N2"),
            Label(12.25, 0.75, "spindle", "C3",
                  extra=(("instance", "s-1"), ("amp", "3.5"), ("frq", "13"))),
            Label(120, 1.5, "spindle", "C4", "AB", 0.5,
                  (("instance", "fast"), ("note", "a|b=c"))),
            Label(30, 5, "arousal"), Label(5520, 21585, "lights"), Label(27105, 895, "lights_on"),
        ]
    )  # fmt: skip
    path, findings = written(tmp_path, replace(found, start=None), "luna")
    assert keys(read_labels(path).labels) == keys(found.labels)
    assert not findings
    old = table(tmp_path, "N2 0 30\nN2 30 60\n", "b.annot")
    assert rows(old) == [(0, 30, "N2"), (30, 30, "N2")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a\t.\t.\t5\t4\t.", "line 1: the stop '4' lies before"),
        ("a\t.\t.\tx\t4\t.", "line 1: the start 'x'"),
        ("a\t.\t.\t1\tx\t.", "line 1: the stop 'x'"),
        ("a\t.\t.\te:0\t.\t.", "epochs counted from 1"),
        ("a\t1", "2 columns"),
        ("a\t.\t.\t22:00:00\t+1\t.", "--start"),
    ],
)
def test_a_luna_file_that_cannot_be_read_says_where(row, reason, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=reason):
        table(tmp_path, row + "\n", "a.annot")


def test_what_luna_cannot_hold_is_said(tmp_path: Path) -> None:
    path, findings = written(tmp_path, NIGHT, "luna")
    assert "1 label before it were left out" in messages(findings)
    assert len(read_labels(path)) == len(NIGHT) - 1
    _, findings = written(tmp_path, make_label_set([Label(0, 1, "#a\tb\nc")]), "luna")
    assert "no tabs, line breaks" in messages(findings)
    odd = make_label_set([Label(0, 1, "a", extra=(("Epoch No.", "1"),))])
    path, findings = written(tmp_path, odd, "luna")
    assert "written with _: 'Epoch No.'" in messages(findings)
    assert "line breaks" not in messages(findings)
    assert read_labels(path).labels[0].extra == (("Epoch_No.", "1"),)


# ---------------------------------------------------------------- epochs


def test_epochs_say_what_does_not_fit(tmp_path: Path) -> None:
    labels = make_label_set(
        [Label(10, 60, "W"), Label(15, 3, "arousal"), Label(100, 30, "N2"), Label(100, 30, "again")]
    )
    path, findings = written(tmp_path, labels, "epochs", epoch_s=30)
    assert path.read_text() == "W\nW\n?\nN2\n"
    said = messages(findings)
    assert "2 labels that do not fill whole epochs" in said
    assert "'arousal', 'again'" in said
    assert "1 epoch without a label were written as '?'" in said
    assert "an epoch of 30 s and an offset of 10 s" in said
    found = read_labels(path, epoch_s=30, offset_s=10)
    assert rows(found)[3] == (100, 30, "N2")
    assert rows(table(tmp_path, "W\n\nR\n\n\n", "b.txt", epoch_s=20)) == [
        (0, 20, "W"),
        (40, 20, "R"),
    ]


# ---------------------------------------------------------------- files as a whole


def test_the_content_counts_where_the_ending_says_otherwise(tmp_path: Path) -> None:
    found = table(tmp_path, NSRR, "a.csv")
    assert found.format == "nsrr"
    assert "it was read as the latter" in messages(found.findings)
    assert table(tmp_path, ANNOT.split("arousal")[0], "a.txt").format == "luna"
    path = tmp_path / "b.txt"
    write_labels(path, NIGHT, "edf")
    assert read_labels(path).format == "edf"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a_events.tsv", "a.annot"])
def test_an_empty_file_holds_no_labels(name, tmp_path: Path) -> None:
    found = table(tmp_path, "", name)
    assert len(found) == 0
    assert found.findings


def test_files_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(RecordingError, match="cannot be read"):
        read_labels(tmp_path)
    with pytest.raises(RecordingError, match="name its format"):
        table(tmp_path, "", "a.bin")
    with pytest.raises(RecordingError):
        table(tmp_path, "", "a.edf")
    with pytest.raises(RecordingError, match="not valid XML"):
        table(tmp_path, "", "a.xml")
    (tmp_path / "a.csv.gz").write_bytes(b"onset,label\n")
    with pytest.raises(RecordingError, match="cannot be read"):
        read_labels(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", NSRR),
        ("b.xml", PROFUSION),
        ("c.annot", ANNOT),
        ("d.csv", "time,end,label\n22:29:00,22:30:00,x\n2024-03-01T22:00:00Z,,y\n7,8,z\n"),
        ("e_events.tsv", "onset\tduration\ttrial_type\n1.5\tn/a\tx\n2\t3\ty\n"),
        ("f.txt", "[H]\n1\n\n2\n"),
    ],
)
def test_damaged_files_are_read_or_refused_but_never_a_bug(name, content, tmp_path) -> None:
    rng = np.random.default_rng(1)
    bits = ["\t", "\n", ",", ";", '"', "\0", "-", "e:", "1e9", "99:99:99", "...", "|", "<", "&",
            "+", "nan", "9999999999999", "12/31/2199 23:00", "#", "\udcff"]  # fmt: skip
    path = tmp_path / name
    for _ in range(60):
        text = content
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(text) + 1))
            cut = place + int(rng.integers(5))
            text = text[:place] + bits[rng.integers(len(bits))] + text[cut:]
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with contextlib.suppress(RecordingError):
            assert read_labels(path, epoch_s=30, start=START).format


def test_nothing_is_written_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.xyz: no format"):
        write_labels(tmp_path / "a.xyz", NIGHT)
    with pytest.raises(ConfigError, match="cannot be written as 'predictions'"):
        write_labels(tmp_path / "a.csv", NIGHT, "predictions")
    with pytest.raises(OutputError, match=r"cannot be written as CSV table: .*field limit"):
        write_labels(tmp_path / "a.csv", make_label_set([Label(0, 1, "x" * 200_000)]))
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_labels(tmp_path / "file" / "a.csv", NIGHT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_predictions_become_labels_with_their_confidence(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "start_s,end_s,fold,label,predicted,confidence,p_W,p_R,present,fragility\n"
        "0,30,1,W,W,0.900000,0.9,0.1,eeg,0.1\n30,60,1,R,,,,,,\n60,90,1,,R,0.6,0.4,0.6,eeg,\n",
    )
    assert found.format == "predictions"
    assert [(x.onset_s, x.text, x.confidence) for x in found.labels] == [
        (0, "W", 0.9), (60, "R", 0.6)
    ]  # fmt: skip
    assert "1 window without a prediction" in messages(found.findings)
    path, _ = written(tmp_path, found, "luna")
    assert read_labels(path).labels == found.labels


def test_numbers_are_plain_decimals() -> None:
    assert [decimal_text(x) for x in (0.0, -0.0, 1e-9, 30.0, 1e11, -5.5)] == [
        "0", "0", "0.000000001", "30", "100000000000", "-5.5"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="onset_s"):
        Label(float("nan"), 0, "x")
    with pytest.raises(ValueError, match="duration_s"):
        Label(0, -1, "x")


def test_a_set_can_be_moved_with_its_clock() -> None:
    moved = make_label_set([Label(1, 2, "a")], START).shifted(1.5)
    assert moved.labels[0].onset_s == 2.5
    assert moved.start == datetime(2024, 3, 1, 22, 30, 13, 750000)


# ---------------------------------------------------------------- mapping


def test_a_mapping_shows_what_became_of_each_text() -> None:
    labels = make_label_set(
        Label(30 * k, 30, text)
        for k, text in enumerate(["Sleep stage 4", "Sleep stage 4", "Movement time", "lights off"])
    )
    mapped, table = apply_mapping(labels, load_mapping("aasm_from_rk"))
    assert [(row.text, row.count, row.outcome) for row in table] == [
        ("Sleep stage 4", 2, "N3"), ("Movement time", 1, "unlabelled"),
        ("lights off", 1, "left as it is: not in the table"),
    ]  # fmt: skip
    assert [x.text for x in mapped.labels] == ["N3", "N3", "lights off"]
    assert "does not hold 1 text, left as written: 'lights off'" in messages(mapped.findings)


def test_every_mapping_preset_says_what_it_is_for() -> None:
    assert "aasm_from_rk" in mapping_names()
    for name in mapping_names():
        assert mapping_about(name).endswith(".")
        assert load_mapping(name)
    numbers = [k for k in load_mapping("aasm_from_rk") if k.strip("-").isdigit()]
    assert not numbers


def test_own_mappings_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text('{"about": "ours", "mapping": {"a": "b", "c": null}}', encoding="utf-8")
    assert read_mapping(str(path)) == {"a": "b", "c": None}
    for text, reason in (
        ('{"a": 1}', "must lead to a text or to null"),
        ("[1]", "JSON object"),
        ('{"a": "b", "a": "c"}', "stands twice"),
        ('{"mapping": {}, "mapings": {}}', "only 'about' may stand"),
        ("{", "not valid JSON, line 1"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=reason):
            read_mapping(str(path))
    with pytest.raises(ConfigError, match="no mapping preset 'rk'; there are aasm_from_dreams"):
        read_mapping("rk")
    with pytest.raises(ConfigError, match="no such mapping file"):
        read_mapping(str(tmp_path / "none.json"))


# ---------------------------------------------------------------- the run file

RUN = {"recordings": {"sources": [{"pattern": "{subject}.edf"}]}, "windows": {"length_s": 30}}


def test_a_run_file_may_name_a_mapping_preset() -> None:
    labels = {
        "kind": "annotations",
        "mapping": "aasm_from_rk",
        "classes": ["W", "N1", "N2", "N3", "R"],
    }
    config = make_config({**RUN, "labels": labels})
    assert isinstance(config.labels, AnnotationLabels)
    assert config.labels.mapping == load_mapping("aasm_from_rk")
    with pytest.raises(ConfigError, match=r"labels\.mapping: there is no mapping preset 'aasm'"):
        make_config({**RUN, "labels": {"kind": "annotations", "mapping": "aasm"}})
    with pytest.raises(ConfigError, match="mapping leads to R, which is not in classes"):
        make_config({**RUN, "labels": {**labels, "classes": ["W", "N1", "N2", "N3", "REM"]}})
    with pytest.raises(ConfigError, match="did you mean 'pattern'"):
        make_config({**RUN, "labels": {"kind": "file", "patern": "x"}})


def test_every_format_can_be_named_in_a_run_file() -> None:
    for format in FORMATS:
        FileLabels(kind="file", pattern="x", format=format)


def test_a_file_of_any_format_labels_a_recording(tmp_path: Path) -> None:
    (tmp_path / "s1-nsrr.xml").write_text(NSRR)
    config = FileLabels(kind="file", pattern="{subject}-nsrr.xml", mapping="aasm_from_rk")
    recording = make_recording(
        MemoryFile({"a": (1.0, np.zeros(1600))}), subject="s1", fields={"subject": "s1"}
    )
    track = LabelReader(config, tmp_path).read(recording)
    assert track.names == ("Wake|0", "SpO2 desaturation|SpO2 desaturation", "Stage 4 sleep|4")
    labels = window_labels(track, np.array([30.0, 1500.0]), 30.0, ["W", "N3"], config)
    assert labels.tolist() == [0, 1]
    missing = make_recording(MemoryFile({"a": (1.0, np.zeros(9))}), fields={"subject": "s2"})
    none = LabelReader(config, tmp_path).read(missing)
    assert "s2-nsrr.xml. The recording is unlabelled" in messages(none.findings)


def test_raters_and_clock_times_of_a_file_reach_the_track(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "time,duration,label,rater\n1970-01-01 00:16:40,5,A,XY\n1970-01-01 00:16:50,5,B,QR\n"
    )
    recording = make_recording(MemoryFile({"a": (1.0, np.zeros(100))}), start_s=990.0)
    config = FileLabels(kind="file", pattern="a.csv")
    track = LabelReader(config, tmp_path).read(recording)
    assert track.onsets_s.tolist() == [10, 20]
    assert track.rater == "XY, QR"
    with pytest.raises(RecordingError, match=r"clock times, but the recording has no clock"):
        LabelReader(config, tmp_path).read(make_recording(MemoryFile({"a": (1.0, np.zeros(9))})))
    one = LabelReader(config.model_copy(update={"rater": "QR"}), tmp_path).read(recording)
    assert (one.onsets_s.tolist(), one.rater) == ([20], "QR")
    none = LabelReader(config.model_copy(update={"rater": "Z"}), tmp_path).read(recording)
    assert "no labels of rater 'Z', only of XY, QR" in messages(none.findings)


def test_an_edf_file_of_labels_is_laid_by_its_clock(tmp_path: Path) -> None:
    labels = make_label_set([Label(0, 30, "A")], datetime(2024, 1, 1, 0, 0, 10))
    write_labels(tmp_path / "a.edf", labels)
    begin = datetime.fromisoformat("2024-01-01T00:00:00+00:00").timestamp()
    file = MemoryFile({"a": (1.0, np.zeros(100))})
    config = FileLabels(kind="file", pattern="a.edf")
    track = LabelReader(config, tmp_path).read(make_recording(file, start_s=begin))
    assert track.onsets_s.tolist() == [10]
    later = LabelReader(config, tmp_path).read(make_recording(file, start_s=begin + 9000))
    assert later.onsets_s.tolist() == [0]
    assert "outside the recording" in messages(later.findings)
    write_labels(tmp_path / "a.edf", replace(labels, start=None))
    track = LabelReader(config, tmp_path).read(make_recording(file, start_s=begin))
    assert track.onsets_s.tolist() == [0]
    assert not track.findings
