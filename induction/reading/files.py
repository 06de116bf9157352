"""The files of RAW, one by one: a single file, a folder, or an archive, read without unpacking more than one file
into memory.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import orjson

from induction.errors import UnreadableRawError

MAX_FILE_BYTES = 1 << 30
"""A file beyond this is reported, not read: it would be parsed in memory."""

_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: cast("IO[bytes]", gzip.open(path)),  # noqa: SIM115 - the caller closes
    ".xz": lambda path: cast("IO[bytes]", lzma.open(path)),  # noqa: SIM115 - the caller closes
    ".bz2": lambda path: cast("IO[bytes]", bz2.open(path)),  # noqa: SIM115 - the caller closes
}
_INFLATERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".bz2": bz2.decompress,
}
_TAR_ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".txz")
_BROKEN = (OSError, EOFError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError)


@dataclass(frozen=True, slots=True)
class ReadFault:
    """One file, or part of one, that was skipped: its path and why."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file: its path inside RAW with '/' between parts, its size in bytes as stored, and its bytes when asked."""

    path: str
    size: int
    read: Callable[[], bytes]


RawFiles = Sequence[RawFile]


@contextmanager
def open_raw(raw: Path) -> Iterator[RawFiles]:
    """Give the files of RAW in natural order (2 before 10), whatever order the disk or the archive has.

    An archive that lies in a folder counts as a folder of its own whose name is left out, so that a corpus reads the
    same as archive or beside its label file. A table of outcomes (`runs.jsonl`) is no trace and is left out. Hidden
    files are left out. Raises UnreadableRawError if there is nothing to read.
    """
    with ExitStack() as stack:
        try:
            files = sorted(_list_files(raw, stack), key=lambda file: natural_key(file.path))
        except _BROKEN as error:
            raise UnreadableRawError(f"{raw}: cannot be read: {error}") from error
        if not files:
            raise UnreadableRawError(f"{raw}: holds no files to read")
        yield files


def natural_key(path: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key under which numbers inside a path count as numbers."""
    parts = re.split(r"(\d+)", path)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def is_outcome_table(first_line: bytes) -> bool:
    """Return whether a line is a row of `runs.jsonl`: labels beside the traces, which must never be read as one."""
    try:
        row = orjson.loads(first_line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(row, dict) and {"run", "file", "task", "success"} <= row.keys()


def _list_files(raw: Path, stack: ExitStack) -> Iterator[RawFile]:
    if not raw.exists():
        raise UnreadableRawError(f"{raw}: there is no such file or folder")
    if raw.is_file():
        yield from _list_file(raw, raw.name, stack)
        return
    for path in sorted(path for path in raw.rglob("*") if path.is_file()):
        name = path.relative_to(raw).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            yield from _list_file(path, name, stack)


def _list_file(path: Path, name: str, stack: ExitStack) -> Iterator[RawFile]:
    lower = name.lower()
    if lower.endswith(_TAR_ENDINGS):
        yield from _list_tar(path, stack)
    elif lower.endswith(".zip"):
        yield from _list_zip(path, stack)
    elif lower.endswith((".jsonl", ".ndjson")) and _holds_outcomes(path):
        return
    else:
        yield RawFile(name, path.stat().st_size, lambda: _inflate(name, path.read_bytes()))


def _holds_outcomes(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_outcome_table(stream.readline(1 << 20))


def _list_tar(path: Path, stack: ExitStack) -> Iterator[RawFile]:
    """Members are read in any order, so a compressed archive is inflated once into a temporary file on disk, never
    into memory.
    """
    opener = _OPENERS.get("." + path.name.rsplit(".", 1)[-1].lower().replace("tgz", "gz").replace("txz", "xz"))
    source: IO[bytes] = stack.enter_context(path.open("rb"))
    if opener is not None:
        spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes
        with opener(path) as compressed:
            shutil.copyfileobj(compressed, spool, 1 << 20)
        spool.seek(0)
        source = cast("IO[bytes]", spool)
    archive = stack.enter_context(tarfile.open(fileobj=source, mode="r:"))  # noqa: SIM115 - the stack closes
    for member in archive.getmembers():
        if member.isfile() and not _is_hidden(member.name):
            yield RawFile(_clean(member.name), member.size, _tar_reader(archive, member))


def _tar_reader(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        stream = archive.extractfile(member)
        return _inflate(member.name, stream.read()) if stream is not None else b""

    return read


def _list_zip(path: Path, stack: ExitStack) -> Iterator[RawFile]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    for info in archive.infolist():
        if not info.is_dir() and not _is_hidden(info.filename):
            yield RawFile(_clean(info.filename), info.file_size, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    return lambda: _inflate(info.filename, archive.read(info))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def _clean(name: str) -> str:
    return name.removeprefix("./")


def _inflate(name: str, data: bytes) -> bytes:
    inflate = _INFLATERS.get("." + name.rsplit(".", 1)[-1].lower())
    return inflate(data) if inflate is not None else data
