"""Projects' settings: kept in Redis, followed by every process."""

from __future__ import annotations

import asyncio

import pytest

from service.core.projects import Feedback, ProjectBook, ProjectSettings, RateLimits
from service.errors import NameRefused
from service.redis_log.client import RedisClient
from service.redis_log.keys import PROJECTS
from service.redis_log.projects import RedisProjectStore


@pytest.fixture
def book(client: RedisClient) -> ProjectBook:
    return ProjectBook(RedisProjectStore(client))


def limited(settings: ProjectSettings) -> ProjectSettings:
    return settings.model_copy(update={"limits": RateLimits(steps_per_s=5)})


def test_a_project_that_has_set_nothing_has_the_defaults(book: ProjectBook) -> None:
    assert book.settings("default") == ProjectSettings()


async def test_what_one_process_writes_another_reads(book: ProjectBook, client: RedisClient) -> None:
    await book.change("shop", limited)
    other = ProjectBook(RedisProjectStore(client))
    await other.refresh()
    assert other.settings("shop").limits.steps_per_s == 5
    assert other.names() == ["default", "shop"]


async def test_two_who_change_different_sections_at_once_both_count(book: ProjectBook) -> None:
    def sampled(settings: ProjectSettings) -> ProjectSettings:
        return settings.model_copy(update={"feedback": Feedback(control_ratio=0.1)})

    await asyncio.gather(book.change("shop", limited), book.change("shop", sampled))
    settings = book.settings("shop")
    assert (settings.limits.steps_per_s, settings.feedback.control_ratio) == (5, 0.1)


@pytest.mark.parametrize("name", ["", "Shop", "a:b", "a{b}", "-a", "a" * 64])
async def test_a_name_that_no_key_could_hold_is_refused(book: ProjectBook, name: str) -> None:
    with pytest.raises(NameRefused):
        await book.change(name, limited)


async def test_settings_that_cannot_be_read_keep_no_content(book: ProjectBook, client: RedisClient) -> None:
    await client.hset(PROJECTS, "shop", b'{"of": "the future"}')
    await book.refresh()
    assert book.settings("shop").privacy.content == "none"
