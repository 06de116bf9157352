"""A gathered corpus that outlives a training that was stopped, so that the same command goes on with the same runs."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from induction.archive.gathering import gather_archive
from induction.archive.selection import REASONS, Selection, Tally

KEPT = "gathered.json"
KEPT_FOR_S = 24 * 3600
"""A corpus gathered longer ago is gathered anew: the archive has more by then, or less where runs were deleted."""


def gather_once(archive: Path, selection: Selection, folder: Path) -> list[str]:
    """Gather into `folder`, unless the same was gathered there within a day; return what to tell people, line by line.

    Raises what `gather_archive` raises.
    """
    request = orjson.loads(orjson.dumps([str(archive.absolute()), asdict(selection)]))
    kept = _read_kept(folder)
    if kept is not None and kept["request"] == request and time.time() - kept["at"] < KEPT_FOR_S:
        return [f"goes on with what was gathered before in {folder}", *kept["lines"]]
    drop_gathered(folder)
    lines = to_lines(gather_archive(archive, selection, folder))
    (folder / KEPT).write_bytes(orjson.dumps({"request": request, "at": time.time(), "lines": lines}))
    return lines


def drop_gathered(folder: Path) -> None:
    """Delete a gathered corpus: raw steps should lie about in no more places than they must."""
    shutil.rmtree(folder, ignore_errors=True)


def to_lines(tally: Tally) -> list[str]:
    """Return in words what was taken and what was left out."""
    by_monitor = ", ".join(f"{count:,} by {name or 'none'}" for name, count in tally.monitors.most_common(5))
    taken = f"taken: {tally.taken:,} runs of {len(tally.tasks):,} tasks, {tally.failures:,} failed"
    lines = [f"{taken}, {tally.steps:,} raw steps; scored {by_monitor}"]
    if tally.without_task:
        lines.append(f"{tally.without_task:,} of them name no task: each counts as a task of its own")
    if tally.control:
        lines.append(f"{tally.control:,} of them are control runs, whose alerts were told to nobody")
    if tally.intervened:
        lines.append(f"{tally.intervened:,} of them had somebody intervene: their outcome may be the warning's doing")
    lines += [f"left out: {tally.left_out[why]:,} that {why}" for why in REASONS if tally.left_out[why]]
    if tally.damaged_segments:
        lines.append(
            f"{tally.damaged_segments:,} segments break off; a killed process leaves that, and no step is lost"
        )
    if tally.unread_lines:
        lines.append(f"{tally.unread_lines:,} lines could not be read")
    return lines


def _read_kept(folder: Path) -> dict[str, Any] | None:
    try:
        kept = orjson.loads((folder / KEPT).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return kept if isinstance(kept, dict) and {"request", "at", "lines"} <= kept.keys() else None
