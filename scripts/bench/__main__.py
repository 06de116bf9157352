"""`python -m scripts.bench`: measures the live service on this machine; one line of JSON on stdout, progress on
stderr."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from scripts.bench.bars import REFERENCES, judge
from scripts.bench.bench import Bench, Figures
from scripts.bench.bundle import BenchBundle, default_cache, find_bundle, find_data
from scripts.bench.machine import describe_machine
from scripts.bench.measures.features import measure_features
from scripts.bench.measures.growth import measure_growth
from scripts.bench.measures.guarded import measure_guarded
from scripts.bench.measures.ingest import measure_ingest
from scripts.bench.measures.latency import measure_latency
from scripts.bench.measures.memory import measure_memory
from scripts.bench.measures.rate import measure_rates
from scripts.bench.measures.scorer import measure_scorer
from scripts.bench.measures.storage import measure_storage
from scripts.bench.measures.webhook import measure_webhook
from scripts.bench.yardsticks import measure_redis

GROUPS: dict[str, Callable[[Bench], Figures]] = {
    "redis": measure_redis,
    "scorer": measure_scorer,
    "features": measure_features,
    "ingest": measure_ingest,
    "rate": measure_rates,
    "latency": measure_latency,
    "webhook": measure_webhook,
    "guarded": measure_guarded,
    "growth": measure_growth,
    "storage": measure_storage,
    "memory": measure_memory,
}
FORMAT_VERSION = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 whatever the figures are, 1 if a group could not be measured."""
    given = _parse(arguments)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

    machine = describe_machine()
    if given.bundle is not None:
        bundle = BenchBundle(str(given.bundle), given.bundle, given.raw, given.outcomes, fold=None)
    else:
        bundle = find_bundle(given.data or find_data(), given.cache or default_cache(), say)
    with tempfile.TemporaryDirectory(prefix="forewarn-bench-") as folder:
        seconds = 1.0 if given.quick else given.seconds
        bench = Bench(bundle, bundle.scripts(), Path(folder), seconds, given.quick, say)
        figures, failed = _measure(bench, given.only)
    report = _report(bench, figures, failed, machine, time.monotonic() - began)
    line = orjson.dumps(report).decode()
    print(line, flush=True)
    if given.json_file is not None:
        given.json_file.write_text(line + "\n")
    return 1 if failed else 0


def _measure(bench: Bench, only: Sequence[str]) -> tuple[Figures, dict[str, str]]:
    """All figures of the groups, and why a group could not be measured: that stops no other."""
    figures: Figures = {}
    failed: dict[str, str] = {}
    for name, measure in GROUPS.items():
        if name not in only:
            continue
        bench.say(name)
        try:
            figures |= measure(bench)
        except Exception as error:  # noqa: BLE001 - the other groups' figures are worth having
            failed[name] = f"{type(error).__name__}: {error}"
            bench.say(f"  not measured: {failed[name]}")
    return figures, failed


def _report(
    bench: Bench, figures: Figures, failed: dict[str, str], machine: dict[str, Any], took_s: float
) -> dict[str, Any]:
    rounded = {name: _round(value) for name, value in figures.items()}
    bars = {
        name: {key: _round(value) if isinstance(value, float) else value for key, value in verdict.items()}
        for name, verdict in judge(figures).items()
    }
    return {
        "bench": FORMAT_VERSION,
        "quick": bench.quick,
        **rounded,
        "bars": bars,
        "missed": [name for name, verdict in bars.items() if verdict["met"] == "no"],
        "references": REFERENCES,
        "failed": failed,
        "load_cpu_s": _round(bench.load_cpu_s),
        "bundle": bench.bundle.name,
        "step_bytes": len(bench.scripts[0].steps[0]),
        "window_s": bench.seconds,
        "took_s": round(took_s, 1),
        "machine": machine,
    }


def _round(value: float | int | None) -> float | int | None:
    """Four significant digits: no figure here is better than that."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts.bench", description=__doc__)
    parser.add_argument("--only", type=_groups, default=list(GROUPS), help=f"groups: {', '.join(GROUPS)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a window of load (default 10)")
    parser.add_argument("--quick", action="store_true", help="a smoke test: figures of it mean nothing")
    parser.add_argument("--json-file", type=Path, help="write the line there too")
    parser.add_argument("--data", type=Path, help="folder of real agent runs (default: FOREWARN_REALDATA/data)")
    parser.add_argument("--cache", type=Path, help="where trained bundles are kept")
    parser.add_argument("--bundle", type=Path, help="serve this bundle; --raw names the runs to play")
    parser.add_argument("--raw", type=Path, help="finished runs that the bundle's adapter reads")
    parser.add_argument("--outcomes", type=Path, help="their outcomes, where the runs do not state them")
    given = parser.parse_args(arguments)
    if (given.bundle is None) != (given.raw is None):
        parser.error("--bundle and --raw go together")
    if not 1 <= given.seconds <= 120:
        parser.error("--seconds is from 1 to 120")
    return given


def _groups(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: groups are {', '.join(GROUPS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
