"""The automaton as a monitor of its own, beside the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from induction.evaluation.metrics import draw_tasks, measure, measure_draws, to_interval
from induction.evaluation.own_thresholds import to_own_sample, with_groups
from induction.evaluation.sample import Sample, to_sample
from induction.learning.labelled import LabelledCorpus
from induction.learning.scoring import score_runs
from monitors.automaton import AutomatonMonitor
from monitors.automaton_record import Automaton, parse_automaton
from monitors.bundle.folder import AUTOMATON, GRAPH
from monitors.bundle.manifest import digest_task
from monitors.errors import BundleError
from monitors.monitor import Monitor

FIGURES = (
    "auprc_h3_answered",
    "auprc_h3",
    "auroc_h3",
    "ece_h3",
    "auroc_fail_3",
    "auroc_fail_5",
    "auroc_fail_10",
    "far@0.10",
    "recall@0.10",
    "left@0.10",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The network and its automaton on the same runs, of tasks that neither saw."""

    runs: int
    tasks: int
    base_rate: float
    network: dict[str, float]
    automaton: dict[str, float]
    """Figures by name, with _lo and _hi beside those that have an interval."""


def read_automaton(bundle: Path, monitor: Monitor) -> Automaton | None:
    """Return the automaton of a bundle that was read and verified, or None. Raises BundleError for one of another
    graph.
    """
    if AUTOMATON not in monitor.manifest.files:
        return None
    automaton = parse_automaton((bundle / AUTOMATON).read_bytes(), str(bundle / AUTOMATON))
    if automaton.graph != monitor.manifest.files[GRAPH]:
        raise BundleError(f"{bundle / AUTOMATON} was made of another graph: run `forewarn audit` again")
    return automaton


def compare(monitor: Monitor, automaton: Automaton, corpus: LabelledCorpus) -> Comparison | None:
    """Return both on the runs of tasks that the bundle was not made from; None where the corpus holds none with both
    outcomes.
    """
    manifest = monitor.manifest
    known = set(manifest.tasks)

    def is_new(task: str, _: int) -> bool:
        return digest_task(task) not in known

    network = list(score_runs(monitor, with_groups(corpus, manifest).runs(is_new)))
    if len({run.success for run in network}) < 2 or not any(run.last_turn for run in network):
        return None
    machine = list(score_runs(AutomatonMonitor(monitor, automaton), corpus.runs(is_new)))
    samples = [
        to_own_sample(manifest, network),
        to_sample(machine, automaton.horizon, [automaton.success_maxima]),
    ]
    return Comparison(
        len(network),
        len({run.task for run in network}),
        float(samples[0].table.label.mean()),
        measure_with_intervals(samples[0]),
        measure_with_intervals(samples[1]),
    )


def measure_automaton(
    bundle: Path, monitor: Monitor, corpus: LabelledCorpus, keep: Callable[[str, int], bool] | None = None
) -> dict[str, float]:
    """Return automaton_… figures on runs of a corpus; none where the bundle has no automaton."""
    automaton = read_automaton(bundle, monitor)
    if automaton is None:
        return {}
    runs = list(score_runs(AutomatonMonitor(monitor, automaton), corpus.runs(keep)))
    figures = measure_with_intervals(to_sample(runs, automaton.horizon, [automaton.success_maxima]))
    return {f"automaton_{name}": value for name, value in figures.items()}


def measure_with_intervals(sample: Sample) -> dict[str, float]:
    """Return FIGURES where they are defined, and their 95 % intervals over tasks."""
    figures = {name: value for name, value in measure(sample).items() if name in FIGURES}
    draws = measure_draws(sample, draw_tasks(sample))
    for name in list(figures):
        interval = to_interval(draws[name])
        if interval is not None:
            figures[f"{name}_lo"], figures[f"{name}_hi"] = interval
    return figures
