"""However a run's steps come in requests, and however often: the final state, scores and alerts are the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from service.records import NewStep
from service.redis_log.scripts import SEQ_WINDOW
from tests.service.conftest import Core
from tests.service.fakes import offline_scores

Request = list[int]
"""The steps of one request, by their number in the run."""

_names = (f"run-{number}" for number in count())


@pytest.fixture
async def scoring(core: Core) -> AsyncIterator[Core]:
    """The log with a worker that goes on through all examples."""
    async with core.working():
        yield core


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Request]]:
    """Steps of a run, and requests that bring each at least once: new ones in order, with any old ones among them."""
    moves = st.sampled_from([0.0, 0.4, 3.0, -3.0])
    steps = [{"n": n, "bad": bad} for n, bad in enumerate(draw(st.lists(moves, min_size=1, max_size=30)))]
    requests: list[Request] = []
    sent = 0
    while sent < len(steps):
        request = list(range(sent, min(len(steps), sent + draw(st.integers(1, 12)))))
        sent += len(request)
        for again in draw(st.lists(st.integers(0, sent - 1), max_size=4)):
            # A repeat may come anywhere after its first, within this request too.
            after = request.index(again) + 1 if again in request else 0
            request.insert(draw(st.integers(after, len(request))), again)
        requests += [request, *draw(st.lists(st.sampled_from([*requests, request]), max_size=2))]
    return steps, requests


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delivery=deliveries(), copies=st.lists(st.integers(1, 3), min_size=1, max_size=5))
async def test_splitting_and_repeating_requests_changes_nothing(
    scoring: Core, delivery: tuple[list[dict[str, Any]], list[Request]], copies: list[int]
) -> None:
    steps, requests = delivery
    run_id, reference = next(_names), next(_names)
    await scoring.post(reference, *map(orjson.dumps, steps))
    note(f"{requests} of {steps}")
    for place, request in enumerate(requests):
        data, ids = [orjson.dumps(steps[number]) for number in request], [f"id-{number}" for number in request]
        # A sender that hears nothing sends again, while the first may be on its way.
        answers = await asyncio.gather(
            *(scoring.post(run_id, *data, ids=ids) for _ in range(copies[place % len(copies)]))
        )
        assert all(positions == request for positions in answers)
    for name in (run_id, reference):
        await scoring.until_scored(name, len(steps))
    assert await scoring.scores(run_id) == offline_scores(steps)
    assert await outcome(scoring, run_id) == await outcome(scoring, reference)


@st.composite
def disorders(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Request]]:
    """Steps of a run, and requests that bring each at least once, in any order inside the window."""
    steps, requests = draw(deliveries())
    order: list[int] = draw(st.permutations(range(len(steps))))
    # All of them fit into the window, so any order is inside it.
    assert len(steps) <= SEQ_WINDOW
    return steps, [[order[number] for number in request] for request in requests]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delivery=disorders(), with_ids=st.booleans())
async def test_any_order_of_steps_that_carry_seq_changes_nothing(
    scoring: Core, delivery: tuple[list[dict[str, Any]], list[Request]], with_ids: bool
) -> None:
    steps, requests = delivery
    run_id, reference = next(_names), next(_names)
    await scoring.post(reference, *map(orjson.dumps, steps))
    note(f"{requests} of {steps}")
    for request in requests:
        sent = [NewStep(orjson.dumps(steps[n]), f"id-{n}" if with_ids else "", seq=n) for n in request]
        for number, answer in zip(request, await scoring.append(run_id, sent), strict=True):
            assert answer.position in {number, None}
    for name in (run_id, reference):
        await scoring.until_scored(name, len(steps))
    assert await outcome(scoring, run_id) == await outcome(scoring, reference)


async def outcome(core: Core, run_id: str) -> dict[str, Any]:
    """What is known of a run, without clocks and its name."""
    ref = core.ref(run_id)
    keys = core.keys.of_run(ref)
    record = await core.reader.read_run(ref)
    assert record is not None
    alerts = await core.reader.read_run_alerts(ref)
    outbox = [orjson.loads(fields[b"alert"]) for _, fields in await core.client.xrange(keys.outbox)]
    assert [one["id"] for one in outbox if one["run_id"] == run_id] == [alert["id"] for alert in alerts]
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    said = ("episode", "position", "turn", "score", "risk")
    return {
        "accepted": record.accepted,
        "state": await core.client.hget(keys.run(ref), "state"),
        "summary": {name: value for name, value in asdict(record.summary).items() if name != "scored_ms"},
        "scores": await core.scores(run_id),
        "alerts": [{name: alert[name] for name in said} for alert in alerts],
    }
