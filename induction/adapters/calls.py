"""Tool calls inside raw steps: an object, or the raw step itself, that pairs a name out of a small set with
arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from induction.adapters.profiles import PathProfile, decode_json_text
from induction.adapters.vocabulary import (
    ACT_MARKERS,
    AGENT_VALUES,
    CALL_ARGS_KEYS,
    CALL_NAME_KEYS,
    DISCRIMINATOR_KEYS,
    OTHER_VALUES,
    PART_VALUES,
    last_key,
    matches,
    words_of,
)
from monitors.adapter.pointers import compile_pointer, split_pointer
from monitors.adapter.spec import Selector
from monitors.stepview import JsonValue, to_text

MAX_NAMES = 400
MIN_SCORE = 1.0
MIN_EXPLAINED = 0.5
SPEAKERS = AGENT_VALUES | OTHER_VALUES | (PART_VALUES - {"tool", "function", "call"})
MAX_SHOWN = 400
MIN_ENTRIES = 5
MAX_FLAT_CHARS = 60
MAX_BESIDE = 4
MANY_VALUES = 200


@dataclass(frozen=True, slots=True)
class CallPaths:
    """Where a raw step names a tool and its arguments; `decode` if the arguments are JSON in a string, `entry` if both
    stand in an object of one entry: {name: arguments}.
    """

    name: str
    args: str | None
    decode: bool
    score: float
    entry: bool = False

    def read(self, event: JsonValue) -> list[tuple[str, JsonValue]]:
        """Return the calls of a raw step as (name, arguments)."""
        if self.entry:
            return [one for value in compile_pointer(self.name, 64)(event) if (one := only_entry(value)) is not None]
        names = compile_pointer(self.name, 64)(event)
        args = compile_pointer(self.args, 64)(event) if self.args is not None else []
        padded = [*args, *[None] * (len(names) - len(args))]
        return [
            (to_text(name), _decoded(arg)) for name, arg in zip(names, padded, strict=False) if isinstance(name, str)
        ]

    def names(self) -> tuple[Selector, ...]:
        """Return the selectors of `tool`."""
        return (Selector(path=self.name, entry="key" if self.entry else None),)

    def selectors(self) -> tuple[Selector, ...]:
        """Return the selectors of `args`."""
        if self.args is None:
            return ()
        if self.entry:
            return (Selector(path=self.args, entry="value"),)
        return (Selector(path=self.args, decode="json" if self.decode else None),)


def find_calls(
    profiles: dict[str, PathProfile], reserved: frozenset[str] = frozenset(), events: Sequence[JsonValue] = ()
) -> CallPaths | None:
    """Return the best pair of paths for tool calls among the paths of one kind of raw step, or None.

    A name path holds identifiers out of a small, repeating set; an arguments path beside it (same object) holds
    objects, or strings that are JSON objects. Text arguments are believed only under a common name for both. Where no
    pair is named like calls, `events` may show one: the name tells which keys the object beside it has.
    """
    names = [path for path, profile in profiles.items() if path not in reserved and _names_tools(profile)]
    pairs = [pair for path in names if (pair := _pair(profiles[path], profiles, reserved)) is not None]
    pairs = pairs or [pair for path in names if (pair := _unnamed_pair(profiles[path], profiles, reserved, events))]
    pairs = pairs or [pair for path in profiles if (pair := _entry_pair(path, profiles, reserved, events)) is not None]
    pairs = pairs or [pair for path in names if (pair := _flat_pair(profiles[path], profiles, reserved, events))]
    return max(pairs, key=lambda pair: (pair.score, -len(pair.name)), default=None)


def only_entry(value: JsonValue) -> tuple[str, JsonValue] | None:
    """Return the one entry of an object that is not null, or None where it has another number."""
    filled = [(key, item) for key, item in value.items() if item is not None] if isinstance(value, dict) else []
    return filled[0] if len(filled) == 1 else None


def _entry_pair(
    path: str, profiles: dict[str, PathProfile], reserved: frozenset[str], events: Sequence[JsonValue]
) -> CallPaths | None:
    """Objects of one entry, in a list or under a name of actions, whose keys are few and repeat: {name: arguments}."""
    profile = profiles[path]
    if path in reserved or profile.kinds["dict"] < 0.9 * profile.values or profile.values < MIN_ENTRIES:
        return None
    named = matches(last_key(path), ACT_MARKERS | CALL_NAME_KEYS)
    if not (named or path.endswith("/*")):
        return None
    resolve = compile_pointer(path, 64)
    values = [value for event in events[:MAX_SHOWN] for value in resolve(event) if value]
    entries = [entry for value in values if (entry := only_entry(value)) is not None]
    keys = Counter(key for key, _ in entries)
    objects = sum(isinstance(item, dict) for _, item in entries)
    if (
        len(entries) < 0.95 * len(values)
        or not 2 <= len(keys) <= max(2, len(entries) // 4)
        or objects < 0.8 * len(entries)
    ):
        return None
    return CallPaths(path, path, decode=False, score=1.0 + named, entry=True)


def _flat_pair(
    profile: PathProfile, profiles: dict[str, PathProfile], reserved: frozenset[str], events: Sequence[JsonValue]
) -> CallPaths | None:
    """A name in one object with its arguments, which it tells the keys of: {kind: click, target: 3}. The arguments are
    that object. What agents say beside a name is longer than arguments are.
    """
    parent = profile.path.rpartition("/")[0]
    named = matches(last_key(parent), ACT_MARKERS | CALL_NAME_KEYS)
    if not parent or parent in reserved or len(profile.distinct) < 2 or ("*" in parent and not named):
        return None
    if any(value.lower() in SPEAKERS for value in profile.examples):
        return None
    beside = [one for path, one in profiles.items() if path.rpartition("/")[0] == parent and one is not profile]
    wordy = any(one.mean_chars > MAX_FLAT_CHARS and one.values >= 0.2 * profile.values for one in beside)
    told = 0.0 if (wordy and not named) or not beside else keys_explained(profile.path, parent, events[:MAX_SHOWN])
    return CallPaths(profile.path, parent, decode=False, score=told) if told >= MIN_EXPLAINED else None


def _unnamed_pair(
    profile: PathProfile, profiles: dict[str, PathProfile], reserved: frozenset[str], events: Sequence[JsonValue]
) -> CallPaths | None:
    """The first object beside a name, in the order of writing, whose keys depend on that name.

    What stands in a list is believed before what stands alone: calls come in lists, the state they start from does not.
    """
    parent = profile.path.rsplit("/", 1)[0]
    if not events:
        return None
    found: list[CallPaths] = []
    for path, args in profiles.items():
        objects = args.kinds["dict"] + args.json_texts
        head = path.rpartition("/")[0]
        beside = head == parent or (head.removesuffix("/*") != head and _is_inside(head, parent))
        if path in reserved or not beside or objects < 0.6 * args.values or args.values < 0.5 * profile.values:
            continue
        told = keys_explained(profile.path, path, events[:MAX_SHOWN])
        # JSON in a string, beside hardly anything but a name, is what models write as arguments.
        written = args.json_texts >= 0.95 * args.values and head == parent and len(profile.distinct) > 1
        told = max(told, MIN_EXPLAINED) if written and _count_inside(profiles, parent) <= MAX_BESIDE else told
        if told >= MIN_EXPLAINED:
            found.append(CallPaths(profile.path, path, args.json_texts >= 0.5 * args.values, told + ("*" in path)))
    best = next((pair for pair in found if "*" in (pair.args or "")), found[0] if found else None)
    return best or _pair_alone(profile, profiles, reserved, len(events))


def _count_inside(profiles: dict[str, PathProfile], parent: str) -> int:
    return sum(path.rpartition("/")[0] == parent for path in profiles)


def _pair_alone(
    profile: PathProfile, profiles: dict[str, PathProfile], reserved: frozenset[str], events: int
) -> CallPaths | None:
    """An object of two keys, a name out of few and something that varies, in most raw steps: a call and its text."""
    parent = profile.path.rsplit("/", 1)[0]
    beside = [path for path in profiles if path.rsplit("/", 1)[0] == parent and path != profile.path]
    says_who = any(matches(value, SPEAKERS) for value in profile.examples)
    if "*" in parent or says_who or matches(last_key(profile.path), DISCRIMINATOR_KEYS):
        return None
    if not parent or len(beside) != 1 or beside[0] in reserved or profile.events < 0.5 * events:
        return None
    args = profiles[beside[0]]
    if len(profile.distinct) < 2 or args.texts + args.kinds["dict"] + args.kinds["list"] < 0.5 * args.values:
        return None
    # Of many runs the values repeat: beyond some of them the share says how many runs there are.
    distinct = len(args.distinct)
    varied = distinct >= 0.5 * min(args.values, MANY_VALUES) and distinct > 4 * len(profile.distinct)
    objects = args.kinds["dict"] + args.json_texts
    share = 0.1 * profile.events / max(1, events)
    return (
        CallPaths(profile.path, beside[0], objects >= 0.5 * args.values and not args.kinds["dict"], share)
        if varied
        else None
    )


def _is_inside(head: str, parent: str) -> bool:
    """A list of what was done under a name stands beside that name."""
    return head.removesuffix("/*").rsplit("/", 1)[0] == parent


def keys_explained(name: str, args: str, events: Sequence[JsonValue]) -> float:
    """Return how far a name tells which keys the object beside it has, or those tell the name: I(keys; name) over the
    smaller of H(keys) and H(name), from 0 to 1.

    Objects whose keys are always the same tell nothing: 0.
    """
    names, objects = compile_pointer(name, 64), compile_pointer(args, 64)
    seen = [
        (str(one), frozenset(value))
        for event in events
        for one, arg in zip(names(event), objects(event), strict=False)
        if isinstance(value := _decoded(arg), dict)
    ]
    total = len(seen)
    by_name, by_keys, both = (Counter(one for one, _ in seen), Counter(keys for _, keys in seen), Counter(seen))
    entropy = min(-sum(n / total * math.log(n / total) for n in side.values()) for side in (by_keys, by_name))
    if entropy <= 0.1:
        return 0.0
    shared = sum(n / total * math.log(n * total / (by_name[one] * by_keys[keys])) for (one, keys), n in both.items())
    return shared / entropy


def _names_tools(profile: PathProfile) -> bool:
    few = len(profile.distinct) <= 0.1 * profile.values
    titled = (
        _name_prior(profile.path) >= 1.0
        and profile.mean_chars <= 30
        and len(profile.distinct) <= max(3, 0.4 * profile.values)
    )
    return (
        profile.texts >= 0.98 * profile.values
        and (profile.identifier_share >= 0.9 or few or titled)
        and 1 <= len(profile.distinct) <= min(MAX_NAMES, max(3, profile.values // 2))
        and profile.mean_chars <= 60
        and "id" not in words_of(last_key(profile.path))
    )


def _pair(profile: PathProfile, profiles: dict[str, PathProfile], reserved: frozenset[str]) -> CallPaths | None:
    parent = profile.path.rsplit("/", 1)[0]
    name_prior = _name_prior(profile.path)
    pairs = []
    for path, args in profiles.items():
        if path == profile.path or path in reserved or not _stands_beside(path, parent):
            continue
        prior = 1.0 if matches(last_key(path), CALL_ARGS_KEYS) else 0.0
        objects = (args.kinds["dict"] + args.json_texts) / max(args.values, 1)
        if args.path.count("*") > profile.path.count("*"):
            prior = 0.5
        if args.values < 0.5 * profile.values or (objects < 0.6 and prior == 0.0):
            continue
        variety = min(1.0, len(profile.distinct) / 2)
        depth = 0.05 * len(split_pointer(path))
        score = name_prior + prior + (0.8 if prior else 0.45) * objects * variety - depth
        pairs.append(CallPaths(profile.path, path, args.json_texts >= 0.5 * args.values, score))
    best = max(pairs, key=lambda pair: (pair.score, pair.args or ""), default=None)
    return best if best is not None and best.score >= MIN_SCORE else None


def _stands_beside(path: str, parent: str) -> bool:
    """In the same object as the name, or in a list of what was done under that name."""
    head, _, key = path.rpartition("/")
    if head == parent:
        return True
    lists = head.removesuffix("/*")
    return head != lists and lists.rsplit("/", 1)[0] == parent and matches(key, CALL_ARGS_KEYS | {"action"})


def _name_prior(path: str) -> float:
    key = last_key(path)
    if not matches(key, CALL_NAME_KEYS):
        return 0.0
    strong = {"tool", "function"} & words_of(key) or {"tool", "function", "calls", "call"} & _words_above(path)
    return 1.0 if strong else 0.5


def _words_above(path: str) -> set[str]:
    return {word for segment in split_pointer(path)[:-1] for word in words_of(segment)}


def echoes(calls: Sequence[tuple[str, JsonValue]], earlier: Sequence[tuple[str, JsonValue]]) -> bool:
    """Return whether every call was already made by an earlier raw step: then the raw step answers, it does not
    call.
    """
    return bool(calls) and all(
        any(name == other and _same(args, arg) for other, arg in earlier) for name, args in calls
    )


def _same(left: JsonValue, right: JsonValue) -> bool:
    """A call's arguments may come back wrapped: {args: [], kwargs: {...}}."""
    return left is None or left == right or (isinstance(left, dict) and bool(right) and right in left.values())


def _decoded(value: JsonValue) -> JsonValue:
    decoded = decode_json_text(value)
    return value if decoded is None else decoded
