"""Leakage: what only a finished run shows. Found by position alone, so that no label decides what a step may see.

Three signs, over all runs of the sample:
- a kind of raw step that only ever stands last (a summary, a root span, a result record): all of it is masked;
- a path that is filled only in last raw steps: it is dropped;
- text from the environment that only last raw steps hold, such as a line with a score: it is cut from there on.
What the agent itself does last (an answer, a purchase) is honest: it happened, and no outcome is in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from induction.reading.runs import RawRun
from monitors.adapter.compiled import compile_adapter
from monitors.adapter.pointers import compile_pointer, is_present
from monitors.adapter.spec import AdapterSpec, Case, Cut, Fields, Selector
from monitors.stepview import to_text

MIN_EVIDENCE = 5
MIN_LITERAL = 6
MAX_CUTS = 16
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
    field: str = ""

    def describe(self) -> str:
        """Return one line for people."""
        action = {"kind": "masked", "path": "refused", "text": "cut"}[self.what]
        return f"{action} {self.where}: {self.evidence}"


def find_leaks(spec: AdapterSpec, runs: Sequence[RawRun]) -> list[Leak]:
    """Return what a draft adapter would show that only the end of a run shows."""
    long_runs = [run for run in runs if len(run.events) >= 3]
    if len(long_runs) < MIN_EVIDENCE:
        return []
    leaks = _terminal_kinds(spec, long_runs)
    masked = {leak.case for leak in leaks}
    leaks.extend(_terminal_paths(spec, long_runs, masked))
    leaks.extend(_terminal_texts(spec, long_runs, masked))
    return leaks


def mask_leaks(spec: AdapterSpec, leaks: Sequence[Leak]) -> AdapterSpec:
    """Return the adapter without what leaks."""
    masked = {leak.case for leak in leaks if leak.what == "kind"}
    dropped = {(leak.case, leak.where) for leak in leaks if leak.what == "path"}
    cases = [
        Case(when=case.when, acts=False, fields=Fields()) if number in masked else _without_paths(case, number, dropped)
        for number, case in enumerate(spec.event.cases)
    ]
    cuts = [Cut.model_validate({"field": leak.field, "from": leak.where}) for leak in leaks if leak.what == "text"]
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
    for run in runs:
        for index, event in enumerate(run.events):
            number = adapter.case_of(event)
            if number is not None:
                total[number] += 1
                last[number] += index == len(run.events) - 1
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
        and not spec.event.cases[number].acts
    ]


def _terminal_paths(spec: AdapterSpec, runs: Sequence[RawRun], masked: set[int]) -> list[Leak]:
    adapter = compile_adapter(spec)
    watched: list[tuple[int, Selector]] = [
        (number, selector)
        for number, case in enumerate(spec.event.cases)
        if number not in masked
        for name in ("observation", "result", "status", "metadata", *(() if case.acts else ("action",)))
        for selector in getattr(case.fields, name)
    ]
    resolvers = [(number, selector.path, compile_pointer(selector.path, 64)) for number, selector in watched]
    filled: Counter[tuple[int, str]] = Counter()
    last: Counter[tuple[int, str]] = Counter()
    for run in runs if spec.event.unit == "json" else []:
        for index, event in enumerate(run.events):
            number = adapter.case_of(event)
            for owner, path, resolve in resolvers:
                if owner == number and any(is_present(value) for value in resolve(event)):
                    filled[owner, path] += 1
                    last[owner, path] += index == len(run.events) - 1
    return [
        Leak("path", owner, path, f"{last[owner, path]} of {count} raw steps that fill it stand last in their run")
        for (owner, path), count in sorted(filled.items())
        if count >= MIN_EVIDENCE and last[owner, path] >= 0.95 * count
    ]


def _terminal_texts(spec: AdapterSpec, runs: Sequence[RawRun], masked: set[int]) -> list[Leak]:
    """Find line starts that many last raw steps share and no other raw step holds anywhere; the commonest first, then
    what is left.
    """
    adapter = compile_adapter(spec)
    leaks = []
    for field in CUT_FIELDS:
        endings: list[str] = []
        others: list[str] = []
        for run in runs:
            for index, event in enumerate(run.events):
                if adapter.case_of(event) not in masked:
                    text = to_text(getattr(adapter.view(event)[0], field))
                    (endings if index == len(run.events) - 1 else others).append(text)
        earlier = "\x00".join(text for text in others if text)
        for stem, count in _cut_stems([text for text in endings if text], earlier, len(runs)):
            evidence = f"{count} of {len(runs)} last raw steps hold it in {field}, none of {len(others)} others"
            leaks.append(Leak("text", -1, stem, evidence, field))
    return leaks


def _cut_stems(endings: list[str], earlier: str, runs: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while len(found) < MAX_CUTS:
        stems = Counter(stem for text in endings for stem in {_stem(line) for line in text.splitlines()} if stem)
        enough = {
            stem: count for stem, count in stems.items() if count >= _needed(stem, runs) and stem[0] not in earlier
        }
        if not enough:
            break
        best = min(enough, key=lambda stem: (-enough[stem], stem))
        count = sum(best[0] in text for text in endings)
        found.append((best[0], count))
        endings = [text.split(best[0])[0].rstrip() for text in endings]
    return found


def _needed(stem: tuple[str, bool], runs: int) -> float:
    """A token, or a phrase before a number, is machine-made: few sightings do. A sentence may be how people say
    goodbye: many are needed.
    """
    literal, numbered = stem
    return max(MIN_EVIDENCE, (0.01 if numbered or " " not in literal else 0.1) * runs)


def _stem(line: str) -> tuple[str, bool] | None:
    """Return a line up to its first number, at most 60 characters: the part that a template would share; and whether
    a number follows.
    """
    line = line.strip()
    digits = re.search(r"[-+]?\d", line)
    stem = (line[: digits.start()] if digits is not None else line)[:60].rstrip()
    return (stem, digits is not None) if len(stem) >= MIN_LITERAL else None
