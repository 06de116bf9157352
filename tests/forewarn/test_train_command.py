"""`forewarn train` says where networks train, before anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forewarn.cli import main
from monitors.adapter import write_spec
from tests.tiny_bundle import tiny_spec


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
