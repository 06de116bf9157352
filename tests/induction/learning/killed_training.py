"""Builds a bundle in processes that kill themselves with SIGKILL, one after the other, until one comes through.

    python killed_training.py FOLDER PRESET EPOCHS KILL_EVERY

FOLDER holds `raw` and `runs.jsonl`; the bundle is FOLDER/bundle. Each process dies at its KILL_EVERY-th checkpoint: in
turn before it is written, with half of it written, and after. Prints how many died.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from induction.learning.building import BundleSettings, build_bundle
from induction.learning.checkpoint_folder import PART_SUFFIX, CheckpointFolder
from induction.learning.presets import find_recipe
from induction.learning.presets.best import BestRecipe
from induction.learning.progress import NO_PROGRESS
from induction.learning.training import TrainingSettings
from tests.tiny_bundle import TinyCorpus, labelled

PHASES = ("before", "torn", "after")


def settings_of(preset: str, epochs: int) -> BundleSettings:
    """Return how the bundle is made; `best` with few trees."""
    recipe = BestRecipe(n_trees=20) if preset == "best" else find_recipe(preset)
    return BundleSettings(TrainingSettings(max_epochs=epochs), recipe, alpha=0.25, exclude_fold=0)


def main() -> None:
    """Kill and go on."""
    folder, preset, epochs, kill_every = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    corpus = labelled(TinyCorpus(folder / "raw", folder / "runs.jsonl", [], []))
    killed = 0
    while True:
        # Forked rather than started anew: the libraries are loaded once.
        child = os.fork()
        if child == 0:
            CheckpointFolder.keep = killing(CheckpointFolder.keep, kill_every, PHASES[killed % 3])
            build_bundle(corpus, settings_of(preset, epochs), folder / "bundle", NO_PROGRESS, resume=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(killed)
            sys.exit(os.waitstatus_to_exitcode(status))
        killed += 1


def killing(keep: Callable[..., None], kill_every: int, phase: str) -> Callable[..., None]:
    """Return a way to keep checkpoints that is deadly the n-th time."""
    count = 0

    def keep_or_die(self: CheckpointFolder, name: str, arrays: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count < kill_every:
            keep(self, name, arrays)
            return
        if phase == "torn":
            (self._folder / f"{name}-{os.getpid()}{PART_SUFFIX}").write_bytes(b'{"of":{"runs"')
        elif phase == "after":
            keep(self, name, arrays)
        os.kill(os.getpid(), signal.SIGKILL)

    return keep_or_die


if __name__ == "__main__":
    main()
