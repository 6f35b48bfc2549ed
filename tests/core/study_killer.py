"""A program that labels as fast as it can, to be killed at any moment: see `test_study_kill.py`.

`python study_killer.py` serves: for every line `folder log seed options` on its input it forks a
worker, prints the worker's number, and prints `ended` when that is dead. Forking spares the start
of Python; the worker itself opens the study, so that locks and connections are its own.

A worker writes into `log`, without a buffer, before every step `will <step> <digest>` with what the
labels are going to be, and after it `did <step> <digest>`; what was said with `did` must never be
lost. Options: `share` takes the folder for a network share; `small` writes the log into the file
after every few pages, which is done seldom else; `keep` never does, nor closes the study.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from core import study_file
from core.errors import StudyError
from core.label_journal import LabelJournal
from core.study import Study
from core.study_labels import NS, Change, RecordingLabels

EPOCH = 30 * NS
EPOCHS = 40
RATER = "AB"


def digest(labels: RecordingLabels, undone: int, signed: bool) -> str:
    """What tells two states of labelling apart."""
    text = repr((sorted(labels, key=lambda label: label.id), undone, signed))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def digest_of(study: Study) -> str:
    """Digest of the first recording and rater, as the file has them."""
    recording, rater = study.recordings()[0].id, study.rater(RATER).id
    undone = sum(edit.state == "undone" for edit in study.edits(recording, rater, most=10**6))
    signed = study.signed_off(recording, rater) is not None
    return digest(study.labels(recording, rater), undone, signed)


def work(folder: Path, log: Path, seed: int, options: set[str]) -> None:
    """Label until killed."""
    if "share" in options:
        study_file.is_network_folder = lambda _: True
    rng = random.Random(seed)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    step = 0
    while True:
        study = Study.open(folder)
        if study.read_only:
            os.write(out, f"locked out: {study.why_read_only}\n".encode())
            os._exit(3)
        if "small" in options:
            study.file.connection.execute("PRAGMA wal_autocheckpoint=4")
        if "keep" in options:
            study.file.connection.execute("PRAGMA wal_autocheckpoint=0")
        journal = LabelJournal(study, study.recordings()[0], study.rater(RATER))
        for _ in range(10**9 if "keep" in options else rng.randint(1, 60)):
            for after in _step(journal, rng):
                os.write(out, f"will {step} {after}\n".encode())
            os.write(out, f"did {step} {digest_of_journal(journal)}\n".encode())
            step += 1
        study.close()


def digest_of_journal(journal: LabelJournal) -> str:
    """The digest by what memory says; a step that waits for the disk counts as lost."""
    if not journal.is_saved:
        raise StudyError(journal.problem)
    return digest(journal.labels, len(journal.undone), journal.signed_at is not None)


def _step(journal: LabelJournal, rng: random.Random) -> Iterator[str]:
    """Yield the digest to come, then take the step."""
    labels, undone = journal.labels, len(journal.undone)
    signed = journal.signed_at is not None
    draw = rng.random()
    if signed or draw < 0.02:
        yield digest(labels, undone, not signed)
        if signed:
            journal.reopen()
        else:
            journal.sign_off()
    elif draw < 0.2 and journal.done:
        change = journal.done[-1].change.reversed
        yield digest(labels.apply(change), undone + 1, False)
        journal.undo()
    elif draw < 0.35 and journal.undone:
        yield digest(labels.apply(journal.undone[0].change), undone - 1, False)
        journal.redo()
    else:
        change = _change(labels, rng)
        yield digest(labels.apply(change), 0 if change else undone, False)
        journal.do(change, "step")


def _change(labels: RecordingLabels, rng: random.Random) -> Change:
    start, length = rng.randrange(EPOCHS), rng.choice((1, 1, 1, 2, 5, EPOCHS))
    a, b = start * EPOCH, min(start + length, EPOCHS) * EPOCH
    draw = rng.random()
    if draw < 0.55:
        name = rng.choice(("W", "N1", "N2", "N3", "R"))
        return labels.painted(a, b, name, epoch_ns=EPOCH if rng.random() < 0.5 else None)
    if draw < 0.7:
        return labels.painted(a + rng.randrange(EPOCH), b, None)
    if draw < 0.8:
        return labels.with_mark(rng.randrange(b), rng.choice(("Lights off", "Lights on")))
    if draw < 0.9 and labels.events:
        event = rng.choice(labels.events)
        if rng.random() < 0.5:
            return labels.without(event.id)
        return labels.moved(event.id, event.start_ns, event.end_ns + rng.randrange(NS))
    return labels.with_event(a, b, "Arousal", rng.choice(("eeg", "")))


def serve() -> None:
    """Fork a worker for every line of the input."""
    for line in sys.stdin:
        folder, log, seed, *options = line.rstrip("\n").split("\t")
        worker = os.fork()
        if worker == 0:
            code = 4
            try:
                work(Path(folder), Path(log), int(seed), set(options))
            except BaseException as error:
                with open(log, "a", encoding="utf-8") as file:
                    file.write(f"failed: {error!r}\n")
            finally:
                os._exit(code)
        print(worker, flush=True)
        _, status = os.waitpid(worker, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else f"ended {status}", flush=True)


if __name__ == "__main__":
    serve()
