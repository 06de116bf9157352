"""What the paths of raw steps hold: how often they are filled, with what kind of value, and how much it varies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from monitors.adapter.pointers import is_present
from monitors.stepview import JsonValue

MAX_DEPTH = 10
MAX_ITEMS = 12
MAX_DISTINCT = 4096

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,79}")


@dataclass(slots=True)
class PathProfile:
    """One path of the raw steps of one kind. Counts are of raw steps, or of values where the path has a `*`."""

    path: str
    events: int = 0
    values: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    chars: int = 0
    wordy: int = 0
    identifiers: int = 0
    json_texts: int = 0
    distinct: set[int] = field(default_factory=set)
    examples: Counter[str] = field(default_factory=Counter)
    last: int = 0

    @property
    def texts(self) -> int:
        return self.kinds["str"]

    @property
    def mean_chars(self) -> float:
        return self.chars / self.texts if self.texts else 0.0

    @property
    def wordy_share(self) -> float:
        return self.wordy / self.values if self.values else 0.0

    @property
    def identifier_share(self) -> float:
        return self.identifiers / self.values if self.values else 0.0

    @property
    def distinct_share(self) -> float:
        return len(self.distinct) / self.values if self.values else 0.0


def decode_json_text(value: JsonValue) -> JsonValue:
    """Return the object or list that a string holds as JSON, or None."""
    if not isinstance(value, str) or len(value) < 2 or value[0] not in "{[" or value[-1] not in "}]":
        return None
    try:
        decoded: JsonValue = orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return decoded if isinstance(decoded, dict | list) else None


def iter_paths(node: JsonValue, path: str = "", depth: int = 0) -> Iterator[tuple[str, JsonValue]]:
    """Yield (pointer, value) for every node of a raw step that says something; items of a list share the
    segment `*`.
    """
    if depth and is_present(node):
        yield path, node
    if depth >= MAX_DEPTH:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            yield from iter_paths(value, f"{path}/{_escape(key)}", depth + 1)
    elif isinstance(node, list):
        for item in node[:MAX_ITEMS]:
            if isinstance(item, dict | list | str):
                yield from iter_paths(item, f"{path}/*", depth + 1)


def profile_events(events: Sequence[tuple[JsonValue, bool]]) -> dict[str, PathProfile]:
    """Return the profile of every path in raw steps; each comes with whether it is the last of its run."""
    profiles: dict[str, PathProfile] = {}
    for event, is_last in events:
        seen: set[str] = set()
        for path, value in iter_paths(event):
            profile = profiles.get(path)
            if profile is None:
                profile = profiles[path] = PathProfile(path)
            if path not in seen:
                seen.add(path)
                profile.events += 1
                profile.last += is_last
            _count(profile, value)
    return profiles


def _count(profile: PathProfile, value: JsonValue) -> None:
    profile.values += 1
    profile.kinds[type(value).__name__] += 1
    if isinstance(value, str):
        profile.chars += len(value)
        stripped = value.strip()
        profile.wordy += " " in stripped or "\n" in stripped
        profile.identifiers += _IDENTIFIER.fullmatch(stripped) is not None
        profile.json_texts += decode_json_text(stripped) is not None
        if len(profile.examples) < 200 or value[:120] in profile.examples:
            profile.examples[value[:120]] += 1
    elif not isinstance(value, dict | list):
        profile.examples[str(value)] += 1
    if len(profile.distinct) < MAX_DISTINCT:
        profile.distinct.add(hash(value) if not isinstance(value, dict | list) else hash(repr(value)))


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
