"""Conversations inside raw steps: messages as JSON in a string, and lists that repeat everything said so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from induction.adapters.profiles import PathProfile, decode_json_text, iter_paths, profile_events
from induction.adapters.texts import rank_texts
from induction.adapters.vocabulary import (
    AGENT_VALUES,
    DISCRIMINATOR_KEYS,
    OTHER_VALUES,
    ROLE_KEYS,
    TOOL_VALUES,
    matches,
)
from monitors.adapter.pointers import compile_pointer, join_pointer, split_pointer
from monitors.adapter.unfolding import is_folded, unfold
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
MAX_RUNS = 40
MIN_ECHO = 20
MIN_FOLDED = 5


@dataclass(frozen=True, slots=True)
class Latest:
    """The last item of a history: where its speaker and its text stand, and the speakers who are not the agent
    or a tool.
    """

    role: str
    values: tuple[str, ...]
    text: str


def find_json_texts(runs: Runs) -> tuple[str, ...]:
    """Return the paths of strings that hold messages as JSON: lists of objects with a speaker or a type each.

    Other JSON in strings (arguments, replies of tools) stays text until a field needs it.
    """
    texts: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    for run in _some(runs):
        for event in run:
            for path, value in iter_paths(event):
                if isinstance(value, str) and "*" not in path:
                    texts[path] += 1
                    messages[path] += _holds_messages(decode_json_text(value.strip()))
    return tuple(sorted(path for path, count in messages.items() if count >= 0.8 * texts[path]))


def find_folded(runs: Runs) -> tuple[str, ...]:
    """Return the paths of objects in which lists were flattened to keys such as messages.0.role."""
    folded: Counter[str] = Counter()
    for run in _some(runs):
        for event in run:
            held = [("", event), *event.items()] if isinstance(event, dict) else []
            folded.update(join_pointer((key,) if key else ()) for key, value in held if is_folded(value))
    return tuple(sorted(path for path, count in folded.items() if count >= MIN_FOLDED))


def unfold_at(event: JsonValue, pointers: Sequence[str]) -> JsonValue:
    """Return a copy of a raw step with such objects nested again."""
    for pointer in pointers:
        if not pointer:
            event = unfold(event)
        elif isinstance(event, dict) and (key := split_pointer(pointer)[0]) in event:
            event = {**event, key: unfold(event[key])}
    return event


def decode_at(event: JsonValue, pointers: Sequence[str]) -> JsonValue:
    """Return a copy of a raw step with the strings at some paths parsed."""
    for pointer in pointers:
        event = _decode_path(event, split_pointer(pointer))
    return event


def find_heard(runs: Runs, profiles: dict[str, PathProfile]) -> tuple[str, ...]:
    """Return the paths of message lists that the agent was given rather than wrote.

    Either they grow, each beginning with the one before it in the run (80 % of the cases), or most of their items are
    spoken by others.
    """
    lists = [path for path, profile in profiles.items() if "*" not in path and profile.kinds["list"] >= 5]
    return tuple(path for path in sorted(lists) if _grows(path, runs) or _spoken_by_others(path, profiles))


def find_echoes(runs: Runs) -> tuple[str, ...]:
    """Return the paths of texts that mostly repeat what another path of the raw step before said.

    Such a text is what the agent was told, not what it says: the message that an action left for the state after it.
    """
    filled: Counter[str] = Counter()
    echoed: Counter[str] = Counter()
    for run in _some(runs):
        for before, event in pairwise(run):
            said = {text: path for path, text in _long_texts(before)}
            for path, text in _long_texts(event):
                filled[path] += "*" not in path
                echoed[path] += "*" not in path and said.get(text, path) != path
    return tuple(path for path in sorted(filled) if filled[path] >= 5 and echoed[path] >= 0.6 * filled[path])


def _long_texts(event: JsonValue) -> list[tuple[str, str]]:
    return [(p, value.strip()) for p, value in iter_paths(event) if isinstance(value, str) and len(value) >= MIN_ECHO]


def find_latest(history: str, events: Sequence[JsonValue]) -> Latest | None:
    """Return where the last item of a history says who spoke and what, if others than the agent and its tools
    speak there.
    """
    items = [found[0] for event in events if (found := compile_pointer(f"{history}/-1", 1)(event))]
    profiles = profile_events([(item, False) for item in items])
    roles = [
        profile
        for path, profile in profiles.items()
        if "*" not in path
        and matches(path.rsplit("/", 1)[-1], DISCRIMINATOR_KEYS)
        and profile.texts == profile.values
        and len(profile.distinct) <= 8
    ]
    if not roles:
        return None
    role = max(roles, key=lambda profile: (profile.events, profile.path))
    values = sorted(v for v in role.examples if not matches(v, AGENT_VALUES | TOOL_VALUES))
    role_of = compile_pointer(role.path, 1)
    heard = [item for item in items if any(value in values for value in role_of(item))]
    ranked = rank_texts(profile_events([(item, False) for item in heard]), len(heard))
    if not ranked:
        return None
    return Latest(f"{history}/-1{role.path}", tuple(values), f"{history}/-1{ranked[0].path}")


def _holds_messages(decoded: JsonValue) -> bool:
    if not isinstance(decoded, list) or not decoded or not all(isinstance(item, dict) for item in decoded):
        return False
    return all(
        any(
            isinstance(value, str)
            and matches(key, DISCRIMINATOR_KEYS)
            and matches(value, AGENT_VALUES | TOOL_VALUES | OTHER_VALUES)
            for key, value in item.items()
        )
        for item in decoded
        if isinstance(item, dict)
    )


def _decode_path(value: JsonValue, segments: tuple[str, ...]) -> JsonValue:
    if not segments:
        decoded = decode_json_text(value)
        return value if decoded is None else decoded
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    return {**value, segments[0]: _decode_path(value[segments[0]], segments[1:])}


def _spoken_by_others(path: str, profiles: dict[str, PathProfile]) -> bool:
    spoken: Counter[str] = Counter()
    for inner, profile in profiles.items():
        if inner.startswith(f"{path}/*/") and inner.count("/") == path.count("/") + 2 and _says_who(profile):
            spoken.update(profile.examples)
    return sum(count for value, count in spoken.items() if matches(value, AGENT_VALUES)) < 0.5 * sum(spoken.values())


def _says_who(profile: PathProfile) -> bool:
    """A speaker, not a type of item: named so, or with a person among its values."""
    known = AGENT_VALUES | TOOL_VALUES | OTHER_VALUES
    key = profile.path.rsplit("/", 1)[-1]
    return (
        profile.texts == profile.values
        and len(profile.distinct) <= 8
        and all(matches(value, known) for value in profile.examples)
        and (matches(key, ROLE_KEYS) or any(matches(value, OTHER_VALUES) for value in profile.examples))
    )


def _grows(path: str, runs: Runs) -> bool:
    resolve = compile_pointer(path, 1)
    pairs = grown = 0
    for run in _some(runs):
        before: list[JsonValue] | None = None
        for event in run:
            value = next(iter(resolve(event)), None)
            if not isinstance(value, list):
                continue
            if before:
                pairs += 1
                grown += len(value) > len(before) and value[: len(before)] == before
            before = value
    return pairs >= 5 and grown >= 0.8 * pairs


def _some(runs: Runs) -> Runs:
    """Runs at even distances: those of one file stand together, and files may differ."""
    return runs[:: max(1, len(runs) // MAX_RUNS)]
