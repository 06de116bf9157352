"""Everything at once on this machine: steps that come in and are scored, each second, with a backlog that does not
grow."""

from __future__ import annotations

from scripts.bench.bench import Bench, Figures
from scripts.bench.service import Service
from scripts.bench.windows import Window, measure_sustained


def find_rate(bench: Bench, service: Service, mode: str) -> Window:
    """The window of the highest load of a kind that scoring keeps up with; measured once in a run of the bench."""
    if mode not in bench.rates:
        window = measure_sustained(service, bench.load(mode), bench.script_file, bench.name(mode))
        bench.rates[mode] = bench.note(window, f"{mode}, scored at once")
    return bench.rates[mode]


def measure_rates(bench: Bench) -> Figures:
    """`end_to_end_steps_per_s` and `end_to_end_single_per_s`, with what a step costs each process."""
    with bench.service() as service:
        for mode in bench.modes:
            find_rate(bench, service, mode)
    figures: Figures = {"end_to_end_steps_per_s": None, "end_to_end_single_per_s": None}
    for mode, name in (("ndjson", "end_to_end_steps_per_s"), ("single", "end_to_end_single_per_s")):
        window = bench.rates.get(mode)
        if window is not None and window.steady:
            figures[name] = window.scored_per_s
        if window is not None:
            figures |= {f"{mode}_{kind}_cpu_us": cost for kind, cost in window.cpu_us_per_step.items()}
    return figures
