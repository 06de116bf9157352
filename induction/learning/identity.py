"""What decides the result of a learning, as digests: the same ones, the same bytes."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import orjson

import induction
import monitors
from induction.learning.labelled import LabelledCorpus, identify_files
from induction.learning.recipe import Recipe
from induction.learning.split import Split
from induction.learning.training import TrainingSettings

LIBRARIES = ("forewarn", "numba", "numpy", "scikit-learn", "scipy", "torch")


def identify_learning(
    corpus: LabelledCorpus, split: Split, settings: TrainingSettings, recipe: Recipe
) -> dict[str, str]:
    """Return a digest of each thing that decides what is learned: runs, outcomes, adapter, settings, device,
    preset and code.

    Files are known by path, size and time of change; code by its text, since a version stays while somebody edits it.
    `corpus.among` has no digest: who sets it keeps no checkpoints.
    """
    plain = asdict(settings)
    # By a name of its own: on another machine the device is another without anybody's having set one.
    device = plain.pop("device")
    parts = {
        "runs": identify_files(corpus.raw),
        "outcomes": () if corpus.outcomes is None else identify_files(corpus.outcomes),
        "adapter": (corpus.spec.to_json(),),
        "settings": (orjson.dumps([corpus.split, asdict(split), plain]),),
        "device": (device.encode(),),
        "preset": (repr(recipe).encode(),),
        "code": _describe_code(),
    }
    return {name: _digest(content) for name, content in parts.items()}


def _describe_code() -> Iterator[bytes]:
    yield f"{platform.python_version()} {platform.machine()}".encode()
    for library in LIBRARIES:
        yield f"{library} {version(library)}".encode()
    for package in (induction, monitors):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            yield path.read_bytes()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()
