"""What is kept of scores, byte by byte: of a step, of a run, of a run's shadow."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple


class ScoreRecord(NamedTuple):
    """What is kept of one scored step: 32 bytes. Risks and probabilities are float32, 0 safe … 1 failing; `score`
    higher is worse."""

    turn: int
    risk: float
    failure_probability: float
    score: float
    symbol: int
    received_ms: int
    warning: bool = False
    alert: bool = False
    known: bool = True
    parked: bool = False
    """The step could not be scored and lies in the parking stream; the numbers are those before it."""
    hidden_alert: bool = False
    """The step opened an alert episode that is told to nobody: its run is a control run."""
    new_tool: bool = False
    """The step calls a tool that the bundle's calibration runs never called."""
    filled: int = 0
    """COUNTED and a bit for each field of the StepView that is filled (`coverage.filled_bits`); 0 where the step is
    none that an agent emitted, or was scored before this was kept."""

    def to_bytes(self) -> bytes:
        """The record as it is stored. A stored record is never all zeros, which is what a step not yet scored looks
        like."""
        flags = 1 | self.warning << 1 | self.alert << 2 | self.known << 3 | self.parked << 4
        flags |= self.hidden_alert << 5 | self.new_tool << 6
        return SCORE_LAYOUT.pack(
            self.risk,
            self.failure_probability,
            self.score,
            self.received_ms,
            self.turn,
            min(self.symbol, 0xFFFF),
            flags,
            self.filled,
        )

    @staticmethod
    def from_bytes(raw_record: bytes) -> ScoreRecord | None:
        """The record in these 32 bytes, or None where the step is not scored yet."""
        risk, failure, score, received_ms, turn, symbol, flags, filled = SCORE_LAYOUT.unpack(raw_record)
        if not flags & 1:
            return None
        warning, alert, known, parked = (bool(flags & bit) for bit in (2, 4, 8, 16))
        return ScoreRecord(
            turn,
            risk,
            failure,
            score,
            symbol,
            received_ms,
            warning,
            alert,
            known,
            parked,
            bool(flags & 32),
            bool(flags & 64),
            filled,
        )


SCORE_LAYOUT = struct.Struct("<ffdQIHBB")
SCORE_BYTES = SCORE_LAYOUT.size
COUNTED = 0x80
"""In `ScoreRecord.filled`: what the step's adapter made of it is known."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run's scores come to so far. Written in the same commit as the scores themselves."""

    steps: int = 0
    """Raw steps taken into account: the position of the next one to score."""
    turn: int = 0
    risk: float = 0.0
    failure_probability: float = 0.0
    score: float = 0.0
    max_risk: float = 0.0
    max_failure_probability: float = 0.0
    max_score: float | None = None
    warning: bool = False
    alerts: int = 0
    unknown: int = 0
    parked: int = 0
    scored_ms: int = 0
    hidden_alerts: int = 0
    """Alert episodes that were told to nobody. A control run has these instead of `alerts`."""
    control: bool = False
    """A control run: nothing is told of its alerts. Settled with its first score, for good."""
    rule: int = 0
    """The number of the decision rule that the run has (`monitors.groups`)."""

    def to_bytes(self) -> bytes:
        """The summary as stored, with its format version. Scripts read `steps`, `alerts` and the last three of it."""
        return SUMMARY_LAYOUT.pack(
            SUMMARY_VERSION,
            self.steps,
            self.turn,
            self.alerts,
            self.unknown,
            self.parked,
            self.warning,
            self.scored_ms,
            self.risk,
            self.failure_probability,
            self.score,
            self.max_risk,
            self.max_failure_probability,
            math.nan if self.max_score is None else self.max_score,
            self.hidden_alerts,
            self.control,
            self.rule,
        )

    @staticmethod
    def from_bytes(raw_summary: bytes | None) -> RunSummary:
        """The summary as it was stored; that of a run without scores for None."""
        if not raw_summary:
            return RunSummary()
        if raw_summary[0] < SUMMARY_VERSION:
            # Version 2 ended before control runs.
            raw_summary += bytes(SUMMARY_LAYOUT.size - len(raw_summary))
        _, steps, turn, alerts, unknown, parked, warning, scored_ms, *scores = SUMMARY_LAYOUT.unpack(raw_summary)
        risk, failure, score, max_risk, max_failure, max_score, hidden_alerts, control, rule = scores
        return RunSummary(
            steps=steps,
            turn=turn,
            risk=risk,
            failure_probability=failure,
            score=score,
            max_risk=max_risk,
            max_failure_probability=max_failure,
            max_score=None if math.isnan(max_score) else max_score,
            warning=bool(warning),
            alerts=alerts,
            unknown=unknown,
            parked=parked,
            scored_ms=scored_ms,
            hidden_alerts=hidden_alerts,
            control=bool(control),
            rule=rule,
        )


SUMMARY_VERSION = 3
SUMMARY_LAYOUT = struct.Struct("<BIIIIIBQddddddIBH")


@dataclass(frozen=True, slots=True)
class ShadowSummary:
    """What a shadow's scores of one run come to so far, beside those of the run's own monitor. Written in the same
    commit as the run's scores."""

    steps: int = 0
    """Raw steps taken into account by the shadow."""
    alerts: int = 0
    """Episodes that it would have opened."""
    own_alerts: int = 0
    """Episodes that the run's own monitor opened meanwhile; a control run's, which are told to nobody, as well."""
    compared: int = 0
    """Steps that both scored: what the differences are over."""
    only_shadow_warned: int = 0
    """Steps at which the shadow was in an episode and the run's own monitor was not."""
    only_own_warned: int = 0
    warning: bool = False
    risk: float = 0.0
    failure_probability: float = 0.0
    score: float = 0.0
    max_failure_probability: float = 0.0
    difference: float = 0.0
    """Sum over the compared steps of the shadow's failure probability less the run's own."""
    absolute_difference: float = 0.0
    dropped: str = ""
    """Why the shadow scores this run no longer, if so."""

    def to_bytes(self) -> bytes:
        """The summary as stored, with its format version."""
        return _SHADOW_LAYOUT.pack(
            1,
            self.steps,
            self.alerts,
            self.own_alerts,
            self.compared,
            self.only_shadow_warned,
            self.only_own_warned,
            self.warning,
            self.risk,
            self.failure_probability,
            self.score,
            self.max_failure_probability,
            self.difference,
            self.absolute_difference,
        ) + self.dropped.encode("utf-8", "replace")

    @staticmethod
    def from_bytes(raw_summary: bytes | None) -> ShadowSummary:
        """The summary as it was stored; that of a shadow without scores for None."""
        if not raw_summary:
            return ShadowSummary()
        _, *values = _SHADOW_LAYOUT.unpack_from(raw_summary)
        values[6] = bool(values[6])
        values.append(raw_summary[_SHADOW_LAYOUT.size :].decode())
        return ShadowSummary(**dict(zip(ShadowSummary.__slots__, values, strict=True)))


_SHADOW_LAYOUT = struct.Struct("<BIIIIIIBdddddd")

NO_SHADOW = ShadowSummary()
"""That of a shadow without scores."""
