"""Batch mode ends at a signal with what it has finished, and says so in its exit status."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from crossl_app.stop_signals import asked_to_end

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

PROGRAM = """
import os
import sys
from core.progress import RunContext
from crossl_app import batch, cli

begin = batch._run

def run(command, config, folder, report, context):
    told = []

    def take(progress):
        context.report(progress)
        if progress.stage == "fold 1: pretraining" and not told:
            told.append(progress)
            os.write(1, b"here\\n")  # a bar of progress takes what is printed
            sys.stdin.readline()
            os.write(1, f"asked to stop: {context.should_stop()}\\n".encode())
            sys.stdin.readline()

    return begin(command, config, folder, report, RunContext(take, context.should_stop))

batch._run = run
sys.exit(cli.run(sys.argv[1:]))
"""


def start(study: Any, output: Path, repository: Path, **streams: Any) -> subprocess.Popen[str]:
    """A batch run that waits in its second fold for two lines or the end of its input."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-c", PROGRAM),
            *("--batch", str(study.run_file), "--output", str(output)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        **streams,
    )
    assert process.stdout.readline() == "here\n", process.communicate()
    return process


def read_until(terminal: int, ended: int) -> None:
    """Read what is written to a terminal, which takes no more else, until the other end of `ended`
    is closed."""
    while True:
        ready, _, _ = select.select([terminal, ended], [], [])
        if ended in ready:
            return
        os.read(terminal, 65536)


def assert_interrupted(output: Path) -> None:
    report = json.loads((output / "report.json").read_text("utf-8"))
    assert (report["status"], report["error"]) == ("partial", "interrupted; say --resume to go on")
    assert (output / "checkpoints" / "fold-0.safetensors").is_file()
    assert not (output / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_keeps_what_is_finished(
    small_study, tmp_path: Path, repository: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    process = start(small_study, output, repository, stderr=subprocess.PIPE)
    process.send_signal(number)
    _, said = process.communicate("\n\n", timeout=120)
    assert process.returncode == 130, said
    assert "--resume goes on from there" in said
    assert_interrupted(output)


@pytest.mark.slow
def test_a_terminal_that_is_closed_does_not_break_the_end(
    small_study, tmp_path: Path, repository: Path
) -> None:
    output = tmp_path / "out"
    master, slave = os.openpty()
    reads, writes = os.pipe()
    reader = threading.Thread(target=read_until, args=(master, reads))
    reader.start()
    try:
        process = start(small_study, output, repository, stderr=slave)
    finally:
        os.close(writes)
        reader.join()
        for handle in (reads, slave, master):  # from here on every line is refused
            os.close(handle)
    for _ in range(2):  # the system and the shell both say it
        process.send_signal(signal.SIGHUP)
    process.communicate("\n\n", timeout=120)
    assert process.returncode == 130
    assert_interrupted(output)


@pytest.mark.slow
def test_a_second_sigterm_ends_at_once(small_study, tmp_path: Path, repository: Path) -> None:
    output = tmp_path / "out"
    process = start(small_study, output, repository, stderr=subprocess.PIPE)
    process.send_signal(signal.SIGTERM)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "asked to stop: True\n"
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=120)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM
    assert not (output / "report.json").exists()


def test_handlers_are_put_back_and_what_is_ignored_stays_so() -> None:
    def own(number: int, frame: object) -> None:
        raise AssertionError(number)

    before = signal.signal(signal.SIGTERM, own), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked: list[int] = []
        with asked_to_end(asked.append):
            os.kill(os.getpid(), signal.SIGHUP)
            assert asked == [], "nohup"
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked == [signal.SIGTERM]
            assert signal.getsignal(signal.SIGTERM) is own, "the next one ends at once"
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])


def test_in_another_thread_nothing_is_done() -> None:
    before = signal.getsignal(signal.SIGTERM)
    inside = []

    def work() -> None:
        with asked_to_end(lambda number: None):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


def test_where_it_has_to_the_system_ends_the_program_at_the_second() -> None:
    with asked_to_end(lambda number: None, hard=True):
        os.kill(os.getpid(), signal.SIGINT)
        for number in (signal.SIGINT, signal.SIGTERM):
            assert signal.getsignal(number) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
