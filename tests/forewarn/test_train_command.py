"""`forewarn train` says first where networks train, and learns from a service's archive as from files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forewarn.cli import main
from monitors.adapter import write_spec
from monitors.bundle import read_manifest
from monitors.bundle.folder import ADAPTER
from monitors.bundle.seen import read_seen
from monitors.monitor import Monitor
from tests.tiny_bundle import TinyBundle, tiny_spec
from tests.written_archive import WrittenArchive


def train(folder: Path, device: str) -> int | str | None:
    """Train on runs that are not there; return the exit status."""
    write_spec(tiny_spec(), folder / "adapter.json")
    with pytest.raises(SystemExit) as left:
        main(
            ["train", str(folder / "raw"), "--adapter", str(folder / "adapter.json"), "--out", str(folder / "out"),
             "--device", device]
        )  # fmt: skip
    return left.value.code


def test_the_first_line_says_where_networks_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "cpu") == 1
    assert capsys.readouterr().err.splitlines()[0].strip() == "Networks train on the CPU"


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA computes")
def test_cuda_where_there_is_none_is_one_line_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "cuda") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "networks cannot train on CUDA: torch" in line
    assert "--device cpu" in line


def train_from_archive(archive: Path, out: Path, *options: str) -> int | str | None:
    """Train a small monitor on an archive; return the exit status."""
    with pytest.raises(SystemExit) as left:
        main(
            ["train", "--from-archive", str(archive), "--out", str(out), "--preset", "default", "--epochs", "2",
             "--alpha", "0.25", "--device", "cpu", *options]
        )  # fmt: skip
    return left.value.code


def archive_tiny_runs(tiny: TinyBundle, archive: WrittenArchive) -> None:
    """Archive the tiny corpus as if it had been served."""
    for number, (run, success) in enumerate(zip(tiny.corpus.runs, tiny.corpus.successes, strict=True)):
        archive.steps(f"run-{number}", *run)
        archive.said(f"run-{number}", len(run), success=success, task=f"task-{number % 40}", agent="ab"[number % 2])
    archive.steps("going on", *tiny.corpus.runs[0])


def test_a_bundle_is_learned_from_an_archive_as_from_the_same_runs_in_files(
    tiny: TinyBundle, archive: WrittenArchive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive_tiny_runs(tiny, archive)
    assert train_from_archive(archive.folder, tmp_path / "out", "--base", str(tiny.path)) == 0
    manifest, base = read_manifest(tmp_path / "out"), read_manifest(tiny.path)
    assert manifest.training.runs == base.training.runs
    assert manifest.tasks == base.tasks
    assert read_seen(tmp_path / "out") == read_seen(tiny.path)
    assert (tmp_path / "out" / ADAPTER).read_bytes() == (tiny.path / ADAPTER).read_bytes()
    said = capsys.readouterr().err
    assert "taken: 80 runs of 40 tasks" in said
    assert "left out: 1 that have not ended" in said
    # Raw steps lie about no longer than they must.
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == ["out"]


@pytest.mark.slow
def test_with_no_adapter_named_one_is_induced_from_the_archive(
    tiny: TinyBundle, archive: WrittenArchive, tmp_path: Path
) -> None:
    archive_tiny_runs(tiny, archive)
    assert train_from_archive(archive.folder, tmp_path / "out", "--group-by", "agent") == 0
    monitor = Monitor.read(tmp_path / "out")
    readings = [monitor.adapter.read(step) for step in tiny.corpus.runs[0]]
    assert all(reading.known for reading in readings)
    assert monitor.manifest.groups is not None
    assert monitor.manifest.groups.by == "agent"


def test_an_archive_and_raw_runs_together_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_from_archive(tmp_path, tmp_path / "out", str(tmp_path)) == 2
    assert "either RAW or --from-archive" in capsys.readouterr().err


def test_raw_runs_without_an_adapter_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", str(tmp_path), "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert "forewarn induce" in capsys.readouterr().err


def test_a_training_that_fails_leaves_no_gathered_steps_behind(archive: WrittenArchive, tiny: TinyBundle) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True)
    out = archive.folder.parent / "out"
    assert train_from_archive(archive.folder, out, "--base", str(tiny.path)) == 1
    assert sorted(path.name for path in out.parent.iterdir() if "gathered" in path.name) == []
