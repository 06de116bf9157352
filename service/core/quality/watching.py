"""What is kept between two looks at the runs of one monitor in one project, and what a look adds: counts, the starts of
the tests, and flags, which stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from monitors.adapter.coverage import FIELDS
from monitors.bundle.reference import ReferenceRecord
from monitors.profile import NEW_TOOL, UNKNOWN, symbol_name
from service.core.quality.urn import FIRST, STARTS, Start, Urn, is_flagged, log_evidence, next_start

COVERAGE, SYMBOLS, PROMISE = "coverage", "symbols", "promise"
TESTS = (PROMISE, COVERAGE, SYMBOLS)


@dataclass(frozen=True, slots=True)
class Mark:
    """A run lies beyond it when its share of `name` is strictly above the limit, or below it."""

    name: str
    above: bool
    limit: float

    @property
    def key(self) -> str:
        """How its counts are named: `args-`, `symbol_3+`."""
        return self.name + ("+" if self.above else "-")

    def is_passed(self, share: float) -> bool:
        """True if a run with this share lies beyond."""
        return share > self.limit if self.above else share < self.limit


@dataclass(slots=True)
class Flag:
    """A test has said that something has changed. It stays: what it is about is a bundle, and its cure another one."""

    at_ms: int
    runs: int
    log_evidence: float
    about: str
    told: bool = False
    """The event about it is on its way to webhooks, or was."""


@dataclass(slots=True)
class Sums:
    """Over runs that ended, up to some moment: how many, how many lay beyond each mark, the sum of each share."""

    number: int = 0
    runs: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def add(self, marks: Sequence[Mark], shares: Mapping[str, float]) -> None:
        """Count one run."""
        self.runs += 1
        for name, share in shares.items():
            self.shares[name] = self.shares.get(name, 0.0) + share
        for mark in marks:
            if mark.is_passed(shares[mark.name]):
                self.hits[mark.key] = self.hits.get(mark.key, 0) + 1

    def copy(self, number: int) -> Sums:
        """The same, as the start with this number."""
        return Sums(number, self.runs, dict(self.hits), {name: round(one, 3) for name, one in self.shares.items()})


@dataclass(slots=True)
class Watched:
    """All that is kept of one monitor in one project."""

    ended: Sums = field(default_factory=Sums)
    starts: list[Sums] = field(default_factory=lambda: [Sums()])
    promises: dict[str, list[Start]] = field(default_factory=dict)
    """By the number of the decision rule, as text: the starts of its test."""
    evidences: dict[str, float] = field(default_factory=dict)
    """Logarithms, as of the last look: by mark, and `rule N` for promises."""
    flags: dict[str, Flag] = field(default_factory=dict)
    """By test."""

    def to_plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Watched:
        """What `to_plain` gave."""
        return Watched(
            Sums(**plain["ended"]),
            [Sums(**one) for one in plain["starts"]],
            {rule: [Start(**one) for one in starts] for rule, starts in plain["promises"].items()},
            dict(plain["evidences"]),
            {test: Flag(**one) for test, one in plain["flags"].items()},
        )

    def add_run(self, reference: ReferenceRecord, n_symbols: int, shares: Mapping[str, float]) -> None:
        """Count a run that ended."""
        self.ended.add(all_marks(reference, n_symbols), shares)
        if self.ended.runs >= next_start(_to_start(self.starts[-1], "")):
            self.starts = [*self.starts, self.ended.copy(self.starts[-1].number + 1)][-STARTS:]

    def weigh(self, reference: ReferenceRecord, marks: Sequence[Mark]) -> dict[str, float]:
        """The logarithm of the evidence for each mark that runs pass it oftener than the calibration runs did."""
        urn = Urn(reference.beyond, reference.runs + 1 - reference.beyond)
        found = {}
        for mark in marks:
            starts = [_to_start(start, mark.key) for start in self.starts]
            found[mark.key] = log_evidence(urn, starts, self.ended.runs, self.ended.hits.get(mark.key, 0))
        self.evidences |= {key: round(one, 4) for key, one in found.items()}
        return found

    def weigh_promise(self, rule: int, urn: Urn, runs: int, alerted: int) -> float:
        """The logarithm of the evidence that successful runs alert oftener than the calibration of their rule had it,
        by counts of all of them so far. Sets a start where one is due."""
        starts = self.promises.setdefault(str(rule), [FIRST])
        found = log_evidence(urn, starts, runs, alerted)
        if runs >= next_start(starts[-1]):
            starts.append(Start(starts[-1].number + 1, runs, alerted))
            del starts[:-STARTS]
        self.evidences[rule_key(rule)] = round(found, 4)
        return found

    def flag(self, test: str, evidences: Mapping[str, float], level: float, runs: int, now_ms: int) -> None:
        """Flag the test where one of the evidences says so; each has its part of the level, so that all of them
        together are wrong with probability `level` at most, ever."""
        if not evidences or test in self.flags:
            return
        about, greatest = max(evidences.items(), key=lambda item: item[1])
        if is_flagged(greatest, level / len(evidences)):
            self.flags[test] = Flag(now_ms, runs, greatest, about)


def rule_key(rule: int) -> str:
    """How the evidence against a rule's promise is named."""
    return f"rule {rule}"


def coverage_marks(reference: ReferenceRecord) -> list[Mark]:
    """What coverage is tested by: unknown steps and new tools are worse above; a field's share may leave both ways."""
    marks = [Mark(UNKNOWN, True, reference.shares[UNKNOWN].high)]
    if reference.tools is not None:
        marks.append(Mark(NEW_TOOL, True, reference.shares[NEW_TOOL].high))
    for name in FIELDS:
        marks += (Mark(name, True, reference.shares[name].high), Mark(name, False, reference.shares[name].low))
    return marks


def symbol_marks(reference: ReferenceRecord, n_symbols: int) -> list[Mark]:
    """What symbols are tested by: shares sum to 1, so where some have fallen others have risen."""
    names = [symbol_name(number) for number in range(n_symbols)]
    return [Mark(name, True, reference.shares[name].high) for name in names if name in reference.shares]


def all_marks(reference: ReferenceRecord, n_symbols: int) -> list[Mark]:
    """Every mark."""
    return coverage_marks(reference) + symbol_marks(reference, n_symbols)


def _to_start(sums: Sums, key: str) -> Start:
    return Start(sums.number, sums.runs, sums.hits.get(key, 0))
