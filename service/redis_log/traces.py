"""Which run a trace belongs to: written when a span of it names a run, forgotten when the run would count as over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import trace_key


class RedisTraceRuns:
    """TraceRuns on Redis. A trace is kept for `kept_ms` after a span of it has last named a run."""

    def __init__(self, client: RedisClient, kept_ms: int) -> None:
        self._client = client
        self._kept_ms = kept_ms

    async def find(self, project: str, named: Mapping[str, str], asked: Collection[str]) -> dict[str, str]:
        """See `ports.TraceRuns.find`."""
        traces = [*named, *asked]
        if not traces:
            return {}
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for trace_id, run_id in named.items():
                    key = trace_key(project, trace_id)
                    pipeline.set(key, run_id, nx=True, px=self._kept_ms)
                    pipeline.pexpire(key, self._kept_ms)
                for trace_id in traces:
                    pipeline.get(trace_key(project, trace_id))
                answers: Any = await pipeline.execute()
        found = answers[2 * len(named) :]
        return {trace_id: run_id.decode() for trace_id, run_id in zip(traces, found, strict=True) if run_id}
