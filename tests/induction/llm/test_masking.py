from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from induction.adapters.llm.masking import is_secret_name, mask_text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789xyz", "abcdef0123456789xyz"),
        ("authorization=Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        ("key sk-proj-abcdefghijkl123456 here", "abcdefghijkl"),
        ("token ghp_0123456789abcdefghij", "0123456789"),
        ("AKIAABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
        ("password = hunter22", "hunter22"),
        ('{"api_key": "abcd1234"}', "abcd1234"),
        ("DB_PASSWORD=tr0ub4dor", "tr0ub4dor"),
        ("postgres://user:s3cretpw@db/x", "s3cretpw"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nMIIabc and it was cut off", "MIIabc"),
        ("write to bob.smith+x@mail.example.co.uk", "bob.smith"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("opaque Zk3" + "aB9x" * 12, "aB9xaB9x"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "call_0f3a9bb8c1d2",
        "the secretary kept a low profile",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "basic information: 12 tokens",
        "search[long clip-in hair extension]",
    ],
)
def test_ids_and_words_stay(text: str) -> None:
    assert mask_text(text) == text


def test_keys_that_name_secrets_are_known() -> None:
    assert [
        name for name in ("password", "API_KEY", "apiKey", "token", "db-secret", "Cookie") if not is_secret_name(name)
    ] == []
    assert [name for name in ("tokens", "total_tokens", "content", "tool_call_id") if is_secret_name(name)] == []


@given(st.text(max_size=400))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a@", "secret=", "eyJ", "bearer ", "http://", "aB3-", "-----BEGIN A PRIVATE KEY-----"]
)
def test_hostile_text_costs_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.thread_time()
    mask_text(text)
    assert time.thread_time() - started < 3.0
