"""Secrets that are known by the name they stand under."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.privacy.redaction import MASK, Masker

MASKER = Masker(("secrets",))
NAMES = (
    "password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "x-api-key",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "authorization",
    "cookie",
    "set-cookie",
    "private_key",
    "connection_string",
)
SECRET = "hunter2 'or' \"not\""


@pytest.mark.parametrize("name", [*NAMES, "Password", "API-KEY", "X_Api_Key", "accessToken", "Set-Cookie"])
def test_what_stands_under_the_name_of_a_secret_is_masked_whole(name: str) -> None:
    step = {"a": [{name: SECRET, "x": SECRET}], name: [SECRET, 1, ""]}
    assert MASKER.mask(step) == {"a": [{name: MASK, "x": SECRET}], name: [MASK, 1, ""]}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", [1, 2])
def test_and_in_json_in_a_text_which_stays_json(name: str, depth: int) -> None:
    inner: Any = {"user": "me", name: SECRET, "n": 1}
    masked: Any = {"user": "me", name: MASK, "n": 1}
    for _ in range(depth):
        inner, masked = {"arguments": json.dumps(inner)}, {"arguments": json.dumps(masked)}
    assert MASKER.mask(inner) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("{'password': 'x', 'n': 1}", f"{{'password': '{MASK}', 'n': 1}}"),
        ('{"password": "cut off', f'{{"password": "{MASK}'),
        ("curl -H 'x-api-key: abc123' example.com", f"curl -H 'x-api-key: {MASK}' example.com"),
        ("login(user=me, password=hunter2)", f"login(user=me, password={MASK})"),
        ("https://x.example/?access_token=abc&n=1", f"https://x.example/?access_token={MASK}&n=1"),
        ('password = "correct horse"', f'password = "{MASK}"'),
        (r"password=\"x\" y", rf"password=\"{MASK}\" y"),
        ("user: me\npassword: correct\n", f"user: me\npassword: {MASK}\n"),
        ("Password: hunter2 and so on", f"Password: {MASK} and so on"),
        ("Cookie: a=b; c=d\r\nHost: x", f"Cookie: {MASK}\r\nHost: x"),
        ("{user: me, password: a1(b}", f"{{user: me, password: {MASK}}}"),
        ("Server=db;Pwd=a,b;Port=1", f"Server=db;Pwd={MASK};Port=1"),
    ],
)
def test_and_in_text(text: str, masked: str) -> None:
    assert MASKER.mask(text) == masked
    assert MASKER.mask({"a": text}) == {"a": masked}
    assert MASKER.mask_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        MASK,
        "***",
        "<password>",
        "${PASSWORD}",
        "$PASSWORD",
        "{{ password }}",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    for step in ({"password": text}, {"a": json.dumps({"password": text})}, f"password={text}", f"password: {text}"):
        assert MASKER.mask(step) is step


@pytest.mark.parametrize(
    "step",
    [
        {"total_tokens": "12", "token_count": "5", "secrets": "many", "password_policy": "strict"},
        {"usage": '{"total_tokens": 12, "token": "x", "passwords": "none"}'},
        {"properties": {"password": {"type": "string", "description": "of the user"}}, "required": ["password"]},
        {"password": None, "secret": True, "pwd": {"x": "y"}},
        "the password: it has to be changed; secret: the third door; cookie: with chocolate",
        "def login(user: str, password: str, api_key: Optional[str] = None):",
        "client(password=self.password, api_key=os.environ, x=1)",
        "password = get_password(user)",
        "if password == other:",
    ],
)
def test_names_and_words_that_only_look_like_it_stay(step: Any) -> None:
    assert MASKER.mask(step) is step


pieces = st.sampled_from(
    [*(f'"{name}"' for name in NAMES[:4]), *NAMES[:8], '"', "\\", "\\\\", "'", ":", "=", " ", "x", "9", "\n", MASK, ","]
)


@given(st.lists(pieces, max_size=12).map("".join))
@settings(max_examples=400, deadline=None)
def test_masking_again_changes_nothing_and_a_look_at_the_json_passes_over_nothing(text: str) -> None:
    masked = MASKER.mask_text(text)
    assert MASKER.mask_text(masked) == masked
    assert MASKER.mask({"a": text}) == {"a": masked}


@pytest.mark.parametrize(
    "piece",
    [
        '"password":"',
        "password=",
        "password: ",
        "password:\\\\\\",
        '\\"password\\":\\"',
        "'pwd': '",
        "cookie: a=",
        "api_",
    ],
)
def test_the_work_grows_with_the_text_alone(piece: str) -> None:
    def seconds(text: str) -> float:
        started = time.thread_time()
        MASKER.mask_text(text)
        return time.thread_time() - started

    seconds(piece * 10)
    assert seconds(piece * 40_000) < 40 * max(seconds(piece * 4_000), 0.002)
