"""Raw steps whose keys name nothing: what stands before a call says why, what stands after it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths
from induction.adapters.profiles import PathProfile, iter_paths
from induction.adapters.texts import TextPath, choose_texts, is_result_path
from induction.adapters.vocabulary import ACTION_TEXT_KEYS, PLAN_KEYS, last_key, matches
from monitors.adapter.spec import Case
from monitors.stepview import JsonValue

MIN_FILL = 0.02


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
        return choose_texts(again or ([] if known.acting else ranked), events)
    after = _after(calls.name, events)
    return choose_texts([item for item in ranked if after[item.path] <= 0], events)[:1]


def choose_results(
    ranked: Sequence[TextPath],
    profiles: dict[str, PathProfile],
    calls: CallPaths | None,
    events: Sequence[JsonValue],
    known: Known,
) -> list[str]:
    """Return what answers a call: the object beside its arguments and after them, else the texts after the call."""
    if calls is None or calls.args is None:
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
    if objects:
        return objects[:1]
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
