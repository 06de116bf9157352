"""The same families of traces as other vendors would write them: own key names, other nesting, one run a file in
folders by task, runs deep inside a document, tagged calls in texts, and what lies beside traces in archives.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import WORDS, code, ident, output, path, say, stamp

TOOLS = ("run_shell", "open_file", "edit_file", "find_symbol")


def write_streamed_sessions(folder: Path, rng: random.Random, runs: int) -> Runs:
    """A line an event, in folders by task: a header, what was said in typed blocks, and a summary that tells all."""
    truths: Runs = {}
    _clutter(folder)
    for number in range(runs):
        told = Told()
        session = ident(rng, 128)
        line = _liner(session, rng)
        lines = [line("boot", {"workdir": "/repo", "engine": "m-9", "abilities": list(TOOLS)})]
        lines.append(line("human", {"speaker": "human", "blocks": [{"kind": "say", "say": say(rng, 30, 60)}]}))
        turns = sum(_exchange(lines, line, rng, told) for _ in range(rng.randint(2, 9)))
        last = say(rng)
        if number % 9 != 0:
            lines.append(line("agent", {"speaker": "agent", "blocks": [{"kind": "say", "say": last}]}))
            told.messages.append((last,))
            turns += 1
            summary = {"verdict": rng.choice(("pass", "fail")), "wall_ms": rng.randint(9, 9999), "closing": last}
            lines.append({"what": "wrapup", "session": session, **summary})
        told.turns["calls and messages"] = turns
        place = folder / f"task-{number % 8:02d}" / f"{session[:8]}.jsonl"
        place.parent.mkdir(exist_ok=True)
        text = "\n".join(json.dumps(one) for one in lines) + "\n"
        place.write_text(text if number != 7 else text + '{"what": "agent", "msg": {"spea')
        truths[place.relative_to(folder).as_posix(), None] = told
    return truths


def _exchange(lines: list[dict[str, Any]], line: Any, rng: random.Random, told: Told) -> int:
    """Add what the agent thinks, says and calls, and an answer for each call; return how many calls."""
    blocks: list[dict[str, Any]] = []
    if rng.random() < 0.6:
        blocks.append({"kind": "reasoning", "reasoning": say(rng), "signature": ident(rng)})
    if rng.random() < 0.7:
        blocks.append({"kind": "say", "say": say(rng)})
        told.messages.append((blocks[-1]["say"],))
    elif blocks:
        told.messages.append((blocks[0]["reasoning"],))
    calls = [_call(rng, told) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    blocks += [{"kind": "invoke", "ref": ref, "op": name, "with": args} for ref, name, args in calls]
    lines.append(line("agent", {"speaker": "agent", "blocks": blocks, "spent": {"in": rng.randint(9, 99)}}))
    for ref, _, _ in calls:
        reply = output(rng)
        told.replies.append((reply,))
        answer: dict[str, Any] = {"kind": "returned", "ref": ref, "payload": [{"kind": "say", "say": reply}]}
        if rng.random() < 0.2:
            answer["faulty"] = True
        lines.append(line("human", {"speaker": "human", "blocks": [answer]}))
    return len(calls)


def write_parts_in_trials(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Runs deep inside pretty-printed documents: experiments, their trials, what was said in parts by kind."""
    truths: Runs = {}
    (folder / "config.yaml").write_text("model: m-9\nseeds: [1, 2]\n")
    (folder / "CHANGES.md").write_text("")
    for number in range(max(1, runs // 10)):
        place = f"export_{number}.json"
        experiments = []
        loc = 0
        for _ in range(2):
            trials = []
            for _ in range(5):
                told = truths[place, loc] = Told()
                loc += 1
                contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": say(rng, 20, 50)}]}]
                turns = 0
                for _ in range(rng.randint(2, 7)):
                    parts: list[dict[str, Any]] = []
                    if rng.random() < 0.5:
                        parts.append({"text": say(rng)})
                        told.messages.append((parts[-1]["text"],))
                    calls = [_call(rng, told) for _ in range(rng.choice((1, 1, 2)))]
                    parts += [{"functionCall": {"name": name, "args": args}} for _, name, args in calls]
                    contents.append({"role": "model", "parts": parts})
                    answers = []
                    for _, name, _ in calls:
                        reply = output(rng)
                        told.replies.append((reply, {"output": reply}))
                        answers.append({"functionResponse": {"name": name, "response": {"output": reply}}})
                    contents.append({"role": "user", "parts": answers})
                    turns += len(calls)
                contents.append({"role": "model", "parts": [{"text": say(rng)}]})
                told.messages.append((contents[-1]["parts"][0]["text"],))
                told.turns["calls and messages"] = turns + 1
                judged = {"grade": rng.choice("AF"), "note": say(rng)}
                trials.append({"trial": ident(rng), "contents": contents, "judged": judged})
            experiments.append({"label": say(rng, 1, 2), "started": stamp(number), "trials": trials})
        document = {"export": {"version": 2, "body": {"experiments": experiments}}}
        (folder / place).write_text(json.dumps(document, indent=2, ensure_ascii=False))
    return truths


def write_turn_files(folder: Path, rng: random.Random, runs: int) -> Runs:
    """A folder a run with a pretty-printed file for each turn, pictures and a summary beside them."""
    truths: Runs = {}
    (folder / "README.md").write_text("# Episodes\n\nOne folder each.\n")
    for number in range(runs):
        told = Told()
        place = folder / "games" / f"level_{number % 6}" / f"seed{number}"
        place.mkdir(parents=True)
        count = rng.randint(3, 12)
        for turn in range(count):
            verb, operands = (
                rng.choice(("take", "go", "open", "put")),
                {"what": rng.choice(WORDS), "n": rng.randint(1, 9)},
            )
            plan, after, valid = say(rng), say(rng, 5, 40), rng.random() < 0.8
            told.call(verb, operands)
            told.messages.append((plan,))
            told.replies.append((after, {"text": after, "valid": valid}))
            step = {
                "turn": turn,
                "at": stamp(turn * 7),
                "plan_text": plan,
                "decision": {"verb": verb, "operands": operands},
                "feedback": {"text": after, "valid": valid},
                "engine": {"name": "m-9", "tokens": rng.randint(9, 999)},
            }
            (place / f"turn_{turn:03d}.json").write_text(json.dumps(step, indent=2))
            (place / f"screen_{turn:03d}.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + rng.randbytes(40))
        (place / "stderr.log").write_text("")
        summary = {"level": number % 6, "won": rng.random() < 0.5, "points": rng.random(), "turns": count}
        (place / "summary.json").write_text(json.dumps(summary))
        told.turns["files"] = count
        truths[place.relative_to(folder).as_posix(), None] = told
    return truths


def write_page_visits(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Browsing: a JSON document a run in a folder by site, each visit with the page's text, a thought and a move."""
    truths: Runs = {}
    _clutter(folder)
    for number in range(runs):
        told = Told()
        visits = []
        for at in range(rng.randint(3, 10)):
            kind = rng.choice(("click", "type_text", "scroll", "goto"))
            move: dict[str, Any] = {"kind": kind}
            if kind in ("click", "type_text"):
                move["target"] = f"#el-{rng.randint(1, 400)}"
            if kind == "type_text":
                move["value"] = say(rng, 1, 3)
            if kind == "scroll":
                move["by"] = rng.choice((-600, 600))
            if kind == "goto":
                move["address"] = f"https://shop.example/{rng.choice(WORDS)}"
            thought = say(rng)
            page = "\n".join(f"[{n}] {rng.choice(('link', 'button', 'heading'))} '{say(rng, 1, 4)}'" for n in range(20))
            told.tools.append((kind,))
            rest = {key: value for key, value in move.items() if key != "kind"}
            told.args.append((rest, move, next(iter(rest.values()))))
            told.messages.append((thought,))
            told.replies.append((page,))
            visits.append(
                {
                    "no": at,
                    "page": {"address": "https://shop.example/", "heading": say(rng, 1, 4), "visible": page},
                    "thought": thought,
                    "move": move,
                    "took_s": rng.random(),
                }
            )
        told.turns["visits"] = len(visits)
        wanted = {"wish": say(rng, 8, 20), "site": f"site{number % 4}"}
        document = {"assignment": wanted, "visits": visits, "jury": {"stars": rng.randint(0, 5), "why": say(rng)}}
        place = folder / f"site{number % 4}" / f"visit-log.{ident(rng)[:6]}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(document, indent=1))
        truths[place.relative_to(folder).as_posix(), None] = told
    return truths


def write_coloured_logs(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Terminal logs: a clock and a coloured marker before each entry, entries of several lines, a score at the end."""
    truths: Runs = {}
    (folder / "README.md").write_text("# Recordings\n")
    for number in range(runs):
        told = Told()
        lines: list[str] = []
        clock = rng.randint(0, 9999)

        def mark(colour: int, name: str, text: str, lines: list[str] = lines) -> None:
            nonlocal clock
            clock += rng.randint(1, 30)
            when = stamp(clock)[11:19]
            lines.append(f"\x1b[90m[{when}]\x1b[0m \x1b[{colour}m{name:<7}\x1b[0m│ {text}\r")

        mark(37, "SYSTEM", "session opened on box-4")
        mark(35, "TASK", say(rng, 10, 30))
        count = rng.randint(3, 10)
        for _ in range(count):
            thought = say(rng)
            command = f"cat {path(rng)} | head -{rng.randint(2, 90)}"
            shown = output(rng) if rng.random() < 0.8 else code(rng)
            mark(36, "AGENT", thought)
            mark(33, "EXEC", command)
            mark(32, "STDOUT", "\r\n".join(f"\x1b[2m{line}\x1b[0m" for line in shown.split("\n")))
            told.messages += [(thought,), (command,)]
            told.replies.append((shown,))
        mark(37, "SCORE", f"{rng.random():.2f} after {clock} s")
        told.turns["thought and command"] = count
        told.turns["each"] = 2 * count
        place = folder / f"box{number % 3}" / f"session-{number}.log"
        place.parent.mkdir(exist_ok=True)
        place.write_text("\n".join(lines) + "\n", newline="")
        truths[place.relative_to(folder).as_posix(), None] = told
    return truths


def write_nested_observations(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Span trees of many traces in each file: children inside, models and tools told by kind, scores at the top."""
    truths: Runs = {}
    _clutter(folder)
    for number in range(max(1, runs // 8)):
        place = f"traces-{number:03d}.json"
        traces = []
        for loc in range(8):
            told = truths[place, loc] = Told()
            second = float(rng.randint(0, 9999))
            heard: list[dict[str, Any]] = [
                {"role": "system", "content": say(rng)},
                {"role": "user", "content": say(rng)},
            ]
            children: list[dict[str, Any]] = []
            count = rng.randint(2, 6)
            for _ in range(count):
                thought, tool = say(rng), rng.choice(TOOLS)
                args = {"target": path(rng), "limit": rng.randint(1, 99)}
                reply = output(rng)
                told.call(tool, args)
                told.messages.append((thought,))
                told.replies.append((reply,))
                call = {"id": ident(rng), "function": {"name": tool, "arguments": json.dumps(args)}}
                said = {"role": "assistant", "content": thought, "tool_calls": [call]}
                model = _span(rng, "GENERATION", "chat m-9", second, [*heard], said)
                model["usageDetails"] = {"in": rng.randint(9, 999)}
                work = _span(rng, "TOOL", tool, second + 3, args, reply)
                heard += [said, {"role": "tool", "content": reply, "tool_call_id": call["id"]}]
                step = _span(rng, "SPAN", "iteration", second, None, None)
                step["subSpans"] = [model, work]
                children.append(step)
                second += 9
            final = say(rng)
            said = {"role": "assistant", "content": final}
            children.append(_span(rng, "GENERATION", "chat m-9", second, [*heard], said))
            told.messages.append((final,))
            root = _span(rng, "AGENT", "solve", second - 99, heard[1]["content"], final)
            root["subSpans"] = children
            told.turns["generations"] = count + 1
            scores = [{"name": "human_eval", "value": rng.random()}]
            traces.append({"traceId": ident(rng, 128), "user": "u1", "root": root, "scores": scores})
        (folder / place).write_text(json.dumps({"page": number, "items": traces}))
    return truths


def write_consultations(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Consultations, a line each: exchanges of doctor and patient, or of doctor and laboratory, and the diagnosis."""
    truths: Runs = {}
    lines = []
    for number in range(runs):
        told = truths["consults/all.jsonl", number] = Told()
        exchanges: list[dict[str, Any]] = []
        for turn in range(rng.randint(3, 9)):
            asked, answered = say(rng), say(rng)
            told.messages.append((asked,))
            told.replies.append((answered,))
            other = "patient" if rng.random() < 0.7 else "laboratory"
            exchanges.append({"no": turn + 1, "doctor": asked, other: answered})
        told.turns["exchanges"] = len(exchanges)
        vignette = {"age": rng.randint(1, 99), "complaint": say(rng)}
        end = {"dx_given": say(rng, 1, 3), "dx_true": say(rng, 1, 3), "hit": rng.randint(0, 1)}
        lines.append({"case_no": number, "vignette": vignette, "exchanges": exchanges, "end": end})
    (folder / "consults").mkdir()
    (folder / "consults" / "all.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (folder / "consults" / "LICENSE").write_text("Free to use.\n")
    return truths


def write_tagged_consultations(folder: Path, rng: random.Random, runs: int) -> Runs:
    """Chats whose calls and answers are tagged texts: a thought, a call as JSON in tags, an answer in tags."""
    truths: Runs = {}
    cases = []
    for number in range(runs):
        told = truths["ward.json", number] = Told()
        chat: list[dict[str, Any]] = [
            {
                "from": "system",
                "value": f"You are a doctor. Tools: <tools>{json.dumps([{'name': 'order_test'}])}</tools>",
            },
            {"from": "human", "value": say(rng)},
        ]
        turns = 0
        for _ in range(rng.randint(2, 7)):
            turns += 1
            if rng.random() < 0.3:
                spoken, heard = say(rng), say(rng)
                chat += [{"from": "gpt", "value": spoken}, {"from": "human", "value": heard}]
                told.messages.append((spoken,))
                continue
            thought, name = say(rng), rng.choice(("order_test", "examine"))
            args = {"what": rng.choice(WORDS), "urgent": rng.random() < 0.5}
            call = json.dumps({"name": name, "arguments": args})
            text = f"<think>\n{thought}\n</think>\n<tool_call>\n{call}\n</tool_call>"
            reply = json.dumps({"name": name, "content": say(rng)})
            told.call(name, args)
            told.messages.append((thought, text, f"<think>\n{thought}\n</think>"))
            told.replies.append((reply, f"<tool_response>\n{reply}\n</tool_response>", json.loads(reply)["content"]))
            chat += [
                {"from": "gpt", "value": text},
                {"from": "tool", "value": f"<tool_response>\n{reply}\n</tool_response>"},
            ]
        final = f"Diagnosis: {say(rng, 1, 4)}"
        chat.append({"from": "gpt", "value": final})
        told.messages.append((final,))
        told.turns["calls and messages"] = turns + 1
        cases.append({"id": f"case-{number}", "conversations": chat, "judge": {"ok": rng.random() < 0.5}})
    (folder / "ward.json").write_text(json.dumps(cases, indent=2))
    return truths


def _clutter(folder: Path) -> None:
    (folder / "README.md").write_text("# Traces\n\nAs they were recorded.\n\n- one\n- two\n")
    (folder / "config.yaml").write_text("model: m-9\n")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "empty.json").write_text("")


def _liner(session: str, rng: random.Random) -> Any:
    clock = [float(rng.randint(0, 99999))]

    def line(what: str, message: dict[str, Any]) -> dict[str, Any]:
        clock[0] += rng.randint(1, 30)
        return {"what": what, "session": session, "uid": ident(rng), "at": stamp(clock[0]), "msg": message}

    return line


def _call(rng: random.Random, told: Told) -> tuple[str, str, dict[str, Any]]:
    name = rng.choice(TOOLS)
    args: dict[str, Any] = {"target": path(rng)}
    if name == "run_shell":
        args = {"command": f"pytest {path(rng)} -k {rng.choice(WORDS)}"}
    elif name == "edit_file":
        args["patch"] = code(rng)
    told.call(name, args)
    return f"c_{ident(rng)[:10]}", name, args


def _span(rng: random.Random, kind: str, name: str, second: float, given: Any, gave: Any) -> dict[str, Any]:
    span = {"id": ident(rng), "kind": kind, "name": name, "startTime": stamp(second), "endTime": stamp(second + 2)}
    return {**span, "input": given, "output": gave, "level": "DEFAULT", "metadata": {"host": "h-1"}}


FORMATS: dict[str, Callable[[Path, random.Random, int], Runs]] = {
    "streamed sessions": write_streamed_sessions,
    "parts in trials": write_parts_in_trials,
    "turn files": write_turn_files,
    "page visits": write_page_visits,
    "coloured logs": write_coloured_logs,
    "nested observations": write_nested_observations,
    "consultations": write_consultations,
    "tagged consultations": write_tagged_consultations,
}
