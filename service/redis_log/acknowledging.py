"""Writes down that somebody has taken note of an alert."""

from __future__ import annotations

from typing import Any

import orjson

from service.core.alerting import read_alert_id
from service.errors import NotFound
from service.records import Acknowledgement, RunRef
from service.redis_log.connection import RedisClient, run_script
from service.redis_log.keys import KeySpace, acknowledgement_field
from service.redis_log.scripts import ACKNOWLEDGE, Call


class RedisAcknowledger:
    """Acknowledger on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def acknowledge(self, project: str, alert_id: str, acknowledgement: Acknowledgement) -> bool:
        """See `ports.Acknowledger.acknowledge`."""
        named = read_alert_id(alert_id)
        answer: Any = None
        if named is not None:
            ref, episode = RunRef(project, named[0]), named[1]
            call = Call(
                ACKNOWLEDGE,
                [self._keys.of_run(ref).run_alerts(ref)],
                [episode, acknowledgement_field(episode), alert_id, orjson.dumps(acknowledgement)],
            )
            answer = await run_script(self._client, call, durable=True)
        if answer is None:
            raise NotFound(f"there is no alert {alert_id[:100]}")
        return bool(answer)
