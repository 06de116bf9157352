"""Scorer on ONNX Runtime, and the way into ONNX Runtime: which one is installed, and sessions on the CPU or on CUDA."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.errors import BundleError, MissingExtraError
from monitors.features.protocol import FeatureBatch
from monitors.scorers.protocol import INPUT_NAMES, OUTPUT_NAMES, PADDED_INPUT_NAMES, ScoreBatch, to_inputs

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_CUDA_OPTIONS = {
    # TF32 keeps 10 bits of a number: scores would differ from the CPU's by up to 1e-3, and alerts with them.
    "use_tf32": "0",
    # Workers may share one GPU: each takes what it needs, instead of twice as much each time.
    "arena_extend_strategy": "kSameAsRequested",
}


class OnnxScorer:
    """Runs a bundle's one-step graph. Thread-safe: ONNX Runtime sessions are, and nothing is kept between calls."""

    def __init__(self, graph: Path, device: str = "cpu", threads: int = 1) -> None:
        """Load a graph on "cpu" or "cuda". Raises BundleError, MissingExtraError (no CUDA here)."""
        self._session = open_session(graph, device, threads)
        self.device = device_of(self._session)
        self.input_names, self.state_size = read_signature(self._session, graph)

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: zeros, float32 [state_size]."""
        return np.zeros(self.state_size, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states of one raw step of each of B runs."""
        risk, failure, symbol, after = self._session.run(OUTPUT_NAMES, to_inputs(features, state, self.input_names))
        return ScoreBatch(risk, failure, symbol, after)


def open_session(graph: Path | bytes, device: str, threads: int = 1, profile: Path | None = None) -> Any:
    """Return an ONNX Runtime session; on CUDA what has no kernel there runs on the CPU. Where CUDA is installed and
    does not start, it is a session on the CPU: `device_of` tells.

    `profile` is how the file begins in which each node's run is noted. Raises BundleError, MissingExtraError.
    """
    import onnxruntime

    if not has_provider(device):
        raise MissingExtraError(
            f"device {device!r} needs {PROVIDERS[device]}, which is not installed: pip install 'forewarn[gpu]'"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    providers: list[Any] = [PROVIDERS["cpu"]]
    if device == "cuda":
        # CUDA's libraries come as packages, where the loader does not look by itself.
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        providers.insert(0, (PROVIDERS["cuda"], _CUDA_OPTIONS))
    try:
        return onnxruntime.InferenceSession(
            graph if isinstance(graph, bytes) else str(graph), options, providers=providers
        )
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common root
        what = graph if isinstance(graph, Path) else "a graph of our own"
        raise BundleError(f"{what} is no graph that ONNX Runtime can load: {error}") from error


def to_device(array: NDArray[np.float32], device: str) -> Any:
    """Return an ONNX Runtime value on the device with the numbers of an array."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)


def has_provider(device: str) -> bool:
    """Return whether the installed ONNX Runtime knows a device; it may still fail to start there.

    Raises MissingExtraError unless exactly one ONNX Runtime is installed.
    """
    check_one_runtime()
    import onnxruntime

    return PROVIDERS[device] in onnxruntime.get_available_providers()


def device_of(session: Any) -> str:
    """Return where a session runs. A provider that is listed can still fail to start (no driver); ONNX Runtime then
    falls back by itself.
    """
    return "cuda" if PROVIDERS["cuda"] in session.get_providers() else "cpu"


def read_signature(session: Any, graph: Path) -> tuple[tuple[str, ...], int]:
    """Return a graph's input names and the size of a state. Raises BundleError for a graph that is no monitor's."""
    inputs = {item.name: item for item in session.get_inputs()}
    names = tuple(inputs)
    outputs = tuple(item.name for item in session.get_outputs())
    if names not in (INPUT_NAMES, PADDED_INPUT_NAMES) or outputs != OUTPUT_NAMES:
        raise BundleError(f"{graph} has inputs {names}: a monitor's graph has {INPUT_NAMES} → {OUTPUT_NAMES}")
    return names, int(inputs["state"].shape[1])


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
