"""What Redis does on this machine with a step's writes and nothing of ours around them: a prebuilt pipeline into the
same server, the same settings."""

from __future__ import annotations

import socket
import time

from scripts.bench.bench import Bench, Figures

BATCH = 64
SCORE_BYTES, SUMMARY_BYTES = 32, 250


def measure_redis(bench: Bench) -> Figures:
    """Yardsticks `redis_steps_per_s` (append and commit of a step, 64 in a transaction) and `redis_appends_per_s` (the
    append alone)."""
    figures: Figures = {}
    state = _state_bytes(bench)
    steps = [step for script in bench.scripts for step in script.steps]
    with bench.service(role="api") as service:
        path = service.redis_url.removeprefix("unix://")
        for name, with_commit in (("redis_appends_per_s", False), ("redis_steps_per_s", True)):
            payload = _payload(steps, state if with_commit else None)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.settimeout(10)
                figures[name] = _steps_per_s(connection, payload, 0.5 if bench.quick else bench.seconds / 2)
            bench.say(f"  bare Redis, {name}: {figures[name]:,.0f}")
    return figures


def _payload(steps: list[bytes], state_bytes: int | None) -> bytes:
    """One transaction with the writes of 64 steps of 64 runs."""
    parts = [_command(b"MULTI")]
    for index in range(BATCH):
        step, run = steps[index % len(steps)], b"{p00}:run:default:yard-%d" % index
        fields = (b"r", b"default:yard-%d" % index, b"p", b"17", b"t", b"1795811360123456", b"i", b"", b"d", step)
        parts.append(_command(b"XADD", b"{p00}:yard", b"*", *fields))
        parts.append(_command(b"HSET", run, b"next", b"18", b"updated_ms", b"1795811360123"))
        if state_bytes is not None:
            summary, state = b"s" * SUMMARY_BYTES, bytes(range(1, 256)) * (state_bytes // 255 + 1)
            parts.append(_command(b"HSET", run, b"summary", summary, b"state", state[:state_bytes]))
            scores = b"{p00}:scores:default:yard-%d" % index
            parts.append(_command(b"SETRANGE", scores, b"544", b"r" * SCORE_BYTES))
    parts.append(_command(b"XTRIM", b"{p00}:yard", b"MAXLEN", b"0"))
    parts.append(_command(b"EXEC"))
    return b"".join(parts)


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _steps_per_s(connection: socket.socket, payload: bytes, seconds: float) -> float:
    """Transactions one after the other, each answered before the next: as durable as the service's."""
    done, began = 0, time.monotonic()
    # The answer ends with the number of entries that XTRIM took away, and nothing else does.
    end = b":%d\r\n" % BATCH
    while (taken := time.monotonic() - began) < seconds:
        connection.sendall(payload)
        answer = b""
        while not answer.endswith(end):
            more = connection.recv(1 << 16)
            if not more or b"-ERR" in more:
                raise ConnectionError(f"Redis refused the yardstick's writes: {more[:200]!r}")
            answer = answer[-64:] + more
        done += BATCH
    return done / taken


def _state_bytes(bench: Bench) -> int:
    from monitors.monitor import Monitor

    return len(Monitor.read(bench.bundle.path, device="cpu", verify=False).initial_state().to_bytes())
