"""What raw steps hold and no field of an adapter reads: the first thing to look at where a field stays empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from induction.adapters.profiles import PathProfile, profile_events
from induction.reading.runs import RawRun
from monitors.adapter.pointers import split_pointer
from monitors.adapter.spec import AdapterSpec, Fields

MAX_PATHS = 8
MIN_SHARE = 0.01
"""Of raw steps that hold a path; rarer ones are for nobody to look at."""
FIELDS = tuple(Fields.model_fields)
_KINDS = {"str": "text", "bool": "true or false", "int": "number", "float": "number"}


def find_unread(spec: AdapterSpec, runs: Sequence[RawRun]) -> tuple[str, ...]:
    """Return paths of values that neither a field nor a condition, a status or a time is read from, texts of several
    words first, each with its kind and the share of raw steps that hold it; none where raw steps are text.
    """
    if spec.event.unit == "text":
        return ()
    events = [(event, False) for run in runs for event in run.events]
    read = [_segments(path) for path in _read_paths(spec)]
    unread = [
        profile
        for path, profile in profile_events(events).items()
        if _kind(profile) and profile.events >= MIN_SHARE * len(events) and not _is_read(_segments(path), read)
    ]
    unread.sort(key=lambda profile: (profile.wordy_share < 0.5, -profile.events, profile.path))
    return tuple(f"{one.path} ({_kind(one)}, {one.events / len(events):.0%})" for one in unread[:MAX_PATHS])


def _read_paths(spec: AdapterSpec) -> Iterator[str]:
    event = spec.event
    for case in event.cases:
        yield from case.when
        for name in FIELDS:
            for selector in getattr(case.fields, name):
                yield selector.path
    yield from spec.status.error_if
    yield from event.decode
    yield from event.unfold
    yield from event.tags
    if event.time is not None:
        yield event.time


def _segments(path: str) -> tuple[str, ...]:
    """Every place in a list counts as any."""
    return tuple("*" if part == "*" or part.lstrip("-").isdecimal() else part for part in split_pointer(path))


def _is_read(path: tuple[str, ...], read: Sequence[tuple[str, ...]]) -> bool:
    """Whether it is read itself, with all that holds it, or in part: a text that is parsed has paths inside it."""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in read)


def _kind(profile: PathProfile) -> str:
    """What most of its values are; "" for objects and lists, whose parts are looked at, and null."""
    return _KINDS.get(profile.kinds.most_common(1)[0][0], "")
