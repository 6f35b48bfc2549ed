"""Windows as points of a plane, by their embeddings: PCA at once, UMAP where it is installed.

A map is for looking at. Distances in it are those of the embedding only roughly, and UMAP's not
at all over long ways; what to label next is decided in the whole space (`core.suggest`).
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

import numpy as np

from core.errors import CrosslError, DataError
from core.progress import RunContext

FEWEST_FOR_UMAP = 10
NEIGHBOURS = 15
"""Windows that UMAP takes as neighbours of each: fewer show finer structure."""
SPREAD_AT_START = 10.0
"""Largest coordinate of the points that UMAP starts from, as its own starts have."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Windows in a plane.

    Attributes
    ----------
    points: float32 (windows, 2); NaN where the window has no embedding.
    explained: share of the embedding's variance along each of the two directions; empty where
        that is not defined.
    name: what made it, `PCA` or `UMAP`.
    """

    points: np.ndarray
    explained: tuple[float, ...]
    name: str


def pca(embedding: np.ndarray) -> Projection:
    """The two directions in which the windows differ most.

    `embedding` is float32 (windows, g); windows with NaN in them are left out. The same
    embedding gives the same signs: the largest weight of each direction is positive. Takes a
    tenth of a second for 50,000 windows of 64 numbers.
    """
    usable = _usable(embedding)
    points = np.full((len(embedding), 2), np.nan, np.float32)
    if not usable.any():
        return Projection(points, (0.0, 0.0), "PCA")
    rows = embedding[usable]
    centred = rows - rows.mean(0, dtype=np.float64).astype(np.float32)
    # The products are summed in float32, the eigenvalues sought in float64.
    variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
    count = min(2, len(variances))
    directions = directions[:, ::-1][:, :count]
    largest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[largest, np.arange(count)])
    plane = np.zeros((len(rows), 2), np.float32)
    plane[:, :count] = centred @ directions.astype(np.float32)
    points[usable] = plane
    shares = np.zeros(2)
    total = float(variances.sum())
    if total > 0:
        shares[:count] = np.maximum(variances[::-1][:count], 0) / total
    return Projection(points, (float(shares[0]), float(shares[1])), "PCA")


def umap_available() -> bool:
    """Whether umap-learn is installed; it is not imported."""
    return importlib.util.find_spec("umap") is not None


def umap(embedding: np.ndarray, context: RunContext, seed: int = 0) -> Projection:
    """Windows near each other in the embedding, near each other in the plane.

    `embedding` is float32 (windows, g); windows with NaN in them are left out. It starts from the
    PCA, so that both maps lie alike, and the same seed gives the same map. Takes seconds to
    minutes; asked to stop, it does so before and after the work itself, which cannot be
    interrupted.

    Raises CrosslError where umap-learn is not installed or does not load, DataError where there
    are too few windows, Cancelled.
    """
    if not umap_available():
        raise CrosslError(
            "UMAP needs the package umap-learn, which is not installed. Install it with "
            "pip install umap-learn and start the program again, or look at the PCA."
        )
    usable = _usable(embedding)
    count = int(usable.sum())
    if count < FEWEST_FOR_UMAP:
        raise DataError(
            f"UMAP needs {FEWEST_FOR_UMAP} windows with a recording in them; there are {count}. "
            "Look at the PCA."
        )
    context.step("UMAP", 0, 2)
    try:
        module = importlib.import_module("umap")
    except ImportError as error:
        raise CrosslError(
            f"umap-learn is installed but does not load ({error}). Install it anew with "
            "pip install --force-reinstall umap-learn, or look at the PCA."
        ) from error
    start = pca(embedding).points[usable]
    largest = float(np.abs(start).max())
    if largest > 0:
        start = start * (SPREAD_AT_START / largest)
    context.step("UMAP", 1, 2)
    reducer = module.UMAP(
        n_components=2,
        n_neighbors=min(NEIGHBOURS, count - 1),
        init=start,
        random_state=seed,
        n_jobs=1,  # with a seed umap-learn uses one thread anyway, and warns of more
    )
    points = np.full((len(embedding), 2), np.nan, np.float32)
    points[usable] = reducer.fit_transform(np.ascontiguousarray(embedding[usable], np.float32))
    context.step("UMAP", 2, 2)
    return Projection(points, (), "UMAP")


def _usable(embedding: np.ndarray) -> np.ndarray:
    """Windows that have an embedding, bool (windows,)."""
    usable: np.ndarray = np.isfinite(embedding).all(axis=1)
    return usable
