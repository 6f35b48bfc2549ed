"""Maps of windows: the same map for the same embedding, whatever is missing."""

from __future__ import annotations

import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core import embedding_space
from core.embedding_space import pca, umap, umap_available
from core.errors import CrosslError, DataError
from core.progress import Cancelled, Progress, RunContext


def embeddings(count: int = 200, size: int = 6, seed: int = 0) -> np.ndarray:
    """Normal numbers, each dimension half as wide as the one before, not centred."""
    rng = np.random.default_rng(seed)
    scales = 2.0 ** -np.arange(size)
    return (3 + scales * rng.normal(size=(count, size))).astype(np.float32)


# ---------------------------------------------------------------- PCA


def test_the_points_are_the_two_widest_directions() -> None:
    rows = embeddings()
    found = pca(rows)
    assert found.name == "PCA"
    assert found.points.dtype == np.float32
    # Against a singular value decomposition, up to the sign.
    _, values, directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    expected = (rows - rows.mean(0)) @ directions[:2].T
    for k in range(2):
        assert abs(np.corrcoef(found.points[:, k], expected[:, k])[0, 1]) > 0.9999
        assert np.abs(found.points[:, k]) == pytest.approx(np.abs(expected[:, k]), abs=1e-3)
    shares = values**2 / (values**2).sum()
    assert found.explained == pytest.approx(shares[:2], abs=1e-5)


def test_the_same_embedding_gives_the_same_signs_in_any_order() -> None:
    rows = embeddings()
    order = np.random.default_rng(1).permutation(len(rows))
    assert pca(rows[order]).points == pytest.approx(pca(rows).points[order], abs=1e-4)


def test_windows_without_an_embedding_stay_without_a_point_and_change_nothing() -> None:
    rows = embeddings()
    gaps = np.insert(rows, [0, 50, 200], np.nan, axis=0)
    gaps[0, 1:] = 1.0  # one number that is missing is enough
    found = pca(gaps)
    empty = np.isnan(gaps).any(axis=1)
    assert np.isnan(found.points[empty]).all()
    assert np.array_equal(found.points[~empty], pca(rows).points)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_windows_are_placed_as_far_as_they_can_be(count: int) -> None:
    found = pca(embeddings(count))
    assert found.points.shape == (count, 2)
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.explained).all()


def test_windows_that_are_all_alike_or_empty_have_no_variance_to_explain() -> None:
    assert pca(np.ones((5, 3), np.float32)).explained == (0.0, 0.0)
    nothing = pca(np.full((5, 3), np.nan, np.float32))
    assert nothing.explained == (0.0, 0.0)
    assert np.isnan(nothing.points).all()


def test_an_embedding_of_one_number_lies_on_a_line() -> None:
    found = pca(embeddings(size=1))
    assert (found.points[:, 1] == 0).all()
    assert found.explained == pytest.approx((1.0, 0.0))


def test_fifty_thousand_windows_take_less_than_a_third_of_a_second() -> None:
    rows = embeddings(50_000, 64)
    rows[::9] = np.nan
    times = []
    for _ in range(5):  # the best of several: other programs take their share
        start = time.perf_counter()
        pca(rows)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


# ---------------------------------------------------------------- UMAP


class StandIn(ModuleType):
    """In place of umap-learn: notes how it was asked, and gives its start back, moved."""

    def __init__(self) -> None:
        super().__init__("umap")
        self.__spec__ = ModuleSpec("umap", None)
        self.asked: dict[str, Any] = {}
        module = self

        class UMAP:
            def __init__(self, **settings: Any) -> None:
                module.asked = settings

            def fit_transform(self, rows: np.ndarray) -> np.ndarray:
                assert np.isfinite(rows).all()
                return np.asarray(module.asked["init"]) + 1

        self.UMAP = UMAP


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, "umap", module)
    return module


def test_without_umap_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr(embedding_space.importlib.util, "find_spec", lambda name: None)
    assert not umap_available()
    with pytest.raises(CrosslError, match="pip install umap-learn"):
        umap(embeddings(), RunContext())


def test_a_umap_learn_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)  # importing it fails
    monkeypatch.setattr(embedding_space, "umap_available", lambda: True)
    with pytest.raises(CrosslError, match="does not load"):
        umap(embeddings(), RunContext())


def test_umap_starts_from_the_pca_with_the_seed(stand_in: StandIn) -> None:
    assert umap_available()
    rows = embeddings()
    rows[7] = np.nan
    found = umap(rows, RunContext(), seed=5)
    assert found.name == "UMAP"
    assert found.explained == ()
    assert np.isnan(found.points[7]).all()
    there = np.delete(np.arange(200), 7)
    start = pca(rows).points[there]
    assert found.points[there] == pytest.approx(start * 10 / np.abs(start).max() + 1, rel=1e-4)
    assert stand_in.asked["random_state"] == 5
    assert stand_in.asked["n_neighbors"] == 15


def test_umap_takes_no_more_neighbours_than_there_are(stand_in: StandIn) -> None:
    umap(embeddings(12), RunContext())
    assert stand_in.asked["n_neighbors"] == 11


def test_too_few_windows_for_umap_are_told(stand_in: StandIn) -> None:
    rows = embeddings(40)
    rows[9:] = np.nan
    with pytest.raises(DataError, match="there are 9"):
        umap(rows, RunContext())


def test_umap_reports_and_stops_before_and_after_its_work(stand_in: StandIn) -> None:
    seen: list[Progress] = []
    umap(embeddings(), RunContext(report=seen.append))
    assert [(step.done, step.total) for step in seen] == [(0, 2), (1, 2), (2, 2)]
    with pytest.raises(Cancelled):
        umap(embeddings(), RunContext(should_stop=lambda: True))
    assert stand_in.asked  # of the first call only
    stops = iter([False, False, True])
    with pytest.raises(Cancelled):
        umap(embeddings(), RunContext(should_stop=lambda: next(stops)))
