"""Keys: made, listed, rotated, revoked; found by every process within a second; never kept, logged or echoed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.api.application import create_app
from service.api.front import LOOPBACK_HOSTS
from service.app.api import build_access, build_deps
from service.app.binding import LOOPBACK, Binding
from service.core.privacy.redaction import SECRETS
from service.core.tenants import keys as core_keys
from service.core.tenants.authentication import Authenticator, KeyBook
from service.core.tenants.guessing import BURST, GuessGate
from service.core.tenants.keys import KeyRegistry
from service.core.tenants.tokens import digest_of, new_key_id, new_token, read_key_id
from service.errors import Conflict, NotFound, TooManyGuesses, Unauthenticated
from service.redis_log.access_keys import RedisKeyStore
from service.redis_log.keys import ACCESS_KEYS
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core

OPERATOR_KEY = "the-operator's-own-key"
DAY_S = 24 * 3600.0


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(core: Core, clock: Clock) -> KeyRegistry:
    return KeyRegistry(RedisKeyStore(core.client), clock)


@pytest.fixture
def book(core: Core, clock: Clock) -> KeyBook:
    return KeyBook(RedisKeyStore(core.client), clock)


@pytest.fixture
def authenticator(book: KeyBook, clock: Clock) -> Authenticator:
    return Authenticator(OPERATOR_KEY, book, clock=clock)


def bearer(token: str) -> str:
    return f"Bearer {token}"


class TestRegistry:
    async def test_a_token_names_its_key_and_is_kept_nowhere(self, registry: KeyRegistry, core: Core) -> None:
        record, token = await registry.create("acme", "ingest", "the crawler")
        assert token.startswith(record.key_id + "_")
        assert read_key_id(token) == record.key_id
        assert len(token) - len(record.key_id) - 1 == 43  # 32 bytes in base64
        kept = await core.client.hget(ACCESS_KEYS, record.key_id)  # type: ignore[misc]
        assert token.removeprefix(record.key_id + "_").encode() not in kept
        assert digest_of(token).encode() in kept

    async def test_a_project_reaches_its_own_keys_alone(self, registry: KeyRegistry) -> None:
        record, _ = await registry.create("acme", "admin")
        assert await registry.list_keys("other") == []
        for act in (registry.get, registry.revoke, registry.rotate):
            with pytest.raises(NotFound):
                await act("other", record.key_id)  # type: ignore[operator]
        assert await registry.list_keys("acme") == [record]

    async def test_a_project_has_so_many_keys_at_most_and_revoking_makes_room(
        self, registry: KeyRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(core_keys, "LIMIT_PER_PROJECT", 2)
        first, _ = await registry.create("acme", "read")
        await registry.create("acme", "read")
        with pytest.raises(Conflict):
            await registry.create("acme", "read")
        await registry.revoke("acme", first.key_id)
        await registry.create("acme", "read")

    async def test_a_key_long_over_leaves_the_listing(self, registry: KeyRegistry, clock: Clock) -> None:
        old, _ = await registry.create("acme", "read", lifetime_s=1)
        clock.now += 91 * DAY_S
        new, _ = await registry.create("acme", "read")
        assert [one.key_id for one in await registry.list_keys("acme")] == [new.key_id]
        assert old.key_id != new.key_id

    async def test_what_is_over_cannot_be_rotated(self, registry: KeyRegistry) -> None:
        record, _ = await registry.create("acme", "read")
        await registry.revoke("acme", record.key_id)
        with pytest.raises(Conflict, match="revoked"):
            await registry.rotate("acme", record.key_id)


class TestAuthenticator:
    async def test_a_key_acts_in_its_project_with_its_scopes(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator
    ) -> None:
        for kind, scopes in (("ingest", {"ingest"}), ("read", {"read"}), ("admin", {"ingest", "read", "admin"})):
            record, token = await registry.create("acme", kind)  # type: ignore[arg-type]
            await book.refresh()
            principal = authenticator.authenticate(bearer(token))
            assert (principal.project, principal.scopes, principal.key_id) == ("acme", scopes, record.key_id)

    async def test_the_operators_key_may_everything_and_acts_in_default(self, authenticator: Authenticator) -> None:
        principal = authenticator.authenticate(bearer(OPERATOR_KEY))
        assert (principal.project, principal.key_id) == ("default", "operator")
        assert principal.scopes == {"ingest", "read", "admin", "operate"}

    async def test_a_revoked_key_opens_nothing_after_the_next_look(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator
    ) -> None:
        record, token = await registry.create("acme", "read")
        await book.refresh()
        principal = authenticator.authenticate(bearer(token))
        assert authenticator.holds(principal)
        await registry.revoke("acme", record.key_id)
        await book.refresh()
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(bearer(token))
        assert not authenticator.holds(principal)

    async def test_a_key_ends_at_its_time_even_where_it_was_just_used(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator, clock: Clock
    ) -> None:
        _, token = await registry.create("acme", "read", lifetime_s=60)
        await book.refresh()
        clock.now += 59
        principal = authenticator.authenticate(bearer(token))
        clock.now += 2
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(bearer(token))
        assert not authenticator.holds(principal)

    async def test_after_a_rotation_the_old_token_is_good_for_the_grace_period(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator, clock: Clock
    ) -> None:
        record, old = await registry.create("acme", "read")
        _, new = await registry.rotate("acme", record.key_id, grace_s=100)
        await book.refresh()
        for token in (old, new):
            assert authenticator.authenticate(bearer(token)).key_id == record.key_id
        clock.now += 101
        assert authenticator.authenticate(bearer(new)).key_id == record.key_id
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(bearer(old))

    async def test_a_rotation_without_grace_ends_the_old_token_at_once(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator
    ) -> None:
        record, old = await registry.create("acme", "read")
        await registry.rotate("acme", record.key_id, grace_s=0)
        await book.refresh()
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(bearer(old))

    async def test_another_secret_under_a_known_name_is_refused(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator
    ) -> None:
        record, token = await registry.create("acme", "read")
        await book.refresh()
        for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), record.key_id, token + "x", token.upper()):
            with pytest.raises(Unauthenticated):
                authenticator.authenticate(bearer(wrong))

    async def test_the_last_key_to_go_leaves_the_service_shut(self, registry: KeyRegistry, book: KeyBook) -> None:
        alone = Authenticator(None, book)
        assert not alone.required
        record, _ = await registry.create("acme", "read")
        await registry.revoke("acme", record.key_id)
        await registry.forget(await registry.get("acme", record.key_id))
        await book.refresh()
        assert alone.required

    async def test_a_service_open_to_others_needs_a_key_even_where_none_exists(self, book: KeyBook) -> None:
        with pytest.raises(Unauthenticated):
            Authenticator(None, book, closed=True).authenticate(None)

    async def test_use_is_written_down_rarely(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator, clock: Clock
    ) -> None:
        record, token = await registry.create("acme", "read")
        await book.refresh()
        for _ in range(3):
            authenticator.authenticate(bearer(token))
            await book._write_used()
            clock.now += 100
        assert await registry.last_used_ms() == {record.key_id: 1_800_000_000_000}
        clock.now += 300
        authenticator.authenticate(bearer(token))
        await book._write_used()
        assert await registry.last_used_ms() == {record.key_id: 1_800_000_600_000}

    async def test_an_unchanged_book_is_not_read_again(self, registry: KeyRegistry, book: KeyBook) -> None:
        await registry.create("acme", "read")
        await book.refresh()
        before = book.generation
        await book.refresh()
        assert book.generation == before


class TestGuessing:
    def test_wrong_keys_from_one_address_are_slowed_and_others_are_not(self, clock: Clock) -> None:
        gate = GuessGate(clock)
        for _ in range(int(BURST)):
            gate.note("192.0.2.1")
        with pytest.raises(TooManyGuesses):
            gate.note("192.0.2.1")
        gate.note("192.0.2.2")
        clock.now += 1
        gate.note("192.0.2.1")

    async def test_even_the_right_word_is_not_looked_at_while_an_address_guesses(
        self, authenticator: Authenticator
    ) -> None:
        for number in range(int(BURST)):
            with pytest.raises(Unauthenticated):
                authenticator.authenticate(bearer(f"guess-{number}"), "192.0.2.1")
        with pytest.raises(TooManyGuesses):
            authenticator.authenticate(bearer(OPERATOR_KEY), "192.0.2.1")
        assert authenticator.authenticate(bearer(OPERATOR_KEY), "192.0.2.2").key_id == "operator"

    async def test_who_guesses_locks_no_key_out(
        self, registry: KeyRegistry, book: KeyBook, authenticator: Authenticator
    ) -> None:
        _, token = await registry.create("acme", "read")
        await book.refresh()
        authenticator.authenticate(bearer(OPERATOR_KEY), "10.0.0.1")
        for number in range(int(BURST)):
            with pytest.raises(Unauthenticated):
                authenticator.authenticate(bearer(f"guess-{number}"), "10.0.0.1")
        # A key, and the operator's known already, come through from the same address, as behind a proxy.
        assert authenticator.authenticate(bearer(token), "10.0.0.1").project == "acme"
        assert authenticator.authenticate(bearer(OPERATOR_KEY), "10.0.0.1").key_id == "operator"


def test_a_token_in_a_text_is_masked_and_the_name_of_a_key_stays() -> None:
    key_id = new_key_id("admin")
    assert "[redacted" in SECRETS.mask({"detail": f"at /v1/keys/{new_token(key_id)}/rotate"})["detail"]
    assert SECRETS.mask({"detail": key_id}) == {"detail": key_id}


@pytest.fixture
async def http(core: Core, book: KeyBook) -> AsyncIterator[httpx.AsyncClient]:
    settings = read_settings(api_key=OPERATOR_KEY)
    access = build_access(settings, KeyBook(RedisKeyStore(core.client)), Binding(LOOPBACK))
    deps, board, _ = build_deps(settings, core.client, PARTITIONS, access)
    app = create_app(deps, version="0", allowed_hosts=LOOPBACK_HOSTS)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        http.headers["Authorization"] = bearer(OPERATOR_KEY)
        http.book = access.authenticator.book  # type: ignore[attr-defined]
        yield http
    await board.close()


async def made(http: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await http.post(path, json=body)
    assert answer.status_code == 201, answer.text
    await http.book.refresh()  # type: ignore[attr-defined]
    return dict(answer.json())


class TestRoutes:
    async def test_a_key_is_shown_once(self, http: httpx.AsyncClient) -> None:
        key = await made(http, "/v1/keys", kind="read", name="board", expires_in_days=1)
        assert key["token"].startswith(key["id"])
        assert key["expires_ms"] - key["created_ms"] == DAY_S * 1000
        listed = await http.get("/v1/keys")
        assert [one["id"] for one in listed.json()["keys"]] == [key["id"]]
        assert key["token"].removeprefix(key["id"]) not in listed.text
        assert "digest" not in listed.text
        assert (await http.get(f"/v1/keys/{key['id']}")).json()["state"] == "active"

    async def test_the_operator_makes_projects_and_their_first_keys(self, http: httpx.AsyncClient) -> None:
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        own = {"Authorization": bearer(key["token"])}
        more = await http.post("/v1/keys", json={"kind": "ingest"}, headers=own)
        assert more.status_code == 201
        listed = (await http.get("/v1/projects/acme/keys")).json()["keys"]
        assert [one["kind"] for one in listed] == ["admin", "ingest"]
        assert (await http.get("/v1/keys")).json()["keys"] == []
        assert (await http.get("/v1/projects", headers=own)).status_code == 403
        assert (await http.get("/v1/projects/acme/keys", headers=own)).status_code == 403
        assert (await http.get("/v1/project", headers=own)).json()["name"] == "acme"
        assert (await http.post("/v1/projects/nowhere/keys", json={"kind": "read"})).status_code == 404

    async def test_no_body_chooses_the_project(self, http: httpx.AsyncClient) -> None:
        answer = await http.post("/v1/keys", json={"kind": "read", "project": "acme"})
        assert answer.status_code == 422

    async def test_a_project_sets_its_privacy_and_not_its_limits(self, http: httpx.AsyncClient) -> None:
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        own = {"Authorization": bearer(key["token"])}
        limits = {"limits": {"steps_per_s": 5}}
        assert (await http.put("/v1/project", json=limits, headers=own)).status_code == 422
        assert (await http.put("/v1/projects/acme", json=limits)).status_code == 200
        answer = await http.put("/v1/project", json={"feedback": {"control_ratio": 0.5}}, headers=own)
        assert answer.json()["settings"]["limits"]["steps_per_s"] == 5
        assert answer.json()["settings"]["feedback"]["control_ratio"] == 0.5

    async def test_rotating_and_revoking_by_address(self, http: httpx.AsyncClient) -> None:
        key = await made(http, "/v1/keys", kind="read")
        rotated = (await http.post(f"/v1/keys/{key['id']}/rotate?grace_s=60")).json()
        assert rotated["token"] != key["token"]
        assert rotated["old_token_until_ms"] > rotated["rotated_ms"]
        assert (await http.delete(f"/v1/keys/{key['id']}")).status_code == 204
        assert (await http.get(f"/v1/keys/{key['id']}")).json()["state"] == "revoked"

    async def test_a_whole_token_in_an_address_is_not_repeated(self, http: httpx.AsyncClient) -> None:
        key = await made(http, "/v1/keys", kind="read")
        secret = key["token"].removeprefix(key["id"])
        for path in (f"/v1/keys/{key['token']}", f"/v1/nowhere/{key['token']}", f"/v1/alerts/{key['token']}"):
            answer = await http.get(path)
            assert answer.status_code == 404
            assert secret not in answer.text

    async def test_every_act_of_an_admin_is_in_the_audit_log(self, http: httpx.AsyncClient) -> None:
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        own = {"Authorization": bearer(key["token"])}
        other = (await http.post("/v1/keys", json={"kind": "read"}, headers=own)).json()
        await http.post(f"/v1/keys/{other['id']}/rotate", headers=own)
        await http.delete(f"/v1/keys/{other['id']}", headers=own)
        await http.put("/v1/project", json={"feedback": {"control_ratio": 0.5}}, headers=own)
        page = (await http.get("/v1/audit?limit=4", headers=own)).json()
        rest = (await http.get(f"/v1/audit?after={page['next']}", headers=own)).json()
        acts = [(one["act"], one["key_id"]) for one in page["entries"] + rest["entries"]]
        assert acts == [
            ("project.set", key["id"]),
            ("key.revoke", key["id"]),
            ("key.rotate", key["id"]),
            ("key.create", key["id"]),
            ("key.create", "operator"),
            ("project.create", "operator"),
        ]
        assert page["entries"][0]["origin"] == "127.0.0.1"
        for token in (key["token"], other["token"]):
            assert token not in str(page) + str(rest)

    async def test_a_project_is_deleted_once_nothing_is_left_in_it(
        self, http: httpx.AsyncClient, core: Core, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.core.tenants.tenancy.SETTLED_MS", 0)
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        own = {"Authorization": bearer(key["token"])}
        assert "revoke" in (await http.delete("/v1/projects/acme")).json()["detail"]
        await http.put("/v1/runs/r1", json={}, headers=own)
        await http.delete(f"/v1/projects/acme/keys/{key['id']}")
        assert (await http.delete("/v1/projects/acme")).status_code in {204, 409}
        assert (await http.delete("/v1/projects/default")).status_code == 409
        assert (await http.delete("/v1/projects/nowhere")).status_code == 404

    async def test_a_project_begun_anew_knows_nothing_of_the_one_before(
        self, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.core.tenants.tenancy.SETTLED_MS", 0)
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        await http.put("/v1/projects/acme", json={"limits": {"steps_per_s": 5}})
        await http.delete(f"/v1/projects/acme/keys/{key['id']}")
        assert (await http.delete("/v1/projects/acme")).status_code == 204
        await made(http, "/v1/projects", name="acme")
        key = await made(http, "/v1/projects/acme/keys", kind="admin")
        own = {"Authorization": bearer(key["token"])}
        assert (await http.get("/v1/project", headers=own)).json()["settings"]["limits"]["steps_per_s"] is None
        assert len((await http.get("/v1/keys", headers=own)).json()["keys"]) == 1
        assert len((await http.get("/v1/audit", headers=own)).json()["entries"]) == 2

    async def test_other_hosts_are_answered_once_a_key_is_needed(self, core: Core, registry: KeyRegistry) -> None:
        keys = KeyBook(RedisKeyStore(core.client))
        settings = read_settings()
        deps, board, _ = build_deps(settings, core.client, PARTITIONS, build_access(settings, keys, Binding(LOOPBACK)))
        transport = httpx.ASGITransport(create_app(deps, version="0", allowed_hosts=LOOPBACK_HOSTS))
        async with httpx.AsyncClient(transport=transport, base_url="http://forewarn.example") as http:
            assert (await http.get("/v1/runs")).status_code == 421
            _, token = await registry.create("default", "read")
            await keys.refresh()
            assert (await http.get("/v1/runs")).status_code == 401
            assert (await http.get("/v1/runs", headers={"Authorization": bearer(token)})).status_code == 200
        await board.close()
