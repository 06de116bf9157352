"""Which paths of one kind of raw step carry its text, and which repeat what another already says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from induction.adapters.profiles import PathProfile
from induction.adapters.vocabulary import (
    ACTION_TEXT_KEYS,
    AGENT_VALUES,
    ERROR_KEYS,
    RESULT_KEYS,
    TIME_KEYS,
    last_key,
    matches,
    words_of,
)
from monitors.adapter.pointers import compile_pointer, split_pointer
from monitors.stepview import JsonValue, to_text

_BLOB = re.compile(r"(?:data:[a-z/+;0-9]+,)?[A-Za-z0-9+/=_-]+")
CANONICAL = frozenset({"content", "text", "message", "body", "value"})
MAX_TEXTS = 3


@dataclass(frozen=True, slots=True)
class TextPath:
    """A path that carries text, with its score and the share of raw steps that fill it."""

    path: str
    score: float
    fill: float


def rank_texts(profiles: dict[str, PathProfile], events: int, outside: Iterable[str] = ()) -> list[TextPath]:
    """Return the text paths of one kind of raw step, best first.

    Text means strings that are long or wordy and vary; `outside` are pointers whose whole subtree is something else
    (calls).
    """
    barred = tuple(outside)
    ranked = []
    for path, profile in profiles.items():
        if any(path == bar or path.startswith(bar + "/") for bar in barred):
            continue
        if profile.texts < 0.8 * profile.values or not _reads_as_text(profile):
            continue
        key = last_key(path)
        prior = 1.0 if words_of(key) & CANONICAL else 0.8 if matches(key, ACTION_TEXT_KEYS | RESULT_KEYS) else 0.3
        depth = 0.85 ** (len(split_pointer(path)) - 1)
        fill = profile.events / max(events, 1)
        if profile.json_texts >= 0.5 * profile.texts:
            # A whole object as text repeats what its parts say where they stand by themselves.
            prior *= 0.4
        score = (
            prior * depth * (0.2 + fill) * math.log1p(profile.mean_chars) * (0.2 + min(1.0, 2 * profile.distinct_share))
        )
        ranked.append(TextPath(path, score, fill))
    return sorted(ranked, key=lambda item: (-item.score, item.path))


def choose_texts(ranked: Sequence[TextPath], events: Sequence[JsonValue]) -> list[str]:
    """Return the paths to read: the best, and others that say something the chosen ones do not.

    Beside a canonical message text only what fills in where that is missing is taken, so that the field is the
    message and nothing else.
    """
    if not ranked:
        return []
    chosen = [ranked[0].path]
    canonical = bool(words_of(last_key(chosen[0])) & CANONICAL)
    for item in ranked[1:8]:
        if len(chosen) >= MAX_TEXTS or item.score < 0.15 * ranked[0].score:
            break
        together, said = _overlap(chosen, item.path, events)
        if said > 0.5 or (canonical and together > 0.1):
            continue
        if matches(last_key(item.path), ACTION_TEXT_KEYS | RESULT_KEYS):
            chosen.append(item.path)
    return chosen


def is_result_path(path: str) -> bool:
    """Return whether a path's name says that it holds an answer to an action."""
    keys = [segment for segment in split_pointer(path) if segment != "*"]
    own = words_of(keys[-1]) if keys else frozenset[str]()
    within = any(key.lower() in RESULT_KEYS for key in keys)
    answers = not own.isdisjoint(RESULT_KEYS) and own.isdisjoint(AGENT_VALUES)
    return within or answers or any(matches(key, ERROR_KEYS) for key in keys)


def _reads_as_text(profile: PathProfile) -> bool:
    if matches(last_key(profile.path), TIME_KEYS) or _is_blob(profile):
        return False
    if profile.identifier_share > 0.7 and profile.wordy_share < 0.3:
        return False
    if len(profile.distinct) <= max(1, 0.02 * profile.values) and profile.mean_chars < 80:
        return False
    return profile.wordy_share >= 0.2 or profile.mean_chars >= 60


def _is_blob(profile: PathProfile) -> bool:
    """Encoded bytes, such as a picture: long, without a space."""
    return profile.mean_chars >= 200 and not profile.wordy and all(_BLOB.fullmatch(text) for text in profile.examples)


def _overlap(chosen: Sequence[str], path: str, events: Sequence[JsonValue]) -> tuple[float, float]:
    """Return the share of a path's raw steps in which a chosen text stands too, and in which that text already says
    the same.
    """
    resolve = compile_pointer(path, 16)
    others = [compile_pointer(one, 16) for one in chosen]
    filled = together = said = 0
    for event in events:
        text = "\n".join(to_text(value) for value in resolve(event)).strip()
        if not text:
            continue
        filled += 1
        main = "\n".join(to_text(value) for other in others for value in other(event)).strip()
        together += bool(main)
        said += bool(main) and (text in main or main in text)
    return (together / filled, said / filled) if filled else (0.0, 1.0)
