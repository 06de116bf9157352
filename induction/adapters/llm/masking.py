"""Secrets out of traces before anything of them leaves the machine.

A net with known holes: it knows the shapes of common keys and the names that secrets usually have. Every pattern is
bounded, so that hostile text costs no more than linear time.
"""

from __future__ import annotations

import re

MASK = "[masked]"

_TOKENS = r"(?:auth|access|refresh|session|bearer)[_-]?token"
_NAMES = rf"(?:api|access|private)[_-]?key|secret|credential|cookie|authorization|passw(?:or)?d|passwd|pwd|{_TOKENS}"
_SECRET_NAME = re.compile(rf"{_NAMES}|^token$", re.IGNORECASE)
_KEY_STARTS = r"sk-|pk-|rk_|sk_|gh[opsur]_|github_pat_|glpat-|xox[abprs]-|hf_|npm_|pypi-|whsec_|ya29\."
_BEGIN, _END = (rf"-----{edge} [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----" for edge in ("BEGIN", "END"))

_PATTERNS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"{_BEGIN}[\s\S]*?(?:{_END}|\Z)", "[masked private key]"),
        (r"(?i)\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{12,}", rf"\1 {MASK}"),
        (r"(://)[^\s/:@\"']{1,100}:[^\s/@\"']{1,200}@", rf"\1{MASK}@"),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]{1,})?", MASK),
        (rf"\b(?:{_KEY_STARTS})[A-Za-z0-9_-]{{12,}}", MASK),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", MASK),
        (r"\bAIza[A-Za-z0-9_-]{30,}", MASK),
        (rf"(?i)((?:{_NAMES})[\"']?\s{{0,4}}[:=]\s{{0,4}}[\"']?)[^\s\"',;&}}\[]{{4,}}", rf"\1{MASK}"),
        (
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
            "[masked e-mail]",
        ),
        # What is left and looks drawn by lot: long, with digits and both cases. UUIDs and hashes tie calls and stay.
        (
            r"(?<![A-Za-z0-9_-])(?=[\w-]{0,80}\d)(?=[\w-]{0,80}[a-z])(?=[\w-]{0,80}[A-Z])[A-Za-z0-9_-]{40,}",
            MASK,
        ),
    )
)


def mask_text(text: str) -> str:
    """Return the text with what looks like a secret or an e-mail address replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Return whether a key's value is to be left out whatever it looks like."""
    return _SECRET_NAME.search(name) is not None
