"""Spans and log records one by one: as raw steps, or why one is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson

from monitors.adapter.spans import EVALUATION, flatten_record, flatten_span, is_step, resource_attributes
from service.core.ingest import check_run_id
from service.errors import NameRefused, RawStepRefused, ServiceError
from service.otlp.conventions import TRACE_ID, find_attribute, is_about_agents
from service.otlp.wire import SPANS, RawItem, Signal, is_id

TRACE_BYTES, SPAN_BYTES = 16, 8
SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Received:
    """One span or log record of an export, flat as the adapter reads it."""

    step: dict[str, Any]
    client_id: str
    """By which a repeat is known."""
    ended_ns: int
    """When it ended, or happened: nanoseconds since 1970 by the sender's clock."""
    trace_id: str
    """In lower case; "" for a log record outside of any trace."""
    named_run: str | None
    """The run that it names itself; None where that is for its trace to say."""
    use: Literal["step", "evaluation", "none"] = "step"
    """What it is taken for."""
    is_root: bool = False
    """True for a span without a parent."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How spans and records are read. `names`: attributes that name the run, the first that is there counts, with
    `trace_id` among them; `only_agents` passes over spans that carry none of the conventions."""

    names: Sequence[str] = ("gen_ai.conversation.id", "session.id", TRACE_ID)
    only_agents: bool = False

    @property
    def by_trace(self) -> bool:
        """True where the trace is the run, whatever else is said."""
        return self.names[0] == TRACE_ID

    def read(self, item: RawItem, signal: Signal) -> Received | ServiceError:
        """A span or log record, checked; or why it is refused."""
        raw_item, group = item
        if not isinstance(raw_item, dict):
            return RawStepRefused("it is no JSON object")
        try:
            return self._read_span(raw_item, group) if signal is SPANS else self._read_record(raw_item, group)
        except (RawStepRefused, NameRefused) as error:
            return error

    def _read_span(self, span: dict[str, Any], group: dict[str, Any]) -> Received:
        if not is_id(span.get("traceId"), TRACE_BYTES):
            raise RawStepRefused("its traceId is not 16 bytes, other than zeros")
        if not is_id(span.get("spanId"), SPAN_BYTES):
            raise RawStepRefused("its spanId is not 8 bytes, other than zeros")
        step = flatten_span(span, resource_attributes(group))
        trace_id, span_id = span["traceId"].lower(), span["spanId"].lower()
        ended_ns = _to_time(span.get("endTimeUnixNano"))
        use: Literal["step", "none"] = "none" if self.only_agents and not is_about_agents(step) else "step"
        is_root = not str(span.get("parentSpanId") or "").strip("0")
        return Received(step, f"span:{trace_id}{span_id}", ended_ns, trace_id, self._name_run(step), use, is_root)

    def _read_record(self, record: dict[str, Any], group: dict[str, Any]) -> Received:
        step = flatten_record(record, resource_attributes(group))
        is_evaluation = step.get("eventName") == EVALUATION
        if not is_evaluation and not is_step(step):
            return Received(step, "", 0, "", None, "none")
        trace_id, named = _trace_of(step), self._name_run(step)
        if not trace_id and named is None:
            raise RawStepRefused(f"it names no run: it has none of {', '.join(self.names)}")
        if is_evaluation:
            return Received(step, "", 0, trace_id, named, "evaluation")
        try:
            client_id = "event:" + blake2b(orjson.dumps(step), digest_size=16).hexdigest()
        except orjson.JSONEncodeError as error:
            raise RawStepRefused(f"JSON cannot carry it: {error}") from None
        return Received(step, client_id, _to_time(step["endTimeUnixNano"]), trace_id, named)

    def _name_run(self, step: dict[str, Any]) -> str | None:
        for name in self.names:
            if name == TRACE_ID:
                if trace_id := _trace_of(step):
                    return trace_id if self.by_trace else None
                continue
            value = find_attribute(step, name)
            if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                continue
            return check_run_name(name, str(value))
        return None


def check_run_name(attribute: str, run_id: str) -> str:
    """The run id that an attribute gives. Raises NameRefused, which shows no more than the id's beginning."""
    try:
        check_run_id(run_id)
    except NameRefused as error:
        shown = run_id if len(run_id) <= SHOWN_CHARS else run_id[:SHOWN_CHARS] + "…"
        raise NameRefused("run_id", f"its {attribute} {shown!r} is no run id: {error}") from None
    return run_id


def _trace_of(step: dict[str, Any]) -> str:
    trace_id = step.get("traceId")
    return str(trace_id).lower() if is_id(trace_id, TRACE_BYTES) else ""


def _to_time(raw_time: Any) -> int:
    """Nanoseconds since 1970 of a 64-bit integer, as JSON number or text."""
    if isinstance(raw_time, str) and raw_time.isascii() and raw_time.isdigit() and len(raw_time) <= 20:
        raw_time = int(raw_time)
    if isinstance(raw_time, bool) or not isinstance(raw_time, int) or not 0 < raw_time < 2**64:
        raise RawStepRefused("it has no time at which it ended: endTimeUnixNano (of a log record timeUnixNano)")
    return raw_time


def tell_refusals(refused: Sequence[ServiceError], kind: str) -> str:
    """Why items of an export were refused: each reason once with how often, a few of them, at most some 1,500
    characters."""
    counts: dict[str, int] = {}
    for error in refused:
        counts[str(error)] = counts.get(str(error), 0) + 1
    shown = [f"{count} of {kind}: {reason[:400]}" for reason, count in list(counts.items())[:3]]
    more = len(counts) - len(shown)
    return "; ".join(shown) + (f"; and {more} other reasons" if more > 0 else "")
