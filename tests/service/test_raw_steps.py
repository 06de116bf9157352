"""Untrusted bytes in, raw steps out."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.core.raw_steps import StepLimits, is_deeper, parse_steps
from service.errors import RawStepRefused
from service.records import RunSummary, ScoreRecord

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
raw_steps = st.dictionaries(st.text(), json_values, max_size=5) | st.text()


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max((depth_of(one) for one in inner), default=0)
    return 0


@given(json_values, st.integers(0, 6))
def test_depth_is_that_of_a_recursive_count(value: Any, limit: int) -> None:
    assert is_deeper(value, limit) == (depth_of(value) > limit)


@given(st.lists(raw_steps, max_size=5))
def test_what_is_stored_reads_back_as_what_was_sent(steps: list[Any]) -> None:
    read = parse_steps(orjson.dumps(steps), StepLimits(), envelope=False, idempotency_key=None)
    assert [orjson.loads(one.data) for one in read] == steps


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(RawStepRefused):
        assert parse_steps(body, StepLimits(), envelope=False, idempotency_key=None) is not None


def test_a_step_exactly_at_the_depth_limit_is_taken() -> None:
    body = b'{"x":' * 64 + b"1" + b"}" * 64
    assert parse_steps(body, StepLimits(), envelope=False, idempotency_key=None)
    (refused,) = parse_steps(b'{"x":' + body + b"}", StepLimits(), envelope=False, idempotency_key=None)
    assert isinstance(refused, RawStepRefused)
    assert "64" in str(refused)


@given(
    st.builds(
        ScoreRecord,
        turn=st.integers(0, 2**32 - 1),
        risk=st.floats(0, 1, width=32),
        failure_probability=st.floats(0, 1, width=32),
        score=st.floats(allow_nan=False, allow_infinity=False),
        symbol=st.integers(0, 2**16 - 1),
        received_ms=st.integers(0, 2**53),
        warning=st.booleans(),
        alert=st.booleans(),
        known=st.booleans(),
        parked=st.booleans(),
        filled=st.integers(0, 255),
    )
)
def test_a_score_record_reads_back_as_it_was_written(record: ScoreRecord) -> None:
    packed = record.to_bytes()
    assert len(packed) == 32
    assert ScoreRecord.from_bytes(packed) == record


def test_zeros_are_a_step_not_scored_yet() -> None:
    assert ScoreRecord.from_bytes(bytes(32)) is None


def test_a_summary_reads_back_as_it_was_written() -> None:
    summary = RunSummary(steps=3, max_score=1.5, warning=True)
    assert RunSummary.from_bytes(summary.to_bytes()) == summary
    assert RunSummary.from_bytes(None) == RunSummary()
