"""The next window of a kind is found in both directions, and none is skipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.window_navigation import KINDS, next_window, windows_of_kind
from core.window_view import WindowView

COUNT = 8


@pytest.fixture
def view() -> WindowView:
    """Window 1 is unsure, 3 and 4 differ from their labels, 5 is fragile, 6 is changed, 7 has no
    answer though something is present."""
    probabilities = np.tile(np.array([0.9, 0.1], np.float32), (COUNT, 1))
    probabilities[1] = (0.55, 0.45)
    probabilities[6] = (0.1, 0.9)
    probabilities[7] = np.nan
    labels = np.zeros(COUNT, np.int64)
    labels[[3, 4]] = 1
    labels[[6, 7]] = -1
    fragility = np.zeros(COUNT, np.float32)
    fragility[5] = 0.5
    fragility[7] = np.nan
    return WindowView(
        starts_s=np.arange(COUNT) * 2.0,
        ends_s=np.arange(COUNT) * 2.0 + 2.0,
        length_s=2.0,
        classes=("a", "b"),
        modalities=("eeg", "emg"),
        probabilities=probabilities,
        full=np.zeros(COUNT, np.int64),
        labels=labels,
        present=np.ones((COUNT, 2), bool),
        fragility=fragility,
        shapley=np.zeros((COUNT, 2), np.float32),
        held_out=np.ones(COUNT, bool),
        kept=(0,),
    )


@pytest.mark.parametrize(
    ("which", "limit", "rows"),
    [
        ("unsure", 0.6, [1]),
        ("unsure", 0.5, []),
        ("differs", 0.0, [3, 4]),
        ("fragile", 0.5, [5]),
        ("fragile", 0.51, []),
        ("changed", 0.0, [6, 7]),
    ],
)
def test_windows_of_each_kind(view: WindowView, which: str, limit: float, rows: list[int]) -> None:
    assert np.flatnonzero(windows_of_kind(view, which, limit)).tolist() == rows


def test_one_walks_to_each_window_of_a_kind_and_back(view: WindowView) -> None:
    def walk(row: int, by: int) -> list[int]:
        found = []
        while (there := next_window(view, row, by, "differs", 0.0)) is not None:
            found.append(row := there)
        return found

    assert walk(-1, 1) == [3, 4]
    assert walk(COUNT, -1) == [4, 3]
    assert walk(3, 1) == [4]
    assert walk(3, -1) == []


def test_several_windows_at_once(view: WindowView) -> None:
    assert next_window(view, 0, 2, "differs", 0.0) == 4
    assert next_window(view, 7, -2, "differs", 0.0) == 3
    assert next_window(view, 0, 3, "differs", 0.0) is None
    assert next_window(view, 7, -3, "differs", 0.0) is None


def test_unsure_windows_do_not_differ_from_their_label(view: WindowView) -> None:
    strict = replace(view, threshold=0.95)
    assert next_window(strict, -1, 1, "differs", 0.0) is None


def test_what_leads_nowhere_is_refused(view: WindowView) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        next_window(view, 0, 0, "differs", 0.0)
    with pytest.raises(ValueError, match="unsure"):
        next_window(view, 0, 1, "odd", 0.0)
    for which in KINDS:
        next_window(view, 0, 1, which, 0.5)


def test_without_windows_there_is_no_next_one(view: WindowView) -> None:
    empty = replace(
        view,
        **{
            name: getattr(view, name)[:0]
            for name in ("starts_s", "ends_s", "probabilities", "full", "labels", "present")
        },
        fragility=view.fragility[:0],
    )
    for which in KINDS:
        assert next_window(empty, -1, 1, which, 0.5) is None
