"""Text logs: a run cut into blocks, a block read as an object of its sections."""

from __future__ import annotations

from monitors.adapter.spec import Blocks


def split_blocks(text: str, blocks: Blocks) -> list[str]:
    """Return the raw steps of a whole text run: a block starts at each line that starts with one of the literals.

    Text before the first block is a raw step of its own where it is not blank. What follows a blank line inside a
    block, where the spec says so, stays out of the block.
    """
    found: list[list[str]] = []
    for line in text.splitlines():
        if not found or line.startswith(blocks.opens):
            found.append([])
        found[-1].append(line)
    kept = ["\n".join(_until_blank_line(lines) if blocks.ends_at_blank_line else lines) for lines in found]
    return [block for block in kept if block.strip()]


def read_block(text: str, blocks: Blocks) -> dict[str, str]:
    """Return the sections of one block: the literal, without its colon, → the text after it, stripped; text before any
    under "".

    A block that holds several literals (an agent that posts action and answer together) gives several sections; a
    repeated one is joined.
    """
    sections: dict[str, list[str]] = {}
    current = sections.setdefault("", [])
    ended = False
    for line in text.splitlines():
        opener = next((literal for literal in blocks.opens if line.startswith(literal)), None)
        if opener is not None:
            current = sections.setdefault(section_key(opener), [])
            current.append(line[len(opener) :])
            ended = False
            continue
        ended = ended or (blocks.ends_at_blank_line and bool(current) and not line.strip())
        if not ended:
            current.append(line)
    return {key: "\n".join(lines).strip() for key, lines in sections.items() if lines}


def section_key(literal: str) -> str:
    """Return the key under which a literal's section stands: the literal without trailing colon and
    surrounding spaces.
    """
    return literal.strip().removesuffix(":").strip()


def _until_blank_line(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if index and not line.strip():
            return lines[:index]
    return lines
