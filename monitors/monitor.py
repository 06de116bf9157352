"""A monitor ready to run: adapter → featuriser → scorer → calibration → decision rule, one raw step of each of many
runs at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import orjson

from monitors.adapter import Adapter, Reading, compile_adapter, read_spec
from monitors.automaton_record import Automaton, read_automaton
from monitors.bundle.folder import ADAPTER, EXAMPLES, GRAPH, VOCABULARY, read_manifest, read_monitor_id, verify_files
from monitors.bundle.manifest import Manifest
from monitors.bundle.reference import tools_of
from monitors.contract import check_contract
from monitors.decision import Alert, Standing
from monitors.errors import BundleError
from monitors.evidence import Evidence, gather
from monitors.features.protocol import TURNS, Featuriser
from monitors.features.reading import read_featuriser
from monitors.golden import check_golden, read_golden
from monitors.groups import NO_NAME, build_rules
from monitors.run_state import RunState
from monitors.scorers.choosing import Batch, choose_scorer
from monitors.scorers.protocol import Scorer, to_step_runs
from monitors.stepview import JsonValue, StepView


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the monitor says after one raw step. It rests on this raw step and earlier ones of the same run only."""

    turn: int
    """Agent actions so far; 0 before the first."""
    risk: float
    """Calibrated P(the run fails within the next h turns), 0 … 1."""
    failure_probability: float
    """Calibrated P(the run fails in the end), 0 … 1."""
    score: float
    """The raw failure logit, on which alerts are decided; higher is worse."""
    symbol: int
    """Event symbol, 0 … n_symbols - 1."""
    state: str
    """"warning" inside an alert episode, else "ok"."""
    alert: Alert | None
    """Set exactly when this raw step opens an alert episode."""
    view: StepView
    known: bool
    """False if no case of the adapter matched the raw step."""
    case: int | None = None
    """The number of the case that read the raw step; None for an unknown one, and for the start of a run."""
    truncated: bool = False
    """Whether a limit of the adapter cut something off."""
    new_tool: bool = False
    """Whether it calls a tool that the calibration runs never called; False where the bundle does not say which."""


class Monitor:
    """Scores running prefixes. Stateless: runs' states come in and go out, so it can be shared by threads and restarted
    at will.
    """

    def __init__(
        self,
        manifest: Manifest,
        adapter: Adapter,
        featuriser: Featuriser,
        scorer: Scorer,
        monitor_id: str = "m-unsaved",
    ) -> None:
        self.manifest = manifest
        self.adapter = adapter
        self.featuriser = featuriser
        self.scorer = scorer
        self._step_runs = to_step_runs(scorer)
        self.monitor_id = monitor_id
        self.examples: list[JsonValue] = []
        self.automaton: Automaton | None = None
        self.groups = build_rules(manifest)
        self.rule = self.groups.rules[NO_NAME]
        reference = manifest.reference
        self._tools = None if reference is None or reference.tools is None else frozenset(reference.tools)

    @classmethod
    def read(cls, path: Path | str, *, device: str = "auto", verify: bool = True) -> Monitor:
        """Return the monitor in a bundle folder. Unless told not to, verifies its files and asks it for what every
        monitor keeps to. `device` is "cpu", "cuda" (the CPU where it cannot be had) or "auto" (the quicker of the two,
        measured in about a second where CUDA is there); the log says which and why.

        Raises BundleError (not a bundle, damaged, too new, a broken contract, other answers to its golden steps),
        AdapterError, MissingExtraError.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        if verify:
            verify_files(folder, manifest)
        try:
            with (folder / VOCABULARY).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                featuriser = read_featuriser(manifest.featuriser, manifest.shape_version, arrays)
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise BundleError(f"{folder / VOCABULARY} is damaged: {error}") from None
        adapter = compile_adapter(read_spec(folder / ADAPTER))
        examples = orjson.loads((folder / EXAMPLES).read_bytes())

        def make_batch(scorer: Scorer, size: int) -> Batch:
            views = [adapter.read(examples[index % len(examples)] if examples else {}).view for index in range(size)]
            features, _ = featuriser.step_batch(views, [featuriser.initial_memory()] * size)
            return features, [scorer.initial_state() for _ in range(size)]

        scorer = choose_scorer(folder / GRAPH, device, make_batch)
        monitor = cls(manifest, adapter, featuriser, scorer, read_monitor_id(folder))
        monitor.examples = examples
        monitor.automaton = read_automaton(folder, manifest)
        if verify:
            check_contract(monitor, monitor.examples, manifest.n_symbols)
            if (golden := read_golden(folder, manifest)) is not None:
                check_golden(monitor, golden)
        return monitor

    @property
    def device(self) -> str:
        """Where the graph runs: "cpu" or "cuda"."""
        return self.scorer.device

    def initial_state(self, group: str = "") -> RunState:
        """Return the state of a run without steps. `group` names whose threshold holds for it, once and for all: "" if
        nobody knows.
        """
        return RunState(
            self.featuriser.initial_memory(),
            self.scorer.initial_state(),
            Standing(risk=self.manifest.calibration.base_risk),
            self.groups.find(group),
        )

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> list[tuple[RunState, Verdict]]:
        """Return the next state and the verdict for one raw step of each of several runs, in order. One call of the
        graph.

        Pure: the given states stay as they are, and a run's verdict does not depend on the others in the batch (beyond
        float rounding, 1e-6). Never raises on what a raw step holds.
        """
        if not raw_steps:
            return []
        return self.take(states, [self.adapter.read(raw_step) for raw_step in raw_steps])

    def take(self, states: Sequence[RunState], readings: Sequence[Reading]) -> list[tuple[RunState, Verdict]]:
        """Return what `advance` does for raw steps that the adapter has read; at least one."""
        features, memories = self.featuriser.step_batch(
            [reading.view for reading in readings], [run.memory for _, run in zip(readings, states, strict=True)]
        )
        scores, next_states = self._step_runs(features, [run.state for run in states])
        # Lists: a number taken out of an array one by one costs more than the rest of a verdict.
        risks = self.manifest.calibration.risk.to_probability(scores.risk_logit).tolist()
        failures = self.manifest.calibration.failure.to_probability(scores.failure_logit).tolist()
        logits, symbols = scores.failure_logit.tolist(), scores.symbol.tolist()
        results = []
        for index, reading in enumerate(readings):
            memory, before = memories[index], states[index].standing
            turn, score, risk, failure = int(memory[TURNS]), logits[index], risks[index], failures[index]
            rule = self.groups.rules[states[index].group]
            standing, opened = rule.next_standing(before, turn, score, risk)
            alert = (
                Alert(standing.episodes, turn, score, rule.threshold_at(turn), risk, failure, before.risk)
                if opened
                else None
            )
            verdict = Verdict(
                turn,
                risk,
                failure,
                score,
                symbols[index],
                "warning" if standing.warning else "ok",
                alert,
                reading.view,
                reading.known,
                reading.case,
                reading.truncated,
                self._is_new(reading.view.tool),
            )
            state = RunState(memory, next_states[index], standing, states[index].group)
            results.append((state, verdict))
        return results

    def _is_new(self, joined: str) -> bool:
        if not joined or self._tools is None or joined in self._tools:
            return False
        return any(tool not in self._tools for tool in tools_of(joined))

    def explain(
        self,
        state: RunState,
        raw_step: JsonValue,
        score_before: float | None = None,
        turn_symbols: Sequence[int] | None = None,
    ) -> Evidence:
        """Return what a raw step did to a run in a state: evidence for the alert that it opens. Pure.

        `score_before` is the run's score so far, None if it had no step. `turn_symbols` are the event symbols of its
        turns, of each that of its last raw step, this one's included; None where they are not known. Costs about four
        steps scored alone (1 ms), and 10 ms where every field is as long as an adapter lets through.
        """
        failure = self.manifest.calibration.failure
        return gather(self, failure, self.automaton, state, raw_step, score_before, turn_symbols)

    def warm(self) -> None:
        """Compile the kernels and run the graph once, so that the first real step is as quick as the others."""
        raw_step: JsonValue = (
            "warm up" if self.adapter.spec.event.unit == "text" else {"role": "user", "content": "warm up"}
        )
        self.advance([self.initial_state()], [raw_step])
        # Evidence has kernels of its own, and a first alert must not wait seconds for them.
        self.explain(self.initial_state(), raw_step)

    def session(self, group: str = "") -> Session:
        """Return a run's monitor to be fed step by step, in process. `group` is whose run it is, where the bundle has
        thresholds by group (`manifest.groups`).
        """
        return Session(self, group)


class Session:
    """One run, watched in the agent's own process. Same scores as the service gives."""

    def __init__(self, monitor: Monitor, group: str = "") -> None:
        self._monitor = monitor
        self.state = monitor.initial_state(group)

    def step(self, raw_step: JsonValue) -> Verdict:
        """Return the verdict after the run's next raw step."""
        ((self.state, verdict),) = self._monitor.advance([self.state], [raw_step])
        return verdict
