"""Outcomes, late, corrected and taken back, and what is counted of the runs that have one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from service.core.feedback import is_control
from service.core.outcomes import Outcome, say_outcome, take_back_outcome
from service.core.runs import run_state
from service.errors import NameRefused, NotFound
from service.records import AlertQuery, Cutoffs, RunQuery, RunRecord, RunRef
from service.worker.leases import LeaseKeeper
from tests.service.conftest import Core

GOOD, BAD = b'{"bad": 0}', b'{"bad": 3}'


async def said(core: Core, run_id: str, success: bool, intervened: bool | None = None) -> bool:
    return await say_outcome(core.log, core.ref(run_id), Outcome(success, intervened))


async def record_of(core: Core, run_id: str) -> RunRecord:
    record = await core.reader.read_run(core.ref(run_id))
    assert record is not None
    return record


async def tally(core: Core) -> dict[str, int]:
    """What is counted of all runs: `<monitor>:<rule>:<kind>` → runs."""
    found: dict[str, int] = {}
    for partition in range(core.keys.count):
        for name, runs in (await cast(Any, core.client.hgetall(core.keys[partition].tally))).items():
            kind = name.decode().removeprefix("default:m-fake:0:")
            found[kind] = found.get(kind, 0) + int(runs)
    return found


async def index_of(core: Core, run_id: str, index: str) -> float | None:
    ref = core.ref(run_id)
    score = await core.client.zscore(getattr(core.keys.of_run(ref), index), ref.name)
    return None if score is None else float(score)


async def played(core: Core, run_id: str, *steps: bytes) -> None:
    await core.post(run_id, *steps)
    await core.until_scored(run_id, len(steps))


async def test_the_last_word_holds_and_when_it_was_said_is_kept(core: Core) -> None:
    await core.post("a", GOOD)
    assert await said(core, "a", True)
    first = (await record_of(core, "a")).outcome_ms
    await asyncio.sleep(0.005)
    assert not await said(core, "a", True), "saying the same again is no news"
    assert (await record_of(core, "a")).outcome_ms == first
    assert await said(core, "a", False, True)
    record = await record_of(core, "a")
    assert (record.success, record.intervened) == (False, True)
    assert record.outcome_ms is not None
    assert first is not None
    assert record.outcome_ms > first
    assert await index_of(core, "a", "labelled") == record.outcome_ms


async def test_an_outcome_taken_back_leaves_a_closed_run_without_one(core: Core) -> None:
    await core.post("a", GOOD)
    await said(core, "a", True)
    assert await take_back_outcome(core.log, core.ref("a"))
    assert not await take_back_outcome(core.log, core.ref("a"))
    record = await record_of(core, "a")
    assert (record.success, record.outcome_ms, run_state(record)) == (None, None, "ended")
    assert await index_of(core, "a", "labelled") is None
    assert await index_of(core, "a", "ended") is not None


async def test_an_outcome_of_no_run_is_refused(core: Core) -> None:
    with pytest.raises(NotFound):
        await said(core, "nowhere", True)
    with pytest.raises(NameRefused):
        await said(core, "a b", True)


async def test_each_run_that_is_over_is_counted_once_by_what_became_of_it(core: Core) -> None:
    async with core.working():
        for run_id, steps in {"good": [GOOD], "false alarm": [BAD], "caught": [GOOD, BAD], "open": [GOOD]}.items():
            await played(core, run_id.replace(" ", "-"), *steps)
        assert await tally(core) == {}
        await core.log.end(core.ref("good"))
        await core.log.end(core.ref("open"))
        assert await tally(core) == {"u000": 2}
        await said(core, "good", True)
        await said(core, "false-alarm", True)
        await said(core, "caught", False, True)
        assert await tally(core) == {"u000": 1, "1000": 1, "1010": 1, "0110": 1}
        await said(core, "caught", False)
        await said(core, "good", False)
        assert await tally(core) == {"u000": 1, "0000": 1, "1010": 1, "0010": 1}
        await take_back_outcome(core.log, core.ref("false-alarm"))
        assert await tally(core) == {"u000": 1, "u010": 1, "0000": 1, "0010": 1}


async def test_a_run_whose_outcome_came_before_its_scores_is_counted_once_they_are_there(core: Core) -> None:
    await core.post("a", GOOD, BAD)
    await said(core, "a", True)
    assert await tally(core) == {}
    async with core.working():
        await core.until_scored("a", 2)
    assert await tally(core) == {"1010": 1}


async def test_a_run_that_is_deleted_stays_counted_and_leaves_the_indexes(core: Core) -> None:
    async with core.working() as keeper:
        await played(core, "a", BAD)
        await said(core, "a", True)
        holding = await until_held(core, keeper, "a")
        await core.partitions.sweep(holding.lease, Cutoffs.same(2**60))
    assert await core.reader.read_run(core.ref("a")) is None
    assert (await index_of(core, "a", "labelled"), await index_of(core, "a", "ended")) == (None, None)
    assert await tally(core) == {"1010": 1}


async def until_held(core: Core, keeper: LeaseKeeper, run_id: str) -> Any:
    partition = core.keys.partition_of(core.ref(run_id))
    await keeper.gained.wait()
    return keeper.held[partition]


class TestControlRuns:
    async def test_nothing_is_told_of_a_control_run_s_alert_and_all_of_it_is_kept(self, core: Core) -> None:
        async with core.working(is_control=lambda _: True):
            await played(core, "a", GOOD, BAD, GOOD)
        ref = core.ref("a")
        record, keys = await record_of(core, "a"), core.keys.of_run(ref)
        assert (record.summary.control, record.summary.hidden_alerts) == (True, 1)
        assert (run_state(record), record.summary.alerts, record.summary.warning) == ("ok", 0, False)
        scores = [score for score in await core.reader.read_scores(ref, 0, 9) if score is not None]
        assert [(score.warning, score.alert, score.hidden_alert) for score in scores] == [
            (False, False, False),
            (False, False, True),
            (False, False, False),
        ]
        assert scores[1].score > 2
        assert await core.reader.read_run_alerts(ref) == []
        assert await core.reader.list_alerts(AlertQuery("default", 10)) == ([], None)
        assert (await core.reader.list_runs(RunQuery("default", 10, state="warning")))[0] == []
        assert await core.client.xlen(keys.outbox) == 0
        (kept,) = (await cast(Any, core.client.hgetall(keys.run_alerts(ref)))).items()
        assert kept[0] == b"hidden:1"

    async def test_it_stays_one_whatever_the_ratio_becomes(self, core: Core) -> None:
        async with core.working(is_control=lambda _: True):
            await played(core, "a", GOOD)
        async with core.working(is_control=lambda _: False):
            await core.post("a", BAD)
            await core.until_scored("a", 2)
            await played(core, "b", GOOD)
        async with core.working(is_control=lambda _: True):
            await core.post("b", BAD)
            await core.until_scored("b", 2)
        first, second = await record_of(core, "a"), await record_of(core, "b")
        assert (first.summary.alerts, first.summary.hidden_alerts) == (0, 1)
        assert (second.summary.alerts, second.summary.hidden_alerts) == (1, 0)

    async def test_it_is_counted_apart_as_alerted(self, core: Core) -> None:
        async with core.working(is_control=lambda ref: ref.run_id == "a"):
            for run_id in "ab":
                await played(core, run_id, BAD)
                await said(core, run_id, False)
        assert await tally(core) == {"0011": 1, "0010": 1}

    def test_a_share_of_runs_is_chosen_the_same_ones_always(self) -> None:
        refs = [RunRef("shop", f"run-{number}") for number in range(4000)]
        tenth = {ref for ref in refs if is_control(ref, 0.1)}
        assert len(tenth) == pytest.approx(400, abs=80)
        assert tenth <= {ref for ref in refs if is_control(ref, 0.3)}
        assert not any(is_control(ref, 0.0) for ref in refs)
        assert all(is_control(ref, 1.0) for ref in refs)
        assert tenth != {RunRef("shop", ref.run_id) for ref in refs if is_control(RunRef("desk", ref.run_id), 0.1)}
