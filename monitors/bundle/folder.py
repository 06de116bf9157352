"""Reading, verifying and writing a bundle's folder."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from monitors.adapter import AdapterSpec
from monitors.bundle.manifest import FORMAT, Manifest
from monitors.bundle.seen import SEEN, to_seen
from monitors.errors import BundleError, BundleTamperedError, BundleVersionError
from monitors.stepview import JsonValue

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
ADAPTER = "adapter.json"
GRAPH = "graph.onnx"
VOCABULARY = "vocabulary.npz"
EXAMPLES = "examples.json"
FILES = (ADAPTER, GRAPH, VOCABULARY, EXAMPLES)
AUTOMATON = "automaton.json"
PICTURE = "automaton.svg"
GOLDEN = "golden.json"
RELIABILITY = "reliability.json"
EVALUATION = "evaluation.json"
OPTIONAL_FILES = (AUTOMATON, PICTURE, GOLDEN, SEEN, RELIABILITY, EVALUATION)
"""What a bundle is whole without, scores the same with, and keeps its id: a later audit's automaton and its picture,
golden vectors, the runs that it was made of, how far its probabilities can be believed, an evaluation."""
_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def read_manifest(folder: Path) -> Manifest:
    """Return a bundle's manifest. Raises BundleError for a folder that has none, BundleVersionError for a
    newer format.
    """
    path = folder / MANIFEST
    try:
        raw_manifest = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}; `forewarn train` makes one") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
    if (
        isinstance(raw_manifest, dict)
        and isinstance(raw_manifest.get("format"), int)
        and raw_manifest["format"] > FORMAT
    ):
        raise BundleVersionError(
            f"{folder} has bundle format {raw_manifest['format']}; this forewarn reads up to {FORMAT}: upgrade it"
        )
    try:
        return Manifest.model_validate(raw_manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path} is damaged at {where}: {first['msg']}") from None


def read_monitor_id(folder: Path) -> str:
    """Return a bundle's id: "m-" and 12 hex digits of the SHA-256 of its manifest, which holds the hashes of
    all else that scores depend on: an audit that is added later changes nothing, nor do golden vectors.
    """
    raw_manifest = (folder / MANIFEST).read_bytes()
    content = orjson.loads(raw_manifest)
    added = [name for name in OPTIONAL_FILES if name in content["files"]]
    for name in added:
        del content["files"][name]
    return "m-" + hashlib.sha256(orjson.dumps(content, option=_JSON) if added else raw_manifest).hexdigest()[:12]


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check that every file is there with the manifest's hash. Raises BundleTamperedError naming the first
    that is not.
    """
    for name in (*FILES, *(name for name in OPTIONAL_FILES if name in manifest.files)):
        expected = manifest.files.get(name)
        if expected is None:
            raise BundleTamperedError(f"{folder / MANIFEST} names no hash for {name}")
        try:
            actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise BundleTamperedError(f"{folder / name} cannot be read: {error}") from None
        if actual != expected:
            raise BundleTamperedError(
                f"{folder / name} is not the file that the manifest names (SHA-256 {actual[:12]}…)"
            )


def write_bundle(
    folder: Path,
    manifest: Manifest,
    spec: AdapterSpec,
    graph: bytes,
    vocabulary: dict[str, NDArray[np.generic]],
    examples: list[JsonValue],
    golden: bytes | None = None,
    seen: Iterable[str] | None = None,
    reliability: bytes | None = None,
) -> Manifest:
    """Write a bundle whole or not at all, replacing one that is there; return the manifest with the files' hashes.
    `golden` as `golden.make_golden` gives it; `seen`: digests of the runs that it was made of (`seen.digest_run`).

    Raises BundleError if `folder` exists and is no bundle: nothing of somebody else's is ever overwritten.
    """
    check_target(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old = new.with_name(new.name + "-old")
    try:
        new.chmod(0o755)
        (new / ADAPTER).write_bytes(spec.to_json())
        (new / GRAPH).write_bytes(graph)
        with (new / VOCABULARY).open("wb") as file:
            np.savez(file, allow_pickle=False, **vocabulary)
        (new / EXAMPLES).write_bytes(orjson.dumps(examples, option=_JSON))
        added = {GOLDEN: golden, SEEN: None if seen is None else to_seen(seen), RELIABILITY: reliability}
        for name, content in added.items():
            if content is not None:
                (new / name).write_bytes(content)
        written = (*FILES, *(name for name, content in added.items() if content is not None))
        hashes = {name: hashlib.sha256((new / name).read_bytes()).hexdigest() for name in written}
        manifest = manifest.model_copy(update={"files": hashes})
        (new / MANIFEST).write_bytes(orjson.dumps(_to_plain(manifest), option=_JSON))
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
    finally:
        for left_over in (new, old):
            shutil.rmtree(left_over, ignore_errors=True)
    return manifest


def _to_plain(manifest: Manifest) -> dict[str, JsonValue]:
    # A bundle without these goes on reading where they are not known yet; one with them must not.
    unused = {name for name in ("offsets", "groups", "reference") if not getattr(manifest, name)}
    return manifest.model_dump(mode="json", exclude=unused)


def add_automaton(folder: Path, automaton: bytes) -> None:
    """Put an automaton into a bundle, in place of one that is there and of its picture. See `add_part`."""
    content = orjson.loads((folder / MANIFEST).read_bytes())
    if content["files"].pop(PICTURE, None) is not None:
        _replace(folder, MANIFEST, orjson.dumps(content, option=_JSON))
        (folder / PICTURE).unlink(missing_ok=True)
    add_part(folder, AUTOMATON, automaton)


def add_part(folder: Path, name: str, data: bytes) -> None:
    """Put one of OPTIONAL_FILES into a bundle, in place of one that is there; the bundle's id stays.

    The file comes before the hash that names it: interrupted between the two, a bundle that had one is refused until
    the same is done again, and a bundle that had none reads as before.
    """
    content = orjson.loads((folder / MANIFEST).read_bytes())
    content["files"][name] = hashlib.sha256(data).hexdigest()
    _replace(folder, name, data)
    _replace(folder, MANIFEST, orjson.dumps(content, option=_JSON))


def read_part(folder: Path, manifest: Manifest, name: str) -> bytes | None:
    """Return one of OPTIONAL_FILES, or None: the bundle has none, or not the one that the manifest names (logged)."""
    expected = manifest.files.get(name)
    if expected is None:
        return None
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        log.warning("%s cannot be read: %s", folder / name, error)
        return None
    if hashlib.sha256(data).hexdigest() != expected:
        log.warning("%s is not the file that the manifest names", folder / name)
        return None
    return data


def _replace(folder: Path, name: str, data: bytes) -> None:
    part = folder / f".{name}.part"
    part.write_bytes(data)
    part.replace(folder / name)


def check_target(folder: Path) -> None:
    """Raise BundleError unless a bundle may be written here: nothing there, an empty folder, or a bundle."""
    is_empty_folder = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_empty_folder and not _holds_bundle(folder):
        raise BundleError(f"{folder} exists and is no bundle: name another folder")


def _holds_bundle(folder: Path) -> bool:
    # Other programs call a file manifest.json too: only one that names the files of a bundle is ours to replace.
    try:
        raw_manifest = orjson.loads((folder / MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    files = raw_manifest.get("files") if isinstance(raw_manifest, dict) else None
    return isinstance(files, dict) and GRAPH in files and "format" in raw_manifest
