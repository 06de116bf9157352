"""One JSON document of any size, walked value by value in a bounded buffer.

Values are found by their brackets and strings alone, and parsed by whoever takes them, so that an item of a huge
document is read by the same parser as a small file: NaN, huge numbers and lone surrogates come out alike. What is left
out: a value that is skipped is not checked beyond its brackets. Of two members with one key the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import IO

from induction.reading.values import parse_json
from monitors.stepview import JsonValue

CHUNK_BYTES = 1 << 20
MAX_KEY_BYTES = 1 << 16

# Possessive throughout: each byte is looked at once, whatever the text holds.
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{}\[\]"]|\Z)', re.DOTALL)
_TO_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TO_SCALAR_END = re.compile(rb"[^\s,\]}]*+")
_BLANK = re.compile(rb"\s*+")
_BRACKETS = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}


class BrokenJsonError(ValueError):
    """The document ends, or stops being JSON, where a value should stand."""


class JsonScanner:
    """A place in a JSON document, moving forward. Memory is the buffer and the value taken, whatever the document's
    size. Every method raises BrokenJsonError where the document is truncated or broken, and what its stream raises.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._buffer = stream.read(CHUNK_BYTES).removeprefix(b"\xef\xbb\xbf")
        self._at = 0
        self._dropped = 0

    @property
    def passed(self) -> int:
        """How many bytes lie behind this place."""
        return self._dropped + self._at

    def peek(self) -> bytes:
        """Return the next byte that is not blank; b"" at the end."""
        while True:
            self._at = self._end_of(_BLANK)
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._fill():
                return b""

    def iter_items(self) -> Iterator[int]:
        """Yield 0, 1, ... with each item of the list that stands here; the caller takes or skips it, or leaves the
        loop to `skip_rest`.
        """
        self._expect(b"[")
        if self.peek() == b"]":
            self._at += 1
            return
        for index in count():
            yield index
            if self._next_or_end(b"]"):
                return

    def iter_members(self) -> Iterator[str]:
        """Yield the key of each member of the object that stands here; the caller takes or skips its value, or leaves
        the loop to `skip_rest`.
        """
        self._expect(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            key = self.take(MAX_KEY_BYTES) if self.peek() == b'"' else None
            if key is None:
                raise BrokenJsonError("a key is missing or huge")
            self._expect(b":")
            yield str(parse_json(key))
            if self._next_or_end(b"}"):
                return

    def take(self, max_bytes: int) -> bytes | None:
        """Return the bytes of the value that stands here, None if there are more than `max_bytes`; stand behind it."""
        kept: list[bytes] = []
        size = 0
        for piece in self._iter_value():
            size += len(piece)
            if size <= max_bytes:
                kept.append(piece)
            else:
                kept.clear()
        return b"".join(kept) if size <= max_bytes else None

    def take_buffered(self) -> list[JsonValue] | None:
        """Return the value that stands here as [value] if it ends within the buffer, else None and stay."""
        self.peek()
        if len(self._buffer) - self._at < CHUNK_BYTES // 2:
            self._fill()
        at, end = self._at, self._buffered_end()
        if end is None:
            return None
        self._at = end
        return [parse_json(self._buffer[at:end])]

    def skip(self) -> None:
        """Stand behind the value that stands here."""
        for _ in self._iter_value():
            pass

    def skip_rest(self) -> None:
        """Stand behind the list or object whose item or member was just taken."""
        for _ in self._iter_nested(1):
            pass

    def find(self, keys: tuple[str, ...]) -> bool:
        """Stand before the value at a path of keys inside the object that stands here, if there is one."""
        return all(self.peek() == b"{" and self._find_member(key) for key in keys)

    def _find_member(self, wanted: str) -> bool:
        for key in self.iter_members():
            if key == wanted:
                return True
            self.skip()
        return False

    def _buffered_end(self) -> int | None:
        first = self._buffer[self._at : self._at + 1]
        if first == b'"':
            found = _TO_STRING_END.match(self._buffer, self._at + 1)
            return found.end() if found is not None else None
        if first not in (b"{", b"["):
            end = self._end_of(_TO_SCALAR_END)
            return end if end < len(self._buffer) and end > self._at else None
        depth, at = 0, self._at
        while True:
            at, kind = self._next_bracket(at)
            if kind not in _BRACKETS:
                return None
            depth += _BRACKETS[kind]
            if depth == 0:
                return at

    def _iter_value(self) -> Iterator[bytes]:
        first = self.peek()
        if first in (b"{", b"["):
            self._at += 1
            yield first
            yield from self._iter_nested(1)
        elif first == b'"':
            self._at += 1
            yield first
            yield from self._iter_string()
        else:
            yield from self._iter_scalar()

    def _iter_scalar(self) -> Iterator[bytes]:
        size = 0
        while True:
            end = self._end_of(_TO_SCALAR_END)
            piece, self._at = self._buffer[self._at : end], end
            size += len(piece)
            yield piece
            if end < len(self._buffer) or not self._fill():
                break
        if not size:
            raise BrokenJsonError("a value is missing")

    def _iter_string(self) -> Iterator[bytes]:
        """Yield the rest of a string whose opening quote was passed, its closing quote included."""
        while True:
            found = _TO_STRING_END.match(self._buffer, self._at)
            if found is not None:
                self._at = found.end()
                yield found.group()
                return
            piece = self._buffer[self._at :]
            if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
                piece = piece[:-1]  # a backslash belongs to the byte after it, which is yet to come
            self._at += len(piece)
            yield piece
            self._need_more()

    def _iter_nested(self, depth: int) -> Iterator[bytes]:
        """Yield the rest of a list or object that is open `depth` times, its last bracket included."""
        at = self._at
        while True:
            at, kind = self._next_bracket(at)
            depth += _BRACKETS.get(kind, 0)
            if depth == 0 or kind not in _BRACKETS:
                piece, self._at = self._buffer[self._at : at], at
                yield piece
                if depth == 0:
                    return
                if kind == b'"':
                    yield from self._iter_string()
                else:
                    self._need_more()
                at = self._at

    def _next_bracket(self, at: int) -> tuple[int, bytes]:
        """Return where the next bracket outside strings ends, and which it is; the quote of a string that does not end
        in the buffer stands for itself, b"" for the buffer's end.
        """
        found = _TO_BRACKET.match(self._buffer, at)
        assert found is not None
        return found.end(), found[1]

    def _end_of(self, pattern: re.Pattern[bytes]) -> int:
        found = pattern.match(self._buffer, self._at)
        assert found is not None  # both patterns match nothing too
        return found.end()

    def _next_or_end(self, closing: bytes) -> bool:
        byte = self.peek()
        if byte not in (b",", closing) or not byte:
            raise BrokenJsonError("a comma or closing bracket is missing")
        self._at += 1
        return byte == closing

    def _expect(self, byte: bytes) -> None:
        if self.peek() != byte:
            raise BrokenJsonError(f"{byte.decode()} is missing")
        self._at += 1

    def _fill(self) -> bool:
        more = self._stream.read(CHUNK_BYTES)
        self._buffer = self._buffer[self._at :] + more
        self._dropped += self._at
        self._at = 0
        return bool(more)

    def _need_more(self) -> None:
        if not self._fill():
            raise BrokenJsonError("the document ends inside a value")
