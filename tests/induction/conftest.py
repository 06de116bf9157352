"""Small corpora in several shapes, made here."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

TOOLS = {"find_user": ("name", "zip"), "get_order": ("order_id",), "cancel_order": ("order_id", "reason")}
WORDS = ("order", "user", "shoes", "blue", "red", "please", "find", "cancel", "wrong", "item", "refund", "late", "help")


def sentence(rng: random.Random, length: int = 8) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length)) + "."


def chat_messages(rng: random.Random, tools: bool = True) -> list[dict[str, object]]:
    """Messages of one run: a customer, an assistant that calls tools, their replies tied by id."""
    messages: list[dict[str, object]] = [{"role": "system", "content": "You are a clerk. " + sentence(rng, 30)}]
    for turn in range(rng.randint(2, 5)):
        messages.append({"role": "user", "content": f"{sentence(rng)} {turn}"})
        for _ in range(rng.randint(1, 3) if tools else 0):
            name = rng.choice(sorted(TOOLS))
            arguments = {key: rng.choice(WORDS) + str(rng.randint(1, 999)) for key in TOOLS[name]}
            call_id = f"call_{rng.getrandbits(40):010x}"
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"id": call_id, "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            reply = json.dumps({"status": rng.choice(WORDS), "total": rng.randint(1, 99)})
            messages.append({"role": "tool", "tool_call_id": call_id, "content": reply})
        messages.append({"role": "assistant", "content": f"{sentence(rng, 12)} {turn}"})
    return messages


@pytest.fixture
def chat_corpus(tmp_path: Path) -> Path:
    """40 runs as items of a list in four files, with rewards, gold answers and tasks beside the messages."""
    folder = tmp_path / "chat"
    folder.mkdir()
    rng = random.Random(5)
    for number in range(4):
        runs = [
            {
                "id": f"run-{number}-{index}",
                "task_id": str(index % 7),
                "reward": float(rng.random() < 0.5),
                "gold": [{"name": "cancel_order", "why": sentence(rng)}],
                "messages": chat_messages(rng),
            }
            for index in range(10)
        ]
        (folder / f"part{number}.json").write_text(json.dumps({"made": "today", "runs": runs}))
    return folder


@pytest.fixture
def react_corpus(tmp_path: Path) -> Path:
    """30 plain-text logs: markers, prices inside observations, a score line in some last observations, tallies
    at the end.
    """
    folder = tmp_path / "react"
    folder.mkdir()
    rng = random.Random(6)
    for number in range(30):
        blocks = ["Action: reset\nObservation:\nShop\n" + sentence(rng)]
        for _ in range(rng.randint(3, 7)):
            page = f"[Back]\n{sentence(rng, 20)}\nPrice: ${rng.randint(1, 99)}" if rng.random() < 0.4 else sentence(rng)
            blocks.append(
                f"Action: {rng.choice(['search', 'click', 'think'])}[{sentence(rng, 4)}]\nObservation: {page}"
            )
        last = f"Your score (out of 1.0): {rng.choice(['1.0', '0.5'])}" if number % 5 else ""
        blocks.append(f"Action: click[Buy]\nObservation: {last}")
        tally = f"{number} {rng.random():.3f}"
        (folder / f"log-{number}.txt").write_text("\n\n".join(blocks) + f"\n\n{tally}\n-----\n")
    return folder
