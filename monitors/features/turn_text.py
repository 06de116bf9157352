"""The text of a turn, as the paper's step encoder reads it: `tool=… status=… action=… args=… result=…` on one line.

Each raw step adds the fields that it fills, in that order, so the text of an open turn only ever grows at its end and
can be counted as it grows. What answers the action without being a tool's result (a user's words, the next page) is
`observation=…`. Metadata, ids and task names never enter it, nor does the outcome: a status is "ok" or "error" of the
raw step itself (reference facts, section 1.3; the differences are in docs/decisions/0010).
"""

from __future__ import annotations

from monitors.stepview import StepView, to_text

NO_TOOL = "NONE"


def render_raw_step(view: StepView) -> str:
    """Return what one raw step adds to the text of its turn; "" if it says nothing."""
    parts = []
    if view.tool or view.actions > 0:
        parts.append(f"tool={view.tool or NO_TOOL}")
    if view.status:
        parts.append(f"status={view.status}")
    if view.action:
        parts.append(f"action={view.action}")
    if args := to_text(view.args):
        parts.append(f"args={args}")
    if result := to_text(view.result):
        parts.append(f"result={result}")
    if view.observation:
        parts.append(f"observation={view.observation}")
    return " ".join(parts)
