"""How many steps a second a bundle's graph scores on each device, by batch: features go in from the host, scores and
next states come back.

    python scripts/measure_devices.py BUNDLE [--events STEPS.jsonl] [--out docs/results-devices.jsonl]

Appends a row a figure, with date, device and what it is: `run` (a plain call), `bound` (I/O binding) and `kept` (I/O
binding, states stay on the device). Where there is no CUDA its row says why it was not run. Batches are made of the
raw steps in STEPS.jsonl, one a line, or of the bundle's examples.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson

from monitors import Monitor
from monitors.bundle.folder import GRAPH
from monitors.features.protocol import FeatureBatch
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer, has_provider
from monitors.scorers.protocol import Scorer
from monitors.scorers.timing import measure_step_s

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)


def main() -> None:
    """Measure, print and append."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results-devices.jsonl"))
    parser.add_argument("--budget", type=float, default=0.5, help="seconds for each figure")
    given = parser.parse_args()
    monitor = Monitor.read(given.bundle, device="cpu", verify=False)
    raw_steps = (
        [orjson.loads(line) for line in given.events.read_bytes().splitlines()] if given.events else monitor.examples
    )
    with given.out.open("ab") as out:
        for row in measure(monitor, given.bundle / GRAPH, raw_steps, given.budget):
            # On a machine that does other work a batch waits: a row says how busy it was.
            busy = {"bundle": monitor.monitor_id, "load_average": round(os.getloadavg()[0], 1)}
            line = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **row, **busy}
            print(orjson.dumps(line).decode())
            out.write(orjson.dumps(line) + b"\n")


def measure(monitor: Monitor, graph: Path, raw_steps: list[Any], budget_s: float) -> Iterator[dict[str, Any]]:
    """Yield a row a figure; a row with `not_run` for a device that is not there."""
    batches = [make_batch(monitor, raw_steps, size) for size in BATCHES]
    for device in ("cpu", "cuda"):
        about = {"device": device, "hardware": name_hardware(device), "onnxruntime": onnxruntime.__version__}
        if not has_provider(device):
            yield {**about, "not_run": "this ONNX Runtime has no CUDA"}
            continue
        for way in ("run", "bound", "kept"):
            scorer = open_scorer(graph, device, way)
            if scorer.device != device:
                yield {**about, "not_run": "CUDA is installed and did not start"}
                break
            for features in batches:
                size = len(features.opens)
                states = [scorer.initial_state() for _ in range(size)]
                step_s = measure_step_s(scorer, features, states, budget_s)
                yield {**about, "way": way, "batch": size, "steps_per_s": round(size / step_s)}


def open_scorer(graph: Path, device: str, way: str) -> Scorer:
    """Return a scorer on a device that goes one of the ways."""
    if way == "run":
        return OnnxScorer(graph, device)
    # As many states as the largest batch, and those before it, which are alive as long as the batch runs.
    return DeviceScorer(graph, device, capacity=0 if way == "bound" else 2 * max(BATCHES))


def make_batch(monitor: Monitor, raw_steps: list[Any], size: int) -> FeatureBatch:
    """Return features of the first steps of so many runs."""
    views = [monitor.adapter.read(raw_steps[index % len(raw_steps)]).view for index in range(size)]
    memory: np.ndarray = monitor.featuriser.initial_memory()
    return monitor.featuriser.step_batch(views, [memory] * size)[0]


def name_hardware(device: str) -> str:
    """Return what computes: the processor and its cores, or the GPU."""
    if device == "cuda":
        smi = shutil.which("nvidia-smi")
        if smi is None:
            return "none"
        command = [smi, "--query-gpu=name", "--format=csv,noheader"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - found on the PATH
        return listed.stdout.partition("\n")[0].strip() or "none"
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    main()
