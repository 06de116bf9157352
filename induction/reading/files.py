"""The files of RAW, one by one: a single file, a folder, or an archive. Each is a stream of bytes; nothing is unpacked
into memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import orjson

from induction.errors import UnreadableRawError

FREE_BYTES = 4 << 30
"""What a compressed file may inflate to whatever its size."""
MAX_INFLATION = 100
"""Beyond FREE_BYTES a file may inflate to this many times its stored size; real traces stay under 50."""
CHUNK_BYTES = 1 << 20

_OPENERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda stream: cast("IO[bytes]", gzip.open(stream)),  # noqa: SIM115 - the caller closes
    ".xz": lambda stream: cast("IO[bytes]", lzma.open(stream)),  # noqa: SIM115 - the caller closes
    ".bz2": lambda stream: cast("IO[bytes]", bz2.open(stream)),  # noqa: SIM115 - the caller closes
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
    """One file: its path inside RAW with '/' between parts, its size in bytes as stored, and its bytes as a stream,
    inflated where the file itself is compressed. Opening or reading raises whatever a broken file makes it raise.
    """

    path: str
    size: int
    open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        """Return all of its bytes."""
        with self.open() as stream:
            return stream.read()


RawFiles = Sequence[RawFile]


@contextmanager
def open_raw(raw: Path) -> Iterator[RawFiles]:
    """Give the files of RAW in natural order (2 before 10), whatever order the disk or the archive has.

    An archive that lies in a folder counts as a folder of its own whose name is left out, so that a corpus reads the
    same as archive or beside its label file. A table of outcomes (`runs.jsonl`) is no trace and is left out. Hidden
    files are left out. Links out of RAW and broken archives in a folder are files that cannot be opened; of a
    truncated archive the whole members are read. Raises UnreadableRawError if there is nothing to read.
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
    return tuple((0, int(part[:4000])) if part.isdecimal() else (1, part) for part in parts if part)


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
    root = raw.resolve()
    for path in sorted(raw.rglob("*")):
        name = path.relative_to(raw).as_posix()
        if _is_hidden(name):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            yield _refused(name, "is a link out of the folder")
        elif path.is_file():
            try:
                yield from _list_file(path, name, stack)
            except _BROKEN as error:
                yield _refused(name, str(error))


def _refused(name: str, reason: str) -> RawFile:
    def refuse() -> IO[bytes]:
        raise ValueError(reason)

    return RawFile(name, 0, refuse)


def _list_file(path: Path, name: str, stack: ExitStack) -> Iterator[RawFile]:
    lower = name.lower()
    if lower.endswith(_TAR_ENDINGS):
        yield from _list_tar(path, name, stack)
    elif lower.endswith(".zip"):
        yield from _list_zip(path, stack)
    elif lower.endswith((".jsonl", ".ndjson")) and _holds_outcomes(path):
        return
    else:
        size = path.stat().st_size
        yield RawFile(name, size, lambda: _inflated(name, size, lambda: path.open("rb")))


def _holds_outcomes(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_outcome_table(stream.readline(CHUNK_BYTES))


def _list_tar(path: Path, name: str, stack: ExitStack) -> Iterator[RawFile]:
    """Members are read in any order, so a compressed archive is inflated once into a temporary file on disk (where
    TMPDIR says), never into memory. Raises what is wrong with an archive of which no member can be read.
    """
    source: IO[bytes] = stack.enter_context(path.open("rb"))
    stored = path.stat().st_size
    problem: Exception | None = None
    if not name.lower().endswith(".tar"):
        ending = "." + name.rsplit(".", 1)[-1].lower().replace("tgz", "gz").replace("txz", "xz")
        spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes
        try:
            allowed = min(_allowed_bytes(stored), shutil.disk_usage(tempfile.gettempdir()).free // 2)
            with io.BufferedReader(_Bounded(_OPENERS[ending](source), allowed), CHUNK_BYTES) as inflated:
                shutil.copyfileobj(inflated, spool, CHUNK_BYTES)
        except _BROKEN as error:
            problem = error
        if not spool.tell():
            raise problem or ValueError("is empty")
        spool.seek(0)
        source = cast("IO[bytes]", spool)
    archive = stack.enter_context(tarfile.open(fileobj=source, mode="r:"))  # noqa: SIM115 - the stack closes
    listed = 0
    try:
        while (member := archive.next()) is not None:
            listed += 1
            if not (member.isfile() or member.issym() or member.islnk()) or _is_hidden(member.name):
                continue
            read = partial(_open_member, archive, member)
            yield RawFile(_clean(member.name), member.size, partial(_inflated, member.name, stored, read))
    except _BROKEN as error:
        problem = problem or error
    if problem is not None:
        if not listed:
            raise problem
        yield _refused(name, f"is truncated or broken after {listed} members: {problem}")


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    try:
        stream = archive.extractfile(member)
    except (KeyError, RecursionError):
        stream = None
    if stream is None:
        raise ValueError("is a link that names no file of the archive")
    return stream


def _list_zip(path: Path, stack: ExitStack) -> Iterator[RawFile]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    for info in archive.infolist():
        if not info.is_dir() and not _is_hidden(info.filename):
            read = partial(archive.open, info)
            yield RawFile(
                _clean(info.filename), info.file_size, partial(_inflated, info.filename, info.compress_size, read)
            )


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def _clean(name: str) -> str:
    return name.removeprefix("./")


def _inflated(name: str, stored: int, read: Callable[[], IO[bytes]]) -> IO[bytes]:
    """Return a file's bytes, inflated if its name says that it is compressed, and no more than it may inflate to."""
    stream = read()
    opener = _OPENERS.get("." + name.rsplit(".", 1)[-1].lower())
    inflated = opener(stream) if opener is not None else stream
    return cast("IO[bytes]", io.BufferedReader(_Bounded(inflated, _allowed_bytes(stored), stream), CHUNK_BYTES))


def _allowed_bytes(stored: int) -> int:
    return max(FREE_BYTES, MAX_INFLATION * stored)


class _Bounded(io.RawIOBase):
    """A stream that raises ValueError where it goes on beyond what is allowed: a small file that inflates without
    end.
    """

    def __init__(self, stream: IO[bytes], allowed: int, under: IO[bytes] | None = None) -> None:
        self._stream, self._under, self._left = stream, under, allowed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        # read1 gives what a truncated stream still holds; read would raise and take it along.
        data: bytes = self._stream.read1(len(view))  # type: ignore[attr-defined]
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("inflates to more than a trace can hold")
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._under is not None:
                self._under.close()
        super().close()
