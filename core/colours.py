"""Colours that people with colour-blindness tell apart."""

from __future__ import annotations

OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#6B6B6B",
)
"""As published by Okabe and Ito, with grey for black, which is the colour of text."""
