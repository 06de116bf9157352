"""Logs whose lines begin with a time come apart as others do."""

from __future__ import annotations

from monitors.adapter.blocks import read_block, split_blocks
from monitors.adapter.spec import Blocks

BLOCKS = Blocks(opens=("ACT  │", "OUT  │"), timed=True)


def test_times_and_a_loggers_level_are_passed_over() -> None:
    text = "[12:03:11] ACT  │ ls\n2025-03-01 12:03:12,123 - agent - INFO - OUT  │ a\nb\n"
    assert split_blocks(text, BLOCKS) == ["ACT  │ ls", "OUT  │ a\nb"]


def test_a_block_posted_with_its_time_reads_like_one_without() -> None:
    assert read_block("[12:03:11] ACT  │ ls", BLOCKS) == read_block("ACT  │ ls", BLOCKS) == {"ACT": "ls"}
