"""A run's state as bytes: exact, and anything else is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from monitors.decision import Standing
from monitors.errors import RunStateError
from monitors.run_state import VERSION, RunState

STATES = st.builds(
    RunState,
    npst.arrays(np.int64, 62),
    npst.arrays(np.float32, 160, elements=st.floats(width=32, allow_nan=False)),
    st.builds(Standing, st.integers(0, 2**32 - 1), st.booleans(), st.floats(allow_nan=False)),
    st.integers(0, 2**16 - 1),
)
SOME = RunState(np.arange(62), np.linspace(-1, 1, 160, dtype=np.float32), Standing(3, True, 0.25))
IN_A_GROUP = replace(SOME, group=7)


@given(STATES)
def test_bytes_read_back_exactly(state: RunState) -> None:
    back = RunState.from_bytes(state.to_bytes())

    assert np.array_equal(back.memory, state.memory)
    assert back.memory.dtype == np.int64
    assert np.array_equal(back.state, state.state)
    assert back.state.dtype == np.float32
    assert back.standing == state.standing
    assert back.group == state.group
    assert back.to_bytes() == state.to_bytes()


def test_a_state_that_was_read_can_be_written_to_by_nobody_else() -> None:
    raw_state = bytearray(SOME.to_bytes())

    state = RunState.from_bytes(bytes(raw_state))
    raw_state[:] = bytes(len(raw_state))

    assert state.to_bytes() == SOME.to_bytes()


@pytest.mark.parametrize("state", [SOME, IN_A_GROUP])
def test_truncated_bytes_are_refused(state: RunState) -> None:
    for length in range(len(state.to_bytes())):
        with pytest.raises(RunStateError):
            RunState.from_bytes(state.to_bytes()[:length])


@pytest.mark.parametrize("state", [SOME, IN_A_GROUP])
def test_bytes_with_something_behind_them_are_refused(state: RunState) -> None:
    with pytest.raises(RunStateError, match="truncated or damaged"):
        RunState.from_bytes(state.to_bytes() + b"\0")


def test_a_state_from_before_there_were_groups_is_read_as_of_none() -> None:
    old = struct.pack("<BIIIBd", 1, 2, 1, 3, True, 0.25) + struct.pack("<qqf", 7, -8, 0.5)

    state = RunState.from_bytes(old)

    assert (state.memory.tolist(), state.state.tolist(), state.group) == ([7, -8], [0.5], 0)
    assert state.standing == Standing(3, True, 0.25)


def test_a_state_without_a_group_is_written_as_it_was_before_there_were_groups() -> None:
    assert SOME.to_bytes()[0] == 1
    assert IN_A_GROUP.to_bytes()[0] == VERSION


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(RunStateError, match=rf"version {VERSION + 1}; this forewarn reads up to {VERSION}"):
        RunState.from_bytes(bytes([VERSION + 1]) + SOME.to_bytes()[1:])


@pytest.mark.parametrize("place", [1, 5])
def test_a_damaged_length_is_refused(place: int) -> None:
    raw_state = bytearray(SOME.to_bytes())
    struct.pack_into("<I", raw_state, place, 2**32 - 1)

    with pytest.raises(RunStateError, match="truncated or damaged"):
        RunState.from_bytes(bytes(raw_state))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw_state: bytes) -> None:
    try:
        state = RunState.from_bytes(raw_state)
    except RunStateError:
        return
    assert state.to_bytes()[0] in (1, VERSION)
