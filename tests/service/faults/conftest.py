"""Archiving without a pause, so that what is at fault is not waited for."""

from __future__ import annotations

import pytest

from service.worker import archiving


@pytest.fixture(autouse=True)
def _archive_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("EVERY_S", "PAUSE_S"):
        monkeypatch.setattr(archiving, pause, 0.02)
