"""The wordings at the desk, chosen by a stream of chance of their own.

They never depend on how a run goes, so no phrase gives the outcome away; only *what* is said and done can.
"""

from __future__ import annotations

from random import Random

from induction.helpdesk.agent_phrases import AGENT, DEEDS, THOUGHTS
from induction.helpdesk.customer_phrases import CUSTOMER


class Voice:
    """Picks wordings; two voices made from equal streams say the same."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def customer(self, key: str, **slots: str) -> str:
        """A customer's wording of the utterance."""
        return self._rng.choice(CUSTOMER[key]).format(**slots).replace("?.", "?")

    def agent(self, key: str, **slots: str) -> str:
        """An agent's wording of the utterance."""
        return self._rng.choice(AGENT[key]).format(**slots)

    def deed(self, kind: str, variant: str) -> str:
        """How the agent names a change of the kind, for reports and questions alike."""
        return self._rng.choice(DEEDS[kind]).format(variant=variant)

    def thought(self, key: str) -> str:
        """What the agent thinks before a call of that tool, or before it speaks ("say")."""
        return self._rng.choice(THOUGHTS.get(key, THOUGHTS["change"]))
