"""A bundle says which runs it was made of, by digests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from induction.learning.split import Split
from monitors.bundle.seen import SEEN, digest_run, read_seen
from monitors.errors import BundleTamperedError
from monitors.monitor import Monitor
from tests.tiny_bundle import TinyBundle, labelled


def test_a_trained_bundle_names_every_run_that_trained_or_calibrated_it_and_no_other(tiny: TinyBundle) -> None:
    split = Split(None)
    used = [
        run
        for run in labelled(tiny.corpus).runs()
        if split.trains(run.task, run.fold) or split.calibrates(run.task, run.fold)
    ]
    assert read_seen(tiny.path) == {digest_run(run.events) for run in used}
    assert used


def test_the_same_steps_in_another_order_of_keys_are_the_same_run() -> None:
    assert digest_run([{"a": 1, "b": [2]}]) == digest_run([{"b": [2], "a": 1}])
    assert len({digest_run([{"a": 1}]), digest_run([{"a": 2}]), digest_run([{"a": 1}, {"a": 1}]), digest_run([])}) == 4


def test_steps_that_are_no_json_have_a_digest_too() -> None:
    assert digest_run(["\ud800", 2**80]) != digest_run(["\ud801", 2**80])


def test_a_bundle_made_before_runs_were_kept_says_nothing_of_them(tiny: TinyBundle, tmp_path: Path) -> None:
    assert read_seen(tmp_path) is None


def test_runs_that_were_changed_are_noticed(tiny: TinyBundle, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny.path, tmp_path / "bundle")
    (copy / SEEN).write_bytes(b'{"runs":[]}\n')
    with pytest.raises(BundleTamperedError, match=SEEN):
        Monitor.read(copy)
