"""The scorer beside bare ONNX Runtime on the same inputs: batches as a worker makes them, and a step alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from scripts.bench.bench import Bench, Figures

BATCH = 64
ROUNDS = 15


def measure_scorer(bench: Bench) -> Figures:
    """`scorer_vs_ort` and `scorer_vs_ort_single` (throughput of `Scorer.step` ÷ bare session), `monitor_vs_ort` (of all
    that scoring a raw step takes), and the yardsticks `ort_steps_per_s`, `ort_single_steps_per_s`."""
    import onnxruntime

    from monitors.bundle.folder import GRAPH
    from monitors.monitor import Monitor
    from monitors.scorers.protocol import OUTPUT_NAMES, to_inputs

    monitor = Monitor.read(bench.bundle.path, device="cpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(bench.bundle.path / GRAPH), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    figures: Figures = {}
    raw = [orjson.loads(step) for script in bench.scripts for step in script.steps]
    for size, suffix in ((BATCH, ""), (1, "_single")):
        steps = [raw[index % len(raw)] for index in range(size)]
        states = [monitor.initial_state() for _ in steps]
        # Away from the start: states of runs under way.
        for _ in range(3):
            states = [state for state, _ in monitor.advance(states, steps)]
        views = [monitor.adapter.read(step).view for step in steps]
        features, _ = monitor.featuriser.step_batch(views, [state.memory for state in states])
        stacked = np.stack([state.state for state in states])
        inputs = to_inputs(features, stacked, names)
        works: dict[str, Callable[[], Any]] = {
            "ort": lambda inputs=inputs: session.run(OUTPUT_NAMES, inputs),  # type: ignore[misc]
            "scorer": lambda features=features, stacked=stacked: monitor.scorer.step(features, stacked),  # type: ignore[misc]
            "monitor": lambda states=states, steps=steps: monitor.advance(states, steps),  # type: ignore[misc]
        }
        per_s = {
            name: size / cost for name, cost in _seconds(works, max(3, (60 if bench.quick else 640) // size)).items()
        }
        figures[f"scorer_vs_ort{suffix}"] = per_s["scorer"] / per_s["ort"]
        figures[f"monitor_vs_ort{suffix}"] = per_s["monitor"] / per_s["ort"]
        figures[f"ort{suffix}_steps_per_s"] = per_s["ort"]
        figures[f"monitor{suffix}_steps_per_s"] = per_s["monitor"]
        bench.say(f"  batch {size}: " + ", ".join(f"{name} {value:,.0f} steps/s" for name, value in per_s.items()))
    return figures


def _seconds(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Processor seconds of one call of each, the median of rounds that take turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.process_time()
            for _ in range(repeats):
                work()
            taken[name].append((time.process_time() - began) / repeats)
    return {name: statistics.median(values) for name, values in taken.items()}
