"""The bench from beginning to end, in its quick form: what it prints, not how fast anything is."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.tiny_bundle import shared_tiny_bundle

ROOT = Path(__file__).parents[2]
PER_S = ("post_per_s", "echo_per_s", "ndjson_steps_per_s", "redis_steps_per_s", "redis_appends_per_s")


@pytest.mark.slow
@pytest.mark.needs("wrk", "redis-server")
def test_a_quick_bench_prints_one_line_of_json_with_its_figures(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    command = [sys.executable, "-m", "scripts.bench", "--quick", "--only", "redis,ingest,latency"]
    command += ["--bundle", str(tiny.path), "--raw", str(tiny.corpus.raw), "--outcomes", str(tiny.corpus.outcomes)]
    done = subprocess.run(
        [*command, "--json-file", str(tmp_path / "bench.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = done.stdout.splitlines()
    assert (tmp_path / "bench.json").read_text().strip() == line
    report = orjson.loads(line)
    assert report["failed"] == {}
    assert report["step_bytes"] == 2048
    assert all(report[name] > 0 for name in PER_S)
    assert report["post_vs_echo"] == pytest.approx(report["post_per_s"] / report["echo_per_s"], rel=0.01)
    assert 0 < report["event_to_score_p50_ms"] <= report["event_to_score_p99_ms"] < math.inf
    assert report["load_cpu_s"] > 0
    assert report["machine"]["cores"] >= 1
    assert report["bars"]["growth"]["met"] == "not measured"
    assert report["bars"]["post_per_s"]["met"] in {"absolute", "ratio", "no"}


def test_a_group_that_does_not_exist_is_named_with_those_that_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench", "--only", "rate,sped"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "sped: groups are redis, scorer" in done.stderr
