"""Raw formats that the inducer was not developed on, made here with the truth of what each run holds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.conftest import WORDS, sentence
from tests.induction.truth import Truth

TOOLS = {"read_file": ("file_path", "limit"), "run_shell": ("command",), "edit_file": ("file_path", "old", "new")}
Runs = dict[str, Truth]


def _call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    name = rng.choice(sorted(TOOLS))
    return name, {key: f"{rng.choice(WORDS)} {rng.randint(1, 999)}" for key in TOOLS[name]}


def write_typed_blocks(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Session logs, one event a line: messages whose content is text or a list of typed blocks, and other events."""
    truths = {}
    for number in range(runs):
        truth, lines = Truth(), list[dict[str, Any]]()
        session = f"{rng.getrandbits(64):016x}"

        def add(kind: str, message: dict[str, Any] | None, *, lines: list[Any] = lines, session: str = session) -> None:
            event = {"type": kind, "sessionId": session, "uuid": f"{rng.getrandbits(64):016x}", "version": "1.0"}
            lines.append({**event, "message": message} if message else {**event, "note": sentence(rng, 3)})

        add("user", {"role": "user", "content": sentence(rng, 20)})
        for turn in range(rng.randint(3, 7)):
            blocks: list[dict[str, Any]] = []
            if rng.random() < 0.4:
                blocks.append(
                    {"type": "thinking", "thinking": sentence(rng, 15), "signature": f"{rng.getrandbits(90)}"}
                )
            if rng.random() < 0.6:
                blocks.append({"type": "text", "text": f"{sentence(rng, 10)} {turn}"})
                truth.messages.append(blocks[-1]["text"])
            made = [_call(rng) for _ in range(rng.choice([1, 1, 1, 2]))]
            ids = [f"toolu_{rng.getrandbits(60):015x}" for _ in made]
            blocks += [
                {"type": "tool_use", "id": one, "name": name, "input": args}
                for one, (name, args) in zip(ids, made, strict=True)
            ]
            truth.calls += made
            truth.turns += len(made)
            add("assistant", {"role": "assistant", "model": "m-1", "content": blocks, "usage": {"input": turn}})
            answers: list[dict[str, Any]] = []
            for one in ids:
                text = sentence(rng, 12)
                content: Any = text if rng.random() < 0.7 else [{"type": "text", "text": text}]
                answers.append({"type": "tool_result", "tool_use_id": one, "content": content})
                truth.replies.append(text)
            add("user", {"role": "user", "content": answers})
            if rng.random() < 0.2:
                add("progress", None)
        text = sentence(rng, 12)
        add("assistant", {"role": "assistant", "model": "m-1", "content": [{"type": "text", "text": text}]})
        truth.messages.append(text)
        truth.turns += 1
        name = f"session-{number}.jsonl"
        (folder / name).write_text("\n".join(json.dumps(line) for line in lines))
        truths[name] = truth
    return truths


def write_items(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Rollouts, one item a line: the item's payload has a type of its own, and its arguments are text."""
    truths = {}
    for number in range(runs):
        truth = Truth()
        lines: list[dict[str, Any]] = [
            {"kind": "session_meta", "payload": {"id": str(number), "cwd": sentence(rng, 2)}}
        ]

        def add(payload: dict[str, Any], *, lines: list[dict[str, Any]] = lines) -> None:
            lines.append(
                {"timestamp": f"2025-01-01T00:00:{len(lines):02d}Z", "kind": "response_item", "payload": payload}
            )

        add({"type": "message", "role": "user", "content": [{"type": "input_text", "text": sentence(rng, 15)}]})
        for _ in range(rng.randint(3, 6)):
            if rng.random() < 0.5:
                summary = [{"type": "summary_text", "text": sentence(rng, 8)}]
                add({"type": "reasoning", "summary": summary})
            name, args = _call(rng)
            call_id = f"call_{rng.getrandbits(50):x}"
            add({"type": "function_call", "name": name, "arguments": json.dumps(args), "call_id": call_id})
            reply = sentence(rng, 12)
            add({"type": "function_call_output", "call_id": call_id, "output": reply})
            truth.calls.append((name, args))
            truth.replies.append(reply)
            truth.turns += 1
        text = sentence(rng, 12)
        add({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
        truth.messages.append(text)
        truth.turns += 1
        name = f"rollout-{number}.jsonl"
        (folder / name).write_text("\n".join(json.dumps(line) for line in lines))
        truths[name] = truth
    return truths


def write_browser(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Histories of a browser agent: per step what it thinks, what it does with its arguments, and the page it sees."""
    truths = {}
    kinds = {"click": ("element_id",), "type": ("element_id", "text"), "goto": ("url",), "scroll": ("direction",)}
    for number in range(runs):
        truth, steps = Truth(), list[dict[str, Any]]()
        for index in range(rng.randint(4, 9)):
            name = rng.choice(sorted(kinds))
            args = {key: f"{rng.choice(WORDS)}-{rng.randint(1, 99)}" for key in kinds[name]}
            thought = f"{sentence(rng, 10)} {index}"
            page = "\n".join(f"[{line}] {sentence(rng, 6)}" for line in range(rng.randint(5, 20)))
            steps.append(
                {
                    "step_number": index,
                    "thought": thought,
                    "action": {"action_type": name, "parameters": args},
                    "observation": {"url": f"https://shop.example/{rng.choice(WORDS)}", "page_text": page},
                    "screenshot": f"shots/{number}-{index}.png",
                }
            )
            truth.messages.append(thought)
            truth.calls.append((name, args))
            truth.replies.append(json.dumps(steps[-1]["observation"]))
            truth.turns += 1
        run = {"task": {"id": number % 9, "goal": sentence(rng, 9)}, "history": steps, "final_score": rng.random()}
        (folder / f"trace_{number}.json").write_text(json.dumps(run))
        truths[f"trace_{number}.json"] = truth
    return truths


def write_dialogue(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Clinical dialogues: lines that start with who speaks; the doctor is the agent, who may order a test."""
    truths = {}
    for number in range(runs):
        truth, lines = Truth(), [f"Case {number}", ""]
        for _ in range(rng.randint(4, 8)):
            said = sentence(rng, 10)
            lines.append(f"Patient: {said}")
            answer = sentence(rng, 12)
            lines.append(f"Doctor: {answer}")
            truth.messages.append(answer)
            truth.turns += 1
            if rng.random() < 0.4:
                lines.append(f"Measurement: {sentence(rng, 5)}")
        (folder / f"dialogue-{number}.txt").write_text("\n".join(lines) + "\n")
        truths[f"dialogue-{number}.txt"] = truth
    return truths


def write_terminal(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Terminal recordings in colour: a prompt and a command on one line, then what it printed."""
    truths = {}
    for number in range(runs):
        truth, lines = Truth(), list[str]()
        for _ in range(rng.randint(5, 12)):
            command = rng.choice(["ls -l", "cat notes", "make all", "grep -n red", "cd src"]) + f" {rng.choice(WORDS)}"
            printed = [sentence(rng, 6) for _ in range(rng.randint(1, 4))]
            lines.append(f"\x1b[32magent@box\x1b[0m:\x1b[34m~/work\x1b[0m$ {command}")
            lines += printed
            truth.messages.append(command)
            truth.replies.append("\n".join(printed))
            truth.turns += 1
        (folder / f"session-{number}.log").write_text("\n".join(lines) + "\n")
        truths[f"session-{number}.log"] = truth
    return truths


def write_thoughts(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Text logs in which a thought comes before each action, as one completion of the model."""
    truths = {}
    for number in range(runs):
        truth, lines = Truth(), list[str]()
        for _ in range(rng.randint(4, 8)):
            name, args = _call(rng)
            written = f"{name}[{json.dumps(args)}]"
            reply = sentence(rng, 12)
            thought = sentence(rng, 10)
            lines += [f"Thought: {thought}", f"Action: {written}", f"Observation: {reply}"]
            truth.messages += [thought, written]
            truth.calls.append((name, args))
            truth.replies.append(reply)
            truth.turns += 1
        (folder / f"run-{number}.txt").write_text("\n".join(lines) + "\n")
        truths[f"run-{number}.txt"] = truth
    return truths


FORMATS = {
    "typed blocks": write_typed_blocks,
    "items": write_items,
    "browser": write_browser,
    "dialogue": write_dialogue,
    "terminal": write_terminal,
    "thoughts": write_thoughts,
}
