"""Text logs: a run cut into blocks, a block read as an object of its sections."""

from __future__ import annotations

from monitors.adapter.spec import Blocks
from monitors.adapter.terminal import strip_clock, strip_terminal

BARS = ":|│┃▸▶»→❯"
RULES = "==--**##~~__━━──══"
"""Two of one of these before a heading draw a line on both sides of it."""


def split_blocks(text: str, blocks: Blocks) -> list[str]:
    """Return the raw steps of a whole text run: a block starts at each line that starts with one of the literals.

    Text before the first block is a raw step of its own where it is not blank. What follows a blank line inside a
    block, where the spec says so, stays out of the block. A literal that leads another shares its block with it.
    Terminal codes are left out, here and in the sections of a block, and so are the times of timed lines.
    """
    found: list[list[str]] = []
    may_follow: tuple[str, ...] = ()
    for line in lines_of(text, blocks):
        opens = line.startswith(blocks.opens)
        if not found or (opens and not (may_follow and line.startswith(may_follow))):
            found.append([])
        if opens and blocks.leads:
            may_follow = next((rest for literal, rest in blocks.leads.items() if line.startswith(literal)), ())
        found[-1].append(line)
    kept = ["\n".join(_until_blank_line(lines, blocks) if blocks.ends_at_blank_line else lines) for lines in found]
    return [block for block in kept if block.strip()]


def lines_of(text: str, blocks: Blocks) -> list[str]:
    """Return the lines of a text as its blocks are found in them."""
    lines = strip_terminal(text).splitlines()
    return [strip_clock(line) for line in lines] if blocks.timed else lines


def read_block(text: str, blocks: Blocks) -> dict[str, str]:
    """Return the sections of one block: the literal, without its colon, → the text after it, stripped; text before any
    under "".

    A block that holds several literals (an agent that posts action and answer together) gives several sections; a
    repeated one is joined. `first` and `whole` add what they say.
    """
    sections: dict[str, list[str]] = {}
    current = sections.setdefault("", [])
    ended = False
    first: str | None = None
    opens, ends_at_blank_line = blocks.opens, blocks.ends_at_blank_line
    for line in lines_of(text, blocks):
        if line.startswith(opens):
            opener = next(literal for literal in opens if line.startswith(literal))
            key = section_key(opener)
            first = key if first is None else first
            current = sections.setdefault(key, [])
            current.append(_after_number(opener, line[len(opener) :]))
            if opener in blocks.then:
                current = sections.setdefault(blocks.then[opener], [])
            ended = False
            continue
        if first is None and line.strip():
            first = ""
        if ends_at_blank_line:
            ended = ended or (bool(current) and not line.strip())
        if not ended:
            current.append(line)
    read = {key: "\n".join(lines).strip() for key, lines in sections.items() if lines}
    if blocks.first is not None:
        read[blocks.first] = first or ""
    if blocks.whole is not None:
        read[blocks.whole] = text
    return read


def _after_number(opener: str, rest: str) -> str:
    """The number between a literal and its colon counts blocks and says nothing: `Thought 3: I look`."""
    if opener[:2] in RULES and not rest.strip(f" 0123456789{RULES}"):
        return ""
    if not opener.rstrip()[-1:].isalnum() or not rest[:1].isdigit():
        return rest
    tail = rest.lstrip("0123456789").lstrip(")]>*")
    return tail[1:] if tail.startswith((":", ".")) else rest if tail else ""


def section_key(literal: str) -> str:
    """Return the key under which a literal's section stands: the literal without trailing colon or bar and
    surrounding spaces.
    """
    return literal.strip().rstrip(BARS).strip() or literal.strip()


def _until_blank_line(lines: list[str], blocks: Blocks) -> list[str]:
    """Each section of a block ends at its blank line."""
    kept: list[str] = []
    ended = False
    for index, line in enumerate(lines):
        ended = (ended or (index > 0 and not line.strip())) and not line.startswith(blocks.opens)
        if not ended:
            kept.append(line)
    return kept
