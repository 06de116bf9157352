"""Which provider runs each node of a graph: what ONNX Runtime leaves on the CPU makes every step leave the device."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch
from monitors.scorers.onnx_runtime import open_session, read_signature
from monitors.scorers.protocol import OUTPUT_NAMES, to_inputs


def count_nodes(
    graph: Path, device: str, features: FeatureBatch, state: NDArray[np.float32]
) -> Counter[tuple[str, str]]:
    """Return how many nodes each (provider, operator) has run in one step, by ONNX Runtime's own profile. Copies
    between devices are operators of their own, `MemcpyToHost` and `MemcpyFromHost`.
    """
    with tempfile.TemporaryDirectory(prefix="forewarn-profile-") as folder:
        session = open_session(graph, device, profile=Path(folder) / "step")
        names, _ = read_signature(session, graph)
        session.run(OUTPUT_NAMES, to_inputs(features, state, names))
        events = orjson.loads(Path(session.end_profiling()).read_bytes())
    nodes = (event["args"] for event in events if event.get("cat") == "Node" and "provider" in event.get("args", {}))
    return Counter((str(node["provider"]), str(node.get("op_name", "?"))) for node in nodes)
