"""A night's figures stand side by side, with their difference and what each term means."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QGuiApplication

from core.sleep_figures import sleep_figures
from ui.sleep_table import SleepTable

SIGNS = {"W": "W", "R": "R", "1": "N1", "2": "N2", "3": "N3", ".": None}
CLASSES = ("W", "R", "N1", "N2", "N3")


def night(text: str, off: float | None = None, on: float | None = None):
    return sleep_figures([SIGNS[s] for s in text], 30.0, off, on, classes=CLASSES)


LABELS = night("WWWW11222222WW2222RRRRWW", 30.0, 720.0)
PREDICTIONS = night("WWWW12222222W22222R1RRWW", 30.0, 720.0)


@pytest.fixture
def table(qtbot) -> SleepTable:
    made = SleepTable()
    qtbot.addWidget(made)
    made.set_figures(LABELS, PREDICTIONS, ("Labels by AB", "First run"))
    made.show()
    return made


def line(table: SleepTable, title: str) -> list[str]:
    return next(row[1:] for row in table.figures.texts() if row[0] == title)


def test_figures_stand_side_by_side_with_their_difference(table: SleepTable) -> None:
    assert line(table, "Total sleep time (TST)") == ["8.0 min", "8.5 min", "+0.5 min"]
    assert line(table, "Wake after sleep onset (WASO)") == ["2.0 min", "1.5 min", "−0.5 min"]
    assert line(table, "Awakenings") == ["1", "1", "0"]
    assert line(table, "Sleep efficiency") == ["69.6 %", "73.9 %", "+4.3 points"]
    assert line(table, "Without a stage") == ["0.0 min", "0.0 min", "0.0 min"]


def test_latencies_name_what_they_start_from(table: SleepTable) -> None:
    assert line(table, "Sleep latency, from lights off") == ["1.5 min", "1.5 min", "0.0 min"]
    assert line(table, "REM latency, from sleep onset")[0] == "7.0 min"
    assert line(table, "REM latency, from lights off")[0] == "8.5 min"
    table.set_figures(night("WW22"), None)
    assert line(table, "Sleep latency, from recording start")[0] == "1.0 min"
    assert "Lights off is not marked" in table.says.text()


def test_every_term_is_defined_in_its_tooltip(table: SleepTable) -> None:
    tips = [table.figures.item(row, 0).toolTip() for row in range(table.figures.rowCount())]
    assert len(set(tips)) == len(tips)
    assert sum("AASM" in tip for tip in tips) >= 5
    assert all(len(tip) > 25 for tip in tips)


def test_stages_have_time_and_share(table: SleepTable) -> None:
    rows = {row[0]: row[1:] for row in table.stages.texts()}
    assert list(rows) == list(CLASSES)
    assert rows["R"] == ["2.0", "25.0", "1.5", "17.6", "−0.5", "−7.4"]
    assert rows["W"][1] == "–", "wake is no share of sleep"
    assert rows["N3"] == ["0.0", "0.0", "0.0", "0.0", "0.0", "0.0"]
    assert table.stages.horizontalHeaderItem(1).text() == "Labels by AB, min"


def test_one_side_alone_has_no_difference(table: SleepTable) -> None:
    table.set_figures(None, PREDICTIONS)
    assert line(table, "Total sleep time (TST)") == ["–", "8.5 min", "–"]
    assert "no labels" in table.says.text()
    assert [table.figures.horizontalHeaderItem(k).text() for k in (1, 2)] == [
        "Labels",
        "Predictions",
    ]


def test_without_figures_only_words_are_there(table: SleepTable) -> None:
    table.set_figures(None, None)
    assert not table.figures.isVisible()
    assert not table.stages.isVisible()
    assert "neither" in table.says.text()


def test_undefined_figures_are_dashes(table: SleepTable) -> None:
    table.set_figures(night("WWWW"), night("...."))
    assert line(table, "Sleep latency, from recording start") == ["–", "–", "–"]
    assert line(table, "Total sleep time (TST)") == ["0.0 min", "–", "–"]
    assert "may in truth be higher" in table.says.text()


def test_tables_are_copied_as_text(table: SleepTable) -> None:
    table.figures.copy_action.trigger()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("Figure\tLabels by AB\tFirst run\tDifference\n")
    assert "\nAwakenings\t1\t1\t0\n" in text
    assert "R\t2.0\t25.0\t1.5\t17.6\t−0.5\t−7.4" in table.as_lines()
