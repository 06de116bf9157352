"""From raw steps of structured runs to the adapter's cases: which paths of each kind carry the StepView's fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from induction.adapters.calls import find_calls
from induction.adapters.kinds import Discriminator, find_discriminator
from induction.adapters.mixed import mixed_cases
from induction.adapters.nesting import decode_at, find_heard, find_json_texts, find_latest
from induction.adapters.profiles import profile_events
from induction.adapters.roles import Kind, assign_roles
from induction.adapters.selecting import call_subtrees, metadata_of, object_results, without_heard
from induction.adapters.texts import choose_texts, is_result_path, rank_texts
from monitors.adapter.pointers import compile_pointer
from monitors.adapter.spec import Case, Fields, Selector
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
When = dict[str, list[JsonValue]]


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
    assign_roles(kinds, runs, discriminator)
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
        profiles = without_heard(profile_events(group), heard)
        kind = Kind(value, [e for e, _ in group], [last for _, last in group], profiles, find_calls(profiles, reserved))
        kind.heard = heard
        kinds.append(kind)
    return kinds


def _kind_cases(kind: Kind, when: When) -> list[Case]:
    if kind.role == "mixed":
        return mixed_cases(kind, when)
    calls = kind.calls if kind.role == "act" else None
    outside = call_subtrees(calls, kind.events)
    ranked = rank_texts(kind.profiles, len(kind.events), outside)
    if kind.role == "act":
        kind.texts = choose_texts([item for item in ranked if not is_result_path(item.path)] or ranked, kind.events)
    else:
        ranked = sorted(ranked, key=lambda item: (not is_result_path(item.path) and kind.role == "answer", -item.score))
        kind.texts = choose_texts(ranked, kind.events)[:1] or object_results(kind.profiles)
    texts = tuple(Selector(path=path) for path in kind.texts)
    metadata = tuple(selector for selector in metadata_of(kind) if selector.path not in when)
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
