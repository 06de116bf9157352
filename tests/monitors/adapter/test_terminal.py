from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter.blocks import read_block, split_blocks
from monitors.adapter.spec import Blocks
from monitors.adapter.terminal import strip_terminal

BLOCKS = Blocks(opens=("Action:", "Observation:"))
PIECES = st.sampled_from(
    ["\x1b", "\x1b[", "\x1b]", "\x9b", "0;", "m", "K", "\x07", "\\", "\r", "\n", "\b", "a", " ", "P"]
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[1;32mgreen\x1b[0m", "green"),
        ("\x1b[38:2::255:0:0mred\x1b[m \x9b1Kx", "red x"),
        ("\x1b[?25l\x1b[2J\x1b[Htop", "top"),
        ("\x1b]0;a title\x07prompt", "prompt"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x1b(B\x1b=\x1b7text\x1b8", "text"),
        ("cut off \x1b", "cut off "),
        ("cut off \x1b[3", "cut off "),
        ("\x1b]0;never ends\nnext line", "\nnext line"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("0%\r50%\r100%\ndone", "0%\n100%\ndone"),
        ("lss\b -l", "ls -l"),
        ("\b\bx", "x"),
    ],
)
def test_text_reads_as_a_terminal_shows_it(written: str, read: str) -> None:
    assert strip_terminal(written) == read


@given(st.lists(PIECES, max_size=60).map("".join) | st.text())
def test_no_escape_is_left_and_nothing_is_added(text: str) -> None:
    once = strip_terminal(text)
    assert "\x1b" not in once
    assert "\r" not in once
    assert "\b" not in once
    assert len(once) <= len(text)
    assert strip_terminal(once) == once


@pytest.mark.parametrize(
    "piece", ["\x1b[", "\x1b[0", "\x1b]", "\x1b]0;a", "\x1bP", "\x1b(", "\x9b1;", "a\b", "a\r", "\r"]
)
def test_hostile_text_costs_time_in_its_length_alone(piece: str) -> None:
    def cost(count: int) -> float:
        started = time.thread_time()
        strip_terminal(piece * count)
        return time.thread_time() - started

    cost(1_000)
    assert min(cost(200_000) for _ in range(3)) < 40 * min(cost(20_000) for _ in range(3)) + 0.05


def test_a_coloured_block_reads_live_as_it_reads_from_its_file() -> None:
    live = ["\x1b[32mAction:\x1b[0m look[door]\r\n", "\x1b[33mObservation:\x1b[0m \x1b[1mopen\x1b[0m\r\n"]
    offline = split_blocks("".join(live), BLOCKS)
    assert offline == ["Action: look[door]", "Observation: open"]
    assert [read_block(block, BLOCKS) for block in live] == [read_block(block, BLOCKS) for block in offline]
