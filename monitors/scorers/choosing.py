"""Where a bundle's graph runs: what was asked for, what there is, and, for "auto", what is measured to be quicker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer, has_provider
from monitors.scorers.protocol import Scorer
from monitors.scorers.timing import measure_step_s

log = logging.getLogger(__name__)

BATCH = 256
"""Steps of a measured batch: what a busy worker takes at a time. A quiet one is quick enough anywhere."""
BUDGET_S = 0.4
"""Of each device's measurement."""

Batch = tuple[FeatureBatch, Sequence[NDArray[np.float32]]]
OpenScorer = Callable[[Path, str], Scorer]


def open_scorer(graph: Path, device: str) -> Scorer:
    """Return the scorer of a device. On the CPU that is a plain call: I/O binding costs a tenth to a fifth more there.

    Raises BundleError, MissingExtraError.
    """
    return DeviceScorer(graph, device) if device == "cuda" else OnnxScorer(graph, device)


def choose_scorer(
    graph: Path,
    device: str,
    make_batch: Callable[[Scorer, int], Batch],
    open_: OpenScorer = open_scorer,
    is_there: Callable[[str], bool] = has_provider,
) -> Scorer:
    """Return a scorer on "cpu", on "cuda", or, for "auto", on the quicker of the two; one line of the log says why.

    Where CUDA is missing or does not compute, it is the CPU. `make_batch` gives features and states of so many runs for
    a scorer. Takes about a second for "auto" where CUDA is there. Raises BundleError, MissingExtraError.
    """
    on_cpu = open_(graph, "cpu")
    if device == "cpu":
        return on_cpu
    # Who asked for CUDA has to know that it is not used; "auto" asked for nothing.
    says = log.warning if device == "cuda" else log.info
    if not is_there("cuda"):
        says("scoring on the CPU: this ONNX Runtime has no CUDA (the extra gpu in place of cpu has)")
        return on_cpu
    try:
        on_cuda = open_(graph, "cuda")
        batch = make_batch(on_cuda, BATCH)
        cuda_s = measure_step_s(on_cuda, *batch, BUDGET_S)
    except Exception as error:  # noqa: BLE001 - whatever a driver does, the CPU computes the same
        log.warning("scoring on the CPU: CUDA is installed and failed: %s", error)
        return on_cpu
    if on_cuda.device != "cuda":
        log.warning("scoring on the CPU: CUDA is installed and did not start (is there a GPU, and a driver?)")
        return on_cpu
    if device == "cuda":
        log.info("scoring on CUDA: %s a batch of %d steps", _ms(cuda_s), BATCH)
        return on_cuda
    cpu_s = measure_step_s(on_cpu, *batch, BUDGET_S)
    chosen, name = (on_cuda, "CUDA") if cuda_s < cpu_s else (on_cpu, "the CPU")
    log.info("scoring on %s: a batch of %d steps takes %s on CUDA, %s on the CPU", name, BATCH, _ms(cuda_s), _ms(cpu_s))
    return chosen


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"
