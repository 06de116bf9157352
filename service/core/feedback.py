"""Which runs are control runs: recorded like any other, and never warned about."""

from __future__ import annotations

from hashlib import sha256

from service.records import RunRef


def is_control(ref: RunRef, ratio: float) -> bool:
    """True for a share `ratio` (0 … 1) of all runs, the same ones whoever asks, whenever. A run that is a control run
    at one ratio is one at every greater ratio.

    By a digest of its own: partitions follow from another one, so control runs are spread over all of them.
    """
    if ratio <= 0:
        return False
    digest = sha256(f"control\0{ref.project}\0{ref.run_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") < ratio * 2**56
