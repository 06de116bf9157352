"""Kinds of raw steps: the key whose few values explain which paths a raw step fills, such as who speaks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from induction.adapters.profiles import PathProfile
from induction.adapters.vocabulary import (
    AGENT_VALUES,
    DISCRIMINATOR_KEYS,
    OTHER_VALUES,
    TOOL_VALUES,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_pointer, is_present
from monitors.stepview import JsonValue

MAX_KINDS = 16
MIN_SCORE = 0.45


@dataclass(frozen=True, slots=True)
class Discriminator:
    """The path whose value tells the kind of a raw step, its values in the order of the alphabet, and its score."""

    path: str
    values: tuple[str, ...]
    score: float
    explained: float


def find_discriminator(runs: Sequence[Sequence[JsonValue]], profiles: dict[str, PathProfile]) -> Discriminator | None:
    """Return the best path to tell kinds of raw steps by, or None where no path does.

    A candidate stands in nearly every raw step, has few short values of which several occur in one run, and knowing
    it says which other paths are filled (normalised mutual information). Common names and values add to that.
    """
    events = [event for run in runs for event in run if isinstance(event, dict)]
    if not events:
        return None
    candidates = [
        profile
        for profile in profiles.values()
        if "*" not in profile.path
        and profile.path.count("/") <= 2
        and profile.events >= (0.85 if last_key(profile.path).isdigit() else 0.95) * len(events)
        and profile.texts >= 0.95 * profile.values
        and 2 <= len(profile.distinct) <= MAX_KINDS
        and profile.mean_chars <= 40
    ]
    for deep in (False, True):
        scored = [_score(candidate, runs, events, deep=deep) for candidate in candidates]
        best = max(scored, key=lambda item: (item.score, -item.path.count("/"), item.path), default=None)
        if best is not None and best.score >= MIN_SCORE:
            return best
    return None


def _score(
    candidate: PathProfile, runs: Sequence[Sequence[JsonValue]], events: Sequence[JsonValue], *, deep: bool
) -> Discriminator:
    resolve = compile_pointer(candidate.path, 1)
    values = [str(next(iter(resolve(event)), None)) for event in events]
    shapes = [_shape(event, candidate.path, deep=deep) for event in events]
    told = explained(values, shapes)
    per_run = [len({str(next(iter(resolve(event)), None)) for event in run}) for run in runs if len(run) > 1]
    varied = sum(count > 1 for count in per_run) / len(per_run) if per_run else 0.0
    known = [value for value in set(values) if matches(value, AGENT_VALUES | TOOL_VALUES | OTHER_VALUES)]
    named = matches(last_key(candidate.path), DISCRIMINATOR_KEYS)
    # The column of a row has no name: its values alone may tell, if all are known and as short as codes.
    named = named or (last_key(candidate.path).isdigit() and len(known) >= 2 and candidate.mean_chars <= 8)
    prior = 0.35 * named + 0.35 * len(known) / len(set(values))
    if prior < 0.1 or (not known and _tells_its_own_alone(candidate.path, values, events)):
        # A name of a tool or a phase explains the shape of raw steps too, but not who acts.
        return Discriminator(candidate.path, (), 0.0, told)
    return Discriminator(candidate.path, tuple(sorted(set(values))), varied * (told + prior), told)


def _tells_its_own_alone(path: str, values: Sequence[str], events: Sequence[JsonValue]) -> bool:
    """Return whether a value tells the keys of the object that it stands in, and nothing outside that: what the agent
    does in the raw step, not what kind of raw step it is.
    """
    parent = path.rsplit("/", 1)[0]
    if not parent:
        return False
    outside = [frozenset(one for one in _shape(event, path) if not one.startswith(f"{parent}/")) for event in events]
    return explained(values, outside) < 0.1


def _shape(event: JsonValue, without: str, *, deep: bool = False) -> frozenset[str]:
    """The filled keys of the two upper levels, and of the first items of lists there."""
    if not isinstance(event, dict):
        return frozenset()
    keys = set()
    for key, value in event.items():
        if is_present(value):
            keys.add(f"/{key}")
            if isinstance(value, dict):
                keys.update(f"/{key}/{inner}" for inner, item in value.items() if is_present(item))
            elif deep and isinstance(value, list) and isinstance(value[0], dict):
                keys.update(f"/{key}/0/{inner}" for inner, item in value[0].items() if is_present(item))
    keys.discard(without)
    return frozenset(keys)


def explained(values: Sequence[str], shapes: Sequence[frozenset[str]]) -> float:
    """Return I(value; shape) / H(value): 1 where the shape of a raw step tells its kind, 0 where all kinds look the
    same.
    """
    total = len(values)
    by_value, by_shape = Counter(values), Counter(shapes)
    both = Counter(zip(values, shapes, strict=True))
    entropy = -sum(n / total * math.log(n / total) for n in by_value.values())
    if entropy <= 0:
        return 0.0
    shared = sum(
        n / total * math.log(n * total / (by_value[value] * by_shape[shape])) for (value, shape), n in both.items()
    )
    return shared / entropy
