"""The doctor's questions about program, machine and libraries."""

from __future__ import annotations

import locale
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import ZoneInfo

from core.build_info import build_info
from core.doctor import Answer, Question

PROGRAM, MACHINE, LIBRARIES = "Program", "Machine", "Libraries"
LITTLE_MEMORY = 2 << 30

NEEDED_LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy.signal",
    "scikit-learn": "sklearn.linear_model",
    "pyedflib": "pyedflib",
    "edfio": "edfio",
    "duckdb": "duckdb",
    "defusedxml": "defusedxml.ElementTree",
    "pydantic": "pydantic",
    "safetensors": "safetensors",
    "platformdirs": "platformdirs",
    "filelock": "filelock",
    "rich": "rich.console",
}
"""By distribution, a module that shows that its compiled part loads. torch has questions of its
own."""

TOLD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "TMPDIR", "TEMP"),
)
"""Environment variables that explain odd behaviour; those of the program and of Qt beside them."""


def questions() -> tuple[Question, ...]:
    return (
        Question(PROGRAM, "version", _version),
        Question(PROGRAM, "Python", _python),
        Question(PROGRAM, "environment", _environment, essential=False),
        Question(MACHINE, "system", _system, essential=False),
        Question(MACHINE, "processor", _processor, essential=False),
        Question(MACHINE, "memory", _memory, essential=False),
        Question(MACHINE, "text encoding", _encoding, essential=False),
        Question(MACHINE, "time zones", _time_zones, essential=False),
        *(
            Question(LIBRARIES, name, partial(_library, name, module))
            for name, module in NEEDED_LIBRARIES.items()
        ),
        Question(LIBRARIES, "umap-learn", _umap, essential=False),
    )


def bytes_text(count: float) -> str:
    """Such as `7.6 GB`, in powers of 1000 as disks and memory are sold."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


# ---------------------------------------------------------------- program


def _version() -> Answer:
    build = build_info()
    return Answer(build.title(), figures={"torch_variant": build.torch_variant})


def _python() -> Answer:
    bits = 64 if sys.maxsize > 2**32 else 32
    return Answer(
        f"{platform.python_version()}, {bits} bit, {sys.executable or 'unknown place'}",
        figures={"version": platform.python_version(), "bits": bits},
    )


def _environment() -> Answer:
    told = {
        name: value
        for name, value in sorted(os.environ.items())
        if name in TOLD_VARIABLES or name.startswith(("CROSSL_", "QT_", "QSG_"))
    }
    text = ", ".join(f"{name}={value}" for name, value in told.items())
    return Answer(text or "no variable is set that changes the program", figures=told)


# ---------------------------------------------------------------- machine


def _system() -> Answer:
    name = platform.platform()
    if sys.platform.startswith("linux"):
        with suppress(OSError, KeyError):  # small containers lack the file
            name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {name}"
    return Answer(name, figures={"system": platform.system(), "machine": platform.machine()})


def _processor() -> Answer:
    logical = os.cpu_count() or 1
    usable = logical
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    cores = f"{logical} cores" if logical != 1 else "1 core"
    if usable < logical:
        cores += f", of which this program may use {usable}"
    return Answer(
        f"{processor_name()}, {cores}",
        figures={"name": processor_name(), "cores": logical, "usable_cores": usable},
    )


def processor_name() -> str:
    """As the maker names it; the kind of processor where the system does not tell."""
    try:
        if sys.platform == "darwin":
            asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            told = subprocess.run(asked, capture_output=True, text=True, timeout=5).stdout
        elif sys.platform == "win32":
            import winreg

            place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
                told = str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
        else:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            told = next((ln.partition(":")[2] for ln in lines if ln.startswith("model name")), "")
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    return " ".join(told.split()) or platform.machine() or "unknown processor"


def _memory() -> Answer:
    # Three systems, three interfaces: psutil knows them all.
    import psutil

    memory = psutil.virtual_memory()
    answer = Answer(
        f"{bytes_text(memory.total)}, of which {bytes_text(memory.available)} are free",
        figures={"total_bytes": memory.total, "available_bytes": memory.available},
    )
    if memory.available >= LITTLE_MEMORY:
        return answer
    return Answer(
        answer.value,
        "note",
        "That is little: close other programs before long recordings are trained on.",
        answer.figures,
    )


def _encoding() -> Answer:
    files, texts = sys.getfilesystemencoding(), locale.getpreferredencoding(False)
    figures = {"file_names": files, "texts": texts}
    if files.lower().replace("-", "") == "utf8":
        return Answer(f"file names {files}, texts {texts}", figures=figures)
    return Answer(
        f"file names {files}, texts {texts}",
        "note",
        "File names with letters outside this encoding may not open: set LC_ALL=C.UTF-8.",
        figures,
    )


def _time_zones() -> Answer:
    advice = "Install the time zones of your system (tzdata): recordings that name a zone need them"
    try:
        summer = datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).utcoffset()
    except Exception as error:
        return Answer(f"there are none ({error})", "failed", f"{advice}.")
    if summer != timedelta(hours=2):
        return Answer(f"summer in Berlin is {summer} from UTC", "failed", f"{advice}.")
    return Answer(f"there; this machine's is {datetime.now().astimezone().tzname()}")


# ---------------------------------------------------------------- libraries


def _library(name: str, module: str) -> Answer:
    import_module(module)
    found = version(name)
    asked: dict[str, Callable[[], str]] = {"duckdb": _ask_duckdb}
    return Answer(f"{found}{asked[name]() if name in asked else ''}", figures={"version": found})


def _ask_duckdb() -> str:
    """Has duckdb work something out. Raises RuntimeError where the answer is wrong."""
    import duckdb

    with duckdb.connect(":memory:") as database:
        row = database.execute("select sum(x) from range(1, 11) as t(x)").fetchone()
    if row is None or int(row[0]) != 55:
        raise RuntimeError(f"the sum of 1 to 10 came out as {row}")
    return ", answers a query"


def _umap() -> Answer:
    """Never imported here: it takes seconds, and nothing needs it."""
    try:
        return Answer(version("umap-learn"))
    except PackageNotFoundError:
        return Answer("not installed; it only adds a second layout to the map of windows")
