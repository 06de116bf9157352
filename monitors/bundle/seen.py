"""Which runs a bundle was made of, as digests: so that nobody measures it on them by mistake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from monitors.stepview import JsonValue

SEEN = "runs.json"
"""A part of the bundle that nothing is scored by; bundles made before it have none."""


def digest_run(raw_steps: Sequence[JsonValue]) -> str:
    """Return the digest of a run's raw steps: 16 hex digits of SHA-256. The same steps in another file, under another
    name or with their keys in another order have the same one.
    """
    digest = hashlib.sha256()
    for step in raw_steps:
        digest.update(_to_bytes(step) + b"\n")
    return digest.hexdigest()[:16]


def to_seen(digests: Iterable[str]) -> bytes:
    """Return the file's content: JSON, digests in order, each once."""
    return orjson.dumps({"runs": sorted(set(digests))}, option=orjson.OPT_APPEND_NEWLINE)


def read_seen(folder: Path) -> frozenset[str] | None:
    """Return the digests of the runs that a bundle was trained or calibrated on; None where it does not say."""
    try:
        content = orjson.loads((folder / SEEN).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return frozenset(content["runs"])


def _to_bytes(step: JsonValue) -> bytes:
    try:
        return orjson.dumps(step, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Lone surrogates and integers beyond 64 bits, which a file may hold and a service never sees.
        return json.dumps(step, sort_keys=True).encode("ascii")
