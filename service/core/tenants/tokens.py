"""What a key looks like: `ik_<id>_<secret>`. The part before the secret is public and names the key in listings and
logs; the secret is 32 random bytes, shown once, of which the SHA-256 alone is kept.

A plain hash is enough: nobody guesses 256 bits, so there is nothing for a slow one to slow down.
"""

from __future__ import annotations

import base64
import re
import secrets
from hashlib import sha256
from typing import Literal

from service.core.tenants.access import PROJECT_SCOPES, Scope

KeyKind = Literal["ingest", "read", "admin"]
PREFIX: dict[KeyKind, str] = {"ingest": "ik", "read": "rk", "admin": "ak"}
SCOPES: dict[KeyKind, frozenset[Scope]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "admin": PROJECT_SCOPES,
}
SECRET_BYTES = 32
KEY_ID = re.compile(r"[ira]k_[a-z2-7]{16}")
_TOKEN = re.compile(r"([ira]k_[a-z2-7]{16})_[A-Za-z0-9_-]{43}")


def new_key_id(kind: KeyKind) -> str:
    """A fresh public name: the kind and 80 random bits."""
    return f"{PREFIX[kind]}_{base64.b32encode(secrets.token_bytes(10)).decode().lower()}"


def new_token(key_id: str) -> str:
    """A fresh token for the key: its name and a new secret."""
    return f"{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def read_key_id(raw_token: str) -> str | None:
    """The public name in a token; None for what is no token."""
    found = _TOKEN.fullmatch(raw_token)
    return found and found[1]


def digest_of(token: str) -> str:
    """What is kept of a token: the SHA-256 of the whole, hexadecimal."""
    return sha256(token.encode()).hexdigest()
