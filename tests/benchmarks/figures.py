"""What the benchmarks have in common: one row of the table, and the night that two of them read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.config import RunConfig, make_config
from core.simulate import night_channels, simulate_night

Figure = dict[str, Any]

HOURS = 8.0
WINDOW_S = 30.0

# Twelve channels at one rate, without filters, so that reading alone is measured.
_CHANNELS = night_channels(eeg=6, eog=2, emg=1, ecg=1, resp=2, rate_hz=256)


def at_most(name: str, value: float | None, unit: str, aim: float) -> Figure:
    """A row whose value should not exceed `aim`; None where it could not be measured."""
    return {
        "name": name,
        "value": None if value is None else round(value, 3),
        "unit": unit,
        "aim": f"<= {aim:g}",
        "met": None if value is None else value <= aim,
    }


def write_night(path: Path, hours: float = HOURS, seed: int = 1) -> Path:
    """A simulated night of 12 channels at 256 Hz."""
    return simulate_night(path, hours=hours, seed=seed, channels=_CHANNELS).path


def night_config(pattern: str = "{subject}.edf", **more: Any) -> RunConfig:
    """A run on such nights with the `recommended` model: five unfiltered modalities."""
    kinds = list(dict.fromkeys(channel.kind for channel in _CHANNELS))
    return make_config(
        {
            "name": "simulated nights, for measuring speed",
            "notes": "simulated",
            "recordings": {"sources": [{"pattern": pattern}]},
            "modalities": [
                {
                    "name": kind,
                    "kind": kind,
                    "channels": [c.label for c in _CHANNELS if c.kind == kind],
                }
                for kind in kinds
            ],
            "windows": {"length_s": WINDOW_S},
            "labels": {
                "kind": "annotations",
                "classes": ["W", "N1", "N2", "N3", "R"],
                "mapping": {f"Sleep stage {stage}": stage for stage in ("W", "N1", "N2", "N3", "R")}
                | {"Sleep stage ?": None},
            },
            "device": "cpu",
            **more,
        }
    )
