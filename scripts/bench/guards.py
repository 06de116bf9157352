"""What stands before a service that faces others: an ingest key, a limit on steps, masking by every shape and by
patterns of the project's own; and the proof that all of it is at work."""

from __future__ import annotations

import time
from typing import Any

import httpx

from scripts.bench.service import Service, ServiceError, total
from service.core.privacy.redaction import MASK
from service.records import DEFAULT_PROJECT
from service.redis_log.keys import KeySpace
from service.settings import EMBEDDED_PARTITIONS

OPERATOR_KEY = "the-operators-own-key-for-the-bench"
SETTINGS = {"api_key": OPERATOR_KEY, "host": "127.0.0.1", "redact": "secrets,email,card,phone"}
# Never reached, and low enough that a process asks Redis for a portion every second or oftener.
STEPS_PER_S = 50_000.0
RULES = (
    {"name": "ticket", "pattern": r"\bTICKET-\d{6,}\b"},
    {"name": "iban", "pattern": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"},
)
PLANTED = (
    "sk-" + "bEnCh0123456789abcdefghij",
    "planted.person@mail.example.com",
    "4111 1111 1111 1111",
    "+49 170 1234567",
    "TICKET-0012345",
    "DE89 3704 0044 0532 0130 00",
)
TAKEN_S = 5.0


def put_guards(service: Service) -> None:
    """Make an ingest key, which the service's loads send from now on, and set the project's limit and patterns. The
    service must have been started with `SETTINGS`. Raises ServiceError."""
    operator = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    settings = {"limits": {"steps_per_s": STEPS_PER_S}, "privacy": {"rules": RULES}}
    try:
        service.http.put(f"/v1/projects/{DEFAULT_PROJECT}", json=settings, headers=operator).raise_for_status()
        made = service.http.post("/v1/keys", json={"kind": "ingest"}, headers=operator).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise ServiceError(f"no guards: {error.response.text}") from None
    service.key = made.json()["token"]


def prove_guards(service: Service, run_id: str) -> None:
    """Raises ServiceError unless steps need the key, cost tokens, and are kept without what was planted in one."""
    step = {"role": "user", "content": "; ".join(PLANTED)}
    bare = service.http.post(f"/v1/runs/{run_id}/steps", json=step).status_code
    if bare != 401:
        raise ServiceError(f"a step without a key was answered {bare}")
    _until_taken(service, run_id, step)
    if not tokens_taken(service):
        raise ServiceError("steps were taken, and no token")
    kept = _kept_texts(service)
    found = [planted for planted in PLANTED if planted.encode() in kept]
    if found or kept.count(MASK.encode()) < len(PLANTED):
        raise ServiceError(f"not masked: {', '.join(found) or 'fewer places than were planted'}")


def tokens_taken(service: Service) -> float:
    """Tokens of the project's limit that the service has taken out of Redis so far."""
    return total(service.metrics(), "forewarn_limit_tokens_total")


def _until_taken(service: Service, run_id: str, step: dict[str, str]) -> None:
    """Send the step until it is taken and masked by all patterns: keys and settings are looked at once a second."""
    headers = {"Authorization": f"Bearer {service.key}"} if service.key else {}
    deadline = time.monotonic() + TAKEN_S
    while True:
        time.sleep(1.2)
        answer = service.http.post(f"/v1/runs/{run_id}-{time.monotonic_ns()}/steps", json=step, headers=headers)
        if answer.status_code == 202:
            return
        if time.monotonic() > deadline:
            raise ServiceError(f"a step with the key was answered {answer.status_code}: {answer.text[:200]}")


def _kept_texts(service: Service) -> bytes:
    """The JSON of the newest steps of all partitions, as Redis has them."""
    keys = KeySpace(EMBEDDED_PARTITIONS)
    entries = [_redis(service).xrevrange(keys[partition].steps, count=20) for partition in range(keys.count)]
    return b"\n".join(fields[b"d"] for some in entries for _, fields in some)


def _redis(service: Service) -> Any:
    return service.redis
