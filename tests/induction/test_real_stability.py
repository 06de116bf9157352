"""On real corpora the adapter hangs neither on the seed, nor on which runs are seen, nor on what keys are called."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import propose_adapter
from induction.reading import read_runs
from monitors.stepview import StepView
from tests.induction.real_corpora import NAMES, RUNS, choose_runs, induced, parse, render, unpack, view_all

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(300)]

# Five inductions of a large corpus take minutes: `make soak` runs all, the suite the quick ones.
QUICK = ("tau-airline", "webshop", "sentinel-organic", "who-and-when")
CORPORA = [pytest.param(name, marks=() if name in QUICK else pytest.mark.soak) for name in NAMES]

FIELDS = ("metadata", "observation", "action", "tool", "args", "result", "status")


@pytest.mark.parametrize("name", CORPORA)
def test_five_seeds_give_the_same_adapter(realdata: Path, name: str) -> None:
    raw = realdata / name / "raw.tar.xz"
    assert {propose_adapter(raw, seed=seed).spec.to_json() for seed in range(1, 5)} == {induced(raw).to_json()}


@pytest.mark.parametrize("name", CORPORA)
def test_adapters_from_20_runs_and_from_200_agree_on_98_percent_of_fields(
    realdata: Path, tmp_path: Path, name: str
) -> None:
    raw = realdata / name / "raw.tar.xz"
    many = 200 if RUNS[name] >= 400 else RUNS[name] // 2
    left = propose_adapter(choose_runs(name, raw, tmp_path / "few", 20, seed=1)).spec
    right = propose_adapter(choose_runs(name, raw, tmp_path / "many", many, seed=1001)).spec
    few, all_of = view_all(left, list(read_runs(raw, left))), view_all(right, list(read_runs(raw, right)))
    fields = same = 0
    for place in few.keys() | all_of.keys():
        mine, other = few.get(place, []), all_of.get(place, [])
        fields += len(FIELDS) * max(len(mine), len(other))
        same += sum(
            getattr(one, name) == getattr(two, name) for one, two in zip(mine, other, strict=False) for name in FIELDS
        )
    assert same >= 0.98 * fields


Rename = Callable[[Any], Any]


def renaming(rng: random.Random) -> Rename:
    """Return a function that gives every key of a value a random word, each key always the same."""

    @cache
    def word(_: str) -> str:
        return "".join(rng.choice("bcdfghjklmnprstvz") + rng.choice("aeiou") for _ in range(4))

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {word(key): rename(item) for key, item in value.items()}
        return [rename(item) for item in value] if isinstance(value, list) else value

    return rename


def with_renamed_values(view: StepView, other: StepView, rename: Rename) -> StepView:
    """Return the view with the keys of its arguments and results renamed, unless the other has them as text as well."""
    args = view.args if view.args == other.args else rename(view.args)
    result = view.result if view.result == other.result else rename(view.result)
    return replace(view, args=args, result=result, metadata=other.metadata)


@pytest.mark.parametrize("name", [one for one in CORPORA if one.values != ("webshop",)])
def test_80_percent_of_views_stay_the_same_when_all_keys_are_random_words(
    realdata: Path, tmp_path: Path, name: str
) -> None:
    raw = realdata / name / "raw.tar.xz"
    rename = renaming(random.Random(9))
    renamed = unpack(raw, tmp_path, lambda path, text: render(path, rename(parse(path, text))))
    spec, other = induced(raw), propose_adapter(renamed).spec
    before = view_all(spec, list(read_runs(raw, spec)))
    after = view_all(other, list(read_runs(renamed, other)))
    same = sum(
        with_renamed_values(one, two, rename) == two
        for place, views in before.items()
        for one, two in zip(views, after.get(place, []), strict=False)
    )
    assert same >= 0.80 * sum(len(views) for views in before.values())
