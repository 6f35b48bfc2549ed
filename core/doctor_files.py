"""The doctor's questions about folders, files and formats: everything is written and read back."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from core.doctor import Answer, Question
from core.doctor_machine import bytes_text
from core.errors import CrosslError
from core.file_system import is_network_folder
from core.scratch import scratch_folder
from core.unpack_cache import cache_folder
from core.user_folders import log_folder, settings_folder

FOLDERS, FORMATS = "Folders", "Files"
LITTLE_ROOM = 1 << 30

NEEDED_RESOURCES = (
    *("icons/crossl-app.svg", "help/index.md", "report/report.css", "report/template.html"),
    *("examples/stress_wristband.json", "sample_study/run.json", "sample_study/LICENSE"),
    *(f"sample_study/subject_{number:02}.csv.gz" for number in range(1, 11)),
    *("selftest/run.json", "selftest/gold.json"),
)
MODEL_PRESETS = ("fast", "recommended", "reference")


def questions() -> tuple[Question, ...]:
    return (
        Question(FOLDERS, "temporary files", partial(_folder, _temporary_folder)),
        # Without these the program works, and says what it could not keep.
        Question(FOLDERS, "settings", partial(_folder, settings_folder), essential=False),
        Question(FOLDERS, "cache", partial(_folder, cache_folder), essential=False),
        Question(FOLDERS, "logs", partial(_folder, log_folder), essential=False),
        Question(FORMATS, "program's own", _resources),
        Question(FORMATS, "EDF", _edf),
        Question(FORMATS, "CSV", _csv),
        Question(FORMATS, "weights", _weights),
        Question(FORMATS, "study file", _study_file),
    )


# ---------------------------------------------------------------- folders


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir())


def _folder(find: Callable[[], Path]) -> Answer:
    """Write a small file into a folder, read it, and take it away again."""
    folder = find()
    with _made(folder), tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"crossl-app")
        file.flush()
        file.seek(0)
        if file.read() != b"crossl-app":
            return Answer(f"{folder}: what is written is not what is read", "failed")
        free = shutil.disk_usage(folder).free
        shared = is_network_folder(folder)
    value = f"{folder}, can be written, {bytes_text(free)} free"
    figures = {"path": str(folder), "free_bytes": free, "network": shared}
    if free < LITTLE_ROOM:
        return Answer(value, "note", "There is little room: long recordings need more.", figures)
    if shared:
        return Answer(value, "note", "It lies on a network share, and is slower there.", figures)
    return Answer(value, figures=figures)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder, made for as long as it is looked at where it is not there."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in missing:
            try:
                place.rmdir()
            except OSError:  # somebody has put something into it meanwhile
                break


# ---------------------------------------------------------------- what the program brings along


def _resources() -> Answer:
    from core.config import load_model_preset
    from core.label_mapping import load_mapping, mapping_names
    from core.label_scheme import load_scheme, scheme_names
    from core.modalities import load_preset, preset_names

    home = files("resources")
    missing = [name for name in NEEDED_RESOURCES if not home.joinpath(name).is_file()]
    kinds = (mapping_names(), scheme_names(), preset_names())
    if missing or not all(kinds):
        what = ", ".join(missing) or "presets"
        return Answer(
            f"missing: {what}", "failed", "The installation is not whole: install it anew."
        )
    loaders: tuple[Callable[[str], object], ...] = (load_mapping, load_scheme, load_preset)
    for names, load in zip(kinds, loaders, strict=True):
        for name in names:
            load(name)
    for name in MODEL_PRESETS:
        load_model_preset(name)
    gzip.decompress(home.joinpath("sample_study/subject_01.csv.gz").read_bytes())
    json.loads(home.joinpath("selftest/gold.json").read_text("utf-8"))
    presets = len(MODEL_PRESETS) + sum(map(len, kinds))
    return Answer(f"all there, {presets} presets read", figures={"presets": presets})


# ---------------------------------------------------------------- formats


def _edf() -> Answer:
    """A generated file with two rates and annotations, written, read and compared."""
    from core.read_edf import open_edf
    from core.recording import Annotation
    from core.write_edf import EdfContents, EdfSignal, write_edf

    records, rates = 8, (256, 32)
    generator = np.random.default_rng(0)
    digital = [generator.integers(-2048, 2048, (records, rate)) for rate in rates]
    start = datetime(2024, 2, 29, 22, 30)
    notes = (Annotation(0.0, 4.0, "Sleep stage W"), Annotation(4.0, 4.0, "Sleep stage N1"))
    contents = EdfContents(
        start,
        1.0,
        np.arange(float(records)),
        tuple(
            EdfSignal(label, "uV", "-204.8", "204.7", -2048, 2047, rate)
            for label, rate in zip(("EEG C3-M2", "EMG chin"), rates, strict=True)
        ),
        lambda signal, record: digital[signal][record],
        notes,
    )
    with scratch_folder("doctor") as folder:
        path = folder / "generated.edf"
        write_edf(path, contents)
        size = path.stat().st_size
        file = open_edf(path)
        read = [file.read(k, 0, records * rate) for k, rate in enumerate(rates)]
        found = file.start, file.annotations, tuple(one.message for one in file.findings)
        del file  # Windows removes no file that is still mapped
    if found != (start, notes, ()):
        return Answer(f"a generated file was read differently: {found}", "failed")
    worst = max(
        float(np.abs(values - signal.ravel() / 10).max())
        for values, signal in zip(read, digital, strict=True)
    )
    if not worst < 1e-4:
        return Answer(f"a generated file was read with errors up to {worst:g} uV", "failed")
    return Answer(
        f"a generated file of {bytes_text(size)} was read as it was written",
        figures={"largest_error_uv": worst},
    )


def _csv() -> Answer:
    """A table with decimal commas and a compressed one, both read by the program's own reader."""
    from core.config import make_csv_config
    from core.read_csv import open_csv

    wanted = np.sin(np.arange(400) / 10).astype(np.float32)
    rows = [f"{k / 50:.2f};{value:.6f}".replace(".", ",") for k, value in enumerate(wanted)]
    text = "\n".join(["time_s;acc_x", *rows]) + "\n"
    config = make_csv_config(
        {
            "separator": ";",
            "decimal": ",",
            "time_column": "time_s",
            "time_unit": "s",
            "rate_hz": 50,
        },
        "csv",
    )
    with scratch_folder("doctor") as folder:
        plain, packed = folder / "table.csv", folder / "table.csv.gz"
        plain.write_text(text, encoding="utf-8")
        packed.write_bytes(gzip.compress(text.encode("utf-8")))
        for path in (plain, packed):
            file = open_csv(path, config)
            read = file.read(0, 0, len(wanted))
            label = file.channels[0].label
            del file
            if label != "acc_x" or not np.allclose(read, wanted, atol=1e-5):
                return Answer(f"{path.name}: a table was read differently", "failed")
    return Answer("tables with decimal commas, plain and compressed, were read as written")


def _weights() -> Answer:
    import torch

    from core.checkpoint import load_tensors, save_tensors

    wanted = torch.linspace(-1, 1, 7), torch.arange(5)
    with scratch_folder("doctor") as folder:
        path = folder / "weights.safetensors"
        save_tensors(path, {"weight": wanted[0], "count": wanted[1]}, {"seed": 1})
        tensors, state = load_tensors(path)
        same = state == {"seed": 1} and torch.equal(tensors["weight"], wanted[0])
        same = same and torch.equal(tensors["count"], wanted[1])
        del tensors
    if not same:
        return Answer("safetensors were not read as they were written", "failed")
    return Answer("safetensors were read as they were written")


def _study_file() -> Answer:
    """A study file with its lock and its log; a transaction is written and read by another."""
    from core.study_file import StudyFile

    with scratch_folder("doctor") as folder:
        study = StudyFile.create(folder / "study")
        try:
            with study.writing() as connection:
                connection.execute("create table doctor (value text)")
                connection.execute("insert into doctor values ('written')")
            try:
                with study.writing() as connection:
                    connection.execute("insert into doctor values ('rolled back')")
                    raise CrosslError("on purpose")
            except CrosslError:
                pass
            rows = study.read("select value from doctor")
        finally:
            study.close()
        again = StudyFile.open(folder / "study")
        try:
            kept = again.read("select value from doctor")
        finally:
            again.close()
    values = [[str(row[0]) for row in found] for found in (rows, kept)]
    if values != [["written"], ["written"]]:
        return Answer(f"a study file was read differently: {values}", "failed")
    return Answer(
        f"SQLite {sqlite3.sqlite_version}, a transaction was kept and one taken back",
        figures={"sqlite_version": sqlite3.sqlite_version},
    )
