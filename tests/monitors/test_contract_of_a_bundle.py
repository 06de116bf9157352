"""A monitor that breaks a contract is refused by name, before its bundle is written and when it is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitors import Monitor
from monitors import monitor as monitor_module
from monitors.adapter import Reading
from monitors.contract import check_contract
from monitors.errors import BundleError, ContractError
from monitors.features.protocol import FeatureBatch
from monitors.scorers.protocol import ScoreBatch, Scorer
from tests.tiny_bundle import TinyBundle

Break = Callable[["BrokenScorer", FeatureBatch, NDArray[np.float32], ScoreBatch], ScoreBatch]


class BrokenScorer:
    """A scorer that does one thing wrong."""

    def __init__(self, scorer: Scorer, breaking: Break) -> None:
        self._scorer, self._breaking = scorer, breaking
        self.state_size, self.device = scorer.state_size, scorer.device
        self.calls = 0

    def initial_state(self) -> NDArray[np.float32]:
        return self._scorer.initial_state()

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        self.calls += 1
        return self._breaking(self, features, state, self._scorer.step(features, state.astype(np.float32)))


def gives_no_number(_: BrokenScorer, __: FeatureBatch, ___: NDArray[np.float32], scores: ScoreBatch) -> ScoreBatch:
    return replace(scores, failure_logit=scores.failure_logit * np.float32(np.nan))


def gives_a_foreign_symbol(
    _: BrokenScorer, __: FeatureBatch, ___: NDArray[np.float32], scores: ScoreBatch
) -> ScoreBatch:
    return replace(scores, symbol=scores.symbol + 1_000)


def mixes_the_batch(_: BrokenScorer, __: FeatureBatch, ___: NDArray[np.float32], scores: ScoreBatch) -> ScoreBatch:
    return replace(scores, failure_logit=scores.failure_logit + np.float32(0.01 * len(scores.failure_logit)))


def depends_on_its_place(_: BrokenScorer, __: FeatureBatch, ___: NDArray[np.float32], scores: ScoreBatch) -> ScoreBatch:
    return replace(scores, risk_logit=scores.risk_logit + np.arange(len(scores.risk_logit), dtype=np.float32))


def remembers_beside_the_state(
    scorer: BrokenScorer, _: FeatureBatch, __: NDArray[np.float32], scores: ScoreBatch
) -> ScoreBatch:
    # Steady for the first walks: only what comes later shows it.
    return replace(scores, failure_logit=scores.failure_logit + np.float32(scorer.calls > 30))


def keeps_more_than_is_saved(
    _: BrokenScorer, __: FeatureBatch, state: NDArray[np.float32], scores: ScoreBatch
) -> ScoreBatch:
    # What float32 cannot hold is lost when the state is saved.
    more = state.astype(np.float64) - state.astype(np.float32)
    after: NDArray[np.float32] = scores.state.astype(np.float64) + 1e-12  # type: ignore[assignment]
    return replace(scores, failure_logit=scores.failure_logit + (more[:, 0] != 0).astype(np.float32), state=after)


BROKEN = {
    "scores are finite": gives_no_number,
    "symbols are": gives_a_foreign_symbol,
    "a step scores in a batch as alone": mixes_the_batch,
    "a step scores in a batch as alone ": depends_on_its_place,
    "no other steps change what a run's own steps score": remembers_beside_the_state,
    "a state that was saved and restored scores as if never interrupted": keeps_more_than_is_saved,
}


def check(monitor: Monitor, scorer: Scorer) -> None:
    broken = Monitor(monitor.manifest, monitor.adapter, monitor.featuriser, scorer)
    check_contract(broken, monitor.examples, monitor.manifest.n_symbols)


@pytest.mark.parametrize("contract", BROKEN)
def test_a_scorer_that_breaks_a_contract_is_named_by_it(monitor: Monitor, contract: str) -> None:
    with pytest.raises(ContractError) as caught:
        check(monitor, BrokenScorer(monitor.scorer, BROKEN[contract]))

    assert caught.value.contract.startswith(contract.strip())
    assert "train it again" in str(caught.value)


def test_a_monitor_that_changes_the_states_it_is_given_is_named(monitor: Monitor) -> None:
    class Writes(Monitor):
        def take(self, states, readings):  # type: ignore[no-untyped-def]
            results = super().take(states, readings)
            if len(states) > 1:
                states[0].memory[0] += 1
            return results

    writing = Writes(monitor.manifest, monitor.adapter, monitor.featuriser, monitor.scorer)

    with pytest.raises(ContractError, match="leaves the given states as they are"):
        check_contract(writing, monitor.examples, monitor.manifest.n_symbols)


def test_probabilities_beyond_one_are_named(monitor: Monitor) -> None:
    class Doubles(Monitor):
        def take(self, states, readings):  # type: ignore[no-untyped-def]
            return [(state, replace(verdict, risk=2.0)) for state, verdict in super().take(states, readings)]

    doubling = Doubles(monitor.manifest, monitor.adapter, monitor.featuriser, monitor.scorer)

    with pytest.raises(ContractError, match=r"probabilities lie in 0 … 1"):
        check_contract(doubling, monitor.examples, monitor.manifest.n_symbols)


def test_a_monitor_that_a_raw_step_stops_is_named_with_what_happened(monitor: Monitor) -> None:
    class Fragile:
        def read(self, raw_step: object) -> Reading:
            if raw_step is None:
                raise TypeError("no raw step at all")
            return monitor.adapter.read(raw_step)  # type: ignore[arg-type]

    fragile = Monitor(monitor.manifest, Fragile(), monitor.featuriser, monitor.scorer)  # type: ignore[arg-type]

    with pytest.raises(ContractError, match=r"no raw step stops a run\): TypeError: no raw step at all"):
        check_contract(fragile, monitor.examples, monitor.manifest.n_symbols)


def test_a_sound_monitor_passes(monitor: Monitor) -> None:
    check(monitor, monitor.scorer)


def test_a_bundle_whose_monitor_breaks_a_contract_is_not_read(
    tiny: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = shutil.copytree(tiny.path, tmp_path / "bundle")
    whole = monitor_module.choose_scorer
    monkeypatch.setattr(monitor_module, "choose_scorer", lambda *args: BrokenScorer(whole(*args), mixes_the_batch))

    with pytest.raises(BundleError, match="a step scores in a batch as alone"):
        Monitor.read(bundle, device="cpu")
    assert Monitor.read(bundle, device="cpu", verify=False).examples
