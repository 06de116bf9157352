"""Markers of plain-text logs: the line starts that come again and again and cut a log into blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from induction.adapters.vocabulary import (
    ACT_MARKERS,
    OTHER_VALUES,
    RESULT_MARKERS,
    SPEECH_MARKERS,
    THOUGHT_MARKERS,
    matches,
)
from monitors.adapter.blocks import BARS
from monitors.adapter.terminal import strip_clock

_MARKER = re.compile(
    r"\s{0,4}(?:[#*>\-]{1,4}\s?)?[\[<(*]{0,2}[A-Za-z][A-Za-z_ -]{0,23}?(?: ?\d{1,4})?[\])>*]{0,2}(?::|\s*$(?<=[\]>*]))"
)
_WIDE_MARKER = re.compile(
    r"\s{0,4}(?:[^\w\s\"'\[\](){}<>.,;:/\\%$&+=-]{1,3}\s{0,2})?[\[<(*]{0,2}[A-Za-z][A-Za-z_ -]{0,23}?(?: ?\d{1,4})?"
    rf"[\])>*]{{0,2}}(?:\s{{0,12}}[{BARS}]|\s*$(?<=[\]>*]))"
)
"""A sign before the word and bars after it: believed where no plain marker comes regularly."""
_RULE = re.compile(r"([=*~_━─═-])\1{1,}[ \[]{0,3}[A-Za-z][A-Za-z_ ]{0,23}?(?: ?#?\d{1,4})?[ \]]{0,3}\1{2,}$")
_HEADING = re.compile(r"#{1,4} [A-Z][\w()&/.' -]{0,39}$")
_PLACE = r"[^\s$#%>]{0,60}"
_WHERE = rf"(?:\([\w .-]{{1,40}}\) ?)?[\w.+-]+@[\w.-]+[: ]{_PLACE} ?|\[[\w.+-]+@[\w.-]+ {_PLACE}\]|[~/]{_PLACE} ?"
_PROMPT = re.compile(rf"(?:{_WHERE})[$%#>] |[$❯] ")
MAX_PROMPTS = 12
MIN_TIMED = 4
MarkerOf = Callable[[str], str | None]
PRINTED = "printed"
MARKER_WORDS = ACT_MARKERS | THOUGHT_MARKERS | SPEECH_MARKERS | RESULT_MARKERS | OTHER_VALUES


@dataclass(frozen=True, slots=True)
class Markers:
    """The literals that open blocks, whether a blank line ends a block, and why they were chosen."""

    opens: tuple[str, ...]
    ends_at_blank_line: bool
    notes: tuple[str, ...]
    then: dict[str, str] = field(default_factory=dict)
    timed: bool = False


def find_markers(texts: Sequence[str]) -> Markers | None:
    """Return the markers of logs of one format, or None where no line start comes regularly.

    Where lines begin with a time, which is passed over, only such lines open blocks; and signs and bars mark blocks
    where no plain marker does.
    """
    if _are_timed(texts):
        bare = [_clocked_lines(text) for text in texts]
        found = _find_plain(bare, marker_of) or _find_plain(bare, _wide_marker_of)
        if found is not None:
            return replace(found, timed=True)
    return _find_plain(texts, marker_of) or _find_plain(texts, _wide_marker_of)


def _are_timed(texts: Sequence[str]) -> bool:
    """Return whether lines of nearly all texts begin with a time."""
    timed = [sum(strip_clock(line) != line for line in text.splitlines()[:200]) >= MIN_TIMED for text in texts]
    return sum(timed) >= 0.9 * len(texts)


def _clocked_lines(text: str) -> str:
    """Lines without their times; the others can open no block, and are marked so."""
    lines = [(line, strip_clock(line)) for line in text.splitlines()]
    return "\n".join(bare if bare != line or not line.strip() else f"\0{line}" for line, bare in lines)


def _find_plain(texts: Sequence[str], marker_of: MarkerOf) -> Markers | None:
    """Return the markers of logs of one format, or None where no line start comes regularly.

    The anchor is a marker that opens many lines of nearly every log and between whose occurrences another stands
    about once. Siblings are markers that stand between two anchors about as regularly; markers that come only in some
    stretches (a price in a page) are content.
    """
    prompts = _find_prompts(texts)
    if prompts:
        notes = tuple(f"prompt {prompt!r}: {count} lines" for prompt, count in prompts.items())
        return Markers(tuple(prompts), False, notes, dict.fromkeys(prompts, PRINTED))
    logs = [_marked_lines(text, marker_of) for text in texts]
    counts: Counter[str] = Counter(marker for log in logs for marker in log)
    spread: Counter[str] = Counter(marker for log in logs for marker in set(log))
    usable = [m for m in counts if spread[m] >= 0.5 * len(logs) and counts[m] >= 1.5 * spread[m]]
    if not usable:
        return None
    anchor = max(
        usable, key=lambda m: (_regularity(m, usable, logs), matches(m, MARKER_WORDS), spread[m], counts[m], m)
    )
    siblings = [m for m in usable if m == anchor or _share_of_stretches(anchor, m, logs) >= 0.9]
    named = {m for m in counts if m not in siblings and matches(m, MARKER_WORDS) and spread[m] >= 0.05 * len(logs)}
    named |= {m for m in usable if m not in siblings}
    while named:
        needed = {m: 0.5 if matches(m, MARKER_WORDS) else 0.95 for m in named}
        loose = {m for m in named if _stands_between_blocks(m, {*siblings, *named}, texts, marker_of) < needed[m]}
        named -= loose
        if not loose:
            break
    opens = tuple(sorted({*siblings, *named}, key=lambda m: (-counts[m], m)))
    blank = _ends_at_blank_line(texts, opens)
    notes = tuple(f"marker {m!r}: {counts[m]} lines in {spread[m]} of {len(logs)} logs" for m in opens)
    return Markers(opens, blank, notes)


def _find_prompts(texts: Sequence[str]) -> dict[str, int]:
    """Return the prompts of terminals with their counts, or nothing where the texts record none.

    A prompt is the start of a line up to a sign such as $, with what names a user, a host or a place before it; the
    same few of them stand in nearly every log.
    """
    counts: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    for text in texts:
        found = [match.group() for line in text.splitlines() if (match := _PROMPT.match(line)) is not None]
        counts.update(found)
        spread.update(set(found))
    logs = len(texts)
    prompts = {prompt: count for prompt, count in counts.items() if spread[prompt] >= max(2, 0.05 * logs)}
    prompts = dict(sorted(prompts.items(), key=lambda item: (-item[1], item[0]))[:MAX_PROMPTS])
    with_any = (
        sum(any(line.startswith(tuple(prompts)) for line in text.splitlines()) for text in texts) if prompts else 0
    )
    usual = sum(prompts.values()) >= 2 * logs and with_any >= 0.8 * logs
    return prompts if usual else {}


def marker_of(line: str) -> str | None:
    """Return the literal that a line starts with, if it could be a marker; a number in it is left out with what
    follows.
    """
    if _HEADING.match(line.rstrip()) is not None:
        return line.rstrip()
    found = _MARKER.match(line)
    if found is None or not found.group().strip():
        return None
    literal = found.group()
    digits = re.search(r"\d", literal)
    return literal[: digits.start()] if digits is not None else literal


def _wide_marker_of(line: str) -> str | None:
    """As `marker_of`, with bars for colons, signs before the word, and headings between drawn lines."""
    found = _RULE.match(line.rstrip()) or _WIDE_MARKER.match(line)
    if found is None or not found.group().strip():
        return None
    digits = re.search(r"\d", found.group())
    return found.group()[: digits.start()] if digits is not None else found.group()


def _marked_lines(text: str, marker_of: MarkerOf) -> list[str]:
    return [marker for line in text.splitlines() if (marker := marker_of(line)) is not None]


def _share_of_stretches(anchor: str, marker: str, logs: Sequence[Sequence[str]]) -> float:
    """Return the share of stretches between two anchors in which a marker stands exactly once."""
    stretches = once = 0
    for log in logs:
        places = [index for index, m in enumerate(log) if m == anchor]
        for start, end in pairwise(places):
            stretches += 1
            once += log[start:end].count(marker) == 1
    return once / stretches if stretches else 0.0


def _regularity(anchor: str, usable: Sequence[str], logs: Sequence[Sequence[str]]) -> float:
    others = [_share_of_stretches(anchor, marker, logs) for marker in usable if marker != anchor]
    return round(sum(share for share in others if share >= 0.9), 1)


def _stands_between_blocks(marker: str, siblings: set[str], texts: Sequence[str], marker_of: MarkerOf) -> float:
    """Return how often a marker's line comes first, or after a blank line or right after a sibling's block of one
    line.
    """
    found = free = 0
    for text in texts:
        lines = text.splitlines()
        for index, line in enumerate(lines):
            if marker_of(line) == marker:
                found += 1
                before = lines[index - 1] if index else ""
                free += not before.strip() or before.startswith(tuple(siblings))
    return free / found if found else 0.0


def _ends_at_blank_line(texts: Sequence[str], opens: tuple[str, ...]) -> bool:
    """Return whether a blank line ends a block: blocks regularly end in one, and text after one is rare but at a
    log's end.
    """
    inner = inner_after = last_after = ended = 0
    for text in texts:
        blocks = _cut(text, opens)
        for number, lines in enumerate(blocks):
            blank = next((i for i, line in enumerate(lines[1:], 1) if not line.strip()), None)
            after = blank is not None and any(line.strip() for line in lines[blank:])
            if number == len(blocks) - 1:
                last_after += after
            else:
                inner += 1
                inner_after += after
                ended += blank is not None
    if not inner or inner_after > 0.02 * inner:
        return False
    return ended >= 0.3 * inner or last_after > 0


def _cut(text: str, opens: tuple[str, ...]) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith(opens):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return blocks
