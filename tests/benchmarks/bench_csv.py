"""Reading a long CSV file over what duckdb needs alone to return the same columns.

3 million rows of 12 columns: time and eleven signals. Ours: from opening the file, with all
guessing, to samples on an even grid. Theirs: one query with the dialect and the types given that
returns the same columns as numpy arrays. The file lies in the page cache.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import duckdb
import numpy as np
from bench_encoder import side_by_side
from figures import Figure, at_most

from core.config import CsvConfig
from core.read_csv import open_csv

ROWS = 3_000_000
SIGNALS = 11
RATE_HZ = 100.0


def write_table(path: Path, rows: int = ROWS) -> Path:
    """A table with a time in seconds and eleven signals with four decimals."""
    rng = np.random.default_rng(1)
    names = [f"s{number}" for number in range(SIGNALS)]
    block = 100_000
    # One thread, or string_agg mixes the rows.
    with duckdb.connect(config={"threads": 1}) as connection, path.open("w") as stream:
        stream.write(",".join(["time", *names]) + "\n")
        for start in range(0, rows, block):
            count = min(block, rows - start)
            table = {"time": (start + np.arange(count)) / RATE_HZ}
            table |= {name: rng.normal(scale=50, size=count) for name in names}
            connection.register("samples", table)
            line = "concat_ws(',', " + ", ".join(
                [r"printf('%.2f', time)", *(rf"printf('%.4f', {name})" for name in names)]
            ) + ")"  # fmt: skip
            text = connection.execute(
                f"SELECT string_agg({line}, chr(10)) FROM samples"
            ).fetchall()[0]
            connection.unregister("samples")
            stream.write(text[0] + "\n")
    return path


def read_ours(path: Path) -> int:
    file = open_csv(path, CsvConfig())
    return sum(channel.samples for channel in file.channels)


def read_theirs(path: Path) -> int:
    types = {"time": "DOUBLE"} | {f"s{number}": "FLOAT" for number in range(SIGNALS)}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    query = f"SELECT * FROM read_csv(?, delim=',', header=true, columns={{{columns}}})"
    with duckdb.connect() as connection:
        return len(connection.execute(query, [str(path)]).fetchnumpy())


def csv_reading_over_duckdb(path: Path, rounds: int) -> Figure:
    times = side_by_side(lambda: read_ours(path), lambda: read_theirs(path), rounds)
    ratio = statistics.median(ours / theirs for ours, theirs in times)
    return at_most("csv_reading_over_duckdb", ratio, "s over s", 2.0)
