"""An uploaded bundle: a tar (plain or gzip) or a zip, taken apart without trusting a word of it.

Only files that a bundle has are written, by their own names, into a folder made for them: no path of the archive is
ever used as one. Links, devices, names outside the archive's folder and a second file of a name are refused, and what
is unpacked is counted as it comes, whatever the archive says of sizes.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from monitors.bundle.folder import FILES, MANIFEST, OPTIONAL_FILES
from monitors.errors import BundleError

KNOWN = frozenset({MANIFEST, *FILES, *OPTIONAL_FILES})
MOST_MEMBERS = 200
_CHUNK = 1 << 20


def unpack_bundle(packed: bytes, folder: Path, limit_bytes: int) -> None:
    """Write the files of a packed bundle into an empty folder. The bundle may lie at the archive's root or in one
    folder of it; other files are left out. Raises BundleError."""
    seen: set[str] = set()
    left = limit_bytes
    try:
        for path, file in _members(packed, limit_bytes):
            name = _name_of(path)
            if name is None:
                continue
            if name in seen:
                raise BundleError(f"the archive holds {name} twice: pack one bundle alone")
            seen.add(name)
            left -= _write(file, folder / name, left, limit_bytes)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BundleError(f"the archive cannot be read: {error}") from None
    except (NotImplementedError, RuntimeError, OSError) as error:
        # Of zip: an encrypted member, a compression that is not built in.
        raise BundleError(f"the archive cannot be unpacked: {error}") from None
    if MANIFEST not in seen:
        raise BundleError(f"the archive holds no {MANIFEST}: pack a bundle's folder (tar, tar.gz or zip)")


def _members(packed: bytes, limit_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Path and contents of each file, in the archive's order."""
    if packed.startswith(b"PK"):
        yield from _zip_members(packed)
        return
    plain = io.BytesIO(packed)
    stream = gzip.GzipFile(fileobj=plain) if packed.startswith(b"\x1f\x8b") else plain
    # Headers and padding take room too, but never as much again as a bundle.
    with tarfile.open(fileobj=_Bounded(stream, 2 * limit_bytes), mode="r|") as archive:
        for number, member in enumerate(archive):
            _check_count(number)
            if member.isdir():
                continue
            if not member.isreg():
                raise BundleError(f"the archive holds a link or a device ({member.name[:100]!r}): pack files alone")
            file = archive.extractfile(member)
            assert file is not None
            yield member.name, file


def _zip_members(packed: bytes) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for number, member in enumerate(archive.infolist()):
            _check_count(number)
            if member.is_dir():
                continue
            kind = member.external_attr >> 28
            if kind not in (0, 8):
                raise BundleError(f"the archive holds a link or a device ({member.filename[:100]!r}): pack files alone")
            with archive.open(member) as file:
                yield member.filename, file


def _check_count(number: int) -> None:
    if number >= MOST_MEMBERS:
        raise BundleError(f"the archive holds more than {MOST_MEMBERS} files: pack one bundle alone")


def _name_of(path: str) -> str | None:
    """The bundle's file that a member is; None for another. Raises BundleError for a path that leads outside."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    if path.startswith(("/", "\\")) or ".." in parts or "\0" in path or (parts and ":" in parts[0]):
        raise BundleError(f"the archive names a path outside its folder ({path[:100]!r})")
    return parts[-1] if 1 <= len(parts) <= 2 and parts[-1] in KNOWN else None


def _write(file: IO[bytes], target: Path, left: int, limit_bytes: int) -> int:
    written = 0
    with target.open("xb") as writing:
        while chunk := file.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise BundleError(f"the bundle has more than {limit_bytes} bytes unpacked (FOREWARN_MAX_BUNDLE_BYTES)")
            writing.write(chunk)
    return written


class _Bounded(io.RawIOBase):
    """A stream of which no more than so many bytes are read: what a gzip bomb grows to is never seen."""

    def __init__(self, stream: io.BufferedIOBase, limit_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = limit_bytes

    def read(self, size: int | None = -1) -> bytes:
        size = _CHUNK if size is None or size < 0 else size
        # A header may claim any length of what it carries itself: no more is asked for than may come.
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise BundleError("the archive unpacks to more than a bundle may be (FOREWARN_MAX_BUNDLE_BYTES)")
        return data
