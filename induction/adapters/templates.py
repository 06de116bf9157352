"""Calls written out as text: which template reads them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from monitors.adapter.template import match_template, parse_template

TEMPLATES = ("{name}[{args}]", "{name}({args})", "[{name}({args}) -> {result}]", "{text}[{name}({args}) -> {result}]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
MAX_TEXTS = 2_000
MIN_CALLS = 5


def find_template(texts: Sequence[str], share: float = 0.8) -> str | None:
    """Return the template that reads at least a share of the texts as calls of a few repeating names, or None."""
    shown = [text for text in texts if text][:MAX_TEXTS]
    best: tuple[float, str] | None = None
    for template in TEMPLATES:
        literals, names = parse_template(template)
        found = [match_template(literals, names, text) for text in shown]
        calls = Counter(part["name"] for part in found if part is not None and NAME.fullmatch(part["name"]))
        count = sum(calls.values())
        read = count / len(shown) if shown else 0.0
        if count >= MIN_CALLS and read >= share and len(calls) <= max(3, count // 3):
            best = max(best, (read, template)) if best is not None else (read, template)
    return best[1] if best is not None else None
