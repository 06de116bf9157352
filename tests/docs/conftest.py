"""What pages call `traces.tar.gz`, `my-bundle` and so on, made once; and a live service for pages that start none."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from forewarn.receiver import WebhookReceiver
from tests.docs.pages import ROOT, Block
from tests.docs.reader import Reader
from tests.ports import free_port
from tests.tiny_bundle import RAW_SPEC, TinyCorpus, build_tiny_bundle, write_corpus


@pytest.fixture(scope="session")
def placeholders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that pages name and do not make."""
    folder = tmp_path_factory.mktemp("placeholders")
    corpus = write_corpus(folder, n_runs=160, n_tasks=80)
    with tarfile.open(folder / "traces.tar.gz", "w:gz") as archive:
        archive.add(corpus.raw, arcname=".")
    shutil.copytree(corpus.raw, folder / "todays-traces")
    (folder / "adapter.json").write_bytes(orjson.dumps(RAW_SPEC))
    _write_more(folder, corpus)
    for name, epochs in (("my-bundle", 2), ("next-bundle", 1)):
        build_tiny_bundle(folder / name, corpus, epochs=epochs, exclude_fold=0)
    return folder


def _write_more(folder: Path, corpus: TinyCorpus) -> None:
    """One run as an agent emits it, and outcomes as people export them."""
    (folder / "one-run.json").write_text(json.dumps(corpus.runs[0]))
    (folder / "runs.csv").write_text("run_id,success,intervened\ncsv-1,true,\ncsv-2,false,\n")


@pytest.fixture(scope="session")
def served(placeholders: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port and the data folder of a live service, without keys, that pages share."""
    reader = Reader(tmp_path_factory.mktemp("served"), free_port())
    shutil.copytree(placeholders / "my-bundle", reader.folder / "my-bundle")
    block = Block("the shared service", 0, "sh", "forewarn serve --bundle my-bundle\n", ())
    with reader.serving(block):
        shown = "forewarn replay {0}/traces.tar.gz --outcomes {0}/runs.jsonl --url http://127.0.0.1:8080"
        reader.run(Block("the shared service", 1, "sh", shown.format(placeholders), ()))
        for run in ("run-1", "csv-1", "csv-2"):
            step = {"role": "user", "content": "Where is my order?"}
            httpx.post(f"http://127.0.0.1:{reader.port}/v1/runs/{run}/steps", json=step, timeout=30).raise_for_status()
        yield reader.port, reader.folder / "data"


@pytest.fixture(scope="session")
def receiver() -> Iterator[WebhookReceiver]:
    """Takes what webhooks send; pages call it https://hooks.example.com/forewarn."""
    with WebhookReceiver() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which a checkout lies, so to speak: everything of the project is there by its name."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".venv", "demo-out"}:
            (folder / entry.name).symlink_to(entry)
    return folder
