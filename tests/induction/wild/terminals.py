"""Recordings of terminals: timed events of typed and printed text, and typescripts in colour."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.induction.wild.judging import Runs, Told
from tests.induction.wild.prose import output, path, say

GREEN, BLUE, OFF = "\x1b[01;32m", "\x1b[01;34m", "\x1b[00m"


def _command(rng: random.Random) -> str:
    return rng.choice(
        (
            f"grep -n {say(rng, 1, 1)!r} {path(rng)}",
            f"python3 {path(rng)} --n {rng.randint(1, 99)}",
            "ls -la --color",
            f"git log --oneline -{rng.randint(1, 9)}",
            f"cat {path(rng)} | wc -l && echo done",
            f"pip install {rng.choice('abcdef')}lib=={rng.randint(0, 9)}.1",
        )
    )


def _coloured(rng: random.Random, text: str) -> str:
    lines = [
        f"\x1b[{rng.choice((1, 31, 32, 36))}m{line}\x1b[0m" if rng.random() < 0.3 else line for line in text.split("\n")
    ]
    if rng.random() < 0.2:
        lines.insert(0, "\rDownloading 10%\rDownloading 55%\rDownloading 100%")
    return "\r\n".join(lines) + "\r\n"


def write_casts(folder: Path, rng: random.Random, runs: int) -> Runs:
    """A header, then rows of [seconds, kind, text]: what was typed, what was printed, marks."""
    truths: Runs = {}
    for number in range(runs):
        told, clock = Told(), 0.0
        header = {"version": 2, "width": 160, "height": 40, "timestamp": 1740000000 + number * 977}
        lines = [
            json.dumps({**header, "env": {"SHELL": "/bin/bash", "TERM": "xterm-256color"}, "title": say(rng, 2, 4)})
        ]

        def add(kind: str, text: str) -> None:
            nonlocal clock
            clock += rng.random() * 3
            lines.append(json.dumps([round(clock, 6), kind, text]))  # noqa: B023 - used at once

        prompt = f"\x1b[?2004h{GREEN}root@{number:04x}{OFF}:{BLUE}/app{OFF}# "
        add("o", prompt)
        for _ in range(rng.randint(4, 14)):
            command = _command(rng)
            add("i", command + "\r")
            add("o", f"{command}\r\n\x1b[?2004l\r{_coloured(rng, output(rng))}{prompt}")
            told.messages.append((command,))
            told.replies.append((json.loads(lines[-1])[2],))
            told.turns["commands"] += 1
        if rng.random() < 0.2:
            add("m", "end")
        (folder / f"{number:03d}-agent.cast").write_text("\n".join(lines) + "\n")
        truths[f"{number:03d}-agent.cast", None] = told
    return truths


def write_typescripts(folder: Path, rng: random.Random, runs: int) -> Runs:
    """What a terminal showed, in colour, between a line that says it began and one that says how it ended."""
    truths: Runs = {}
    for number in range(runs):
        told = Told()
        where = "~"
        text = f'Script started on 2025-03-{number % 28 + 1:02d} 10:00:00+00:00 [TERM="xterm" COLUMNS="80"]\r\n'
        for _ in range(rng.randint(4, 14)):
            command = _command(rng)
            if rng.random() < 0.15:
                where = rng.choice(("~", "~/repo", "/testbed", "/tmp"))
                command = f"cd {where}"
            printed = _coloured(rng, output(rng)) if not command.startswith("cd ") else ""
            prompt = f"\x1b]0;agent@box: {where}\x07{GREEN}agent@box{OFF}:{BLUE}{where}{OFF}$ "
            text += f"\x1b[?2004h{prompt}{command}\r\n\x1b[?2004l{printed}"
            told.messages.append((command,))
            lines = [line.split("\r")[-1] for line in printed.replace("\r\n", "\n").split("\n")]
            told.replies += [(printed, "\n".join(lines))] if printed.strip() else []
            told.turns["commands"] += 1
        text += f'\r\nScript done on 2025-03-28 11:00:00+00:00 [COMMAND_EXIT_CODE="{rng.choice("01")}"]\r\n'
        (folder / f"typescript-{number}.log").write_text(text, newline="")
        truths[f"typescript-{number}.log", None] = told
    return truths
