"""Exports in each convention for agents: an adapter induced from the file alone reads calls, results and words."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import propose_adapter
from induction.reading import read_runs
from monitors.adapter import compile_adapter
from monitors.stepview import StepView, to_text
from tests.induction.conftest import chat_messages
from tests.service.otlp_exports import export, export_logs, record, span

RECORDED = Path(__file__).parents[1] / "service" / "recorded"
TOOLS = {"find_order", "refund", "send_mail"}


def views_of(raw: Path) -> list[list[tuple[dict[str, Any], StepView]]]:
    """Each run's steps, and what the adapter that is induced from the files makes of them."""
    spec = propose_adapter(raw).spec
    adapter = compile_adapter(spec)
    return [[(dict(event), adapter.view(event)[0]) for event in run.events] for run in read_runs(raw, spec)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["openinference-openai", "openinference-langchain", "openllmetry"])
def test_recorded_exports_give_calls_their_results_and_the_last_word(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.jsonl").write_bytes(gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes()))
    runs = views_of(tmp_path)
    assert len(runs) == 16
    for steps in runs:
        *before, (_, said), (root, shows) = steps
        assert root.get("parentSpanId", "") == ""
        assert (shows.action, shows.actions, shows.result) == ("", 0, None)
        assert said.action.startswith("It is settled")
        calls = [view for _, view in before if view.actions]
        results = [view for _, view in before if not view.actions]
        assert len(calls) == len(results) > 0
        assert {view.tool for view in calls} <= TOOLS
        assert all(isinstance(view.args, dict) and len(view.args) == 1 for view in calls)
        assert all("done with" in to_text(view.result) or "not found" in to_text(view.result) for view in results)
        assert "What can you do?" in steps[0][1].observation


Spans = list[dict[str, Any]]


def indexed(messages: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
    """Messages as OpenLLMetry used to write them: an attribute for each part, with its number in its name."""
    named: dict[str, Any] = {}
    for number, message in enumerate(messages):
        named[f"{prefix}.{number}.role"] = message["role"]
        if message.get("content"):
            named[f"{prefix}.{number}.content"] = message["content"]
        for place, call in enumerate(message.get("tool_calls", ())):
            named[f"{prefix}.{number}.tool_calls.{place}.name"] = call["function"]["name"]
            named[f"{prefix}.{number}.tool_calls.{place}.arguments"] = call["function"]["arguments"]
    return named


def in_indexed_attributes(messages: list[dict[str, Any]], trace: str) -> Spans:
    exports: Spans = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            told = indexed(messages[:number], "gen_ai.prompt") | indexed([message], "gen_ai.completion")
            attributes = {"gen_ai.system": "openai", "llm.request.type": "chat", **told}
            exports.append(export(span(number, trace=trace, attributes=attributes)))
    return exports


def in_span_events(messages: list[dict[str, Any]], trace: str) -> Spans:
    exports: Spans = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            asked = [_event(f"gen_ai.{one['role']}.message", one) for one in messages[max(0, number - 2) : number]]
            attributes = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat"}
            events = [*asked, _event("gen_ai.choice", message)]
            exports.append(export(span(number, trace=trace, attributes=attributes, events=events)))
    return exports


def _event(name: str, message: dict[str, Any]) -> dict[str, Any]:
    attribute = {"key": "gen_ai.event.content", "value": {"stringValue": json.dumps(message)}}
    return {"timeUnixNano": "1", "name": name, "attributes": [attribute]}


def in_log_records(messages: list[dict[str, Any]], trace: str) -> Spans:
    return [
        export_logs(
            record(
                number,
                "gen_ai.choice" if one["role"] == "assistant" else f"gen_ai.{one['role']}.message",
                trace=trace,
                body={"message": one} if one["role"] == "assistant" else one,
            )
        )
        for number, one in enumerate(messages)
    ]


def write(tmp_path: Path, convention: Any) -> list[list[dict[str, Any]]]:
    rng = random.Random(7)
    runs = [chat_messages(rng) for _ in range(30)]
    lines = [json.dumps(one) for number, run in enumerate(runs) for one in convention(run, f"{number + 1:032x}")]
    (tmp_path / "exports.jsonl").write_text("\n".join(lines))
    return runs


@pytest.mark.parametrize("convention", [in_indexed_attributes, in_log_records])
def test_older_conventions_give_the_tools_that_were_called_and_what_was_said(tmp_path: Path, convention: Any) -> None:
    truths = write(tmp_path, convention)
    runs = views_of(tmp_path)
    assert len(runs) == 30
    right = wanted = 0
    for messages, steps in zip(truths, runs, strict=True):
        acts = [message for message in messages if message["role"] == "assistant"]
        seen = [view for _, view in steps if view.actions]
        for message, view in zip(acts, seen, strict=False):
            names = " ".join(call["function"]["name"] for call in message.get("tool_calls", ()))
            wanted += 1
            right += (view.tool or "") == names and (message.get("content") or "") in view.action
        wanted += max(0, len(acts) - len(seen))
    assert right / wanted > 0.95


def test_messages_in_events_of_spans_are_read_as_text(tmp_path: Path) -> None:
    """Calls are not told apart there: `docs/opentelemetry.md` says so."""
    truths = write(tmp_path, in_span_events)
    for messages, steps in zip(truths, views_of(tmp_path), strict=True):
        acts = [message for message in messages if message["role"] == "assistant"]
        assert len(acts) == len(steps)
        for message, (_, view) in zip(acts, steps, strict=True):
            assert (message.get("content") or "") in view.action
            assert all(call["function"]["name"] in view.action for call in message.get("tool_calls", ()))
