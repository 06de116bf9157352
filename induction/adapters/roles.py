"""Who acts: what each kind of raw step is to the agent, from calls, their echoes, their ids, and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths, echoes
from induction.adapters.kinds import Discriminator
from induction.adapters.profiles import PathProfile, iter_paths
from induction.adapters.vocabulary import (
    AGENT_VALUES,
    OTHER_VALUES,
    TOOL_VALUES,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_pointer
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]


@dataclass(slots=True)
class Kind:
    """The raw steps of one kind: all of them (`value` None) or those with one value of the discriminator."""

    value: str | None
    events: list[JsonValue]
    last: list[bool]
    profiles: dict[str, PathProfile]
    calls: CallPaths | None
    role: str = "observe"
    reason: str = ""
    texts: list[str] = field(default_factory=list)
    heard: tuple[str, ...] = ()


def assign_roles(kinds: list[Kind], runs: Runs, discriminator: Discriminator | None) -> None:
    """Say of each kind whether the agent acts in it, something answers an action, or something else is seen."""
    if discriminator is None:
        kinds[0].role, kinds[0].reason = "mixed", "raw steps have no kinds: action and answer stand in one"
        return
    echoed = _echo_shares(kinds, runs, discriminator)
    linked = _link_shares(kinds, runs, discriminator)
    for kind in kinds:
        value = kind.value or ""
        if kind.calls is not None and (echoed[value] >= 0.7 or linked[value] >= 0.7):
            kind.role, kind.reason = "answer", "names calls made before"
        elif kind.calls is not None and not matches(value, OTHER_VALUES):
            kind.role, kind.reason = "act", f"calls tools at {kind.calls.name}"
        elif linked[value] >= 0.7:
            kind.role, kind.reason = "answer", "carries the id of a call made before"
        elif matches(value, TOOL_VALUES) and not matches(value, AGENT_VALUES - {"action"}):
            kind.role, kind.reason = "answer", "named like an answer"
        elif matches(value, AGENT_VALUES):
            kind.role, kind.reason = "act", "named like an agent"
        else:
            kind.role, kind.reason = "observe", "neither calls, answers nor is named like an agent"
    if all(kind.calls is None or kind.role != "act" for kind in kinds):
        _guess_agent(kinds, runs, discriminator)


def _guess_agent(kinds: list[Kind], runs: Runs, discriminator: Discriminator) -> None:
    """Nobody calls tools: everybody acts who is no person and no tool, else whoever speaks most without opening
    runs.
    """
    resolve = compile_pointer(discriminator.path, 1)
    openers = [next(iter(resolve(run[0])), None) for run in runs if run]

    def weight(kind: Kind) -> tuple[float, str]:
        opens = openers.count(kind.value) / max(len(openers), 1)
        human = matches(kind.value or "", OTHER_VALUES)
        return (len(kind.events) * (0.2 if opens > 0.5 else 1.0) * (0.01 if human else 1.0), kind.value or "")

    for kind in kinds:
        if kind.role == "observe" and not matches(kind.value or "", OTHER_VALUES):
            kind.role, kind.reason = "act", "speaks, and is no person or tool"
    if not any(kind.role == "act" for kind in kinds):
        best = max(kinds, key=weight)
        best.role, best.reason = "act", "speaks most and seldom opens a run"


def _echo_shares(kinds: list[Kind], runs: Runs, discriminator: Discriminator) -> dict[str, float]:
    """Return for each kind the share of its calls that another kind made earlier in the run."""
    by_value = {kind.value: kind for kind in kinds}
    resolve = compile_pointer(discriminator.path, 1)
    made = dict.fromkeys((kind.value or "" for kind in kinds), 0)
    echoed = dict(made)
    for run in runs:
        earlier: dict[str, list[tuple[str, JsonValue]]] = {}
        for event in run:
            kind = by_value.get(str(next(iter(resolve(event)), None)))
            calls = kind.calls.read(event) if kind is not None and kind.calls is not None else []
            if kind is None or not calls:
                continue
            value = kind.value or ""
            others = [call for other, seen in earlier.items() if other != value for call in seen[-64:]]
            made[value] += 1
            echoed[value] += echoes(calls, others)
            earlier.setdefault(value, []).extend(calls)
    return {value: echoed[value] / made[value] if made[value] else 0.0 for value in made}


def _link_shares(kinds: list[Kind], runs: Runs, discriminator: Discriminator) -> dict[str, float]:
    """Return for each kind the share of its raw steps that hold an id which a call of another kind introduced earlier
    in the run.
    """
    by_value = {kind.value: kind for kind in kinds}
    resolve = compile_pointer(discriminator.path, 1)
    linked = dict.fromkeys((kind.value or "" for kind in kinds), 0)
    for run in runs:
        introduced: dict[str, str] = {}
        common = _common_ids(run)
        for event in run:
            kind = by_value.get(str(next(iter(resolve(event)), None)))
            if kind is None:
                continue
            value = kind.value or ""
            ids = [one for one in _ids(event) if one not in common]
            linked[value] += any(introduced.get(one, value) != value for one in ids)
            if kind.calls is not None:
                for one in _ids_in_calls(event, kind.calls):
                    introduced.setdefault(one, value)
    return {kind.value or "": linked[kind.value or ""] / max(len(kind.events), 1) for kind in kinds}


def _ids(event: JsonValue) -> list[str]:
    return [
        value
        for path, value in iter_paths(event)
        if isinstance(value, str) and 6 <= len(value) <= 80 and " " not in value and "id" in last_key(path).lower()
    ]


def _common_ids(run: Sequence[JsonValue]) -> set[str]:
    """Ids that stand in more than half of the raw steps are the run's, not a call's."""
    counts = Counter(one for event in run for one in set(_ids(event)))
    return {one for one, count in counts.items() if count > 2 and count > 0.5 * len(run)}


def _ids_in_calls(event: JsonValue, calls: CallPaths) -> list[str]:
    """Ids stand in the object of the call, or in the one around it."""
    parent = calls.name.rsplit("/", 1)[0]
    parent = parent if parent.endswith("/*") or "/*" not in parent else parent.rsplit("/", 1)[0]
    if "*" not in parent:
        return _ids(event)
    return [one for item in compile_pointer(parent, 64)(event) for one in _ids(item)]
