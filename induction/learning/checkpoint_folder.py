"""Checkpoints in a folder beside what is being made. No pickle: numpy's arrays behind a line of JSON that says whose
they are and what their bytes' SHA-256 is.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

SUFFIX, PART_SUFFIX = ".checkpoint", ".checkpoint-part"


class CheckpointFolder:
    """Checkpoints on disk, each written whole or not at all. Files of other people in the folder are left alone."""

    def __init__(self, folder: Path, identity: Mapping[str, str], note: Callable[[str], None]) -> None:
        """`identity` names what decides the result and a digest of each; checkpoints of another one are not used.
        `note` hears what a person should know.
        """
        self._folder, self._identity, self._note = folder, dict(identity), note
        self._fails = False

    def open(self) -> None:
        """Tell whether there is something to go on from, and forget what is of another identity."""
        kept, differences = 0, set()
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            of = _read_identity(path)
            if of == self._identity:
                kept += 1
                continue
            differences |= {name for name in self._identity if of.get(name) != self._identity[name]}
            path.unlink(missing_ok=True)
        if differences:
            self._note(
                f"{self._folder} holds checkpoints of another training ({', '.join(sorted(differences))} differ): "
                "they are not used, and training starts anew"
            )
        if kept:
            self._note(f"Going on from the checkpoints in {self._folder}: {kept}")

    def find(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return what was kept last under a name; None if nothing was, or if the file is damaged, which is told."""
        path = self._folder / (name + SUFFIX)
        try:
            head, _, content = path.read_bytes().partition(b"\n")
            sealed = orjson.loads(head)
            if sealed["sha256"] != hashlib.sha256(content).hexdigest():
                raise ValueError("its SHA-256 is another")
            if sealed["of"] != self._identity:
                return None
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self._note(f"{path} is damaged: it is not used, and its part of the training starts anew")
            return None

    def keep(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a name. A killed process leaves the file before or the new one; after a power cut it may
        be damaged, and is then not used.
        """
        written = io.BytesIO()
        np.savez(written, allow_pickle=False, **arrays)
        content = written.getvalue()
        head = orjson.dumps({"of": self._identity, "sha256": hashlib.sha256(content).hexdigest()})
        # The process's number: two trainings of one thing at once do not write into one file.
        part = self._folder / f"{name}-{os.getpid()}{PART_SUFFIX}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(head + b"\n" + content)
            part.replace(self._folder / (name + SUFFIX))
        except OSError as error:
            if not self._fails:
                self._note(f"{part.parent}: no checkpoint can be written ({error.strerror}); training goes on without")
            self._fails = True

    def clear(self) -> None:
        """Remove the checkpoints, and the folder unless somebody else's files are in it."""
        for path in (*self._folder.glob(f"*{SUFFIX}"), *self._folder.glob(f"*{PART_SUFFIX}")):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()


def _read_identity(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            of = orjson.loads(file.readline())["of"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return of if isinstance(of, dict) else {}
