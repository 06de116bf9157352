"""Bars are met absolutely, or by the ratio of a yardstick of the same run, or not."""

from __future__ import annotations

import pytest

from scripts.bench.bars import BARS, REFERENCES, judge
from scripts.bench.probes import percentile

ECHO, REDIS = REFERENCES["echo_per_s"], REFERENCES["redis_steps_per_s"]


@pytest.mark.parametrize(
    ("figures", "bar", "met"),
    [
        ({"post_per_s": 4000.0, "echo_per_s": ECHO / 2}, "post_per_s", "absolute"),
        ({"post_per_s": 2000.0, "echo_per_s": ECHO / 2}, "post_per_s", "ratio"),
        ({"post_per_s": 1999.0, "echo_per_s": ECHO / 2}, "post_per_s", "no"),
        ({"post_per_s": 3999.0, "echo_per_s": ECHO * 2}, "post_per_s", "no"),
        ({"post_per_s": 3999.0}, "post_per_s", "no"),
        ({"post_per_s": None}, "post_per_s", "not measured"),
        ({}, "post_per_s", "not measured"),
        ({"event_to_score_p99_ms": 25.0}, "event_to_score_p99_ms", "absolute"),
        ({"event_to_score_p99_ms": 50.0, "redis_steps_per_s": REDIS / 2}, "event_to_score_p99_ms", "ratio"),
        ({"event_to_score_p99_ms": 51.0, "redis_steps_per_s": REDIS / 2}, "event_to_score_p99_ms", "no"),
        ({"growth": 1.2, "echo_per_s": 1.0, "redis_steps_per_s": 1.0}, "growth", "no"),
        ({"bytes_per_run": 7000.0, "bytes_per_run_bar": 7300}, "bytes_per_run", "absolute"),
        ({"bytes_per_run": 7400.0, "bytes_per_run_bar": 7300}, "bytes_per_run", "no"),
    ],
)
def test_a_bar_says_how_it_was_met(figures: dict[str, float | None], bar: str, met: str) -> None:
    assert judge(figures)[bar]["met"] == met


def test_every_yardstick_has_a_reference() -> None:
    assert {bar.yardstick for bar in BARS} - {""} <= REFERENCES.keys()


def test_a_percentile_is_one_of_the_values_by_nearest_rank() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([], 0.5) is None
