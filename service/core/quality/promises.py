"""What a monitor promises about each of its decision rules, as an urn."""

from __future__ import annotations

from dataclasses import dataclass

from monitors.bundle.manifest import Manifest
from monitors.conformal import confident_alpha, conformal_rank
from service.core.quality.urn import Urn


@dataclass(frozen=True, slots=True)
class RulePromise:
    """A decision rule's calibration. `urn` is None where it never alerts: too few runs for the promise."""

    rule: int
    group: str
    """Whose runs have it: "" for all whom nobody named (or for all, without groups), "*" for the other groups."""
    successes: int
    urn: Urn | None


def promises_of(manifest: Manifest) -> list[RulePromise]:
    """Every rule's, by its number (`monitors.groups`)."""
    found = [_to_promise(manifest, 0, "", len(manifest.calibration.success_maxima))]
    if manifest.groups is not None:
        found.append(_to_promise(manifest, 1, "*", len(manifest.groups.others.success_maxima)))
        for number, name in enumerate(sorted(manifest.groups.own), 2):
            found.append(_to_promise(manifest, number, name, len(manifest.groups.own[name].success_maxima)))
    return found


def _to_promise(manifest: Manifest, rule: int, group: str, successes: int) -> RulePromise:
    rank = conformal_rank(successes, confident_alpha(successes, manifest.alpha, manifest.confidence))
    if rank > successes:
        return RulePromise(rule, group, successes, None)
    # Alerts before `min_turns` are not given, so fewer than these: the test only gets milder.
    return RulePromise(rule, group, successes, Urn(successes + 1 - rank, rank))
