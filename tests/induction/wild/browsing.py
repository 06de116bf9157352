"""Histories of browser agents: actions as objects of one key, or as a line of code beside the page's tree."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import ident, say, usage


def _action(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return rng.choice(
        (
            ("click_element", {"index": rng.randint(0, 90)}),
            ("input_text", {"index": rng.randint(0, 90), "text": say(rng, 1, 4)}),
            ("go_to_url", {"url": f"https://{rng.choice('abc')}.example/{ident(rng, 16)}"}),
            ("scroll_down", {"amount": rng.choice((300, None))}),
            ("extract_content", {"goal": say(rng, 3, 9)}),
            ("switch_tab", {"page_id": rng.randint(-1, 4)}),
            ("go_back", {}),
        )
    )


def write_histories(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Per step what the model put out, what came of each action, and the state of the browser before it."""
    truths: Runs = {}
    for number in range(runs):
        told, steps = Told(), list[dict[str, Any]]()
        count = rng.randint(3, 12)
        for index in range(count):
            last = index == count - 1
            done = ("done", {"text": say(rng, 5, 30), "success": rng.random() < 0.6})
            made = [done] if last else [_action(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
            thought = {
                "evaluation_previous_goal": f"{rng.choice(('Success', 'Failed', 'Unknown'))} - {say(rng, 3, 12)}",
                "memory": say(rng, 8, 30),
                "next_goal": say(rng, 4, 14),
            }
            results: list[dict[str, Any]] = []
            for name, args in made:
                one: dict[str, Any] = {"is_done": name == "done", "include_in_memory": True}
                if rng.random() < 0.1 and name != "done":
                    one["error"] = f"Element with index {rng.randint(1, 99)} does not exist - {say(rng, 2, 5)}"
                else:
                    one["extracted_content"] = args["text"] if name == "done" else f"🔗 {name}: {say(rng, 3, 20)}"
                results.append(one | ({"success": args["success"]} if name == "done" else {}))
                told.call(name, args)
                if name != "done":
                    told.replies.append((one.get("extracted_content", one.get("error")), one, results))
            wordings = (thought["next_goal"], "\n".join(thought.values()), json.dumps(thought))
            told.messages.append((*wordings, f"{thought['memory']}\n{thought['next_goal']}", thought["memory"]))
            told.turns["actions"] += len(made)
            told.turns["steps"] += 1
            state: dict[str, Any] = {"url": f"https://a.example/{ident(rng, 16)}", "title": say(rng, 2, 6)}
            state["tabs"] = [{"page_id": 0, "url": state["url"], "title": state["title"]}]
            state["interacted_element"] = [
                None
                if rng.random() < 0.4
                else {"tag_name": "a", "xpath": "html/body/a", "attributes": {"class": "x", "href": "/"}}
                for _ in made
            ]
            state["screenshot"] = ident(rng, 2048) if rng.random() < 0.8 else None
            clock = 1.74e9 + number * 5000 + index * 11
            metadata = {
                "step_start_time": clock,
                "step_end_time": clock + 5,
                "input_tokens": 900 + index,
                "step_number": index + 1,
            }
            output = {"current_state": thought, "action": [{name: args} for name, args in made]}
            steps.append({"model_output": output, "result": results, "state": state, "metadata": metadata})
        if rng.random() < 0.1:
            steps.insert(
                1,
                {
                    "model_output": None,
                    "result": [{"is_done": False, "error": say(rng, 3, 9)}],
                    "state": steps[0]["state"],
                },
            )
        (folder / f"AgentHistory_{ident(rng, 32)}_{number}.json").write_text(json.dumps({"history": steps}, indent=2))
        truths[max(p.name for p in folder.iterdir() if p.name.endswith(f"_{number}.json")), None] = told
    return truths


def _tree(rng: random.Random) -> str:
    lines = [f"RootWebArea '{say(rng, 2, 4)}', focused, url='https://shop.example/{ident(rng, 16)}'"]
    for number in range(rng.randint(5, 40)):
        role = rng.choice(("link", "button", "textbox", "StaticText", "heading", "image"))
        lines.append("\t" * rng.randint(1, 4) + f"[a{number}] {role} '{say(rng, 1, 5)}', clickable, visible")
    return "\n".join(lines)


def write_page_trees(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Per step the page as a tree in text, the model's words, a line of code that acts, and a reward after it."""
    truths: Runs = {}
    for number in range(runs):
        told, steps = Told(), list[dict[str, Any]]()
        count, won = rng.randint(3, 12), rng.random() < 0.5
        for index in range(count):
            last = index == count - 1
            name, args = rng.choice(
                (
                    ("click", f"'a{rng.randint(1, 99)}'"),
                    ("fill", f"'b{rng.randint(1, 99)}', {say(rng, 1, 5)!r}"),
                    ("scroll", f"0, {rng.randint(-300, 300)}"),
                    ("goto", f"'https://shop.example/{ident(rng, 16)}'"),
                    ("noop", ""),
                )
            )
            if last:
                name, args = "send_msg_to_user", repr(say(rng, 3, 20))
            think = say(rng, 10, 60)
            tree = _tree(rng)
            obs = {"axtree_txt": tree, "url": f"https://shop.example/{ident(rng, 16)}", "last_action_error": ""}
            if rng.random() < 0.1:
                obs["last_action_error"] = f"TimeoutError: {say(rng, 3, 9)}"
            step: dict[str, Any] = {"step": index, "obs": obs, "action": f"{name}({args})", "think": think}
            step |= {"reward": float(won and last), "terminated": last, "truncated": False, "stats": usage(rng)}
            steps.append(step)
            told.tools.append((name,))
            told.args.append((args,) if args else (args, None))
            told.messages.append((think, step["action"], f"{think}\n{step['action']}"))
            told.replies.append((tree, obs))
            told.turns["steps"] += 1
        run = {"task_name": f"webshop.{number % 11}", "seed": number % 5, "goal": say(rng, 5, 20), "steps": steps}
        run |= {
            "cum_reward": float(won),
            "n_steps": count,
            "err_msg": None,
            "agent_args": {"model": "m", "temperature": 0.1},
        }
        (folder / f"exp_{number:03d}.json").write_text(json.dumps(run))
        truths[f"exp_{number:03d}.json", None] = told
    return truths
