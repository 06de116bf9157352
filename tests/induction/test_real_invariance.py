"""Nothing that tells the outcome or the future reaches a step: such values are replaced in the raw files of real
corpora, and the StepViews stay the same, byte for byte.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from induction.reading import read_runs
from tests.induction.real_corpora import RUN_LISTS, induced, junk, parse, render, scramble, unpack, view_bytes

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(300)]

REVEALING = {
    "tau2-airline": {
        "reward_info", "termination_reason", "review", "user_only_review", "hallucination_check", "duration",
        "end_time", "agent_cost", "user_cost", "tasks", "info",
    },
    "tau-airline": {"reward", "info"},
    "gaia-react": {
        "true_answer", "gt_answer", "prediction", "iteration_limit_exceeded", "parsing_error", "agent_error",
    },
    "moatless": {"info"},
    "who-and-when": {"mistake_step", "mistake_agent", "mistake_reason", "is_correct", "is_corrected", "ground_truth"},
}  # fmt: skip
"""What stands beside the steps and tells how a run ended; in the other two corpora nothing does, or only text."""

STEPS = {
    "tau2-airline": {"messages"},
    "tau-airline": {"traj"},
    "gaia-react": {"intermediate_steps"},
    "moatless": {"transitions", "steps"},
    "who-and-when": {"history"},
}


def replace_beside_steps(name: str, path: str, text: str, rng: random.Random, *, everything: bool) -> str:
    """Replace what reveals the outcome, or every value that no step holds."""
    document = parse(path, text)
    key = RUN_LISTS.get(name)
    holds_runs = name in RUN_LISTS
    runs: list[dict[str, Any]] = document if holds_runs and key is None else document[key] if key else [document]
    owners = [*runs, document] if key is not None else runs
    for owner in owners:
        steps = {*STEPS[name], key} if owner is document else STEPS[name]
        for one in owner.keys() - steps if everything else REVEALING[name] & owner.keys():
            owner[one] = scramble(owner[one], rng)
    return render(path, document)


@pytest.mark.parametrize("everything", [False, True], ids=["what reveals the outcome", "all that no step holds"])
@pytest.mark.parametrize("name", sorted(STEPS))
def test_views_do_not_change_when_values_beside_the_steps_are_replaced(
    realdata: Path, tmp_path: Path, name: str, everything: bool
) -> None:
    raw = realdata / name / "raw.tar.xz"
    rng = random.Random(1)
    spec = induced(raw)
    replaced = []

    def change(path: str, text: str) -> str:
        changed = replace_beside_steps(name, path, text, rng, everything=everything)
        replaced.append(changed != render(path, parse(path, text)))
        return changed

    changed = unpack(raw, tmp_path, change)
    assert any(replaced)
    assert view_bytes(spec, list(read_runs(changed, spec))) == view_bytes(spec, list(read_runs(raw, spec)))


def hide_outcomes_of_log(text: str, rng: random.Random) -> str:
    """Change the score, take the line away, or put one where there was none; and replace the tallies."""
    score = f"Your score (min 0.0, max 1.0): {junk(rng)}"
    if "Your score" in text:
        text = re.sub(r"Your score .*", score if rng.random() < 0.7 else "", text)
    elif re.search(r"Observation:[ ]*\n\n\d+ [\d. ]+\n-+$", text.strip()):
        text = re.sub(r"Observation:[ ]*(?=\n\n\d+ [\d. ]+\n-+\s*$)", f"Observation: {score}", text)
    return re.sub(r"\n\d+ [\d. ]+\n-+\s*$", f"\n{junk(rng)}\n{junk(rng)}\n", text)


def test_views_of_logs_do_not_change_when_scores_and_tallies_are_replaced(realdata: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    raw = realdata / "webshop" / "raw.tar.xz"
    spec = induced(raw)
    changed = unpack(raw, tmp_path, lambda _, text: hide_outcomes_of_log(text, rng))
    assert view_bytes(spec, list(read_runs(changed, spec))) == view_bytes(spec, list(read_runs(raw, spec)))


@pytest.mark.parametrize("words", ["The shop says", ""], ids=["in other words", "not said"])
def test_views_of_logs_do_not_change_with_the_words_that_a_score_is_told_in(
    realdata: Path, tmp_path: Path, words: str
) -> None:
    rng = random.Random(2)
    raw = realdata / "webshop" / "raw.tar.xz"
    spec = induced(raw)
    changed = unpack(
        raw, tmp_path, lambda _, text: re.sub(r"Your score .*", f"{words} {junk(rng)}" if words else "", text)
    )
    assert view_bytes(spec, list(read_runs(changed, spec))) == view_bytes(spec, list(read_runs(raw, spec)))
