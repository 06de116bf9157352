"""One small independent parser for each real corpus: what the fields of its runs should be, without the inducer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from induction.reading import open_raw
from tests.induction.truth import Truth, parse_chat, parse_react

Place = tuple[str, int | None]
HARNESS = ("Observation:", "Error", '"Error', "Could not parse", "4")


def read_truths(corpus: Path, name: str) -> dict[Place, Truth]:
    """Parse every run of a corpus, by its file and its number there."""
    truths: dict[Place, Truth] = {}
    with open_raw(corpus / "raw.tar.xz") as files:
        for file in files:
            truths |= {(file.path, loc): truth for loc, truth in parse_file(name, file.path, file.read().decode())}
    return truths


def parse_file(name: str, path: str, text: str) -> Iterator[tuple[int | None, Truth]]:
    """Yield the runs of one file."""
    if name == "webshop":
        yield None, parse_react(text)
        return
    lines = path.endswith(".jsonl")
    document = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    if name == "tau2-airline":
        yield from enumerate(parse_chat(run["messages"]) for run in document["simulations"])
    elif name == "tau-airline":
        yield from enumerate(parse_chat(run["traj"]) for run in document)
    elif name == "gaia-react":
        yield from enumerate(parse_rationales(run.get("intermediate_steps") or []) for run in document)
    elif name == "moatless":
        yield None, parse_states(document)
    elif name == "sentinel-organic":
        yield None, parse_bracketed(document)
    elif name == "who-and-when":
        yield None, parse_speakers(document["history"])


def parse_rationales(steps: list[Any]) -> Truth:
    """Objects with what the model wrote, its call, and an observation or an error; or the same told as plain strings.

    In the strings two introduce the task, then the agent and the harness take turns.
    """
    if steps and isinstance(steps[0], str):
        return parse_strings(steps)
    truth = Truth()
    for step in steps:
        call = step.get("tool_call") or ({**step, "tool_arguments": step["arguments"]} if "tool_name" in step else None)
        written = step.get("llm_output") or (step.get("plan") if call else None)
        truth.turns += bool(written or call)
        truth.messages += [written] if written else []
        truth.calls += [(call["tool_name"], call["tool_arguments"])] if call else []
        if call:
            error = step.get("error")
            reply = step.get("observation") or (error["message"] if isinstance(error, dict) else error)
            truth.replies += [reply] if isinstance(reply, str) and reply else []
    return truth


def parse_strings(steps: list[str]) -> Truth:
    """The agent's strings end in `Action:` and a JSON object; the harness answers each."""
    truth = Truth()
    for number, step in enumerate(steps[2:]):
        if number % 2 == 0 and not step.startswith(HARNESS):
            truth.turns += 1
            truth.messages += [step] if step.strip() else []
            call = _call_of(step)
            truth.calls += [(call["action"], call["action_input"])] if call else []
        elif step.startswith(HARNESS):
            truth.replies.append(step.removeprefix("Observation:"))
    return truth


def _call_of(step: str) -> dict[str, Any] | None:
    try:
        call = json.loads(re.split(r"^Action:", step, flags=re.MULTILINE)[1])
    except (IndexError, ValueError):
        return None
    return call if isinstance(call, dict) and {"action", "action_input"} <= call.keys() else None


def parse_states(document: dict[str, Any]) -> Truth:
    """States with actions: either each action has a name and an input, or the state names the action."""
    truth = Truth()
    for state in document.get("transitions") or document.get("steps") or []:
        thoughts = [state["thought"]] if state.get("thought") else []
        for item in state["actions"]:
            truth.turns += 1
            inner = item.get("action") or {}
            truth.calls.append((item["name"], item["input"]) if "input" in item else (state["name"], inner))
            thoughts += [inner[key] for key in ("thoughts", "scratch_pad") if inner.get(key)]
            reply = item.get("output") or item.get("retry_message")
            truth.replies += [reply if isinstance(reply, str) else json.dumps(reply, sort_keys=True)] if reply else []
        truth.messages += ["\n".join(thoughts)] if thoughts else []
    return truth


def parse_bracketed(lines: list[dict[str, Any]]) -> Truth:
    """One text a line, which may end in `[name(arguments) -> result]`."""
    truth = Truth(turns=len(lines))
    for line in lines:
        truth.messages.append(line["text"])
        call = re.search(r"\[(\w+)\((.*)\) -> (.*)\]\s*$", line["text"], flags=re.DOTALL)
        if call is not None:
            truth.calls.append((call[1], call[2]))
            truth.replies.append(call[3])
    return truth


def parse_speakers(history: list[dict[str, Any]]) -> Truth:
    """Everybody is an agent but the person who asks and the terminal that answers."""
    truth = Truth()
    for message in history:
        speaker = message.get("name") or message["role"]
        if speaker in ("Computer_terminal", "ComputerTerminal"):
            truth.replies += [message["content"]] if message["content"].strip() else []
        elif speaker != "human":
            truth.turns += 1
            truth.messages += [message["content"]] if message["content"].strip() else []
    return truth
