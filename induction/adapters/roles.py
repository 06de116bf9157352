"""Who acts: what each kind of raw step is to the agent, from calls, their echoes, their ids, and names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths, echoes
from induction.adapters.profiles import PathProfile, iter_paths
from induction.adapters.vocabulary import (
    AGENT_VALUES,
    OTHER_VALUES,
    THINKING_KEYS,
    TOOL_VALUES,
    last_key,
    matches,
    words_of,
)
from monitors.adapter.pointers import compile_pointer
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
VALUE_BREAK = " / "
_ASIDE = re.compile(r"\(|\[|->|→")


@dataclass(slots=True)
class Kind:
    """The raw steps of one kind: all of them (`value` None) or those that `when` holds for, called by their values.

    `value` names it: the values from the outermost on. `speaker` is the role of those who speak here, where their
    names tell.
    """

    value: str | None
    events: list[JsonValue]
    profiles: dict[str, PathProfile]
    calls: CallPaths | None
    when: dict[str, list[JsonValue]] = field(default_factory=dict)
    role: str = "observe"
    speaker: str = ""
    reason: str = ""
    texts: list[str] = field(default_factory=list)
    heard: tuple[str, ...] = ()
    echoes: tuple[str, ...] = ()
    told: str = ""


def assign_roles(kinds: list[Kind], runs: Runs) -> None:
    """Say of each kind whether the agent acts in it, something answers an action, or something else is seen."""
    if len(kinds) == 1 and kinds[0].value is None:
        kinds[0].role, kinds[0].reason = "mixed", "raw steps have no kinds: action and answer stand in one"
        return
    shared = _shared_words(kinds)
    owners = {id(event): number for number, kind in enumerate(kinds) for event in kind.events}
    echoed, renamed = _echo_shares(kinds, runs, owners)
    renamed = [max(one, other) for one, other in zip(renamed, _named_shares(kinds, runs, owners), strict=True)]
    linked = _link_shares(kinds, runs, owners)
    for number, kind in enumerate(kinds):
        kind.told = _without_words(telling_value(kind.value or ""), shared)
        kind.role, kind.reason = _role_of(kind, echoed[number], linked[number], renamed[number])
    if any(kind.role == "act" and kind.calls is not None for kind in kinds):
        for number, share in _wrapping_shares(kinds, runs, owners).items():
            if share >= 0.8:
                kinds[number].role, kinds[number].reason = "observe", "holds what others did, and ends after them"
    else:
        _guess_agent(kinds, runs, owners)


def _role_of(kind: Kind, echoed: float, linked: float, renamed: float) -> tuple[str, str]:
    """Return the role of a kind and why: calls, their echoes and ids first, names then."""
    if kind.speaker:
        return kind.speaker, "a name beside the message says who speaks"
    if kind.calls is not None and (echoed >= 0.7 or linked >= 0.7):
        return "answer", "names calls made before"
    if renamed >= 0.9 and not matches(kind.told, AGENT_VALUES):
        return "answer", "names the calls made right before"
    if kind.calls is not None and not matches(kind.told, OTHER_VALUES):
        return "act", f"calls tools at {kind.calls.name}"
    if linked >= 0.7:
        return "answer", "carries the id of a call made before"
    if matches(kind.told, THINKING_KEYS):
        return "think", "named like a thought"
    if matches(kind.told, TOOL_VALUES) and not matches(kind.told, AGENT_VALUES - {"action"}):
        return "answer", "named like an answer"
    if matches(kind.told, AGENT_VALUES):
        return "act", "named like an agent"
    return "observe", "neither calls, answers nor is named like an agent"


def telling_value(value: str) -> str:
    """Return the innermost of a kind's values that says who speaks, else the innermost."""
    values = [speaker_of(one) for one in reversed(value.split(VALUE_BREAK))]
    known = AGENT_VALUES | TOOL_VALUES | OTHER_VALUES | THINKING_KEYS
    return next((one for one in values if matches(one, known)), values[0])


def _shared_words(kinds: Sequence[Kind]) -> frozenset[str]:
    """Words that all kinds are called by tell none from another: the agent in doctor agent and patient agent."""
    named = [words_of(telling_value(kind.value or "")) for kind in kinds]
    return frozenset.intersection(*named) if len(named) > 1 else frozenset()


def _without_words(value: str, words: frozenset[str]) -> str:
    kept = [part for part in re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]+", value) if part.lower() not in words]
    return "".join(kept).strip(" _-") if words else value


def speaker_of(value: str) -> str:
    """Return who speaks out of a value that may also say to whom, or how: what stands before a bracket or an arrow."""
    head = _ASIDE.split(value, maxsplit=1)[0].strip()
    return head or value


def _guess_agent(kinds: list[Kind], runs: Runs, owners: dict[int, int]) -> None:
    """Nobody calls tools: everybody acts who is no person and no tool, else whoever speaks most without opening
    runs.
    """
    openers = [owners.get(id(run[0])) for run in runs if run]

    def weight(kind: Kind) -> tuple[float, str]:
        opens = openers.count(kinds.index(kind)) / max(len(openers), 1)
        human = matches(kind.told, OTHER_VALUES)
        return (len(kind.events) * (0.2 if opens > 0.5 else 1.0) * (0.01 if human else 1.0), kind.value or "")

    for kind in kinds:
        if kind.role == "observe" and not matches(kind.told, OTHER_VALUES) and not kind.speaker:
            kind.role, kind.reason = "act", "speaks, and is no person or tool"
    if not any(kind.role == "act" for kind in kinds):
        best = max(kinds, key=weight)
        best.role, best.reason = "act", "speaks most and seldom opens a run"


def _echo_shares(kinds: list[Kind], runs: Runs, owners: dict[int, int]) -> tuple[list[float], list[float]]:
    """Return for each kind the share of its calls that another kind made earlier in the run; and of those that name
    just what another kind called last, whatever stands beside the names.
    """
    made, echoed, renamed = [0] * len(kinds), [0] * len(kinds), [0] * len(kinds)
    for run in runs:
        last: tuple[int, list[str]] = (-1, [])
        earlier: dict[int, list[tuple[str, JsonValue]]] = {}
        for event in run:
            number = owners.get(id(event))
            calls = paths.read(event) if number is not None and (paths := kinds[number].calls) is not None else []
            if number is None or not calls:
                continue
            others = [call for other, seen in earlier.items() if other != number for call in seen[-64:]]
            made[number] += 1
            echoed[number] += echoes(calls, others)
            earlier.setdefault(number, []).extend(calls)
            names = sorted(name for name, _ in calls)
            renamed[number] += last[0] != number and last[1] == names
            last = (number, names)
    shares = [[n / count if count else 0.0 for n, count in zip(one, made, strict=True)] for one in (echoed, renamed)]
    return shares[0], shares[1]


def _named_shares(kinds: list[Kind], runs: Runs, owners: dict[int, int]) -> list[float]:
    """Return for each kind the share of its raw steps with names that are just those of the calls of another kind
    right before, of the raw steps that have such names.
    """
    paths = [_name_paths(kind) for kind in kinds]
    seen: Counter[tuple[int, str]] = Counter()
    same: Counter[tuple[int, str]] = Counter()
    for run in runs if any(kind.calls is not None for kind in kinds) else ():
        last: tuple[int, list[str]] = (-1, [])
        for event in run:
            number = owners.get(id(event))
            if number is None:
                continue
            for path, resolve in paths[number].items():
                names = sorted(str(name) for name in resolve(event))
                seen[number, path] += bool(names)
                same[number, path] += bool(names) and last[0] != number and names == last[1]
            calls = kinds[number].calls
            if calls is not None:
                last = (number, sorted(name for name, _ in calls.read(event)))
    return [
        max((same[n, p] / seen[n, p] for p in paths[n] if seen[n, p] >= 0.5 * len(kind.events)), default=0.0)
        for n, kind in enumerate(kinds)
    ]


def _name_paths(kind: Kind) -> dict[str, Callable[[JsonValue], list[JsonValue]]]:
    return {
        path: compile_pointer(path, 64)
        for path, profile in kind.profiles.items()
        if profile.texts == profile.values and profile.identifier_share >= 0.9 and 1 < len(profile.distinct) <= 100
    }


def _link_shares(kinds: list[Kind], runs: Runs, owners: dict[int, int]) -> list[float]:
    """Return for each kind the share of its raw steps that hold an id which a call of another kind introduced earlier
    in the run.
    """
    linked = [0] * len(kinds)
    for run in runs:
        introduced: dict[str, int] = {}
        common = _common_ids(run)
        for event in run:
            number = owners.get(id(event))
            if number is None:
                continue
            ids = [one for one in _ids(event) if one not in common]
            linked[number] += any(introduced.get(one, number) != number for one in ids)
            calls = kinds[number].calls
            if calls is not None:
                for one in _ids_in_calls(event, calls):
                    introduced.setdefault(one, number)
    return [count / max(len(kind.events), 1) for count, kind in zip(linked, kinds, strict=True)]


def _wrapping_shares(kinds: list[Kind], runs: Runs, owners: dict[int, int]) -> dict[int, float]:
    """Return, for each kind that acts by its name alone, the share of its raw steps that earlier ones call parent."""
    wrapping: Counter[int] = Counter()
    bare = [number for number, kind in enumerate(kinds) if kind.role == "act" and kind.calls is None]
    for run in runs if bare else ():
        parents: set[str] = set()
        for event in run:
            number = owners.get(id(event), -1)
            wrapping[number] += number in bare and not parents.isdisjoint(_ids(event))
            parents |= {value for path, value in iter_paths(event) if isinstance(value, str) and _names_parent(path)}
    return {number: wrapping[number] / max(len(kinds[number].events), 1) for number in bare}


def _names_parent(path: str) -> bool:
    return "*" not in path and "parent" in last_key(path).lower()


def _ids(event: JsonValue) -> list[str]:
    return [
        value
        for path, value in iter_paths(event)
        if isinstance(value, str)
        and 6 <= len(value) <= 80
        and " " not in value
        and "id" in last_key(path).lower()
        and "parent" not in last_key(path).lower()
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
