"""Shows: a tool loop over the chat completions API; every message goes to forewarn just as it is.

    python examples/openai_tool_loop.py

Asks a small stand-in model of its own, unless OPENAI_BASE_URL (and OPENAI_API_KEY, OPENAI_MODEL) name a real one.
Reads FOREWARN_URL (http://127.0.0.1:8080) and, where the service has keys, FOREWARN_API_KEY.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import httpx
from fake_model import fake_model

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
MODEL_KEY = os.environ.get("OPENAI_API_KEY", "none")
MODEL = os.environ.get("OPENAI_MODEL", "fake")
MOST_TURNS = 10
ORDER = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_order", "description": "Look an order up", "parameters": ORDER}}
]
BEGINNING: list[dict[str, Any]] = [
    {"role": "system", "content": "You work at the help desk of a web shop."},
    {"role": "user", "content": "Where is my order W-17?"},
]


def main() -> None:
    """Work on one question."""
    headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}
    with httpx.Client(base_url=URL, headers=headers, timeout=10) as http:
        require_service(http)
        if "OPENAI_BASE_URL" in os.environ:
            work(http, os.environ["OPENAI_BASE_URL"])
        else:
            with fake_model() as address:
                work(http, address)


def work(http: httpx.Client, model: str) -> None:
    """The loop: ask the model, run the tools that it calls, until it answers in words or forewarn warns."""
    run_id = f"loop-{uuid.uuid4().hex[:8]}"
    messages: list[dict[str, Any]] = []
    pending = list(BEGINNING)
    for _ in range(MOST_TURNS):
        for message in pending:
            messages.append(message)
            if warns(http, run_id, message):
                print("forewarn warns: handed over to a person")
                return
        reply = ask(model, messages)
        calls = reply.get("tool_calls") or []
        results = [{"role": "tool", "tool_call_id": call["id"], "content": run_tool(call)} for call in calls]
        pending = [reply, *results]
        if not calls:
            warns(http, run_id, reply)
            break
    http.post(f"/v1/runs/{run_id}/end").raise_for_status()
    print(f"run {run_id} has ended; say how it went with POST /v1/runs/{run_id}/outcome")


def ask(model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The model's next message."""
    asked = {"model": MODEL, "messages": messages, "tools": TOOLS}
    headers = {"Authorization": f"Bearer {MODEL_KEY}"}
    answer = httpx.post(f"{model}/chat/completions", json=asked, headers=headers, timeout=60).raise_for_status()
    return dict(answer.json()["choices"][0]["message"])


def run_tool(call: dict[str, Any]) -> str:
    """The back office is down today."""
    return f'{{"error": "{call["function"]["name"]}: no such order"}}'


def warns(http: httpx.Client, run_id: str, message: dict[str, Any]) -> bool:
    """Post a message as it is; whether an alert opened."""
    answer = http.post(f"/v1/runs/{run_id}/steps?wait=score", json=message).raise_for_status()
    (step,) = answer.json()["steps"]
    said = message.get("content") or f"calls {message['tool_calls'][0]['function']['name']}"
    if step.get("scored"):
        print(f"{message['role']:9} P(fails) {step['failure_probability']:.2f}  {said}")
    return bool(step.get("alert"))


def require_service(http: httpx.Client) -> None:
    """Begin only where a service is ready."""
    try:
        http.get("/readyz").raise_for_status()
    except httpx.HTTPError as error:
        start = "start one with `make demo KEEP=1`, or name it: FOREWARN_URL=http://host:port"
        sys.exit(f"no forewarn service is ready at {URL} ({error}): {start}")


if __name__ == "__main__":
    main()
