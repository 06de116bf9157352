"""`forewarn compare` gives its verdict as a line and as an exit status."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from forewarn.cli import main
from tests.tiny_bundle import TinyBundle, TinyCorpus, write_corpus
from tests.written_archive import WrittenArchive


@pytest.fixture
def fresh(tmp_path: Path) -> TinyCorpus:
    """Runs that the bundle was not made of."""
    return write_corpus(tmp_path / "fresh", seed=7)


def compare(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["compare", *options])
    said = capsys.readouterr()
    return left.value.code, said.out, said.err


def test_the_same_bundle_twice_cannot_be_told_apart(
    tiny: TinyBundle, fresh: TinyCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(tiny.path)
    status, out, _ = compare(
        capsys, bundle, bundle, str(fresh.raw), "--outcomes", str(fresh.outcomes), "--allow-known-tasks"
    )
    assert status == 3
    assert "Which is better cannot be told at 80 runs" in out


def test_archived_runs_are_compared_on_as_those_in_files(
    tiny: TinyBundle, fresh: TinyCorpus, archive: WrittenArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (run, success) in enumerate(zip(fresh.runs, fresh.successes, strict=True)):
        archive.steps(f"run-{number}", *run)
        archive.said(f"run-{number}", len(run), success=success, intervened=number == 0)
    # One that trained the bundle, under another name.
    archive.steps("known", *tiny.corpus.runs[0])
    archive.said("known", len(tiny.corpus.runs[0]), success=tiny.corpus.successes[0])
    bundle = str(tiny.path)
    status, out, err = compare(capsys, bundle, bundle, "--from-archive", str(archive.folder), "--json")
    found = orjson.loads(out)
    assert (status, err) == (3, "")
    assert (found["runs"], found["left_out"]["seen"], found["verdict"]) == (79, 1, "cannot be told")
