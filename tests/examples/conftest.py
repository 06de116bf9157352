"""One service with a key on a small help-desk monitor, and a way to run an example against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forewarn.demo.learning import DemoFiles, induce, make_runs
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import NoProgress
from induction.learning.training import TrainingSettings
from tests.service.live import Service, running

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-operators-key-of-the-examples-tests"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def desk_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A monitor trained in seconds; it warns more often than a good one."""
    files = DemoFiles(tmp_path_factory.mktemp("desk"), "chat")
    make_runs(files, 120, 1)
    spec = induce(files).proposal.spec
    settings = BundleSettings(TrainingSettings(max_epochs=2), alpha=0.2)
    build_bundle(LabelledCorpus(files.raw, spec, files.outcomes), settings, files.bundle, NoProgress())
    return files.bundle


@pytest.fixture(scope="session")
def service(desk_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "FOREWARN_API_KEY": KEY,
        "FOREWARN_WEBHOOK_ALLOW": "127.0.0.1",
        "FOREWARN_SPAN_WAIT_MS": "300",
        "FOREWARN_ARCHIVE_DIR": "none",
    }
    folder = tmp_path_factory.mktemp("examples-service")
    with running(folder, "--bundle", str(desk_bundle), environment=environment) as one:
        one.http.headers["Authorization"] = f"Bearer {KEY}"
        one.until_ready()
        yield one


@pytest.fixture(scope="session")
def environment(service: Service) -> dict[str, str]:
    """What a user would have set."""
    url = str(service.http.base_url).rstrip("/")
    return os.environ | {"PYTHONPATH": str(ROOT), "FOREWARN_URL": url, "FOREWARN_API_KEY": KEY}


@pytest.fixture
def run_example(environment: dict[str, str]) -> Run:
    """Runs `examples/NAME` to its end; `also` is more environment."""

    def run(name: str, *arguments: str, **also: str) -> subprocess.CompletedProcess[str]:
        program = "sh" if name.endswith(".sh") else sys.executable
        return subprocess.run(
            [program, str(ROOT / "examples" / name), *arguments],
            env=environment | also,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return run
