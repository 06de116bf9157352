"""Ingest alone: the API and Redis, nobody scoring, beside what the same server does without us."""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack

from scripts.bench.bench import Bench, Figures
from scripts.bench.load import run_load
from scripts.bench.windows import measure_window

# Nobody scores, so the backlog must hold all that a window takes in.
BACKLOG = str(10_000_000)
ROUNDS = 3


def measure_ingest(bench: Bench) -> Figures:
    """`post_per_s`, `ndjson_steps_per_s`, `post_vs_echo`, `post_vs_bare_echo`, `post_vs_echo_cpu`; yardsticks
    `echo_per_s`, `bare_echo_per_s`."""
    per_s: dict[str, list[float]] = {"post": [], "app": [], "bare": []}
    cpu_us: dict[str, list[float]] = {"post": [], "app": [], "bare": []}
    figures: Figures = {"ndjson_steps_per_s": None}
    with ExitStack() as stack:
        echoes = {
            kind: stack.enter_context(
                bench.service(role="api", command=[sys.executable, "-m", "scripts.bench.echo", kind])
            )
            for kind in ("app", "bare")
        }
        service = stack.enter_context(bench.service(role="api", max_backlog=BACKLOG))
        # In turn: what else the machine does meanwhile then meets all.
        for _ in range(1 if bench.quick else ROUNDS):
            for kind, echo in echoes.items():
                load = bench.load("echo", seconds=bench.seconds / 2)
                before = echo.cpu_s()["api"]
                result = run_load(load, echo.url, bench.script_file, bench.name("echo"))
                bench.load_cpu_s += result.cpu_s
                per_s[kind].append(result.answered_per_s)
                cpu_us[kind].append((echo.cpu_s()["api"] - before) / max(1, result.requests) * 1e6)
                bench.say(f"  echo, {kind}: {result.answered_per_s:,.0f}/s")
            load = bench.load("single", seconds=bench.seconds / 2)
            window = measure_window(service, load, bench.script_file, bench.name("post"))
            per_s["post"].append(bench.note(window, "single POSTs, nobody scoring").accepted_per_s)
            cpu_us["post"].append(window.cpu_us_per_step["api"])
        if bench.ndjson:
            window = measure_window(service, bench.load("ndjson"), bench.script_file, bench.name("many"))
            figures["ndjson_steps_per_s"] = bench.note(window, "NDJSON, nobody scoring").accepted_per_s
            figures["ndjson_api_cpu_us"] = window.cpu_us_per_step["api"]
    post, app, bare = (sum(values) / len(values) for values in per_s.values())
    figures |= {"post_per_s": post, "echo_per_s": app, "bare_echo_per_s": bare}
    figures |= {"post_vs_echo": post / app, "post_vs_bare_echo": post / bare}
    # Rates suffer from what else the machine does; what a request costs the server much less.
    post, app, bare = (statistics.median(values) for values in cpu_us.values())
    figures |= {"post_api_cpu_us": post, "echo_cpu_us": app, "bare_echo_cpu_us": bare}
    return figures | {"post_vs_echo_cpu": app / post}
