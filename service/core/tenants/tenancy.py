"""Projects as the operator sees them: made, listed, deleted once nothing is left in them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from service.core.projects import ProjectBook, ProjectSettings, check_project
from service.core.tenants.keys import KeyRegistry
from service.errors import Conflict, NotFound
from service.ports import ProjectStore, RunReader
from service.records import DEFAULT_PROJECT, RunQuery

LIMIT = 1000
# Within this time every process knows that a key was revoked.
SETTLED_MS = 3000

Forget = Callable[[str], Awaitable[None]]


class ProjectRegistry:
    """Makes and deletes projects. `forget`: takes what else is kept by the project's name away, so that a later
    project of the same name begins with nothing."""

    def __init__(
        self,
        book: ProjectBook,
        store: ProjectStore,
        keys: KeyRegistry,
        reader: RunReader,
        forget: Forget,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._book = book
        self._store = store
        self._keys = keys
        self._reader = reader
        self._forget = forget
        self._clock = clock

    async def names(self) -> list[str]:
        """All projects, `default` first. Raises TransientError."""
        await self._book.refresh()
        return self._book.names()

    async def settings(self, project: str) -> ProjectSettings:
        """The project's settings as they are now. Raises NotFound, TransientError."""
        await self._book.refresh()
        if not self._book.exists(project):
            raise NotFound(f"there is no project {project[:63]!r}: `forewarn projects list` shows which there are")
        return self._book.settings(project)

    async def create(self, project: str) -> ProjectSettings:
        """A new project with default settings. Raises NameRefused, Conflict where it exists, TransientError."""
        check_project(project)
        if len(await self.names()) > LIMIT:
            raise Conflict(f"there are {LIMIT} projects already")
        settings = ProjectSettings()
        there = project == DEFAULT_PROJECT
        if there or not await self._store.swap_project(project, b"", settings.model_dump_json().encode()):
            raise Conflict(f"project {project} exists already")
        await self._book.refresh()
        return settings

    async def change(self, project: str, change: Callable[[ProjectSettings], ProjectSettings]) -> ProjectSettings:
        """Settings of a project that exists, changed. Raises NotFound, TransientError, and what `change` raises."""
        await self.settings(project)
        return await self._book.change(project, change)

    async def delete(self, project: str) -> None:
        """Delete a project in which nothing is left: no key that is good, no run.

        Runs are not deleted along: whoever has the operator's key by mistake must not lose them in one call. Revoke the
        keys, then delete the runs or let retention take them. Raises NotFound, Conflict saying what is left,
        TransientError.
        """
        if project == DEFAULT_PROJECT:
            raise Conflict("the project `default` cannot be deleted: it is the one that needs no set-up")
        await self.settings(project)
        now_ms = int(self._clock() * 1000)
        keys = await self._keys.list_keys(project)
        active = [one.key_id for one in keys if one.state(now_ms) == "active"]
        if active:
            raise Conflict(
                f"project {project} has {len(active)} keys that are good ({', '.join(active[:5])}): revoke them"
            )
        if any(one.over_since_ms(now_ms) > now_ms - SETTLED_MS for one in keys):
            raise Conflict(f"a key of project {project} was revoked just now: ask again in some seconds")
        if await self._has_runs(project):
            raise Conflict(f"project {project} has runs: delete them, or wait until retention has")
        await self._forget(project)
        for one in keys:
            await self._keys.forget(one)
        await self._store.delete_project(project)
        await self._book.refresh()

    async def _has_runs(self, project: str) -> bool:
        after = None
        while True:
            runs, after = await self._reader.list_runs(RunQuery(project, 1, after))
            if runs or after is None:
                return bool(runs)
