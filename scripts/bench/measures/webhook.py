"""From the step that makes a run alarming to the signed webhook about it, beside half load."""

from __future__ import annotations

import asyncio
import time

import orjson

from forewarn.receiver import WebhookReceiver
from scripts.bench.bench import Bench, Figures
from scripts.bench.client import Connection
from scripts.bench.events import Script
from scripts.bench.measures.rate import find_rate
from scripts.bench.probes import percentile
from scripts.bench.service import Service
from scripts.bench.windows import measure_window

PER_S = 10.0
ARRIVE_S = 10.0


def measure_webhook(bench: Bench) -> Figures:
    """`event_to_webhook_p50_ms` and `_p99_ms`."""
    figures: Figures = {"event_to_webhook_p50_ms": None, "event_to_webhook_p99_ms": None}
    alarming = alarming_scripts(bench)
    if not alarming:
        bench.say("  no script of the load opens an alert with this bundle")
        return figures
    with bench.service(webhook_allow="127.0.0.1") as service, WebhookReceiver() as receiver:
        mode = bench.modes[0]
        full_per_s = find_rate(bench, service, mode).scored_per_s
        # Only now: alerts of the highest load must not still wait to be delivered.
        answer = service.http.post("/v1/webhooks", json={"url": receiver.url, "description": "bench"})
        receiver.trust(answer.raise_for_status().json()["secret"])
        name = bench.name("alert")
        sent: dict[str, tuple[int, float]] = {}

        def probe(window_s: float) -> None:
            sent.update(asyncio.run(_send(service, alarming, name, window_s)))

        rate = 0.5 * full_per_s / bench.load(mode).steps_a_request
        seconds = bench.seconds if bench.quick else max(bench.seconds, 20.0)
        window = measure_window(
            service, bench.load(mode, rate, seconds), bench.script_file, bench.name("alerts"), probe
        )
        bench.note(window, f"{mode} at half load, {len(sent)} alarming runs beside it")
        deadline = time.monotonic() + ARRIVE_S
        ms: list[float] = []
        while len(ms) < len(sent) and time.monotonic() < deadline:
            time.sleep(0.1)
            ms = [
                alert.arrived_ms - sent[alert.run_id][1]
                for alert in receiver.alerts
                if alert.run_id in sent and alert.data["position"] == sent[alert.run_id][0]
            ]
    figures["event_to_webhook_p50_ms"], figures["event_to_webhook_p99_ms"] = percentile(ms, 0.5), percentile(ms, 0.99)
    bench.say(f"  webhooks: {len(ms)} of {len(sent)} came, p99 {percentile(ms, 0.99)} ms")
    return figures


def alarming_scripts(bench: Bench) -> list[tuple[Script, int]]:
    """Scripts whose run opens an alert episode, and the position of the step that does."""
    from monitors.monitor import Monitor

    monitor = Monitor.read(bench.bundle.path, device="cpu")
    found = []
    for script in bench.scripts:
        session = monitor.session()
        for position, step in enumerate(script.steps):
            if session.step(orjson.loads(step)).alert is not None:
                found.append((script, position))
                break
    return found


async def _send(
    service: Service, alarming: list[tuple[Script, int]], name: str, seconds: float
) -> dict[str, tuple[int, float]]:
    """Play alarming runs at a steady pace: all steps before the alarming one at once, then that one. Gives position and
    time of sending (ms since 1970) by run."""
    sent: dict[str, tuple[int, float]] = {}
    began = time.monotonic()
    async with Connection(service.url) as connection:
        for number in range(int(seconds * PER_S)):
            await asyncio.sleep(max(0.0, began + number / PER_S - time.monotonic()))
            script, position = alarming[number % len(alarming)]
            run_id = f"{name}-{number}"
            if position:
                await connection.must_post(f"/v1/runs/{run_id}/steps", b"[" + b",".join(script.steps[:position]) + b"]")
            now_ms = time.time() * 1000
            status, _ = await connection.post(f"/v1/runs/{run_id}/steps", script.steps[position])
            if status == 202:
                sent[run_id] = (position, now_ms)
    return sent
