"""The lines of an archive: steps, and what is known of runs. Format: docs/learning-on.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import zstandard

from induction.errors import UnreadableRawError
from monitors.stepview import JsonValue

SUFFIX = ".jsonl.zst"
RUNS = "runs"
MAX_LINE_BYTES = 64 << 20
"""A longer line is no step that a service took."""
_CHUNK = 1 << 20

Damaged = Callable[[], None]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a run, and the line as it stands."""

    name: str
    """`project:run_id`, as the service names a run."""
    position: int
    step: JsonValue


@dataclass(frozen=True, slots=True)
class RunLine:
    """What is known of a run, as of `entry`."""

    project: str
    run_id: str
    entry: tuple[int, int]
    """Milliseconds since 1970, and a number: the line with the greatest holds."""
    created_ms: int
    steps: int
    """Accepted so far: positions 0 … steps - 1."""
    success: bool | None
    intervened: bool | None
    control: bool
    """Nothing was told of its alerts, so that none of them changed its outcome."""
    agent: str
    task: str
    monitor_id: str
    moved_to: int | None
    """A position at which a step stands that stands at an earlier one too."""

    @property
    def name(self) -> str:
        """`project:run_id`."""
        return f"{self.project}:{self.run_id}"


def find_days(archive: Path) -> list[Path]:
    """Return the folders of an archive's days, in order. Raises UnreadableRawError where there is none."""
    try:
        days = sorted(path for path in archive.iterdir() if _is_day(path))
    except OSError as error:
        raise UnreadableRawError(
            f"{archive} cannot be read: {error.strerror}; --from-archive names the folder of a service's archive"
        ) from None
    if not days:
        raise UnreadableRawError(
            f"{archive} is no archive of a service: it has no folder of a day, such as 2026-01-31 "
            "(the archive is where FOREWARN_ARCHIVE_DIR says, or in the service's --data-dir)"
        )
    return days


def read_raw_steps(days: list[Path], on_damage: Damaged) -> Iterator[bytes]:
    """Yield the lines of steps, day by day; `on_damage` hears of each segment that breaks off."""
    for day in days:
        for segment in sorted(day.glob(f"*{SUFFIX}")):
            yield from _lines(segment, on_damage)


def read_raw_runs(days: list[Path], on_damage: Damaged) -> Iterator[bytes]:
    """Yield the lines of what is known of runs, likewise."""
    for day in days:
        for segment in sorted((day / RUNS).glob(f"*{SUFFIX}")):
            yield from _lines(segment, on_damage)


def parse_step(line: bytes) -> StepLine | None:
    """Return the step in a line, None for one that holds none."""
    values = _parse(line)
    match values:
        case {"project": str(project), "run_id": str(run_id), "position": int(position), "step": step}:
            return StepLine(f"{project}:{run_id}", position, step) if position >= 0 else None
    return None


def parse_run(line: bytes) -> RunLine | None:
    """Return what a line says of a run, None for one that says nothing."""
    values = _parse(line)
    match values:
        case {"project": str(project), "run_id": str(run_id), "entry": str(raw_entry), "steps": int(steps)}:
            milliseconds, _, number = raw_entry.partition("-")
            if not (milliseconds.isdecimal() and number.isdecimal()):
                return None
            return RunLine(
                project,
                run_id,
                (int(milliseconds), int(number)),
                _number(values.get("created_ms")) or 0,
                steps,
                _flag(values.get("success")),
                _flag(values.get("intervened")),
                values.get("control") is True,
                _text(values.get("agent")),
                _text(values.get("task")),
                _text(values.get("monitor_id")),
                _number(values.get("to")),
            )
    return None


def _is_day(path: Path) -> bool:
    try:
        date.fromisoformat(path.name)
    except ValueError:
        return False
    return path.is_dir()


def _lines(segment: Path, on_damage: Damaged) -> Iterator[bytes]:
    try:
        file = segment.open("rb")
    except FileNotFoundError:
        return  # deleted meanwhile, as its retention says
    with file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        rest = b""
        while True:
            try:
                chunk = reader.read(_CHUNK)
            except zstandard.ZstdError:
                on_damage()
                return
            if not chunk or len(rest) > MAX_LINE_BYTES:
                if rest:
                    on_damage()  # a killed process left a frame unfinished: its steps are in another segment
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def _parse(line: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return values if isinstance(values, dict) else {}


def _flag(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
