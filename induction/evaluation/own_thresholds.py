"""A bundle's runs with the thresholds that the bundle really has: by turn, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from induction.evaluation.sample import Sample, to_sample
from induction.learning.labelled import LabelledCorpus
from induction.learning.scoring import ScoredRun
from monitors.bundle import Manifest
from monitors.groups import build_rules


def with_groups(corpus: LabelledCorpus, manifest: Manifest) -> LabelledCorpus:
    """Return the corpus with each run in its group, where the bundle has thresholds by group."""
    return corpus if manifest.groups is None else replace(corpus, group_by=manifest.groups.by)


def to_own_sample(manifest: Manifest, runs: Sequence[ScoredRun], agents: Mapping[str, str] | None = None) -> Sample:
    """Return runs that the bundle scored, with the statistic that it alerts on and what sets each run's thresholds."""
    maxima = manifest.calibration.success_maxima
    sample = to_sample(runs, manifest.horizon, [maxima], agents=agents, offsets=[manifest.offsets])
    if manifest.groups is None:
        return sample
    groups = manifest.groups
    records = [groups.others, *(groups.own[name] for name in sorted(groups.own))]
    rules = build_rules(manifest)
    # The rule of nobody's group comes first, and has the maxima of all.
    numbers = np.array([rules.find(run.group) - 1 for run in runs], np.int64)
    return replace(sample, group=numbers, group_maxima=[one.success_maxima for one in records])


def own_thresholds(manifest: Manifest, runs: Sequence[ScoredRun]) -> NDArray[np.float64]:
    """Return [R] the threshold of each run's alert statistic; infinite where it never alerts."""
    rules = build_rules(manifest)
    return np.array([rules.rules[rules.find(run.group)].threshold for run in runs], np.float64)
