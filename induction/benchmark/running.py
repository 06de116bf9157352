"""The whole benchmark: which corpora, which fits, in which order; what is done already is not done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from induction.adapters.inducing import induce_adapter
from induction.benchmark.fits import Fit, FitKey, fit, read_fit, write_fit
from induction.benchmark.pooling import pool_figures, pool_intervals, step_index_figures
from induction.errors import NoRunsError
from induction.learning.labelled import N_FOLDS
from monitors.adapter import AdapterSpec, read_spec, write_spec

HEAD = "gru"
SEEDS = (13, 42, 123)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder laid out as `NAME/raw.…` beside `NAME/runs.jsonl`."""

    name: str
    raw: Path
    outcomes: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    corpora: list[Corpus]
    presets: tuple[str, ...]
    splits: tuple[str, ...]
    seeds: tuple[int, ...]

    def groups(self) -> Iterator[tuple[Corpus, str, str, int]]:
        """Every corpus, split, preset and seed: five fits each."""
        for corpus in self.corpora:
            for split in self.splits:
                for seed in self.seeds:
                    for preset in self.presets:
                        yield corpus, split, preset, seed

    @property
    def n_fits(self) -> int:
        """How many fits it takes."""
        return sum(1 for _ in self.groups()) * N_FOLDS


def find_corpora(data: Path, names: Sequence[str] = ()) -> list[Corpus]:
    """Return the corpora of a folder whose outcomes name folds, or those of the given names.

    Raises NoRunsError for a name that is not there, or if there is none at all.
    """
    found = []
    for outcomes in sorted(data.glob("*/runs.jsonl")):
        raws = sorted(path for path in outcomes.parent.iterdir() if path.name.split(".")[0] == "raw")
        if raws and (outcomes.parent.name in names or not names):
            found.append(Corpus(outcomes.parent.name, raws[0], outcomes))
    missing = set(names) - {corpus.name for corpus in found}
    if missing or not found:
        raise NoRunsError(
            f"{data} has no {' or '.join(sorted(missing)) or 'corpus'}: expected NAME/raw.… beside NAME/runs.jsonl"
        )
    return found


def run_benchmark(plan: Plan, out: Path, on_fit: Callable[[FitKey, str], None]) -> list[dict[str, object]]:
    """Run what is left of a plan and return the rows of `results.jsonl`; `on_fit` hears each fit's stages.

    Raises NoRunsError, AdapterError and what a fit raises; fits that were done stay done.
    """
    rows: list[dict[str, object]] = []
    for corpus, split, preset, seed in plan.groups():
        spec = _adapter(corpus, out)
        fits = []
        for fold in range(N_FOLDS):
            key = FitKey(corpus.name, split, preset, seed, fold)
            done = read_fit(key, out / "fits")
            if done is None:

                def say(stage: str, key: FitKey = key) -> None:
                    on_fit(key, stage)

                done = fit(key, corpus.raw, spec, corpus.outcomes, say)
                write_fit(done, out / "fits")
            on_fit(key, "done")
            fits.append(done)
        rows.extend(_rows(fits, corpus.name, split, preset, seed, with_floor=preset == plan.presets[0]))
        (out / "results.jsonl").write_bytes(
            b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        )
    return rows


def to_table(rows: Sequence[dict[str, object]], metrics: Sequence[str]) -> list[list[str]]:
    """Return the results as lines of text cells: corpus, split, preset, then each metric as mean ± sd over seeds."""
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        place = (str(row["corpus"]), str(row["split"]), str(row["preset"]))
        groups.setdefault(place, {}).setdefault(str(row["metric"]), []).append(float(str(row["value"])))
    return [[*place, *(_cell(values.get(metric, [])) for metric in metrics)] for place, values in groups.items()]


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _adapter(corpus: Corpus, out: Path) -> AdapterSpec:
    """The corpus's adapter, induced once and kept."""
    path = out / "adapters" / f"{corpus.name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        induction = induce_adapter(corpus.raw, corpus.outcomes)
        write_spec(induction.proposal.spec, path)
    return read_spec(path)


def _rows(
    fits: list[Fit], corpus: str, split: str, preset: str, seed: int, *, with_floor: bool
) -> list[dict[str, object]]:
    place = {"corpus": corpus, "split": split, "head": HEAD, "seed": seed, "fold": None}
    intervals = pool_intervals(fits)
    rows: list[dict[str, object]] = []
    for name, value in pool_figures(fits).items():
        low, high = intervals.get(name, (None, None))
        rows.append({**place, "preset": preset, "metric": name, "value": value, "lo": low, "hi": high})
    if with_floor:
        for name, value in step_index_figures(fits).items():
            rows.append({**place, "preset": "step-index", "metric": name, "value": value, "lo": None, "hi": None})
    return rows
