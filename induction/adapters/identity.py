"""What a run says about itself beside its steps: its id, its task, its outcome; and the time and status of raw
steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from induction.adapters.profiles import PathProfile, profile_events
from induction.adapters.vocabulary import (
    ERROR_KEYS,
    EXIT_CODE_KEYS,
    OUTCOME_KEYS,
    PRIOR_ERROR_PATH,
    RUN_KEYS,
    TASK_KEYS,
    TIME_KEYS,
    last_key,
    matches,
)
from monitors.adapter.pointers import compile_pointer
from monitors.adapter.spec import Outcome, Status
from monitors.stepview import JsonValue

ERROR_TEXTS = ("error:", "traceback (most recent call last)", "exception:")
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def find_run_id(profiles: dict[str, PathProfile], runs: int) -> str | None:
    """Return the path of a value that differs between all runs and has an id's name, or None."""
    unique = {
        path: profile
        for path, profile in profiles.items()
        if "*" not in path and profile.events >= 0.95 * runs and len(profile.distinct) >= 0.99 * profile.events
    }
    return _by_name(unique, RUN_KEYS)


def find_known_id(profiles: dict[str, PathProfile], run_ids: frozenset[str]) -> str | None:
    """Return the path that holds ids which somebody names, in at least nine of ten examples; whatever it is called."""
    held = {
        path: sum(text in run_ids for text in profile.examples) / len(profile.examples)
        for path, profile in profiles.items()
        if "*" not in path and profile.examples
    }
    best = max(held, key=lambda path: (held[path], -path.count("/"), path), default=None)
    return best if best is not None and held[best] >= 0.9 else None


def find_task_id(profiles: dict[str, PathProfile], runs: int) -> str | None:
    """Return the path of the task: a common name, filled in nearly every run, with a scalar value."""
    scalar = {
        path: profile
        for path, profile in profiles.items()
        if "*" not in path and profile.events >= 0.9 * runs and not profile.kinds["dict"] and not profile.kinds["list"]
    }
    return _by_name(scalar, TASK_KEYS)


def find_outcome(profiles: dict[str, PathProfile], runs: int) -> Outcome | None:
    """Return where a run says how it ended: a common name with true/false or numbers from 0 to 1 that differ between
    runs.
    """
    flags = {
        path: profile
        for path, profile in profiles.items()
        if "*" not in path
        and path.count("/") <= 3
        and profile.events >= 0.9 * runs
        and len(profile.distinct) >= 2
        and _is_flag(profile)
    }
    path = _by_name(flags, OUTCOME_KEYS)
    if path is None:
        return None
    return Outcome(path=path, equals=[True]) if flags[path].kinds["bool"] else Outcome(path=path, at_least=1.0)


def find_time(events: Sequence[Sequence[JsonValue]], profiles: dict[str, PathProfile]) -> str | None:
    """Return the path of the raw steps' own time: named so, filled nearly always, and never running backwards within
    a run.
    """
    total = sum(len(run) for run in events)
    candidates = [
        path
        for path, profile in profiles.items()
        if "*" not in path
        and profile.events >= 0.5 * total
        and matches(last_key(path), TIME_KEYS)
        and _is_time(profile)
        and _is_monotone(path, events)
    ]
    return min(candidates, key=lambda path: (path.count("/"), "end" not in last_key(path).lower(), path), default=None)


def find_status(profiles: dict[str, PathProfile], events: int) -> Status:
    """Return how the status of a raw step is derived: error flags, exit codes, error objects, and signs of errors in
    results.
    """
    error_if: dict[str, list[JsonValue]] = {}
    for path, profile in sorted(profiles.items()):
        if "*" in path or path.count("/") > 3:
            continue
        key = last_key(path)
        if matches(key, ERROR_KEYS) and profile.kinds["bool"] == profile.values:
            error_if[path] = [True]
        elif matches(key, ERROR_KEYS) and _is_sometimes_there(profile, events):
            error_if[path] = []
        elif matches(key, EXIT_CODE_KEYS) and profile.kinds["int"] == profile.values and "0" in profile.examples:
            error_if[path] = [int(code) for code in sorted(profile.examples) if code != "0"] or [1]
    error_if = {path: values for path, values in error_if.items() if error_if.get(path.rsplit("/", 1)[0]) != []}
    if PRIOR_ERROR_PATH not in profiles:
        error_if = {PRIOR_ERROR_PATH: [], **error_if}
    return Status(error_if=error_if, error_text=ERROR_TEXTS, ok_if_result=True)


def _is_sometimes_there(profile: PathProfile, events: int) -> bool:
    """An error is told by being there; deep inside a raw step a few sightings may be chance."""
    often = profile.path.count("/") == 1 or profile.events >= 0.01 * events
    return often and profile.events < 0.9 * events and not profile.kinds["bool"]


def profile_runs(raw_runs: Sequence[JsonValue], events: Sequence[str]) -> dict[str, PathProfile]:
    """Return the profile of what stands beside the steps of runs."""
    heads = tuple(pointer.removesuffix("/*") for pointer in events)
    profiles = profile_events([(_without(run, heads), False) for run in raw_runs if isinstance(run, dict)])
    return {path: profile for path, profile in profiles.items() if path.count("/") <= 4}


def _without(run: dict[str, JsonValue], heads: Sequence[str]) -> JsonValue:
    return {
        key: value
        for key, value in run.items()
        if f"/{key}" not in {"/" + head.split("/")[1] for head in heads if head}
    }


def _by_name(profiles: dict[str, PathProfile], names: Sequence[str]) -> str | None:
    """The name earliest in the list wins, then the shallowest path."""
    ranked = [
        (names.index(last_key(path).lower()), path.count("/"), path)
        for path in profiles
        if last_key(path).lower() in names
    ]
    return min(ranked)[2] if ranked else None


def _is_flag(profile: PathProfile) -> bool:
    if profile.kinds["bool"] == profile.values:
        return True
    if profile.kinds["int"] + profile.kinds["float"] != profile.values:
        return False
    return all(0.0 <= float(text) <= 1.0 for text in profile.examples)


def _is_time(profile: PathProfile) -> bool:
    if profile.texts == profile.values:
        return all(_ISO_TIME.match(text) or (text.isdigit() and len(text) >= 10) for text in profile.examples)
    return profile.kinds["int"] + profile.kinds["float"] == profile.values and all(
        float(text) > 1e8 for text in profile.examples
    )


def _is_monotone(path: str, runs: Sequence[Sequence[JsonValue]]) -> bool:
    resolve = compile_pointer(path, 1)
    pairs = backwards = 0
    for run in runs:
        values = [value[0] for event in run if (value := resolve(event)) and value[0] is not None]
        for left, right in pairwise(values):
            pairs += 1
            backwards += type(left) is type(right) and right < left  # type: ignore[operator]
    return pairs > 0 and backwards <= 0.05 * pairs
