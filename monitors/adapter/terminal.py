"""Text as a terminal shows it in the end: without escape sequences, with overwritten lines overwritten.

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
_ODD = re.compile(r"[\x1b\x9b\x9d\x90\x98\x9e\x9f\r\x08]")


def strip_terminal(text: str) -> str:
    """Return the text without ANSI escape sequences; of a line that carriage returns overwrite, what was written last;
    a backspace takes away the character before it. Text without any of these comes back as it is.
    """
    if _ODD.search(text) is None:
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    if "\r" not in text and "\b" not in text:
        return text
    return "\n".join(_settle(line) if "\r" in line or "\b" in line else line for line in text.split("\n"))


def _settle(line: str) -> str:
    """Return what a line shows in the end."""
    written = next((part for part in reversed(line.split("\r")) if part), "")
    if "\b" not in written:
        return written
    kept: list[str] = []
    for char in written:
        if char != "\b":
            kept.append(char)
        elif kept:
            kept.pop()
    return "".join(kept)
