"""Walking from window to window: the next one that is unsure, wrong, fragile or changed."""

from __future__ import annotations

import numpy as np

from core.window_view import WindowView

KINDS = ("unsure", "differs", "fragile", "changed")
"""Of windows that are worth a look."""


def windows_of_kind(view: WindowView, which: str, limit: float) -> np.ndarray:
    """Which windows are of a kind, bool (windows,).

    `unsure`: with a prediction whose confidence is below `limit`. `differs`: labelled otherwise
    than assigned. `fragile`: with a fragility of `limit` or more. `changed`: of another class than
    with all modalities, or of none. ValueError for another kind.
    """
    if which == "unsure":
        return (view.predicted >= 0) & (view.confidence < limit)
    if which == "differs":
        return view.differs
    if which == "fragile":
        return np.nan_to_num(view.fragility, nan=-1.0) >= limit
    if which == "changed":
        return view.changed
    raise ValueError(f"'{which}' is no kind of window; there are: {', '.join(KINDS)}")


def next_window(view: WindowView, from_row: int, by: int, which: str, limit: float) -> int | None:
    """The first window of a kind after one (`by` 1), or the last before it (`by` -1); with 2 or
    -2 the second one, and so on. None where there is none.

    `from_row` may be -1, before all windows, or `len(view)`, behind them. ValueError for `by` 0
    and for another kind than `windows_of_kind` knows.
    """
    if not by:
        raise ValueError("by 0 windows leads nowhere")
    rows = np.flatnonzero(windows_of_kind(view, which, limit))
    rows = rows[rows > from_row] if by > 0 else rows[rows < from_row]
    place = by - 1 if by > 0 else by
    return int(rows[place]) if abs(by) <= len(rows) else None
