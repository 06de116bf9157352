"""Raw steps that are plain strings among a run's items: whose they are, and the calls written out in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from induction.adapters.calls import CallPaths, find_calls
from induction.adapters.markers import marker_of
from induction.adapters.profiles import decode_json_text, profile_events
from induction.adapters.vocabulary import (
    ACT_MARKERS,
    ERROR_KEYS,
    OTHER_VALUES,
    PRIOR_OPENERS,
    RESULT_MARKERS,
    SPEECH_MARKERS,
    THOUGHT_MARKERS,
    matches,
)
from monitors.adapter.blocks import read_block, section_key
from monitors.adapter.pointers import join_pointer
from monitors.adapter.spec import Blocks, Case, Fields, Selector
from monitors.stepview import JsonValue

FIRST, WHOLE = "first literal", "whole text"
MIN_STRINGS = 5
MIN_CALLS = 2
MAX_LABEL = 40
MAX_OPENERS = 12
BARE = ""
HEAD = "head"
_ACTS = "\0acts"

_LABEL = re.compile(r"[A-Za-z][^:\d{}\n]{0,38}:")


@dataclass(frozen=True, slots=True)
class StringReading:
    """How strings are read: their blocks, their cases, and the sections that hold JSON; with notes for people."""

    blocks: Blocks
    cases: tuple[Case, ...]
    decode: tuple[str, ...]
    notes: tuple[str, ...]


def infer_strings(runs: Sequence[Sequence[JsonValue]]) -> StringReading | None:
    """Return how the raw steps that are strings are read, or None where there are too few of them."""
    told = [[event for event in run if isinstance(event, str)] for run in runs]
    told = [run for run in told if run]
    total = sum(len(run) for run in told)
    if total < MIN_STRINGS or total < 0.005 * sum(len(run) for run in runs):
        return None
    openers = _find_openers(told)
    spoken = [text for run in told for text in run if _named_role(section_key(_class_of(text, openers))) != "answer"]
    inner = _find_inner(spoken)
    roles = _assign_roles(openers, inner, told)
    opens = tuple(dict.fromkeys([*openers, *inner]))
    blocks = Blocks(opens=opens or ("\0",), first=FIRST, whole=WHOLE)
    calls = {literal: found for literal in inner if (found := _find_calls(section_key(literal), spoken, blocks))}
    heads = [literal for literal, role in roles.items() if role == HEAD]
    head_cases = [_case(heads, False, observation=(Selector(path=_WHOLE),))] if heads else []
    cases = (*head_cases, *_answer_cases(roles), *_acting_cases(inner, calls), *_other_cases(roles))
    decode = tuple(join_pointer((section_key(literal),)) for literal in calls)
    notes = [f"strings: {total} raw steps"]
    notes += [f"strings that start {literal!r}: {role}" for literal, role in roles.items() if literal != BARE]
    notes += [f"other strings: {roles[BARE]}", *(f"inside them {literal!r} writes out a call" for literal in calls)]
    return StringReading(blocks, cases, decode, tuple(notes))


def _find_openers(told: Sequence[Sequence[str]]) -> list[str]:
    """Return the literals that strings start with in many runs: labels anywhere, sentences only where runs begin."""
    labels: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for run in told:
        found = [label for text in run if (label := _label_of(text)) is not None]
        labels.update(found)
        spread.update(set(found))
        first[run[0].lstrip()[:24]] += "\n" not in run[0].lstrip()[:24]
    few = max(2.0, 0.02 * len(told))
    usable = [label for label in labels if spread[label] >= few and label not in PRIOR_OPENERS]
    often = max(min(2.0, len(told) / 2), 0.2 * len(told))
    usable += [start for start, count in first.items() if count >= often and _label_of(start) is None]
    usable = sorted(usable, key=lambda one: (-labels[one], one))[:MAX_OPENERS]
    return sorted({*usable, *PRIOR_OPENERS}, key=lambda one: (-len(one), one))


def _label_of(text: str) -> str | None:
    """The words before a colon that a string starts with; of what starts with an error that word alone."""
    found = _LABEL.match(text.lstrip())
    if found is None or len(found.group().split()) > 8:
        return None
    error = next((one for one in PRIOR_OPENERS if found.group().startswith(one) and matches(one, ERROR_KEYS)), None)
    return error or found.group()


def _class_of(text: str, openers: Sequence[str]) -> str:
    start = text.lstrip()[:MAX_LABEL]
    return next((literal for literal in openers if start.startswith(literal)), BARE)


def _assign_roles(openers: Sequence[str], inner: Sequence[str], told: Sequence[Sequence[str]]) -> dict[str, str]:
    """Say whose each class of strings is: names of labels first, then who speaks in turn with whom.

    A string with an action inside is the agent's, whatever label it starts with, unless that names an answer.
    """
    roles = {literal: role for literal in openers if (role := _named_role(section_key(literal)))}
    plain = [[_class_of(text, openers) for text in run] for run in told]
    roles |= {one: HEAD for one in openers if _stands_first(one, plain)}
    acting = tuple(f"\n{literal}" for literal in inner)

    def class_of(text: str) -> str:
        found = _class_of(text, openers)
        acts = roles.get(found) not in ("answer", HEAD) and any(literal in text for literal in acting)
        return _ACTS if acts and found not in inner else found

    classes = [[class_of(text) for text in run] for run in told]
    roles[_ACTS] = "act"
    for one in (BARE, *openers):
        if one in roles:
            continue
        before = Counter(roles.get(left) for run in classes for left, right in pairwise(run) if right == one)
        answered = before["answer"] + before["observe"] + before[HEAD]
        roles[one] = "act" if answered >= 0.5 * sum(before.values()) else "answer"
    del roles[_ACTS]
    return roles


def _named_role(name: str) -> str | None:
    if matches(name, RESULT_MARKERS | ERROR_KEYS):
        return "answer"
    if matches(name, ACT_MARKERS | SPEECH_MARKERS | THOUGHT_MARKERS) and len(name.split()) <= 2:
        return "act"
    return "observe" if matches(name, OTHER_VALUES) and len(name.split()) <= 2 else None


def _stands_first(one: str, classes: Sequence[Sequence[str]]) -> bool:
    places = [index for run in classes for index, other in enumerate(run) if other == one]
    return bool(places) and sum(place == 0 for place in places) >= 0.95 * len(places)


def _find_inner(spoken: Sequence[str]) -> list[str]:
    """Return the markers of an action that lines of the agent's strings start with."""
    counts = Counter(
        marker.strip() for text in spoken for marker in {marker_of(line) for line in text.splitlines()} if marker
    )
    found = [one for one, count in counts.items() if matches(one, ACT_MARKERS) and count >= 0.1 * max(1, len(spoken))]
    return sorted(found, key=lambda one: (-counts[one], one))[:4]


def _find_calls(key: str, spoken: Sequence[str], blocks: Blocks) -> CallPaths | None:
    sections = [read_block(text, blocks).get(key) for text in spoken]
    decoded = [{key: value} for text in sections if (value := decode_json_text(text)) is not None]
    if len(decoded) < MIN_CALLS or len(decoded) < 0.2 * sum(text is not None for text in sections):
        return None
    return find_calls(profile_events([(item, False) for item in decoded]))


def _answer_cases(roles: dict[str, str]) -> list[Case]:
    """The text after a label is the answer; a sentence that starts an answer belongs to it."""
    answers = [literal for literal, role in roles.items() if role == "answer" and literal != BARE]
    labels = [one for one in answers if matches(section_key(one), RESULT_MARKERS) and len(one.split()) <= 2]
    cases = [
        _case([literal], False, result=(Selector(path=_WHOLE, template=literal.strip() + "{result}", take="result"),))
        for literal in labels
    ]
    rest = [literal for literal in answers if literal not in labels]
    return [*cases, *([_case(rest, False, result=(Selector(path=_WHOLE),))] if rest else [])]


def _acting_cases(inner: Sequence[str], calls: dict[str, CallPaths]) -> list[Case]:
    cases = []
    for literal in inner:
        found = calls.get(literal)
        if found is not None:
            fields = Fields(action=(Selector(path=_WHOLE),), tool=(Selector(path=found.name),), args=found.selectors())
            cases.append(Case(when={_WHOLE: [], found.name: []}, acts=True, fields=fields))
        when: dict[str, list[JsonValue]] = {_WHOLE: [], join_pointer((section_key(literal),)): []}
        cases.append(Case(when=when, acts=True, fields=Fields(action=(Selector(path=_WHOLE),))))
    return cases


def _other_cases(roles: dict[str, str]) -> list[Case]:
    heard = [literal for literal, role in roles.items() if role == "observe" and literal != BARE]
    cases = [_case(heard, False, observation=(Selector(path=_WHOLE),))] if heard else []
    acts = roles[BARE] == "act"
    rest = {"action" if acts else "observation": (Selector(path=_WHOLE),)}
    return [*cases, Case(when={_WHOLE: []}, acts=acts, fields=Fields.model_validate(rest))]


def _case(literals: Sequence[str], acts: bool, **fields: tuple[Selector, ...]) -> Case:
    keys = [section_key(literal) for literal in literals]
    return Case(when={_WHOLE: [], join_pointer((FIRST,)): keys}, acts=acts, fields=Fields(**fields))


_WHOLE = join_pointer((WHOLE,))
