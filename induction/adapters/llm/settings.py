"""Settings of the LLM-assisted proposer, checked where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

KEY_VARIABLES = ("FOREWARN_LLM_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first that is set wins."""


class LlmSettings(BaseModel):
    """Where to ask, whom, and what it may cost. `record` is the file that takes every exchange."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    model: str = Field(min_length=1)
    record: Path
    key: SecretStr | None = None
    max_tokens: int = Field(60_000, ge=1, description="Of all questions and answers together.")
    max_rounds: int = Field(3, ge=1, le=10, description="First proposal and repairs.")
    timeout_s: float = Field(120.0, gt=0, description="For one answer, from sending to its last byte.")
    retries: int = Field(2, ge=0, le=10, description="Of one question, where the endpoint is busy or broken.")

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://api.example.com/v1")
        if parts.username or parts.password:
            raise ValueError("must hold no user or password: the address is recorded")
        return url

    @field_validator("key")
    @classmethod
    def _is_header_text(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key is not None else ""
        if not (text.isascii() and (text.isprintable() or not text)):
            raise ValueError("the key must be printable ASCII, as HTTP headers are")
        return key

    @property
    def shown_url(self) -> str:
        """The address without its query, in which some endpoints take keys: for people and records."""
        return self.endpoint_url.partition("?")[0]

    @property
    def endpoint_url(self) -> str:
        """The address of chat completions: the given one may be that, the API's root, or the server's."""
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/") or "/v1"
        path = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
        return parts._replace(path=path, fragment="").geturl()


def read_key(environment: Mapping[str, str]) -> SecretStr | None:
    """Return the key that the environment holds, or None: endpoints of one's own often need none."""
    return next((SecretStr(key) for name in KEY_VARIABLES if (key := environment.get(name, "").strip())), None)
