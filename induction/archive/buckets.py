"""Lines sorted into files by what they belong to, so that one file at a time fits into memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import zstandard

LEVEL = 1
"""Of compression: the lines are read once more and thrown away."""


class Buckets:
    """Files in a folder, one for each leading part of a key. Write all, then read one bucket after the other."""

    def __init__(self, folder: Path, label: str, bits: int) -> None:
        """`bits`: how many leading bits of a 64-bit key name a bucket; 2 ** bits files are open at a time."""
        self._paths = [folder / f"{label}-{number:04d}" for number in range(1 << bits)]
        self._shift = 64 - bits
        self._files: dict[int, IO[bytes]] = {}

    def __enter__(self) -> Buckets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, key: int, line: bytes) -> None:
        """Put a line where the lines of this key are."""
        number = key >> self._shift
        file = self._files.get(number)
        if file is None:
            file = self._files[number] = zstandard.open(self._paths[number], "wb", cctx=_compressor())
        file.write(line + b"\n")

    def close(self) -> None:
        """End writing."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def read(self, number: int) -> Iterator[bytes]:
        """Yield the lines of one bucket in the order in which they came."""
        if self._paths[number].exists():
            with zstandard.open(self._paths[number], "rb") as file:
                for line in io.BufferedReader(file):
                    yield line.removesuffix(b"\n")

    def drop(self, number: int) -> None:
        """Delete what was read."""
        self._paths[number].unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._paths)


def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=LEVEL)
