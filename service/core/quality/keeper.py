"""Looks at runs as they end, now and then, and keeps what it saw: whichever process looks, the others go on from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson

from monitors.bundle.manifest import Manifest
from service.core.quality.counts import Counts, parse_tally, total
from service.core.quality.finished import FinishedRun
from service.core.quality.flagged import FlagNews, TellFlag, take_untold, tell_nobody, to_news
from service.core.quality.promises import promises_of
from service.core.quality.reports import Material, to_report
from service.core.quality.store import QualityStore
from service.core.quality.watching import COVERAGE, PROMISE, SYMBOLS, Watched, coverage_marks, symbol_marks
from service.errors import TransientError
from service.records import JsonObject

log = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
# What ended so lately may still be on its way into the index, or to its last score.
SETTLED_MS = 10_000
# A look takes so many runs; where more have ended, the next one follows at once.
AT_ONCE = 2_000
RECENT_LABELLED = 1_000
# More pairs of project and monitor than these are not told of: metrics must stay bounded.
MOST_SERIES = 200
FORMAT = 1

FindManifest = Callable[[str], Manifest | None]
Pair = tuple[str, str]


class QualityKeeper:
    """Reports on monitors, and the looks that they rest on. `level`: with what probability each test flags, ever,
    a monitor of which nothing has changed. `prepare` is awaited before each look: what is known of monitors is
    brought up to date there. `tell` hears of each flag at the look after the one that found it, at least once, and
    again only where a process died or two looked at once."""

    def __init__(
        self,
        store: QualityStore,
        find_manifest: FindManifest,
        level: float,
        *,
        clock: Callable[[], float] = time.time,
        settled_ms: int = SETTLED_MS,
        prepare: Callable[[], Awaitable[object]] | None = None,
        tell: TellFlag = tell_nobody,
    ) -> None:
        self._store = store
        self._find_manifest = find_manifest
        self._level = level
        self._clock = clock
        self._settled_ms = settled_ms
        self._prepare = prepare
        self._tell = tell
        self._reports: dict[Pair, JsonObject] = {}
        self._known: dict[str, tuple[int, FinishedRun]] = {}
        self._reported_ms = -(2**60)
        self._reporting = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`. What fails is tried again at the next look."""
        while not stop.is_set():
            more = False
            try:
                more = await self.look()
            except TransientError as error:
                log.warning("runs that ended are looked at later: %s", error)
            except Exception:
                log.exception("runs that ended could not be looked at")
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)

    async def look(self) -> bool:
        """Count the runs that ended since the last look, and let the tests say what they make of it. True if there are
        more. Two who look at once do no harm: one of them finds that the other was there."""
        if self._prepare is not None:
            await self._prepare()
        kept = await self._store.read_kept()
        cursors = orjson.loads(kept.get(CURSORS, b"{}"))
        counts = parse_tally(await self._store.read_tallies())
        until_ms = self._now_ms() - self._settled_ms
        runs, moved, more = await self._store.read_ended(cursors, until_ms, AT_ONCE)
        states, untold = await asyncio.to_thread(self._take, kept, counts, runs)
        for news in untold:
            await self._tell(news)
        new = {to_field(*pair): to_bytes(state) for pair, state in states.items()}
        new = {field: value for field, value in new.items() if kept.get(field) != value}
        if new or moved != cursors:
            written = await self._store.write_kept(
                kept.get(CURSORS, b""), {**new, CURSORS: orjson.dumps(moved, option=orjson.OPT_SORT_KEYS)}
            )
            return more and written
        return False

    async def reports(self, max_age_s: float = 10.0) -> dict[Pair, JsonObject]:
        """Reports by (project, monitor), at most so old. Raises TransientError."""
        async with self._reporting:
            if self._now_ms() - self._reported_ms > max_age_s * 1000:
                kept = await self._store.read_kept()
                counts = parse_tally(await self._store.read_tallies())
                recent = await self._read_recent()
                self._reports = await asyncio.to_thread(self._report, kept, counts, recent)
                self._reported_ms = self._now_ms()
        return self._reports

    def blank(self, monitor_id: str) -> JsonObject:
        """The report on a monitor that has scored no run yet."""
        return to_report(Material(monitor_id, {}, Watched(), [], self._find_manifest(monitor_id), self._level))

    async def _read_recent(self) -> dict[Pair, list[FinishedRun]]:
        """The latest runs with an outcome, the latest first. Read once, and again where the outcome was corrected."""
        marks = await self._store.newest_labelled(RECENT_LABELLED)
        missing = [name for name, said_ms in marks.items() if self._known.get(name, (0, None))[0] != said_ms]
        known = {name: self._known[name] for name in marks.keys() - set(missing)}
        for name, run in (await self._store.read_finished(missing)).items():
            known[name] = (marks[name], run)
        self._known = known
        found: dict[Pair, list[FinishedRun]] = {}
        for _, run in sorted(known.values(), key=lambda one: -one[0]):
            if run.kind.success is not None:
                found.setdefault((run.project, run.monitor_id), []).append(run)
        return found

    def _take(
        self, kept: Mapping[str, bytes], counts: Mapping[Pair, Counts], runs: Sequence[FinishedRun]
    ) -> tuple[dict[Pair, Watched], list[FlagNews]]:
        states = {to_pair(field): from_bytes(value) for field, value in kept.items() if field != CURSORS}
        # Of earlier looks: what this one finds is kept first, so that whoever hears of a flag finds it.
        untold = [
            to_news(pair[0], test, self._to_material(pair, state, counts, ()))
            for pair, state in states.items()
            for test in take_untold(state)
        ]
        ended: dict[Pair, list[FinishedRun]] = {}
        for run in sorted(runs, key=lambda one: one.ended_ms):
            ended.setdefault((run.project, run.monitor_id), []).append(run)
        for pair in counts.keys() | ended.keys():
            manifest = self._find_manifest(pair[1])
            if manifest is not None:
                state = states.setdefault(pair, Watched())
                take(state, manifest, counts.get(pair, {}), ended.get(pair, ()), self._level, self._now_ms())
        return states, untold

    def _report(
        self, kept: Mapping[str, bytes], counts: Mapping[Pair, Counts], recent: Mapping[Pair, list[FinishedRun]]
    ) -> dict[Pair, JsonObject]:
        reports = {}
        for pair in sorted(counts)[:MOST_SERIES]:
            raw = kept.get(to_field(*pair))
            watched = Watched() if raw is None else from_bytes(raw)
            reports[pair] = to_report(self._to_material(pair, watched, counts, recent.get(pair, [])))
        return reports

    def _to_material(
        self, pair: Pair, watched: Watched, counts: Mapping[Pair, Counts], recent: Sequence[FinishedRun]
    ) -> Material:
        manifest = self._find_manifest(pair[1])
        return Material(pair[1], counts.get(pair, {}), watched, recent, manifest, self._level)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def take(
    state: Watched,
    manifest: Manifest,
    counts: Counts,
    ended: Sequence[FinishedRun],
    level: float,
    now_ms: int,
) -> None:
    """Count runs that ended, in order, and let each test look at what there is by now."""
    reference = manifest.reference
    if reference is not None:
        for run in ended:
            shares = run.profile.to_shares(manifest.n_symbols)
            if shares:
                state.add_run(reference, manifest.n_symbols, shares)
        for test, marks in (
            (COVERAGE, coverage_marks(reference)),
            (SYMBOLS, symbol_marks(reference, manifest.n_symbols)),
        ):
            if ended:
                state.flag(test, state.weigh(reference, marks), level, state.ended.runs, now_ms)
    evidences, successes = {}, 0
    promises = [promise for promise in promises_of(manifest) if promise.urn is not None]
    for promise in promises:
        assert promise.urn is not None
        runs = total(counts, success=True, rule=promise.rule)
        alerted = total(counts, success=True, alerted=True, rule=promise.rule)
        evidences[promise.group] = state.weigh_promise(promise.rule, promise.urn, runs, alerted)
        successes += runs
    state.flag(PROMISE, evidences, level, successes, now_ms)


CURSORS = "cursors"


def to_field(project: str, monitor_id: str) -> str:
    """Where a pair's state is kept. A project holds no colon."""
    return f"{project}:{monitor_id}"


def to_pair(field: str) -> Pair:
    """The pair that `to_field` wrote."""
    project, _, monitor_id = field.partition(":")
    return project, monitor_id


def to_bytes(state: Watched) -> bytes:
    """As it is kept."""
    return orjson.dumps({"format": FORMAT, **state.to_plain()}, option=orjson.OPT_SORT_KEYS)


def from_bytes(raw_state: bytes) -> Watched:
    """What `to_bytes` wrote; a new beginning for what another version wrote."""
    plain = orjson.loads(raw_state)
    return Watched.from_plain(plain) if plain.get("format") == FORMAT else Watched()
