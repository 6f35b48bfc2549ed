"""Reading documents whose parts may be missing, null, or of another kind than expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_list(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_map(value: Any) -> dict[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return dict(value) if isinstance(value, Mapping) else {}


def as_number(value: Any) -> float | None:
    """The value where it is a number, else None; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
