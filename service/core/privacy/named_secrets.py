"""Secrets known by the name they stand under, whatever they look like: `"password": "x"`, `api_key=x`, `Cookie: x`.

Names are compared whole, without case, with or without `-` and `_` between their words: `accessToken` is one,
`total_tokens` is none. What stands where a secret would, and is none (nothing, `null`, `<password>`, `${PASSWORD}`), is
left alone. In code and prose only those names are looked for that are hardly used for anything else, and a plain word
after a colon stays unless it ends its line: `password: str, …` is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.core.patterns import Pattern, Span

_PLENTY = 8 * 2**20
_PLAIN = (
    "password|passwd|pwd|client[_-]?secret|(?:x[_-]?)?api[_-]?key|(?:access|refresh|id|auth)[_-]?token|private[_-]?key"
)
_NAMES = rf"{_PLAIN}|secret|authorization|(?:set[_-]?)?cookie|connection[_-]?string"
HINT = rf"(?i:{_NAMES})\\*[\"']?(?:\s|\\+[nrt])*[:=]"
"""In the JSON of everything that holds such a secret."""

_IS_NAME = re.compile(f"(?i:{_NAMES})")
# A text in quotes, in JSON or as Python writes it: in a text, in a text of JSON in a text, and deeper. One that does
# not end is taken to the end of its line.
_QUOTED = Pattern(
    rf"\"(?i:{_NAMES})\"\s*:\s*\"((?:[^\"\\\n]|\\.)+)"
    rf"|\\\"(?i:{_NAMES})\\\"\s*:\s*\\\"((?:[^\"\\\n]|\\\\(?:\\.|[^\"\\]))+)"
    rf"|\\\\+\"(?i:{_NAMES})\\\\+\"\s*:\s*\\\\+\"((?:[^\"\\\n]|\\+[^\"\\])+)"
    rf"|[\"'](?i:{_NAMES})[\"']\s*:\s*(?:'((?:[^'\\\n]|\\.)+)|\"((?:[^\"\\\n]|\\.)+))",
    _PLENTY,
)
_ASSIGNED = Pattern(
    rf"(?i:\b(?:{_PLAIN}))[ \t]*=[ \t]*(?:\\*\"([^\"\\\n]+)|\\*'([^'\\\n]+)|([^=;&\s\"'\\][^;&\s\"'\\]*))", _PLENTY
)
_SAID = Pattern(rf"(?i:\b(?:{_PLAIN})):[ \t]*([^\s,;:=\"'\\<>()\[\]{{}}][^\s;\"'\\]*)", _PLENTY)
_COOKIES = Pattern(r"(?i:\b(?:set-)?cookie):[ \t]*([^\s=;,\"'\\]+=[^\r\n\"'\\]+)", _PLENTY)
_ANY = Pattern(HINT, _PLENTY)

_NOTHING = re.compile(
    rb"\s*(?:(?i:null|none|nil|undefined|true|false|required|optional|string|str|\.{3}|n/a)"
    rb"|(?:[*._-]|\xe2\x80\xa2)+|[xX]{3,}|<[^<>]*>|\[[A-Za-z _-]*\]?"
    rb"|\{\{|\{\{?[^{}]*\}\}?|\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|%[A-Za-z_]\w*%|%\(\w+\)s|%s)?\s*"
)
# Where a program reads it from: `self.password`, `os.environ`.
_READ = re.compile(
    rf"(?i:(?:[a-z_]\w*\.)*(?:{_NAMES})|(?:os\.|process\.)(?:environ|getenv|env)\b.*)".encode(), re.DOTALL
)
_CALL = re.compile(rb"[A-Za-z_.]+[(\[]")
_WORD = re.compile(rb"[A-Za-z-]*[.?!]?")
_LONGEST_NOTHING = 200


def is_secret_name(name: str) -> bool:
    """True if what stands under this name is a secret."""
    return _IS_NAME.fullmatch(name) is not None


def is_nothing(value: bytes) -> bool:
    """True if this stands where a secret would, and is none."""
    return len(value) <= _LONGEST_NOTHING and _NOTHING.fullmatch(value) is not None


def find_named(text: bytes) -> Iterator[Span]:
    """Where in a text the secrets are that have a name there, and empty places for looks that found none."""
    if not _ANY.is_in(text):
        return
    for start, end in _QUOTED.spans(text):
        yield start, start if is_nothing(text[start:end]) else end
    for start, end in _ASSIGNED.spans(text):
        yield start, _end_of_assigned(text, start, end)
    for start, end in _SAID.spans(text):
        yield start, _end_of_said(text, start, end)
    yield from _COOKIES.spans(text)


def _end_of_assigned(text: bytes, start: int, end: int) -> int:
    """Where it ends; `start` for none."""
    if text[start - 1 : start] in {b'"', b"'"}:
        return start if is_nothing(text[start:end]) else end
    return _end_of_bare(text, start, end, text[start - 1 : start].isspace())


def _end_of_said(text: bytes, start: int, end: int) -> int:
    until = _end_of_bare(text, start, end, True)
    if _WORD.fullmatch(text, start, until):
        rest = text[end : end + 64].lstrip(b" \t")
        if until < end or (rest and not rest.startswith((b"\n", b"\r", b"\\n", b'"'))):
            return start
    return until


def _end_of_bare(text: bytes, start: int, end: int, may_be_code: bool) -> int:
    """Where what stands there without quotes ends, brackets around it left out."""
    value = text[start:end]
    bare = value.rstrip(b",)]}>")
    if _is_read(value) or _is_read(bare) or (may_be_code and _CALL.match(value)):
        return start
    return start + len(bare)


def _is_read(value: bytes) -> bool:
    return is_nothing(value) or (len(value) <= _LONGEST_NOTHING and _READ.fullmatch(value) is not None)
