"""Leakage: what only a finished run shows. Found by position alone, so that no label decides what a step may see.

Signs, over all runs of the sample:
- a kind of raw step that only ever stands last and in which the agent does nothing new (a summary, a root span, a
  result record): all of it is masked;
- a path that is filled only in last raw steps: it is dropped;
- a path that has one value throughout each run and another in other runs: it says which run this is, or how it
  ended; it is dropped;
- text from the environment that only last raw steps hold, such as a line with a score: it is cut from there on.
Outcomes, where they are known, can only take more away: they lower the number of sightings that a text needs.
What the agent itself does last (an answer, a purchase) is honest: it happened, and no outcome is in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from induction.reading.runs import RawRun
from monitors.adapter.compiled import compile_adapter
from monitors.adapter.pointers import compile_pointer, is_present
from monitors.adapter.spec import AdapterSpec, Case, Cut, Fields
from monitors.stepview import JsonValue, StepView, to_text

OutcomeOf = Callable[[RawRun], bool | None]

MIN_EVIDENCE = 5
MAX_CHANCE = 0.01
MIN_LITERAL = 6
MAX_CUTS = 16
MIN_TAKEN_OVER = 0.5
MAX_FIRST_WORDS = 12
CUT_FIELDS: tuple[Literal["observation", "result"], ...] = ("observation", "result")


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that only finished runs show: a kind of raw step, a path of a case, or a literal in a field; with its
    evidence.
    """

    what: Literal["kind", "path", "text"]
    case: int
    where: str
    evidence: str
    of_field: str = ""
    unless: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return one line for people."""
        action = {"kind": "masked", "path": "refused", "text": "cut"}[self.what]
        return f"{action} {self.where}: {self.evidence}"


def find_leaks(spec: AdapterSpec, runs: Sequence[RawRun], outcome_of: OutcomeOf | None = None) -> list[Leak]:
    """Return what a draft adapter would show that only the end of a run shows, or that tells runs apart rather
    than steps.
    """
    long_runs = [run for run in runs if len(run.events) >= 3]
    if len(long_runs) < MIN_EVIDENCE:
        return []
    leaks = _terminal_kinds(spec, long_runs)
    masked = {leak.case for leak in leaks}
    leaks.extend(_path_leaks(spec, long_runs, masked))
    leaks.extend(_terminal_texts(spec, long_runs, masked, outcome_of or (lambda run: run.success)))
    return leaks


def mask_leaks(spec: AdapterSpec, leaks: Sequence[Leak]) -> AdapterSpec:
    """Return the adapter without what leaks."""
    masked = {leak.case for leak in leaks if leak.what == "kind"}
    dropped = {(leak.case, leak.where) for leak in leaks if leak.what == "path"}
    cases = [
        Case(when=case.when, acts=False, fields=Fields()) if number in masked else _without_paths(case, number, dropped)
        for number, case in enumerate(spec.event.cases)
    ]
    cuts = [
        Cut.model_validate({"field": leak.of_field, "from": leak.where, "unless": leak.unless})
        for leak in leaks
        if leak.what == "text"
    ]
    event = spec.event.model_copy(update={"cases": tuple(cases)})
    return spec.model_copy(update={"event": event, "cuts": (*spec.cuts, *cuts)})


def _without_paths(case: Case, number: int, dropped: set[tuple[int, str]]) -> Case:
    if not any(owner == number for owner, _ in dropped):
        return case
    fields = {
        name: tuple(selector for selector in getattr(case.fields, name) if (number, selector.path) not in dropped)
        for name in Fields.model_fields
    }
    return Case(when=case.when, acts=case.acts, fields=Fields(**fields))


def _terminal_kinds(spec: AdapterSpec, runs: Sequence[RawRun]) -> list[Leak]:
    adapter = compile_adapter(spec)
    total: Counter[int] = Counter()
    last: Counter[int] = Counter()
    repeats: Counter[int] = Counter()
    for run in runs:
        said: set[str] = set()
        for index, event in enumerate(run.events):
            number = adapter.case_of(event)
            view = adapter.view(event)[0]
            if number is not None and _says_something(view):
                total[number] += 1
                last[number] += index == len(run.events) - 1
                repeats[number] += not view.tool and (not view.action or view.action in said)
            said.add(view.action)
    return [
        Leak(
            "kind",
            number,
            str(dict(spec.event.cases[number].when)),
            f"{last[number]} of {total[number]} stand last in their run",
        )
        for number in sorted(total)
        if total[number] >= MIN_EVIDENCE
        and last[number] >= 0.95 * total[number]
        and len(spec.event.cases) > 1
        and (not _is_the_agents(spec.event.cases[number]) or repeats[number] >= 0.9 * total[number])
    ]


def _is_the_agents(case: Case) -> bool:
    """An answer that closes the turn its thought opened is the agent's own last word."""
    return case.acts or bool(case.fields.action)


def _says_something(view: StepView) -> bool:
    return any(is_present(value) for value in (view.observation, view.action, view.tool, view.args, view.result))


@dataclass(slots=True)
class _PathUse:
    """How the raw steps of a case fill one path of a field; `chance` is that of all of them standing last by luck."""

    filled: int = 0
    last: int = 0
    chance: float = 1.0
    repeating_runs: int = 0
    constant_runs: int = 0
    constants: set[str] = field(default_factory=set)

    def evidence(self) -> str | None:
        """Return why the path is refused, or None."""
        if self.filled >= MIN_EVIDENCE and self.last >= 0.95 * self.filled:
            return f"{self.last} of {self.filled} raw steps that fill it stand last in their run"
        few = self.repeating_runs < MIN_EVIDENCE or len(self.constants) < 2
        if not few and self.constant_runs >= 0.95 * self.repeating_runs:
            return f"has one value throughout each of {self.constant_runs} runs, {len(self.constants)} over all"
        return None


def _path_leaks(spec: AdapterSpec, runs: Sequence[RawRun], masked: set[int]) -> list[Leak]:
    """Find paths of fields that only last raw steps fill, or that never change within a run."""
    if spec.event.unit != "json":
        return []
    adapter = compile_adapter(spec)
    watched: dict[tuple[int, str], Callable[[JsonValue], list[JsonValue]]] = {
        (number, selector.path): compile_pointer(selector.path, 64)
        for number, case in enumerate(spec.event.cases)
        if number not in masked
        for name in ("observation", "result", "status", *(() if case.acts else ("action",)))
        for selector in getattr(case.fields, name)
    }
    uses = {key: _PathUse() for key in watched}
    for run in runs:
        values: dict[tuple[int, str], list[str]] = {}
        for index, event in enumerate(run.events):
            number = adapter.case_of(event)
            for key, resolve in watched.items():
                found = [value for value in resolve(event) if is_present(value)] if key[0] == number else []
                if found:
                    uses[key].filled += 1
                    uses[key].last += index == len(run.events) - 1
                    uses[key].chance /= len(run.events)
                    values.setdefault(key, []).append(to_text(found[0] if len(found) == 1 else found))
        for key, texts in values.items():
            if len(texts) >= 3:
                uses[key].repeating_runs += 1
                uses[key].constant_runs += len(set(texts)) == 1
                uses[key].constants.add(texts[0][:200])
    refused = {key: evidence for key, use in sorted(uses.items()) if (evidence := use.evidence()) is not None}
    refused |= _seldom_and_last(uses)
    for (owner, path), use in sorted(uses.items()):
        # Too few sightings in one case do not clear a path that another case shows to be a last word.
        if (owner, path) not in refused and use.last == use.filled:
            other = next((evidence for (_, same), evidence in refused.items() if same == path), None)
            refused |= {(owner, path): other} if other is not None else {}
    return [Leak("path", owner, path, evidence) for (owner, path), evidence in sorted(refused.items())]


def _seldom_and_last(uses: dict[tuple[int, str], _PathUse]) -> dict[tuple[int, str], str]:
    """A path that few raw steps fill is refused too if, whatever the case, all stand last, beyond chance."""
    by_path: dict[str, list[_PathUse]] = {}
    for (_, path), use in uses.items():
        by_path.setdefault(path, []).append(use)
    last = {
        path: f"all {sum(use.filled for use in found)} raw steps that fill it stand last in their run"
        for path, found in by_path.items()
        if all(use.last == use.filled for use in found) and math.prod(use.chance for use in found) <= MAX_CHANCE
    }
    return {(owner, path): last[path] for owner, path in sorted(uses) if path in last}


def _terminal_texts(spec: AdapterSpec, runs: Sequence[RawRun], masked: set[int], outcome_of: OutcomeOf) -> list[Leak]:
    """Find line starts that many last raw steps share and no other raw step holds anywhere; the commonest first,
    then what is left.
    """
    adapter = compile_adapter(spec)
    leaks = []
    for name in CUT_FIELDS:
        endings: list[tuple[str, bool | None]] = []
        others: list[str] = []
        only_texts = True
        for run in runs:
            for index, event in enumerate(run.events):
                value = None if adapter.case_of(event) in masked else getattr(adapter.view(event)[0], name)
                text = value if isinstance(value, str) else ""
                only_texts = only_texts and (text == value or not is_present(value))
                if text and index == len(run.events) - 1:
                    endings.append((text, outcome_of(run)))
                elif text:
                    others.append(text)
        for stem, count in _cut_stems(endings, "\x00".join(others), len(runs)):
            evidence = f"{count} of {len(runs)} last raw steps hold it in {name}, none of {len(others)} others"
            whole = sum(text.startswith(stem) for text, _ in endings)
            unless = first_words(others, stem) if only_texts and whole >= MIN_TAKEN_OVER * len(runs) else ()
            leaks.append(Leak("text", -1, stem, evidence, name, unless))
    return leaks


def first_words(texts: Sequence[str], stem: str) -> tuple[str, ...]:
    """Return the words that the texts of steps before the end start with, if they are few and none is new: then a text
    that starts otherwise stands at an end, whatever the words are in which the stem is put there. Else nothing.
    """
    counts = Counter(text.split(maxsplit=1)[0] for text in texts if text.strip())
    usual = 0 < len(counts) <= MAX_FIRST_WORDS and min(counts.values()) >= MIN_EVIDENCE
    return tuple(sorted(counts)) if usual and stem.split(maxsplit=1)[0] not in counts else ()


def _cut_stems(endings: list[tuple[str, bool | None]], earlier: str, runs: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    rate = sum(success is True for _, success in endings) / max(1, sum(success is not None for _, success in endings))
    while len(found) < MAX_CUTS:
        sightings: dict[tuple[str, bool], list[bool | None]] = {}
        for text, success in endings:
            for stem in sorted({stem for line in text.splitlines() if (stem := _stem(line))}):
                sightings.setdefault(stem, []).append(success)
        enough = {
            stem[0]: len(seen)
            for stem, seen in sightings.items()
            if len(seen) >= _needed(stem, seen, rate, runs) and stem[0] not in earlier
        }
        if not enough:
            break
        best = min(enough, key=lambda stem: (-enough[stem], stem))
        found.append((best, sum(best in text for text, _ in endings)))
        endings = [(text.split(best)[0].rstrip(), success) for text, success in endings]
    return found


def _needed(stem: tuple[str, bool], seen: Sequence[bool | None], rate: float, runs: int) -> float:
    """Return how many last raw steps must hold a text.

    A token, or a phrase before a number, is machine-made: few sightings do. A sentence may be how people say goodbye:
    many are needed, unless it goes with one outcome against the odds.
    """
    literal, numbered = stem
    known = [success for success in seen if success is not None]
    odds = rate ** len(known) if all(known) else (1 - rate) ** len(known) if not any(known) else 1.0
    telling = bool(known) and 0.0 < rate < 1.0 and odds < 0.001
    return max(MIN_EVIDENCE, (0.01 if numbered or telling or " " not in literal else 0.1) * runs)


def _stem(line: str) -> tuple[str, bool] | None:
    """Return a line up to its first number, at most 60 characters: the part that a template would share; and whether
    a number follows.
    """
    line = line.strip()
    digits = re.search(r"[-+]?\d", line)
    stem = (line[: digits.start()] if digits is not None else line)[:60].rstrip()
    return (stem, digits is not None) if len(stem) >= MIN_LITERAL else None
