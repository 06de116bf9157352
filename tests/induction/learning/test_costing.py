"""What a monitor costs is measured on real raw steps and stated; what is too large is refused."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from induction.errors import TooLargeError
from induction.learning import building, costing
from induction.learning.costing import BATCH, check_sizes, measure_cost
from monitors import Monitor
from monitors.bundle import CostRecord
from monitors.bundle.folder import GRAPH, MANIFEST
from monitors.bundle.manifest import MAX_GRAPH_BYTES, MAX_STATE_BYTES
from monitors.errors import ContractError
from tests.tiny_bundle import TinyBundle, build_tiny_bundle, write_corpus


def test_a_new_bundle_states_what_it_costs(tiny: TinyBundle) -> None:
    cost = Monitor.read(tiny.path, device="cpu").manifest.cost

    assert cost is not None
    assert cost.graph_bytes == (tiny.path / GRAPH).stat().st_size
    assert 0 < cost.state_bytes <= MAX_STATE_BYTES
    assert 0 < cost.step_us_at_64 < cost.step_us_alone


def test_a_manifest_without_a_cost_is_read(tiny: TinyBundle) -> None:
    raw_manifest = orjson.loads((tiny.path / MANIFEST).read_bytes())
    del raw_manifest["cost"]

    assert type(Monitor.read(tiny.path).manifest).model_validate(raw_manifest).cost is None


def test_a_step_that_takes_longer_costs_more(tiny: TinyBundle, monitor: Monitor) -> None:
    class Slow(Monitor):
        def take(self, states, readings):  # type: ignore[no-untyped-def]
            until = time.process_time() + 0.02
            while time.process_time() < until:
                pass
            return super().take(states, readings)

    slow = Slow(monitor.manifest, monitor.adapter, monitor.featuriser, monitor.scorer)

    cost = measure_cost(slow, tiny.corpus.runs[:3], 0)

    assert cost.step_us_at_64 > 20_000 / BATCH
    assert cost.step_us_alone > 20_000


def test_runs_of_any_number_and_length_fill_a_batch(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costing, "N_ALONE", 2)

    assert measure_cost(monitor, [["one"]], 5).graph_bytes == 5


@pytest.mark.parametrize(
    ("graph", "state", "head", "named"),
    [
        (MAX_GRAPH_BYTES + (1 << 20), 1, "gru", "the graph has 33.0 MB, at most 32 MB"),
        (1, MAX_STATE_BYTES + 1, "gru", "state has 4097 bytes, at most 4096"),
        (1, 16_385, "transformer", "state has 16385 bytes, at most 16384"),
    ],
)
def test_what_is_too_large_is_refused_with_its_number(graph: int, state: int, head: str, named: str) -> None:
    with pytest.raises(TooLargeError, match=named):
        check_sizes(graph, state, head)


def test_what_is_just_small_enough_is_not_refused() -> None:
    check_sizes(MAX_GRAPH_BYTES, MAX_STATE_BYTES, "gru")
    check_sizes(MAX_GRAPH_BYTES, 16_384, "transformer")


@pytest.mark.parametrize(("at_64", "alone", "n"), [(30.0, 1000.0, 0), (30.1, 1000.0, 1), (31.0, 1001.0, 2)])
def test_a_step_above_its_line_is_warned_of_and_no_more(at_64: float, alone: float, n: int) -> None:
    cost = CostRecord(graph_bytes=1, state_bytes=1, step_us_at_64=at_64, step_us_alone=alone)

    assert len(cost.warnings()) == n


def test_a_monitor_that_breaks_a_contract_or_is_too_large_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", n_runs=60, n_tasks=30)

    def refuse(*_: object) -> None:
        raise ContractError("scores are finite")

    monkeypatch.setattr(building, "check_contract", refuse)
    with pytest.raises(ContractError, match="scores are finite"):
        build_tiny_bundle(tmp_path / "bundle", corpus, epochs=1)
    monkeypatch.setattr(costing, "MAX_GRAPH_BYTES", 1_000)
    with pytest.raises(TooLargeError, match="the graph has"):
        build_tiny_bundle(tmp_path / "bundle", corpus, epochs=1)

    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
