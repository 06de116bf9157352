"""Reliability as a picture: what was said against what came, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitors.reliability import ReliabilityBin
from service.core.quality.intervals import to_interval

SIDE, LEFT, TOP = 260.0, 46.0, 12.0
WIDTH, HEIGHT = LEFT + SIDE + 14, TOP + SIDE + 44
GREATEST, LEAST = 9.0, 3.0
"""Radius of a dot that holds everything, and of one that holds nearly nothing."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One bin of one series, in the picture's units and as figures."""

    x: float
    y: float
    low_y: float
    high_y: float
    radius: float
    said: float
    came: float
    low: float
    high: float
    """`low` to `high`: the 95 % interval of `came`, by Wilson, over the bin's effective runs."""
    runs: int
    share: float


@dataclass(frozen=True, slots=True)
class Series:
    """One line of dots. `kind` is its class in the style: measured or live."""

    kind: str
    title: str
    runs: int
    error: float | None
    dots: list[Dot]

    @property
    def points(self) -> str:
        """As `<polyline points>`."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture."""

    name: str
    title: str
    series: list[Series]


def to_series(kind: str, title: str, runs: int, error: float | None, bins: Sequence[ReliabilityBin | None]) -> Series:
    """The dots of a reliability table; none for bins in which nothing was said."""
    return Series(kind, title, runs, error, [_to_dot(one) for one in bins if one is not None])


def to_x(share: float) -> float:
    """Where a probability lies from the left."""
    return LEFT + SIDE * share


def to_y(share: float) -> float:
    """Where a share lies from the top."""
    return TOP + SIDE * (1 - share)


def _to_dot(one: ReliabilityBin) -> Dot:
    low, high = to_interval(one.came, max(one.effective_runs, 1.0))
    radius = max(LEAST, GREATEST * one.share**0.5)
    return Dot(
        to_x(one.said),
        to_y(one.came),
        to_y(low),
        to_y(high),
        radius,
        one.said,
        one.came,
        low,
        high,
        one.runs,
        one.share,
    )
