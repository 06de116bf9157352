"""The cost ceiling: tokens of all questions and answers together, as the endpoint reports them or else estimated."""

from __future__ import annotations

from induction.errors import LlmError

BYTES_PER_TOKEN = 3
"""Lower than any common tokeniser's average, so that an estimate is rather too high."""

MAX_ANSWER_TOKENS = 16_000
MIN_ANSWER_TOKENS = 800
"""An adapter in fewer tokens than this is none."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


class TokenBudget:
    """Counts tokens against a ceiling."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.spent = 0

    def answer_tokens(self, question_tokens: int) -> int:
        """Return how long the answer to a question may be. Raises LlmError where the ceiling leaves no room for one."""
        left = self.ceiling - self.spent - question_tokens
        if left < MIN_ANSWER_TOKENS:
            raise LlmError(
                f"the cost ceiling of {self.ceiling} tokens leaves no room for another answer: {self.spent} are spent, "
                f"and the question alone has about {question_tokens}"
            )
        return min(left, MAX_ANSWER_TOKENS)

    def charge(self, tokens: int) -> None:
        """Count tokens that were spent, or may have been."""
        self.spent += max(0, tokens)
