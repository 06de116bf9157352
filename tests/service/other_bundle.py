"""A second monitor for tests: a bundle's twin with another calibration, so with other probabilities and another id."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from monitors.bundle.folder import GOLDEN, MANIFEST


def write_twin(bundle: Path, folder: Path, shift: float = 0.7) -> Path:
    """A copy of the bundle whose failure probabilities are others. It has no golden vectors: they are the first's."""
    shutil.copytree(bundle, folder)
    (folder / GOLDEN).unlink()
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    del manifest["files"][GOLDEN]
    failure = manifest["calibration"]["failure"]
    name = next(name for name, value in failure.items() if isinstance(value, float))
    failure[name] = failure[name] * 0.5 + shift
    manifest["name"] = "twin"
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return folder
