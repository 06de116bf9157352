"""Scorer on ONNX Runtime: CPU, or CUDA where the provider is installed and works."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitors.errors import BundleError, MissingExtraError
from monitors.features.protocol import FeatureBatch
from monitors.scorers.protocol import INPUT_NAMES, OUTPUT_NAMES, PADDED_INPUT_NAMES, ScoreBatch, to_inputs

_DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxScorer:
    """Runs a bundle's one-step graph. Thread-safe: ONNX Runtime sessions are, and nothing is kept between calls."""

    def __init__(self, graph: Path, device: str = "auto", threads: int = 1) -> None:
        """Load a graph. `device` is "cpu", "cuda" or "auto" (CUDA where its provider is there, else CPU). Raises
        BundleError, MissingExtraError.
        """
        check_one_runtime()
        import onnxruntime

        available = onnxruntime.get_available_providers()
        if device == "auto":
            device = "cuda" if _DEVICES["cuda"] in available else "cpu"
        if _DEVICES[device] not in available:
            raise MissingExtraError(
                f"device {device!r} needs {_DEVICES[device]}, which is not installed: pip install 'forewarn[gpu]'"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = [_DEVICES[device]] if device == "cpu" else [_DEVICES[device], _DEVICES["cpu"]]
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common root
            raise BundleError(f"{graph} is no graph that ONNX Runtime can load: {error}") from error
        # A provider that is listed can still fail to start (no driver); ONNX Runtime then falls back by itself.
        self.device = "cuda" if _DEVICES["cuda"] in self._session.get_providers() else "cpu"
        inputs = {item.name: item for item in self._session.get_inputs()}
        self._input_names = tuple(inputs)
        outputs = tuple(item.name for item in self._session.get_outputs())
        if self._input_names not in (INPUT_NAMES, PADDED_INPUT_NAMES) or outputs != OUTPUT_NAMES:
            raise BundleError(
                f"{graph} has inputs {tuple(inputs)}: a monitor's graph has {INPUT_NAMES} → {OUTPUT_NAMES}"
            )
        self.state_size = int(inputs["state"].shape[1])

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: zeros, float32 [state_size]."""
        return np.zeros(self.state_size, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states of one raw step of each of B runs."""
        risk, failure, symbol, after = self._session.run(OUTPUT_NAMES, to_inputs(features, state, self._input_names))
        return ScoreBatch(risk, failure, symbol, after)


def check_one_runtime() -> None:
    """Raise MissingExtraError unless exactly one ONNX Runtime is installed: both distributions fill one module and
    break each other.
    """
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if not installed:
        raise MissingExtraError(
            "ONNX Runtime is not installed: pip install 'forewarn[cpu]' (or 'forewarn[gpu]' on a machine with CUDA)"
        )
    if len(installed) > 1:
        raise MissingExtraError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "pip uninstall onnxruntime onnxruntime-gpu, then install the one you need "
            "with forewarn[cpu] or forewarn[gpu]"
        )


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
