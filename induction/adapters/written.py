"""Calls that agents write out in their texts, where no raw step holds calls as data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from induction.adapters.profiles import iter_paths
from induction.adapters.vocabulary import RESULT_KEYS, SHOWN_KEYS, matches
from monitors.adapter.pointers import split_pointer
from monitors.adapter.tags import FENCE, read_tags, with_tags
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
MAX_RUNS = 60
MIN_CALLS = 5
MIN_SHARE = 0.8
MAX_TAGS = 24
_TAG = re.compile(r"<([A-Za-z_][\w:-]{0,40})(?:>|=|[ \t]name=)")


def find_written_calls(runs: Runs) -> dict[str, tuple[str, ...]]:
    """Return the paths of texts with the tag that calls stand in there: what it holds is nearly always an object with
    a name out of few that repeat, and something else.
    """
    texts: dict[str, list[str]] = {}
    for run in runs[:: max(1, len(runs) // MAX_RUNS)]:
        for event in run:
            for path, value in iter_paths(event):
                if isinstance(value, str) and "*" not in path and ("</" in value or FENCE in value):
                    texts.setdefault(path, []).append(value)
    return {path: (tag,) for path, held in sorted(texts.items()) if (tag := _call_tag(held)) is not None}


def _call_tag(texts: Sequence[str]) -> str | None:
    counts: Counter[str] = Counter(tag for text in texts for tag in set(_TAG.findall(text)))
    counts[FENCE] = sum(FENCE in text for text in texts)
    usual = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_TAGS]
    for tag, count in usual:
        if count < MIN_CALLS or matches(tag, RESULT_KEYS | SHOWN_KEYS):
            continue
        held = [one for text in texts for one in read_tags(text, (tag,)).get(tag, [])]
        names = Counter(name for one in held if (name := _name_of(one)) is not None)
        called = sum(names.values())
        if called >= max(MIN_CALLS, MIN_SHARE * len(held)) and len(names) <= max(3, called // 3):
            return tag
    return None


def _name_of(value: JsonValue) -> str | None:
    """The first text of an object that holds more than that."""
    if not isinstance(value, dict) or len(value) < 2:
        return None
    first = next(iter(value.values()))
    return first if isinstance(first, str) and 0 < len(first) <= 60 and " " not in first else None


def tag_at(event: JsonValue, tagged: dict[str, tuple[str, ...]]) -> JsonValue:
    """Return a copy of a raw step in which what tags hold stands beside their texts."""
    for pointer, tags in tagged.items():
        event = with_tags(event, split_pointer(pointer), tags)
    return event
