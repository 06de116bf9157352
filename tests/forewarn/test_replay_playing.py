from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from forewarn.replay.connection import Connection, Origin, RefusedError, ServiceUnreachableError
from forewarn.replay.playing import PlayableRun, Replay, Replayed
from forewarn.replay.service import ServiceConnection


def run_of(name: str, steps: int, *, success: bool = True, alarm_at: int | None = None) -> PlayableRun:
    made = [{"n": number, "alarm": number == alarm_at} for number in range(1, steps + 1)]
    return PlayableRun(name, f"task of {name}", success, tuple(json.dumps(step).encode() for step in made))


async def play(service: Any, runs: list[PlayableRun], **settings: Any) -> Replayed:
    return await Replay(service.origin, label="t", **settings).play(runs)


async def test_steps_of_each_run_arrive_in_their_order(service: Any) -> None:
    await play(service, [run_of(f"run {number}", 12) for number in range(20)])
    assert {tuple(step["n"] for step in steps) for steps in service.steps.values()} == {tuple(range(1, 13))}
    assert len(service.steps) == 20


async def test_runs_are_interleaved_and_no_more_than_asked_at_a_time(service: Any) -> None:
    service.delay_s = 0.002
    await play(service, [run_of(f"run {number}", 8) for number in range(12)], in_flight=4)
    changes = sum(one != other for one, other in zip(service.order, service.order[1:], strict=False))
    assert changes > 48
    assert 2 <= service.most_in_flight <= 4


async def test_a_run_starts_with_its_task_and_ends_with_its_outcome(service: Any) -> None:
    await play(service, [run_of("good", 2), run_of("bad", 2, success=False)])
    assert service.starts["t-00000"]["task"] == "task of good"
    assert service.starts["t-00000"]["tags"] == {"replay": "t", "run": "good"}
    assert service.outcomes == {"t-00000": True, "t-00001": False}


async def test_what_the_service_found_comes_back(service: Any) -> None:
    replayed = await play(service, [run_of("bad", 6, success=False, alarm_at=4), run_of("good", 3)])
    bad, good = replayed.runs
    assert (bad.run, bad.success, bad.steps, bad.last_turn, bad.alert_turn) == ("bad", False, 6, 6, 4)
    assert good.alert_turn is None
    assert replayed.steps == 9


async def test_event_to_score_is_measured_on_a_sample_of_steps(service: Any) -> None:
    replayed = await play(service, [run_of(f"run {number}", 40) for number in range(4)])
    assert replayed.event_to_score is not None
    assert 4 * 40 / 8 <= replayed.event_to_score.samples <= 4 * 40 / 8 + 4


async def test_a_rate_holds_over_all_runs_together(service: Any) -> None:
    began = time.monotonic()
    await play(service, [run_of(f"run {number}", 10) for number in range(4)], steps_per_s=80)
    assert 0.45 <= time.monotonic() - began < 1.5


async def test_overload_is_waited_out(service: Any) -> None:
    service.faults = [503, 429, 503]
    replayed = await play(service, [run_of("run", 5)])
    assert replayed.steps == 5
    assert len(service.steps["t-00000"]) == 5


async def test_a_step_whose_answer_was_lost_is_stored_once(service: Any) -> None:
    service.faults = [None, "drop after"]
    await play(service, [run_of("run", 5)])
    assert [step["n"] for step in service.steps["t-00000"]] == [1, 2, 3, 4, 5]


async def test_a_refused_step_ends_the_replay_with_the_reason(service: Any) -> None:
    service.faults = [413]
    with pytest.raises(RefusedError, match="step 0 of run t-00000: 413 not now"):
        await play(service, [run_of("run", 5)])


async def test_a_service_that_is_not_there_is_named() -> None:
    connection = ServiceConnection(Origin.from_url("http://127.0.0.1:9"))
    with pytest.raises(ServiceUnreachableError, match=r"http://127\.0\.0\.1:9 does not answer"):
        await connection.get("/v1/monitors")


@pytest.mark.parametrize("url", ["ftp://example.com", "http://", "http://host:port"])
def test_what_is_no_address_of_a_service_is_named(url: str) -> None:
    with pytest.raises(ServiceUnreachableError):
        Origin.from_url(url)


async def test_an_api_key_goes_with_every_request(service: Any) -> None:
    connection = ServiceConnection(Origin.from_url(f"127.0.0.1:{service.port}", "secret-key"))
    monitor = await connection.read_monitor()
    connection.close()
    assert (monitor.monitor_id, monitor.promise.alpha, monitor.promise.successes) == ("m-1", 0.1, 40)
    assert service.authorizations == {"Bearer secret-key"}


async def test_a_chunked_answer_is_read_whole() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"2\r\nde\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = Connection(Origin.from_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    answer = await connection.request("GET", "/")
    connection.close()
    server.close()
    assert (answer.status, answer.body) == (200, b"abcde")


async def test_a_connection_is_used_again_while_the_service_keeps_it_open(service: Any) -> None:
    connection = Connection(service.origin)
    await connection.request("GET", "/v1/monitors")
    first = connection._protocol
    await connection.request("GET", "/v1/monitors")
    assert connection._protocol is first
    connection.close()
