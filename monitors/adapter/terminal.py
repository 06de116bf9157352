"""Text as a terminal shows it: without escape sequences, without the frames of progress bars.

Linear in the text whatever it holds: each pattern's parts exclude each other, and a sequence that never ends is cut
off at its line's end.
"""

from __future__ import annotations

import re

MAX_SEQUENCE_CHARS = 4_096

_SEQUENCE = re.compile(
    # Control sequences: colours, cursor moves.
    r"(?:\x1b\[|\x9b)[0-?]{0,256}+[ -/]{0,16}+[@-~]?"
    # Strings to the terminal, such as a window's title or a link: up to BEL or ESC \, at most to the line's end.
    rf"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\r\n]{{0,{MAX_SEQUENCE_CHARS}}}+(?:\x07|\x9c|\x1b\\)?"
    # Everything else after an escape, and an escape alone.
    r"|\x1b[ -/]{0,16}+[0-~]?"
)
_ODD = "\x1b\r\x08"
_ODD_BEYOND_ASCII = "\x9b\x9d\x90\x98\x9e\x9f"


_CLOCK = re.compile(
    r"[ \t]{0,4}[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?[\])]?[ \t|:-]{1,8}"
    # What a logger writes after the time: its name, and the level.
    r"(?:(?:[A-Za-z_][\w.]{0,60}[ \t]?[-:|][ \t]?)?\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL)\]?"
    r"[ \t]{0,8}(?:[|:-][ \t]{0,4}|(?<=\])))?"
)


def strip_clock(line: str) -> str:
    """Return a line without the time, and the logger's level after it, that it may begin with."""
    found = _CLOCK.match(line)
    return line if found is None else line[found.end() :]


def strip_terminal(text: str) -> str:
    """Return the text without ANSI escape sequences.

    Of a line that carriage returns overwrite, its first and its last writing stay, a line each: the first may hold
    the marker that opens a block, the last is what is seen in the end. A backspace takes away the character before it.
    Text without any of these comes back as it is.
    """
    # One character after another is sought much faster than a class of them.
    if not any(char in text for char in (_ODD if text.isascii() else _ODD + _ODD_BEYOND_ASCII)):
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    if "\r" not in text and "\b" not in text:
        return text
    return "\n".join(_settle(line) if "\r" in line or "\b" in line else line for line in text.split("\n"))


def _settle(line: str) -> str:
    written = [part for part in line.split("\r") if part]
    shown = "\n".join(written if len(written) < 3 else (written[0], written[-1]))
    if "\b" not in shown:
        return shown
    kept: list[str] = []
    for char in shown:
        if char != "\b":
            kept.append(char)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)
