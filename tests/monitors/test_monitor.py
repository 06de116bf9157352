"""A monitor read from its bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest

import monitors
from monitors import Monitor
from monitors.bundle.folder import MANIFEST, VOCABULARY
from monitors.errors import BundleError
from tests.tiny_bundle import TinyBundle


@pytest.fixture
def copy(tiny: TinyBundle, tmp_path: Path) -> Path:
    return shutil.copytree(tiny.path, tmp_path / "bundle")


def test_two_reads_of_a_bundle_give_the_same_scores(tiny: TinyBundle, monitor: Monitor) -> None:
    again = Monitor.read(tiny.path, device="cpu")
    one, other = monitor.session(), again.session()

    assert [one.step(raw) for raw in tiny.corpus.runs[0]] == [other.step(raw) for raw in tiny.corpus.runs[0]]
    assert again.monitor_id == monitor.monitor_id


def test_the_id_is_that_of_the_manifest(copy: Path, monitor: Monitor) -> None:
    assert Monitor.read(copy, device="cpu").monitor_id == monitor.monitor_id

    manifest = orjson.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_bytes(orjson.dumps({**manifest, "metrics": {"other": 1.0}}))

    assert Monitor.read(copy, device="cpu").monitor_id != monitor.monitor_id


def test_three_examples_of_raw_steps_come_with_it(monitor: Monitor) -> None:
    assert len(monitor.examples) == 3
    assert all(monitor.adapter.view(example)[1] for example in monitor.examples)


def test_the_threshold_is_the_manifests_and_none_never_alerts(copy: Path, monitor: Monitor) -> None:
    raw_manifest = orjson.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_bytes(orjson.dumps({**raw_manifest, "threshold": None, "release": None}))

    assert monitor.rule.threshold == raw_manifest["threshold"]
    assert Monitor.read(copy, device="cpu").rule.threshold == np.inf


def test_other_run_shape_numbers_are_refused(copy: Path) -> None:
    raw_manifest = orjson.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_bytes(orjson.dumps({**raw_manifest, "shape_version": 99}))

    with pytest.raises(BundleError, match="run-shape numbers 99"):
        Monitor.read(copy)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 broken"])
def test_a_damaged_vocabulary_is_named_also_where_hashes_are_not_checked(copy: Path, content: bytes) -> None:
    (copy / VOCABULARY).write_bytes(content)

    with pytest.raises(BundleError, match=VOCABULARY):
        Monitor.read(copy, verify=False)


def test_a_vocabulary_that_would_run_code_is_not_loaded(copy: Path) -> None:
    with (copy / VOCABULARY).open("wb") as file:
        np.savez(file, slots=np.array([{"a": 1}], object), idf=np.ones(1, np.float32))

    with pytest.raises(BundleError, match=VOCABULARY):
        Monitor.read(copy, verify=False)


def test_warming_up_leaves_scores_as_they_were(tiny: TinyBundle, monitor: Monitor) -> None:
    before = [monitor.session().step(raw) for raw in tiny.corpus.runs[1]]

    monitor.warm()

    assert [monitor.session().step(raw) for raw in tiny.corpus.runs[1]] == before


def test_a_batch_with_more_steps_than_states_is_refused(monitor: Monitor) -> None:
    with pytest.raises(ValueError, match="zip"):
        monitor.advance([monitor.initial_state()], ["one", "two"])


def test_the_packages_names_are_all_there() -> None:
    assert all(getattr(monitors, name) is not None for name in monitors.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Monitors'"):
        _ = monitors.Monitors  # type: ignore[attr-defined]


def test_a_threshold_by_turn_leaves_scores_raw_and_alerts_say_the_threshold_of_their_turn(
    tiny: TinyBundle, copy: Path, monitor: Monitor
) -> None:
    raw_manifest = orjson.loads((copy / MANIFEST).read_bytes())
    by_turn = {"threshold": 0.0, "release": -0.5, "offsets": [9.0, -9.0, 9.0]}
    (copy / MANIFEST).write_bytes(orjson.dumps({**raw_manifest, **by_turn}))
    changed, plain = Monitor.read(copy, device="cpu").session(), monitor.session()
    verdicts = [(changed.step(raw), plain.step(raw)) for raw in tiny.corpus.runs[0]]
    alerts = [one.alert for one, _ in verdicts if one.alert is not None and one.turn == 1]

    assert [one.score for one, _ in verdicts] == [other.score for _, other in verdicts]
    assert [(alert.turn, alert.threshold) for alert in alerts] == [(1, -9.0)]
    assert alerts[0].score in [one.score for one, _ in verdicts if one.turn == 1]
