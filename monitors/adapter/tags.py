"""Calls written out in texts: between tags, as JSON or with a tag for each argument, or in fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import orjson

from monitors.stepview import JsonValue

FENCE = "```"
MAX_CALLS = 64
_HEAD = re.compile(r"<([A-Za-z_][\w:-]{0,40})(?:=|[ \t]name=)[\"']?([^\s\"'<>]{1,100})[\"']?>")
_FENCE_HEAD = re.compile(r"([A-Za-z][\w+-]{0,20})?[ \t]*\n")


def read_tags(text: str, tags: Sequence[str]) -> dict[str, list[JsonValue]]:
    """Return what stands between each tag and its end in a text, by tag; a tag without any is left out.

    JSON is parsed; of `<call=name><part=key>value</part></call>` (or ` name="..."`) and of a fenced block with a
    language the entry is {"name", "arguments"}; other text stays text. An end that is missing is the text's. Linear in
    the text for each tag.
    """
    found = {}
    for tag in tags:
        inner = [_read_fence(one) for one in _fences(text)] if tag == FENCE else [*_tagged(text, tag)]
        if inner:
            found[tag] = inner[:MAX_CALLS]
    return found


def with_tags(value: JsonValue, segments: tuple[str, ...], tags: Sequence[str], max_chars: int = 1 << 30) -> JsonValue:
    """Return a copy in which, beside the string at a path of keys and under its key with " tags" after it, what the
    tags in it hold stands by tag; or the value where there is no such string.
    """
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    inner = value[segments[0]]
    if len(segments) > 1:
        return {**value, segments[0]: with_tags(inner, segments[1:], tags, max_chars)}
    found = read_tags(inner[:max_chars], tags) if isinstance(inner, str) else {}
    return {**value, f"{segments[0]} tags": found} if found else value


def _fences(text: str) -> list[str]:
    return text.split(FENCE)[1::2]


def _read_fence(block: str) -> JsonValue:
    head = _FENCE_HEAD.match(block)
    body = block[head.end() :].strip() if head is not None else block.strip()
    parsed = _parsed(body)
    language = head.group(1) if head is not None else None
    return {"name": language, "arguments": body} if isinstance(parsed, str) and language else parsed


def _tagged(text: str, tag: str) -> Iterator[JsonValue]:
    """Yield what stands in each part `<tag>...</tag>`, or `<tag=name>...</tag>`."""
    start = 0
    end_of = f"</{tag}>"
    for _ in range(MAX_CALLS):
        start = text.find(f"<{tag}", start)
        if start < 0:
            return
        plain = text.startswith(">", start + len(tag) + 1)
        head = None if plain else _HEAD.match(text, start)
        if not plain and (head is None or head.group(1) != tag):
            start += 1
            continue
        begin = start + len(tag) + 2 if head is None else head.end()
        end = text.find(end_of, begin)
        end = len(text) if end < 0 else end
        inner = text[begin:end].strip()
        yield _parsed(inner) if head is None else {"name": head.group(2), "arguments": _arguments(inner)}
        start = end


def _arguments(inner: str) -> JsonValue:
    """A tag for each argument, or JSON, or text."""
    found: dict[str, JsonValue] = {}
    start = 0
    for _ in range(MAX_CALLS):
        head = _HEAD.search(inner, start)
        if head is None:
            break
        end = inner.find(f"</{head.group(1)}>", head.end())
        end = len(inner) if end < 0 else end
        found[head.group(2)] = inner[head.end() : end].strip("\n")
        start = end
    return found or _parsed(inner)


def _parsed(text: str) -> JsonValue:
    if text[:1] not in ("{", "["):
        return text
    try:
        value: JsonValue = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return text
    return value
