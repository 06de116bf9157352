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
    """One raw step, read: its value, its JSON, and the id by which a repeat is known ("" for none)."""

    step: JsonValue
    data: bytes
    client_id: str = ""


def parse_steps(raw_body: bytes, limits: StepLimits, envelope: bool, idempotency_key: str | None) -> list[RawStep]:
    """The steps of a body: one, or an array of them. Raises RawStepRefused with a JSON pointer to what is wrong."""
    body = parse_json(raw_body)
    many = isinstance(body, list)
    items: list[Any] = body if isinstance(body, list) else [body]
    if len(items) > STEPS_PER_REQUEST:
        raise RawStepRefused(f"one request may hold {STEPS_PER_REQUEST} steps, this one has {len(items)}")
    if idempotency_key is not None:
        if many:
            raise RawStepRefused(
                'Idempotency-Key names one step; for several send ?envelope=true with an "id" in each item'
            )
        _check_id(idempotency_key, "", "the header Idempotency-Key")
    # Too few brackets in all for any step to be too deep: the usual case costs one pass in C.
    shallow = raw_body.count(b"{") + raw_body.count(b"[") <= limits.depth
    steps = []
    for index, item in enumerate(items):
        pointer = f"/{index}" if many else ""
        step, client_id = _open_envelope(item, pointer) if envelope else (item, "")
        if envelope:
            pointer += "/step"
        steps.append(RawStep(step, _check_step(step, pointer, limits, shallow), client_id or idempotency_key or ""))
    return steps


def parse_json(raw_body: bytes) -> Any:
    """The value of a JSON text. Raises RawStepRefused: no NaN, no infinities, no lone surrogates, UTF-8 only."""
    try:
        return orjson.loads(raw_body)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not raw_body.strip() else str(error)
        raise RawStepRefused(f"the body is not JSON (RFC 8259, UTF-8): {reason}") from None


def _open_envelope(item: Any, pointer: str) -> tuple[JsonValue, str]:
    if not isinstance(item, dict) or "step" not in item:
        raise RawStepRefused(
            'with ?envelope=true each item is {"step": <raw step>, "id"?: text, "seq"?: integer}', pointer=pointer
        )
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
    # A sequence number names its step within the run as well as an id does.
    return item["step"], client_id or ("" if seq is None else f"seq\0{seq}")


def _check_id(client_id: str, pointer: str, name: str) -> None:
    if not 1 <= len(client_id) <= CLIENT_ID_CHARS or not client_id.isprintable():
        raise RawStepRefused(f"{name} has 1 to {CLIENT_ID_CHARS} printable characters", pointer=pointer)


def _check_step(step: JsonValue, pointer: str, limits: StepLimits, shallow: bool) -> bytes:
    if not isinstance(step, dict | str):
        found = "null" if step is None else type(step).__name__
        raise RawStepRefused(
            f"a raw step is a JSON object, or a string for a piece of text log; this is {found}", pointer=pointer
        )
    if not shallow and is_deeper(step, limits.depth):
        raise RawStepRefused(
            f"a raw step may nest {limits.depth} arrays and objects; this one goes deeper", pointer=pointer
        )
    data = orjson.dumps(step)
    if len(data) > limits.step_bytes:
        raise RawStepRefused(
            f"a raw step may have {limits.step_bytes} bytes as JSON; this one has {len(data)}", pointer=pointer
        )
    return data


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
