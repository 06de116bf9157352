"""Messages made of typed parts: texts, thoughts, calls and answers side by side in one list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths, find_calls
from induction.adapters.kinds import explained
from induction.adapters.profiles import PathProfile, profile_events
from induction.adapters.roles import Kind, telling_value
from induction.adapters.texts import rank_texts
from induction.adapters.vocabulary import OTHER_VALUES, PART_VALUES, RESULT_KEYS, THINKING_KEYS, matches, words_of
from monitors.adapter.pointers import compile_pointer, is_present
from monitors.adapter.spec import Case, Fields, Selector
from monitors.stepview import JsonValue

When = dict[str, list[JsonValue]]
MAX_TYPES = 16
MAX_PARTS = 64
MIN_EXPLAINED = 0.5
MAX_UNKNOWN = 5
MIN_ID_CHARS = 5


@dataclass(slots=True)
class Parts:
    """The list of parts, the key of a part's type, and per role the types that have it with where their value stands.

    Selectors start at the raw step. `plain` says that some messages hold one text in place of the list.
    """

    path: str
    key: str
    plain: bool
    types: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[Selector]] = field(default_factory=dict)
    tool: list[Selector] = field(default_factory=list)
    args: list[Selector] = field(default_factory=list)

    def when(self, role: str) -> When:
        """Return the condition that a part of this role is there."""
        return {f"{self.path}/*{self.key}": [*self.types[role]]}


def find_parts(kind: Kind) -> Parts | None:
    """Return how the messages of a kind come apart, or None where they hold no typed parts."""
    for path, profile in sorted(kind.profiles.items(), key=lambda item: (item[0].count("/"), item[0])):
        common = profile.events >= 0.5 * len(kind.events)
        if (
            "*" in path
            or not common
            or profile.kinds["list"] < 3
            or profile.kinds["list"] + profile.texts < profile.values
        ):
            continue
        if any(path == given or path.startswith(given + "/") for given in kind.heard):
            continue
        items = [item for event in kind.events for item in compile_pointer(f"{path}/*", MAX_PARTS)(event)]
        objects = [item for item in items if isinstance(item, dict)]
        key = _type_key(objects) if len(objects) >= max(3, 0.8 * len(items)) else None
        parts = (
            _read_parts(Parts(path, key, profile.texts > 0), objects, heard=kind.role != "act")
            if key is not None
            else None
        )
        if parts is not None and parts.types.keys() - {"call"}:
            return parts
    return None


def part_cases(kind: Kind, parts: Parts, when: When, metadata: tuple[Selector, ...]) -> list[Case]:
    """Return the cases of a kind whose messages are made of parts.

    The agent acts in what it says and calls, not in a thought alone; a thought is its action's text where it says
    nothing else. Answers of tools that come in a person's message are answers.
    """
    plain = [Selector(path=parts.path, only="text")] if parts.plain else []
    said = (*plain, *parts.texts.get("text", ()))
    answers = tuple(parts.texts.get("answer", ()))
    thoughts = tuple(parts.texts.get("thought", ()))
    tool, args = tuple(parts.tool), tuple(parts.args)
    if kind.role == "think":
        return [Case(when=when, acts=False, fields=Fields(action=(*said, *thoughts), metadata=metadata))]
    if kind.role != "act":
        hears = (
            kind.role == "observe"
            or kind.speaker == "observe"
            or matches(telling_value(kind.value or ""), OTHER_VALUES)
        )
        rest = Fields(observation=said, metadata=metadata) if hears else Fields(result=said, metadata=metadata)
        answering = Fields(result=answers, observation=said, metadata=metadata)
        first = [Case(when={**when, **parts.when("answer")}, acts=False, fields=answering)] if answers else []
        return [*first, Case(when=when, acts=False, fields=rest)]
    speaking = Fields(action=said, tool=tool, args=args, result=answers, metadata=metadata)
    calling = speaking.model_copy(update={"action": thoughts})
    cases = []
    if "text" in parts.types:
        cases.append(Case(when={**when, **parts.when("text")}, acts=True, fields=speaking))
    if "call" in parts.types:
        cases.append(Case(when={**when, **parts.when("call")}, acts=True, fields=calling))
    if "thought" in parts.types:
        thinking = Fields(action=thoughts, metadata=metadata)
        cases.append(Case(when={**when, **parts.when("thought")}, acts=False, fields=thinking))
    return [*cases, Case(when=when, acts=bool(plain) or not cases, fields=Fields(action=said, metadata=metadata))]


def _type_key(objects: Sequence[dict[str, JsonValue]]) -> str | None:
    """The key that all parts have, with few short values that are common types of parts and tell their shapes."""
    profiles = profile_events([(item, False) for item in objects])
    for path, profile in sorted(profiles.items()):
        if path.count("/") == 1 and profile.texts >= 0.98 * len(objects) and len(profile.distinct) <= MAX_TYPES:
            known = sum(count for value, count in profile.examples.items() if matches(value, PART_VALUES))
            short = profile.mean_chars <= 30 and profile.wordy_share < 0.1
            named = known >= 0.5 * profile.texts
            if short and named and (len(profile.examples) == 1 or _tells_shapes(path, objects, MIN_EXPLAINED)):
                return path
            # Unknown types are types where each has keys of its own; few of those, for a name of a tool has many.
            if short and not named and 2 <= len(profile.distinct) <= MAX_UNKNOWN and _tells_shapes(path, objects, 0.9):
                return path
    return None


def _tells_shapes(key: str, objects: Sequence[dict[str, JsonValue]], least: float) -> bool:
    resolve = compile_pointer(key, 1)
    types = [str(next(iter(resolve(item)), "")) for item in objects]
    return (
        explained(types, [frozenset(name for name, value in item.items() if is_present(value)) for item in objects])
        >= least
    )


def _refers(profiles: dict[str, PathProfile], items: Sequence[dict[str, JsonValue]]) -> bool:
    """Return whether all parts of a type carry an id, each its own: that of the call which they answer."""
    return any(
        path.count("/") == 1
        and profile.values >= 0.95 * len(items)
        and profile.identifier_share >= 0.95
        and profile.distinct_share >= 0.9
        and profile.mean_chars >= MIN_ID_CHARS
        for path, profile in profiles.items()
    )


def _read_parts(parts: Parts, objects: Sequence[dict[str, JsonValue]], *, heard: bool) -> Parts:
    resolve = compile_pointer(parts.key, 1)
    by_type: dict[str, list[dict[str, JsonValue]]] = {}
    for item in objects:
        by_type.setdefault(str(next(iter(resolve(item)), "")), []).append(item)
    filled = Counter(path for items in by_type.values() for path in _profile(items))
    for name in sorted(by_type, key=lambda one: (-len(by_type[one]), one)):
        items = by_type[name]
        profiles = _profile(items)
        answers = matches(name, RESULT_KEYS) and "text" not in words_of(name)
        answers = answers or (heard and not matches(name, PART_VALUES) and _refers(profiles, items))
        calls = None if answers else find_calls(profiles, frozenset({parts.key}), items)
        role = _role(name, answers, calls)
        if calls is not None:
            parts.tool.append(
                Selector(path=f"{parts.path}/*{calls.name}", where=_where(parts, name, filled, calls.name))
            )
            parts.args += [
                selector.model_copy(update={"path": f"{parts.path}/*{selector.path}"}) for selector in calls.selectors()
            ]
        texts = [] if calls is not None else _texts(parts, name, profiles, items, filled)
        if calls is not None or texts:
            parts.types.setdefault(role, []).append(name)
            parts.texts.setdefault(role, []).extend(one for one in texts if one not in parts.texts.get(role, []))
    return parts


def _role(name: str, answers: bool, calls: CallPaths | None) -> str:
    if answers:
        return "answer"
    if calls is not None:
        return "call"
    return "thought" if matches(name, THINKING_KEYS) else "text"


def _texts(
    parts: Parts,
    name: str,
    profiles: dict[str, PathProfile],
    items: Sequence[dict[str, JsonValue]],
    filled: Counter[str],
) -> list[Selector]:
    """The text of one type of part: a string, or a list of texts within it, or both by turns."""
    ranked = [item for item in rank_texts(profiles, len(items)) if item.path != parts.key]
    flat = next((item.path for item in ranked if "*" not in item.path), None)
    owner = flat or next((item.path.split("/*")[0] for item in ranked), None) or _short_text(profiles, parts.key)
    if owner is None:
        return []
    inner = next((item.path for item in ranked if item.path.startswith(f"{owner}/*/")), None)
    profile = profiles[owner]
    chosen = [owner] if profile.texts else []
    chosen += [inner] if inner is not None else []
    chosen = chosen or [owner]
    mixed = profile.texts > 0 and inner is not None
    return [
        Selector(
            path=f"{parts.path}/*{path}",
            only="text" if mixed and path == owner else None,
            where=_where(parts, name, filled, path) if "*" not in path else None,
        )
        for path in chosen
    ]


def _short_text(profiles: dict[str, PathProfile], key: str) -> str | None:
    """Texts too short to be told from names: the one that varies most."""
    texts = [
        profile
        for path, profile in profiles.items()
        if path != key and "*" not in path and profile.texts >= 0.9 * profile.values and "id" not in path.lower()
    ]
    best = max(texts, key=lambda profile: (len(profile.distinct), profile.mean_chars, profile.path), default=None)
    return best.path if best is not None and len(best.distinct) > 2 else None


def _where(parts: Parts, name: str, filled: Counter[str], path: str) -> When | None:
    """A path that parts of another type have too is asked for its type."""
    return {parts.key: [name]} if filled[path] > 1 else None


def _profile(items: Sequence[dict[str, JsonValue]]) -> dict[str, PathProfile]:
    return profile_events([(item, False) for item in items])
