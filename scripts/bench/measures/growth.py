"""Whether a step costs more the longer its run is: processor time of all processes for steps around 1,000 of long runs
and steps 5 … 14 of new ones, the same steps, in turn."""

from __future__ import annotations

import asyncio
import statistics

from scripts.bench.bench import Bench, Figures
from scripts.bench.client import Connection
from scripts.bench.service import Service

# As many at once as make a batch of ordinary width.
CONNECTIONS = 24
EARLY, LATE, STEPS = 5, 995, 10


def measure_growth(bench: Bench) -> Figures:
    """`growth`: cost of step 1,000 ÷ cost of step 10; above 1 dearer."""
    runs, rounds = (8, 2) if bench.quick else (48, 7)
    steps = [step for script in bench.scripts for step in script.steps][:STEPS]
    padding = [step for script in bench.scripts[1:] for step in script.steps][: min(45, 10 * len(bench.scripts))]
    with bench.service() as service:
        return asyncio.run(_compare(bench, service, steps, padding, runs, rounds))


async def _compare(
    bench: Bench, service: Service, steps: list[bytes], padding: list[bytes], runs: int, rounds: int
) -> Figures:
    costs: dict[str, list[float]] = {"new": [], "long": []}
    old = [bench.name("long-") for _ in range(runs)]
    await _bring_to(service, old, LATE - STEPS * rounds // 2, padding)
    for number in range(rounds):
        new = [bench.name("new-") for _ in range(runs)]
        await _bring_to(service, new, EARLY, padding)
        turns = [("new", new), ("long", old)]
        for kind, names in turns if number % 2 else turns[::-1]:
            before = sum(service.cpu_s().values())
            await _play(service, names, steps)
            costs[kind].append((sum(service.cpu_s().values()) - before) / (runs * len(steps)) * 1e6)
    early, late = statistics.median(costs["new"]), statistics.median(costs["long"])
    bench.say(f"  a step costs {early:.0f} µs at the beginning of a run and {late:.0f} µs around step 1,000")
    return {"growth": late / early, "step_10_cpu_us": early, "step_1000_cpu_us": late}


async def _bring_to(service: Service, names: list[str], length: int, padding: list[bytes]) -> None:
    """Give each run so many steps, and wait until they are scored."""

    async def fill(lane: int) -> None:
        async with Connection(service.url) as connection:
            for name in names[lane::CONNECTIONS]:
                for at in range(0, length, len(padding)):
                    body = b"[" + b",".join(padding[: min(len(padding), length - at)]) + b"]"
                    last = at + len(padding) >= length
                    await connection.must_post(f"/v1/runs/{name}/steps" + ("?wait=score&timeout_ms=60000" * last), body)

    await asyncio.gather(*(fill(lane) for lane in range(CONNECTIONS)))


async def _play(service: Service, names: list[str], steps: list[bytes]) -> None:
    """Send each run these steps, one a request, and wait for the score of the last."""

    async def play(lane: int) -> None:
        async with Connection(service.url) as connection:
            for index, step in enumerate(steps):
                ending = "?wait=score&timeout_ms=60000" if index == len(steps) - 1 else ""
                for name in names[lane::CONNECTIONS]:
                    await connection.must_post(f"/v1/runs/{name}/steps{ending}", step)

    await asyncio.gather(*(play(lane) for lane in range(CONNECTIONS)))
