"""The pages of the documentation and their blocks, with what the comments before blocks say of testing them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"sh", "python", "json", "text", "yaml", "toml", "markdown", "promql", "http"}
# A block that begins like this is a command, whatever its tag says.
COMMAND = re.compile(
    r"^\s*(?:\$ )?(?:\w+=\S* )*(?:forewarn|curl|make|python3?|pip|docker|kubectl|helm|promtool|git) [^─]*$",
    re.MULTILINE,
)
_FENCE = re.compile(
    r"(?P<said>(?:^[ ]*<!-- test: [^\n]* -->\n+)*)^(?P<indent>[ ]*)```(?P<kind>\w*)\n(?P<text>.*?)^[ ]*```[ ]*$",
    re.DOTALL | re.MULTILINE,
)
_SAID = re.compile(r"<!-- test: (.*?) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Path of the page in the project."""
    line: int
    kind: str
    """The fence's tag; empty without one."""
    text: str
    said: tuple[str, ...]
    """What the comments right before it say: `serve`, `serve until …`, `output`, `elsewhere`, `skip: …`, `let NAME=…`,
    `before: …`."""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def skipped(self) -> str | None:
        """Why it is not run; None if it is."""
        return self.value("skip: ")

    @property
    def serves(self) -> bool:
        """Whether it starts a service that stays up for the rest of the page."""
        return "serve" in self.said or self.value("serve until ") is not None

    def value(self, word: str) -> str | None:
        return next((said.removeprefix(word) for said in self.said if said.startswith(word)), None)


def page_paths() -> list[str]:
    """The pages that hold commands, by path in the project."""
    folders = ("docs/*.md", "docs/decisions/*.md", "deploy/**/*.md", "examples/*.md")
    found = {path for pattern in folders for path in ROOT.glob(pattern)}
    return sorted(path.relative_to(ROOT).as_posix() for path in {ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found})


def read_blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return parse_blocks(page, (ROOT / page).read_text("utf-8"))


def parse_blocks(page: str, text: str) -> list[Block]:
    """The fenced blocks of a page's text, in order."""
    blocks = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("kind")) + 1
        lines = [one.removeprefix(match["indent"]) for one in match["text"].splitlines(keepends=True)]
        blocks.append(Block(page, line, match["kind"], "".join(lines), tuple(_SAID.findall(match["said"]))))
    return blocks
