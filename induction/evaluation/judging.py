"""The LLM judge under the protocol of every other monitor: one fold to calibrate, the next to test."""

from __future__ import annotations

from dataclasses import replace

from induction.errors import NoRunsError
from induction.evaluation.llm_judge import LlmJudge
from induction.evaluation.metrics import measure
from induction.evaluation.sample import to_sample, to_step_index
from induction.learning.calibrating import calibrate
from induction.learning.labelled import N_FOLDS, LabelledCorpus
from induction.learning.scoring import ScoredRun


def judge_fold(
    judge: LlmJudge, corpus: LabelledCorpus, fold: int, horizon: int = 3
) -> tuple[list[ScoredRun], dict[str, float]]:
    """Return the scored runs of a fold, and their figures with those of the step index beside them.

    The next fold calibrates probabilities and thresholds, as for every preset. Raises LlmError, NoRunsError,
    TooFewRunsError.
    """
    calibrating = list(judge.judge(corpus.runs(lambda _, of: of == (fold + 1) % N_FOLDS)))
    runs = list(judge.judge(corpus.runs(lambda _, of: of == fold)))
    if not runs or not any(run.last_turn for run in runs):
        raise NoRunsError(f"{corpus.raw} has no run in fold {fold} in which an agent acts")
    calibration = calibrate(calibrating, horizon)
    judged = [
        replace(
            run,
            risk=calibration.risk.to_probability(run.score.astype("float32")),
            failure=calibration.failure.to_probability(run.score.astype("float32")),
        )
        for run in runs
    ]
    sample = to_sample(judged, horizon, [calibration.success_maxima])
    figures = measure(sample)
    floor = measure(to_step_index(sample, [calibration.success_turns]))
    figures.update({f"floor_step_index_{name}": value for name, value in floor.items()})
    return judged, {"runs": float(len(runs)), **figures}
