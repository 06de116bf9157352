"""Taking note of an alert, for the API and the web page alike."""

from __future__ import annotations

import time

from service.api.deps import ApiDeps
from service.errors import NotFound
from service.records import Acknowledgement, JsonObject


async def acknowledge_alert(deps: ApiDeps, project: str, alert_id: str, by: str, note: str) -> JsonObject:
    """Store who has taken note, masked as the project wishes; give the alert as it is then. Raises NotFound."""
    by, note = deps.redactor.text(project, by), deps.redactor.text(project, note)
    acknowledgement = Acknowledgement(time.time_ns() // 1_000_000, by, note)
    if await deps.acknowledger.acknowledge(project, alert_id, acknowledgement):
        deps.metrics.acknowledged.inc()
    return await find_alert(deps, project, alert_id)


async def find_alert(deps: ApiDeps, project: str, alert_id: str) -> JsonObject:
    """A project's alert, with what has become of it. Raises NotFound."""
    alert = await deps.reader.read_alert(project, alert_id)
    if alert is None:
        raise NotFound(f"there is no alert {alert_id[:100]}")
    return alert
