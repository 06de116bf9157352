"""Untrusted bytes → raw steps: JSON that is JSON, within limits, with the place named where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from monitors.stepview import JsonValue
from service.errors import RawStepRefused

CLIENT_ID_CHARS = 200
STEPS_PER_REQUEST = 10_000


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What a request may hold. Depth counts nested arrays and objects of one step."""

    body_bytes: int = 8 * 2**20
    step_bytes: int = 2**20
    depth: int = 64


@dataclass(frozen=True, slots=True)
class RawStep:
    """One raw step, read: its value, its JSON, the id by which a repeat is known ("" for none), and the sender's own
    count of it."""

    step: JsonValue
    data: bytes
    client_id: str = ""
    seq: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class GivenStep:
    """A raw step that an edge has made of something else, a span for one; see `NewStep` and `StepGroup`."""

    run_id: str
    step: JsonValue
    client_id: str
    ended_ns: int
    agent: str = ""
    service: str = ""


Parsed = RawStep | RawStepRefused


def parse_steps(raw_body: bytes, limits: StepLimits, envelope: bool, idempotency_key: str | None) -> list[Parsed]:
    """The steps of a body: one, or an array of them. One that is refused does not keep the others out.

    Raises RawStepRefused, with a JSON pointer to what is wrong, where the body as a whole cannot be taken.
    """
    body = parse_json(raw_body)
    many = isinstance(body, list)
    items: list[Any] = body if isinstance(body, list) else [body]
    check_count(len(items))
    if idempotency_key is not None:
        if many:
            raise RawStepRefused(
                'Idempotency-Key names one step; for several send ?envelope=true with an "id" in each item'
            )
        _check_id(idempotency_key, "", "the header Idempotency-Key")
    return [
        _parse_step(item, f"/{index}" if many else "", limits, envelope, idempotency_key or "")
        for index, item in enumerate(items)
    ]


def _parse_step(item: Any, pointer: str, limits: StepLimits, envelope: bool, idempotency_key: str) -> Parsed:
    try:
        if not envelope:
            return RawStep(item, _check_step(item, pointer, limits), idempotency_key)
        step, client_id, seq = _open_envelope(item, pointer)
        return RawStep(step, _check_step(step, f"{pointer}/step", limits), client_id or idempotency_key, seq)
    except RawStepRefused as error:
        return error


def parse_line(raw_line: bytes, index: int, limits: StepLimits) -> tuple[str, Parsed]:
    """The run id and the step of one line of NDJSON; the run id is "" where it could not be read."""
    pointer = f"/{index}"
    try:
        item = parse_json(raw_line, "the line")
        if not isinstance(item, dict) or not isinstance(item.get("run_id"), str):
            raise RawStepRefused(
                'each line is {"run_id": text, "step": <raw step>, "id"?: text, "seq"?: integer}', pointer=pointer
            )
        run_id: str = item.pop("run_id")
    except RawStepRefused as error:
        return "", RawStepRefused(str(error), pointer=pointer)
    return run_id, _parse_step(item, pointer, limits, True, "")


def take_step(given: GivenStep, limits: StepLimits) -> Parsed:
    """A given step as one that was read, or why it is refused."""
    try:
        data = _check_step(given.step, "", limits)
    except RawStepRefused as error:
        return error
    return RawStep(given.step, data, given.client_id, ended_ns=given.ended_ns)


def check_count(steps: int) -> None:
    """Raises RawStepRefused for more steps than one request may hold."""
    if steps > STEPS_PER_REQUEST:
        raise RawStepRefused(f"one request may hold {STEPS_PER_REQUEST} steps, this one has {steps}")


def parse_json(raw_body: bytes, name: str = "the body") -> Any:
    """The value of a JSON text. Raises RawStepRefused: no NaN, no infinities, no lone surrogates, UTF-8 only."""
    try:
        return orjson.loads(raw_body)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not raw_body.strip() else str(error)
        raise RawStepRefused(f"{name} is not JSON (RFC 8259, UTF-8): {reason}") from None


def _open_envelope(item: Any, pointer: str) -> tuple[JsonValue, str, int | None]:
    if not isinstance(item, dict) or "step" not in item:
        raise RawStepRefused(
            'an item in an envelope is {"step": <raw step>, "id"?: text, "seq"?: integer}', pointer=pointer
        )
    if len(item) == 1:
        return item["step"], "", None
    for name in item:
        if name not in {"step", "id", "seq"}:
            raise RawStepRefused('an envelope holds "step", "id" and "seq" only', pointer=f"{pointer}/{_escape(name)}")
    client_id, seq = item.get("id"), item.get("seq")
    if client_id is not None:
        if not isinstance(client_id, str):
            raise RawStepRefused('"id" is a text', pointer=f"{pointer}/id")
        _check_id(client_id, f"{pointer}/id", '"id"')
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 2**53):
        raise RawStepRefused('"seq" is an integer from 0 to 2^53 - 1', pointer=f"{pointer}/seq")
    return item["step"], client_id or "", seq


def _check_id(client_id: str, pointer: str, name: str) -> None:
    if not 1 <= len(client_id) <= CLIENT_ID_CHARS or not client_id.isprintable():
        raise RawStepRefused(f"{name} has 1 to {CLIENT_ID_CHARS} printable characters", pointer=pointer)


def _check_step(step: JsonValue, pointer: str, limits: StepLimits) -> bytes:
    if not isinstance(step, dict | str):
        found = "null" if step is None else type(step).__name__
        raise RawStepRefused(
            f"a raw step is a JSON object, or a string for a piece of text log; this is {found}", pointer=pointer
        )
    data = _to_json(step, pointer)
    # Too few brackets in all for it to be too deep: the usual case costs one pass in C.
    if data.count(b"{") + data.count(b"[") > limits.depth and is_deeper(step, limits.depth):
        raise RawStepRefused(
            f"a raw step may nest {limits.depth} arrays and objects; this one goes deeper", pointer=pointer
        )
    if len(data) > limits.step_bytes:
        raise RawStepRefused(
            f"a raw step may have {limits.step_bytes} bytes as JSON; this one has {len(data)}", pointer=pointer
        )
    return data


def _to_json(step: JsonValue, pointer: str) -> bytes:
    try:
        return orjson.dumps(step)
    except orjson.JSONEncodeError as error:
        raise RawStepRefused(f"a raw step that JSON cannot carry: {error}", pointer=pointer) from None


def is_deeper(value: JsonValue, depth: int) -> bool:
    """True if arrays and objects nest deeper than `depth`. Does not recurse."""
    level: list[Any] = [value]
    for _ in range(depth + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return False
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return True


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
