"""The inducer on real agent runs, against independent truth and the proof of invariance on the raw files."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import propose_adapter
from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading import RawRun, open_raw, read_runs
from monitors.adapter import AdapterSpec, compile_adapter
from tests.induction.truth import Truth, compare, parse_chat, parse_react

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(300)]

REVEALING = {
    "reward_info", "termination_reason", "review", "user_only_review", "hallucination_check", "duration", "end_time",
    "agent_cost", "user_cost", "tasks", "info", "hallucination_retries_used", "auth_classification",
}  # fmt: skip


def read_truths(corpus: Path, name: str) -> dict[tuple[str, int | None], Truth]:
    """Parse every run of a corpus without the inducer."""
    truths: dict[tuple[str, int | None], Truth] = {}
    with open_raw(corpus / "raw.tar.xz") as files:
        for file in files:
            text = file.read().decode()
            if name == "webshop":
                truths[file.path, None] = parse_react(text)
            else:
                document = json.loads(text)
                runs = document["simulations"] if name == "tau2-airline" else document
                for loc, run in enumerate(runs):
                    truths[file.path, loc] = parse_chat(run["messages" if name == "tau2-airline" else "traj"])
    return truths


@pytest.mark.parametrize("name", ["tau2-airline", "tau-airline", "webshop"])
def test_every_run_is_found_and_its_fields_are_those_of_an_independent_parser(realdata: Path, name: str) -> None:
    corpus = realdata / name
    spec = propose_adapter(corpus / "raw.tar.xz").spec
    table = OutcomeTable(read_outcomes(corpus / "runs.jsonl"))
    runs = list(read_runs(corpus / "raw.tar.xz", spec))
    assert {row.run for run in runs if (row := table.find(run.file, run.loc))} == {row.run for row in table.rows}
    truths = read_truths(corpus, name)
    agreement = compare(spec, [(run, truths[run.file, run.loc]) for run in runs])
    assert agreement.share("tool") >= 0.95
    assert agreement.share("args") >= 0.95
    assert agreement.share("action") >= 0.95
    assert agreement.share("result") >= 0.90
    assert agreement.runs_with_right_turns >= 0.95 * agreement.runs


@pytest.mark.parametrize("name", ["tau2-airline", "tau-airline", "webshop", "moatless"])
def test_turns_are_those_of_the_table(realdata: Path, name: str) -> None:
    corpus = realdata / name
    spec = propose_adapter(corpus / "raw.tar.xz").spec
    adapter = compile_adapter(spec)
    table = OutcomeTable(read_outcomes(corpus / "runs.jsonl"))
    wanted = {
        run.run_id: (row.turns, sum(adapter.view(event)[0].actions for event in run.events))
        for run in read_runs(corpus / "raw.tar.xz", spec)
        if (row := table.find(run.file, run.loc)) is not None
    }
    assert sum(turns == counted for turns, counted in wanted.values()) >= 0.95 * len(wanted)


def rewrite_archive(source: Path, target: Path, change: Callable[[str], str]) -> Path:
    with open_raw(source) as files:
        for file in files:
            path = target / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change(file.read().decode()))
    return target


def view_bytes(spec: AdapterSpec, runs: list[RawRun]) -> list[bytes]:
    adapter = compile_adapter(spec)
    return [
        json.dumps([adapter.view(event)[0].to_dict() for event in run.events], sort_keys=True).encode() for run in runs
    ]


def junk(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefghij ") for _ in range(rng.randint(3, 30)))


def scramble(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: scramble(item, rng) for key, item in value.items()}
    if isinstance(value, list):
        return [scramble(item, rng) for item in value]
    return junk(rng)


def hide_outcomes_of_json(text: str, rng: random.Random) -> str:
    document = json.loads(text)
    for key in REVEALING & document.keys():
        document[key] = scramble(document[key], rng)
    for run in document["simulations"]:
        for key in REVEALING & run.keys():
            run[key] = scramble(run[key], rng)
    return json.dumps(document)


def hide_outcomes_of_log(text: str, rng: random.Random) -> str:
    """Change the score, take the line away, or put one where there was none; and replace the tallies."""
    score = f"Your score (min 0.0, max 1.0): {junk(rng)}"
    if "Your score" in text:
        text = re.sub(r"Your score .*", score if rng.random() < 0.7 else "", text)
    elif re.search(r"Observation:[ ]*\n\n\d+ [\d. ]+\n-+$", text.strip()):
        text = re.sub(r"Observation:[ ]*(?=\n\n\d+ [\d. ]+\n-+\s*$)", f"Observation: {score}", text)
    return re.sub(r"\n\d+ [\d. ]+\n-+\s*$", f"\n{junk(rng)}\n{junk(rng)}\n", text)


def test_tau2_views_do_not_change_when_what_reveals_the_outcome_is_replaced(realdata: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    raw = realdata / "tau2-airline" / "raw.tar.xz"
    spec = propose_adapter(raw).spec
    changed = rewrite_archive(raw, tmp_path, lambda text: hide_outcomes_of_json(text, rng))
    assert view_bytes(spec, list(read_runs(changed, spec))) == view_bytes(spec, list(read_runs(raw, spec)))


def test_webshop_views_do_not_change_when_scores_and_tallies_are_replaced(realdata: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    raw = realdata / "webshop" / "raw.tar.xz"
    spec = propose_adapter(raw).spec
    changed = rewrite_archive(raw, tmp_path, lambda text: hide_outcomes_of_log(text, rng))
    assert view_bytes(spec, list(read_runs(changed, spec))) == view_bytes(spec, list(read_runs(raw, spec)))


@pytest.mark.parametrize("name", ["tau2-airline", "webshop"])
def test_five_seeds_give_the_same_adapter(realdata: Path, name: str) -> None:
    raw = realdata / name / "raw.tar.xz"
    assert len({propose_adapter(raw, seed=seed).spec.to_json() for seed in range(5)}) == 1


def test_induction_of_tau2_takes_under_30_seconds_and_1_gb(realdata: Path, tmp_path: Path) -> None:
    raw, out = realdata / "tau2-airline" / "raw.tar.xz", tmp_path / "adapter.json"
    # The peak of the command alone: what getrusage tells begins with the memory of the process that started it.
    program = (
        "import atexit, re, sys; from pathlib import Path; from forewarn.cli import main; "
        "status = Path('/proc/self/status'); "
        "peak = lambda: print(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1], file=sys.stderr); "
        "atexit.register(peak); main(sys.argv[1:])"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, "induce", str(raw), "--out", str(out)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert time.monotonic() - started < 30
    assert int(done.stderr.split()[-1]) < 1_000_000
