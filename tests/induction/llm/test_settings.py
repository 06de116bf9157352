from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from induction.adapters.llm.settings import LlmSettings, read_key

Build = Callable[..., LlmSettings]


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
        ("https://x.example/a/chat/completions?version=2", "https://x.example/a/chat/completions?version=2"),
    ],
)
def test_an_address_may_be_the_servers_the_apis_or_the_endpoints(settings: Build, url: str, endpoint_url: str) -> None:
    assert settings(url=url).endpoint_url == endpoint_url


@pytest.mark.parametrize("url", ["example.com/v1", "ftp://example.com", "https://me:secret@example.com/v1", "https://"])
def test_an_address_that_is_none_or_holds_a_password_is_refused(settings: Build, url: str) -> None:
    with pytest.raises(ValidationError):
        settings(url=url)


def test_our_own_variable_wins_and_none_is_needed() -> None:
    assert read_key({}) is None
    assert read_key({"OPENAI_API_KEY": "  "}) is None
    both = read_key({"OPENAI_API_KEY": "theirs", "FOREWARN_LLM_API_KEY": "ours"})
    assert both is not None
    assert both.get_secret_value() == "ours"


def test_the_key_is_in_no_text_of_the_settings(settings: Build) -> None:
    built = settings(key="very-secret-1")
    assert "very-secret-1" not in f"{built!r} {built} {built.model_dump_json()}"


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused(settings: Build, key: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        settings(key=key)


def test_a_query_is_sent_and_never_shown(settings: Build) -> None:
    built = settings(url="https://x.example/v1?key=abc")
    assert built.endpoint_url == "https://x.example/v1/chat/completions?key=abc"
    assert built.shown_url == "https://x.example/v1/chat/completions"
