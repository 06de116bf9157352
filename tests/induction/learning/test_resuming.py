"""A training that was killed goes on, and ends in the files that an uninterrupted one writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from induction.learning.building import BundleSettings, build_bundle
from induction.learning.progress import EpochReport, NoProgress
from monitors.adapter import write_spec
from monitors.bundle.folder import FILES
from tests.induction.learning.killed_training import settings_of
from tests.tiny_bundle import Silent, TinyCorpus, labelled, tiny_spec, write_corpus

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Stops(NoProgress):
    """Ends the training after some epochs, and keeps what it heard."""

    def __init__(self, after: int | None = None) -> None:
        self.after, self.notes, self.epochs = after, list[str](), list[int]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def epoch(self, report: EpochReport) -> None:
        self.epochs.append(report.epoch)
        if report.epoch == self.after:
            raise KeyboardInterrupt


def content(bundle: Path) -> dict[str, bytes]:
    """Return a bundle's files; of the manifest all but when it was made, and how long a step took then."""
    manifest = orjson.loads((bundle / "manifest.json").read_bytes())
    del manifest["created"], manifest["cost"]
    return {"manifest": orjson.dumps(manifest), **{name: (bundle / name).read_bytes() for name in FILES}}


def build(corpus: TinyCorpus, settings: BundleSettings, out: Path, progress: Stops) -> dict[str, bytes]:
    build_bundle(labelled(corpus), settings, out, progress, resume=True)
    return content(out)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    return write_corpus(tmp_path_factory.mktemp("killed"), n_runs=120, n_tasks=40, seed=11, with_folds=True)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("preset", "epochs", "kill_every"),
    [
        ("best", 4, 9),
        # One loop of epochs and one folder of checkpoints serve all presets: the dearest is enough for the suite.
        pytest.param("default", 6, 2, marks=pytest.mark.soak),
        pytest.param("paper", 3, 6, marks=pytest.mark.soak),
    ],
)
def test_killed_again_and_again_it_writes_the_bytes_of_an_uninterrupted_one(
    corpus: TinyCorpus, preset: str, epochs: int, kill_every: int, tmp_path: Path
) -> None:
    folder = corpus.raw.parent
    build_bundle(labelled(corpus), settings_of(preset, epochs), tmp_path / "uninterrupted", Silent())
    command = [sys.executable, "-m", "tests.induction.learning.killed_training", str(folder), preset]

    killed = subprocess.run(
        [*command, str(epochs), str(kill_every)],
        env=ENVIRONMENT, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300,
    ).stdout  # fmt: skip

    assert int(killed) >= 3
    assert content(folder / "bundle") == content(tmp_path / "uninterrupted")
    assert sorted(path.name for path in folder.iterdir()) == ["bundle", "raw", "runs.jsonl"]


@pytest.fixture(scope="module")
def whole(corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the command writes that nobody stops."""
    settings = replace(settings_of("default", 30), alpha=0.1, exclude_fold=None)
    return build(corpus, settings, tmp_path_factory.mktemp("whole") / "bundle", Stops())


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests that run in the background ignore SIGINT, and so would what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_the_command_goes_on_after_it_was_stopped(
    corpus: TinyCorpus, whole: dict[str, bytes], sent: signal.Signals, status: int, tmp_path: Path
) -> None:
    write_spec(tiny_spec(), tmp_path / "adapter.json")
    out, kept = tmp_path / "bundle", tmp_path / "bundle.training" / "epochs.checkpoint"
    command = [
        *(sys.executable, "-m", "forewarn", "train", str(corpus.raw), "--adapter", str(tmp_path / "adapter.json")),
        *("--outcomes", str(corpus.outcomes), "--out", str(out), "--preset", "default", "--epochs", "30"),
        *("--device", "cpu"),
    ]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        while not kept.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(sent)
        _, said = process.communicate()
    assert process.returncode == status
    assert ("the same command goes on" in said) == (sent == signal.SIGINT)
    assert not out.exists()

    again = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True, timeout=300)

    assert f"Going on from the checkpoints in {kept.parent}: 1" in again.stderr
    assert content(out) == whole
    assert not kept.parent.exists()


def test_epochs_of_before_are_not_trained_again(corpus: TinyCorpus, tmp_path: Path) -> None:
    settings = settings_of("default", 5)
    with pytest.raises(KeyboardInterrupt):
        build(corpus, settings, tmp_path / "bundle", Stops(after=2))
    resumed = Stops()

    build(corpus, settings, tmp_path / "bundle", resumed)

    # The first epoch is always kept; the second was told, and not kept yet.
    assert resumed.epochs == [2, 3, 4, 5]


def test_another_setting_starts_anew_and_says_so(corpus: TinyCorpus, tmp_path: Path) -> None:
    settings = settings_of("default", 3)
    other = replace(settings, training=replace(settings.training, seed=14))
    with pytest.raises(KeyboardInterrupt):
        build(corpus, settings, tmp_path / "bundle", Stops(after=2))
    resumed = Stops()

    found = build(corpus, other, tmp_path / "bundle", resumed)

    assert resumed.epochs == [1, 2, 3]
    assert ["(settings differ)" in note for note in resumed.notes] == [True]
    assert found == build(corpus, other, tmp_path / "whole", Stops())


def test_what_is_promised_may_change_meanwhile(corpus: TinyCorpus, tmp_path: Path) -> None:
    settings = settings_of("default", 3)
    with pytest.raises(KeyboardInterrupt):
        build(corpus, settings, tmp_path / "bundle", Stops(after=2))
    resumed = Stops()

    build(corpus, replace(settings, alpha=0.3), tmp_path / "bundle", resumed)

    assert resumed.epochs == [2, 3]


def test_a_damaged_checkpoint_is_not_used_and_that_is_told(corpus: TinyCorpus, tmp_path: Path) -> None:
    settings = settings_of("default", 3)
    with pytest.raises(KeyboardInterrupt):
        build(corpus, settings, tmp_path / "bundle", Stops(after=2))
    kept = tmp_path / "bundle.training" / "epochs.checkpoint"
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    resumed = Stops()

    found = build(corpus, settings, tmp_path / "bundle", resumed)

    assert any(f"{kept} is damaged" in note for note in resumed.notes)
    assert resumed.epochs == [1, 2, 3]
    assert found == build(corpus, settings, tmp_path / "whole", Stops())
