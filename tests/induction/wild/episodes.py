"""A folder a run: numbered episodes of some files each, or one numbered file a step, with results beside them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import ident, output, path, say, stamp, usage


def write_episode_folders(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Per episode a folder with what the model was told, what it wrote (JSON with commands), and its request."""
    truths: Runs = {}
    for number in range(runs):
        told = Told()
        run = folder / f"task-{number % 7}.{number}-of-9.trial"
        prompt = f"You are solving a task in a terminal.\n\n{say(rng, 80, 120)}\n\nroot@box:/app# "
        for episode in range(rng.randint(3, 11)):
            place = run / "agent-logs" / f"episode-{episode}"
            place.mkdir(parents=True)
            commands = [
                {
                    "keystrokes": f"cat {path(rng)} | head -{rng.randint(2, 90)}\n",
                    "is_blocking": True,
                    "timeout_sec": 5.0,
                }
                for _ in range(rng.choice((1, 1, 2, 3)))
            ]
            answer = {"state_analysis": say(rng, 10, 40), "explanation": say(rng, 8, 30), "commands": commands}
            written = json.dumps({**answer, "is_task_complete": False}, indent=2 if number % 2 else None)
            (place / "prompt.txt").write_text(prompt)
            (place / "response.txt").write_text(written)
            request = {
                "model": "m-4",
                "messages": [{"role": "user", "content": prompt}],
                "log_id": ident(rng),
                "stream": False,
            }
            usage_of = {"usage": usage(rng), "original_response": written, "end_time": stamp(episode * 60)}
            (place / "debug.json").write_text(json.dumps({**request, **usage_of}))
            analysis, why = answer["state_analysis"], answer["explanation"]
            told.messages.append((written, f"{analysis}\n{why}", analysis, why))
            told.replies += [(prompt,)] if episode else []
            told.turns["episodes"] += 1
            told.turns["commands"] += len(commands)
            prompt = f"root@box:/app# {commands[-1]['keystrokes']}{output(rng)}\nroot@box:/app# "
        passed = rng.random() < 0.5
        results = {"id": ident(rng), "trial_name": run.name, "task_id": f"task-{number % 7}", "is_resolved": passed}
        results |= {
            "failure_mode": "unset",
            "parser_results": {"test_a": "passed" if passed else "failed"},
            "usage": usage(rng),
        }
        (run / "results.json").write_text(json.dumps(results, indent=4))
        (run / "commands.txt").write_text("asciinema rec\nclear\n")
        truths[run.name, None] = told
    return truths


def write_numbered_steps(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One JSON file a step (000.json, 001.json ...): request, the model's message with calls, what they returned."""
    truths: Runs = {}
    for number in range(runs):
        told = Told()
        run = folder / f"run_{stamp(number * 7000)[:10]}_{ident(rng, 32)}"
        run.mkdir()
        for step in range(rng.randint(3, 12)):
            calls = [
                {
                    "id": f"call_{ident(rng)}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(args)},
                }
                for name, args in [_step_call(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
            ]
            content = say(rng, 6, 30) if rng.random() < 0.7 else None
            results = [
                {"tool_call_id": call["id"], "output": output(rng), "duration_ms": rng.randint(1, 900)}
                for call in calls
            ]
            for call, result in zip(calls, results, strict=True):
                told.call(call["function"]["name"], json.loads(call["function"]["arguments"]))  # type: ignore[index]
                told.replies.append((result["output"],))
            told.messages += [(content,)] if content else []
            told.turns["calls"] += len(calls)
            told.turns["steps"] += 1
            value: dict[str, Any] = {"step": step, "started_at": stamp(step * 30), "model": "m-2"}
            value["response"] = {"role": "assistant", "content": content, "tool_calls": calls, "refusal": None}
            value |= {"tool_results": results, "usage": usage(rng), "finish_reason": "tool_calls"}
            (run / f"{step:03d}.json").write_text(json.dumps(value))
        (run / "config.json").write_text(json.dumps({"model": "m-2", "temperature": 0.7, "max_steps": 50}))
        (run / "summary.json").write_text(
            json.dumps({"success": rng.random() < 0.4, "score": rng.random(), "steps": 9})
        )
        truths[run.name, None] = told
    return truths


def _step_call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return rng.choice(
        (
            ("web_search", {"query": say(rng, 2, 6)}),
            ("fetch", {"url": f"https://{rng.choice('abc')}.example/{ident(rng, 32)}"}),
            ("python", {"code": f"print({rng.randint(1, 99)})\nprint({say(rng, 1, 3)!r})"}),
        )
    )
