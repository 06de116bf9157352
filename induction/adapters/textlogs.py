"""From plain-text logs to an adapter: blocks by markers, which of them act, and how a call is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from induction.adapters.markers import PRINTED, Markers, find_markers
from induction.adapters.profiles import decode_json_text
from induction.adapters.templates import NAME, find_template
from induction.adapters.vocabulary import (
    ACT_MARKERS,
    CALL_ARGS_KEYS,
    OTHER_VALUES,
    RESULT_MARKERS,
    SPEECH_MARKERS,
    THOUGHT_MARKERS,
    matches,
)
from monitors.adapter.blocks import read_block, section_key, split_blocks
from monitors.adapter.pointers import join_pointer
from monitors.adapter.spec import Blocks, Case, Event, Fields, Selector
from monitors.adapter.template import match_template, parse_template

MAX_BARE_WORDS = 16
MIN_BARE_WORDS = 5


def infer_text_event(texts: Sequence[str]) -> tuple[Event, list[str]] | None:
    """Return how blocks of text logs are read, with notes; None where the logs have no markers."""
    markers = find_markers(texts)
    if markers is None:
        return None
    blocks = Blocks(
        opens=markers.opens, ends_at_blank_line=markers.ends_at_blank_line, then=markers.then, timed=markers.timed
    )
    sections = _collect_sections(texts, blocks)
    templates = {key: found for key, values in sections.items() if key and (found := find_template(values)) is not None}
    roles = _assign_roles(markers, sections, templates, texts)
    inputs = _find_inputs(texts, blocks, roles)
    if inputs:
        roles = {key: role for key, role in roles.items() if key not in inputs.values()}
        blocks = blocks.model_copy(update={"leads": _leads(blocks, inputs)})
        sections = _collect_sections(texts, blocks)
    opening = _find_opening_thoughts(texts, blocks, roles)
    opened = opening.values()
    cases = [
        case if key not in opening and not any(key in done for done in opened) else _taking_turns(case, key in opening)
        for key, role in roles.items()
        for case in (
            [_calling_case(key, inputs[key], sections)]
            if key in inputs
            else _cases(key, role, templates.get(key), sections[key])
        )
    ]
    otherwise = Fields(observation=(Selector(path="/"),))
    notes = [
        *markers.notes,
        *(f"{key}: {role}" + (f", calls {templates[key]}" if key in templates else "") for key, role in roles.items()),
    ]
    return Event(unit="text", blocks=blocks, cases=tuple(cases), otherwise=otherwise), notes


def _collect_sections(texts: Sequence[str], blocks: Blocks) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for text in texts:
        for block in split_blocks(text, blocks):
            for key, value in read_block(block, blocks).items():
                sections.setdefault(key, []).append(value)
    return sections


def _find_inputs(texts: Sequence[str], blocks: Blocks, roles: dict[str, str]) -> dict[str, str]:
    """Return markers of actions with the marker of their input right after each: the call is written on two lines."""
    before: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    for text in texts:
        opened = [_opener_of(block, blocks) for block in split_blocks(text, blocks)]
        counts.update(opened)
        before.update(pairwise(opened))
    keyed = {literal: section_key(literal) for literal in blocks.opens}
    found = {}
    for (first, second), count in sorted(before.items()):
        if first not in keyed or second not in keyed or roles.get(keyed[first]) != "act":
            continue
        named = matches(keyed[second], CALL_ARGS_KEYS) and not matches(keyed[first], CALL_ARGS_KEYS)
        if named and count >= 0.98 * counts[second] and count >= 0.5 * counts[first]:
            found[keyed[first]] = keyed[second]
    return found


def _leads(blocks: Blocks, inputs: dict[str, str]) -> dict[str, tuple[str, ...]]:
    literals = {section_key(literal): literal for literal in blocks.opens}
    return {**blocks.leads, **{literals[one]: (literals[other],) for one, other in inputs.items()}}


def _calling_case(key: str, inputs: str, sections: dict[str, list[str]]) -> Case:
    path, args = join_pointer((key,)), join_pointer((inputs,))
    written = sections.get(inputs, [])
    as_json = sum(decode_json_text(text) is not None for text in written) >= 0.1 * max(1, len(written))
    fields = Fields(
        action=(Selector(path=path),),
        tool=(Selector(path=path),),
        args=(Selector(path=args, decode="json" if as_json else None),),
    )
    return Case(when={path: []}, acts=True, fields=fields)


def _find_opening_thoughts(texts: Sequence[str], blocks: Blocks, roles: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the thoughts that open the turn of the action after them, with those actions.

    So where each thought goes on to an action and each such action comes right after a thought (98 % of both); else
    a thought continues the turn before, for no step waits for a later one.
    """
    before: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    for text in texts:
        opened = [_opener_of(block, blocks) for block in split_blocks(text, blocks)]
        counts.update(opened)
        before.update(pairwise(opened))
    acting = [literal for literal in blocks.opens if roles.get(section_key(literal)) in ("act", "speak")]
    found = {}
    for literal in blocks.opens:
        if roles.get(section_key(literal)) != "think":
            continue
        done = [one for one in acting if before[literal, one] >= 0.98 * counts[one]]
        if done and sum(before[literal, one] for one in done) >= 0.98 * counts[literal]:
            found[section_key(literal)] = tuple(section_key(one) for one in done)
    return found


def _taking_turns(case: Case, opens: bool) -> Case:
    return case.model_copy(update={"acts": opens})


def _opener_of(block: str, blocks: Blocks) -> str:
    return next((literal for literal in blocks.opens if block.startswith(literal)), "")


def _guess_speakers(keys: Sequence[str], roles: dict[str, str], texts: Sequence[str]) -> list[str]:
    """Under headings everybody speaks who is no person and answers nothing; else it is one marker."""
    headed = [key for key in keys if key.startswith("#") and roles[key] == "observe" and not matches(key, OTHER_VALUES)]
    free = [key for key in keys if roles[key] != "answer"] or keys
    return headed or [_guess_speaker(free, texts)]


def _guess_speaker(keys: Sequence[str], texts: Sequence[str]) -> str:
    """The agent is the most frequent marker that is named like no person and does not open most logs."""

    def weight(key: str) -> tuple[bool, bool, int]:
        opens = sum(_first_of(text, keys) == key for text in texts)
        return (not matches(key, OTHER_VALUES), opens <= 0.5 * len(texts), -keys.index(key))

    return max(keys, key=weight)


def _first_of(text: str, keys: Sequence[str]) -> str | None:
    return next((key for line in text.splitlines() for key in keys if line.strip().startswith(key)), None)


def _assign_roles(
    markers: Markers, sections: dict[str, list[str]], templates: dict[str, str], texts: Sequence[str]
) -> dict[str, str]:
    """Say of each marker whether its block acts, thinks, answers or is only seen.

    A marker whose text is written as a call acts, whatever its name; without any, names decide; without those, the
    most frequent acts.
    """
    keys = [key for key in dict.fromkeys(section_key(literal) for literal in markers.opens) if key in sections]
    roles: dict[str, str] = {}
    for key in keys:
        if any(section_key(literal) == key for literal in markers.then):
            roles[key] = "prompt"
        elif matches(key, RESULT_MARKERS):
            roles[key] = "answer"
        elif key in templates or matches(key, ACT_MARKERS):
            roles[key] = "act"
        elif matches(key, SPEECH_MARKERS):
            roles[key] = "speak"
        elif matches(key, THOUGHT_MARKERS):
            roles[key] = "think"
        else:
            roles[key] = "observe"
    if not any(role in ("act", "speak", "prompt") for role in roles.values()):
        thinker = next((key for key, role in roles.items() if role == "think"), None)
        roles |= dict.fromkeys([thinker] if thinker else _guess_speakers(keys, roles, texts), "speak")
    return roles


def _cases(key: str, role: str, template: str | None, texts: Sequence[str]) -> list[Case]:
    """A marker with nothing after it is still that marker: known, with an empty field."""
    path = join_pointer((key,))
    if role == "prompt":
        fields = Fields(action=(Selector(path=path),), result=(Selector(path=join_pointer((PRINTED,))),))
        return [Case(when={path: []}, acts=True, fields=fields), Case(when={path: [""]}, acts=False, fields=Fields())]
    acts = role in ("act", "speak")
    fields = _fields(path, role, template, template is not None and _args_are_json(texts, template))
    cases = [Case(when={path: []}, acts=acts, fields=fields)]
    if "" in texts:
        cases.append(Case(when={path: [""]}, acts=acts, fields=fields))
    words = _bare_words(texts) if acts and template is not None else []
    if words:
        bare = Fields(action=(Selector(path=path),), tool=(Selector(path=path),))
        cases.insert(0, Case(when={path: [*words]}, acts=True, fields=bare))
    return cases


def _args_are_json(texts: Sequence[str], template: str) -> bool:
    literals, names = parse_template(template)
    args = [parts["args"] for text in texts if (parts := match_template(literals, names, text)) is not None]
    return sum(decode_json_text(text) is not None for text in args) >= 0.8 * max(1, len(args))


def _bare_words(texts: Sequence[str]) -> list[str]:
    """Return the single words that come again and again where calls are written: calls without arguments."""
    counts = Counter(text for text in texts if NAME.fullmatch(text))
    return sorted(word for word, count in counts.most_common(MAX_BARE_WORDS) if count >= MIN_BARE_WORDS)


def _fields(path: str, role: str, template: str | None, json_args: bool) -> Fields:
    text = (Selector(path=path),)
    if role == "answer":
        return Fields(result=text)
    if role == "observe":
        return Fields(observation=text)
    if template is None or role == "think":
        return Fields(action=text)
    tool = Selector(path=path, template=template, take="name")
    args = Selector(path=path, template=template, take="args", decode="json" if json_args else None)
    return Fields(action=text, tool=(tool,), args=(args,))
