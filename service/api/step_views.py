"""What routes that take steps hear and say, as documented in /openapi.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.api.values import Probability

RAW_STEP_SCHEMA: dict[str, Any] = {"oneOf": [{"type": "object"}, {"type": "string"}]}


class StepAnswer(BaseModel):
    """One step of the request. What follows `scored` is there once the step is scored."""

    position: int | None = Field(
        None, ge=0, description="The step's place in its run, 0 for the first; null for a step that came early."
    )
    early: bool | None = Field(
        None, description="True if steps before it by `seq` are missing: it is stored, and waits for them a while."
    )
    rejected: bool | None = Field(None, description="True if it was not taken: the whole answer's `rejected` says why.")
    duplicate: bool | None = Field(None, description="True if the step was known already: nothing was stored.")
    scored: bool | None = Field(None, description="With `?wait=score`: whether the score came within the time.")
    parked: bool | None = Field(None, description="True if the step could not be scored and was set aside.")
    turn: int | None = Field(None, description="Agent actions so far.")
    risk: Probability | None = Field(None, description="P(the run fails within the monitor's horizon of turns).")
    failure_probability: Probability | None = Field(None, description="P(the run fails in the end).")
    score: float | None = Field(None, description="The alert statistic; higher is worse.")
    symbol: int | None = Field(None, description="The event symbol that the monitor assigned.")
    state: Literal["ok", "warning"] | None = Field(None, description="`warning` inside an alert episode.")
    alert: bool | None = Field(None, description="True if this step opened an alert episode.")
    known: bool | None = Field(None, description="False if the adapter did not know this kind of step.")


class Rejection(BaseModel):
    """A step that was not taken, while others of its request were."""

    index: int = Field(ge=0, description="The step's place in the request, 0 for the first.")
    status: int = Field(description="What a request with this step alone would have been answered.")
    type: str = Field(description="The type of that problem.")
    detail: str = Field(description="What is wrong with the step.")
    pointer: str | None = Field(None, description="A JSON pointer to what is wrong.")
    retry_after_s: int | None = Field(None, description="Where sending it again later may work.")


class StepsAnswer(BaseModel):
    """What became of a request's steps. Where none was taken the answer is a problem instead."""

    run_id: str | None = Field(None, description="The run in the address, if any.")
    accepted: int = Field(description="Steps stored by this request.")
    duplicates: int = Field(description="Steps that had been stored before.")
    rejected: list[Rejection] = Field(description="Steps that were not taken, while others were.")
    steps: list[StepAnswer] = Field(description="Each step of the request, in its order.")


class Envelope(BaseModel):
    """A raw step with what is known about it beside it."""

    step: dict[str, Any] | str = Field(
        description="The raw step: an object as the agent emits it, or a piece of text log."
    )
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="A repeat of it within the run's last 1,024 steps is a duplicate.",
    )
    seq: int | None = Field(
        None,
        ge=0,
        description="The step's number in the run as the sender counts, from 0: steps out of order are put in "
        "order. Names the step where there is no id.",
    )


class Line(Envelope):
    """A line of NDJSON: a raw step and the run that it belongs to."""

    run_id: str = Field(min_length=1, max_length=200, description="The run that the step belongs to.")
