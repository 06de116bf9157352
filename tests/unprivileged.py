"""A process without root's rights, and a tree that it may read and not write: what a container's user meets."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

NOBODY = 65534


def give_up_roots_rights() -> None:
    """Make this process meet permissions as others do: no CAP_DAC_OVERRIDE, _READ_SEARCH, _FOWNER. For `preexec_fn`."""
    for capability in (1, 2, 3):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def copy_as_foreign_tree(packages: list[Path], folder: Path) -> Path:
    """Copy packages into `folder/tree`, read-only and, where this process may give it away, another user's."""
    tree, home = folder / "tree", folder / "home"
    for package in packages:
        shutil.copytree(package, tree / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    for path in [home, tree, *tree.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    return tree
