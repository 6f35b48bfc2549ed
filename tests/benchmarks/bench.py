"""`make bench`: speed and memory as ratios, each measured side by side in one run, warm.

Prints the machine and a table, and writes `build/bench.json`: a list of {name, value, unit, aim,
met}. `value` and `met` are null where a figure cannot be measured on this system. Takes one to
four minutes on two free cores.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

# `python -P` leaves the script's own folder out.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_encoder
from bench_csv import csv_reading_over_duckdb, write_table
from bench_memory import memory_over_file_size
from bench_page import page_times
from bench_reading import reading_over_fromfile
from bench_subsets import subsets_over_plain
from figures import Figure, write_night

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def machine() -> str:
    """Cores, processor, load and versions that the figures were measured with."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    return (
        f"{cores} cores, {_processor()}{load}; {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def measure(say: Callable[[str], None]) -> list[Figure]:
    """All figures, in the table's order."""
    # Reading first: matrix work leaves memory behind that makes either side faster, by chance.
    with tempfile.TemporaryDirectory() as folder:
        say("simulating a night of 8 hours …")
        night = write_night(Path(folder) / "night.edf")
        say("reading …")
        reading = reading_over_fromfile(night, rounds=9)
        say("pages …")
        pages = page_times(night, rounds=9)
        say("memory …")
        memory = memory_over_file_size(night)
    say("encoders …")
    figures = bench_encoder.measure(rounds=3)
    say("subsets of modalities …")
    figures.append(subsets_over_plain(rounds=15))
    with tempfile.TemporaryDirectory() as folder:
        say("a long CSV file …")
        table = csv_reading_over_duckdb(write_table(Path(folder) / "table.csv"), rounds=3)
    return [*figures, reading, *pages, memory, table]


def show(figures: list[Figure], console: Console) -> None:
    table = Table("figure", "value", "aim", "met", "unit")
    table.columns[1].justify = "right"
    for row in figures:
        value = "–" if row["value"] is None else f"{row['value']:.2f}"
        met = {True: "yes", False: "no", None: "not measured"}[row["met"]]
        table.add_row(row["name"], value, row["aim"], met, row["unit"])
    console.print(table)


def main() -> None:
    # A pipe has no width of its own: long lines are then left whole.
    console = Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False)
    description = machine()
    console.print(description)
    started = time.perf_counter()
    figures = measure(lambda text: console.print(text, style="dim"))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    console.print(description)
    show(figures, console)
    console.print(f"{time.perf_counter() - started:.0f} s; written to {OUTPUT}")


if __name__ == "__main__":
    main()
