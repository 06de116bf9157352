"""Leak checks of the protocol: shuffled outcomes, noise words, files cut before the last step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from induction.adapters.inducing import induce_adapter
from induction.benchmark.controls import make_noise, shuffle_outcomes
from induction.benchmark.fits import Fit, FitKey, fit
from induction.benchmark.plan import Corpus, find_corpora
from induction.benchmark.pooling import STEP_INDEX, pool, to_floors
from induction.benchmark.prefixes import check_prefixes, write_cut_files
from induction.evaluation.metrics import draw_tasks, measure, measure_draws, to_interval
from induction.helpdesk.corpus import write_corpus
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import LabelledCorpus
from induction.learning.training import TrainingSettings
from induction.outcomes import read_outcomes
from monitors import Monitor
from monitors.adapter import AdapterSpec, read_spec
from tests.tiny_bundle import Silent, TinyBundle, shared_tiny_bundle, tiny_spec
from tests.tiny_bundle import write_corpus as write_tiny_corpus


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 runs of the simulated help desk, as chats and as logs."""
    folder = tmp_path_factory.mktemp("helpdesk")
    write_corpus(folder / "desk", runs=120, seed=4, formats=("chat", "react"))
    return folder / "desk"


@pytest.fixture(scope="module")
def chat(helpdesk: Path) -> Corpus:
    return Corpus("chat", helpdesk / "chat" / "raw", helpdesk / "chat" / "runs.jsonl")


def test_shuffling_keeps_runs_and_counts_and_breaks_the_tie_to_outcomes(chat: Corpus, tmp_path: Path) -> None:
    before, after = (read_outcomes(corpus.outcomes) for corpus in (chat, shuffle_outcomes(chat, tmp_path)))

    assert [replace(row, success=True) for row in before] == [replace(row, success=True) for row in after]
    assert Counter(row.success for row in before) == Counter(row.success for row in after)
    agreeing = np.mean([one.success == other.success for one, other in zip(before, after, strict=True)])
    assert agreeing < 0.75


def test_a_shuffled_corpus_is_read_as_the_true_one(chat: Corpus, tmp_path: Path) -> None:
    shuffled = shuffle_outcomes(chat, tmp_path)

    assert (shuffled.name, shuffled.adapter_of, shuffled.raw) == ("chat~shuffled", "chat", chat.raw)


def test_noise_keeps_outcomes_folds_and_turns_and_no_word(chat: Corpus, tmp_path: Path) -> None:
    noise = make_noise(chat, tmp_path)
    spec = read_spec(tmp_path / "adapters" / "chat~noise.json")
    runs = list(LabelledCorpus(noise.raw, spec, noise.outcomes).runs())
    rows = read_outcomes(chat.outcomes)

    assert [(run.run, run.task, run.success, run.fold) for run in runs] == [
        (row.run, row.task, row.success, row.fold) for row in rows
    ]
    assert [len(run.events) for run in runs] == [2 * (row.turns or 0) for row in rows]
    words = {word for run in runs for event in run.events for word in event["text"].split()}  # type: ignore[index,call-overload,union-attr]
    assert words <= {f"w{number:03d}" for number in range(500)}


@pytest.mark.parametrize("name", ["chat", "react"])
def test_cut_files_hold_every_step_but_the_last(helpdesk: Path, tmp_path: Path, name: str) -> None:
    raw, outcomes = helpdesk / name / "raw", helpdesk / name / "runs.jsonl"
    spec = induce_adapter(raw, outcomes).proposal.spec
    write_cut_files(raw, spec, tmp_path / "cut")
    whole, cut = (
        {run.run: run.events for run in LabelledCorpus(path, spec, outcomes).runs()} for path in (raw, tmp_path / "cut")
    )

    assert {run: events[:-1] for run, events in whole.items()} == cut


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


def test_scores_from_cut_files_are_the_same_to_the_last_bit(tiny: TinyBundle, tmp_path: Path) -> None:
    corpus = write_tiny_corpus(tmp_path / "new", seed=9, with_folds=True)
    write_cut_files(corpus.raw, tiny_spec(), tmp_path / "cut")
    whole = LabelledCorpus(corpus.raw, tiny_spec(), corpus.outcomes)
    found = check_prefixes(Monitor.read(tiny.path, device="cpu"), whole, replace(whole, raw=tmp_path / "cut"), 1)

    assert found.runs == 16
    assert found.steps == sum(len(run.events) - 1 for run in whole.runs(lambda _, fold: fold == 1))
    assert found.changed == 0


def test_a_score_that_looked_ahead_would_be_found(tiny: TinyBundle, tmp_path: Path) -> None:
    corpus = write_tiny_corpus(tmp_path / "new", seed=9, with_folds=True)
    whole = LabelledCorpus(corpus.raw, tiny_spec(), corpus.outcomes)
    write_cut_files(corpus.raw, tiny_spec(), tmp_path / "cut")
    for path in (tmp_path / "cut").iterdir():
        records: list[dict[str, Any]] = orjson.loads(path.read_bytes())
        for record in records:
            record["messages"][1]["content"] = "another opening"
        path.write_bytes(orjson.dumps(records))
    found = check_prefixes(Monitor.read(tiny.path, device="cpu"), whole, replace(whole, raw=tmp_path / "cut"), 1)

    assert found.changed > 0


def fit_all(corpus: Corpus, spec: AdapterSpec) -> list[Fit]:
    keys = [FitKey(corpus.name, "new", "default", "gru", 13, fold) for fold in range(5)]
    return [fit(key, corpus.raw, spec, corpus.outcomes, lambda _: None) for key in keys]


def assert_nothing_tells_failures(fits: list[Fit]) -> None:
    sample = pool(fits)
    draws = measure_draws(sample, draw_tasks(sample))
    for k in (3, 5):
        interval = to_interval(draws[f"auroc_fail_{k}"])
        assert interval is not None
        assert interval[0] <= 0.5 <= interval[1]


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.soak
def test_shuffled_outcomes_of_real_runs_cannot_be_told(realdata: Path, tmp_path: Path) -> None:
    (corpus,) = find_corpora(realdata, ["tau-airline"])
    spec = induce_adapter(corpus.raw, corpus.outcomes).proposal.spec

    assert_nothing_tells_failures(fit_all(shuffle_outcomes(corpus, tmp_path), spec))


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.soak
def test_noise_words_tell_nothing_and_rank_no_better_than_the_step_index(realdata: Path, tmp_path: Path) -> None:
    (corpus,) = find_corpora(realdata, ["tau-airline"])
    noise = make_noise(corpus, tmp_path)
    fits = fit_all(noise, read_spec(tmp_path / "adapters" / f"{noise.name}.json"))
    sample = pool(fits)
    clock = to_floors(sample, fits)[STEP_INDEX]()
    weights = draw_tasks(sample)
    ours, floor = (measure_draws(one, weights)["auprc_h3_answered"] for one in (sample, clock))
    interval = to_interval(ours - floor)

    assert_nothing_tells_failures(fits)
    assert interval is not None
    assert interval[0] <= 0, measure(sample)["auprc_h3_answered"]


@pytest.mark.slow
@pytest.mark.realdata
def test_scores_of_real_runs_do_not_look_ahead(realdata: Path, tmp_path: Path) -> None:
    (corpus,) = find_corpora(realdata, ["tau-airline"])
    spec = induce_adapter(corpus.raw, corpus.outcomes).proposal.spec
    whole = LabelledCorpus(corpus.raw, spec, corpus.outcomes)
    settings = BundleSettings(TrainingSettings(max_epochs=2), exclude_fold=0)
    build_bundle(whole, settings, tmp_path / "bundle", Silent())
    write_cut_files(corpus.raw, spec, tmp_path / "cut")
    found = check_prefixes(
        Monitor.read(tmp_path / "bundle", device="cpu"), whole, replace(whole, raw=tmp_path / "cut"), fold=0
    )

    assert found.steps > 500
    assert found.changed == 0
