"""Texts of irregular length for made-up traces: prose with accents, code, tables, JSON and terminal output."""

from __future__ import annotations

import json
import random
from typing import Any

_LINES = (
    "the a to and of in is it for on that this file test user page order value error index parser module result",
    "query button search cart login date café naïve über Größe 数据 λ check open read write list build cache token",
    "state config branch commit patient fever cough chest blood pain dose history scan plan agent node server",
)
WORDS = [word for line in _LINES for word in line.split()]
TAILS = (".", ".", "!", "?", " …", " ✓", " (see above).")


def say(rng: random.Random, least: int = 4, most: int = 24) -> str:
    """Return one sentence or a few."""
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))
    return text[0].upper() + text[1:] + rng.choice(TAILS)


def ident(rng: random.Random, bits: int = 64) -> str:
    """Return an id as traces write them."""
    return f"{rng.getrandbits(bits):0{bits // 4}x}"


def stamp(second: float) -> str:
    """Return an ISO time, later for later seconds."""
    whole = int(second)
    return (
        f"2025-03-{1 + whole // 86400 % 28:02d}T{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.123Z"
    )


def path(rng: random.Random) -> str:
    """Return a path of a file."""
    return f"/{rng.choice(('app', 'testbed', 'repo'))}/src/{rng.choice(WORDS[9:20])}_{rng.randint(1, 99)}.py"


def code(rng: random.Random) -> str:
    """Return some lines of a program, with blank lines among them."""
    inner = ("    y = 3", "", f"    # {say(rng, 2, 6)}", "    return {'a': [x]}", f"    z = {rng.randint(1, 99)}")
    head = f"def {rng.choice(WORDS[9:20])}_{rng.randint(1, 99)}(x):"
    return "\n".join([head, *(rng.choice(inner) for _ in range(rng.randint(1, 6)))])


def output(rng: random.Random) -> str:
    """Return what a tool may answer: a listing, code with line numbers, a failure, JSON, one word, many lines."""
    kind = rng.randint(0, 6)
    if kind == 0:
        return "\n".join(f"{path(rng)}:{rng.randint(1, 400)}: {say(rng, 2, 8)}" for _ in range(rng.randint(1, 9)))
    if kind == 1:
        return "\n".join(f"{n:6d}\t{line}" for n, line in enumerate(code(rng).split("\n"), 1))
    if kind == 2:
        where = f'  File "{path(rng)}", line {rng.randint(1, 99)}, in <module>'
        return f"Traceback (most recent call last):\n{where}\nValueError: {say(rng, 2, 6)}"
    if kind == 3:
        return json.dumps({"items": [say(rng, 1, 5) for _ in range(rng.randint(0, 4))], "total": rng.randint(0, 9)})
    if kind == 4:
        return f"{rng.choice(('ok', 'done', 'exit'))} {rng.randint(0, 9999)}"
    return "\n\n".join(say(rng, 5, 40) for _ in range(rng.randint(1, 4)))


def usage(rng: random.Random) -> dict[str, Any]:
    """Return token counts and a cost."""
    return {"input_tokens": rng.randint(900, 90000), "output_tokens": rng.randint(5, 900), "cost": rng.random() / 9}
