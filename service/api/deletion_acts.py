"""Deleting a run, and writing that down: the same for routes and pages."""

from __future__ import annotations

import contextlib
import time

from service.api.deps import ApiDeps
from service.core.ingest import check_run_id
from service.core.tenants.access import Principal
from service.errors import NotFound
from service.records import Deletion, RunRef


async def delete_run(deps: ApiDeps, who: Principal, run_id: str) -> Deletion:
    """Asks for the deletion of a run and of all that came from it. Asking again does no harm. Raises NameRefused."""
    check_run_id(run_id)
    ref = RunRef(who.project, run_id)
    with contextlib.suppress(NotFound):
        # An ended run takes no more steps: nothing comes while it is being deleted.
        await deps.log.end(ref)
    deletion = await deps.deletions.ask(ref, time.time_ns() // 1_000_000)
    await deps.audit.note(who, "run.delete", deletion.id)
    return deletion


async def find_deletion(deps: ApiDeps, project: str, deletion_id: str) -> Deletion:
    """How far a deletion has come. Raises NotFound."""
    deletion = await deps.deletions.find(project, deletion_id, time.time_ns() // 1_000_000)
    if deletion is None:
        raise NotFound("there is no such deletion")
    return deletion
