"""A part of others in the bundle, and whether its licence lets it be there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TEXTS = Path(__file__).resolve().parent.parent / "resources" / "licences"
"""Licence texts that wheels refer to and do not carry."""


@dataclass(frozen=True)
class Part:
    """
    Attributes
    ----------
    licence: an SPDX expression where there is one.
    texts: title and text of each file with a licence or notice.
    note: what else has to be said.
    """

    name: str
    version: str
    licence: str
    home_page: str
    texts: tuple[tuple[str, str], ...]
    note: str = ""


def stored(name: str) -> tuple[str, str]:
    """Title and text of one of our copies, such as `LGPL-3.0`."""
    return f"{name}.txt", (TEXTS / f"{name}.txt").read_text(encoding="utf-8")


def without_permission(expression: str) -> bool:
    """Whether an expression leaves only the GPL or AGPL, without an exception.

    A choice (OR) is met by any of its sides, a sum (AND) needs all.
    """
    inner = re.search(r"\(([^()]*)\)", expression)
    if inner is not None:
        word = "GPL-in-brackets" if without_permission(inner.group(1)) else "permitted"
        return without_permission(expression[: inner.start()] + word + expression[inner.end() :])
    for side in re.split(r"\s+OR\s+", expression):
        terms = re.split(r"\s+AND\s+", side)
        if not any(_is_gpl_alone(term) for term in terms):
            return False
    return True


def _is_gpl_alone(term: str) -> bool:
    return re.match(r"\s*A?GPL", term) is not None and " WITH " not in term
