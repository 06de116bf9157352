"""From raw steps of structured runs to the adapter's cases: which paths of each kind carry the StepView's fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from induction.adapters.mixed import mixed_cases
from induction.adapters.nesting import (
    decode_at,
    find_echoes,
    find_folded,
    find_heard,
    find_json_texts,
    find_latest,
    unfold_at,
)
from induction.adapters.parts import find_parts, part_cases
from induction.adapters.profiles import profile_events
from induction.adapters.roles import Kind, assign_roles
from induction.adapters.selecting import call_subtrees, metadata_of, object_results, own_words
from induction.adapters.sides import is_shown_path
from induction.adapters.splitting import split_kinds
from induction.adapters.strings import infer_strings
from induction.adapters.texts import choose_texts, is_result_path, rank_texts
from induction.adapters.vocabulary import OTHER_VALUES, RESULT_KEYS, THINKING_KEYS, matches
from induction.adapters.written import find_written_calls, tag_at
from monitors.adapter.pointers import compile_pointer, join_pointer, split_pointer
from monitors.adapter.spec import Blocks, Case, Fields, Selector
from monitors.stepview import JsonValue

Runs = Sequence[Sequence[JsonValue]]
When = dict[str, list[JsonValue]]
MIN_OWN_ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """What was inferred about structured raw steps, with the reasons a person may want to see."""

    kinds: list[Kind]
    cases: tuple[Case, ...]
    decode: tuple[str, ...]
    blocks: Blocks | None
    notes: list[str]
    unfold: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def kinds_are_told(self) -> bool:
        """Whether a key of the raw steps tells their kinds apart."""
        return any(kind.value is not None for kind in self.kinds)


def infer_cases(runs: Runs) -> Reading:
    """Return the cases that read the raw steps of these runs. Deterministic; sees nothing but the raw steps.

    Where no raw step holds calls as data, those are looked for that agents write out in their texts.
    """
    reading = _infer(runs)
    if _calls(reading, runs):
        return reading
    tags = find_written_calls(runs)
    if not tags:
        return reading
    written = _infer([[tag_at(event, tags) for event in run] for run in runs])
    notes = [f"calls are written in {path} between {', '.join(names)}" for path, names in tags.items()]
    return replace(written, tags=tags, notes=[*written.notes, *notes]) if _calls(written, runs, tags) else reading


def _calls(reading: Reading, runs: Runs, tags: dict[str, tuple[str, ...]] | None = None) -> bool:
    """Return whether a case reads a tool that is there in some raw step."""
    paths = {selector.path for case in reading.cases for selector in case.fields.tool if selector.template is None}
    if any(selector.template is not None for case in reading.cases for selector in case.fields.tool):
        return True
    resolves = [compile_pointer(path, 1) for path in sorted(paths)]
    return any(resolve(tag_at(event, tags or {})) for run in runs for event in run for resolve in resolves)


def _infer(runs: Runs) -> Reading:
    strings = infer_strings(runs)
    if strings is not None:
        runs = [[event for event in run if not isinstance(event, str)] for run in runs]
        if not any(runs):
            return Reading([], strings.cases, strings.decode, strings.blocks, [*strings.notes])
    decode = find_json_texts(runs)
    if decode:
        runs = [[decode_at(event, decode) for event in run] for run in runs]
    unfold = find_folded(runs)
    if unfold:
        runs = [[unfold_at(event, unfold) for event in run] for run in runs]
    events = [(event, index == len(run) - 1) for run in runs for index, event in enumerate(run)]
    profiles = profile_events(events)
    split = split_kinds(runs, profiles, find_heard(runs, profiles))
    kinds = split.kinds
    echoes = find_echoes(runs)
    for kind in kinds:
        kind.echoes = echoes
    assign_roles(kinds, runs)
    cases = [case for kind in kinds for case in _kind_cases(kind, kind.when)]
    notes = [f"kind of raw step: {found.path} ({', '.join(found.values)})" for found in split.discriminators]
    notes += [
        f"{kind.value or 'every raw step'}: {kind.role} ({kind.reason}), {len(kind.events)} raw steps" for kind in kinds
    ]
    if strings is None:
        return Reading(kinds, tuple(cases), decode, None, notes, unfold)
    read = (*strings.cases, *cases)
    return Reading(kinds, read, (*strings.decode, *decode), strings.blocks, [*notes, *strings.notes], unfold)


def _kind_cases(kind: Kind, when: When) -> list[Case]:
    if kind.role == "mixed":
        return mixed_cases(kind, when)
    parts = find_parts(kind)
    if parts is not None:
        return part_cases(kind, parts, when, tuple(one for one in metadata_of(kind) if one.path not in when))
    calls = kind.calls if kind.role == "act" else None
    outside = call_subtrees(calls, kind.events)
    ranked = rank_texts(kind.profiles, len(kind.events), outside)
    if kind.role == "act":
        said = [item for item in ranked if not is_result_path(item.path)] or ranked
        said = [item for item in said if not is_shown_path(item.path)] or said
        kind.texts = choose_texts(said, kind.events)
    else:
        ranked = sorted(ranked, key=lambda item: (not is_result_path(item.path) and kind.role == "answer", -item.score))
        kind.texts = choose_texts(ranked, kind.events)[:1] or object_results(kind.profiles)
    texts = tuple(Selector(path=path) for path in kind.texts)
    metadata = tuple(selector for selector in metadata_of(kind) if selector.path not in when)
    if kind.role == "act":
        tool = calls.names() if calls is not None else ()
        args = calls.selectors() if calls is not None else ()
        fields = Fields(action=texts, tool=tool, args=args, metadata=metadata)
        if not texts and not tool:
            return [Case(when=when, acts=False, fields=fields)]
        answers = _own_answers(kind, when, metadata)
        spoken = _thoughtful_cases(kind, when, fields)
        return [*answers, *_heard_cases(kind, when, fields), *spoken, Case(when=when, acts=True, fields=fields)]
    if kind.role == "think":
        return [Case(when=when, acts=False, fields=Fields(action=texts, metadata=metadata))]
    if kind.role == "answer":
        told = _told_between(kind, when, metadata) if matches(kind.told, OTHER_VALUES) else []
        return [*told, Case(when=when, acts=False, fields=Fields(result=texts, metadata=metadata))]
    return [Case(when=when, acts=False, fields=Fields(observation=texts, metadata=metadata))]


def _told_between(kind: Kind, when: When, metadata: tuple[Selector, ...]) -> list[Case]:
    """Where answers come as a person's messages, some of those are the person's own: they have no answer's text."""
    answers = [compile_pointer(path, 1) for path in kind.texts]
    rest = [event for event in kind.events if not any(resolve(event) for resolve in answers)]
    ranked = rank_texts(profile_events([(event, False) for event in rest]), len(rest))
    texts = choose_texts(ranked, rest)[:1]
    if not texts or any(compile_pointer(texts[0], 1)(event) and event not in rest for event in kind.events):
        return []
    told = Fields(observation=(Selector(path=texts[0]),), metadata=metadata)
    return [Case(when={**when, texts[0]: []}, acts=False, fields=told)]


def _own_answers(kind: Kind, when: When, metadata: tuple[Selector, ...]) -> list[Case]:
    """Under one speaker there may be actions and what came of them: raw steps without a call, told by a key named like
    an answer that no raw step with a call has.
    """
    if kind.calls is None or "*" in kind.calls.name:
        return []
    name_of = compile_pointer(kind.calls.name, 1)
    rest = [event for event in kind.events if not name_of(event)]
    called = {key for event in kind.events if name_of(event) and isinstance(event, dict) for key in event}
    keys = Counter(key for event in rest if isinstance(event, dict) for key in event if key not in called)
    told = [key for key, count in sorted(keys.items()) if key.lower() in RESULT_KEYS and count >= 0.9 * len(rest)]
    if len(rest) < MIN_OWN_ANSWERS or not told:
        return []
    ranked = rank_texts(profile_events([(event, False) for event in rest]), len(rest))
    # What only answers have says more than the notice that every raw step has.
    ranked = [item for item in ranked if split_pointer(item.path)[0] not in called] or ranked
    texts = tuple(Selector(path=path) for path in choose_texts(ranked, rest)[:1])
    asked = {**when, join_pointer((told[0],)): []}
    return [Case(when=asked, acts=False, fields=Fields(result=texts, metadata=metadata))] if texts else []


def _thoughtful_cases(kind: Kind, when: When, fields: Fields) -> list[Case]:
    """Where calls carry the agent's thought in their arguments that is its text; a call of a system's name is none."""
    if kind.calls is None or "*" in kind.calls.name:
        return []
    cases = []
    names = kind.profiles[kind.calls.name].examples
    if "system" in names:
        seen = Fields(observation=fields.action, metadata=fields.metadata)
        cases.append(Case(when={**when, kind.calls.name: ["system"]}, acts=False, fields=seen))
    words = own_words(kind.calls, kind.profiles, kind.events)
    words = [path for path in words if matches(path.rsplit("/", 1)[-1], THINKING_KEYS)][:1]
    for path in words:
        thinking = fields.model_copy(update={"action": (Selector(path=path),)})
        cases.append(Case(when={**when, path: []}, acts=True, fields=thinking))
    return cases


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
