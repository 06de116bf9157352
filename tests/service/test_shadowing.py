"""A second monitor beside the runs' own, over a real Redis: same steps, own state, no alerts, and never any harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from monitors.monitor import Verdict
from monitors.run_state import RunState
from monitors.stepview import JsonValue
from service.core.shadowing import COUNTS, count_changes
from service.errors import LogUnavailable
from service.records import NewStep, PartitionCommit, RunRecord, ShadowSummary
from service.redis_log.partitions import RedisPartitionLog
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor, offline_scores
from tests.service.test_scoring_loop import Proxy

STEPS: list[dict[str, Any]] = [{"n": n, "bad": 3 if n == 4 else 0} for n in range(10)]


class Eager(FakeMonitor):
    """Sees every step a point worse, and fails at {"hard": true}."""

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> list[tuple[RunState, Verdict]]:
        if any(isinstance(step, dict) and step.get("hard") for step in raw_steps):
            raise ValueError("too hard")
        worse = [{**step, "bad": step.get("bad", 0) + 1} for step in raw_steps if isinstance(step, dict)]
        return super().advance(states, worse)


@pytest.fixture
def monitors(core: Core) -> Core:
    """Workers whose shelf makes `m-eager` one that sees everything worse."""
    core.read = lambda name: Eager(name) if name == "m-eager" else FakeMonitor(name)
    return core


async def begin(core: Core, run_id: str, steps: Sequence[dict[str, Any]], shadow_id: str = "m-eager") -> None:
    await core.register("m-eager")
    await core.append(run_id, [NewStep(orjson.dumps(step)) for step in steps], "m-fake", shadow_id)


async def run_of(core: Core, run_id: str) -> RunRecord:
    record = await core.reader.read_run(core.ref(run_id))
    assert record is not None
    return record


async def test_a_shadow_scores_every_step_beside_the_runs_own_monitor(monitors: Core) -> None:
    async with monitors.working():
        await begin(monitors, "a", STEPS[:3])
        await begin(monitors, "a", STEPS[3:])
        await monitors.until_scored("a", 10)
    run = await run_of(monitors, "a")
    assert await monitors.scores("a") == offline_scores(STEPS)
    worse = [{**step, "bad": step["bad"] + 1} for step in STEPS]
    assert (run.shadow_id, run.shadow.steps, run.shadow.compared) == ("m-eager", 10, 10)
    assert run.shadow.score == offline_scores(worse)[-1]
    assert run.shadow.difference > 0
    assert run.shadow.absolute_difference == pytest.approx(run.shadow.difference)
    assert (run.shadow.only_shadow_warned, run.shadow.only_own_warned) == (3, 0)


async def test_a_shadow_alerts_nobody(monitors: Core) -> None:
    quiet = [{"n": n} for n in range(10)]
    async with monitors.working():
        await begin(monitors, "a", quiet)
        await monitors.until_scored("a", 10)
    run = await run_of(monitors, "a")
    assert (run.shadow.alerts, run.summary.alerts) == (1, 0)
    assert await monitors.reader.read_run_alerts(monitors.ref("a")) == []
    assert await monitors.client.xlen(monitors.keys.of_run(monitors.ref("a")).outbox) == 0


async def test_a_shadow_is_compared_with_the_alerts_that_a_control_run_tells_nobody(monitors: Core) -> None:
    async with monitors.working(is_control=lambda ref: ref.run_id == "control"):
        for run_id in ("control", "warned"):
            await begin(monitors, run_id, STEPS)
            await monitors.until_scored(run_id, 10)
    control, warned = await run_of(monitors, "control"), await run_of(monitors, "warned")
    assert (control.summary.alerts, control.summary.hidden_alerts) == (0, 1)
    assert control.shadow == warned.shadow
    assert (await counts(monitors))["both_alerted"] == 2


async def test_a_shadow_that_fails_is_dropped_for_that_run_alone(monitors: Core) -> None:
    hard = [{"n": 0}, {"n": 1, "hard": True}, {"n": 2}]
    easy = [{"n": n} for n in range(3)]
    await begin(monitors, "a", hard)
    await begin(monitors, "b", easy)
    async with monitors.working():
        await monitors.until_scored("a", 3)
        await monitors.until_scored("b", 3)
    a, b = await run_of(monitors, "a"), await run_of(monitors, "b")
    assert await monitors.scores("a") == offline_scores(hard)
    assert (a.shadow.steps, a.shadow.dropped) == (1, "ValueError: too hard")
    assert (b.shadow.steps, b.shadow.dropped) == (3, "")
    assert a.summary.parked == b.summary.parked == 0


async def test_a_shadow_that_is_not_there_costs_the_run_nothing(monitors: Core) -> None:
    async with monitors.working():
        await begin(monitors, "a", STEPS, "m-nowhere")
        await monitors.until_scored("a", 10)
    run = await run_of(monitors, "a")
    assert await monitors.scores("a") == offline_scores(STEPS)
    assert "m-nowhere" in run.shadow.dropped


async def test_a_shadow_goes_on_after_a_crash_as_if_nothing_had_been(monitors: Core) -> None:
    async with monitors.working("w1", crash=True):
        await begin(monitors, "a", STEPS[:5])
        await monitors.until_scored("a", 3)
    await begin(monitors, "a", STEPS[5:])
    async with monitors.working("w2"):
        await monitors.until_scored("a", 10)
    async with monitors.working("w3"):
        await begin(monitors, "b", STEPS)
        await monitors.until_scored("b", 10)
    assert (await run_of(monitors, "a")).shadow == (await run_of(monitors, "b")).shadow


async def test_a_commit_that_is_repeated_counts_a_shadow_once(monitors: Core) -> None:
    failures = iter([True, True])

    class Lossy(Proxy):
        async def commit(self, commits: Sequence[PartitionCommit]) -> list[bool]:
            written = await RedisPartitionLog.commit(self._plain, commits)
            if next(failures, False):
                raise LogUnavailable("the answer was lost")
            return written

    async with monitors.working(log=Lossy):
        for first in range(0, 10, 2):
            await begin(monitors, "a", STEPS[first : first + 2])
        await monitors.until_scored("a", 10)
    assert (await run_of(monitors, "a")).shadow.steps == 10
    assert await counts(monitors) == {"runs": 1, "steps": 10, "compared": 10, "alerts": 1, "own_alerts": 1} | {
        "both_alerted": 1,
        "only_shadow_warned": 3,
    }


async def counts(core: Core) -> dict[str, float]:
    """All whole counts of m-eager that are not zero."""
    total: dict[str, float] = {}
    for partition in range(core.keys.count):
        for name, value in (await core.client.hgetall(core.keys[partition].shadows)).items():
            project, monitor_id, count = name.decode().split(":")
            assert (project, monitor_id) == ("default", "m-eager")
            total[count] = total.get(count, 0) + float(value)
    return {name: value for name, value in total.items() if value and "difference" not in name}


async def test_a_run_that_begins_without_a_shadow_never_gets_one(monitors: Core) -> None:
    async with monitors.working():
        await begin(monitors, "a", STEPS[:2], "")
        await begin(monitors, "a", STEPS[2:], "m-eager")
        await monitors.until_scored("a", 10)
    assert (await run_of(monitors, "a")).shadow_id == ""


async def test_a_step_at_which_a_worker_died_is_scored_without_the_shadow(monitors: Core) -> None:
    await begin(monitors, "a", STEPS)
    keys = monitors.keys.of_run(monitors.ref("a"))
    ((entry_id, _),) = await monitors.client.xrange(keys.steps, count=1)
    await monitors.client.hset(keys.cursor, mapping={"attempts": 7, "suspect": entry_id.decode(), "suspicion": 1})
    async with monitors.working():
        await monitors.until_scored("a", 10)
    run = await run_of(monitors, "a")
    assert await monitors.scores("a") == offline_scores(STEPS)
    assert "a worker died" in run.shadow.dropped


def test_a_shadows_summary_reads_back_as_it_was_written() -> None:
    summary = ShadowSummary(5, 1, 2, 4, 3, 2, True, 0.25, 0.5, -1.5, 0.75, -0.1, 0.3, "é: too hard")
    assert ShadowSummary.from_bytes(summary.to_bytes()) == summary
    assert ShadowSummary.from_bytes(None) == ShadowSummary()


def test_counts_move_a_run_from_alerted_by_one_to_alerted_by_both() -> None:
    first = ShadowSummary(steps=1, compared=1, own_alerts=1)
    second = ShadowSummary(steps=2, compared=2, own_alerts=1, alerts=1)
    assert count_changes(ShadowSummary(), first)["only_own_alerted"] == 1
    changes = count_changes(first, second)
    assert (changes["only_own_alerted"], changes["both_alerted"]) == (-1, 1)
    assert changes.keys() <= set(COUNTS)


@pytest.mark.parametrize(("agent", "expected"), [("sales", "m-old"), ("support", "m-fake"), ("", "m-fake")])
async def test_a_runs_monitor_is_that_of_the_agent_named_before_its_first_step(
    core: Core, agent: str, expected: str
) -> None:
    from service.records import RunDescription

    if agent:
        await core.log.describe(core.ref("a"), RunDescription(agent), "m-said-too-early")
    await core.append("a", [NewStep(b"{}")], "m-fake", sales="m-old")
    await core.log.describe(core.ref("a"), RunDescription("sales"), "m-old")
    await core.append("a", [NewStep(b"{}")], "m-other", sales="m-third")
    assert (await run_of(core, "a")).monitor_id == expected


async def test_a_monitor_is_no_shadow_of_itself(core: Core) -> None:
    await core.append("a", [NewStep(b"{}")], "m-fake", "m-fake")
    assert (await run_of(core, "a")).shadow_id == ""
