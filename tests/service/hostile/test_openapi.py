"""Schemathesis over the whole /openapi.json: the service does what its document says, whatever it is sent, and whoever
sends it: no key gets anything of a route whose scope it lacks.

Every check of Schemathesis, in all its phases, sequences of operations included; no 5xx but 503 with Retry-After.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.scopes import TABLE
from service.core.tenants.tokens import SCOPES, KeyKind
from tests.service.hostile.fuzzing import WHAT_EVERY_KEY_MUST_SEE, Asking, fuzz, known_names, operator, restore
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# What chance need not meet: a body that is a bundle, a monitor that nothing rests on, something to go back to, a
# webhook and one of its own deliveries. test_monitor_routes.py and tests/service/alerts provide for them.
HARD_TO_MEET = {
    "POST /v1/monitors",
    "DELETE /v1/monitors/{monitor_id}",
    "POST /v1/monitors/rollback",
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
}


@pytest.fixture
def service(besieged: Service, tiny: TinyBundle) -> Iterator[Service]:
    yield besieged
    restore(besieged, tiny)


@pytest.mark.parametrize(
    ("seed", "examples"),
    [
        pytest.param(1, 20, id="20 examples"),
        *(pytest.param(seed, 400, marks=pytest.mark.soak, id=f"400 examples, seed {seed}") for seed in (2, 3)),
    ],
)
def test_the_service_does_what_its_openapi_document_says(
    service: Service, tiny: TinyBundle, tmp_path: Path, seed: int, examples: int
) -> None:
    known = known_names(service, tiny, f"known-{seed}", tmp_path)
    answers = fuzz(service, operator(), known, tmp_path, "--seed", str(seed), "--max-examples", str(examples))
    assert answers.without(2, 404, 409, 422) == []
    assert set(answers.without(2)) <= HARD_TO_MEET, "operations that never did what they are for"


@pytest.mark.parametrize("kind", ["ingest", "read", "admin"])
@pytest.mark.parametrize(
    ("seed", "examples"),
    [
        pytest.param(4, 3, id="3 examples"),
        pytest.param(5, 200, marks=pytest.mark.soak, id="200 examples"),
    ],
)
def test_a_key_gets_what_its_scope_is_for_and_nothing_else(
    service: Service, tiny: TinyBundle, tmp_path: Path, kind: KeyKind, seed: int, examples: int
) -> None:
    made = service.http.post("/v1/keys", json={"kind": kind}).json()
    known = known_names(service, tiny, f"by-{kind}-{seed}", tmp_path)
    asking = Asking(made["token"], SCOPES[kind], made["id"])
    # Every process knows a new key within about a second.
    headers = {"Authorization": f"Bearer {asking.token}"}
    service.until(lambda: service.http.get("/v1/runs", headers=headers).status_code != 401, 10, "open to the key")
    checks = ",".join(WHAT_EVERY_KEY_MUST_SEE)
    options = ("--seed", str(seed), "--max-examples", str(examples))
    answers = fuzz(service, asking, known, tmp_path, *options, checks=checks)
    rows = {f"{method} {path}": need for method, path, need in TABLE}
    refused = set(answers.without(2, 4)) | {
        operation for operation, statuses in answers.statuses.items() if statuses <= {400, 403}
    }
    lacking = {operation for operation in answers.statuses if rows[operation] not in {None, *SCOPES[kind]}}
    assert refused == lacking
