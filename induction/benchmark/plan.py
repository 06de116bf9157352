"""What a benchmark is to run: which corpora, splits, seeds and contenders, and which fits that makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from induction.benchmark.fits import FitKey
from induction.errors import NoRunsError
from induction.learning.labelled import N_FOLDS
from induction.learning.presets import find_recipe
from induction.outcomes import read_outcomes

SEEDS = (13, 42, 123)
SHARES = (0.125, 0.25, 0.5)
"""Of the training data, beside all of it, for a learning curve."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder laid out as `NAME/raw.…` beside `NAME/runs.jsonl`."""

    name: str
    raw: Path
    outcomes: Path
    adapter_of: str = ""
    """The corpus whose adapter reads it, if not its own: a control reads as the true corpus does."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A preset with one head."""

    preset: str
    head: str
    is_usual: bool = True
    """Whether the head is the preset's usual one."""

    @property
    def label(self) -> str:
        """`preset`, or `preset/head` where the head is not its usual one."""
        return self.preset if self.is_usual else f"{self.preset}/{self.head}"


@dataclass(frozen=True, slots=True)
class Group:
    """Five fits that are pooled: one contender on one split of one corpus, with one seed."""

    corpus: Corpus
    split: str
    contender: Contender
    seed: int
    share: float = 1.0

    @property
    def keys(self) -> list[FitKey]:
        """Its fits, by test fold."""
        part = (self.corpus.name, self.split, self.contender.preset, self.contender.head, self.seed)
        return [FitKey(*part, fold, self.share) for fold in range(N_FOLDS)]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    corpora: list[Corpus]
    contenders: tuple[Contender, ...]
    splits: tuple[str, ...]
    seeds: tuple[int, ...]
    shares: tuple[float, ...] = (1.0,)

    def groups(self) -> Iterator[Group]:
        """Every group, one corpus and split after the other; the learning curve last, of the first seed alone."""
        for corpus, split in self.blocks():
            for seed in self.seeds:
                for contender in self.contenders:
                    yield Group(corpus, split, contender, seed)
        for corpus, split in self.blocks():
            for share in self.shares:
                if share != 1.0:
                    for contender in self.contenders:
                        yield Group(corpus, split, contender, self.seeds[0], share)

    def blocks(self) -> Iterator[tuple[Corpus, str]]:
        """Every corpus and split that can be asked: known tasks only where a task has several runs."""
        for corpus in self.corpora:
            for split in self.splits:
                if split == "new" or has_repeated_tasks(corpus):
                    yield corpus, split

    def left_out(self) -> list[str]:
        """The corpora for which known tasks cannot be asked."""
        return [corpus.name for corpus in self.corpora if "known" in self.splits and not has_repeated_tasks(corpus)]


def find_corpora(data: Path, names: Sequence[str] = ()) -> list[Corpus]:
    """Return the corpora of a folder, or those of the given names, in that order.

    Raises NoRunsError for a name that is not there, or if there is none at all.
    """
    found = {}
    for outcomes in sorted(data.glob("*/runs.jsonl")):
        raws = sorted(path for path in outcomes.parent.iterdir() if path.name.split(".")[0] == "raw")
        if raws:
            found[outcomes.parent.name] = Corpus(outcomes.parent.name, raws[0], outcomes)
    missing = sorted(set(names) - set(found))
    if missing or not found:
        raise NoRunsError(
            f"{data} has no {' or '.join(missing) or 'corpus'}: expected NAME/raw.… beside NAME/runs.jsonl"
        )
    return [found[name] for name in dict.fromkeys(names or found)]


def find_contender(name: str) -> Contender:
    """Return the contender of `PRESET` or `PRESET/HEAD`. Raises KeyError with what there is."""
    preset, _, head = name.partition("/")
    usual = find_recipe(preset).head
    return Contender(preset, find_recipe(preset, head or None).head, not head or head == usual)


def has_repeated_tasks(corpus: Corpus) -> bool:
    """Return whether any task has two runs."""
    rows = read_outcomes(corpus.outcomes)
    return len({row.task or row.run for row in rows}) < len(rows)
