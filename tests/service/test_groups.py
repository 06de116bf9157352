"""Thresholds by group, live: the agent named before a run's first step, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from monitors import Monitor
from monitors.bundle.manifest import GroupRecord, GroupsRecord
from monitors.stepview import JsonValue
from service.records import RunDescription
from tests.service.conftest import Core
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def monitor(tiny: TinyBundle) -> Monitor:
    """A monitor with thresholds by turn and by group; its id is the one that the core's posts name."""
    plain = Monitor.read(tiny.path, device="cpu")
    own = {"low": _record(-9.0), "middle": _record(0.0)}
    groups = GroupsRecord(by="agent", needed=9, own=own, others=_record(9.0))
    changed = {"groups": groups, "offsets": [0.5, 0.25, 0.0], "threshold": -8.0, "release": -8.5}
    manifest = plain.manifest.model_copy(update=changed)
    return Monitor(manifest, plain.adapter, plain.featuriser, plain.scorer, "m-fake")


def _record(threshold: float) -> GroupRecord:
    return GroupRecord(success_maxima=[], threshold=threshold, release=threshold)


def data(steps: Sequence[JsonValue]) -> list[bytes]:
    return [orjson.dumps(step) for step in steps]


def expected(monitor: Monitor, group: str, steps: Sequence[JsonValue]) -> list[tuple[int, int, float]]:
    """The alerts of a session in process: position, turn, threshold."""
    session = monitor.session(group)
    verdicts = enumerate(session.step(step) for step in steps)
    return [(at, seen.alert.turn, seen.alert.threshold) for at, seen in verdicts if seen.alert is not None]


async def name(core: Core, run_id: str, agent: str) -> None:
    await core.log.describe(core.ref(run_id), RunDescription(agent), "m-fake")


async def alerts(core: Core, run_id: str) -> list[tuple[int, int, float]]:
    found: list[dict[str, Any]] = await core.reader.read_run_alerts(core.ref(run_id))
    return [(alert["position"], alert["turn"], alert["threshold"]) for alert in found]


async def test_a_service_alerts_as_a_session_of_the_agent_that_was_named_first(
    core: Core, monitor: Monitor, tiny: TinyBundle
) -> None:
    agents = ("low", "middle", "unseen", "")
    runs = tiny.corpus.runs[:6]
    async with core.working(monitor=monitor):
        for agent in agents:
            for number, steps in enumerate(runs):
                if agent:
                    await name(core, f"{agent}-{number}", agent)
                await core.post(f"{agent or 'nobody'}-{number}", *data(steps))
        for agent in agents:
            for number, steps in enumerate(runs):
                run_id = f"{agent or 'nobody'}-{number}"
                await core.until_scored(run_id, len(steps))
                assert await alerts(core, run_id) == expected(monitor, agent, steps)
    assert expected(monitor, "low", runs[0])[0][2] == -8.5
    assert expected(monitor, "", runs[0])[0][2] == -7.5
    assert expected(monitor, "unseen", runs[0]) == []


async def test_an_agent_named_after_the_first_step_moves_nothing(
    core: Core, monitor: Monitor, tiny: TinyBundle
) -> None:
    steps = tiny.corpus.runs[0]
    await core.post("unnamed", *data(steps[:1]))
    await name(core, "unnamed", "unseen")
    await name(core, "renamed", "low")
    await core.post("renamed", *data(steps[:1]))
    await name(core, "renamed", "unseen")
    async with core.working("w1", monitor=monitor):
        await core.post("unnamed", *data(steps[1:]))
        await core.post("renamed", *data(steps[1:]))
        await core.until_scored("unnamed", len(steps))
        await core.until_scored("renamed", len(steps))

    assert await alerts(core, "unnamed") == expected(monitor, "", steps) != []
    assert await alerts(core, "renamed") == expected(monitor, "low", steps) != []


async def test_the_last_name_before_the_first_step_counts(core: Core, monitor: Monitor, tiny: TinyBundle) -> None:
    steps = tiny.corpus.runs[0]
    await name(core, "a", "unseen")
    await name(core, "a", "low")
    async with core.working(monitor=monitor):
        await core.post("a", *data(steps))
        await core.until_scored("a", len(steps))

    assert await alerts(core, "a") == expected(monitor, "low", steps)


async def test_a_group_outlives_the_worker_that_scored_the_first_step(
    core: Core, monitor: Monitor, tiny: TinyBundle
) -> None:
    steps = tiny.corpus.runs[0]
    await name(core, "a", "middle")
    async with core.working("w1", monitor=monitor, crash=True):
        await core.post("a", *data(steps[:2]))
        await core.until_scored("a", 2)
    await name(core, "a", "low")
    await core.post("a", *data(steps[2:]))
    async with core.working("w2", monitor=monitor):
        await core.until_scored("a", len(steps))

    assert await alerts(core, "a") == expected(monitor, "middle", steps)
