"""A bundle with an audit in it, made here, whose texts are hostile: agents' and those of whoever wrote the bundle."""

from __future__ import annotations

from pathlib import Path

from monitors.automaton_record import Automaton, ExampleTurn, StateRecord, Support, SymbolRecord, Term
from monitors.bundle import read_manifest
from monitors.bundle.folder import EVALUATION, GRAPH, PICTURE, RELIABILITY, add_automaton, add_part
from monitors.calibration import PlattMap
from monitors.evaluation_record import EvaluationRecord
from monitors.reliability import BINS, Reliability, RunInBins, build_table
from tests.pages.runs import HOSTILE, LONG
from tests.service.other_bundle import write_twin

EVIL_PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="80" viewBox="0 0 400 80" onload="alert(1)">'
    b"<style>text { fill: teal; }</style><script>alert(2)</script>"
    b'<image href="http://192.0.2.1/x.png" width="9" height="9"/><text x="9" y="40">s0</text></svg>'
)
PLAIN = PlattMap(slope=1.0, intercept=0.0)


def write_audited(bundle: Path, folder: Path, shift: float, *, picture: bytes | None = EVIL_PICTURE) -> Path:
    """A twin of the bundle with an automaton, and a picture of it unless None."""
    write_twin(bundle, folder, shift)
    graph = read_manifest(folder).files[GRAPH]
    add_automaton(folder, make_automaton(graph).model_dump_json().encode())
    if picture is not None:
        add_part(folder, PICTURE, picture)
    add_part(folder, RELIABILITY, make_reliability().model_dump_json().encode())
    add_part(folder, EVALUATION, make_evaluation().model_dump_json().encode())
    return folder


def make_reliability() -> Reliability:
    """Something in five tenths of the scale."""
    runs = []
    for number in range(60):
        place = 2 * (number % 5)
        weights = [float(place == one) for one in range(BINS)]
        came = weights if number % 7 < place else [0.0] * BINS
        runs.append(RunInBins(weights, [one * (place / BINS + 0.05) for one in weights], came))
    table = build_table(runs)
    return Reliability(runs=60, tasks=20, failure=table, risk=table)


def make_evaluation() -> EvaluationRecord:
    """Figures with an interval, a floor, and a hostile name."""
    figures = {
        "runs": 60.0, "tasks": 20.0, "failures": 20.0, "base_rate_h3": 0.2, "auprc_h3": 0.71, "auprc_h3_lo": 0.6,
        "auprc_h3_hi": 0.8, "floor_step_index_auprc_h3": 0.4, "first_alert_caught": 9.0, "first_alert_false": 2.0,
        "first_alert_left_p50": 0.375, HOSTILE: 1.0,
    }  # fmt: skip
    return EvaluationRecord(
        made="2026-01-02T03:04:05+00:00",
        forewarn="0",
        corpus=HOSTILE,
        fold=None,
        known_tasks=True,
        figures=figures,
        reliability=make_reliability(),
    )


def make_automaton(graph: str) -> Automaton:
    """Three states over four symbols, one of which no turn has; each text hostile."""
    turn = ExampleTurn(run=HOSTILE, turn=2, success=False, fields={"action": HOSTILE + LONG, HOSTILE[:60]: LONG})
    seen = Support(runs=30, turns=90, failure_rate=0.7, risk_rate=0.4)
    fine = Support(runs=50, turns=200, failure_rate=0.04, risk_rate=0.02)
    words = [Term(text=HOSTILE, field="action", lift=3.2, turns=9), Term(text=LONG, field=HOSTILE, lift=2.0, turns=4)]
    return Automaton(
        graph=graph,
        horizon=3,
        minimum_support=20,
        states=[
            StateRecord(
                transitions={0: 1, 1: 2, 2: 2, 3: 0},
                visits={0: 5, 1: 80},
                failure_logit=0.0,
                risk_logit=0.0,
                training=Support(),
                held_out=Support(),
            ),
            _state(seen, fine, [turn]),
            _state(fine, seen, []),
        ],
        fallback={},
        symbols=[
            SymbolRecord(support=seen, tools={HOSTILE: 4, LONG: 2}, terms=words, examples=[turn]),
            SymbolRecord(support=fine),
            SymbolRecord(support=Support()),
            SymbolRecord(support=seen),
        ],
        risk=PLAIN,
        failure=PLAIN,
        base_risk=0.2,
        success_maxima=[],
        success_turns=[],
    )


def _state(training: Support, held_out: Support, examples: list[ExampleTurn]) -> StateRecord:
    return StateRecord(
        transitions={0: 1},
        visits={0: 7},
        failure_logit=0.0,
        risk_logit=0.0,
        training=training,
        held_out=held_out,
        examples=examples,
    )
