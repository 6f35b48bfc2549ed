"""The pages under docs/ say what the program does.

The reference of the run file is written from the code: `python tests/test_docs.py` brings it up to
date. Meanings come from the settings' docstrings; those of keys without one are kept on the page.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal

import annotated_types
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402
from pydantic.fields import FieldInfo  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

from core.config import LabelsBase, RunConfig, dump_config, make_config  # noqa: E402
from core.progress import RunContext  # noqa: E402
from core.study_data import StudyData, load_study  # noqa: E402

DOCS = ROOT / "docs"
PAGE = DOCS / "run-file.md"
PAGES = sorted(DOCS.glob("*.md"))
BEGIN = "<!-- reference: written by tests/test_docs.py -->"
END = "<!-- end of the reference -->"
ROW = re.compile(r"\| `([^`]+)` \| (.*) \| (.*) \| (.*) \|")
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


# ---------------------------------------------------------------- writing the reference


def reference(meanings: dict[tuple[str, str], str]) -> str:
    """Tables of all keys; `meanings` by (section, key) for keys without a docstring."""
    return "\n\n".join(_table(path, model, meanings) for path, model in _sections()) + "\n"


def _sections() -> list[tuple[str, type[BaseModel]]]:
    """Every settings class with the place of its keys in a run file, parents first."""
    found: list[tuple[str, type[BaseModel]]] = [("The run file", RunConfig)]
    seen: set[type[BaseModel]] = {RunConfig}

    def walk(model: type[BaseModel], path: str) -> None:
        for key, field in _fields(model).items():
            below = f"{path}.{key}" if path else key
            for child in _models(field.annotation):
                if child in seen:
                    continue
                seen.add(child)
                if issubclass(child, LabelsBase) and LabelsBase not in seen:
                    seen.add(LabelsBase)
                    found.append((f"`{below}`, of every kind", LabelsBase))
                found.append((_title(below, child, field.annotation), child))
                walk(child, below + ("[]" if _in_list(field.annotation) else ""))

    walk(RunConfig, "")
    return found


def _title(path: str, model: type[BaseModel], annotation: Any) -> str:
    if issubclass(model, LabelsBase):
        return f'`{path}`, kind `"{typing.get_args(model.model_fields["kind"].annotation)[0]}"`'
    return f"`{path}[]`, each" if _in_list(annotation) else f"`{path}`"


def _table(path: str, model: type[BaseModel], meanings: dict[tuple[str, str], str]) -> str:
    doc = " ".join((model.__doc__ or "").split())
    lines = [f"### {path}", "", doc, "", "| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in _fields(model).items():
        meaning = _described(field) or meanings.get((path, key), "")
        cells = (f"`{key}`", _type(field.annotation, field.metadata), _default(field), meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys as a user writes them; those that all kinds of labels share stand apart."""
    shared = LabelsBase.model_fields if issubclass(model, LabelsBase) else {}
    return {
        field.alias or name: field
        for name, field in model.model_fields.items()
        if model is LabelsBase or name not in shared
    }


def _described(field: FieldInfo) -> str:
    """The docstring of a key, or else that of the settings it holds."""
    if field.description:
        return " ".join(field.description.split())
    models = _models(field.annotation)
    if len(models) == 1:
        return " ".join((models[0].__doc__ or "").split())
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value is PydanticUndefined:
        return "–"
    if isinstance(value, BaseModel):
        return "its own"
    if isinstance(value, list):
        value = [dump_config(v) if isinstance(v, BaseModel) else v for v in value]
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(annotation: Any, metadata: typing.Iterable[Any] = ()) -> str:
    """An annotation in words, without the None of what may be left out."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0], [*arguments[1:], *metadata])
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        parts = [_type(entry, metadata) for entry in arguments if entry is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if origin is list:
        return f"list of {_plural(_type(arguments[0]))}"
    if origin is tuple:
        return f"list of {len(arguments)} {_plural(_type(arguments[0]))}"
    if origin is dict:
        holds = _type(arguments[1])
        return f"object of {_plural(holds)}" + (" or null" if _nullable(arguments[1]) else "")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "object"
    return WORDS[annotation] + _bounds(metadata)


def _plural(text: str) -> str:
    if text.startswith("`"):
        return text
    head, space, rest = text.partition(" ")
    if head == "whole":
        return "whole numbers" + text.removeprefix("whole number")
    return head + "s" + space + rest


def _nullable(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _bounds(metadata: typing.Iterable[Any]) -> str:
    signs = {
        annotated_types.Gt: (">", "gt"),
        annotated_types.Ge: ("≥", "ge"),
        annotated_types.Lt: ("<", "lt"),
        annotated_types.Le: ("≤", "le"),
    }
    flat: list[Any] = []
    for entry in metadata:
        flat += entry.metadata if isinstance(entry, FieldInfo) else [entry]
    parts = [
        f"{signs[type(entry)][0]} {getattr(entry, signs[type(entry)][1]):g}"
        if getattr(entry, signs[type(entry)][1]) < 1e6
        else f"{signs[type(entry)][0]} 2³¹"
        for entry in flat
        if type(entry) in signs
    ]
    return (" " + ", ".join(parts)) if parts else ""


def _in_list(annotation: Any) -> bool:
    if typing.get_origin(annotation) is list:
        return True
    return any(_in_list(entry) for entry in typing.get_args(annotation))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for entry in typing.get_args(annotation) for model in _models(entry)]


# ---------------------------------------------------------------- reading pages


def split_page() -> tuple[str, str, str]:
    """The page before the reference, the reference, and the page after it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, _, after = rest.partition(END)
    return before, written, after


def kept_meanings(text: str) -> dict[tuple[str, str], str]:
    """Meanings by (section, key), as they stand in tables of a page."""
    meanings: dict[tuple[str, str], str] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
        elif found := ROW.fullmatch(line):
            meanings[section, found.group(1)] = found.group(4).replace("\\|", "|")
    return meanings


def keys_below(page: str, heading: str) -> list[str]:
    """First cells, in backticks, of the table below a heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, _, rest = text.partition(f"### {heading}\n")
    assert rest, f"{page} has no section '{heading}'"
    body = re.split(r"^#{1,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [
        key
        for line in body.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    ]


def examples() -> list[Any]:
    """Every JSON block of every page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"```json\n(.*?)```", text, re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block.group(1), id=f"{page.name}:{line}"))
    return found


# ---------------------------------------------------------------- the run file


def test_reference_of_the_run_file_is_what_the_code_says() -> None:
    _, written, _ = split_page()
    assert written.strip() == reference(kept_meanings(written)).strip(), (
        "docs/run-file.md is out of date: run `python tests/test_docs.py`"
    )


def test_every_key_of_the_run_file_has_a_meaning() -> None:
    _, written, _ = split_page()
    silent = [f"{section}: {key}" for (section, key), text in kept_meanings(written).items()
              if not text.strip()]  # fmt: skip
    assert not silent, f"write what these mean into docs/run-file.md: {silent}"


@pytest.mark.parametrize("text", examples())
def test_example_is_a_run_file_that_can_be_run(text: str) -> None:
    from core.find_recordings import field_names
    from core.modalities import AUTO, load_preset
    from core.pipeline import check_steps

    config = make_config(json.loads(text))
    check_steps(config)
    for source in config.recordings.sources:
        fields = field_names(source.pattern)
        assert set(source.values) <= set(fields)
    if isinstance(config.modalities, str) and config.modalities != AUTO:
        load_preset(config.modalities)


def test_pages_hold_examples_for_every_kind_of_labels() -> None:
    kinds = {
        config.labels.kind
        for config in (make_config(json.loads(example.values[0])) for example in examples())
        if config.labels is not None
    }
    assert kinds == {"annotations", "column", "table", "epochs", "field", "file"}


# ---------------------------------------------------------------- the examples at work


def example(name: str) -> Any:
    """The run file on the pages that has this name."""
    documents = [json.loads(found.values[0]) for found in examples()]
    return make_config(next(d for d in documents if d["name"] == name))


def write_csv(path: Path, header: str, rows: typing.Iterable[typing.Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_edf(
    path: Path, seconds: int, labels: typing.Sequence[str], annotations: typing.Sequence[Any] = ()
) -> None:
    """A short EDF+ with random signals at 128 Hz, or with annotations alone."""
    from edfio import Edf, EdfSignal

    rng = np.random.default_rng(1)
    signals = [
        EdfSignal(
            50 * rng.normal(size=seconds * 128), 128, label=name, physical_dimension="uV",
            physical_range=(-500, 500),
        )
        for name in labels
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    Edf(signals, annotations=annotations or None).write(path)


def read_study(name: str, root: Path) -> StudyData:
    config = example(name)
    entries: list[dict[str, Any]] = []
    data = load_study(config, root, root / "cache", entries, RunContext())
    assert {entry["status"] for entry in entries} <= {"ok", "excluded"}, entries
    return data


def labels_of(data: StudyData, recording: str) -> list[str]:
    """Classes of the windows of a recording, `-` where there is none."""
    prepared = next(entry for entry in data.recordings if entry.id == recording)
    return [data.classes[label] if label >= 0 else "-" for label in prepared.labels]


def test_wristband_example_joins_the_files_of_a_folder_and_the_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    start = 1_700_000_000
    for subject in ("S01", "S02"):
        for number, (signal, rate, columns) in enumerate(
            (("ACC", 32, 3), ("BVP", 64, 1), ("EDA", 4, 1), ("TEMP", 4, 1))
        ):
            values = 30 + rng.normal(size=(200 * rate, columns)).round(3)
            rows = [[rate] * columns, *values]
            header = ",".join([str(start + number)] * columns)
            write_csv(tmp_path / subject / f"{signal}.csv", header, rows)
        (tmp_path / subject / "tags.csv").write_text("", encoding="utf-8")
    # The recording starts with its last file, 3 s after the first.
    write_csv(tmp_path / "labels.csv", "participant,start,seconds,task", [
        ["P01", start + 3, 60, "baseline"], ["P01", start + 93, 90, "stroop"],
        ["P02", start + 3, 90, "break"],
    ])  # fmt: skip
    data = read_study("Stress, 40 wristbands", tmp_path)
    assert data.modalities == ("acc", "bvp", "eda", "temp")
    assert data.classes == ("rest", "stress")
    assert labels_of(data, "S01") == ["rest", "-", "-", "stress", "stress"]
    assert labels_of(data, "S02") == ["-"] * 5


def test_phone_and_watch_example_keeps_a_recording_without_a_watch(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    header = "timestamp,x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro"
    start = 1_700_000_000_000
    for subject, devices in (("s01", ("phone", "watch")), ("s02", ("phone",))):
        for device in devices:
            ahead = 1500 if device == "watch" else 0
            rows = [
                [start + ahead + 10 * k, *rng.normal(size=6).round(3)]
                + (["walk" if k < 500 else "sit"] if device == "phone" else [])
                for k in range(1000)
            ]
            path = tmp_path / subject / f"{subject}_1_{device}.csv"
            write_csv(path, header + (",activity" if device == "phone" else ""), rows)
    data = read_study("Phone and watch", tmp_path)
    both, alone = data.recordings
    assert both.duration_s == pytest.approx(10)  # the watch's clock was set right
    assert both.present_share["watch_acc"] == 1
    assert alone.present_share["watch_acc"] == 0
    assert labels_of(data, "s02_1") == ["walk"] * 4 + ["sit"] * 5


def test_nights_example_takes_the_hypnogram_beside_the_recording(tmp_path: Path) -> None:
    from edfio import EdfAnnotation

    channels = ("EEG C3-M2", "EOG E1-M2", "EMG chin", "ECG")
    write_edf(tmp_path / "nights" / "S01_1.edf", 150, channels)
    stages = ("Sleep stage ?", "Sleep stage W", "Sleep stage 4", "Sleep stage R")
    write_edf(tmp_path / "nights" / "S01_1-hyp.edf", 150, (), [
        EdfAnnotation(10 + 30 * k, 30, stage) for k, stage in enumerate(stages)
    ])  # fmt: skip
    data = read_study("Nights", tmp_path)
    assert [entry.id for entry in data.recordings] == ["S01_1"]
    assert data.modalities == ("eeg_central", "eog", "emg", "ecg")
    assert labels_of(data, "S01_1") == ["-", "W", "N3", "REM"]


def test_text_hypnogram_example_reads_one_stage_per_line(tmp_path: Path) -> None:
    write_edf(tmp_path / "S01.edf", 150, ("C3-M2", "E1-M2", "Chin"))
    (tmp_path / "S01.txt").write_text("0\n2\n4\n9\n5\n", encoding="utf-8")
    data = read_study("Nights with text hypnograms", tmp_path)
    assert labels_of(data, "S01") == ["W", "N2", "N3", "-", "REM"]


def test_archive_example_reads_the_scoring_as_xml(tmp_path: Path) -> None:
    write_edf(tmp_path / "edfs" / "S01.edf", 150, ("C3-M2", "E1-M2", "Chin"))
    (tmp_path / "annotations").mkdir()
    stages = ("Wake|0", "Stage 2 sleep|2", "Stage 4 sleep|4", "Unscored|9", "REM sleep|5")
    events = "".join(
        "<ScoredEvent><EventType>Stages|Stages</EventType>"
        f"<EventConcept>{stage}</EventConcept><Start>{30 * k}</Start><Duration>30</Duration>"
        "</ScoredEvent>"
        for k, stage in enumerate(stages)
    )
    (tmp_path / "annotations" / "S01-nsrr.xml").write_text(
        "<PSGAnnotation><EpochLength>30</EpochLength>"
        f"<ScoredEvents>{events}</ScoredEvents></PSGAnnotation>",
        encoding="utf-8",
    )
    data = read_study("Nights scored in an archive", tmp_path)
    assert labels_of(data, "S01") == ["W", "N2", "N3", "-", "R"]


def test_file_name_example_labels_whole_recordings(tmp_path: Path) -> None:
    channels = ("EEG Fp1", "EEG Fp2", "EEG F3", "EEG F4", "EEG C3", "EEG C4", "ECG ECG")
    for task in (1, 2):
        write_edf(tmp_path / f"Subject00_{task}.edf", 30, channels)
    data = read_study("Rest against sums", tmp_path)
    assert {entry.subject for entry in data.recordings} == {"Subject00"}
    assert labels_of(data, "00_1") == ["rest"] * 3
    assert labels_of(data, "00_2") == ["sums"] * 3


def test_exclusion_example_leaves_out_recordings_and_stretches(tmp_path: Path) -> None:
    for name in ("S07_1", "S12_2", "S15_1"):
        rows = [[k / 4, k % 7, k % 5, k % 3, "a" if k % 200 < 100 else "b"] for k in range(12000)]
        write_csv(tmp_path / f"{name}.csv", "time,acc_x,acc_y,gyro_x,task", rows)
    data = read_study("With exclusions", tmp_path)
    assert [entry.id for entry in data.recordings] == ["S12_2", "S15_1"]
    starts = data.recordings[0].starts_s
    assert len(starts) == 240
    assert not ((starts > 1790) & (starts < 2400)).any()


# ---------------------------------------------------------------- batch mode


def test_every_exit_status_is_explained() -> None:
    from crossl_app import exit_status

    numbers = {str(value) for name, value in vars(exit_status).items() if name.isupper()}
    assert set(keys_below("batch.md", "Exit status")) == numbers


def test_every_batch_option_is_explained() -> None:
    from crossl_app.cli import make_parser

    options = {
        option
        for group in make_parser()._action_groups
        if (group.title or "").startswith("batch")
        for action in group._group_actions
        for option in action.option_strings
    }
    written = " ".join(keys_below("batch.md", "Options"))
    assert {option for option in options if option not in written} == set()


@pytest.fixture(scope="module")
def report(finished_run: tuple[Any, Path]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((finished_run[1] / "report.json").read_text("utf-8"))
    return document


ONLY_SCORING = {"model"}
PARTS = {
    "The report": (),
    "Each of `recordings`": ("recordings", 0),
    "`evaluation`": ("evaluation",),
    "Each of `per_class`": ("evaluation", "per_class", "rest"),
    "Each of `per_subject`": ("evaluation", "per_subject", "s1"),
    "Each of `reliability`": ("evaluation", "reliability", 0),
    "Each of `label_efficiency`": ("evaluation", "label_efficiency", 0),
    "Each of `folds`": ("evaluation", "folds", 0),
    "Each of `opponents`": ("evaluation", "opponents", 0),
    "`robustness`": ("robustness",),
    "Each of `subsets`": ("robustness", "subsets", 0),
    "`worst_single_removal`": ("robustness", "worst_single_removal"),
    "Each of `least_loss_path`": ("robustness", "least_loss_path", 0),
    "Each of `pretraining.runs`": ("pretraining", "runs", 0),
    "Each of `epochs`": ("pretraining", "runs", 0, "epochs", 0),
}


@pytest.mark.parametrize("heading", PARTS)
def test_report_has_the_keys_that_the_page_explains(heading: str, report: dict[str, Any]) -> None:
    part: Any = report
    for key in PARTS[heading]:
        part = part[key]
    written = set(keys_below("batch.md", heading))
    if not PARTS[heading]:
        assert written >= ONLY_SCORING
        written -= ONLY_SCORING
    assert written == set(part)


def test_config_in_a_report_is_a_run_file(report: dict[str, Any]) -> None:
    assert dump_config(make_config(report["config"])) == report["config"]


def test_predictions_have_the_columns_that_the_page_explains(
    finished_run: tuple[Any, Path], report: dict[str, Any]
) -> None:
    table = finished_run[1] / "predictions" / "s1.csv"
    columns = table.read_text("utf-8").splitlines()[0].split(",")
    names = {"p_<class>": report["classes"], "shapley_<modality>": report["modalities"]}
    written = [
        column.partition("<")[0] + name if column in names else column
        for column in keys_below("batch.md", "Columns of the predictions")
        for name in names.get(column, [column])
    ]
    assert written == columns


# ---------------------------------------------------------------- all pages


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"{page.name}: {target}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.casefold()).replace(" ", "-")


def main() -> None:
    """Bring the reference up to date."""
    before, written, after = split_page()
    text = f"{before}{BEGIN}\n\n{reference(kept_meanings(written))}\n{END}{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
