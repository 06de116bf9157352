"""`forewarn` and `python -m forewarn`: an interruption leaves with 130 even while the command is loading."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command with the process's own arguments. Raises SystemExit always."""
    try:
        from forewarn.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
