"""Session logs of coding assistants: one event a line, messages of typed parts, or items with calls as text."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import code, ident, output, path, say, stamp, usage


def _call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return rng.choice(
        (
            ("Bash", {"command": f"grep -rn {say(rng, 1, 2)!r} {path(rng)} | head -5", "description": say(rng, 2, 6)}),
            ("Bash", {"command": "npm test", "timeout": 120000}),
            ("Read", {"file_path": path(rng)}),
            ("Read", {"file_path": path(rng), "offset": rng.randint(1, 300), "limit": 50}),
            ("Edit", {"file_path": path(rng), "old_string": code(rng), "new_string": code(rng)}),
            ("Grep", {"pattern": "def .*" + rng.choice("abc"), "output_mode": "content"}),
            ("TodoWrite", {"todos": [{"content": say(rng, 2, 5), "id": str(n)} for n in range(rng.randint(1, 4))]}),
            ("mcp__tracker__list", {}),
        )
    )  # fmt: skip


def write_sessions(folder: Path, rng: random.Random, runs: int) -> Runs:  # noqa: C901, PLR0915 - a script, read down
    """One file a session in folders by project; a message's parts come in lines of their own, with other events."""
    truths: Runs = {}
    for number in range(runs):
        told, lines, clock = Told(), list[dict[str, Any]](), rng.randint(0, 10**6)
        session, parent = ident(rng, 128), None
        if rng.random() < 0.4:
            lines.append({"type": "summary", "summary": say(rng, 3, 7), "leafUuid": ident(rng, 128)})

        def add(kind: str, **rest: Any) -> None:
            nonlocal parent, clock
            clock += rng.randint(1, 60)
            one = ident(rng, 128)
            common = {"parentUuid": parent, "isSidechain": False, "userType": "external", "cwd": "/app"}
            common |= {"sessionId": session, "version": "1.0.44", "gitBranch": "", "type": kind}  # noqa: B023
            lines.append({**common, **rest, "uuid": one, "timestamp": stamp(clock)})  # noqa: B023
            parent = one

        add("user", message={"role": "user", "content": say(rng, 10, 50)})
        if rng.random() < 0.3:
            add(
                "user",
                isMeta=True,
                message={"role": "user", "content": f"<command-name>/clear</command-name> {say(rng)}"},
            )
        for _ in range(rng.randint(3, 14)):
            message_id = f"msg_{ident(rng)}"
            parts: list[dict[str, Any]] = []
            if rng.random() < 0.3:
                parts.append({"type": "thinking", "thinking": say(rng, 20, 70), "signature": ident(rng, 256)})
            if rng.random() < 0.5:
                parts.append({"type": "text", "text": say(rng, 5, 40)})
                told.messages.append((parts[-1]["text"],))
                told.turns["events"] += 1
            made = [_call(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
            ids = [f"toolu_{ident(rng)}" for _ in made]
            for one, (name, args) in zip(ids, made, strict=True):
                parts.append({"type": "tool_use", "id": one, "name": name, "input": args})
                told.call(name, args)
                told.turns["events"] += 1
            for part in parts:
                body = {"id": message_id, "type": "message", "role": "assistant", "model": "m-4", "content": [part]}
                body |= {"stop_reason": None, "stop_sequence": None, "usage": usage(rng)}
                add("assistant", message=body, requestId=f"req_{ident(rng)}")
            for one in ids:
                text = output(rng)
                content: Any = text if rng.random() < 0.7 else [{"type": "text", "text": text}]
                answer: dict[str, Any] = {"tool_use_id": one, "type": "tool_result", "content": content}
                failed = rng.random() < 0.15
                if failed:
                    answer["is_error"] = True
                side: Any = (
                    f"Error: {text}"
                    if failed
                    else {"stdout": text, "stderr": "", "interrupted": False, "isImage": False}
                )
                add("user", message={"role": "user", "content": [answer]}, toolUseResult=side)
                told.replies.append((text,))
            if rng.random() < 0.1:
                add("system", content=f"Running {say(rng, 2, 5)}", level="info", isMeta=False, toolUseID=ids[0])
        if rng.random() < 0.9:
            text = say(rng, 10, 60)
            body = {"id": "msg_last", "type": "message", "role": "assistant", "model": "m-4"}
            add("assistant", message={**body, "content": [{"type": "text", "text": text}], "usage": usage(rng)})
            told.messages.append((text,))
            told.turns["events"] += 1
        place = folder / f"-app-{number % 3}"
        place.mkdir(exist_ok=True)
        file = place / f"{session[:8]}-{session[8:12]}.jsonl"
        file.write_text("\n".join(json.dumps(line, ensure_ascii=rng.random() < 0.5) for line in lines) + "\n")
        truths[file.relative_to(folder).as_posix(), None] = told
    return truths


def write_rollouts(folder: Path, rng: random.Random, runs: int) -> Runs:  # noqa: PLR0915 - a script, read down
    """Items in a payload, arguments as text, and beside them notices that repeat what items say."""
    truths: Runs = {}
    for number in range(runs):
        told, lines, clock = Told(), list[dict[str, Any]](), float(rng.randint(0, 10**6))

        def add(kind: str, payload: dict[str, Any]) -> None:
            nonlocal clock
            clock += rng.random() * 9
            lines.append({"timestamp": stamp(clock), "type": kind, "payload": payload})  # noqa: B023 - used at once

        add("session_meta", {"id": ident(rng, 128), "cwd": "/app", "cli_version": "0.4", "instructions": None})
        asked = say(rng, 10, 40)
        context = [
            {
                "type": "input_text",
                "text": f"<environment_context>\n  <cwd>/app</cwd>\n{say(rng)}</environment_context>",
            }
        ]
        add("response_item", {"type": "message", "role": "user", "content": context})
        add("response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": asked}]})
        add("event_msg", {"type": "user_message", "message": asked, "kind": "plain"})
        add(
            "turn_context",
            {"cwd": "/app", "approval_policy": "never", "model": "m-5", "effort": "high", "summary": "auto"},
        )
        for _ in range(rng.randint(3, 12)):
            if rng.random() < 0.5:
                thought = f"**{say(rng, 3, 6)}**"
                add("event_msg", {"type": "agent_reasoning", "text": thought})
                secret = {"content": None, "encrypted_content": ident(rng, 512)}
                add(
                    "response_item",
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": thought}], **secret},
                )
            if rng.random() < 0.3:
                text = say(rng, 8, 30)
                add("event_msg", {"type": "agent_message", "message": text})
                parts = [{"type": "output_text", "text": text}]
                add("response_item", {"type": "message", "role": "assistant", "content": parts})
                told.messages.append((text,))
                told.turns["items"] += 1
                told.turns["both"] += 2
            for name, args in [_rollout_call(rng) for _ in range(rng.choice((1, 1, 1, 2)))]:
                one = f"call_{ident(rng)}"
                add(
                    "response_item",
                    {"type": "function_call", "name": name, "arguments": json.dumps(args), "call_id": one},
                )
                told.call(name, args)
                told.turns["items"] += 1
                told.turns["both"] += 1
                text = output(rng)
                meta = {"exit_code": rng.choice((0, 0, 0, 1)), "duration_seconds": round(rng.random(), 1)}
                answer = json.dumps({"output": text, "metadata": meta}) if name == "shell" else text
                add("response_item", {"type": "function_call_output", "call_id": one, "output": answer})
                told.replies.append((answer, text))
            add("event_msg", {"type": "token_count", "info": {"total_token_usage": usage(rng)}, "rate_limits": None})
        file = folder / "2025" / f"{number % 12 + 1:02d}" / f"rollout-{stamp(clock)[:10]}-{ident(rng)}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
        truths[file.relative_to(folder).as_posix(), None] = told
    return truths


def _rollout_call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    if rng.random() < 0.7:
        return "shell", {"command": ["bash", "-lc", f"sed -n 1,{rng.randint(2, 200)}p {path(rng)}"], "workdir": "/app"}
    steps = [{"step": say(rng, 2, 6), "status": rng.choice(("pending", "completed"))} for _ in range(3)]
    return rng.choice((("update_plan", {"plan": steps}), ("view_image", {"path": path(rng)})))
