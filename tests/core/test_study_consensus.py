"""The consensus is the vote of several raters, kept as a rater of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import StudyError
from core.label_journal import LabelJournal
from core.progress import RunContext
from core.study import Study
from core.study_consensus import keep_consensus
from core.study_creation import create_study
from core.study_labels import make_grid
from core.study_plan import plan_from_run_file


@pytest.fixture
def study(small_study, tmp_path: Path) -> Iterator[Study]:
    plan = plan_from_run_file(small_study.run_file, tmp_path / "made")
    create_study(plan, RunContext())
    opened = Study.open(plan.folder)
    yield opened
    opened.close()


def rate(study: Study, name: str, text: str) -> None:
    """Labels by letter, one per epoch: r rest, w walk, . nothing."""
    entry = study.recordings()[0]
    grid = make_grid(entry.duration_s, study.scheme.epoch_s)
    journal = LabelJournal(study, entry, study.rater(name))
    for epoch, sign in enumerate(text):
        if sign != ".":
            state = {"r": "rest", "w": "walk"}[sign]
            journal.do(journal.labels.painted(*grid.span(epoch), state), state)


def said(study: Study, name: str) -> str:
    entry = study.recordings()[0]
    grid = make_grid(entry.duration_s, study.scheme.epoch_s)
    labels = study.labels(entry.id, study.rater(name).id)
    signs = []
    for epoch in range(8):
        state = labels.state_at(grid.span(epoch)[0])
        signs.append(state.class_name[0] if state else ".")
    return "".join(signs)


def test_most_votes_win_and_ties_stay_open(study: Study):
    rate(study, "A", "rrwwr.r.")
    rate(study, "B", "rwwwr.w.")
    rate(study, "C", "rwwr.r..")
    raters = [study.rater(name) for name in "ABC"]
    entry = study.recordings()[0]
    count = keep_consensus(study, entry, raters, "Consensus")
    assert said(study, "Consensus") == "rwwwr..."
    assert count == 5
    assert study.rater("Consensus").kind == "consensus"
    keep_consensus(study, entry, raters, "Consensus", tie="first", minimum=1)
    assert said(study, "Consensus") == "rwwwrrr."


def test_making_it_again_changes_nothing_and_can_be_taken_back(study: Study):
    rate(study, "A", "rrrr")
    rate(study, "B", "rrww")
    raters = [study.rater(name) for name in "AB"]
    entry = study.recordings()[0]
    keep_consensus(study, entry, raters, "Both")
    keep_consensus(study, entry, raters, "Both")
    journal = LabelJournal(study, entry, study.rater("Both"))
    assert len(journal.done) == 1
    journal.undo()
    assert said(study, "Both") == "........"


def test_it_takes_two_and_never_a_persons_name(study: Study):
    rate(study, "A", "rrrr")
    study.rater("B")
    raters = [study.rater(name) for name in "AB"]
    entry = study.recordings()[0]
    assert keep_consensus(study, entry, raters, "Both") == 0
    rate(study, "B", "rrrr")
    study.rater("C")
    for taken in ("a", "C"):
        with pytest.raises(StudyError):
            keep_consensus(study, entry, raters, taken)
