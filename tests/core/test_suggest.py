"""Suggestions are unlike each other and unlike what is labelled, where the model is unsure."""

from __future__ import annotations

import numpy as np
import pytest

from core.progress import Cancelled, Progress, RunContext
from core.suggest import MOST_COMPARED, Places, suggest, two_likeliest, uncertainty


def blobs(*sizes: int, seed: int = 0, apart: float = 10.0) -> np.ndarray:
    """Clusters of these sizes along a line, one after the other; float32 (windows, 3)."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.arange(len(sizes)), sizes)
    rows = rng.normal(size=(len(centres), 3))
    rows[:, 0] += apart * centres
    return rows.astype(np.float32)


def nothing(count: int) -> np.ndarray:
    return np.zeros(count, bool)


def everything(count: int) -> np.ndarray:
    return np.ones(count, bool)


def sure_of(classes: np.ndarray, count: int = 3, share: float = 0.98) -> np.ndarray:
    """Probabilities of a model that is nearly sure of these classes."""
    found = np.full((len(classes), count), (1 - share) / (count - 1))
    found[np.arange(len(classes)), classes] = share
    return found


METHODS = ["uncertain_diverse", "uncertain", "random"]


# ---------------------------------------------------------------- what may be suggested


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("has_model", [False, True])
def test_only_what_is_allowed_present_and_unlabelled_is_suggested(method, has_model: bool) -> None:
    rng = np.random.default_rng(0)
    embedding = blobs(30, 30)
    embedding[rng.random(60) < 0.3] = np.nan
    labelled, allowed = rng.random(60) < 0.3, rng.random(60) < 0.6
    probabilities = rng.dirichlet(np.ones(3), 60) if has_model else None
    if probabilities is not None:
        probabilities[np.isnan(embedding).any(1)] = np.nan
    rows = suggest(embedding, probabilities, labelled, allowed, 60, method=method)
    may = allowed & ~labelled & np.isfinite(embedding).all(axis=1)
    assert sorted(rows.tolist()) == np.flatnonzero(may).tolist()
    assert rows.dtype == np.int64


@pytest.mark.parametrize("method", METHODS)
def test_no_two_suggestions_share_time(method) -> None:
    count = 100  # two recordings of 50 windows of 4 s, one every second
    places = Places(np.arange(count) // 50, np.arange(count) % 50 * 1.0, 4.0)
    rng = np.random.default_rng(1)
    rows = suggest(
        blobs(50, 50),
        rng.dirichlet(np.ones(3), count),
        nothing(count),
        everything(count),
        count,
        places=places,
        method=method,
    )
    assert len(rows) >= 14  # 7 suggestions at least fill 50 s so that nothing is left between
    for place, row in enumerate(rows):
        for other in rows[:place]:
            same = places.recording_index[row] == places.recording_index[other]
            assert not same or abs(places.starts_s[row] - places.starts_s[other]) >= 4


def test_windows_that_touch_do_not_overlap_whatever_the_rounding() -> None:
    starts = np.arange(40) * 0.1 * 3  # 0.30000000000000004 and the like
    places = Places(np.zeros(40, np.int64), starts, 0.3)
    rows = suggest(blobs(40), None, nothing(40), everything(40), 40, places=places)
    assert len(rows) == 40


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_is_left_nothing_is_suggested(method) -> None:
    assert len(suggest(blobs(5), None, everything(5), everything(5), method=method)) == 0
    assert len(suggest(blobs(5), None, nothing(5), nothing(5), method=method)) == 0
    empty = np.empty((0, 3), np.float32)
    assert len(suggest(empty, None, nothing(0), nothing(0), method=method)) == 0
    assert len(suggest(blobs(5), None, nothing(5), everything(5), 0, method=method)) == 0
    assert len(suggest(blobs(5), None, nothing(5), everything(5), 10, method=method)) == 5


@pytest.mark.parametrize("method", METHODS)
def test_windows_that_are_all_alike_are_suggested_too(method) -> None:
    rows = suggest(np.ones((6, 3), np.float32), None, nothing(6), everything(6), 4, method=method)
    assert len(set(rows.tolist())) == 4


# ---------------------------------------------------------------- which ones


def test_without_a_model_the_first_ones_are_typical_of_different_places() -> None:
    embedding = blobs(60, 30, 10)
    rows = suggest(embedding, None, nothing(100), everything(100), 3)
    cluster = np.repeat([0, 1, 2], [60, 30, 10])
    assert sorted(cluster[rows].tolist()) == [0, 1, 2]
    for row in rows:  # near the middle of its cluster, not an outlier
        own = embedding[cluster == cluster[row]]
        away = np.linalg.norm(own - own.mean(0), axis=1)
        assert np.linalg.norm(embedding[row] - own.mean(0)) <= np.quantile(away, 0.5)


def test_a_place_that_is_labelled_already_is_not_suggested_first() -> None:
    labelled = nothing(90)
    labelled[[0, 1, 2, 30, 31, 32]] = True
    rows = suggest(blobs(30, 30, 30), None, labelled, everything(90), 3)
    assert 60 <= rows[0] < 90


def test_of_two_unlabelled_places_the_one_the_model_is_unsure_of_comes_first() -> None:
    embedding = blobs(30, 30, 30)
    labelled = nothing(90)
    labelled[30:35] = True  # the middle
    for unsure in (0, 2):
        probabilities = sure_of(np.repeat([0, 1, 2], 30))
        probabilities[np.repeat([0, 1, 2], 30) == unsure] = [0.4, 0.35, 0.25]
        rows = suggest(embedding, probabilities, labelled, everything(90), 3)
        assert rows[0] // 30 == unsure


def test_ten_suggestions_do_not_pile_up_where_the_model_is_most_unsure() -> None:
    embedding = blobs(50, 50, 50)
    labelled = nothing(150)
    labelled[[0, 50, 100]] = True
    probabilities = sure_of(np.repeat([0, 1, 2], 50), share=0.8)
    probabilities[:50] = [0.34, 0.33, 0.33]
    piled = suggest(embedding, probabilities, labelled, everything(150), method="uncertain")
    spread = suggest(embedding, probabilities, labelled, everything(150))
    assert set(piled // 50) == {0}
    assert set(spread // 50) == {0, 1, 2}


def test_no_exchange_of_one_suggestion_would_make_them_worth_more() -> None:
    rng = np.random.default_rng(3)
    embedding = rng.normal(size=(300, 4)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(4), 300)
    labelled, allowed = rng.random(300) < 0.05, rng.random(300) < 0.8
    rows = suggest(embedding, probabilities, labelled, allowed, 6).tolist()

    pool = np.flatnonzero(allowed & ~labelled).tolist()
    weights = uncertainty(probabilities)[pool]
    apart = np.linalg.norm(embedding[:, None] - embedding[None], axis=2)[:, pool] ** 2.0
    before = apart[labelled].min(axis=0)

    def worth(some: list[int]) -> float:
        return float(((before - np.minimum(before, apart[some].min(axis=0))) * weights).sum())

    for place in range(len(rows)):
        others = rows[:place] + rows[place + 1 :]
        best = max(worth([*others, row]) for row in pool)
        assert best <= worth(rows) * (1 + 1e-5)
    # The first of them is worth most, and the next most beside it.
    assert worth(rows[:1]) == max(worth([row]) for row in rows)
    assert worth(rows[:2]) == pytest.approx(max(worth([rows[0], row]) for row in rows[1:]))


def test_uncertain_takes_the_smallest_margins_in_order() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.4, 0.4, 0.2], [0.6, 0.3, 0.1]])
    rows = suggest(blobs(4), probabilities, nothing(4), everything(4), 3, method="uncertain")
    assert rows.tolist() == [2, 1, 3]


def test_the_same_input_gives_the_same_rows_and_another_seed_other_random_ones() -> None:
    embedding, none, all_of = blobs(50, 50), nothing(100), everything(100)
    for method in METHODS:
        first, again = (suggest(embedding, None, none, all_of, method=method) for _ in range(2))
        assert np.array_equal(first, again)
    draws = {
        tuple(suggest(embedding, None, none, all_of, method="random", seed=seed))
        for seed in range(5)
    }
    assert len(draws) == 5


# ---------------------------------------------------------------- many windows, stopping


def test_of_very_many_windows_a_part_is_compared() -> None:
    count = 4 * MOST_COMPARED
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(count, 8)).astype(np.float32)
    labelled = nothing(count)
    labelled[: count // 8] = True
    allowed = rng.random(count) < 0.5
    rows = suggest(embedding, rng.dirichlet(np.ones(3), count), labelled, allowed)
    assert len(rows) == 10
    assert (allowed & ~labelled)[rows].all()


def test_a_few_windows_that_may_be_suggested_are_found_among_very_many_labelled_ones() -> None:
    count = 3 * MOST_COMPARED
    labelled = everything(count)
    labelled[[7, 70, 700]] = False
    embedding = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    rows = suggest(embedding, None, labelled, everything(count))
    assert sorted(rows.tolist()) == [7, 70, 700]


def test_it_shows_life_and_can_be_stopped() -> None:
    seen: list[Progress] = []
    embedding = blobs(300, 300)
    context = RunContext(report=seen.append)
    suggest(embedding, None, nothing(600), everything(600), 5, context=context)
    assert seen
    assert {step.stage for step in seen} == {"suggesting"}
    with pytest.raises(Cancelled):
        suggest(
            embedding, None, nothing(600), everything(600),
            context=RunContext(should_stop=lambda: True),
        )  # fmt: skip


# ---------------------------------------------------------------- figures


def test_uncertainty_is_what_the_margin_leaves() -> None:
    probabilities = np.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [np.nan, np.nan]])
    assert uncertainty(probabilities) == pytest.approx([0, 0.5, 1, 1])
    assert uncertainty(np.ones((2, 1))).tolist() == [1, 1]


def test_the_two_likeliest_classes_are_told() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.4, 0.2, 0.4], [np.nan] * 3])
    assert two_likeliest(probabilities).tolist() == [[1, 2], [0, 2], [-1, -1]]
    assert two_likeliest(np.ones((1, 1))).tolist() == [[0, -1]]
