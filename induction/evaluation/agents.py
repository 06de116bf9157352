"""Who made each run, for figures within one agent: read from the outcomes, never from what a monitor sees."""

from __future__ import annotations

from pathlib import Path

from induction.outcomes import read_outcomes


def read_agents(outcomes: Path | None) -> dict[str, str]:
    """Return run id → agent and model, for the runs whose row says either."""
    found = {}
    for row in read_outcomes(outcomes) if outcomes is not None else []:
        names = [str(row.extra[key]) for key in ("agent", "model") if row.extra.get(key) is not None]
        if names:
            found[row.run] = " · ".join(names)
    return found
