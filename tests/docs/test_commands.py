"""Every command that a page shows is run as a reader would, or is skipped for a stated reason of a short list."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from forewarn.receiver import WebhookReceiver
from tests.docs.pages import COMMAND, KINDS, ROOT, Block, page_paths, parse_blocks, read_blocks
from tests.docs.reader import ADDRESS, Reader, differences, plain
from tests.ports import free_port

# Why a command may be left out. Those of the second set must say which test runs it instead: `…, run by tests/…`.
REASONS = {
    "needs a container engine",
    "needs a cluster",
    "needs a language model",
    "needs real agent runs",
    "is this suite",
    "takes minutes, and no test runs it",
}
REASONS_WITH_TEST = {"takes minutes", "needs a service of its own"}
SAYS = ("skip: ", "let ", "before: ", "serve", "serve until ", "output", "own service", "elsewhere")
# What is skipped, by page and first words: a command that joins them is put here knowingly.
SKIPPED: dict[str, list[str]] = {
    "CONTRIBUTING.md": ["make check #"],
    "README.md": ["make demo KEEP=1"],
    "deploy/runbook.md": ['mkdir -p "$BACKUP"', 'mkdir -p "$REDIS_DIR"', "redis-cli --cluster import"],
    "docs/adapters.md": ["python scripts/adapter_table.py DIR"],
    "docs/audit.md": ["FOREWARN_LLM_API_KEY=… forewarn judge"],
    "docs/benchmark.md": ["forewarn benchmark --data"],
    "docs/learning-on.md": ["forewarn train --from-archive", "forewarn compare my-bundle"],
    "docs/operations.md": ["make demo #", "docker build --target"],
    "docs/own-traces.md": ["forewarn induce traces"],
    "docs/performance.md": ["make bench #"],
    "docs/results.md": ["forewarn benchmark --data", "forewarn train DATA/webshop/raw.tar.xz"],
}
MARKS = {"README.md": [pytest.mark.slow], "docs/quick-start.md": [pytest.mark.slow, pytest.mark.needs("git")]}

PAGES = page_paths()
RUN = [page for page in PAGES if any(one.kind in {"sh", "python"} and not one.skipped for one in read_blocks(page))]


@pytest.mark.needs("redis-server", "curl")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [pytest.param(page, marks=MARKS.get(page, ())) for page in RUN])
def test_every_command_of_a_page_works(
    page: str, folder: Path, placeholders: Path, receiver: WebhookReceiver, request: pytest.FixtureRequest
) -> None:
    blocks = [block for block in read_blocks(page) if not block.skipped]
    typed = "".join(block.text for block in blocks if block.kind in {"sh", "python"})
    _give(folder, placeholders, typed)
    alone = any(block.serves or "own service" in block.said for block in blocks)
    environment = {"HOOK": receiver.url}
    port = free_port()
    if not alone and (ADDRESS.search(typed) or "forewarn keys" in typed or "forewarn parked" in typed):
        port, data = request.getfixturevalue("served")
        environment["FOREWARN_DATA_DIR"] = str(data)
    reader = Reader(folder, port, environment)
    with contextlib.ExitStack() as stack:
        if any("own service" in block.said for block in blocks):
            served = Block(page, 0, "sh", "forewarn serve --bundle my-bundle\n", ())
            stack.enter_context(reader.serving(served))
        for block in blocks:
            if block.serves:
                stack.enter_context(reader.serving(block))
            elif "output" in block.said:
                reader.compare(block)
            elif block.kind in {"sh", "python"}:
                reader.run(block)


def _give(folder: Path, placeholders: Path, typed: str) -> None:
    """Put into the folder what the page names and does not make itself."""
    for entry in placeholders.iterdir():
        if re.search(rf"--out {re.escape(entry.name)}\b", typed) or (folder / entry.name).exists():
            continue
        if entry.is_dir():
            shutil.copytree(entry, folder / entry.name)
        else:
            shutil.copy(entry, folder / entry.name)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    wrong = [f"{one.where}: {one.kind or 'no tag'}" for one in read_blocks(page) if one.kind not in KINDS]
    assert wrong == [], "tag it: sh where it is to be run"


@pytest.mark.parametrize("page", PAGES)
def test_no_command_escapes_by_its_tag(page: str) -> None:
    escaped = [block.where for block in read_blocks(page) if block.kind != "sh" and COMMAND.search(block.text)]
    assert escaped == [], "commands go into blocks tagged sh"


@pytest.mark.parametrize("page", PAGES)
def test_comments_for_tests_are_known_and_right_before_a_block(page: str) -> None:
    said = [one for block in read_blocks(page) for one in block.said]
    assert [one for one in said if not one.startswith(SAYS)] == []
    assert len(re.findall(r"<!-- test: ", (ROOT / page).read_text("utf-8"))) == len(said), "some are before no block"


def test_what_is_skipped_says_why_and_where_else_it_runs() -> None:
    wrong = []
    for block in (block for page in PAGES for block in read_blocks(page) if block.skipped):
        reason, _, test = (block.skipped or "").partition(", run by ")
        known = reason in REASONS or (reason in REASONS_WITH_TEST and test)
        if not known or (test and not (ROOT / test).exists()):
            wrong.append(f"{block.where}: {block.skipped}")
    assert wrong == []


def test_nothing_is_skipped_unknowingly() -> None:
    skipped: dict[str, list[str]] = {}
    for block in (block for page in PAGES for block in read_blocks(page) if block.skipped):
        skipped.setdefault(block.page, []).append(" ".join(block.text.split()[:3]))
    assert skipped == SKIPPED


def test_every_command_of_the_list_of_pages_is_found_whatever_its_tag() -> None:
    blocks = parse_blocks("p.md", "a\n\n```\nforewarn serve\n```\n\n<!-- test: skip: why -->\n```sh\nmake\n```\n")
    assert [(block.line, block.kind, block.skipped) for block in blocks] == [(3, "", None), (8, "sh", "why")]
    assert COMMAND.search(blocks[0].text)


def test_shown_answers_are_compared_by_their_shape() -> None:
    assert list(differences({"a": 1, "b": [{"c": "x"}]}, {"a": 0.5, "b": [{"c": "y"}], "d": 2})) == []
    assert list(differences({"a": 1, "b": [{"c": "x"}]}, {"a": "1", "b": [{}]})) == ["/a (number)", "/b/0/c"]
    assert plain("realised  0.003 to 0.171 m-6bafd48448c7") == plain("realised 0.1 to 2 m-6bafd48448c8")


LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    dead = []
    for path, anchor in LINK.findall((ROOT / page).read_text("utf-8")):
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            dead.append(f"{path}#{anchor}")
    assert dead == []


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ +(.*?) *$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
