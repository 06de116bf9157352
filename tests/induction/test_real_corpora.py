"""The inducer on real agent runs: every run is found, and its fields are those of an independent parser."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading import read_runs
from monitors.adapter import compile_adapter
from tests.induction.real_corpora import NAMES, induced
from tests.induction.truth import compare
from tests.induction.truth_corpora import read_truths

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(300)]

BARS = {"tool": 0.95, "args": 0.95, "action": 0.95, "result": 0.90}


@pytest.mark.parametrize("name", NAMES)
def test_every_run_is_found_and_its_fields_are_those_of_an_independent_parser(realdata: Path, name: str) -> None:
    corpus = realdata / name
    spec = induced(corpus / "raw.tar.xz")
    table = OutcomeTable(read_outcomes(corpus / "runs.jsonl"))
    runs = list(read_runs(corpus / "raw.tar.xz", spec))
    found = {row.run for run in runs if (row := table.find(run.file, run.loc))}
    assert len(found) >= 0.99 * len(table.rows)
    truths = read_truths(corpus, name)
    agreement = compare(spec, [(run, truths[run.file, run.loc]) for run in runs])
    shares = {field: agreement.share(field) for field in BARS if agreement.wanted[field]}
    assert shares
    assert {field: share for field, share in shares.items() if share < BARS[field]} == {}
    assert agreement.runs_with_right_turns >= 0.95 * agreement.runs


@pytest.mark.parametrize("name", ["tau2-airline", "tau-airline", "gaia-react", "moatless", "webshop"])
def test_turns_are_within_5_percent_of_the_table_in_95_percent_of_runs(realdata: Path, name: str) -> None:
    """The other two tables count no turns."""
    corpus = realdata / name
    spec = induced(corpus / "raw.tar.xz")
    adapter = compile_adapter(spec)
    table = OutcomeTable(read_outcomes(corpus / "runs.jsonl"))
    wanted = [
        (row.turns, sum(adapter.view(event)[0].actions for event in run.events))
        for run in read_runs(corpus / "raw.tar.xz", spec)
        if (row := table.find(run.file, run.loc)) is not None and row.turns
    ]
    assert wanted
    assert sum(abs(turns - counted) <= 0.05 * turns for turns, counted in wanted) >= 0.95 * len(wanted)


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
