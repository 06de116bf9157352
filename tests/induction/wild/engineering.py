"""Trajectories of software-engineering agents: steps beside a history that repeats them; streams of events."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import code, ident, output, path, say, stamp


def write_trajectories(folder: Path, rng: random.Random, runs: int) -> Runs:
    """One file a run in a folder of its own: steps with thought, action, observation; history and info beside them."""
    truths: Runs = {}
    for number in range(runs):
        told, steps = Told(), list[dict[str, Any]]()
        system, task = say(rng, 100, 150), say(rng, 60, 90)
        history: list[dict[str, Any]] = [
            {"role": "system", "content": system, "agent": "main", "message_type": "system_prompt"},
            {"role": "user", "content": task, "agent": "main", "message_type": "observation"},
        ]
        for _ in range(rng.randint(4, 15)):
            thought = say(rng, 8, 50)
            action = rng.choice(
                (
                    f"open {path(rng)} {rng.randint(1, 99)}",
                    f'search_dir "{say(rng, 1, 2)}" /repo',
                    f"edit 1:{rng.randint(2, 40)}\n{code(rng)}\nend_of_edit",
                    f"python {path(rng)}",
                    "scroll_down",
                    f"cat <<'EOF' > {path(rng)}\n{code(rng)}\nEOF",
                )
            )
            observation = output(rng) if rng.random() < 0.9 else ""
            response = f"{thought}\n```\n{action}\n```\n"
            state = {"open_file": path(rng) if rng.random() < 0.6 else "n/a", "working_dir": "/repo"}
            steps.append(
                {
                    "action": action + "\n",
                    "observation": observation,
                    "response": response,
                    "thought": thought + "\n",
                    "execution_time": rng.random() * 4,
                    "state": json.dumps(state) if number % 2 else state,
                    "query": [dict(one) for one in history],
                    "extra_info": {},
                }
            )
            history.append(
                {"role": "assistant", "content": response, "thought": thought, "action": action, "agent": "main"}
            )
            history.append({"role": "user", "content": f"OBSERVATION:\n{observation}", "agent": "main"})
            told.messages.append((response, f"{thought}\n\n{action}", thought, action, f"{thought}\n{action}"))
            told.replies += [(observation,)] if observation else []
            told.turns["steps"] += 1
        status = rng.choice(("submitted", "submitted (exit_cost)", "exit_context"))
        info = {
            "exit_status": status,
            "submission": code(rng),
            "edited_files30": code(rng),
            "swe_agent_hash": "unavailable",
        }
        info["model_stats"] = {
            "instance_cost": rng.random(),
            "tokens_sent": rng.randint(1, 9**6),
            "api_calls": len(steps),
        }
        run = {"environment": "main", "trajectory": steps, "history": history, "info": info, "replay_config": "{}"}
        name = f"lib__lib-{1000 + number}"
        (folder / name).mkdir()
        (folder / name / f"{name}.traj").write_text(json.dumps(run, indent=2))
        truths[f"{name}/{name}.traj", None] = told
    return truths


def write_event_streams(folder: Path, rng: random.Random, runs: int) -> Runs:  # noqa: PLR0915 - a script, read down
    """One line a run: its history is a list of events, actions and observations with who caused them."""
    truths: Runs = {}
    lines = []
    for number in range(runs):
        told, events = Told(), list[dict[str, Any]]()

        def add(source: str, **rest: Any) -> None:
            event = {"id": len(events), "timestamp": stamp(number * 9999 + len(events) * 7), "source": source}  # noqa: B023
            events.append({**event, **rest})  # noqa: B023 - used at once

        add(
            "agent",
            message=say(rng),
            action="system",
            args={"content": say(rng, 60, 90), "tools": [{"type": "function"}]},
        )
        asked = say(rng, 30, 80)
        add(
            "user",
            message=asked,
            action="message",
            args={"content": asked, "image_urls": None, "wait_for_response": False},
        )
        for _ in range(rng.randint(4, 14)):
            kind, args = rng.choice(
                (
                    ("run", {"command": f"cd /repo && python {path(rng)}", "is_input": "false", "blocking": False}),
                    ("edit", {"path": path(rng), "command": "str_replace", "old_str": code(rng), "new_str": code(rng)}),
                    ("read", {"path": path(rng), "start": 0, "end": -1, "impl_source": "default"}),
                    ("think", {}),
                )
            )
            thought = say(rng, 6, 40) if rng.random() < 0.7 or kind == "think" else ""
            args = {**args, "thought": thought}
            if rng.random() < 0.08:
                text = say(rng, 10, 40)
                add(
                    "agent",
                    message=text,
                    action="message",
                    args={"content": text, "wait_for_response": True},
                    timeout=120,
                )
                told.messages.append((text,))
                told.turns["actions"] += 1
                answer = say(rng, 5, 20)
                add("user", message=answer, action="message", args={"content": answer, "wait_for_response": False})
            choice = {"message": {"content": thought, "role": "assistant", "tool_calls": [{"id": ident(rng)}]}}
            call = {"function_name": kind, "tool_call_id": f"toolu_{ident(rng)}", "total_calls_in_response": 1}
            call["model_response"] = {
                "id": ident(rng),
                "model": "m-3",
                "choices": [choice],
                "usage": {"total_tokens": 77},
            }
            metrics = {"accumulated_cost": rng.random(), "costs": [{"cost": 0.1}]}
            add(
                "agent",
                message=f"Running: {kind}",
                action=kind,
                args=args,
                tool_call_metadata=call,
                llm_metrics=metrics,
            )
            told.call(kind, args)
            told.messages += [(thought,)] if thought else []
            told.turns["actions"] += 1
            text = output(rng)
            extras: dict[str, Any] = {"path": path(rng), "prev_exist": True}
            if kind == "run":
                extras = {
                    "command": args["command"],
                    "metadata": {"exit_code": rng.choice((0, 0, 1)), "pid": -1},
                    "hidden": False,
                }
            source = "agent" if kind != "think" else "environment"
            rest: dict[str, Any] = {"success": True} if kind == "run" else {}
            add(
                source,
                message=say(rng, 3, 6),
                cause=len(events) - 1,
                observation=kind,
                content=text,
                extras=extras,
                **rest,
            )
            told.replies.append((text,))
            if rng.random() < 0.1:
                add(
                    "environment",
                    message="",
                    observation="agent_state_changed",
                    content="",
                    extras={"agent_state": "running"},
                )
        final = say(rng, 10, 50)
        add(
            "agent",
            message=final,
            action="finish",
            args={"final_thought": final, "task_completed": "true", "outputs": {}, "thought": ""},
        )
        told.turns["actions"] += 1
        row = {"instance_id": f"lib__lib-{number}", "instruction": asked, "history": events, "error": None}
        row["test_result"] = {"git_patch": code(rng), "report": {"resolved": rng.random() < 0.5}}
        row["metrics"] = {"accumulated_cost": rng.random()}
        lines.append(json.dumps(row))
        truths["output.jsonl", number] = told
    (folder / "output.jsonl").write_text("\n".join(lines) + "\n")
    return truths
