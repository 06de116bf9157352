"""The shapes of private text that are known from the start: secrets, e-mail addresses, payment cards, phone numbers.

They know shapes, not meanings: a password in prose stays, unless its name stands right before it. Each shape has a
`hint`, a pattern that is in the JSON of every text in which the shape is, so that one look at a step's JSON says
whether there is anything to look for. Patterns hold no counts where a text could make them keep many at once
(`(?:ab-){20,}` over `ab-ab-ab-…`): RE2 is then ten to a hundred times slower. Lengths are checked on what was found.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.core.patterns import Pattern, Span
from service.core.privacy.named_secrets import HINT, find_named

_PLENTY = 8 * 2**20
_JOINTS = {b"-", b".", b"/", b":", b","}
# In JSON a letter may stand before a word's beginning: that of an escaped control character.
_BEGIN = r"(?:\b|\\[bfnrt]|\\u00[0-9a-f][0-9a-f])"
_GAP = r"(?:\s|\\[nrt])+"

# Tokens by their well-known beginnings, with what may follow and how much of it at least.
_NAME = "[A-Za-z0-9_-]"
_TOKENS: tuple[tuple[str, str, str], ...] = (
    ("sk-", _NAME, "{20,}"),  # OpenAI, Anthropic, OpenRouter …
    ("(?:sk|rk|pk)_(?:live|test)_", "[A-Za-z0-9]", "{10,}"),  # Stripe
    ("(?:ik|rk|ak)_", _NAME, "{20,}"),  # forewarn's own API keys
    ("whsec_", "[A-Za-z0-9+/=_-]", "{16,}"),  # Standard Webhooks
    ("gh[pousr]_", "[A-Za-z0-9]", "{30,}"),
    ("github_pat_", "[A-Za-z0-9_]", "{30,}"),
    ("glpat-", _NAME, "{20,}"),
    ("xox[abeprs]-", "[A-Za-z0-9-]", "{10,}"),
    ("xapp-", "[A-Za-z0-9-]", "{10,}"),
    (r"hooks\.slack\.com/services/", "[A-Za-z0-9/_-]", "{20,}"),
    ("A(?:KIA|SIA)", "[A-Z0-9]", "{16}"),
    ("AIza", _NAME, "{35,}"),
    (r"ya29\.", _NAME, "{20,}"),
    ("GOCSPX-", _NAME, "{20,}"),
    ("hf_", "[A-Za-z0-9]", "{30,}"),
    ("(?:gsk_|xai-|nvapi-|pplx-|r8_)", _NAME, "{30,}"),
    ("npm_", "[A-Za-z0-9]", "{36,}"),
    ("pypi-", _NAME, "{50,}"),
    (r"SG\.", "[A-Za-z0-9_.-]", "{33,}"),
    ("SK", "[0-9a-f]", "{32}"),
    ("do[opr]_v1_", "[0-9a-f]", "{64}"),
    ("dapi", "[0-9a-f]", "{32}"),
    ("shp(?:at|ca|pa|ss)_", "[0-9a-fA-F]", "{32}"),
    (r"hv[sbr]\.", _NAME, "{20,}"),
)
_JWT = rf"eyJ{_NAME}+\.eyJ{_NAME}+\.{_NAME}+"
_KEY_BLOCK = "-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
# Each match takes all that it has looked at, so that many beginnings without an end cost no more than one.
_KEY_BODY = r"(?:[A-Za-z0-9+/=\s:,.\\]|-[A-Za-z0-9])*(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)?"
_LOGIN = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"\\]*:([^\s/@\"\\]+)@"
_SETTING = r"(?i:\b(?:accountkey|sharedaccesskey)=)([^;&\s\"'\\]+)"
_AWS = r"(?i:aws_secret_access_key)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]+)"

_FOUND = Pattern(
    "|".join([rf"\b{begin}{rest}+" for begin, rest, _ in _TOKENS] + [rf"\b{_JWT}", _KEY_BLOCK + _KEY_BODY]), _PLENTY
)
_LONG_ENOUGH = re.compile(
    "|".join([f"{begin}{rest}{count}" for begin, rest, count in _TOKENS] + [_JWT, "-----"]).encode()
)
_BEARER = Pattern(r"(?i:\bbearer)\s+([A-Za-z0-9._~+/=-]+)", _PLENTY)
_BASIC = Pattern(r"(?i:\bbasic)\s+([A-Za-z0-9+/]+={0,2})", _PLENTY)
_AFTER = tuple(Pattern(one, _PLENTY) for one in (_LOGIN, _SETTING, _AWS))
_ADDRESS = Pattern(r"[A-Za-z0-9._%+'\x{80}-\x{10FFFF}-]+@[A-Za-z0-9.\x{80}-\x{10FFFF}-]+", _PLENTY)
# Digits alone, or in the groups in which cards print them, with one space or hyphen between.
_DIGITS = Pattern(
    r"[2-6]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{1,4}(?:[ -]\d{1,3})?|3\d{3}[ -]\d{6}[ -]\d{4,5}|\d{13,}", _PLENTY
)
_PHONE = (
    r"\+[1-9]\d{0,3}(?:[ ./-]?\(?\d{1,12}\)?){1,6}"  # E.164 and as it is written out
    r"|00[1-9]\d{0,2}(?:[ ./-]\(?\d{2,8}\)?){2,5}"
    r"|\([2-9]\d{2}\) ?\d{3}[ .-]\d{4}"  # North America
    r"|[2-9]\d{2}[.-][2-9]\d{2}[.-]\d{4}"
    r"|\(?0[1-9]\d{0,3}\)?[ /-]\d{3,4}[ -]?\d{3,5}"  # Europe
    r"|0[1-9](?:[ .]\d{2}){4}"
)
_NUMBER = Pattern(_PHONE, _PLENTY)


@dataclass(frozen=True, slots=True)
class ShapeRule:
    """How a shape is found. What `find` gives from left to right are places to mask, and empty ones for looks that
    found nothing, so that these can be counted."""

    hint: str
    find: Callable[[bytes], Iterator[Span]]
    # Bytes that are in every text in which the shape is: cheaper to look for than the hint.
    sign: bytes = b""


def _secrets(text: bytes) -> Iterator[Span]:
    for start, end in _FOUND.spans(text):
        yield start, end if _LONG_ENOUGH.match(text, start, end) else start
    for start, end in _BEARER.spans(text):
        yield start, end if end - start >= 16 else start
    for start, end in _BASIC.spans(text):
        yield start, end if _is_login(text[start:end]) else start
    for pattern in _AFTER:
        yield from pattern.spans(text)
    yield from find_named(text)


def _is_login(raw: bytes) -> bool:
    """True if this is a name and a password as HTTP's Basic scheme carries them."""
    try:
        return b":" in base64.b64decode(raw, validate=True)
    except binascii.Error:
        return False


def _emails(text: bytes) -> Iterator[Span]:
    for start, end in _ADDRESS.spans(text):
        host = text.rfind(b"@", start, end) + 1
        labels = text[host:end].decode("utf-8", "replace").split(".")
        while labels and not (2 <= len(labels[-1]) <= 24 and labels[-1].isalpha()):
            labels.pop()
        yield start, host + len(".".join(labels).encode()) if len(labels) > 1 else start


def _cards(text: bytes) -> Iterator[Span]:
    return _numbers(_DIGITS, text, lambda start, longest: _end_of_card(text, start, longest))


def _phones(text: bytes) -> Iterator[Span]:
    def end_of(start: int, end: int) -> int | None:
        return end if len(_digits(text[start:end])) >= 8 and _stands_alone(text, start, end) else None

    return _numbers(_NUMBER, text, end_of)


def _numbers(pattern: Pattern, text: bytes, end_of: Callable[[int, int], int | None]) -> Iterator[Span]:
    """Matches that `end_of` gives an end. What is none may have one in it, from its next group of digits on."""
    at = 0
    while (span := pattern.first_span(text, at)) is not None:
        start, longest = span
        end = end_of(start, longest)
        yield start, start if end is None else end
        if end is not None:
            at = end
        else:
            at = start + 1
            while at < longest and text[at : at + 1].isdigit():
                at += 1


def _end_of_card(text: bytes, start: int, longest: int) -> int | None:
    # What follows a card may look like one more group of it.
    for end in range(longest, max(start + 12, longest - 10), -1):
        between = end == longest or not text[end : end + 1].isdigit()
        if between and is_card(_digits(text[start:end])) and _stands_alone(text, start, end):
            return end
    return None


def _digits(text: bytes) -> str:
    return "".join([chr(one) for one in text if 48 <= one <= 57])


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    """True if no more digits or letters go with it: it is no part of a number, an id or a date."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or before[-1:] in {b"_", b"+"} or after[:1].isalnum() or after[:1] == b"_":
        return False
    joined = before[1:] in _JOINTS and before[:1].isdigit()
    joins = after[:1] in _JOINTS and after[1:].isdigit()
    return not joined and not joins


def is_card(digits: str) -> bool:
    """True if these are 13 to 19 digits that a payment card may have: a known network's first digits, and the check
    digit of ISO/IEC 7812 (Luhn)."""
    if not 13 <= len(digits) <= 19 or not (digits[0] in "3456" or "2221" <= digits[:4] <= "2720"):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


BUILT_IN: dict[str, ShapeRule] = {
    "secrets": ShapeRule(
        "|".join(
            (
                f"{_BEGIN}(?:{'|'.join(f'{begin}{rest}{{8}}' for begin, rest, _ in _TOKENS)})",
                rf"{_BEGIN}eyJ{_NAME}+\.eyJ",
                "-----BEGIN [A-Z ]*PRIVATE KEY",
                rf"{_BEGIN}(?i:bearer){_GAP}[A-Za-z0-9._~+/=-]{{16}}",
                rf"{_BEGIN}(?i:basic){_GAP}[A-Za-z0-9+/]{{8}}",
                r"://[^\s/:@\"\\]*:[^\s/@\"\\]+@",
                r"(?i:accountkey|sharedaccesskey)=",
                "(?i:aws_secret_access_key)",
                HINT,
            )
        ),
        _secrets,
    ),
    "email": ShapeRule(r"[A-Za-z0-9._%+'\x{80}-\x{10FFFF}-]@[A-Za-z0-9\x{80}-\x{10FFFF}]", _emails, b"@"),
    "card": ShapeRule(
        r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d|3\d{3}[ -]\d{6}[ -]\d{4}"
        r"|(?:^|[^0-9.]|\\u00[0-9a-f][0-9a-f])[2-6]\d{12}",
        _cards,
    ),
    "phone": ShapeRule(_PHONE, _phones),
}
