"""Server-sent events over real sockets: nothing missed, in order, bounded, and only one's own."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from service.api import event_routes
from service.api.application import create_app
from service.app.api import build_deps
from service.app.serving import build_server, serve_until
from service.core import live
from service.core.live import Onlooker, Reset, Update, Updates
from service.core.tenants.access import Principal
from service.core.tenants.authentication import Authenticator
from service.errors import LogUnavailable, Unauthenticated
from service.records import FeedEntry, RunCommit, RunDescription, RunRef, RunSummary, ScoreRecord
from service.redis_log.frames import to_feed_frame
from service.settings import Settings, read_settings
from tests.ports import free_port
from tests.service.conftest import PARTITIONS, Core
from tests.tiny_bundle import shared_tiny_bundle

WITHIN_S = 10.0


class TwoProjects(Authenticator):
    """Takes the name of a project for its key."""

    def __init__(self) -> None:
        super().__init__("no-key-is-needed")
        self.revoked: set[str] = set()

    def authenticate(self, authorization: str | None, origin: str = "") -> Principal:
        project = (authorization or "").removeprefix("Bearer ")
        if project not in {"default", "other"}:
            raise Unauthenticated("no such project")
        return Principal(project, key_id=project)

    def holds(self, principal: Principal) -> bool:
        return principal.key_id not in self.revoked


@dataclass
class Event:
    """One server-sent event."""

    name: str = ""
    id: str | None = None
    data: Any = None
    comments: list[str] = field(default_factory=list)
    retry: str | None = None


class Reader:
    """Reads the events of an answer, as the specification says."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, *names: str) -> Event:
        """The next event, of these names where given (others are passed over). Raises StopAsyncIteration at the end."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = await self.block()
                if event.name and (not names or event.name in names):
                    return event

    async def block(self) -> Event:
        """What comes up to the next empty line."""
        event = Event()
        while line := await anext(self._lines):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                event.comments.append(value)
            elif name == "data":
                event.data = orjson.loads(value)
            elif name == "event":
                event.name = value
            elif name in {"id", "retry"}:
                setattr(event, name, value)
        return event

    async def rest(self) -> list[Event]:
        """All events up to the end of the stream."""
        events = []
        try:
            while True:
                events.append(await self.next())
        except StopAsyncIteration:
            return events


@dataclass
class Server:
    """One API process's worth of service, and the log under it."""

    core: Core
    url: str
    deps: Any
    stop: asyncio.Event

    @asynccontextmanager
    async def stream(self, path: str, project: str = "default", **headers: str) -> AsyncIterator[Reader]:
        own = {"Authorization": f"Bearer {project}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=WITHIN_S) as http,
            http.stream("GET", path, headers=own) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            yield Reader(answer)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        own = {name.replace("_", "-"): text for name, text in headers.items()}
        async with httpx.AsyncClient(base_url=self.url, timeout=WITHIN_S) as http:
            return await http.get(path, headers={"Authorization": "Bearer default"} | own)

    def working(self) -> Any:
        return self.core.working()

    async def post(self, run_id: str, *steps: dict[str, Any]) -> int:
        """Append steps and wait until they are scored; the last one's position."""
        positions = await self.core.post(run_id, *map(orjson.dumps, steps))
        await self.core.until_scored(run_id, positions[-1] + 1)
        return positions[-1]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(core: Core, settings: Settings) -> AsyncIterator[Server]:
    deps, board, _ = build_deps(settings, core.client, PARTITIONS)
    deps = dataclasses.replace(deps, authenticator=TwoProjects())
    app = create_app(deps, version="0")
    stop = asyncio.Event()
    server = build_server(app, settings.wanted_host, settings)
    task = asyncio.create_task(serve_until(server, stop, deps.gate.close))
    await until(lambda: server.started)
    try:
        yield Server(core, f"http://127.0.0.1:{settings.port}", deps, stop)
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)
        await deps.live.close()
        await board.close()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp()).path


Serve = Callable[..., Any]


@pytest.fixture
def serve(core: Core, bundle: Path) -> Serve:
    return lambda **settings: serving(core, read_settings(bundle=bundle, port=free_port(), **settings))


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve() as one:
        yield one


def positions(events: list[Event]) -> list[int]:
    return [event.data["position"] for event in events if event.name == "score"]


class TestOneRun:
    async def test_stored_scores_come_first_and_then_each_as_it_is_scored(self, server: Server) -> None:
        async with server.working():
            await server.post("r", {"n": 0}, {"n": 1})
            async with server.stream("/v1/runs/r/events") as stream:
                assert [(await stream.next()).id for _ in range(2)] == ["0", "1"]
                await server.core.post("r", b'{"n": 2}')
                event = await stream.next()
        assert (event.name, event.id, event.data["position"]) == ("score", "2", 2)
        (stored,) = await server.core.reader.read_scores(server.core.ref("r"), 2, 1)
        assert stored is not None
        assert event.data == {
            **{name: event.data[name] for name in ("symbol", "state", "known", "parked", "received_ms")},
            "position": 2,
            "turn": 3,
            "alert": False,
            "score": stored.score,
            "risk": stored.risk,
            "failure_probability": stored.failure_probability,
        }

    async def test_its_headers_forbid_storing_and_it_says_when_to_come_back(self, server: Server) -> None:
        async with server.working():
            await server.post("r", {"n": 0})
            async with server.stream("/v1/runs/r/events") as stream:
                assert stream.answer.headers["content-type"].startswith("text/event-stream")
                assert stream.answer.headers["cache-control"] == "no-store"
                assert (await stream.block()).retry == str(event_routes.RETRY_MS)

    async def test_resuming_at_another_process_misses_nothing_and_repeats_nothing(self, serve: Serve) -> None:
        async with serve() as first, serve() as second, first.working():
            await first.post("r", *({"n": n} for n in range(5)))
            async with first.stream("/v1/runs/r/events") as stream:
                seen = [await stream.next() for _ in range(4)]
            await first.post("r", *({"n": n} for n in range(5, 700)))
            async with second.stream("/v1/runs/r/events", Last_Event_ID=seen[-1].id) as stream:
                seen += [await stream.next() for _ in range(690)]
                await second.post("r", *({"n": n} for n in range(700, 706)))
                await second.core.log.end(second.core.ref("r"))
                seen += await stream.rest()
        assert positions(seen) == list(range(706))
        assert [event.name for event in seen if event.name != "score"] == ["end"]

    async def test_it_begins_where_it_is_asked_to_even_before_that_step_is_there(self, server: Server) -> None:
        async with server.working():
            await server.post("r", {"n": 0}, {"n": 1})
            async with server.stream("/v1/runs/r/events?from=2") as stream:
                await server.post("r", {"n": 2})
                assert (await stream.next()).id == "2"

    async def test_the_end_of_the_run_ends_the_stream_once_all_is_scored(self, server: Server) -> None:
        await server.core.post("r", b'{"n": 0}')
        await server.core.log.end(server.core.ref("r"))
        async with server.stream("/v1/runs/r/events") as stream, server.working():
            events = await stream.rest()
        assert [event.name for event in events] == ["score", "end"]
        assert (events[-1].data["state"], events[-1].data["scored"]) == ("ended", 1)
        assert (await server.get("/v1/runs/r/events", Last_Event_ID=events[-1].id or "")).status_code == 204

    async def test_an_alert_comes_before_its_score_so_that_resuming_there_repeats_it(self, server: Server) -> None:
        async with server.working():
            await server.post("r", {"n": 0}, {"bad": 3})
            async with server.stream("/v1/runs/r/events") as stream:
                names = [await stream.next() for _ in range(3)]
            async with server.stream("/v1/runs/r/events", Last_Event_ID="0") as stream:
                again = await stream.next()
        assert [(event.name, event.id) for event in names] == [("score", "0"), ("alert", None), ("score", "1")]
        assert again.name == "alert"
        assert (again.data["position"], again.data["run_id"], "project" in again.data) == (1, "r", False)

    @pytest.mark.parametrize("path", ["/v1/runs/r/events", "/v1/events"])
    async def test_a_stream_ends_with_the_key_that_opened_it(self, server: Server, path: str) -> None:
        await server.core.post("r", b"{}")
        async with server.stream(path) as stream, asyncio.timeout(5):
            await stream.block()
            server.deps.authenticator.revoked.add("default")
            await stream.rest()

    async def test_what_is_missing_or_wrong_is_a_problem(self, server: Server) -> None:
        assert (await server.get("/v1/runs/none/events")).status_code == 404
        await server.core.post("r", b"{}")
        for wrong in ("x", "-1", "1 2", "9" * 40):
            answer = await server.get("/v1/runs/r/events", Last_Event_ID=wrong)
            assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "Last-Event-ID")

    async def test_heartbeats_are_comments(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_routes, "HEARTBEAT_S", 0.2)
        await server.core.post("r", b"{}")
        async with server.stream("/v1/runs/r/events") as stream:
            await stream.block()
            beat = await stream.block()
        assert (beat.comments, beat.name, beat.id) == (["alive"], "", None)

    async def test_where_redis_is_away_that_is_told_once_and_it_goes_on_afterwards(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_routes, "LOOK_EVERY_S", 0.05)
        async with server.working():
            await server.post("r", {"n": 0})
            async with server.stream("/v1/runs/r/events") as stream:
                await stream.next("score")
                failures = iter(range(3))
                read = server.deps.reader.read_scores

                async def fail_thrice(*arguments: Any) -> Any:
                    if next(failures, None) is not None:
                        raise LogUnavailable("Redis does not answer")
                    return await read(*arguments)

                monkeypatch.setattr(server.deps.reader, "read_scores", fail_thrice)
                away, back = await stream.next(), await stream.next()
                assert (away.name, away.data["detail"], back.name) == ("away", "Redis does not answer", "back")
                await server.core.post("r", b'{"n": 1}')
                assert (await stream.next()).id == "1"


class TestAllRuns:
    async def test_every_runs_newest_score_and_alert_come_as_they_are_committed(self, server: Server) -> None:
        await server.core.log.describe(server.core.ref("b"), RunDescription("bot"), "m-fake")
        async with server.working(), server.stream("/v1/events") as stream:
            assert (await stream.next()).name == "open"
            await server.post("a", {"n": 0})
            first = await stream.next()
            await server.post("b", {"bad": 3})
            second, alert = await stream.next(), await stream.next()
        assert (first.name, first.data["run_id"], first.data["position"]) == ("run", "a", 0)
        assert (second.data["run_id"], second.data["agent"], second.id) == ("b", "bot", None)
        assert (alert.name, alert.data["run_id"], alert.data["episode"]) == ("alert", "b", 1)
        assert alert.id is not None

    async def test_filters_leave_out_other_agents_and_plain_scores(self, server: Server) -> None:
        for run_id, agent in (("a", "x"), ("b", "y")):
            await server.core.log.describe(server.core.ref(run_id), RunDescription(agent), "m-fake")
        async with server.working(), server.stream("/v1/events?agent=y&only=alerts") as stream:
            await server.post("a", {"bad": 3})
            await server.post("b", {"n": 0})
            await server.post("b", {"bad": 3})
            assert (await stream.next()).name == "open"
            event = await stream.next()
        assert (event.name, event.data["run_id"]) == ("alert", "b")

    async def test_resuming_at_another_process_misses_nothing(self, serve: Serve) -> None:
        runs = [f"run-{number}" for number in range(6)]
        seen: set[tuple[str, int]] = set()
        async with serve() as first, serve() as second, first.working():
            last: str | None = None
            for round_ in range(4):
                where = (first, second)[round_ % 2]
                headers = {} if last is None else {"Last_Event_ID": last}
                async with where.stream("/v1/events", **headers) as stream:
                    opening = await stream.next()
                    assert opening.data == {"resumed": last is not None}
                    last = opening.id
                    for run_id in runs:
                        await first.post(run_id, {"n": round_})
                    async with asyncio.timeout(WITHIN_S):
                        while (runs[3], 2 * round_) not in seen:
                            event = await stream.next()
                            assert event.name == "run"
                            seen.add((event.data["run_id"], event.data["position"]))
                            last = event.id or last
                for run_id in runs:
                    await first.post(run_id, {"away": round_})
            async with second.stream("/v1/events", Last_Event_ID=last or "") as stream:
                async with asyncio.timeout(WITHIN_S):
                    while len(seen) < len(runs) * 8:
                        event = await stream.next()
                        assert event.name != "reset"
                        if event.name == "run":
                            seen.add((event.data["run_id"], event.data["position"]))
        assert seen == {(run_id, position) for run_id in runs for position in range(8)}

    async def test_an_absence_beyond_the_feeds_reach_is_told(self, server: Server) -> None:
        feed = server.core.keys.of_run(server.core.ref("r")).feed
        async with server.working():
            await server.post("r", {"n": 0})
            ((first, _),) = await server.core.client.xrange(feed)
            await asyncio.sleep(live.SLACK_MS / 1000 + 0.1)
            for n in range(4):
                await server.post("r", {"n": n})
            await server.core.client.xtrim(feed, maxlen=1, approximate=False)
            partition = server.core.keys.partition_of(server.core.ref("r"))
            async with server.stream("/v1/events", Last_Event_ID=f"{first.decode()}@{partition}") as stream:
                reset = await stream.next("reset")
                await server.post("r", {"n": 9})
                assert (await stream.next("run")).data["position"] == 5
        assert "missing" in reset.data["reason"]

    async def test_a_commit_that_was_not_signalled_is_found_by_looking(self, server: Server, client: Redis) -> None:
        async with server.stream("/v1/events") as stream:
            await stream.next("open")
            await add_to_feed(server.core, [RunRef("default", "quiet")])
            assert (await stream.next()).data["run_id"] == "quiet"

    async def test_a_wrong_id_is_a_problem(self, server: Server) -> None:
        for wrong in ("x", "1-1", "1-1@", "1@1", "1-1@12345"):
            answer = await server.get("/v1/events", Last_Event_ID=wrong)
            assert answer.status_code == 400, wrong
        assert server.deps.gate.open == 0

    async def test_heartbeats_carry_what_was_reached_though_nothing_concerned_this_project(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_routes, "HEARTBEAT_S", 0.2)
        async with server.stream("/v1/events", "other") as stream:
            await stream.next("open")
            newest = await add_to_feed(server.core, [RunRef("default", "theirs")])
            async with asyncio.timeout(WITHIN_S):
                while (beat := await stream.block()).id != newest:
                    assert beat.name == ""

    async def test_a_client_that_does_not_read_costs_a_bounded_queue_and_is_told(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Onlooker.__init__, "__defaults__", (500,))
        onlookers = server.deps.live._onlookers
        refs = [RunRef("default", f"run-{number:03d}-{'x' * 100}") for number in range(200)]
        host, _, port = server.url.removeprefix("http://").partition(":")
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (host, int(port)))
        await loop.sock_sendall(
            slow, b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer default\r\n\r\n"
        )
        worst = 0
        async with asyncio.timeout(60), server.stream("/v1/events") as quick:
            await quick.next("open")
            await until(lambda: len(onlookers) == 2)
            for number in range(150):
                await add_to_feed(server.core, refs, position=number, signal=True)
                # The quick one keeps up, and hears of each; so every frame has been handed out.
                while (await quick.next("run")).data["position"] < number:
                    pass
                worst = max([worst, *(onlooker._queued for onlooker in onlookers)])
            heard = b""
            while b"event: reset" not in heard:
                heard = heard[-20:] + await loop.sock_recv(slow, 65536)
        slow.close()
        assert worst <= 500

    async def test_nothing_is_read_while_nobody_looks(self, server: Server, client: Redis) -> None:
        async def reads() -> int:
            stats: Any = await client.info("commandstats")
            return int(stats.get("cmdstat_xrange", {}).get("calls", 0))

        async with server.working():
            async with server.stream("/v1/events") as stream:
                await server.post("r", {"n": 0})
                await stream.next("run")
            await until(server.deps.live._reading.done)
            before = await reads()
            assert before > 0
            await server.post("r", {"n": 1})
            await asyncio.sleep(2 * live.LOOK_EVERY_S)
            assert await reads() == before

    async def test_where_redis_is_away_that_is_told_and_it_goes_on_afterwards(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with server.stream("/v1/events") as stream:
            await stream.next("open")

            async def fail(*_: Any) -> Any:
                raise LogUnavailable("Redis does not answer")

            with monkeypatch.context() as patched:
                patched.setattr(server.deps.live._feed, "read", fail)
                assert (await stream.next()).name == "away"
            await add_to_feed(server.core, [RunRef("default", "r")])
            assert [(await stream.next("back", "run")).name for _ in range(2)] == ["back", "run"]


class TestGuards:
    @pytest.mark.parametrize("path", ["/v1/events", "/v1/runs/r/events"])
    async def test_a_key_is_needed(self, server: Server, path: str) -> None:
        await server.core.post("r", b"{}")
        answer = await server.get(path, Authorization="Bearer wrong")
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:forewarn:problem:unauthenticated")

    async def test_projects_do_not_see_each_others_runs(self, server: Server) -> None:
        async with server.working(), server.stream("/v1/events", "other") as stream:
            await stream.next("open")
            await server.post("mine", {"bad": 3})
            await add_to_feed(server.core, [RunRef("other", "theirs"), RunRef("default", "mine")], signal=True)
            event = await stream.next()
            assert (event.data["run_id"], event.id is not None) == ("theirs", True)
        assert (await server.get("/v1/runs/mine/events", Authorization="Bearer other")).status_code == 404

    async def test_streams_beyond_the_limit_are_refused_until_one_ends(self, serve: Serve) -> None:
        async with serve(max_streams=1) as server:
            await server.core.post("r", b"{}")
            async with server.stream("/v1/events"):
                for path in ("/v1/events", "/v1/runs/r/events"):
                    answer = await server.get(path)
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            await until(lambda: server.deps.gate.open == 0)
            async with server.stream("/v1/runs/r/events"):
                assert server.deps.gate.open == 1

    async def test_open_streams_do_not_keep_a_service_from_leaving(self, server: Server) -> None:
        await server.core.post("r", b"{}")
        async with server.stream("/v1/events") as all_runs, server.stream("/v1/runs/r/events") as one_run:
            await all_runs.next("open")
            server.stop.set()
            async with asyncio.timeout(5):
                assert await all_runs.rest() == await one_run.rest() == []


class TestOnlooker:
    def entry(self, number: int, project: str = "default", updates: int = 1) -> tuple[FeedEntry, list[Update]]:
        record = ScoreRecord(1, 0.5, 0.5, 0.5, 0, 1)
        refs = [RunRef(project, f"r{one}") for one in range(updates)]
        return FeedEntry(0, f"{number}-0", ()), [Update(ref, number, record, "", None) for ref in refs]

    async def test_it_holds_at_most_so_many_updates_and_then_says_that_it_missed_some(self) -> None:
        onlooker = Onlooker("default", most=4)
        for number in range(8):
            onlooker.put(*self.entry(number))
        assert onlooker._queued <= 4
        assert isinstance(await onlooker.take(0), Reset)
        following = await onlooker.take(0)
        assert isinstance(following, Updates)

    async def test_what_it_passed_moves_only_when_what_came_before_was_delivered(self) -> None:
        onlooker = Onlooker("default")
        onlooker.put(*self.entry(1))
        onlooker.put(*self.entry(2, "other"))
        assert onlooker.passed == ""
        assert await onlooker.take(0) is not None
        onlooker.put(*self.entry(3, "other"))
        assert onlooker.passed == ""
        assert await onlooker.take(0) is None
        assert onlooker.passed == "1-0@0"
        onlooker.put(*self.entry(4, "other"))
        assert onlooker.passed == "4-0@0"


async def add_to_feed(core: Core, refs: list[RunRef], *, position: int = 0, signal: bool = False) -> str:
    """What a commit of these runs, all of the first one's partition, adds to its feed; the event's id."""
    record = ScoreRecord(1, 0.5, 0.5, 0.5, 0, 1)
    runs = [RunCommit(ref, b"", RunSummary(), position, (record,)) for ref in refs]
    partition = core.keys.partition_of(refs[0])
    frame = to_feed_frame(runs, [record.to_bytes()] * len(runs))
    keys = core.keys[partition]
    entry_id = await core.client.xadd(keys.feed, {"f": frame})
    if signal:
        await core.client.publish(keys.scored, frame)
    return f"{entry_id.decode()}@{partition}"
