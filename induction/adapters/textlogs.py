"""From plain-text logs to an adapter: blocks by markers, which of them act, and how a call is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from induction.adapters.markers import Markers, find_markers
from induction.adapters.profiles import decode_json_text
from induction.adapters.templates import NAME, find_template
from induction.adapters.vocabulary import (
    ACT_MARKERS,
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
    blocks = Blocks(opens=markers.opens, ends_at_blank_line=markers.ends_at_blank_line)
    sections = _collect_sections(texts, blocks)
    templates = {key: found for key, values in sections.items() if key and (found := find_template(values)) is not None}
    roles = _assign_roles(markers, sections, templates)
    cases = [case for key, role in roles.items() for case in _cases(key, role, templates.get(key), sections[key])]
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


def _assign_roles(markers: Markers, sections: dict[str, list[str]], templates: dict[str, str]) -> dict[str, str]:
    """Say of each marker whether its block acts, thinks, answers or is only seen.

    A marker whose text is written as a call acts, whatever its name; without any, names decide; without those, the
    most frequent acts.
    """
    keys = [key for key in dict.fromkeys(section_key(literal) for literal in markers.opens) if key in sections]
    roles: dict[str, str] = {}
    for key in keys:
        if matches(key, RESULT_MARKERS):
            roles[key] = "answer"
        elif key in templates or matches(key, ACT_MARKERS):
            roles[key] = "act"
        elif matches(key, SPEECH_MARKERS):
            roles[key] = "speak"
        elif matches(key, THOUGHT_MARKERS):
            roles[key] = "think"
        else:
            roles[key] = "observe"
    if not any(role in ("act", "speak") for role in roles.values()):
        thinker = next((key for key, role in roles.items() if role == "think"), keys[0])
        roles[thinker] = "speak"
    return roles


def _cases(key: str, role: str, template: str | None, texts: Sequence[str]) -> list[Case]:
    """A marker with nothing after it is still that marker: known, with an empty field."""
    path = join_pointer((key,))
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
