"""Writes the table of commands in docs/cli.md anew, from the command line's own parser.

python scripts/verb_table.py [--check]

With --check it changes nothing, and leaves with 1 where the page is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from forewarn.cli import VERBS, build_app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BEGIN, END = "<!-- verb_table.py writes from here -->", "<!-- to here -->"


def main() -> None:
    """Write the table, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; leave with 1 where it would")
    check = parser.parse_args().check
    page = PAGE.read_text("utf-8")
    written = replaced(page)
    if not check:
        PAGE.write_text(written, "utf-8")
    elif written != page:
        sys.exit(f"{PAGE} is out of date: python scripts/verb_table.py writes it anew")


def replaced(page: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "\n".join(
        f"| `forewarn {path}` | {summary} | {'yes' if json else ''} |" for path, summary, json in commands()
    )
    return f"{before}{BEGIN}\n| command | | `--json` |\n|---|---|---|\n{rows}\n{END}{after}"


def commands() -> Iterator[tuple[str, str, bool]]:
    """Every command: its words, its first sentence, and whether it can print JSON."""
    for verb in VERBS:
        # The group's class is the library's own, and has no public name.
        root = typer.main.get_command(build_app(verb))
        loaded = root.commands[verb]  # type: ignore[attr-defined]
        inner = getattr(loaded, "commands", None)
        for path, command in [(verb, loaded)] if inner is None else [(f"{verb} {n}", c) for n, c in inner.items()]:
            text = command.short_help or command.help or ""
            yield path, first_sentence(text), any("--json" in one.opts for one in command.params)


def first_sentence(text: str) -> str:
    """The first sentence of a help text, without its full stop."""
    return text.partition("\n\n")[0].partition(". ")[0].rstrip(".")


if __name__ == "__main__":
    main()
