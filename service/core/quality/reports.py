"""What is told of a monitor's live quality: plain JSON values, None wherever nothing can be said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from monitors.bundle.manifest import Manifest
from monitors.bundle.reference import ReferenceRecord
from monitors.profile import UNKNOWN
from service.core.quality.calibration import calibration_of
from service.core.quality.counts import Counts, Rightness, count, to_rightness, total
from service.core.quality.finished import FinishedRun
from service.core.quality.intervals import to_share
from service.core.quality.leads import lead_of
from service.core.quality.promises import promises_of
from service.core.quality.watching import (
    COVERAGE,
    PROMISE,
    SYMBOLS,
    Mark,
    Sums,
    Watched,
    coverage_marks,
    rule_key,
    symbol_marks,
)
from service.records import JsonObject

RECENT_ENDED = 100
"""What is recent of runs that ended: so many of the last ones at least."""
_LEAST_SHARE = 1e-4
"""A symbol that never came counts as this, so that the stability index stays finite."""


@dataclass(frozen=True, slots=True)
class Material:
    """All that a report rests on."""

    monitor_id: str
    counts: Counts
    watched: Watched
    recent: Sequence[FinishedRun]
    """The latest runs with an outcome."""
    manifest: Manifest | None
    """None where the bundle is not known here: then only counts are told."""
    level: float


def to_report(material: Material) -> JsonObject:
    """The report on one monitor in one project."""
    counts, manifest, watched = material.counts, material.manifest, material.watched
    reference = None if manifest is None else manifest.reference
    judged = [run for run in material.recent if not run.kind.intervened]
    scored = [(run.probabilities, not run.kind.success) for run in judged if run.probabilities is not None]
    return {
        "monitor_id": material.monitor_id,
        "counts": {
            "successes": total(counts, success=True, intervened=None),
            "failures": total(counts, success=False, intervened=None),
            "intervened": total(counts, success=True, intervened=True) + total(counts, success=False, intervened=True),
            "unlabelled": total(counts, success=None, intervened=None),
            "control": sum(runs for kind, runs in counts.items() if kind.control),
        },
        "all": _rightness(counts),
        "recent": {
            **_rightness(count(run.kind for run in judged)),
            "since_ms": min((run.outcome_ms for run in material.recent), default=None),
            "calibration": asdict(calibration_of(scored)),
            "lead": asdict(lead_of(judged)),
        },
        "promise": None if manifest is None else _promise(material, manifest),
        COVERAGE: None if reference is None else _coverage(material, reference),
        SYMBOLS: None if reference is None or manifest is None else _symbols(material, reference, manifest.n_symbols),
        "flags": [{"test": test, **asdict(flag, dict_factory=_untold)} for test, flag in sorted(watched.flags.items())],
    }


def _untold(fields: Sequence[tuple[str, object]]) -> JsonObject:
    return {name: value for name, value in fields if name != "told"}


def _rightness(counts: Counts) -> JsonObject:
    return {
        **_plain(to_rightness(counts)),
        "warned": _plain(to_rightness(counts, control=False)),
        "control": _plain(to_rightness(counts, control=True)),
    }


def _plain(rightness: Rightness) -> JsonObject:
    return asdict(rightness)


def _promise(material: Material, manifest: Manifest) -> JsonObject:
    rules = []
    for promise in promises_of(manifest):
        runs = total(material.counts, success=True, rule=promise.rule)
        alerted = total(material.counts, success=True, alerted=True, rule=promise.rule)
        if not runs and promise.rule:
            continue
        evidence = material.watched.evidences.get(rule_key(promise.rule))
        rules.append(
            {
                "group": promise.group,
                "calibration_successes": promise.successes,
                "expected": None if promise.urn is None else promise.urn.rate,
                "false_alarms": asdict(to_share(alerted, runs)),
                "evidence": None if evidence is None else to_evidence(evidence),
            }
        )
    return {
        "alpha": manifest.alpha,
        "confidence": manifest.confidence,
        "level": material.level,
        "broken": PROMISE in material.watched.flags,
        "rules": rules,
    }


def _coverage(material: Material, reference: ReferenceRecord) -> JsonObject:
    marks = coverage_marks(reference)
    now = recent_shares(material.watched)
    return {
        **_drift(material, COVERAGE, reference),
        "known": None if UNKNOWN not in now else 1 - now[UNKNOWN],
        "reference_known": 1 - reference.shares[UNKNOWN].mean,
        "shares": _shares(material.watched, reference, marks, now),
    }


def _symbols(material: Material, reference: ReferenceRecord, n_symbols: int) -> JsonObject:
    marks = symbol_marks(reference, n_symbols)
    now = recent_shares(material.watched)
    names = [mark.name for mark in marks]
    return {
        **_drift(material, SYMBOLS, reference),
        "stability_index": stability_index(
            [reference.shares[name].mean for name in names], [now[name] for name in names if name in now]
        ),
        "shares": _shares(material.watched, reference, marks, now),
    }


def _drift(material: Material, test: str, reference: ReferenceRecord) -> JsonObject:
    return {
        "level": material.level,
        "runs": material.watched.ended.runs,
        "reference_runs": reference.runs,
        "drifted": test in material.watched.flags,
    }


def _shares(
    watched: Watched, reference: ReferenceRecord, marks: Sequence[Mark], now: Mapping[str, float]
) -> list[JsonObject]:
    found: dict[str, JsonObject] = {}
    for mark in marks:
        share = found.setdefault(
            mark.name,
            {"name": mark.name, "reference": reference.shares[mark.name].mean, "now": now.get(mark.name)},
        )
        evidence = watched.evidences.get(mark.key)
        share["rise" if mark.above else "fall"] = None if evidence is None else to_evidence(evidence)
    return list(found.values())


def recent_shares(watched: Watched) -> dict[str, float]:
    """The mean of each share over the last runs that ended: RECENT_ENDED of them or somewhat more, or all there are."""
    ended, before = watched.ended, Sums()
    for start in watched.starts:
        if ended.runs - start.runs >= RECENT_ENDED:
            before = start
    runs = ended.runs - before.runs
    if runs <= 0:
        return {}
    means = {name: (total_ - before.shares.get(name, 0.0)) / runs for name, total_ in ended.shares.items()}
    return {name: min(1.0, max(0.0, mean)) for name, mean in means.items()}


def stability_index(reference: Sequence[float], now: Sequence[float]) -> float | None:
    """The population stability index of two distributions over the same symbols: 0 for equal ones. By custom above
    0.25 is a shift; no test, and no level. None where one is missing."""
    if not reference or len(now) != len(reference):
        return None
    pairs = [(max(_LEAST_SHARE, was), max(_LEAST_SHARE, is_)) for was, is_ in zip(reference, now, strict=True)]
    return sum((is_ - was) * math.log(is_ / was) for was, is_ in pairs)


def to_evidence(log_evidence: float) -> float:
    """Evidence as people read it, 1 for none; kept finite."""
    return math.exp(min(log_evidence, 60.0))
