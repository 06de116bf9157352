"""What an adapter reads of raw steps that no case knows: what stands under common names, and nothing else.

The sample may miss a rare shape. Such a raw step still counts as unknown and opens no turn, but what is there is read
as it would most likely have been inferred. Only calls under common names, where actions and answers stand in one
object, are cases of their own, before those of what is merely seen.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from induction.adapters.profiles import PathProfile
from induction.adapters.vocabulary import (
    PRIOR_ARGS_PATHS,
    PRIOR_ERROR_PATH,
    PRIOR_RESULT_PATHS,
    PRIOR_SAID_PATHS,
    PRIOR_TOOL_PATHS,
)
from monitors.adapter.spec import Case, Fields, Selector

MIN_SHOWN = 5


def read_by_names(*, kinds_are_told: bool) -> Fields:
    """Return the fields of unknown raw steps. Where a key tells kinds apart, a text of an unknown kind is no action."""
    said = _select(PRIOR_SAID_PATHS)
    return Fields(
        observation=said if kinds_are_told else (),
        action=() if kinds_are_told else said,
        tool=_select(PRIOR_TOOL_PATHS),
        args=_select(PRIOR_ARGS_PATHS),
        result=(*_select(PRIOR_RESULT_PATHS), *read_error()),
    )


def common_calls(profiles: dict[str, PathProfile], asked: Container[str], answers: Sequence[Selector]) -> list[Case]:
    """Return cases for calls under common names of which the sample shows too few to overrule what the names say."""
    said = tuple(one for one in _select(PRIOR_SAID_PATHS))
    results = {one.path: one for one in (*answers, *_select(PRIOR_RESULT_PATHS))}
    ordered = tuple(results[path] for path in sorted(results))
    fields = Fields(action=said, args=_select(PRIOR_ARGS_PATHS), result=ordered)
    return [
        Case(when={path: []}, acts=True, fields=fields.model_copy(update={"tool": (Selector(path=path),)}))
        for path in PRIOR_TOOL_PATHS
        if path not in asked and (path not in profiles or profiles[path].values < MIN_SHOWN)
    ]


def read_error() -> tuple[Selector, ...]:
    """Return the selectors of an error that is a text here, and an object with a message there."""
    return (Selector(path=PRIOR_ERROR_PATH, only="text"), Selector(path=f"{PRIOR_ERROR_PATH}/message"))


def _select(paths: tuple[str, ...]) -> tuple[Selector, ...]:
    return tuple(Selector(path=path) for path in paths)
