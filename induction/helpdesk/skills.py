"""How good an agent is: continuous knobs, drawn anew for every run around the level of its kind."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random

LEVELS = {"strong": 0.97, "medium": 0.72, "weak": 0.16}
"""Kinds of agent with the middle of their knobs."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Knobs from 0 (never gets it right) to 1 (hardly ever slips).

    care: verifies and looks before acting. attention: takes in what the customer says. grounding: says only what was
    done. persistence: tries again after passing trouble. precision: right arguments. rules: knows the policy.
    """

    care: float
    attention: float
    grounding: float
    persistence: float
    precision: float
    rules: float


def draw_skill(rng: Random, level: str) -> Skill:
    """The knobs of one run: the level of the agent's kind, the form of the day, and each knob's own spread."""
    middle = LEVELS[level] + rng.gauss(0.0, 0.07)
    knobs = {field.name: min(0.99, max(0.02, middle + rng.gauss(0.0, 0.09))) for field in fields(Skill)}
    return Skill(**knobs)
