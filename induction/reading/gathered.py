"""A gathered corpus: runs that were put together from elsewhere, on disk as one file of runs and one of outcomes.

`archive-runs.jsonl` has an object a run, with `steps`: its raw steps as a live agent posted them, so that no adapter's
`source` is asked where they are. `outcomes.jsonl` beside it is a table of outcomes as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from induction.errors import UnreadableRawError
from induction.reading.runs import RawRun
from monitors.stepview import JsonValue

RUNS = "archive-runs.jsonl"
OUTCOMES = "outcomes.jsonl"


class GatheredWriter:
    """Writes a gathered corpus into a folder."""

    def __init__(self, folder: Path) -> None:
        self._runs = (folder / RUNS).open("wb")
        self._outcomes = (folder / OUTCOMES).open("wb")
        self._count = 0

    def __enter__(self) -> GatheredWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs.close()
        self._outcomes.close()

    def add(self, run: str, task: str, *, success: bool, raw_steps: Sequence[bytes], about: dict[str, Any]) -> None:
        """Add a run; `raw_steps` are JSON, `about` goes into its row of the outcomes."""
        row = {"run": run, "file": RUNS, "loc": self._count, "task": task, "success": success, **about}
        self._outcomes.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._runs.write(b'{"run_id":' + orjson.dumps(run) + b',"steps":[' + b",".join(raw_steps) + b"]}\n")
        self._count += 1


def read_gathered(runs: Path) -> Iterator[RawRun]:
    """Yield the runs of a gathered corpus, one in memory at a time. Raises UnreadableRawError."""
    try:
        file = runs.open("rb")
    except OSError as error:
        raise UnreadableRawError(f"{runs} cannot be read: {error.strerror}") from None
    with file:
        for loc, line in enumerate(file):
            content = orjson.loads(line)
            events: list[JsonValue] = content["steps"]
            yield RawRun(RUNS, loc, content["run_id"], None, None, {}, events)
