"""What a monitor is and how it runs: StepView, adapter, featuriser, scorer, decision rule, bundle, session.

Small dependencies only (numpy, numba, orjson, pydantic, one ONNX Runtime): no torch, no web framework, no Redis.
`service` serves what lives here, `induction` makes it; this package knows neither. The names below load on first use,
so that a process which only reads adapters or manifests never pays for numba or ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitors.decision import Alert as Alert
    from monitors.monitor import Monitor as Monitor
    from monitors.monitor import Session as Session
    from monitors.monitor import Verdict as Verdict
    from monitors.run_state import RunState as RunState
    from monitors.stepview import JsonValue as JsonValue
    from monitors.stepview import StepView as StepView

_HOMES = {
    "Alert": "monitors.decision",
    "JsonValue": "monitors.stepview",
    "Monitor": "monitors.monitor",
    "RunState": "monitors.run_state",
    "Session": "monitors.monitor",
    "StepView": "monitors.stepview",
    "Verdict": "monitors.monitor",
}

__all__ = ["Alert", "JsonValue", "Monitor", "RunState", "Session", "StepView", "Verdict"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'monitors' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
