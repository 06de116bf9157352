"""What nobody should send as a step, and what is to become of it."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass, field
from typing import Any

import orjson

SCORED = 202


@dataclass(frozen=True)
class Poison:
    """A body, and the status that answers it: SCORED where it is a step like any other."""

    name: str
    body: bytes
    status: int = SCORED
    headers: dict[str, str] = field(default_factory=dict)


def user(**fields: Any) -> bytes:
    """A step that the adapter knows, with odd fields."""
    return orjson.dumps({"role": "user", "content": "hello", **fields})


def nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    """A step so deep in all."""
    return b'{"role": "user", "content": ' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


def noise(seed: int, count: int) -> bytes:
    """Random bytes."""
    return random.Random(seed).randbytes(count)


NOT_JSON = [
    Poison("nothing", b"", 400),
    Poison("white space alone", b" \n\t", 400),
    Poison("NaN", b'{"role": "user", "content": NaN}', 400),
    Poison("Infinity", b'{"role": "user", "content": Infinity}', 400),
    Poison("-Infinity", b"[-Infinity]", 400),
    Poison("a number beyond doubles", b'{"role": "user", "content": 1e999}', 400),
    Poison("an integer of 1,000 digits", b'{"role": "user", "content": ' + b"9" * 1000 + b"}", 400),
    Poison("a lone high surrogate", b'{"role": "user", "content": "\\ud83d"}', 400),
    Poison("a lone low surrogate", b'{"role": "user", "content": "\\ude00 \\ud83d"}', 400),
    Poison("a lone surrogate in a key", b'{"role": "user", "\\udead": 1}', 400),
    Poison("a surrogate as bytes", b'{"role": "user", "content": "\xed\xa0\x80"}', 400),
    Poison("invalid UTF-8", b'{"role": "user", "content": "\xff\xfe"}', 400),
    Poison("overlong UTF-8", b'{"role": "user", "content": "\xc0\xaf"}', 400),
    Poison("UTF-16", '{"role": "user", "content": "hello"}'.encode("utf-16"), 400),
    Poison("a byte order mark", b"\xef\xbb\xbf" + user(), 400),
    Poison("a raw control character", b'{"role": "user", "content": "\x00"}', 400),
    Poison("cut off", user()[:-3], 400),
    Poison("two documents", user() + user(), 400),
    Poison("a trailing comma", b'{"role": "user",}', 400),
    Poison("single quotes", b"{'role': 'user'}", 400),
    Poison("noise", noise(1, 5000), 400),
    Poison("gzip that is not said to be", gzip.compress(user()), 400),
    Poison("arrays 10,000 deep", nested(b"[", b"]", 10_000), 400),
    Poison("objects 10,000 deep", nested(b'{"a":', b"}", 10_000), 400),
    Poison("a million opening brackets", b"[" * 1_000_000, 400),
]
NO_STEP = [
    Poison("null", b"null", 400),
    Poison("true", b"true", 400),
    Poison("a number", b"17", 400),
    Poison("an array of numbers", b"[1, 2]", 400),
    Poison("arrays in arrays", b"[[{}]]", 400),
    Poison("65 deep", nested(b"[", b"]", 65), 400),
    Poison("a step of 2 MB", user(content="x" * 2_000_000), 400),
    Poison("a step of 10 MB", user(content="x" * 10_000_000), 413),
    Poison("20,000 steps at once", orjson.dumps([{}] * 20_000), 400),
    Poison("a form", b"role=user", 415, {"Content-Type": "application/x-www-form-urlencoded"}),
    Poison("no media type", user(), 415, {"Content-Type": ""}),
    Poison("an unknown coding", user(), 415, {"Content-Encoding": "br"}),
    Poison("an id of 10,000 characters", user(), 400, {"Idempotency-Key": "x" * 10_000}),
    Poison("an id that cannot be printed", user(), 400, {"Idempotency-Key": "a\tb"}),
]
ODD = [
    Poison("an empty object", b"{}"),
    Poison("an empty text", b'""'),
    Poison("64 deep", nested(b"[", b"]", 64)),
    Poison("brackets in a text", user(content="[" * 100_000)),
    Poison("years from now", user(timestamp="9999-12-31T23:59:59Z", created_at=253402300799, time_ms=10**18)),
    Poison("long before computers", user(timestamp="0001-01-01T00:00:00Z", created_at=-62135596800)),
    Poison("a time that is none", user(timestamp="2026-13-45T99:99:99+99:99", created_at="yesterday")),
    Poison("a text of another time", b'"9999-99-99 99:99:99 Action: search"'),
    Poison("the greatest double", b'{"role": "user", "content": 1.7976931348623157e308}'),
    Poison("below the smallest double", b'{"role": "user", "content": 1e-999, "x": -0.0}'),
    Poison("integers beyond 64 bits", b'{"role": "user", "content": 340282366920938463463374607431768211456}'),
    Poison("the same key twice", b'{"role": "user", "role": "tool", "role": "user", "content": 1, "content": "a"}'),
    Poison("keys that mean something elsewhere", user(**{"__proto__": {}, "$ref": "#", "": 0, "\u0000": 1})),
    Poison("ten thousand keys", user(tags={f"tag-{n}": "x" * 20 for n in range(10_000)})),
    Poison("ten thousand calls", orjson.dumps({"role": "assistant", "content": None, "tool_calls": [
        {"id": str(n), "function": {"name": "refund", "arguments": "{}"}} for n in range(10_000)]})),
    Poison("arguments that are no JSON", orjson.dumps({"role": "assistant", "content": None, "tool_calls": [
        {"id": 7, "function": {"name": ["x"], "arguments": "{" * 5000}}]})),
    Poison("arguments with NaN", orjson.dumps({"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "function": {"name": "f", "arguments": '{"a": NaN, "b": 1e999, "c": "\\ud800"}'}}]})),
    Poison("everything of the wrong kind", user(role=["user"], content={"a": [None, True]}, tool_calls=3)),
    Poison("NUL in a text", b'{"role": "user", "content": "a\\u0000b"}'),
    Poison("all planes of Unicode",
           user(content="".join(map(chr, (*range(1, 0xD800), *range(0xE000, 0x110000, 97)))))),
    Poison("text that runs both ways", user(content="\u202e\u2066\u200b" * 20_000)),
    Poison("a million letters", user(content="a" * 1_000_000)),
    Poison("a million spaces", user(content=" " * 1_000_000)),
    Poison("half a million lines", user(content="\n" * 500_000)),
    Poison("errors without end", user(content="error: " * 140_000)),
    Poison("a text log of a million letters", orjson.dumps("Traceback " * 100_000)),
    Poison("escapes for a terminal", user(content="\x1b[31m\x1b]0;x\x07" * 10_000)),
    Poison("a page with a script", user(content="<script>alert(1)</script>" * 1000)),
    Poison("a step that looks like an envelope", b'{"step": {"step": {}}, "id": "x", "seq": -1}'),
]  # fmt: skip
EVERYTHING = [*NOT_JSON, *NO_STEP, *ODD]
