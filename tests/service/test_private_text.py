"""Private text planted in every field of every way in is found nowhere; and a run that is deleted is found nowhere."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import zstandard
from redis.asyncio import Redis

from monitors import Monitor
from service.redis_log.embedded import EmbeddedRedis, find_server
from tests.service.live import Service, running
from tests.service.otlp_exports import record, span, to_body, to_pairs
from tests.service.planted import PLANTED
from tests.service.test_live_alerts import first_alert
from tests.service.test_no_content import dump
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

pytestmark = pytest.mark.slow

WORD = "zanzibar"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver of webhooks, and the bodies that it was sent."""
    bodies: list[bytes] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", bodies
    server.shutdown()
    server.server_close()


def in_step(service: Service, text: str, number: int) -> None:
    step = {"role": "user", "content": f"it is {text}.", text: {"deep": [text]}}
    service.http.post(f"/v1/runs/steps-{number}/steps", json=step, headers={"Idempotency-Key": f"{number}"})


def in_text_step(service: Service, text: str, number: int) -> None:
    service.http.post(f"/v1/runs/text-{number}/steps", json=f"Action: {text}")


def in_envelope(service: Service, text: str, number: int) -> None:
    envelope = [{"step": {"role": "tool", "content": text}, "id": text[:200].replace("\n", " "), "seq": 3}]
    service.http.post(f"/v1/runs/early-{number}/steps?envelope=true", json=envelope)
    service.http.post(f"/v1/runs/early-{number}/steps?envelope=true", json=[{"step": {}, text: 1}])


def in_lines(service: Service, text: str, number: int) -> None:
    lines = [{"run_id": f"lines-{number}", "step": {"say": text}}, {"run_id": text, "step": {"say": "x"}}]
    service.http.post(
        "/v1/steps", content=b"\n".join(map(orjson.dumps, lines)), headers={"Content-Type": "application/x-ndjson"}
    )


def in_description(service: Service, text: str, number: int) -> None:
    said = {"agent": text[:200], "task": f"do {text}", "tags": {text[:100]: text, "x": text}}
    service.http.put(f"/v1/runs/steps-{number}", json=said)


def in_spans(service: Service, text: str, number: int) -> None:
    trace = f"{number + 1:032x}"
    said = {"gen_ai.agent.name": text, "gen_ai.input.messages": text, text: text, "gen_ai.operation.name": "chat"}
    if number % 2:
        said["session.id"] = text
    resource = {"attributes": to_pairs({"service.name": text})}
    spans = [span(1, trace=trace, attributes=said, name=f"chat {text}")]
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": text}, "spans": spans}]}]}
    for encoding in ("json", "protobuf"):
        body, kind = to_body(document, encoding)
        assert service.http.post("/v1/traces", content=body, headers=kind).status_code == 200


def in_log_records(service: Service, text: str, number: int) -> None:
    records = [record(2, "gen_ai.user.message", trace=f"{number + 1:032x}", body={"content": text})]
    document = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": text}, "logRecords": records}]}]}
    body, kind = to_body(document, "json")
    assert service.http.post("/v1/logs", content=body, headers=kind).status_code == 200


WAYS_IN: tuple[Callable[[Service, str, int], None], ...] = (
    in_step,
    in_text_step,
    in_envelope,
    in_lines,
    in_description,
    in_spans,
    in_log_records,
)


async def everything(folder: Path, service: Service) -> dict[str, bytes]:
    """All that the service keeps, says and shows, by where it is."""
    redis = EmbeddedRedis(find_server(), folder / "data" / "redis")
    client = Redis.from_url(redis.url)
    found = {"redis": await dump(client)}  # type: ignore[arg-type]
    await client.aclose()
    for file in (folder / "data").rglob("*"):
        if file.is_file() and file.name.endswith(".jsonl.zst"):
            reader = zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True)
            found[str(file)] = reader.read()
        elif file.is_file():
            found[str(file)] = file.read_bytes()
    found["log"] = service.log.read_bytes()
    runs = service.http.get("/v1/runs?limit=500").json()["runs"]
    pages = ["/v1/runs?limit=500", "/v1/alerts?limit=500", "/v1/webhooks", "/v1/audit", "/v1/quality", "/metrics"]
    for run in runs:
        # The stream of a run that has ended ends too.
        service.http.post(f"/v1/runs/{run['run_id']}/end")
        name = run["run_id"]
        pages += [f"/v1/runs/{name}", f"/v1/runs/{name}/events", f"/v1/runs/{name}/steps?moved=false", f"/runs/{name}"]
    alerts = service.http.get("/v1/alerts?limit=500").json()["alerts"]
    pages += [
        "/?state=all&limit=200",
        "/alerts",
        "/webhooks",
        "/monitors",
        "/keys",
        "/projects",
        "/projects/default",
        "/audit",
    ]
    pages += [f"/alerts/{alert['id']}" for alert in alerts]
    for page in pages:
        found[page] = service.http.get(page).content
    return found


@contextlib.contextmanager
def listening(service: Service) -> Iterator[list[bytes]]:
    """What `/v1/events` says meanwhile."""
    heard: list[bytes] = []
    stop, connected = threading.Event(), threading.Event()

    def listen() -> None:
        with contextlib.suppress(httpx.HTTPError), service.http.stream("GET", "/v1/events", timeout=30) as stream:
            connected.set()
            for chunk in stream.iter_raw():
                heard.append(chunk)
                if stop.is_set():
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert connected.wait(10)
    yield heard
    stop.set()


def alerting(tiny: TinyBundle, text: str) -> list[Any]:
    """Raw steps that alert, with a text in each."""
    raw_steps, _ = first_alert(Monitor.read(tiny.path, device="cpu"), tiny)
    return [{**step, "private": text} if isinstance(step, dict) else step for step in raw_steps]


async def test_what_is_planted_is_found_nowhere(
    tiny: TinyBundle, tmp_path: Path, received: tuple[str, list[bytes]]
) -> None:
    address, bodies = received
    environment = {
        "FOREWARN_REDACT": "secrets,email,card,phone",
        "FOREWARN_WEBHOOK_ALLOW": "127.0.0.0/8",
        "FOREWARN_SEQ_WAIT_MS": "200",
    }
    with running(tmp_path, "--bundle", str(tiny.path), "--device", "cpu", environment=environment) as service:
        service.until_ready()
        texts = [text for _, text in PLANTED]
        hook = {"url": address, "description": " ".join(texts)[:500]}
        assert service.http.post("/v1/webhooks", json=hook).status_code == 201
        with listening(service) as heard:
            for number, text in enumerate(texts):
                for way in WAYS_IN:
                    way(service, text, number)
            service.http.put("/v1/runs/alerting", json={"task": texts[0], "tags": {"x": texts[-1]}})
            service.http.post("/v1/runs/alerting/steps?wait=score&timeout_ms=10000", json=alerting(tiny, texts[0]))
            service.until(lambda: len(bodies) > 0, 20, "delivered")
            service.until(lambda: b"event: alert" in b"".join(heard), 20, "told")
        (alert,) = service.http.get("/v1/alerts?run_id=alerting").json()["alerts"]
        said = {"by": texts[0], "note": " ".join(texts)[:2000]}
        assert service.http.post(f"/v1/alerts/{alert['id']}/acknowledge", json=said).status_code == 200
        service.until_scored(f"early-{len(texts) - 1}", 1)
        found = await everything(tmp_path, service) | {"webhooks": b"".join(bodies), "/v1/events": b"".join(heard)}
    assert b"steps-0" in found["/v1/events"]
    assert b"event: alert" in found["/v1/runs/alerting/events"]
    assert b"[redacted]" in found["redis"] + b"".join(found[name] for name in found if name.endswith(".zst"))
    for text in texts:
        secret = max(text.split("\n"), key=len)
        for form in {secret, repr(secret)[1:-1], ascii(secret)[1:-1]}:
            there = [name for name, content in found.items() if form.encode() in content]
            assert not there, (text, there)


async def test_a_deleted_run_is_found_nowhere(
    tiny: TinyBundle, tmp_path: Path, received: tuple[str, list[bytes]]
) -> None:
    address, bodies = received
    environment = {"FOREWARN_WEBHOOK_ALLOW": "127.0.0.0/8", "FOREWARN_WORKERS": "2"}
    name = "run-to-be-deleted"
    with running(tmp_path, "--bundle", str(tiny.path), "--device", "cpu", environment=environment) as service:
        service.until_ready()
        service.http.post("/v1/webhooks", json={"url": address})
        service.http.put(f"/v1/runs/{name}", json={"task": WORD, "tags": {"x": WORD}})
        raw_steps = alerting(tiny, WORD)
        for run_id in (name, "bystander"):
            service.http.post(f"/v1/runs/{run_id}/steps?wait=score&timeout_ms=10000", json=raw_steps)
        service.until(lambda: len(bodies) > 1, 20, "delivered")
        (alert,) = service.http.get(f"/v1/alerts?run_id={name}").json()["alerts"]
        service.http.post(f"/v1/alerts/{alert['id']}/acknowledge", json={"note": WORD})
        service.http.post(f"/v1/runs/{name}/outcome", json={"success": False})
        service.http.post(f"/v1/runs/{name}/steps", json={"late": WORD})

        asked = service.http.delete(f"/v1/runs/{name}")
        assert (asked.status_code, asked.json()["state"]) == (202, "under-way")
        at = f"/v1/deletions/{asked.json()['id']}"
        service.until(lambda: service.http.get(at).json()["state"] == "done", 30, "deleted")
        found = await everything(tmp_path, service)
        assert service.http.get(f"/v1/runs/{name}").status_code == 404
        assert service.http.get("/v1/runs/bystander").json()["scored"] == len(raw_steps)
        for where, content in found.items():
            # Its append-only file forgets when it is rewritten; what else holds the name is no copy.
            if "appendonly" not in where:
                assert name.encode() not in content, where
        kept = b"".join(content for where, content in found.items() if where.endswith(".zst"))
        assert kept.count(WORD.encode()) == len(raw_steps), "the bystander's steps stay"

        again = service.http.delete(f"/v1/runs/{name}")
        assert again.json()["id"] == asked.json()["id"]
        service.until(lambda: service.http.get(at).json()["state"] == "done", 30, "deleted again")
        assert service.http.post(f"/v1/runs/{name}/steps", json={"new": 1}).status_code == 202
        assert service.until_scored(name, 1)["scored"] == 1
