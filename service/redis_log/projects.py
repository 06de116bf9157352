"""Projects' settings in Redis: one hash for all."""

from __future__ import annotations

from typing import Any, cast

from service.redis_log import scripts
from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import PROJECTS
from service.redis_log.scripts import Call


class RedisProjectStore:
    """ProjectStore on Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def read_projects(self) -> dict[str, bytes]:
        """See `ports.ProjectStore.read_projects`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(PROJECTS))
        return {name.decode(): value for name, value in rows.items()}

    async def swap_project(self, project: str, old: bytes, new: bytes) -> bool:
        """See `ports.ProjectStore.swap_project`."""
        return bool(await run_script(self._client, Call(scripts.SWAP_FIELD, [PROJECTS], [project, old, new])))

    async def delete_project(self, project: str) -> bool:
        """See `ports.ProjectStore.delete_project`."""
        with redis_errors():
            return bool(await cast(Any, self._client.hdel(PROJECTS, project)))
