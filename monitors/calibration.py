"""Monotone maps from raw logits to probabilities (Platt, 1999), fitted on held-out runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class PlattMap(BaseModel):
    """p = sigmoid(slope * logit + intercept). The slope is positive, so that ranks, and thus alerts, do not depend on
    it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(gt=0)
    intercept: float

    def to_probability(self, logit: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated probabilities in [0, 1], the same shape as `logit`."""
        score = np.clip(self.slope * logit.astype(np.float64) + self.intercept, -60.0, 60.0)
        probability: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-score))
        return probability
