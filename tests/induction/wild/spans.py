"""Traces of instrumented agents: spans with messages as JSON, with flattened messages, and spans within spans."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import ident, output, say

Span = dict[str, Any]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return (
        {"arrayValue": {"values": [_value(one) for one in value]}}
        if isinstance(value, list)
        else {"stringValue": value}
    )


def _call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return rng.choice(
        (
            ("web_search", {"query": say(rng, 2, 8)}),
            ("visit_page", {"url": f"https://a.example/{ident(rng, 16)}"}),
            ("calculator", {"expression": f"{rng.randint(1, 99)} * {rng.randint(1, 99)}"}),
            ("final_answer", {"answer": say(rng, 2, 8)}),
        )
    )


class _Trace:
    """Spans of one trace as they nest; each ends after those within it."""

    def __init__(self, rng: random.Random, start: int) -> None:
        self.rng, self.clock, self.id, self.spans = rng, start, ident(rng, 128), list[Span]()

    def open(self, name: str, parent: Span | None, **attributes: Any) -> Span:
        self.clock += self.rng.randint(1, 50) * 1_000_000
        span: Span = {"traceId": self.id, "spanId": ident(self.rng), "name": name, "kind": 1}
        span |= {"parentSpanId": parent["spanId"] if parent else "", "startTimeUnixNano": str(self.clock)}
        span["attributes"] = {key.replace("__", "."): value for key, value in attributes.items()}
        self.spans.append(span)
        return span

    def close(self, span: Span, failed: bool = False) -> None:
        self.clock += self.rng.randint(1, 900) * 1_000_000
        span |= {"endTimeUnixNano": str(self.clock), "status": {"code": 2, "message": "failed"} if failed else {}}


def _export(spans: list[Span], service: str) -> dict[str, Any]:
    listed = [
        {**one, "attributes": [{"key": k, "value": _value(v)} for k, v in one["attributes"].items()]} for one in spans
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "agent"}, "spans": listed}]}]}


def write_message_spans(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Several traces an export: a model's span holds its messages as JSON, a tool's span its arguments and result."""
    truths: Runs = {}
    for first in range(0, runs, 4):
        mixed: list[list[Span]] = []
        for number in range(first, min(runs, first + 4)):
            told, trace = Told(), _Trace(rng, 1_740_000_000_000_000_000 + number * 10**13)
            root = trace.open(
                "invoke_agent helper", None, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="helper"
            )
            heard = [{"role": "user", "parts": [{"type": "text", "content": say(rng, 10, 40)}]}]
            for _ in range(rng.randint(2, 8)):
                calls = [(f"call_{ident(rng)}", *_call(rng)) for _ in range(rng.choice((1, 1, 1, 2)))]
                text = say(rng, 5, 30) if rng.random() < 0.6 else None
                parts: list[dict[str, Any]] = [{"type": "text", "content": text}] if text else []
                parts += [
                    {"type": "tool_call", "id": one, "name": name, "arguments": args} for one, name, args in calls
                ]
                answer = [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]
                chat = trace.open("chat m-4", root, gen_ai__operation__name="chat", gen_ai__request__model="m-4")
                chat["attributes"] |= {
                    "gen_ai.input.messages": json.dumps(heard),
                    "gen_ai.output.messages": json.dumps(answer),
                }
                chat["attributes"] |= {
                    "gen_ai.usage.input_tokens": rng.randint(100, 9000),
                    "gen_ai.response.id": ident(rng),
                }
                http = trace.open("POST", chat, http__request__method="POST", http__response__status_code=200)
                trace.close(http)
                trace.close(chat)
                told.messages += [(text,)] if text else []
                told.turns["calls"] += len(calls)
                heard = [*heard, *answer]
                for one, name, args in calls:
                    result = output(rng)
                    tool = trace.open(
                        f"execute_tool {name}", root, gen_ai__operation__name="execute_tool", gen_ai__tool__name=name
                    )
                    tool["attributes"] |= {"gen_ai.tool.call.id": one, "gen_ai.tool.call.arguments": json.dumps(args)}
                    tool["attributes"]["gen_ai.tool.call.result"] = result
                    trace.close(tool, rng.random() < 0.1)
                    told.call(name, args)
                    told.replies.append((result,))
                    heard = [
                        *heard,
                        {"role": "tool", "parts": [{"type": "tool_call_response", "id": one, "response": result}]},
                    ]
            final = say(rng, 10, 30)
            chat = trace.open("chat m-4", root, gen_ai__operation__name="chat", gen_ai__request__model="m-4")
            answer = [{"role": "assistant", "parts": [{"type": "text", "content": final}], "finish_reason": "stop"}]
            chat["attributes"] |= {
                "gen_ai.input.messages": json.dumps(heard),
                "gen_ai.output.messages": json.dumps(answer),
            }
            trace.close(chat)
            trace.close(root, rng.random() < 0.3)
            told.messages.append((final,))
            told.turns["calls"] += 1
            mixed.append(trace.spans)
            truths[f"traces-{first:03d}.json", number - first] = told
        # The first span of each trace comes in order, the others mixed as they ended.
        spans = [one[0] for one in mixed] + [span for one in mixed for span in one[1:]]
        (folder / f"traces-{first:03d}.json").write_text(json.dumps(_export(spans, "helper")))
    return truths


def _flat_model(
    heard: list[tuple[str, str]], text: str | None, calls: list[tuple[str, str, dict[str, Any]]]
) -> dict[str, Any]:
    flat: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.model_name": "m-4"}
    for index, (role, content) in enumerate(heard):
        flat |= {
            f"llm.input_messages.{index}.message.role": role,
            f"llm.input_messages.{index}.message.content": content,
        }
    flat["llm.output_messages.0.message.role"] = "assistant"
    if text:
        flat["llm.output_messages.0.message.content"] = text
    for index, (one, name, args) in enumerate(calls):
        head = f"llm.output_messages.0.message.tool_calls.{index}.tool_call"
        flat |= {f"{head}.id": one, f"{head}.function.name": name, f"{head}.function.arguments": json.dumps(args)}
    flat |= {"input.mime_type": "application/json", "input.value": json.dumps({"messages": heard})}
    return flat | {
        "output.mime_type": "application/json",
        "output.value": json.dumps({"content": text, "tool_calls": calls}),
    }


def _flat_trace(rng: random.Random, number: int) -> tuple[Told, _Trace]:
    told, trace = Told(), _Trace(rng, 1_740_000_000_000_000_000 + number * 10**13)
    asked = say(rng, 10, 40)
    root = trace.open("Agent.run", None)
    root["attributes"] |= {"openinference.span.kind": "AGENT", "input.value": json.dumps({"task": asked})}
    heard = [("system", say(rng, 40, 80)), ("user", asked)]
    for step in range(rng.randint(2, 7)):
        chain = trace.open(f"Step {step + 1}", root)
        chain["attributes"] |= {"openinference.span.kind": "CHAIN"}
        calls = [(f"call_{ident(rng)}", *_call(rng)) for _ in range(rng.choice((1, 1, 1, 2)))]
        text = say(rng, 5, 30) if rng.random() < 0.8 else None
        model = trace.open("Model.generate", chain)
        model["attributes"] |= _flat_model(heard, text, calls)
        model["attributes"]["llm.token_count.total"] = rng.randint(99, 9999)
        trace.close(model)
        told.messages += [(text,)] if text else []
        told.turns["calls"] += len(calls)
        heard = [*heard, ("assistant", text or "")]
        for _, name, args in calls:
            result = output(rng)
            tool = trace.open(name, chain)
            tool["attributes"] |= {
                "openinference.span.kind": "TOOL",
                "tool.name": name,
                "tool.description": say(rng, 5, 9),
            }
            tool["attributes"] |= {"input.value": json.dumps({"args": [], "kwargs": args}), "output.value": result}
            trace.close(tool, rng.random() < 0.1)
            told.tools.append((name,))
            told.args.append((args, {"args": [], "kwargs": args}))
            told.replies.append((result,))
            heard = [*heard, ("tool", result)]
        chain["attributes"]["output.value"] = "Execution logs:"
        trace.close(chain)
    root["attributes"]["output.value"] = say(rng, 4, 20)
    trace.close(root)
    return told, trace


def write_flat_spans(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One export a run, one file each: messages flattened into attributes whose names hold numbers."""
    truths: Runs = {}
    for number in range(runs):
        told, trace = _flat_trace(rng, number)
        (folder / f"{trace.id}.otlp.json").write_text(json.dumps(_export(trace.spans, "helper")))
        truths[f"{trace.id}.otlp.json", 0] = told
    return truths


def write_span_trees(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One file a trace: spans hold the spans within them, with flattened attributes."""
    truths: Runs = {}
    for number in range(runs):
        told, trace = _flat_trace(rng, number)
        nodes = {one["spanId"]: _node(one) for one in trace.spans}
        for span in trace.spans:
            if span["parentSpanId"]:
                nodes[span["parentSpanId"]]["child_spans"].append(nodes[span["spanId"]])
        root = nodes[trace.spans[0]["spanId"]]
        (folder / f"{trace.id}.json").write_text(json.dumps({"trace_id": trace.id, "spans": [root]}, indent=1))
        truths[f"{trace.id}.json", None] = told
    return truths


def _node(span: Span) -> Span:
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    seconds = start / 1e9 - 1_740_000_000
    head = {
        "timestamp": f"2025-03-01T{int(seconds // 3600) % 24:02d}:{int(seconds // 60) % 60:02d}:{seconds % 60:09.6f}Z"
    }
    head |= {"trace_id": span["traceId"], "span_id": span["spanId"], "parent_span_id": span["parentSpanId"] or None}
    head |= {
        "span_name": span["name"],
        "span_kind": "Internal",
        "service_name": "helper",
        "duration": f"PT{(end - start) / 1e9:.6f}S",
    }
    rest = {"resource_attributes": {"service.name": "helper"}, "scope_name": "x", "span_attributes": span["attributes"]}
    return {
        **head,
        **rest,
        "status_code": "Error" if span["status"] else "Unset",
        "status_message": "",
        "events": [],
        "links": [],
        "logs": [],
        "child_spans": [],
    }
