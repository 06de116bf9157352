"""What reading a raw step costs. Medians of the thread's own time, so that a busy machine does not matter; the bounds
are a few times what was measured on a slow core.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from monitors.adapter import Adapter
from tests.monitors.adapter.shapes import EVENTS, SHAPES, WIDE, adapter, prose

KB = 1_024
MAX_US_PER_2KB = 500
DENSE = ("arguments as text", "wide result", "short lines", "JSON in a string")
"""A value, or a line, every ten bytes or so: the most work that a step of its size can be."""


def micros(one: Adapter, raw_step: Any, times: int = 15) -> float:
    """Return the median time of a reading in microseconds."""
    taken = []
    for _ in range(times):
        started = time.thread_time_ns()
        one.read(raw_step)
        taken.append(time.thread_time_ns() - started)
    return sorted(taken)[times // 2] / 1_000


@pytest.mark.parametrize("name", SHAPES)
def test_a_step_of_two_kilobytes_is_read_in_microseconds(name: str) -> None:
    event, make = SHAPES[name]
    us = micros(adapter(EVENTS[event]), make(2 * KB), 101)
    assert us < (MAX_US_PER_2KB if name in DENSE else MAX_US_PER_2KB / 2)


@pytest.mark.parametrize("name", SHAPES)
def test_the_cost_of_a_step_grows_no_faster_than_its_size(name: str) -> None:
    event, make = SHAPES[name]
    wide = adapter(EVENTS[event], WIDE)
    assert not wide.read(make(128 * KB)).truncated
    cost = {size: micros(wide, make(size * KB)) for size in (8, 32, 128)}
    # Twice the proportion leaves room for caches that a larger step no longer fits into.
    assert cost[32] < 2 * 4 * cost[8]
    assert cost[128] < 2 * 4 * cost[32]


@pytest.mark.parametrize("name", SHAPES)
def test_the_limits_bound_what_a_huge_step_costs(name: str) -> None:
    event, make = SHAPES[name]
    bounded = adapter(EVENTS[event])
    assert micros(bounded, make(4_096 * KB), 5) < 100_000


def test_the_number_of_cases_costs_little() -> None:
    cases = [{"when": {"/kind": [f"kind{number}"]}, "acts": False, "fields": {}} for number in range(100)]
    last = {"when": {"/kind": ["say"]}, "acts": True, "fields": {"action": [{"path": "/text"}]}}
    step = {"kind": "say", "text": prose(2 * KB)}
    assert micros(adapter({"cases": [*cases, last]}), step, 101) < MAX_US_PER_2KB
