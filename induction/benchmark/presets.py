"""What is compared: the default monitor, and the same network on raw text."""

from __future__ import annotations

from monitors.adapter import AdapterSpec
from monitors.adapter.spec import Cut, Event, Fields, Selector, Status

DEFAULT = "default"
RAW_TEXT = "raw-text"
PRESETS = (DEFAULT, RAW_TEXT)


def to_preset_spec(spec: AdapterSpec, preset: str) -> AdapterSpec:
    """Return the adapter that a preset reads with: the induced one, or for raw text one that shows whole raw steps.

    Raw text keeps what the induced adapter knows of time (which raw step acts, and how often) and of leaks (its cuts),
    and drops what it knows of fields: an agent's raw step is one `action`, any other one `observation`, no status.
    """
    if preset == DEFAULT:
        return spec
    whole = (Selector(path=""),)
    cases = tuple(
        case.model_copy(
            update={"fields": Fields(action=whole, **_calls(case.fields)) if case.acts else Fields(observation=whole)}
        )
        for case in spec.event.cases
    )
    literals = dict.fromkeys(cut.literal for cut in spec.cuts)
    cuts = tuple(Cut(field=field, **{"from": literal}) for literal in literals for field in ("action", "observation"))
    event: Event = spec.event.model_copy(update={"cases": cases, "otherwise": Fields(observation=whole)})
    return spec.model_copy(update={"event": event, "cuts": cuts, "status": Status(), "name": f"{spec.name}, raw text"})


def _calls(fields: Fields) -> dict[str, tuple[Selector, ...]]:
    # Names of calls stay, since they say how many actions a raw step makes; they stand in the raw text anyway.
    return {"tool": fields.tool}
