"""Windows laid on columns of pixels: none is lost, and what a column shows is the mean over it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QRectF

from ui.epoch_layer import View
from ui.window_lane import HATCH_PX, Cells, Columns, Picture, Totals, missing_rows


def make_columns(starts, ends, edges) -> Columns:
    return Columns(Cells(np.array(starts, float), np.array(ends, float)), np.array(edges, float))


def slow_means(cells: Cells, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The same second by second."""
    result = np.zeros((len(values), len(edges) - 1))
    for c, (low, high) in enumerate(pairwise(edges)):
        for k in range(len(cells)):
            shared = min(high, cells.ends_s[k]) - max(low, cells.starts_s[k])
            result[:, c] += max(shared, 0.0) * values[:, k] / (high - low)
    return result


def test_shares_are_means_over_time_whatever_the_zoom():
    rng = np.random.default_rng(0)
    starts = np.cumsum(rng.uniform(0.5, 3, 50))
    cells = Cells(starts, starts + rng.uniform(0.1, 0.5, 50))
    values = rng.uniform(0, 1, (3, 50))
    for edges in (np.linspace(-5, 120, 20), np.linspace(30, 32, 400), np.linspace(0, 90, 90)):
        found = Columns(cells, edges).shares(Totals(cells, values))
        np.testing.assert_allclose(found, slow_means(cells, values, edges), atol=1e-9)


def test_what_is_unknown_counts_as_nothing():
    cells = Cells(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    totals = Totals(cells, np.array([[np.nan, 4.0]]))
    assert Columns(cells, np.array([0.0, 2.0])).shares(totals).tolist() == [[2.0]]


def test_a_chosen_window_is_never_lost_and_two_pixels_wide():
    starts = np.arange(20_000.0)
    cells = Cells(starts, starts + 1)
    chosen = np.zeros(20_000, bool)
    chosen[[7, 5_003, 19_999]] = True
    there = Columns(cells, np.linspace(0, 20_000, 501)).any(chosen)
    runs = np.flatnonzero(np.diff(np.concatenate(([False], there, [False])).astype(int)) == 1)
    assert len(runs) == 3
    assert there.sum() in (5, 6)  # the last column has none behind it


def test_crowded_columns_show_what_most_windows_have():
    columns = make_columns(range(10), range(1, 11), [0, 5, 10])
    codes = np.array([[0, 0, 1, 1, 1, -1, -1, -1, 2, 2], [2] * 10])
    assert columns.leading(codes, 3).tolist() == [[1, -1], [2, 2]]
    values = np.array([[1.0, 1, 0, 0, np.nan, np.nan, 3, np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(columns.average(values), [[0.5, 3.0]])


def test_wide_windows_fill_their_columns_and_gaps_stay_empty():
    columns = make_columns([0, 6], [4, 10], np.arange(11))
    assert columns.pick.tolist() == [0, 0, 0, 0, -1, -1, 1, 1, 1, 1]
    assert columns.leading(np.array([[2, 0]]), 3)[0].tolist() == [2, 2, 2, 2, -1, -1, 0, 0, 0, 0]
    assert np.isnan(columns.average(np.array([[0.5, 0.7]]))[0]).tolist() == [
        False, False, False, False, True, True, False, False, False, False,
    ]  # fmt: skip


def test_a_narrow_window_between_the_middles_of_columns_is_shown():
    columns = make_columns([2.0], [2.1], [0, 1, 2, 3])
    assert columns.pick.tolist() == [-1, -1, 0]


def test_no_windows_make_empty_columns():
    columns = make_columns([], [], [0, 1, 2])
    cells = columns.cells
    assert columns.shares(Totals(cells, np.empty((2, 0)))).shape == (2, 2)
    assert not columns.any(np.empty(0, bool)).any()
    assert columns.leading(np.empty((1, 0), int), 3).tolist() == [[-1, -1]]
    assert np.isnan(columns.average(np.empty((1, 0)))).all()
    assert cells.near(3.0) is None


def test_the_nearest_window_is_found_in_gaps_too():
    cells = Cells(np.array([0.0, 10.0]), np.array([2.0, 12.0]))
    assert [cells.near(t) for t in (-5, 1, 4, 9, 11, 50)] == [0, 0, 0, 1, 1, 1]
    assert [cells.at(t) for t in (-5, 1, 4, 11, 12)] == [None, 0, None, 1, None]


@pytest.fixture
def picture() -> Picture:
    """Ten columns of a second, twelve pixels high; y from 0 down to -12."""
    return Picture(View((0.0, 10.0), (-12.0, 0.0), QRectF(0, 0, 10, 12)))


def test_parts_of_a_stack_lie_where_their_borders_say(picture: Picture):
    rows = picture.rows(0, -12, inset=1)
    borders = np.array([[0.0] * 10, [0.3] * 5 + [1.0] * 5, [1.0] * 10])
    where = np.arange(10) != 9
    picture.stack(rows, borders, [7, 8], where)
    assert picture.pixels[:, 0].tolist() == [0, *[7] * 3, *[8] * 7, 0]
    assert picture.pixels[:, 6].tolist() == [0, *[7] * 10, 0]
    assert not picture.pixels[:, 9].any()


def test_a_stack_that_adds_up_to_too_much_stays_in_its_row(picture: Picture):
    rows = picture.rows(0, -6)
    borders = np.array([[0.0] * 10, [1.4] * 10, [1.0] * 10])
    picture.stack(rows, borders, [7, 8], np.ones(10, bool))
    assert (picture.pixels[1:5] == 7).all()
    assert not picture.pixels[6:].any()


def test_hatching_slants_and_stays_in_its_columns(picture: Picture):
    where = np.arange(10) < 7
    picture.hatch(slice(0, 12), 5, where)
    lines = picture.pixels == 5
    assert not lines[:, 7:].any()
    for row in range(12):
        assert np.flatnonzero(lines[row]).tolist() == [
            c for c in range(7) if (c + row) % HATCH_PX == 0
        ]


def test_modalities_that_are_missing_together_share_a_row():
    present = np.ones((6, 4), bool)
    present[2] = False  # all
    present[4, 1] = False
    present[:, 3] = True
    rows = missing_rows(present, ("a", "b", "c", "d"), "no {names}")
    assert [(row.id, row.title) for row in rows] == [
        ("missing 0", "no a, c"),
        ("missing 1", "no b"),
    ]
    assert missing_rows(np.empty((0, 2), bool), ("a", "b"), "no {names}") == []
