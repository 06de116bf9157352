"""Masks secrets in raw steps before they are stored: keys, tokens and private keys by their well-known shapes.

It knows shapes, not meanings: a password in prose stays. Names of fields stay, so that the adapter reads the step as
before.
"""

from __future__ import annotations

import re
from typing import Any

from monitors.stepview import JsonValue

MASK = "[redacted]"

# Each shape is anchored on a literal and bounded, so that matching takes time linear in the text.
_SHAPES = re.compile(
    r"sk-[A-Za-z0-9_-]{20,200}"
    r"|gh[pousr]_[A-Za-z0-9]{30,255}"
    r"|github_pat_[A-Za-z0-9_]{30,255}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,255}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,10000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_BEARER = re.compile(r"(?i)(bearer )[A-Za-z0-9._~+/=-]{16,4000}")


def mask_secrets(step: JsonValue) -> JsonValue:
    """The step with secrets masked; the very same object where there is none."""
    if isinstance(step, str):
        masked = _BEARER.sub(rf"\g<1>{MASK}", _SHAPES.sub(MASK, step))
        return step if masked == step else masked
    if isinstance(step, dict):
        fields: dict[str, Any] = {name: mask_secrets(value) for name, value in step.items()}
        return fields if any(fields[name] is not value for name, value in step.items()) else step
    if isinstance(step, list):
        items = [mask_secrets(value) for value in step]
        return items if any(new is not old for new, old in zip(items, step, strict=True)) else step
    return step
