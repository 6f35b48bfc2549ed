"""EDF and BDF files as bytes, with any header, right or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

_LENGTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_NAMES = ("label", "transducer", "unit", "low", "high", "digital_low", "digital_high", "prefilter",
          "samples", "reserved")  # fmt: skip


def make_signal(label: object = "EEG Fp1", samples: object = 10, **other: object) -> dict[str, Any]:
    """Header fields of a signal of 0.1 uV a step; `other` replaces any of them."""
    return {"label": label, "unit": "uV", "low": -100, "high": 100, "digital_low": -1000,
            "digital_high": 1000, "samples": samples, **other}  # fmt: skip


ANNOTATIONS = make_signal("EDF Annotations", 20, unit="", low=-1, high=1, digital_low=-32768,
                          digital_high=32767)  # fmt: skip


def make_file(
    signals: list[dict[str, Any]],
    records: list[list[bytes]],
    *,
    version: object = "0",
    reserved: object = "",
    count: object = None,
    record_s: object = 1,
    date: object = "31.01.20",
    time: object = "12.00.00",
    patient: object = "X X X X",
    recording: object = "Startdate 31-JAN-2020 X X X",
    header_bytes: object = None,
    signal_count: object = None,
    between: bytes = b"",
    tail: bytes = b"",
    bdf: bool = False,
) -> bytes:
    """A file with that header. `records`: for each record the bytes per signal; `between` and
    `tail` are put between header and records and after them."""

    def put(value: object, length: int) -> bytes:
        raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
        return raw.ljust(length)[:length]

    n = len(signals)
    head = b"\xffBIOSEMI" if bdf else put(version, 8)
    head += put(patient, 80) + put(recording, 80) + put(date, 8) + put(time, 8)
    head += put(256 * (n + 1) if header_bytes is None else header_bytes, 8) + put(reserved, 44)
    head += put(len(records) if count is None else count, 8) + put(record_s, 8)
    head += put(n if signal_count is None else signal_count, 4)
    for name, length in zip(_NAMES, _LENGTHS, strict=True):
        head += b"".join(put(signal.get(name, ""), length) for signal in signals)
    return head + between + b"".join(b"".join(record) for record in records) + tail


def ramp(record: int, samples: int = 10) -> bytes:
    """A record's 16-bit samples: the numbers go on from record to record."""
    return np.arange(record * samples, (record + 1) * samples, dtype="<i2").tobytes()


def ramp24(record: int, samples: int = 10) -> bytes:
    """The same with 24 bits."""
    wide = np.arange(record * samples, (record + 1) * samples, dtype="<i4")
    return wide[:, None].view(np.uint8)[:, :3].tobytes()


def stamp(text: str, length: int = 40) -> bytes:
    """An annotation signal's share of a record."""
    return text.encode("utf-8").ljust(length, b"\x00")
