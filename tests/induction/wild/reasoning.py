"""Thoughts, actions and observations as one text, rooms of several agents in markdown, and notebooks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import code, ident, output, say


def write_numbered_thoughts(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One row a run: question, gold answer, and the whole run as one text with numbered thoughts and actions."""
    truths: Runs = {}
    rows = []
    for number in range(runs):
        told, lines = Told(), list[str]()
        count = rng.randint(3, 7)
        for index in range(1, count + 1):
            name = "Finish" if index == count else rng.choice(("Search", "Search", "Lookup"))
            what = say(rng, 1, 5).rstrip(".!?")
            thought, action = say(rng, 8, 30), f"{name}[{what}]"
            lines += [f"Thought {index}: {thought}", f"Action {index}: {action}"]
            told.messages.append((action, f"{thought}\n{action}", thought))
            told.call(name, what)
            told.turns["actions"] += 1
            if index < count:
                found = (
                    f"Could not find {what}. Similar: ['{say(rng, 1, 3)}', '{say(rng, 1, 2)}']."
                    if rng.random() < 0.2
                    else say(rng, 10, 60)
                )
                lines.append(f"Observation {index}: {found}")
                told.replies.append((found,))
        row = {"idx": number, "question": say(rng, 6, 20), "gt_answer": say(rng, 1, 3), "traj": "\n".join(lines) + "\n"}
        em = rng.random() < 0.4
        rows.append({**row, "em": em, "f1": float(em), "reward": float(em), "steps": count})
        truths["preds.jsonl", number] = told
    (folder / "preds.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return truths


def write_action_inputs(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Logs of a chain: action and its input on lines of their own, a final answer, notes of the framework around."""
    truths: Runs = {}
    for number in range(runs):
        told = Told()
        text = f"\n\n\x1b[1m> Entering new chain...\x1b[0m\nQuestion: {say(rng, 6, 20)}\n"
        for _ in range(rng.randint(2, 8)):
            name = rng.choice(("Search", "Calculator", "python_repl", "Wikipedia"))
            args: Any = json.dumps({"query": say(rng, 2, 6)}) if name == "Wikipedia" else say(rng, 2, 8)
            thought, found = say(rng, 6, 30), output(rng)
            text += f"Thought: {thought}\nAction: {name}\nAction Input: {args}\n"
            text += f"Observation: \x1b[36;1m{found}\x1b[0m\n"
            told.call(name, args)
            told.messages.append((thought, f"{thought}\n{name}", f"{name}\n{args}", name, f"{thought}\n{name}\n{args}"))
            told.replies.append((found,))
            told.turns["actions"] += 1
        if rng.random() < 0.9:
            final = say(rng, 3, 20)
            text += f"Thought: I now know the final answer\nFinal Answer: {final}\n"
            told.messages.append((final, f"I now know the final answer\n{final}"))
            told.turns["actions"] += 1
        text += "\n\x1b[1m> Finished chain.\x1b[0m\n"
        (folder / f"chain_{number:03d}.log").write_text(text)
        truths[f"chain_{number:03d}.log", None] = told
    return truths


def write_rooms(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Markdown of a room of agents: a heading a message, with code fences; a tool's output has a heading too."""
    truths: Runs = {}
    for number in range(runs):
        told = Told()
        text = f"# Session {ident(rng, 32)}\n\n- model: m-4\n- started: 2025-03-01 10:00\n\n"
        text += f"## User\n\n{say(rng, 10, 40)}\n\n"
        for _ in range(rng.randint(3, 10)):
            who = rng.choice(("Planner", "Coder", "Coder", "Critic"))
            said = say(rng, 10, 60)
            if who == "Coder":
                said += f"\n\n```python\n{code(rng)}\n```"
            text += f"## {who}\n\n{said}\n\n"
            told.messages.append((said,))
            told.turns["said"] += 1
            if who == "Coder":
                found = output(rng)
                text += f"## Executor output\n\n```\n{found}\n```\n\n"
                told.replies.append((f"```\n{found}\n```", found))
        (folder / f"room-{number}.md").write_text(text)
        truths[f"room-{number}.md", None] = told
    return truths


def write_notebooks(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Notebooks: markdown says why, code cells act, outputs of several kinds answer."""
    truths: Runs = {}
    for number in range(runs):
        told, cells = Told(), list[dict[str, Any]]()
        cells.append(
            {
                "cell_type": "markdown",
                "id": ident(rng, 32),
                "metadata": {},
                "source": [f"# {say(rng, 3, 6)}\n", say(rng)],
            }
        )
        for index in range(1, rng.randint(4, 12)):
            if rng.random() < 0.5:
                source = f"{say(rng, 5, 30)}\n\n- {say(rng, 2, 6)}"
                cells.append(
                    {
                        "cell_type": "markdown",
                        "id": ident(rng, 32),
                        "metadata": {},
                        "source": source.splitlines(keepends=True),
                    }
                )
            written, found = code(rng), output(rng)
            stream = {"name": "stdout", "output_type": "stream", "text": found.splitlines(keepends=True)}
            shown = {"data": {"text/plain": found.splitlines(keepends=True)}, "execution_count": index, "metadata": {}}
            failed = {
                "ename": "ValueError",
                "evalue": "bad",
                "output_type": "error",
                "traceback": [f"\x1b[0;31m{found}\x1b[0m"],
            }
            kind = rng.choice(("stream", "stream", "shown", "failed", "none"))
            answer = {
                "stream": [stream],
                "shown": [{**shown, "output_type": "execute_result"}],
                "failed": [failed],
                "none": [],
            }[kind]
            cell = {
                "cell_type": "code",
                "execution_count": index,
                "id": ident(rng, 32),
                "metadata": {},
                "outputs": answer,
            }
            cells.append({**cell, "source": written.splitlines(keepends=True)})
            told.messages.append((written, json.dumps(cells[-1]["source"])))
            told.turns["cells"] += 1
            if answer:
                told.replies.append((found, f"\x1b[0;31m{found}\x1b[0m", answer, answer[0]))
        book = {
            "cells": cells,
            "metadata": {"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (folder / f"analysis_{number}.ipynb").write_text(json.dumps(book, indent=1))
        truths[f"analysis_{number}.ipynb", None] = told
    return truths
