"""From raw steps of structured runs to the adapter's cases: what each kind of raw step is, and which paths carry its
fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from induction.adapters.calls import CallPaths, echoes, find_calls
from induction.adapters.kinds import Discriminator, find_discriminator
from induction.adapters.nesting import decode_at, find_heard, find_json_texts, find_latest
from induction.adapters.profiles import PathProfile, iter_paths, profile_events
from induction.adapters.texts import choose_texts, is_result_path, rank_texts
from induction.adapters.vocabulary import (
    AGENT_VALUES,
    METADATA_KEYS,
    OTHER_VALUES,
    RESULT_KEYS,
    TOOL_VALUES,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_pointer, is_present, iter_items, join_pointer
from monitors.adapter.spec import Case, Fields, Selector
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
When = dict[str, list[JsonValue]]


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What was inferred about structured raw steps, with the reasons a person may want to see."""

    discriminator: Discriminator | None
    kinds: list[Kind]
    cases: tuple[Case, ...]
    decode: tuple[str, ...]
    notes: list[str]


def infer_cases(runs: Runs) -> Reading:
    """Return the cases that read the raw steps of these runs. Deterministic; sees nothing but the raw steps."""
    decode = find_json_texts(runs)
    if decode:
        runs = [[decode_at(event, decode) for event in run] for run in runs]
    events = [(event, index == len(run) - 1) for run in runs for index, event in enumerate(run)]
    profiles = profile_events(events)
    discriminator = find_discriminator(runs, profiles)
    kinds = _split_kinds(events, discriminator, find_heard(runs, profiles))
    _assign_roles(kinds, runs, discriminator)
    cases: list[Case] = []
    for kind in kinds:
        when: When = {discriminator.path: [kind.value]} if discriminator is not None and kind.value is not None else {}
        cases.extend(_kind_cases(kind, when))
    notes = [
        f"{kind.value or 'every raw step'}: {kind.role} ({kind.reason}), {len(kind.events)} raw steps" for kind in kinds
    ]
    return Reading(discriminator, kinds, tuple(cases), decode, notes)


def _split_kinds(
    events: Sequence[tuple[JsonValue, bool]], discriminator: Discriminator | None, heard: tuple[str, ...]
) -> list[Kind]:
    if discriminator is None:
        groups: dict[str | None, list[tuple[JsonValue, bool]]] = {None: list(events)}
    else:
        resolve = compile_pointer(discriminator.path, 1)
        groups = {value: [] for value in discriminator.values}
        for event, is_last in events:
            value = next(iter(resolve(event)), None)
            if isinstance(value, str) and value in groups:
                groups[value].append((event, is_last))
    reserved = frozenset({discriminator.path}) if discriminator is not None else frozenset[str]()
    kinds = []
    for value, group in groups.items():
        profiles = {
            path: profile
            for path, profile in profile_events(group).items()
            if not any(path == given or path.startswith(given + "/") for given in heard)
        }
        kind = Kind(value, [e for e, _ in group], [last for _, last in group], profiles, find_calls(profiles, reserved))
        kind.heard = heard
        kinds.append(kind)
    return kinds


def _assign_roles(kinds: list[Kind], runs: Runs, discriminator: Discriminator | None) -> None:
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
    if not any(kind.role == "act" for kind in kinds):
        _guess_agent(kinds, runs, discriminator)


def _guess_agent(kinds: list[Kind], runs: Runs, discriminator: Discriminator) -> None:
    """Nobody calls tools or has an agent's name: whoever speaks most without opening runs acts."""
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


def _kind_cases(kind: Kind, when: When) -> list[Case]:
    if kind.role == "mixed":
        return _mixed_cases(kind, when)
    calls = kind.calls if kind.role == "act" else None
    outside = _call_subtrees(calls, kind.events)
    ranked = rank_texts(kind.profiles, len(kind.events), outside)
    if kind.role == "act":
        kind.texts = choose_texts([item for item in ranked if not is_result_path(item.path)] or ranked, kind.events)
    else:
        ranked = sorted(ranked, key=lambda item: (not is_result_path(item.path) and kind.role == "answer", -item.score))
        kind.texts = choose_texts(ranked, kind.events)[:1] or _object_results(kind.profiles)
    texts = tuple(Selector(path=path) for path in kind.texts)
    metadata = tuple(selector for selector in _metadata(kind) if selector.path not in when)
    if kind.role == "act":
        tool = (Selector(path=calls.name),) if calls is not None else ()
        args = calls.selectors() if calls is not None else ()
        fields = Fields(action=texts, tool=tool, args=args, metadata=metadata)
        if not texts and not tool:
            return [Case(when=when, acts=False, fields=fields)]
        return [*_heard_cases(kind, when, fields), Case(when=when, acts=True, fields=fields)]
    if kind.role == "answer":
        return [Case(when=when, acts=False, fields=Fields(result=texts, metadata=metadata))]
    return [Case(when=when, acts=False, fields=Fields(observation=texts, metadata=metadata))]


def _heard_cases(kind: Kind, when: When, fields: Fields) -> list[Case]:
    """A raw step that repeats the conversation so far says in its last item what the agent has just been told.

    Answers of tools come in raw steps of their own, so only what people and other agents say is read there.
    """
    cases = []
    for given in kind.heard:
        latest = find_latest(given, kind.events)
        if latest is not None:
            seen = fields.model_copy(update={"observation": (Selector(path=latest.text),)})
            cases.append(Case(when={**when, latest.role: [*latest.values]}, acts=True, fields=seen))
    return cases[:1]


def _mixed_cases(kind: Kind, when: When) -> list[Case]:
    """Raw steps without kinds: those that call or carry an agent's text act; their answer may stand in the same raw
    step.
    """
    calls = kind.calls
    ranked = rank_texts(kind.profiles, len(kind.events), _call_subtrees(calls, kind.events))
    results = [item.path for item in ranked if is_result_path(item.path)][:2] or _object_results(kind.profiles)
    actions = choose_texts([item for item in ranked if not is_result_path(item.path)], kind.events)
    kind.texts = actions
    metadata = _metadata(kind)
    result = tuple(Selector(path=path) for path in results)
    action = tuple(Selector(path=path) for path in actions)
    cases = []
    if calls is not None:
        fields = Fields(
            action=action, tool=(Selector(path=calls.name),), args=calls.selectors(), result=result, metadata=metadata
        )
        cases.append(Case(when={**when, calls.name: []}, acts=True, fields=fields))
    if actions:
        fields = Fields(action=action, result=result, metadata=metadata)
        cases.append(Case(when={**when, actions[0]: []}, acts=True, fields=fields))
    seen = [path for path in (item.path for item in ranked) if path not in actions and path not in results]
    cases.extend(
        Case(when={**when, path: []}, acts=False, fields=Fields(observation=(Selector(path=path),), metadata=metadata))
        for path in seen[:2]
    )
    return cases or [Case(when=when, acts=True, fields=Fields(action=(Selector(path=""),)))]


def _call_subtrees(calls: CallPaths | None, events: Sequence[JsonValue]) -> list[str]:
    """Return the pointers that belong to calls: name, arguments, and the keys that stand rather in items with a call
    than in others (a list may hold texts and calls side by side).
    """
    if calls is None:
        return []
    own = [path for path in (calls.name, calls.args) if path is not None]
    if "*" not in calls.name:
        return own
    items, rest = iter_items(calls.name, 64)
    name_of = compile_pointer(rest, 1)
    balance: Counter[str] = Counter()
    for event in events:
        for item in items(event):
            if isinstance(item, dict):
                step = 1 if name_of(item) else -1
                balance.update({key: step for key, value in item.items() if is_present(value)})
    parent = calls.name[: len(calls.name) - len(rest)]
    return [*own, *(f"{parent}{join_pointer((key,))}" for key, count in sorted(balance.items()) if count > 0)]


def _object_results(profiles: dict[str, PathProfile]) -> list[str]:
    """Answers that are objects rather than text, by name only."""
    found = [
        path
        for path, profile in profiles.items()
        if matches(last_key(path), RESULT_KEYS)
        and profile.kinds["dict"] + profile.kinds["list"] >= 0.5 * profile.values
    ]
    return sorted(found, key=lambda path: (path.count("/"), path))[:1]


def _metadata(kind: Kind) -> tuple[Selector, ...]:
    """Ids and names: for people and for slicing, left out of the features."""
    found = [
        profile
        for path, profile in kind.profiles.items()
        if "*" not in path
        and path.count("/") <= 2
        and matches(last_key(path), METADATA_KEYS)
        and profile.texts == profile.values
        and profile.mean_chars <= 80
        and profile.wordy_share < 0.2
        and (kind.calls is None or path != kind.calls.name)
    ]
    best = sorted(found, key=lambda profile: (-profile.events, profile.path))[:4]
    return tuple(
        Selector(path=profile.path, name=last_key(profile.path)) for profile in sorted(best, key=lambda p: p.path)
    )
