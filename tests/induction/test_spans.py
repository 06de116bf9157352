"""Spans whose chat repeats the whole conversation, and whose root span, which ends last, knows how it went."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import Proposal, propose_adapter
from induction.reading import read_runs
from monitors.adapter import compile_adapter
from tests.induction.conftest import chat_messages
from tests.induction.truth import Truth, compare, parse_chat


def to_parts(message: dict[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if message["role"] == "tool":
        parts.append({"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]})
    elif message["content"]:
        parts.append({"type": "text", "content": message["content"]})
    for call in message.get("tool_calls", []):
        arguments = json.loads(call["function"]["arguments"])
        parts.append({"type": "tool_call", "id": call["id"], "name": call["function"]["name"], "arguments": arguments})
    return {"role": message["role"], "parts": parts}


class Recorder:
    """Writes one run's spans, shuffled, as an exporter under load would."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.spans, self.now = rng, list[dict[str, Any]](), 1_700_000_000_000_000_000
        self.trace, self.root = f"{rng.getrandbits(128):032x}", f"{rng.getrandbits(64):016x}"

    def record(self, operation: str, span_id: str | None = None, **attributes: str) -> None:
        start, self.now = self.now, self.now + self.rng.randint(10**6, 10**9)
        named = {"gen_ai.operation.name": operation, **{k.replace("__", "."): v for k, v in attributes.items()}}
        self.spans.append(
            {
                "traceId": self.trace,
                "spanId": span_id or f"{self.rng.getrandbits(64):016x}",
                "parentSpanId": "" if span_id else self.root,
                "name": f"{operation} x",
                "kind": 1,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(self.now),
                "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in named.items()],
            }
        )


def record_run(rng: random.Random) -> tuple[list[dict[str, Any]], Truth]:
    recorder = Recorder(rng)
    messages = chat_messages(rng)
    history: list[dict[str, Any]] = []
    calls: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message["role"] == "assistant":
            said = json.dumps([to_parts(message)])
            recorder.record("chat", gen_ai__input__messages=json.dumps(history), gen_ai__output__messages=said)
            calls |= {call["id"]: call["function"] for call in message.get("tool_calls", [])}  # type: ignore[attr-defined]
        elif message["role"] == "tool":
            call = calls[str(message["tool_call_id"])]
            recorder.record(
                "execute_tool",
                gen_ai__tool__name=call["name"],
                gen_ai__tool__call__arguments=call["arguments"],
                gen_ai__tool__call__result=str(message["content"]),
            )
        history.append(to_parts(message))
    last = json.dumps([history[-1]])
    recorder.record("invoke_agent", recorder.root, gen_ai__output__messages=last, app__ok=str(rng.random() < 0.5))
    rng.shuffle(recorder.spans)
    return recorder.spans, parse_chat(messages)


@pytest.fixture
def proposed(tmp_path: Path) -> tuple[Path, Proposal, list[Truth]]:
    rng = random.Random(4)
    runs = [record_run(rng) for _ in range(30)]
    spans = [span for recorded, _ in runs for span in recorded]
    export = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
    (tmp_path / "spans.json").write_text(json.dumps(export))
    return tmp_path, propose_adapter(tmp_path), [truth for _, truth in runs]


def test_traces_are_runs_and_their_calls_replies_and_messages_are_read(
    proposed: tuple[Path, Proposal, list[Truth]],
) -> None:
    raw, proposal, truths = proposed
    runs = list(read_runs(raw, proposal.spec))
    assert [run.loc for run in runs] == list(range(30))
    agreement = compare(proposal.spec, list(zip(runs, truths, strict=True)))
    assert {name: agreement.share(name) for name in agreement.wanted} == dict.fromkeys(agreement.wanted, 1.0)
    assert agreement.runs_with_right_turns == 30


def test_a_chat_that_repeats_the_conversation_shows_only_what_was_said_last(
    proposed: tuple[Path, Proposal, list[Truth]],
) -> None:
    raw, proposal, _ = proposed
    adapter = compile_adapter(proposal.spec)
    for run in list(read_runs(raw, proposal.spec))[:5]:
        heard = [adapter.view(event)[0].observation for event in run.events]
        assert len([text for text in heard if text]) == len({text for text in heard if text})
        assert all(text.count("\n") == 0 for text in heard)


def test_the_root_span_shows_nothing(proposed: tuple[Path, Proposal, list[Truth]]) -> None:
    raw, proposal, _ = proposed
    adapter = compile_adapter(proposal.spec)
    for run in read_runs(raw, proposal.spec):
        view = adapter.view(run.events[-1])[0]
        assert (view.action, view.observation, view.result, view.actions) == ("", "", None, 0)
    assert any("invoke_agent" in line for line in proposal.refused)
