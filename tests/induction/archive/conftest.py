"""An archive for each test to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.written_archive import WrittenArchive


@pytest.fixture
def archive(tmp_path: Path) -> WrittenArchive:
    return WrittenArchive(tmp_path / "archive")
