"""The folder of registered bundles: each in a folder of its own, named by its monitor id, there whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from monitors.bundle import read_manifest, read_monitor_id, verify_files
from monitors.bundle.folder import FILES, MANIFEST, OPTIONAL_FILES
from monitors.errors import BundleError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NEW, _OLD = ".new-", ".old-"
# What a killed process left half copied.
LEFT_OVER_S = 3600.0


class BundleFolders:
    """Bundles under one folder. Several processes, and several machines, may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, monitor_id: str) -> Path | None:
        """Where a monitor's bundle is, or None."""
        if not _ID.fullmatch(monitor_id):
            return None
        folder = self.root / monitor_id
        return folder if (folder / MANIFEST).is_file() else None

    def keep(self, bundle: Path) -> tuple[str, Path]:
        """Copy a bundle in, and say its monitor id and where it is now. What is kept is what was checked: the copy is
        verified, not what it was made of. A bundle that is here already stays as it is, unless this one has another
        manifest (the same monitor, audited since).

        Raises BundleError (no bundle, damaged, too new), OSError where the folder cannot be written.
        """
        manifest = read_manifest(bundle)
        self.root.mkdir(parents=True, exist_ok=True)
        self._tidy()
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.root))
        try:
            new.chmod(0o755)
            # The manifest comes last: a folder that has one is whole.
            for name in (*FILES, *(name for name in OPTIONAL_FILES if name in manifest.files), MANIFEST):
                _copy(bundle / name, new / name)
            verify_files(new, read_manifest(new))
            monitor_id = read_monitor_id(new)
            _sync(new)
            self._put(new, self.root / monitor_id)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleError(f"{bundle} is no whole bundle: {error.filename} is missing") from None
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return monitor_id, self.root / monitor_id

    def remove(self, monitor_id: str) -> bool:
        """Take a monitor's bundle out of the folder; False if it is not there. Whoever has loaded it keeps it."""
        folder = self.find(monitor_id)
        if folder is None:
            return False
        old = folder.with_name(f"{_OLD}{monitor_id}-{os.getpid()}-{time.time_ns()}")
        folder.replace(old)
        _sync(self.root)
        shutil.rmtree(old, ignore_errors=True)
        return True

    def _put(self, new: Path, folder: Path) -> None:
        if _same_manifest(new, folder):
            return
        if folder.exists():
            old = folder.with_name(f"{_OLD}{folder.name}-{os.getpid()}-{time.time_ns()}")
            folder.replace(old)
            shutil.rmtree(old, ignore_errors=True)
        try:
            new.replace(folder)
        except OSError:
            # Another process put it there meanwhile.
            if not (folder / MANIFEST).is_file():
                raise
        _sync(self.root)

    def _tidy(self) -> None:
        for left in self.root.iterdir():
            if left.name.startswith((_NEW, _OLD)) and left.stat().st_mtime < time.time() - LEFT_OVER_S:
                shutil.rmtree(left, ignore_errors=True)


def _same_manifest(new: Path, folder: Path) -> bool:
    try:
        if (folder / MANIFEST).read_bytes() != (new / MANIFEST).read_bytes():
            return False
        verify_files(folder, read_manifest(folder))
    except (OSError, BundleError):
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    # No link is followed out of a bundle that somebody else may have written.
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
