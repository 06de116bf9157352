"""Thresholds of groups of runs: which decision rule a run has, by the group that was named before its first step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitors.bundle.manifest import Manifest
from monitors.decision import DecisionRule

NO_NAME, OTHERS = 0, 1
"""Numbers of the rules of runs whose group nobody named, and of runs of a group without a threshold of its own."""


@dataclass(frozen=True, slots=True)
class GroupRules:
    """A monitor's decision rules. A run keeps the number of its own from before its first step to its end: a threshold
    that changed within a run would keep no promise.
    """

    rules: tuple[DecisionRule, ...]
    numbers: dict[str, int]

    def find(self, group: str) -> int:
        """Return the number of a group's rule; NO_NAME for "", and for every group where the bundle has one threshold
        for all.
        """
        if not group or len(self.rules) == 1:
            return NO_NAME
        return self.numbers.get(group, OTHERS)


def build_rules(manifest: Manifest) -> GroupRules:
    """Return the rules that a manifest states; their order depends on the manifest alone."""
    shared = _to_rule(manifest, manifest.threshold, manifest.release)
    if manifest.groups is None:
        return GroupRules((shared,), {})
    names = sorted(manifest.groups.own)
    records = [manifest.groups.others, *(manifest.groups.own[name] for name in names)]
    rules = (_to_rule(manifest, one.threshold, one.release) for one in records)
    return GroupRules((shared, *rules), {name: number for number, name in enumerate(names, OTHERS + 1)})


def _to_rule(manifest: Manifest, threshold: float | None, release: float | None) -> DecisionRule:
    level = math.inf if threshold is None else threshold
    return DecisionRule(level, level if release is None else release, manifest.min_turns, tuple(manifest.offsets))
