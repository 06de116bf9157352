"""Whether anything is to be masked in a value at all, by one look: patterns that are in its JSON, or in the lines of
its texts, whenever a shape or a rule is in one of its texts. They may be there for nothing, never missing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from monitors.stepview import JsonValue
from service.core.patterns import Pattern, PatternRefused, PatternSet

HINT_BYTES = 8 * 2**20
# Patterns of nothing but letters, digits, and signs that JSON does not escape: alone, in classes, groups, alternatives.
_UNESCAPED = re.compile(
    r"(?:\\[bdw.+-]|[A-Za-z0-9 _@:/#=-]|\[(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|[A-Za-z0-9 _@:/.]|\\[dw.-])+\]"
    r"|[(]\?:|[(]\?i\)|[()|?*+]|\{[0-9]+,?[0-9]*\})+"
)


def build_hint(sources: Sequence[str]) -> Pattern | None:
    """A pattern that is in the lines of all texts of a value if any of these is in one of the texts; None where there
    is no such pattern."""
    # With (?m) a line's beginning and end are a text's; what insists on the text's own cannot be asked of lines.
    if not sources or any(re.search(r"\\[AzCQ]|\(\?[a-zA-Z]*-", source) for source in sources):
        return None
    try:
        return Pattern("(?m)" + "|".join(f"(?:{source})" for source in sources), HINT_BYTES)
    except PatternRefused:
        return None


def build_json_hint(hints: Sequence[str], sources: Sequence[str]) -> PatternSet | None:
    """The hints and sources as a set, each in the unescaped JSON of every value in one of whose texts it is; None where
    there is no such set, or no sources to ask for beside the hints."""
    # What a text's quotes are in JSON is no word's letter either, but no beginning or end. Of what is left without
    # escapes only a class can begin with [^.
    if not sources or any(re.search(r"(?<!\[)\^|\$", re.sub(r"\\.", "", source)) for source in sources):
        return None
    if build_hint(sources) is None:
        return None
    try:
        return PatternSet([*hints, *sources], HINT_BYTES)
    except PatternRefused:
        return None


def widen(source: str) -> str | None:
    """A pattern that is in the JSON of every text in which this one is, escapes and all; None where the pattern may ask
    for what JSON escapes, or for more than is read here."""
    if _UNESCAPED.fullmatch(source) is None:
        return None
    # What stands before a word in JSON may be the letter of an escape. An empty group, as a count may follow.
    return source.replace(r"\b", "(?:)")


def unescape(data: bytes) -> bytes:
    """JSON as orjson writes it, with the characters in place of their escapes: each text is in it as it is."""
    if b"\\" not in data:
        return data
    # Python knows all escapes that orjson writes. Byte by byte, so that UTF-8 stays as it is.
    return data.decode("unicode_escape").encode("latin-1")


def lines_of(value: JsonValue) -> bytes:
    """All texts, names and numbers of a value, each beginning a line."""
    texts: list[str] = []
    level: list[JsonValue] = [value]
    while level:
        one = level.pop()
        if isinstance(one, str):
            texts.append(one)
        elif isinstance(one, dict):
            texts += one
            level += one.values()
        elif isinstance(one, list):
            level += one
        elif isinstance(one, int | float):
            texts.append(orjson.dumps(one).decode())
    return "\n".join(texts).encode("utf-8", "surrogatepass")
