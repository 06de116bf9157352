"""Whose a text of a raw step is that holds both sides: what the agent was shown, what it wrote, what answered it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from induction.adapters.calls import CallPaths
from induction.adapters.profiles import PathProfile, iter_paths
from induction.adapters.texts import TextPath, is_result_path
from induction.adapters.vocabulary import SHOWN_KEYS, last_key, matches, words_of
from monitors.adapter.pointers import compile_pointer, join_pointer, split_pointer
from monitors.stepview import JsonValue

WRITTEN_KEYS = frozenset({"response", "completion", "output", "generation"})
"""Keys that hold what a model wrote, where what it was asked stands beside them; else they answer an action."""
ASKED_KEYS = frozenset({"prompt", "prompts", "request", "messages"})
MAX_BESIDE = 4
SAME_START = 200


def own_paths(profiles: dict[str, PathProfile], calls: CallPaths | None) -> tuple[str, ...]:
    """Return the paths, named like answers, that hold what the agent wrote: calls stand in them, or, where none are
    made, a prompt stands beside them.
    """
    if calls is not None:
        top = split_pointer(calls.name)[0]
        return (join_pointer((top,)),) if calls.name.count("/") > 1 and words_of(top) & WRITTEN_KEYS else ()
    asked = {path.rpartition("/")[0] for path in profiles if words_of(last_key(path)) & ASKED_KEYS}
    return tuple(
        path for path in profiles if path.rpartition("/")[0] in asked and words_of(last_key(path)) & WRITTEN_KEYS
    )


def in_own(path: str, own: tuple[str, ...]) -> bool:
    """Return whether a path stands in one of those."""
    return any(path == one or path.startswith(f"{one}/") for one in own)


def answers_action(path: str, own: tuple[str, ...]) -> bool:
    """Return whether a path is named like an answer to the agent's action."""
    head = max((one for one in own if path == one or path.startswith(f"{one}/")), key=len, default="")
    return len(path) > len(head) and is_result_path(path[len(head) :])


def is_shown_path(path: str) -> bool:
    """Return whether a path is named like what the agent was given to look at."""
    return any(words_of(key) & SHOWN_KEYS for key in split_pointer(path) if key != "*")


def choose_shown(ranked: Sequence[TextPath], taken: Sequence[str], events: Sequence[JsonValue]) -> list[str]:
    """Return the text that the agent was shown before it acted in the same raw step, unless it mostly begins as in
    the raw step before: then it repeats a whole conversation.
    """
    free = [item.path for item in ranked if is_shown_path(item.path) and item.path not in taken and item.fill >= 0.2]
    free = [path for path in free if not any(path.startswith(f"{one}/") for one in taken)]
    return next(([path] for path in free if not _begins_alike(path, events)), [])


def texts_beside(ranked: Sequence[TextPath], calls: CallPaths, events: Sequence[JsonValue]) -> list[str]:
    """Return the texts of one object that stand before the call, in the same part of the raw step, as written.

    Such are what an agent notes with each action: how the last one went, what it remembers, what comes next.
    """
    top = split_pointer(calls.name)[0] if calls.name.count("/") > 1 else None
    free = [
        item.path
        for item in ranked
        if not is_result_path(item.path)
        and not is_shown_path(item.path)
        and "*" not in item.path
        and item.fill >= 0.3
        and (top is None or split_pointer(item.path)[0] == top)
    ]
    if not free or (top is None and not any(matches(last_key(path), frozenset({"goal", "memory"})) for path in free)):
        return []
    parent = free[0].rsplit("/", 1)[0]
    order: list[str] = []
    for event in events[:50]:
        order += [path for path, _ in iter_paths(event) if path not in order]
    beside = [path for path in order if path in free and path.rsplit("/", 1)[0] == parent]
    return beside[:MAX_BESIDE]


def _begins_alike(path: str, events: Sequence[JsonValue]) -> bool:
    resolve = compile_pointer(path, 1)
    texts = [str(found[0])[:SAME_START] for event in events[:200] if (found := resolve(event))]
    alike = sum(one == other for one, other in pairwise(texts) if len(one) >= SAME_START)
    return alike > 0.3 * max(1, len(texts) - 1)
