"""Archives as a service writes them, made here line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import zstandard


class WrittenArchive:
    """An archive in a folder; each call writes a segment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._segments = 0

    def steps(
        self, run_id: str, *steps: Any, first: int = 0, project: str = "default", day: str = "2026-01-02"
    ) -> None:
        """Steps at consecutive positions."""
        lines = [
            {"project": project, "run_id": run_id, "position": position, "received_us": 1, "step": step}
            for position, step in enumerate(steps, first)
        ]
        self._write(self.folder / day, lines)

    def said(self, run_id: str, steps: int, *, entry: str = "5-0", day: str = "2026-01-02", **values: Any) -> None:
        """What is known of a run."""
        plain = {
            "project": "default",
            "run_id": run_id,
            "entry": entry,
            "what": "outcome",
            "created_ms": 1_767_312_000_000,
            "steps": steps,
            "ended_ms": 2,
            "expired": False,
            "success": None,
            "intervened": None,
            "agent": "",
            "task": "",
            "tags": {},
            "monitor_id": "m-1",
        }
        self._write(self.folder / day / "runs", [plain | values])

    def raw(self, data: bytes, day: str = "2026-01-02") -> None:
        """Lines as they are."""
        self._write_bytes(self.folder / day, data)

    def _write(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        self._write_bytes(folder, b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def _write_bytes(self, folder: Path, data: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._segments += 1
        path = folder / f"w1-{self._segments:04d}.jsonl.zst"
        path.write_bytes(zstandard.ZstdCompressor().compress(data))
