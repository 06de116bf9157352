"""The monitor to serve and the runs to play: `best` of tau2-airline where its runs are at hand, else of the help desk.

Trained by the command itself, once for each version of the runs and of what learns from them, and kept outside the
repository.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from forewarn.replay.choosing import choose_runs
from induction.helpdesk import write_corpus
from monitors.adapter import read_spec
from scripts.bench.events import Script, to_size

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = "tau2-airline"
HELP_DESK_RUNS = 1000
HELD_OUT_FOLD = 0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchBundle:
    """A bundle and the raw runs that the load takes its steps from. `fold` is the one that training never saw."""

    name: str
    path: Path
    raw: Path
    outcomes: Path | None
    fold: int | None = HELD_OUT_FOLD

    @property
    def adapter(self) -> Path:
        """The adapter that reads the runs."""
        return self.path / "adapter.json"

    def scripts(self, at_most: int = 200) -> list[Script]:
        """Held-out runs to play, every step of one size."""
        runs = choose_runs(self.raw, read_spec(self.adapter), self.outcomes, fold=self.fold, at_most=at_most)
        return [Script(tuple(to_size(orjson.loads(step)) for step in run.steps)) for run in runs]


def find_bundle(data: Path | None, cache: Path, say: Say) -> BenchBundle:
    """The bundle in the cache, trained first where it is not there yet (a minute or two)."""
    corpus = None if data is None else data / CORPUS
    if corpus is not None and (corpus / "runs.jsonl").exists():
        raw, outcomes, name = corpus / "raw.tar.xz", corpus / "runs.jsonl", f"best of {CORPUS}"
        folder = cache / f"{CORPUS}-{_version((raw, outcomes))}"
    else:
        name = "best of the help desk"
        folder = cache / f"helpdesk-{HELP_DESK_RUNS}-{_version(())}"
        raw, outcomes = folder / "helpdesk" / "chat" / "raw", folder / "helpdesk" / "chat" / "runs.jsonl"
    if not (folder / "bundle" / "manifest.json").exists():
        say(f"training {name} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if not outcomes.exists():
            write_corpus(folder / "helpdesk", runs=HELP_DESK_RUNS, seed=13, formats=("chat",))
        common = [str(raw), "--outcomes", str(outcomes)]
        _forewarn("induce", *common, "--out", str(folder / "adapter.json"))
        fold = str(HELD_OUT_FOLD)
        adapter = str(folder / "adapter.json")
        _forewarn("train", *common, "--adapter", adapter, "--out", str(folder / "bundle"), "--exclude-fold", fold)
    return BenchBundle(name, folder / "bundle", raw, outcomes)


def find_data() -> Path | None:
    """The folder of real agent runs, where there is one: in the folder that FOREWARN_REALDATA names, or beside the
    repository."""
    named = os.environ.get("FOREWARN_REALDATA")
    for folder in ([Path(named) / "data"] if named else []) + [ROOT.parent / "shared" / "data"]:
        if folder.is_dir():
            return folder
    return None


def default_cache() -> Path:
    """Where bundles are kept."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "forewarn-bench"


def _forewarn(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "forewarn", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=1800,
    )


def _version(files: tuple[Path, ...]) -> str:
    """What tells this bundle from one of other runs, or one that other code learned."""
    digest = hashlib.sha256()
    sources = sorted(path for package in ("induction", "monitors") for path in (ROOT / package).rglob("*.py"))
    for path in (*files, *sources):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
