"""`forewarn keys` and `forewarn projects`, over the service's Redis itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from forewarn.cli import main
from service.core.tenants.authentication import Authenticator, KeyBook
from service.redis_log.access_keys import RedisKeyStore
from service.redis_log.schema import settle_schema
from tests.service.conftest import PARTITIONS, Core


@pytest.fixture
async def run(core: Core, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    await settle_schema(core.client, PARTITIONS, insist=False)
    monkeypatch.setenv("FOREWARN_REDIS_URL", redis_url)

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            await asyncio.to_thread(main, arguments)
        except SystemExit as left:
            said = capsys.readouterr()
            return int(left.code or 0), said.out, said.err
        raise AssertionError("main returns by leaving")

    return run


async def test_a_key_made_beside_the_service_opens_it(run: Any, core: Core) -> None:
    assert (await run("projects", "create", "acme"))[0] == 0
    status, out, err = await run("keys", "create", "--project", "acme", "--kind", "ingest", "--name", "crawler")
    assert (status, "shown once" in err) == (0, True)
    book = KeyBook(RedisKeyStore(core.client))
    await book.refresh()
    principal = Authenticator(None, book).authenticate(f"Bearer {out.strip()}")
    assert (principal.project, principal.scopes) == ("acme", {"ingest"})
    listed = json.loads((await run("keys", "list", "--project", "acme", "--json"))[1])
    assert [(one["id"], one["name"], one["state"]) for one in listed] == [(principal.key_id, "crawler", "active")]
    assert out.strip() not in json.dumps(listed)


async def test_rotate_and_revoke(run: Any) -> None:
    key = json.loads((await run("keys", "create", "--kind", "read", "--days", "2", "--json"))[1])
    assert key["expires_ms"] - key["created_ms"] == 2 * 24 * 3600 * 1000
    _, token, _ = await run("keys", "rotate", key["id"])
    assert token.strip() not in {"", key["token"]}
    assert (await run("keys", "revoke", key["id"]))[0] == 0
    assert "revoked" in (await run("keys", "show", key["id"]))[1]
    status, _, err = await run("keys", "rotate", key["id"])
    assert (status, "revoked" in err) == (1, True)


async def test_settings_are_set_by_name_and_wrong_ones_are_named(run: Any) -> None:
    await run("projects", "create", "acme")
    status, out, _ = await run("projects", "set", "acme", "limits.steps_per_s=20", "privacy.content=none", "--json")
    assert status == 0
    assert json.loads(out)["limits"]["steps_per_s"] == 20
    assert json.loads(out)["privacy"]["content"] == "none"
    status, _, err = await run("projects", "set", "acme", "limits.steps_per_s=fast")
    assert (status, "limits.steps_per_s" in err) == (1, True)
    assert (await run("projects", "set", "acme", "colour=blue"))[0] == 2
    assert (await run("projects", "list"))[1].split() == ["default", "acme"]


async def test_a_project_that_does_not_exist_is_named(run: Any) -> None:
    status, _, err = await run("keys", "create", "--project", "nowhere", "--kind", "read")
    assert (status, "nowhere" in err) == (1, True)
    assert (await run("projects", "delete", "nowhere"))[0] == 1
