"""An adapter over all of RAW: each raw step's place and StepView, one run in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from induction.reading.files import ReadFault
from induction.reading.runs import read_runs
from monitors.adapter.bounded import bound_text
from monitors.adapter.compiled import compile_adapter
from monitors.adapter.spec import AdapterSpec
from monitors.stepview import StepView

MAX_PATH_CHARS = 4_096
VIEW_FIELDS = ("metadata", "observation", "action", "tool", "args", "result", "status")


@dataclass(frozen=True, slots=True)
class AppliedStep:
    """One raw step read: `file` and `loc` say which run, as in `runs.jsonl`; `index` counts the run's raw steps from
    0; `known` says whether a case of the adapter read it, `truncated` whether a limit of the adapter cut something off.
    """

    file: str
    loc: int | None
    index: int
    view: StepView
    known: bool
    truncated: bool = False

    def to_json(self) -> bytes:
        """Return the step as one line: file, loc, index, and the view's seven fields."""
        view = self.view.to_dict()
        # A file's name may be bytes that are no text; the line must be.
        line = {
            "file": bound_text(self.file, MAX_PATH_CHARS),
            "loc": self.loc,
            "index": self.index,
            "view": {name: view[name] for name in VIEW_FIELDS},
        }
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def apply_adapter(
    raw: Path,
    spec: AdapterSpec,
    *,
    max_runs: int | None = None,
    on_fault: Callable[[ReadFault], None] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Iterator[AppliedStep]:
    """Yield every raw step of RAW (of its first `max_runs` runs, if given) with its StepView, in order.

    Raises UnreadableRawError if RAW itself cannot be read.
    """
    adapter = compile_adapter(spec)
    for run in islice(read_runs(raw, spec, on_fault=on_fault, on_file=on_file), max_runs):
        for index, raw_step in enumerate(run.events):
            reading = adapter.read(raw_step)
            yield AppliedStep(run.file, run.loc, index, reading.view, reading.known, reading.truncated)
