"""Writes the page."""

from __future__ import annotations

import asyncio
import sys

from scripts.api_reference.application import read_document
from scripts.api_reference.faults import find_faults
from scripts.api_reference.page import PAGE, make_page


def main() -> int:
    """Write the page; 1, and why, where the document says too little."""
    document = asyncio.run(read_document())
    if faults := find_faults(document):
        print("\n".join(["docs/api.md is not written:", *faults]), file=sys.stderr)
        return 1
    PAGE.write_text(make_page(document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
