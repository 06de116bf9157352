"""Raw steps dealt to their kinds: by who speaks, by what sort of event it is, and by name where several agents do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from induction.adapters.calls import find_calls
from induction.adapters.kinds import Discriminator, find_discriminator
from induction.adapters.profiles import PathProfile, profile_events
from induction.adapters.roles import VALUE_BREAK, Kind, telling_value
from induction.adapters.selecting import without_heard
from induction.adapters.vocabulary import AGENT_VALUES, OTHER_VALUES, TOOL_VALUES, matches
from monitors.adapter.pointers import compile_pointer
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
When = dict[str, list[JsonValue]]
MAX_LEVELS = 3
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
MIN_INNER = 0.5
MAX_SPEAKERS = 12


@dataclass(frozen=True, slots=True)
class Split:
    """All kinds, in the order in which their cases are asked, and what they were told by, for people."""

    kinds: list[Kind]
    discriminators: list[Discriminator]


def split_kinds(runs: Runs, profiles: dict[str, PathProfile], heard: tuple[str, ...]) -> Split:
    """Return the kinds of raw steps.

    The key that tells kinds best splits them; a kind whose raw steps are still of several sorts is split again by a
    key inside it (at most three levels), and people's messages are split by name where agents speak in them.
    """
    found: list[Discriminator] = []
    kinds = _split(runs, profiles, heard, {}, None, found, 0)
    return Split([one for kind in kinds for one in _split_by_speaker(kind, runs)], found)


def _split(
    runs: Runs,
    profiles: dict[str, PathProfile],
    heard: tuple[str, ...],
    when: When,
    name: str | None,
    found: list[Discriminator],
    level: int,
) -> list[Kind]:
    discriminator = find_discriminator(runs, profiles) if level < MAX_LEVELS else None
    if discriminator is None or (level and not _divides(discriminator)):
        return [_build_kind(runs, heard, when, name, frozenset(when))]
    found.append(discriminator)
    resolve = compile_pointer(discriminator.path, 1)
    kinds = []
    for value in discriminator.values:
        inner = [[event for event in run if next(iter(resolve(event)), None) == value] for run in runs]
        if not any(inner):
            continue
        inner_profiles = profile_events([(event, False) for run in inner for event in run])
        full_name = value if name is None else f"{name}{VALUE_BREAK}{value}"
        inner_when: When = {**when, discriminator.path: [value]}
        kinds += _split(inner, inner_profiles, heard, inner_when, full_name, found, level + 1)
    return kinds


def _divides(inner: Discriminator) -> bool:
    """Sorts within a kind differ in shape, or in whose they are."""
    sides = {
        side
        for value in inner.values
        for side, words in (("agent", AGENT_VALUES), ("tool", TOOL_VALUES), ("other", OTHER_VALUES))
        if matches(value, words)
    }
    return inner.explained >= MIN_INNER or len(sides) > 1


def _build_kind(runs: Runs, heard: tuple[str, ...], when: When, name: str | None, reserved: frozenset[str]) -> Kind:
    events = [event for run in runs for event in run]
    profiles = without_heard(profile_events([(event, False) for event in events]), heard)
    named_tool = name is not None and matches(telling_value(name), TOOL_VALUES)
    calls = find_calls(profiles, reserved, () if named_tool else events)
    kind = Kind(name, events, profiles, calls)
    kind.when, kind.heard = when, heard
    return kind


def _split_by_speaker(kind: Kind, runs: Runs) -> list[Kind]:
    """What comes to one agent as a person's message may be said by other agents: then a name stands beside it."""
    if kind.value is None or not matches(telling_value(kind.value), OTHER_VALUES) or kind.calls is not None:
        return [kind]
    mine = {id(event) for event in kind.events}
    inner = [[event for event in run if id(event) in mine] for run in runs]
    path = next((path for path in sorted(kind.profiles) if _names_speakers(kind.profiles[path], inner)), None)
    if path is None:
        return [kind]
    resolve = compile_pointer(path, 1)
    names = Counter(str(value) for event in kind.events for value in resolve(event))
    tools = [name for name in sorted(names) if _is_tool(name)]
    people = [name for name in sorted(names) if matches(name, OTHER_VALUES) and name not in tools]

    def part(told: str, values: list[str] | None, role: str) -> Kind | None:
        chosen = [
            [event for event in run if (one := next(iter(resolve(event)), None)) and (values is None or one in values)]
            for run in inner
        ]
        wanted: list[JsonValue] = [*values] if values is not None else []
        if not any(chosen):
            return None
        built = _build_kind(chosen, kind.heard, {**kind.when, path: wanted}, told, frozenset({*kind.when, path}))
        built.speaker = role
        return built

    parts = [
        part(f"{kind.value}, tools by name", tools, "answer") if tools else None,
        part(f"{kind.value}, people by name", people, "observe") if people else None,
        part(f"{kind.value}, agents by name", None, "act"),
    ]
    unnamed = [[event for event in run if not resolve(event)] for run in inner]
    rest = [_build_kind(unnamed, kind.heard, kind.when, kind.value, frozenset(kind.when))] if any(unnamed) else []
    return [*(one for one in parts if one is not None), *rest]


def _is_tool(name: str) -> bool:
    """The last word of a name says what it is: an environment expert is an expert."""
    words = _WORDS.findall(name)
    return bool(words) and matches(words[-1], TOOL_VALUES)


def _names_speakers(profile: PathProfile, inner: Runs) -> bool:
    """A short name that changes within most runs, out of few in each, and mostly of neither people nor tools."""
    if "*" in profile.path or profile.path.count("/") > 2 or profile.identifiers < 0.9 * profile.values:
        return False
    if profile.mean_chars > 40 or len(profile.distinct) > 0.5 * profile.values:
        return False
    known = [name for name in profile.examples if matches(name, OTHER_VALUES) or _is_tool(name)]
    others = profile.values - sum(profile.examples[name] for name in known)
    resolve = compile_pointer(profile.path, 1)
    counts = [len(names) for run in inner if len(names := {str(v) for event in run for v in resolve(event)}) > 0]
    several = sum(1 < count <= MAX_SPEAKERS for count in counts)
    return others >= 0.2 * profile.values and several >= 0.5 * max(1, len(counts))
