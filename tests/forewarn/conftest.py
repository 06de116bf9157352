"""A fake service: what a replay asks of the real one, kept in memory, with faults on demand."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from forewarn.replay.connection import Origin
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle
from tests.written_archive import WrittenArchive


@dataclass
class FakeService:
    """Accepts steps, scores each at once, and alerts a run at the step whose JSON has `alarm`; a step is a turn.

    `faults` are answers given instead, in order: a status, or "drop after" to store the step and close the connection.
    """

    port: int = 0
    steps: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    starts: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, bool] = field(default_factory=dict)
    faults: list[Any] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    delay_s: float = 0.0
    unknown: set[str] = field(default_factory=set)
    """Runs of which the service has never heard."""
    order: list[str] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)

    @property
    def origin(self) -> Origin:
        return Origin.from_url(f"http://127.0.0.1:{self.port}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers["content-length"]))
                self.authorizations.add(headers.get("authorization"))
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                await asyncio.sleep(self.delay_s)
                self.in_flight -= 1
                answer = self.answer(method, target, headers, json.loads(body) if body else None)
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> bytes | None:
        url = urlsplit(target)
        parts = url.path.strip("/").split("/")[1:]
        fault = self.faults.pop(0) if self.faults and method == "POST" and parts[-1] == "steps" else None
        if isinstance(fault, int):
            return respond(fault, {"detail": "not now"}, {"retry-after": "0"})
        if method == "GET":
            return respond(200, self.look(parts))
        run_id = parts[1]
        if method == "PUT":
            self.starts[run_id] = body
        elif parts[-1] == "outcome":
            if run_id in self.unknown:
                return respond(404, {"detail": f"there is no run {run_id}"})
            changed = self.outcomes.get(run_id) != body["success"]
            self.outcomes[run_id] = body["success"]
            return respond(200, {"changed": changed})
        else:
            position = self.append(run_id, body, headers.get("idempotency-key"))
            if fault == "drop after":
                return None
            waits = parse_qs(url.query).get("wait") == ["score"]
            return respond(202, {"steps": [{"position": position, **({"risk": 0.5} if waits else {})}]})
        return respond(200, {})

    def append(self, run_id: str, step: Any, key: str | None) -> int:
        if key is not None and key in self.keys[run_id]:
            return self.keys[run_id][key]
        self.steps[run_id].append(step)
        self.order.append(run_id)
        position = len(self.steps[run_id]) - 1
        if key is not None:
            self.keys[run_id][key] = position
        return position

    def look(self, parts: list[str]) -> Any:
        manifest = {"alpha": 0.1, "calibration": {"successes": 40}, "confidence": None}
        if parts == ["monitors"]:
            return {"monitors": [{"monitor_id": "m-1", "active": True, "manifest": manifest}]}
        if parts[0] == "monitors":
            return {"monitor_id": "m-1", "active": True, "manifest": manifest}
        steps = self.steps[parts[1]]
        alarms = [{"turn": turn} for turn, step in enumerate(steps, 1) if isinstance(step, dict) and step.get("alarm")]
        return {"scored": len(steps), "turn": len(steps), "alert_list": alarms}


def respond(status: int, body: Any, headers: dict[str, str] | None = None) -> bytes:
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    fake = FakeService()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    yield fake
    server.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A small bundle, and what it was made of."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture
def archive(tmp_path: Path) -> WrittenArchive:
    """An archive to write."""
    return WrittenArchive(tmp_path / "archive")
