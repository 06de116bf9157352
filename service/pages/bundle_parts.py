"""What a bundle keeps beside what scores, read when a page asks for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from monitors.automaton_record import Automaton, parse_automaton
from monitors.bundle.folder import AUTOMATON, EVALUATION, GRAPH, PICTURE, RELIABILITY, read_part
from monitors.errors import BundleError
from monitors.evaluation_record import EvaluationRecord, parse_evaluation
from monitors.reliability import Reliability, parse_reliability
from service.core.catalogue import MonitorEntry

log = logging.getLogger(__name__)

MOST_PICTURE_BYTES = 2 << 20
# Parsed parts that are kept, of whichever bundles: pages of the same few monitors are looked at.
KEPT = 16

PartT = TypeVar("PartT")


class BundleParts:
    """Reads optional parts of bundles, each once while it is among the latest. None: the bundle has none that can be
    used; why not is in the log."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}

    async def automaton(self, entry: MonitorEntry) -> Automaton | None:
        """The automaton that an audit made of the very graph that is served."""

        def parse(data: bytes) -> Automaton | None:
            automaton = parse_automaton(data, AUTOMATON)
            return automaton if automaton.graph == entry.manifest.files.get(GRAPH) else None

        return await self._read(entry, AUTOMATON, parse)

    async def reliability(self, entry: MonitorEntry) -> Reliability | None:
        """How far its probabilities can be believed, as its training measured it."""
        return await self._read(entry, RELIABILITY, lambda data: parse_reliability(data, RELIABILITY))

    async def evaluation(self, entry: MonitorEntry) -> EvaluationRecord | None:
        """The evaluation that somebody kept in it."""
        return await self._read(entry, EVALUATION, lambda data: parse_evaluation(data, EVALUATION))

    async def picture(self, entry: MonitorEntry) -> bytes | None:
        """Its picture, an SVG. Whoever wrote the bundle wrote it: serve it so that nothing in it can run."""
        return await self._read(entry, PICTURE, lambda data: data if len(data) <= MOST_PICTURE_BYTES else None)

    async def _read(self, entry: MonitorEntry, name: str, parse: Callable[[bytes], PartT | None]) -> PartT | None:
        digest = entry.manifest.files.get(name)
        if digest is None:
            return None
        key = (name, digest)
        if key in self._kept:
            kept: PartT = self._kept[key]
            return kept
        found: PartT | None = await asyncio.to_thread(lambda: _read_and_parse(entry, name, parse))
        if found is not None:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = found
        return found


def _read_and_parse(entry: MonitorEntry, name: str, parse: Callable[[bytes], PartT | None]) -> PartT | None:
    data = read_part(entry.folder, entry.manifest, name)
    try:
        return None if data is None else parse(data)
    except BundleError as error:
        log.warning("monitor %s is shown without %s: %s", entry.monitor_id, name, error)
        return None
