from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.checking import Fit, check_adapter
from monitors.adapter import AdapterSpec, parse_spec


def act(number: int) -> dict[str, Any]:
    return {"kind": "act", "say": f"I look {number}", "call": {"name": "look"}, "why": "x" if number % 10 == 0 else ""}


def answer(number: int) -> dict[str, Any]:
    return {"kind": "answer", "text": f"found {number}"}


def case(kind: str, acts: bool = False, **paths: str) -> dict[str, Any]:
    fields = {name: [{"path": path}] for name, path in paths.items()}
    return {"when": {"/kind": [kind]}, "acts": acts, "fields": fields}


@pytest.fixture
def spec() -> AdapterSpec:
    cases = [
        case("act", acts=True, action="/say", tool="/call/name", args="/why", status="/state"),
        case("answer", result="/text"),
        case("summary"),
    ]
    return parse_spec({"format": 1, "name": "x", "source": {"events": ["/*"]}, "event": {"cases": cases}})


def write(folder: Path, steps: list[Any]) -> Path:
    folder.mkdir()
    for number in range(0, len(steps), 10):
        (folder / f"run{number}.json").write_text(json.dumps(steps[number : number + 10]))
    return folder


def usual(count: int = 200) -> list[Any]:
    return [step for number in range(count) for step in (act(number), answer(number))]


def lost(fit: Fit) -> list[tuple[int, str]]:
    return [(case.number, name) for case in fit.cases for name in case.lost]


def test_the_runs_that_an_adapter_was_made_for_fit(tmp_path: Path, spec: AdapterSpec) -> None:
    fit = check_adapter(write(tmp_path / "raw", usual()), spec)
    assert (fit.fitting, fit.known, fit.steps, fit.runs) == (1.0, 1.0, 400, 40)
    assert lost(fit) == []
    assert fit.fills["tool"] == 0.5
    assert fit.cases[0].fills == {"action": 1.0, "tool": 1.0, "args": 0.1, "status": 0.0}


def test_kinds_that_no_case_knows_do_not_fit_and_are_shown(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [*usual(150), *({"kind": "thought", "text": "hm"} for _ in range(100))]
    fit = check_adapter(write(tmp_path / "raw", steps), spec)
    assert fit.fitting == fit.known == 0.75
    assert fit.unknown_shapes == (("{kind, text}", 100),)


def test_a_renamed_key_is_a_lost_field_and_its_raw_steps_do_not_fit(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [{"renamed" if key == "call" else key: value for key, value in step.items()} for step in usual()]
    fit = check_adapter(write(tmp_path / "raw", steps), spec)
    assert lost(fit) == [(0, "tool")]
    assert (fit.known, fit.fitting) == (1.0, 0.5)


def test_few_raw_steps_prove_no_loss(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [{key: value for key, value in step.items() if key != "call"} for step in usual(60)]
    assert lost(check_adapter(write(tmp_path / "raw", steps), spec)) == []


def test_a_case_that_masks_a_kind_fits(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [*usual(100), *({"kind": "summary", "score": 1} for _ in range(200))]
    assert check_adapter(write(tmp_path / "raw", steps), spec).fitting == 1.0


def test_a_case_for_raw_steps_that_leave_a_field_empty_fits(tmp_path: Path) -> None:
    there = {**case("", result="/text"), "when": {"/text": []}}
    empty = {**case("", result="/text"), "when": {"/text": [""]}}
    event = {"cases": [case("act", acts=True, action="/say"), there, empty]}
    spec = parse_spec({"format": 1, "name": "x", "source": {"events": ["/*"]}, "event": event})
    steps = [*usual(20), *({"text": ""} for _ in range(300))]
    fit = check_adapter(write(tmp_path / "raw", steps), spec)
    assert fit.cases[2].steps == 300
    assert fit.fitting == 1.0


def test_a_baseline_shows_a_field_that_became_rare(tmp_path: Path, spec: AdapterSpec) -> None:
    then = write(tmp_path / "then", usual(400))
    today = write(
        tmp_path / "today", [act(number) if number % 4 == 0 else {**act(number), "call": {}} for number in range(400)]
    )
    assert lost(check_adapter(today, spec)) == []
    fit = check_adapter(today, spec, then)
    assert lost(fit) == [(0, "tool")]
    assert fit.fitting == 0.0
    assert fit.cases[0].baseline_fills is not None
    assert fit.cases[0].baseline_fills["tool"] == 1.0


def test_a_baseline_clears_a_field_that_was_always_rare(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [{**step, "why": ""} for step in usual(120)]
    then = write(tmp_path / "then", steps)
    today = write(tmp_path / "today", steps)
    assert lost(check_adapter(today, spec)) == [(0, "args")]
    assert lost(check_adapter(today, spec, then)) == []


def test_runs_that_stand_elsewhere_now_are_no_fit_at_all(tmp_path: Path, spec: AdapterSpec) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "run.json").write_text(json.dumps({"steps": usual()}))
    fit = check_adapter(tmp_path / "raw", spec)
    assert (fit.steps, fit.fitting) == (0, 0.0)
    assert [fault.file for fault in fit.skipped] == ["run.json"]


def test_what_limits_cut_off_and_what_reading_costs_is_told(tmp_path: Path, spec: AdapterSpec) -> None:
    steps = [*usual(20), *({"kind": "answer", "text": "long " * 5_000} for _ in range(10))]
    fit = check_adapter(write(tmp_path / "raw", steps), spec)
    assert (fit.truncated, fit.fitting) == (0.2, 1.0)
    assert fit.cost.steps == 50
    assert 0 < fit.cost.p50_us <= fit.cost.p99_us
    assert 0 < fit.cost.p50_us_per_2kb <= fit.cost.p99_us_per_2kb <= fit.cost.p99_us


def test_the_counts_have_the_names_that_the_service_exports_them_by(tmp_path: Path, spec: AdapterSpec) -> None:
    fit = check_adapter(write(tmp_path / "raw", [*usual(3), {"kind": "odd"}]), spec)
    assert fit.counters["forewarn_adapter_steps_total"] == {"0": 3, "1": 3, "unknown": 1}
    assert fit.to_dict()["counters"]["forewarn_adapter_fields_filled_total"]["result"] == 3
