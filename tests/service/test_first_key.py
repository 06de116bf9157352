"""The first key of a live service: it then listens where it is set, and no token that is sent to it is in its log."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.service.live import Service, running
from tests.tiny_bundle import shared_tiny_bundle

pytestmark = pytest.mark.slow

# Another address of this machine that is no loopback name and needs no network: Linux answers on all of 127/8, but only
# where somebody listens on it, or on all addresses.
ELSEWHERE = "127.0.0.2"
SECRET = "PlantedSecretThatMayBeNowhere-0123456789_AB"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is to listen on all addresses, and has no key."""
    bundle = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    folder = tmp_path_factory.mktemp("first-key")
    with running(folder, "--bundle", str(bundle), "--host", "0.0.0.0") as service:
        service.until(lambda: service.get("/livez") == 200, 40, "alive")
        yield service


def answers_elsewhere(service: Service) -> bool:
    port = service.http.base_url.port
    assert port is not None
    try:
        socket.create_connection((ELSEWHERE, port), 2).close()
    except OSError:
        return False
    return True


def status_of(service: Service, **options: dict[str, str]) -> int:
    """What /v1/runs answers; 0 while the service starts anew."""
    try:
        return service.http.get("/v1/runs", **options).status_code  # type: ignore[arg-type]
    except httpx.TransportError:
        return 0


def test_with_the_first_key_it_listens_where_it_is_set_and_no_token_is_in_its_log(service: Service) -> None:
    assert not answers_elsewhere(service)
    assert status_of(service) == 200
    checks = service.http.get("/readyz?verbose").text
    assert "no key exists: on 127.0.0.1 only, not on 0.0.0.0" in checks
    made = service.http.post("/v1/keys", json={"kind": "admin"}).json()
    service.until(lambda: answers_elsewhere(service), 40, "listening elsewhere")
    own = {"Authorization": f"Bearer {made['token']}"}
    service.until(lambda: status_of(service, headers=own) == 200, 10, "open to the key")
    # On both addresses, and by neither without the key.
    assert status_of(service) == 401
    elsewhere = f"http://{ELSEWHERE}:{service.http.base_url.port}/v1/runs"
    assert httpx.get(elsewhere).status_code == 401
    assert httpx.get(elsewhere, headers=own).status_code == 200
    check_that_no_token_is_logged(service, own)


def check_that_no_token_is_logged(service: Service, own: dict[str, str]) -> None:
    """Send tokens in every place, good and bad, as callers do by mistake."""
    tokens = [service.http.post("/v1/keys", json={"kind": kind}, headers=own).json()["token"]
              for kind in ("ingest", "read", "admin")]  # fmt: skip
    invented = [f"{kind}k_{'a' * 16}_{SECRET}" for kind in "ira"]
    for token in tokens + invented:
        for value in (f"Bearer {token}", f"Bearer {token}x", token, f"Basic {token}", f"Bearer  {token} {token}"):
            service.http.get("/v1/webhooks", headers={"Authorization": value})
            service.http.post("/v1/steps", content=b"{", headers={"Authorization": value})
        for path in (f"/v1/keys?token={token}", f"/v1/keys/{token}", f"/v1/{token}", f"/v1/runs/{token}", f"/{token}"):
            service.http.get(path)
            service.http.get(path, headers=own)
            service.http.request("TRACE", path, headers=own)
        service.http.post(f"/v1/keys/{token}/rotate?grace_s={token}", headers=own)
        service.http.delete(f"/v1/keys/{token}", headers=own)
        for body in ({"kind": "read", "name": token}, {"kind": token}, {token: token}, token):
            service.http.post("/v1/keys", json=body, headers=own)
        service.http.post("/v1/keys", content=token.encode(), headers=own)
        service.http.put("/v1/project", json={"privacy": {"content": token}}, headers=own)
    said = service.log.read_text()
    assert "key.create" in said
    for token in [*tokens, *invented, own["Authorization"][7:]]:
        assert token[len("ik_") + 16 + 1 :] not in said
    for page in ("/v1/audit", "/v1/keys", "/metrics"):
        shown = service.http.get(page, headers=own).text
        for token in [*tokens, *invented]:
            assert token[len("ik_") + 16 + 1 :] not in shown, page
