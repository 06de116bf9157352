"""Ingest alone: the API and Redis, nobody scoring, beside what the same server does without us."""

from __future__ import annotations

import sys

from scripts.bench.bench import Bench, Figures
from scripts.bench.load import RunningLoad
from scripts.bench.windows import measure_window

# Nobody scores, so the backlog must hold all that a window takes in.
BACKLOG = str(10_000_000)


def measure_ingest(bench: Bench) -> Figures:
    """`post_per_s`, `ndjson_steps_per_s`, `post_vs_echo`; yardstick `echo_per_s`."""
    figures: Figures = {"ndjson_steps_per_s": None}
    # In turn, twice: what else the machine does meanwhile then meets both.
    posts: list[float] = []
    echoes: list[float] = []
    with bench.service(role="api", max_backlog=BACKLOG) as service:
        echo = [sys.executable, "-m", "scripts.bench.echo"]
        with bench.service(role="api", command=echo) as bare:
            for _ in range(2):
                result = RunningLoad(bench.load("echo"), bare.url, bench.script_file, bench.name("echo")).wait()
                bench.load_cpu_s += result.cpu_s
                echoes.append(result.answered_per_s)
                bench.say(f"  echo: {result.answered_per_s:,.0f}/s")
                window = measure_window(service, bench.load("single"), bench.script_file, bench.name("post"))
                posts.append(bench.note(window, "single POSTs, nobody scoring").accepted_per_s)
        figures["post_api_cpu_us"] = window.cpu_us_per_step["api"]
        if bench.ndjson:
            window = measure_window(service, bench.load("ndjson"), bench.script_file, bench.name("many"))
            figures["ndjson_steps_per_s"] = bench.note(window, "NDJSON, nobody scoring").accepted_per_s
    figures["post_per_s"] = sum(posts) / len(posts)
    figures["echo_per_s"] = sum(echoes) / len(echoes)
    figures["post_vs_echo"] = sum(posts) / sum(echoes)
    return figures
