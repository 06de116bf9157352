"""Records what real instrumentations export of a small agent with tools, against a model that is a script.

Run by hand, in an environment of its own: `python record.py KIND`, with KIND one of openinference-openai,
openinference-langchain, openllmetry, and the packages that its function imports. Writes KIND.jsonl.gz beside
itself, one OTLP/JSON export a line. The tests read those files alone.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

RUNS = 16
TOOLS = {"find_order": "order", "refund": "order", "send_mail": "text"}
GOODS = ("lamp", "desk", "chair", "mug", "pen", "bag")
SCHEMAS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Does {name}.",
            "parameters": {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]},
        },
    }
    for name, key in TOOLS.items()
]


def run_tool(name: str, args: dict[str, Any]) -> str:
    value = str(next(iter(args.values()), ""))
    if len(value) % 5 == 0:
        return json.dumps({"error": "not found", "asked": value})
    return json.dumps({"ok": True, "by": name, "note": f"done with {value}"})


class Model(BaseHTTPRequestHandler):
    """Answers chats as a model would: some calls of tools, then a word of its own."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body["messages"]
        rng = random.Random(json.dumps(messages))
        done = sum(1 for message in messages if message["role"] == "tool")
        message: dict[str, Any] = {"role": "assistant", "content": f"It is settled: {rng.choice(GOODS)} {done}."}
        if done < 2 + len(messages[-1].get("content") or "") % 3 and done < 5:
            name = rng.choice(list(TOOLS))
            args = json.dumps({TOOLS[name]: f"{rng.choice(GOODS)} {rng.randint(1, 999)}"})
            call = {"id": f"call_{rng.getrandbits(40):x}", "type": "function", "function": {"name": name}}
            call["function"]["arguments"] = args
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = {
            "id": f"chatcmpl-{rng.getrandbits(40):x}",
            "object": "chat.completion",
            "created": 1_773_648_000,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def ask(number: int) -> str:
    rng = random.Random(number)
    return f"My {rng.choice(GOODS)} {rng.randint(1, 99)} came broken{'!' * (number % 4)} What can you do?"


def converse(client: Any, number: int, tool: Any) -> None:
    """One run: the openai client in a loop; `tool` runs a tool inside whatever span the convention has for it."""
    messages: list[Any] = [{"role": "system", "content": "You help."}, {"role": "user", "content": ask(number)}]
    while True:
        answer = client.chat.completions.create(model="m-1", messages=messages, tools=SCHEMAS).choices[0].message
        messages.append(answer.model_dump(exclude_none=True))
        if not answer.tool_calls:
            return
        for call in answer.tool_calls:
            result = tool(call.function.name, json.loads(call.function.arguments), call.id)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def with_openai(base_url: str, tracer: Any, attributes: Any, root: dict[str, str], *, kinds: bool = False) -> None:
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key="none")

    def tool(name: str, args: dict[str, Any], call_id: str) -> str:
        with tracer.start_as_current_span(f"{name}.tool" if kinds else name) as span:
            result = run_tool(name, args)
            span.set_attributes(attributes(name, args, call_id, result))
            return result

    for number in range(RUNS):
        with tracer.start_as_current_span("agent.workflow" if kinds else "agent") as span:
            span.set_attributes(root)
            converse(client, number, tool)


def openinference_openai(base_url: str, tracer: Any) -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    with_openai(
        base_url,
        tracer,
        lambda name, args, call_id, result: {
            "openinference.span.kind": "TOOL",
            "tool.name": name,
            "tool_call.id": call_id,
            "input.value": json.dumps(args),
            "input.mime_type": "application/json",
            "output.value": result,
        },
        {"openinference.span.kind": "AGENT"},
    )


def openllmetry(base_url: str, tracer: Any) -> None:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    with_openai(
        base_url,
        tracer,
        lambda name, args, _, result: {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": name,
            "traceloop.entity.input": json.dumps({"args": [], "kwargs": args}),
            "traceloop.entity.output": json.dumps(result),
        },
        {"traceloop.span.kind": "workflow", "traceloop.entity.name": "agent"},
        kinds=True,
    )


def openinference_langchain(base_url: str, _: Any) -> None:
    from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import StructuredTool
    from langchain_openai import ChatOpenAI
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument()

    def find_order(order: str) -> str:
        """Finds an order."""
        return run_tool("find_order", {"order": order})

    def refund(order: str) -> str:
        """Refunds an order."""
        return run_tool("refund", {"order": order})

    def send_mail(text: str) -> str:
        """Sends a mail."""
        return run_tool("send_mail", {"text": text})

    tools = {f.__name__: StructuredTool.from_function(f) for f in (find_order, refund, send_mail)}
    model = ChatOpenAI(model="m-1", base_url=base_url, api_key="none").bind_tools(list(tools.values()))

    def agent(number: int) -> str:
        messages: list[Any] = [SystemMessage("You help."), HumanMessage(ask(number))]
        while True:
            answer = model.invoke(messages)
            messages.append(answer)
            if not answer.tool_calls:
                return str(answer.content)
            messages += [
                ToolMessage(tools[call["name"]].invoke(call["args"]), tool_call_id=call["id"])
                for call in answer.tool_calls
            ]

    for number in range(RUNS):
        RunnableLambda(agent).invoke(number)


KINDS = {
    "openinference-openai": openinference_openai,
    "openinference-langchain": openinference_langchain,
    "openllmetry": openllmetry,
}


def unpacked(message: Any) -> dict[str, Any]:
    """A message as OTLP's JSON has it: ids in hex."""

    def with_hex(node: Any) -> Any:
        if isinstance(node, list):
            return [with_hex(item) for item in node]
        if not isinstance(node, dict):
            return node
        ids = {"traceId", "spanId", "parentSpanId"}
        return {k: base64.b64decode(v).hex() if k in ids else with_hex(v) for k, v in node.items()}

    return dict(with_hex(MessageToDict(message, use_integers_for_enums=True)))


def main(kind: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resource = Resource({"service.name": "desk"})
    spans = InMemorySpanExporter()
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    KINDS[kind](f"http://127.0.0.1:{server.server_port}/v1", trace.get_tracer("desk"))
    exports = [unpacked(encode_spans([span])) for span in spans.get_finished_spans()]
    path = Path(__file__).with_name(f"{kind}.jsonl.gz")
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in exports).encode(), mtime=0))
    print(path, len(exports), path.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1])
