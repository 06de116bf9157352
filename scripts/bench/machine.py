"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from service.redis_log.embedded import find_server

PACKAGES = ("uvicorn", "fastapi", "redis", "onnxruntime", "numpy", "numba")


def describe_machine() -> dict[str, Any]:
    """Processor, memory, versions, date, and how busy the machine was before the bench began (load average, 1 min)."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "redis_server": _first_line([str(find_server()), "--version"]),
        "wrk": _first_line([shutil.which("wrk") or "wrk", "--version"]),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except OSError:
        return "not there"
    return (done.stdout + done.stderr).strip().partition("\n")[0][:100]
