"""Paths of one kind of raw step that several of its fields are chosen by: calls' subtrees, object answers, metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from induction.adapters.calls import CallPaths
from induction.adapters.profiles import PathProfile
from induction.adapters.roles import Kind
from induction.adapters.vocabulary import (
    METADATA_KEYS,
    RESULT_KEYS,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_pointer, is_present, iter_items, join_pointer
from monitors.adapter.spec import Selector
from monitors.stepview import JsonValue


def without_heard(profiles: dict[str, PathProfile], heard: tuple[str, ...]) -> dict[str, PathProfile]:
    """Return the profiles of what does not stand in the message lists that the agent was given."""
    return {
        path: profile
        for path, profile in profiles.items()
        if not any(path == given or path.startswith(given + "/") for given in heard)
    }


def call_subtrees(calls: CallPaths | None, events: Sequence[JsonValue]) -> list[str]:
    """Return the pointers that belong to calls: name, arguments, and the keys that stand rather in items with a call
    than in others (a list may hold texts and calls side by side).
    """
    if calls is None:
        return []
    own = [path for path in (calls.name, calls.args) if path is not None]
    if "*" not in calls.name:
        return own
    items, rest = iter_items(calls.name, 64)
    name_of = compile_pointer(rest, 1)
    balance: Counter[str] = Counter()
    for event in events:
        for item in items(event):
            if isinstance(item, dict):
                step = 1 if name_of(item) else -1
                balance.update({key: step for key, value in item.items() if is_present(value)})
    parent = calls.name[: len(calls.name) - len(rest)]
    return [*own, *(f"{parent}{join_pointer((key,))}" for key, count in sorted(balance.items()) if count > 0)]


def own_words(calls: CallPaths | None, profiles: dict[str, PathProfile], events: Sequence[JsonValue]) -> list[str]:
    """Return the text arguments that half of all tools take: there the agent says why, whatever the tool."""
    if calls is None or calls.args is None or calls.decode:
        return []
    names = compile_pointer(calls.name, 64)
    tools = Counter(str(name) for event in events for name in names(event))
    common = {name for name, count in tools.items() if count >= 5}
    found = []
    for path, profile in sorted(profiles.items()):
        inside = path.startswith(calls.args + "/") and "*" not in path[len(calls.args) :]
        if not inside or profile.texts < profile.values or profile.wordy_share < 0.8 or profile.mean_chars < 40:
            continue
        resolve = compile_pointer(path, 64)
        users = {str(name) for event in events if resolve(event) for name in names(event)} & common
        if len(users) >= 3 and len(users) >= 0.5 * len(common):
            found.append(path)
    return found[:3]


def object_results(profiles: dict[str, PathProfile]) -> list[str]:
    """Answers that are objects rather than text, by name only."""
    found = [
        path
        for path, profile in profiles.items()
        if matches(last_key(path), RESULT_KEYS)
        and profile.kinds["dict"] + profile.kinds["list"] >= 0.5 * profile.values
    ]
    return sorted(found, key=lambda path: (path.count("/"), path))[:1]


def metadata_of(kind: Kind) -> tuple[Selector, ...]:
    """Ids and names: for people and for slicing, left out of the features."""
    found = [
        profile
        for path, profile in kind.profiles.items()
        if "*" not in path
        and path.count("/") <= 2
        and profile.events >= 0.5 * len(kind.events)
        and matches(last_key(path), METADATA_KEYS)
        and profile.texts == profile.values
        and profile.mean_chars <= 80
        and profile.wordy_share < 0.2
        and (kind.calls is None or path != kind.calls.name)
    ]
    best = sorted(found, key=lambda profile: (-profile.events, profile.path))[:4]
    return tuple(
        Selector(path=profile.path, name=last_key(profile.path)) for profile in sorted(best, key=lambda p: p.path)
    )
