"""What reading a raw step costs, measured while it is read."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from monitors.adapter.compiled import Adapter, Reading
from monitors.stepview import JsonValue, to_text

UNIT_BYTES = 2_048
MAX_MEASURED = 50_000
"""Raw steps measured; the later ones of a larger corpus are only read."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds on one core. `_per_2kb` takes a longer raw step's time for each 2 KB of its JSON, a shorter one's as
    it is. `bytes_p50` is the size of the raw steps measured.
    """

    steps: int
    bytes_p50: int
    p50_us: float
    p99_us: float
    p50_us_per_2kb: float
    p99_us_per_2kb: float


class Stopwatch:
    """Reads raw steps by an adapter and keeps what each cost."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._micros = array("d")
        self._sizes = array("q")

    def read(self, raw_step: JsonValue) -> Reading:
        """Return the reading of a raw step."""
        if len(self._micros) >= MAX_MEASURED:
            return self._adapter.read(raw_step)
        # Wall time would count what other programs did meanwhile, which on a busy machine makes up the 99th percentile.
        started = time.thread_time_ns()
        reading = self._adapter.read(raw_step)
        self._micros.append((time.thread_time_ns() - started) / 1_000)
        self._sizes.append(_size(raw_step))
        return reading

    def cost(self) -> Cost:
        """Return the quantiles so far; zeros where nothing was read."""
        per_unit = [us * UNIT_BYTES / max(UNIT_BYTES, size) for us, size in zip(self._micros, self._sizes, strict=True)]
        return Cost(
            steps=len(self._micros),
            bytes_p50=int(_quantile(self._sizes, 0.5)),
            p50_us=_quantile(self._micros, 0.5),
            p99_us=_quantile(self._micros, 0.99),
            p50_us_per_2kb=_quantile(per_unit, 0.5),
            p99_us_per_2kb=_quantile(per_unit, 0.99),
        )


def _size(raw_step: JsonValue) -> int:
    try:
        return len(orjson.dumps(raw_step))
    except (TypeError, ValueError):
        return len(to_text(raw_step))


def _quantile(values: Sequence[float], share: float) -> float:
    """Return a value that was measured: the one below which at least a share of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
