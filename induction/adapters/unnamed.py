"""Raw steps whose keys name nothing: what stands before a call says why, what stands after it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths
from induction.adapters.profiles import PathProfile, iter_paths
from induction.adapters.sides import is_shown_path
from induction.adapters.texts import TextPath, choose_texts, is_result_path
from induction.adapters.vocabulary import (
    ACTION_TEXT_KEYS,
    AGENT_VALUES,
    OTHER_VALUES,
    PLAN_KEYS,
    last_key,
    matches,
    words_of,
)
from monitors.adapter.pointers import compile_pointer
from monitors.adapter.spec import Case
from monitors.stepview import JsonValue

MIN_FILL = 0.02
MUCH_LONGER = 4.0


@dataclass(slots=True)
class Known:
    """The paths that earlier cases of the same raw steps read as the agent's text and as answers."""

    action: set[str] = field(default_factory=set)
    result: set[str] = field(default_factory=set)
    acting: bool = False

    def add(self, case: Case) -> None:
        """Remember what a case reads."""
        self.action |= {selector.path for selector in case.fields.action}
        self.result |= {selector.path for selector in case.fields.result if selector.template is None}
        self.acting = True


def names_nothing(ranked: Sequence[TextPath], profiles: dict[str, PathProfile]) -> bool:
    """Return whether no text is named like an agent's words or an answer."""
    spoken = ACTION_TEXT_KEYS | PLAN_KEYS
    named = any(is_result_path(item.path) or matches(last_key(item.path), spoken) for item in ranked)
    return not named and not any(is_result_path(path) for path in profiles)


def choose_action(
    ranked: Sequence[TextPath], calls: CallPaths | None, events: Sequence[JsonValue], known: Known
) -> list[str]:
    """Return the agent's text: before its call in the order of writing, or where an earlier case found it.

    Raw steps that call nothing act without such a case only if none does.
    """
    if calls is None:
        again = [item for item in ranked if item.path in known.action]
        # What a person says to the agent is none of its words, and what is named like an agent says is.
        own = [item for item in ranked if not words_of(last_key(item.path)) & OTHER_VALUES] or ranked
        own = [item for item in own if words_of(last_key(item.path)) & AGENT_VALUES] or own
        return choose_texts(again or ([] if known.acting else own), events)
    return _split_before(ranked, calls, events)[0]


def choose_seen(
    ranked: Sequence[TextPath], calls: CallPaths | None, events: Sequence[JsonValue], action: Sequence[str]
) -> list[str]:
    """Return what the agent was shown before a call: a text before what it says, and much longer than that."""
    said, seen = _split_before(ranked, calls, events) if calls is not None else ([], [])
    return seen if said == [*action] else []


def _split_before(
    ranked: Sequence[TextPath], calls: CallPaths, events: Sequence[JsonValue]
) -> tuple[list[str], list[str]]:
    """Return the agent's text before a call, and the text before that which it was shown, if there is one."""
    after = _after(calls.name, events)
    before = [item for item in ranked if after[item.path] <= 0]
    said = choose_texts(before, events)[:1]
    usual = {item.path for item in before if item.fill >= 0.9 and "*" not in item.path}
    if not said or said[0] not in usual or len(usual) < 2:
        return said, []
    order = list(dict.fromkeys(path for event in events[:50] for path, _ in iter_paths(event) if path in usual))
    chars = {path: _mean_chars(path, events) for path in (order[-1], said[0])}
    longer = said[0] != order[-1] and chars[said[0]] >= MUCH_LONGER * chars[order[-1]]
    return ([order[-1]], said) if longer else (said, [])


def _mean_chars(path: str, events: Sequence[JsonValue]) -> float:
    resolve = compile_pointer(path, 1)
    lengths = [len(text) for event in events[:200] for text in resolve(event) if isinstance(text, str)]
    return sum(lengths) / max(1, len(lengths))


def choose_results(
    ranked: Sequence[TextPath],
    profiles: dict[str, PathProfile],
    calls: CallPaths | None,
    events: Sequence[JsonValue],
    known: Known,
    action: Sequence[str] = (),
) -> list[str]:
    """Return what answers a call: the object beside its arguments and after them, else the texts after the call, or,
    where nobody calls, after the agent's text.
    """
    if calls is None:
        again = [item.path for item in ranked if item.path in known.result][:3]
        return again or (texts_after(ranked, action[0], events) if action and not known.acting else [])
    if calls.args is None:
        return [item.path for item in ranked if item.path in known.result][:3]
    after = _after(calls.args, events)
    parent = calls.args.rsplit("/", 1)[0]
    objects = [
        path
        for path, profile in profiles.items()
        if path.rsplit("/", 1)[0] == parent
        and path != calls.args
        and after[path] > 0
        and profile.kinds["dict"] >= 0.5 * profile.values
        and profile.values >= 0.3 * profiles[calls.args].values
    ]
    return objects[:1] or texts_after(ranked, calls.args, events)


def texts_after(ranked: Sequence[TextPath], pivot: str, events: Sequence[JsonValue]) -> list[str]:
    """Return the texts that are written after a path more often than before it."""
    after = _after(pivot, events)
    return [item.path for item in ranked if after[item.path] > 0 and item.fill >= MIN_FILL][:3]


def _after(pivot: str, events: Sequence[JsonValue]) -> Counter[str]:
    """Return for each path how much more often it is written after the pivot than before it."""
    balance: Counter[str] = Counter()
    for event in events[:400]:
        places: dict[str, int] = {}
        for place, (path, _) in enumerate(iter_paths(event)):
            places.setdefault(path, place)
        if pivot in places:
            balance.update({path: 1 if place > places[pivot] else -1 for path, place in places.items()})
    return balance


def unnamed_answers(
    ranked: Sequence[TextPath], calls: CallPaths | None, action: Sequence[str], events: Sequence[JsonValue]
) -> list[str]:
    """Return the texts after a call that are named neither like an agent's words nor like what it was shown."""
    if calls is None:
        return []
    own = {calls.name, calls.args, *action}
    free = [
        item
        for item in ranked
        if item.path not in own
        and not matches(last_key(item.path), ACTION_TEXT_KEYS - {"text", "content", "value", "message"} | PLAN_KEYS)
        and not is_shown_path(item.path)
    ]
    return [path for path in texts_after(free, calls.args or calls.name, events) if not _inside(path, own)]


def _inside(path: str, others: set[str | None]) -> bool:
    return any(one is not None and path.startswith(f"{one}/") for one in others)
