"""The activity of the open turn, and nothing else: which tool the agent called, or that it spoke.

What predictive process monitoring knows of a run (an event log's activity labels): no text, no results, no lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import TURNS, FeatureBatch, StepFeatures, step_each
from monitors.stepview import StepView

SPEAKS = "(speaks)"
"""The activity of an action without a tool."""
MAX_ACTIVITIES = 255
_ACTIVITY = 1


class ActivityFeaturiser:
    """One row a turn: its activity; row 0 is every activity that training did not see. The memory is int64 [2]."""

    kind = "activity"
    n_shape = 1

    def __init__(self, activities: Sequence[str]) -> None:
        if len(activities) > MAX_ACTIVITIES or len(set(activities)) != len(activities):
            raise ValueError(f"activities are at most {MAX_ACTIVITIES} different names")
        self.activities = tuple(activities)
        self.n_rows = 1 + len(self.activities)
        self._rows = {name: row for row, name in enumerate(self.activities, start=1)}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the names of the activities, from row 1 on."""
        return {"activities": np.array(self.activities, np.str_)}

    def initial_memory(self) -> NDArray[np.int64]:
        """Return the memory of a run without steps: int64 [2], the turns and the open turn's activity."""
        return np.zeros(2, np.int64)

    def step(self, view: StepView, memory: NDArray[np.int64]) -> StepFeatures:
        """Return the open turn's activity after one more raw step; none before the first action."""
        opens = view.actions > 0
        turns = int(memory[TURNS]) + view.actions
        activity = self._rows.get(name_activity(view), 0) if opens else int(memory[_ACTIVITY])
        rows = np.full(min(turns, 1), activity, np.int32)
        shape = np.array([np.log1p(turns)], np.float32)
        return StepFeatures(rows, np.ones(rows.size, np.float32), shape, opens, np.array([turns, activity], np.int64))

    def step_batch(
        self, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
    ) -> tuple[FeatureBatch, list[NDArray[np.int64]]]:
        """Return the numbers of one raw step of each of several runs, and their next memories."""
        return step_each(self, views, memories)


def name_activity(view: StepView) -> str:
    """Return the activity of a raw step that acts."""
    return view.tool or SPEAKS
