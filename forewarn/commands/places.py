"""Where verbs write: said to be impossible before the work, not after it."""

from __future__ import annotations

from pathlib import Path

import typer


def check_file(path: Path | None, option: str, *, or_stdout: bool = False) -> None:
    """Raise BadParameter where no file can be written there. `or_stdout`: "-" is standard output."""
    if path is None or (or_stdout and str(path) == "-"):
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        problem = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        instead = "name a file, or - for standard output" if or_stdout else "name a file in a folder that is there"
        raise typer.BadParameter(f"{path}: {problem}; {instead}", param_hint=option)


def check_folder(path: Path, option: str = "--out") -> None:
    """Raise BadParameter where no folder can be: a file stands there, or in its way."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise typer.BadParameter(f"{there} is a file; name a folder, which is made if need be", param_hint=option)
