"""Seeds for the parts of a run, each a function of the run's seed and the part's name."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *names: object) -> int:
    """A seed in [0, 2^31) for the part `names` of a run; other names give unrelated seeds."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % 2**31
