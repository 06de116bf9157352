"""Raw steps without kinds: an action and what answers it in one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from induction.adapters.answers import choose_answers, named_answers, select_answers
from induction.adapters.calls import CallPaths, find_calls
from induction.adapters.fallback import common_calls
from induction.adapters.profiles import PathProfile, profile_events
from induction.adapters.roles import Kind
from induction.adapters.selecting import call_subtrees, metadata_of, own_words, without_heard
from induction.adapters.sides import answers_action, choose_shown, in_own, is_shown_path, own_paths, texts_beside
from induction.adapters.templates import find_template
from induction.adapters.texts import TextPath, choose_texts, is_result_path, rank_texts
from induction.adapters.unnamed import (
    MIN_FILL,
    Known,
    choose_action,
    choose_results,
    choose_seen,
    names_nothing,
    unnamed_answers,
)
from induction.adapters.vocabulary import (
    ACTION_TEXT_KEYS,
    PLAN_KEYS,
    THINKING_KEYS,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_conditions, compile_pointer
from monitors.adapter.spec import Case, Fields, Selector
from monitors.stepview import JsonValue

When = dict[str, list[JsonValue]]
MAX_SHAPES = 5
MIN_SPOKEN = 0.3
Part = Literal["name", "args", "result"]


def mixed_cases(kind: Kind, when: When) -> list[Case]:
    """Raw steps without kinds: those that call or carry an agent's text act; their answer may stand in the same one.

    One that has a call's name and no call (a phase in which nothing was done) does not act.
    """
    cases: list[Case] = []
    idle: list[JsonValue] = []
    rest = kind.events
    known = Known()
    named = named_answers(without_heard(kind.profiles, kind.echoes), len(rest))
    for _ in range(MAX_SHAPES):
        profiles = _profile(rest, (*kind.heard, *kind.echoes))
        calls = find_calls(profiles, frozenset(known.result), rest)
        found = _acting_case(rest, calls, (*kind.heard, *kind.echoes), when, known, named) if rest else None
        if found is None:
            break
        cases.append(found)
        known.add(found)
        rest = _unmatched(rest, found)
        if calls is not None:
            called = Case(when={calls.name: []}, acts=False, fields=Fields())
            others = _unmatched(rest, called)
            idle += _matched(rest, called)
            rest = others
    asked = {path for case in cases for path in case.when}
    speaking = _speaking_cases(kind, cases, when, named)
    cases.extend(common_calls(kind.profiles, asked, select_answers(named)) if cases and not when else ())
    cases.extend(speaking)
    rest = [*rest, *idle]
    cases.extend(_seen_cases(rest, kind, when, known, named))
    return cases or [Case(when=when, acts=True, fields=Fields(action=(Selector(path=""),)))]


def _speaking_cases(kind: Kind, cases: Sequence[Case], when: When, named: Sequence[str]) -> list[Case]:
    """Where the agent's text stands beside most calls it also stands alone, even if the sample shows none that do."""
    asked = {path for case in cases for path in case.when}
    spoken = [one.path for case in cases for one in case.fields.action if one.template is None]
    alone = [
        path
        for path in dict.fromkeys(spoken)
        if path not in asked and "*" not in path and kind.profiles[path].events >= MIN_SPOKEN * len(kind.events)
    ]
    return [
        Case(
            when={**when, path: []},
            acts=True,
            fields=Fields(action=(Selector(path=path),), result=select_answers(named)),
        )
        for path in alone
    ]


def _seen_cases(rest: Sequence[JsonValue], kind: Kind, when: When, known: Known, named: Sequence[str]) -> list[Case]:
    """What nobody did is an answer, or is seen: all the texts that a raw step has, in the order of writing."""
    profiles = _profile(rest, kind.heard)
    ranked = [item.path for item in rank_texts(profiles, len(rest))[:8] if item.fill >= MIN_FILL]
    answers = sorted({*(path for path in ranked if is_result_path(path) or path in known.result), *named})
    seen = [path for path in profiles if path in ranked and path not in answers]
    observation = tuple(Selector(path=path) for path in seen)
    results = select_answers(answers)
    return [
        *(Case(when={**when, path: []}, acts=False, fields=Fields(observation=observation)) for path in seen),
        *(Case(when={**when, one.path: []}, acts=False, fields=Fields(result=results)) for one in results),
    ]


def _unmatched(events: Sequence[JsonValue], case: Case) -> list[JsonValue]:
    tests = compile_conditions(case.when, 64)
    return [event for event in events if not all(test(event) for test in tests)]


def _matched(events: Sequence[JsonValue], case: Case) -> list[JsonValue]:
    tests = compile_conditions(case.when, 64)
    return [event for event in events if all(test(event) for test in tests)]


def _profile(events: Sequence[JsonValue], heard: tuple[str, ...]) -> dict[str, PathProfile]:
    return without_heard(profile_events([(event, False) for event in events]), heard)


def _acting_case(
    events: Sequence[JsonValue],
    calls: CallPaths | None,
    heard: tuple[str, ...],
    when: When,
    known: Known,
    named: Sequence[str],
) -> Case | None:
    """Return the case of the raw steps that call tools, or, where none does, of those that carry an agent's text."""
    key = _call_key(calls, events) if calls is not None else None
    present = compile_conditions({key: []} if key is not None else {}, 64)
    mine = [event for event in events if all(test(event) for test in present)]
    profiles = _profile(mine, heard)
    ranked = rank_texts(profiles, len(mine), call_subtrees(calls, mine))
    own = own_paths(profiles, calls)
    words = own_words(calls, profiles, mine)
    unnamed = names_nothing(ranked, profiles)
    if unnamed:
        action = words or choose_action(ranked, calls, mine, known)
        answers = choose_results(ranked, profiles, calls, mine, known, action)
    else:
        action = [*_choose_action(ranked, calls, mine, words, own), *words]
        action = action or (texts_beside(ranked, calls, mine) if calls is not None else [])
        answers = choose_answers(ranked, profiles, named, own)
        answers = answers or unnamed_answers(ranked, calls, action, mine)
    if key is None and not action:
        return None
    written = _written_calls(action[0], mine) if calls is None else None
    results = (*select_answers(answers), *_written_part(written, "result"))
    shown = choose_shown(ranked, [*action, *answers], mine)
    shown = shown or (choose_seen(ranked, calls, mine, action) if unnamed else [])
    fields = Fields(
        observation=tuple(Selector(path=path) for path in shown),
        action=tuple(Selector(path=path) for path in action),
        tool=calls.names() if calls is not None else _written_part(written, "name"),
        args=calls.selectors() if calls is not None else _written_part(written, "args"),
        result=results,
        metadata=metadata_of(Kind(None, mine, profiles, calls)),
    )
    return Case(when={**when, key if key is not None else action[0]: []}, acts=True, fields=fields)


def _choose_action(
    ranked: Sequence[TextPath],
    calls: CallPaths | None,
    events: Sequence[JsonValue],
    words: Sequence[str],
    own: tuple[str, ...],
) -> list[str]:
    """Texts named like what an agent says; beside its own words in arguments, only named thoughts."""
    spoken = ACTION_TEXT_KEYS if calls is None else ACTION_TEXT_KEYS | PLAN_KEYS
    wanted = THINKING_KEYS if words else spoken
    said = [item for item in ranked if not answers_action(item.path, own)]
    said = [item for item in said if matches(last_key(item.path), wanted) or in_own(item.path, own)]
    return choose_texts([item for item in said if not is_shown_path(item.path)], events)


def _call_key(calls: CallPaths, events: Sequence[JsonValue]) -> str:
    """Return the path whose presence says that a tool is called: the name, unless it often stands without arguments.

    Empty arguments are arguments.
    """
    if calls.args is None:
        return calls.name
    name_of, args_of = compile_pointer(calls.name, 64), compile_pointer(calls.args, 64)
    named = [event for event in events if name_of(event)]
    return calls.name if sum(bool(args_of(event)) for event in named) >= 0.98 * len(named) else calls.args


def _written_calls(path: str, events: Sequence[JsonValue]) -> tuple[str, str] | None:
    """Return (path, template) where a good part of an agent's texts are calls written out, or None."""
    texts = [value for event in events for value in compile_pointer(path, 1)(event) if isinstance(value, str)]
    template = find_template(texts, share=0.2)
    return (path, template) if template is not None else None


def _written_part(written: tuple[str, str] | None, take: Part) -> tuple[Selector, ...]:
    if written is None or f"{{{take}}}" not in written[1]:
        return ()
    decode: Literal["json"] | None = "json" if take == "args" else None
    return (Selector(path=written[0], template=written[1], take=take, decode=decode),)
