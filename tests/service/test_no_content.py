"""A project that keeps no content: scores stay, what agents said does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.app.starting import privacy_rules
from service.archive.files import FileArchive, read_archive
from service.core.privacy.keeping import PrivacyRules, without_words
from service.core.projects import Privacy, ProjectBook, ProjectSettings
from service.errors import NotFound
from service.records import Cutoffs, Entry, NewStep, RunRef, StepGroup
from service.redis_log.connection import RedisClient
from service.redis_log.parking import RedisParking
from service.redis_log.projects import RedisProjectStore
from service.settings import read_settings
from tests.service.conftest import Core
from tests.service.test_api import Api, bundle, serving

__all__ = ["bundle"]

WORD = b"zanzibar"


async def dump(client: RedisClient) -> bytes:
    """Everything that Redis holds, as one text."""
    said = []
    async for key in client.scan_iter(count=1000):
        kind = (await client.type(key)).decode()
        match kind:
            case "string":
                value: Any = await client.get(key)
            case "hash":
                value = await client.hgetall(key)
            case "zset":
                value = await client.zrange(key, 0, -1, withscores=True)
            case "stream":
                value = await client.xrange(key)
            case "list":
                value = await client.lrange(key, 0, -1)
            case _:
                value = await client.smembers(key)
        said.append(repr((key, value)))
    return "\n".join(said).encode()


@pytest.fixture
async def api(core: Core, bundle: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle, content="none")):
        yield one


class TestRunsWithoutContent:
    @pytest.mark.parametrize("archived", [False, True])
    async def test_are_scored_and_leave_no_word_of_their_steps(
        self, core: Core, tmp_path: Path, archived: bool
    ) -> None:
        archive = FileArchive(tmp_path, "w1")
        core.archived = archived
        async with core.working(archive=archive if archived else None, keeps_content=lambda _: False):
            await core.post("r1", *[b'{"say": "%s"}' % WORD] * 5)
            await core.until_scored("r1", 5)
            await asyncio.sleep(0.7)
        assert len(await core.scores("r1")) == 5
        assert WORD not in await dump(core.client)
        assert not list(read_archive(tmp_path))
        assert sum(await core.reader.backlog()) == 0

    async def test_others_beside_them_are_archived(self, core: Core, tmp_path: Path) -> None:
        archive = FileArchive(tmp_path, "w1")
        core.archived = True
        async with core.working(archive=archive, keeps_content=lambda project: project == "default"):
            await core.post("r1", b'{"say": "kept"}')
            await core.log.append([StepGroup(RunRef("silent", "r1"), (NewStep(b'{"say": "zanzibar"}'),), "m-fake")])
            await core.until_scored("r1", 1)
            await asyncio.sleep(0.7)
        archive.close()
        assert [one.step for one in read_archive(tmp_path)] == [{"say": "kept"}]

    async def test_a_step_that_is_parked_cannot_be_released(self, core: Core) -> None:
        parking = RedisParking(core.client, core.keys)
        async with core.working(keeps_content=lambda _: False):
            await core.post("r1", b'{"explode": true, "say": "zanzibar"}')
            await core.until_scored("r1", 1)
        (parked,) = await parking.list_parked(10)
        assert parked.data_bytes == 0
        assert WORD not in await dump(core.client)
        with pytest.raises(NotFound, match="no content"):
            await parking.release(parked)


def test_evidence_keeps_what_words_did_and_not_the_words() -> None:
    evidence = {"score_before": 1.0, "ngrams": [{"text": "zanzibar", "field": "result", "effect": 0.5}]}
    assert without_words(evidence) == {
        "score_before": 1.0,
        "ngrams": [{"text": "", "field": "result", "effect": 0.5}],
    }


class TestRoutes:
    async def test_a_task_is_not_kept(self, api: Api) -> None:
        await api.http.put("/v1/runs/r1", json={"agent": "a", "task": "zanzibar", "tags": {"x": "y"}})
        run = (await api.http.get("/v1/runs/r1")).json()
        assert (run["agent"], run["task"], run["tags"]) == ("a", "", {"x": "y"})

    async def test_what_is_kept_is_told(self, api: Api) -> None:
        said = (await api.http.get("/v1/privacy")).json()
        assert said == {"content": "none", "redact": [], "rules": [], "retention_days": 30, "oldest_run_ms": None}
        await api.http.put("/v1/runs/r1", json={})
        run = (await api.http.get("/v1/runs/r1")).json()
        assert (await api.http.get("/v1/privacy")).json()["oldest_run_ms"] == run["created_ms"]


class TestRetention:
    @pytest.fixture
    async def rules(self, core: Core) -> PrivacyRules:
        book = ProjectBook(RedisProjectStore(core.client))
        await book.change("brief", lambda _: ProjectSettings(privacy=Privacy(retention_days=1)))
        return privacy_rules(read_settings(), book)

    async def test_each_project_has_its_own(self, core: Core, rules: PrivacyRules) -> None:
        for project in ("default", "brief"):
            await core.log.append([StepGroup(RunRef(project, "r1"), (NewStep(b"{}"),), "m-fake")])
        async with core.working():
            await core.until_scored("r1", 1)
            await asyncio.sleep(0.3)
        created = await core.reader.read_run(RunRef("brief", "r1"))
        assert created is not None
        cutoffs = rules.cutoffs(created.created_ms + 3 * 24 * 3_600_000)
        for partition in range(core.keys.count):
            lease = await core.partitions.acquire(partition, "sweeper")
            assert lease is not None
            await core.partitions.sweep(lease, cutoffs)
        assert await core.reader.read_run(RunRef("brief", "r1")) is None
        assert await core.reader.read_run(RunRef("default", "r1")) is not None

    def test_the_archive_lets_go_of_one_projects_steps_alone(self, tmp_path: Path) -> None:
        archive = FileArchive(tmp_path, "w1")
        archive.write([Entry(0, "1-0", RunRef(project, "r1"), 0, b"{}", 0, "") for project in ("default", "brief")])
        cutoffs = Cutoffs(lambda project: 2**45 if project == "brief" else 0, 2**45, 0, ("default", "brief"))
        assert archive.sweep(cutoffs) == 0, "it is still being written to"
        archive.close()
        assert archive.sweep(cutoffs) == 1
        assert [one.ref.project for one in read_archive(tmp_path)] == ["default"]
        assert archive.sweep(cutoffs) == 0
