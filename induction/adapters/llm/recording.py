"""Every exchange on disk, beside the adapter: what was sent, what came back, what the validator said. Never the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from induction.errors import LlmError


class ExchangeRecord:
    """A JSONL file of exchanges, begun anew. Raises LlmError where it cannot be written: then nothing is sent."""

    def __init__(self, path: Path, secrets: Sequence[str] = ()) -> None:
        self.path = path
        self._secrets = tuple(secret for secret in secrets if secret)
        try:
            path.write_bytes(b"")
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, kind: str, **content: Any) -> None:
        """Append one line. Secrets that an endpoint echoes are replaced; what is no JSON is written as text.

        Raises LlmError where it cannot be written: what is not recorded does not go on.
        """
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "kind": kind, **content}
        text = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        for secret in self._secrets:
            text = text.replace(orjson.dumps(secret).decode()[1:-1], "[key]")
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(text + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> LlmError:
        return LlmError(f"exchanges cannot be recorded in {self.path}: {error.strerror or error}")
