"""A program that is killed in the middle of labelling loses nothing that it had said was saved, and
leaves a study that is whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from core import study_file
from core.study import Study
from core.study_file import STUDY_FILE
from core.study_labels import make_recording_labels
from tests.core.study_example import make_study
from tests.core.study_killer import RATER, digest_of

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="kill -9, fork and SIGSTOP are there on POSIX alone"
)
PER_STUDY = 20
"""Kills of one study before a fresh one is taken: each finds what the last one left."""
LONGEST_S = 20.0
"""For a worker to say something. It takes milliseconds, but machines stall."""


class Killer:
    """The program that forks workers, and the one that works now."""

    def __init__(self, repository: Path) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-P", str(repository / "tests" / "core" / "study_killer.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(repository)},
        )
        self._worker = 0

    def start(self, folder: Path, log: Path, seed: int, *options: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write("\t".join((str(folder), str(log), str(seed), *options)) + "\n")
        self._program.stdin.flush()
        self._worker = int(self._answer())

    def stop(self) -> None:
        """Hold the worker where it is."""
        os.kill(self._worker, signal.SIGSTOP)
        # It is on its way to stop: its state tells when it has.
        while Path(f"/proc/{self._worker}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.0005)

    def go_on(self) -> None:
        os.kill(self._worker, signal.SIGCONT)

    def kill(self) -> None:
        os.kill(self._worker, signal.SIGKILL)
        assert self._answer() == "killed"

    def close(self) -> None:
        with suppress(ProcessLookupError):
            if self._worker:
                os.kill(self._worker, signal.SIGKILL)
        self._program.communicate(timeout=LONGEST_S)

    def _answer(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip()


@pytest.fixture
def killer(repository: Path) -> Iterator[Killer]:
    killer = Killer(repository)
    yield killer
    killer.close()


def told(log: Path) -> tuple[list[str], str | None, int]:
    """Digests that were said to be saved, the one that was begun after them, and how many steps."""
    did: list[str] = []
    begun = None
    if log.exists():
        for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
            assert line.startswith(("will ", "did ")), line
            if not line.endswith("\n"):
                continue  # cut off by the kill
            word, _, digest = line.split()
            if word == "will":
                begun = digest
            else:
                assert digest == begun
                did.append(digest)
                begun = None
    return did, begun, len(did)


def wait_for_steps(log: Path, steps: int) -> None:
    """Until a worker has said that it saved that many."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        if log.exists() and log.read_bytes().count(b"did ") >= steps:
            return
        time.sleep(0.001)
    pytest.fail(f"no {steps} steps within {LONGEST_S:g} s: {told(log)}")


def look_through(folder: Path) -> str:
    """Check that a study is whole, and that its edits lead to its labels; gives its digest."""
    study = Study.open(folder)
    try:
        assert not study.read_only, study.why_read_only
        connection = study.file.connection
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        recording, rater = study.recordings()[0].id, study.rater(RATER).id
        labels = study.labels(recording, rater)
        edits = study.edits(recording, rater, most=10**6)
        replayed = make_recording_labels(())
        for edit in edits:
            if edit.state == "done":
                replayed = replayed.apply(edit.change)
        assert replayed == labels
        for edit in edits:  # and what was undone can be redone
            if edit.state == "undone":
                replayed = replayed.apply(edit.change)
        counts = dict(connection.execute("SELECT action, count(*) FROM audit GROUP BY action"))
        kept = connection.execute("SELECT count(*) FROM edit").fetchone()[0]
        assert counts.get("edit", 0) == kept
        return digest_of(study)
    finally:
        study.close()


def template(folder: Path, share: bool) -> Path:
    """A study with its rater, closed."""
    study = make_study(folder / "study")
    study.rater(RATER)
    if share:
        study.file.connection.execute("PRAGMA journal_mode=DELETE")
    study.close()
    return folder / "study"


def kill_often(killer: Killer, folder: Path, kills: int, *options: str, seed: int = 0) -> None:
    """Kill a worker that often, each time at another moment, and look through what it left."""
    rng = random.Random(f"{seed} {options}")
    clean = template(folder / "clean", "share" in options)
    steps = lost = done = 0
    for number in range(kills):
        if number % PER_STUDY == 0:
            home = folder / f"home{number}"
            shutil.copytree(clean, home / "study")
            last = look_through(home / "study")
        log = folder / f"log{number}"
        killer.start(home / "study", log, seed * 1000 + number, *options)
        if rng.random() < 0.15:
            time.sleep(rng.uniform(0, 0.03))  # while it opens the study
        else:
            wait_for_steps(log, 1)
            time.sleep(rng.choice((0.0, rng.uniform(0, 0.005), rng.uniform(0, 0.06))))
        killer.kill()
        did, begun, count = told(log)
        steps += count
        saved = did[-1] if did else last
        last = look_through(home / "study")
        assert last in (saved, begun), (number, options, len(did))
        done += begun is not None and last == begun
        lost += begun is not None and last != begun
    print(f"{kills} kills, {steps} steps; cut short: {done} done, {lost} not")
    assert steps > kills
    assert done + lost > 0  # some kills met a step in the middle


@pytest.fixture(autouse=True)
def _share(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "share" in request.node.name:
        monkeypatch.setattr(study_file, "is_network_folder", lambda _: True)


@pytest.mark.parametrize(
    ("kills", "options"), [(30, ("local", "small")), (10, ("share",))], ids=["local", "share"]
)
def test_some_kills_in_the_middle_of_labelling_lose_nothing(
    killer: Killer, tmp_path: Path, kills: int, options: tuple[str, ...]
) -> None:
    kill_often(killer, tmp_path, kills, *options, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "options"),
    [(160, ("local",)), (160, ("local", "small")), (80, ("share",))],
    ids=["local", "local_small", "share"],
)
def test_hundreds_of_kills_in_the_middle_of_labelling_lose_nothing(
    killer: Killer, tmp_path: Path, kills: int, options: tuple[str, ...]
) -> None:
    kill_often(killer, tmp_path, kills, *options, seed=2)


# ---------------------------------------------------------------- power


def copy_of(folder: Path, target: Path) -> Path:
    """A study's file with what lies beside it, as a disk would have it after a crash."""
    target.mkdir(parents=True)
    for ending in ("", "-wal", "-journal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(folder / (STUDY_FILE + ending), target / (STUDY_FILE + ending))
    return target


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs to see a program stop")
@pytest.mark.parametrize("options", [("local", "small"), ("share",)], ids=["local", "share"])
def test_the_disk_is_whole_at_every_moment(
    killer: Killer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    rng = random.Random(3)
    folder = template(tmp_path, "share" in options)
    last = look_through(folder)
    log = tmp_path / "log"
    killer.start(folder, log, 3, *options)
    for number in range(25):
        wait_for_steps(log, 1)
        time.sleep(rng.uniform(0, 0.01))
        killer.stop()
        image = copy_of(folder, tmp_path / f"image{number}")
        did, begun, _ = told(log)
        killer.go_on()
        assert look_through(image) in (did[-1] if did else last, begun)
    killer.kill()


def test_a_log_that_the_disk_has_only_the_beginning_of_gives_an_earlier_state(
    killer: Killer, tmp_path: Path
) -> None:
    # What a power cut takes is the end of the log that was not flushed: here, any end of it.
    rng = random.Random(4)
    folder = template(tmp_path, share=False)
    before = look_through(folder)
    log = tmp_path / "log"
    killer.start(folder, log, 7, "keep")
    wait_for_steps(log, 40)
    killer.kill()
    image = copy_of(folder, tmp_path / "image")
    did, begun, _ = told(log)
    states = [before, *did, *([begun] if begun else [])]
    length = (image / (STUDY_FILE + "-wal")).stat().st_size
    places = set()
    for number in range(25):
        cut = copy_of(image, tmp_path / f"cut{number}")
        path = cut / (STUDY_FILE + "-wal")
        keep = rng.randrange(length)
        if rng.random() < 0.5:
            os.truncate(path, keep)
        else:  # its length was written, its content was not
            path.write_bytes(path.read_bytes()[:keep] + bytes(length - keep))
        found = look_through(cut)
        assert found in states
        places.add(found)
    assert len(places) > 3


def test_every_commit_is_flushed_before_it_returns(tmp_path: Path) -> None:
    # No test can pull the plug: that SQLite is told to flush is what can be seen.
    folder = template(tmp_path, share=False)
    study = Study.open(folder)
    assert study.file.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert study.file.connection.execute("PRAGMA fullfsync").fetchone() == (1,)
    study.close()
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
