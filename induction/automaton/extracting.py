"""From a monitor and its own training and calibration runs to its automaton.

States and their rates come from the training runs. The runs that calibrated the monitor calibrate the automaton in the
same way (probabilities, threshold), and give each state its held-out rates: the symbols of training runs were learned
on those very runs, and flatter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from induction.automaton.describing import Tally, choose_examples, describe_symbols
from induction.automaton.merging import MINIMUM_SUPPORT, Transition, merge_states
from induction.automaton.watching import WatchedRun, watch_runs
from induction.errors import NoRunsError
from induction.learning.calibrating import IDENTITY, calibrate
from induction.learning.labelled import LabelledCorpus
from induction.learning.scoring import score_runs
from induction.learning.split import Split
from monitors.automaton import AutomatonMonitor
from monitors.automaton_record import Automaton, StateRecord
from monitors.bundle.folder import GRAPH
from monitors.bundle.manifest import digest_task
from monitors.monitor import Monitor

PRIOR = 5.0
"""Turns at the base rate that every state is taken to have seen beside its own (reference implementation's α)."""


@dataclass(frozen=True, slots=True)
class _Path:
    """Where a run goes: the state after each turn."""

    run: WatchedRun
    states: list[int]


def extract_automaton(monitor: Monitor, corpus: LabelledCorpus, minimum_support: int = MINIMUM_SUPPORT) -> Automaton:
    """Return the automaton of a monitor, from the runs of a corpus that trained and calibrated it; others are not read.

    Raises NoRunsError where the corpus holds too few of those, TooFewRunsError where its calibration runs lack an
    outcome.
    """
    manifest = monitor.manifest
    split = Split(manifest.training.excluded_fold)
    known = set(manifest.tasks)

    def trains(task: str, fold: int) -> bool:
        return digest_task(task) in known and split.trains(task, fold)

    def calibrates(task: str, fold: int) -> bool:
        return digest_task(task) in known and split.calibrates(task, fold)

    training = list(watch_runs(monitor, corpus.runs(trains)))
    held_out = list(watch_runs(monitor, corpus.runs(calibrates)))
    if len(training) < minimum_support or not held_out:
        raise NoRunsError(
            f"{corpus.raw}: {len(training)} training and {len(held_out)} calibration runs of this bundle are in it; "
            f"an audit needs {minimum_support} training runs and some that calibrated: give the data it was trained on"
        )
    words = [run.to_word(manifest.horizon) for run in training]
    draft = _draft(monitor, merge_states(words, minimum_support), training, held_out, minimum_support)
    scored = list(score_runs(AutomatonMonitor(monitor, draft), corpus.runs(calibrates)))
    calibration = calibrate(scored, manifest.horizon)
    return draft.model_copy(
        update={
            "risk": calibration.risk,
            "failure": calibration.failure,
            "base_risk": calibration.base_risk,
            "success_maxima": calibration.success_maxima,
            "success_turns": calibration.success_turns,
        }
    )


def _draft(
    monitor: Monitor,
    transitions: Sequence[Transition],
    training: Sequence[WatchedRun],
    held_out: Sequence[WatchedRun],
    minimum_support: int,
) -> Automaton:
    """Return the automaton with IDENTITY maps and no threshold."""
    manifest = monitor.manifest
    n_states = 1 + max((max(one.state, one.target) for one in transitions), default=0)
    edges = {(one.state, one.symbol): one.target for one in transitions}
    visits = _count_visits(edges, training)
    fallback = _choose_fallback(visits, edges)
    paths = {True: _follow(edges, fallback, training), False: _follow(edges, fallback, held_out)}
    tallies = {which: _tally(found, n_states, manifest.horizon) for which, found in paths.items()}
    turns = sum(tally.turns for tally in tallies[True])
    base_failure = sum(tally.failed for tally in tallies[True]) / turns
    base_risk = sum(tally.near for tally in tallies[True]) / turns
    everybody = [*paths[False], *paths[True]]
    examples = choose_examples((path.run for path in everybody), (path.states for path in everybody), n_states)
    states = [
        StateRecord(
            transitions={symbol: target for (state, symbol), target in edges.items() if state == number},
            visits={symbol: count for (state, symbol), count in visits.items() if state == number},
            failure_logit=_to_logit(tallies[True][number].failed, tallies[True][number].turns, base_failure),
            risk_logit=_to_logit(tallies[True][number].near, tallies[True][number].turns, base_risk),
            training=tallies[True][number].to_support(),
            held_out=tallies[False][number].to_support(),
            examples=examples[number],
        )
        for number in range(n_states)
    ]
    return Automaton(
        graph=manifest.files.get(GRAPH, ""),
        horizon=manifest.horizon,
        minimum_support=minimum_support,
        states=states,
        fallback=fallback,
        symbols=describe_symbols([*training, *held_out], manifest.n_symbols, manifest.horizon),
        risk=IDENTITY,
        failure=IDENTITY,
        base_risk=base_risk,
        success_maxima=[],
        success_turns=[],
    )


def _count_visits(edges: dict[tuple[int, int], int], runs: Sequence[WatchedRun]) -> dict[tuple[int, int], int]:
    visits = dict.fromkeys(sorted(edges), 0)
    for run in runs:
        state = 0
        for turn in run.turns:
            visits[state, turn.symbol] += 1
            state = edges[state, turn.symbol]
    return visits


def _choose_fallback(visits: dict[tuple[int, int], int], edges: dict[tuple[int, int], int]) -> dict[int, int]:
    """Return for each symbol the state that it leads to most often."""
    weights: dict[int, dict[int, int]] = {}
    for (state, symbol), count in visits.items():
        targets = weights.setdefault(symbol, {})
        targets[edges[state, symbol]] = targets.get(edges[state, symbol], 0) + count
    return {symbol: min(targets, key=lambda one: (-targets[one], one)) for symbol, targets in sorted(weights.items())}


def _follow(edges: dict[tuple[int, int], int], fallback: dict[int, int], runs: Sequence[WatchedRun]) -> list[_Path]:
    paths = []
    for run in runs:
        state, states = 0, []
        for turn in run.turns:
            state = edges.get((state, turn.symbol), fallback.get(turn.symbol, state))
            states.append(state)
        paths.append(_Path(run, states))
    return paths


def _tally(paths: Sequence[_Path], n_states: int, horizon: int) -> list[Tally]:
    tallies = [Tally() for _ in range(n_states)]
    for path in paths:
        for state, near in zip(path.states, path.run.near(horizon), strict=True):
            tallies[state].take(path.run, near)
    return tallies


def _to_logit(count: int, turns: int, base: float) -> float:
    # A base of 0 or 1 cannot come of a monitor that was trained, but a logit of it would be infinite.
    base = min(max(base, 1e-6), 1 - 1e-6)
    rate = (count + PRIOR * base) / (turns + PRIOR)
    return math.log(rate / (1 - rate))
