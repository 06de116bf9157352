"""The proposer's settings for an endpoint on the loopback address, traces to ask about, and what was recorded."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.llm.proposing import Traces
from induction.adapters.llm.settings import LlmSettings
from induction.adapters.sampling import sample_documents
from tests.chat_endpoint import Endpoint
from tests.induction.conftest import chat_messages


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(endpoint: Endpoint, tmp_path: Path) -> Callable[..., LlmSettings]:
    def build(**options: Any) -> LlmSettings:
        record = tmp_path / "adapter.llm.jsonl"
        given = {"url": endpoint.url, "model": "tester", "record": record, "key": "key-of-ours-123", **options}
        return LlmSettings.model_validate(given)

    return build


@pytest.fixture
def small_corpus(tmp_path: Path) -> Path:
    """12 short runs in four files: each question costs a validation."""
    folder = tmp_path / "chat"
    folder.mkdir()
    rng = random.Random(7)
    for number in range(4):
        runs = [
            {"task_id": str(index), "reward": float(index % 2), "messages": chat_messages(rng)[:8]}
            for index in range(3)
        ]
        (folder / f"part{number}.json").write_text(json.dumps({"runs": runs}))
    return folder


@pytest.fixture
def traces(small_corpus: Path) -> Traces:
    documents, _ = sample_documents(small_corpus)
    return Traces("chat", documents)


@pytest.fixture
def record(tmp_path: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The recorded lines of one kind."""

    def read(kind: str) -> list[dict[str, Any]]:
        lines = (tmp_path / "adapter.llm.jsonl").read_text(encoding="utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["kind"] == kind]

    return read
