"""What `forewarn doctor` looks at: whether this machine can do what forewarn needs, and what to do where it cannot.

Each check stands alone: one that fails stops no other, and none changes anything that lasts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from monitors.errors import ForewarnError

if TYPE_CHECKING:
    from service.settings import Settings

State = Literal["ok", "warning", "failed", "skipped"]
# A day of 100 steps a second takes about as much (docs/performance.md).
PLENTY_BYTES = 5 * 2**30
LEARNING = ("torch", "sklearn", "aalpy", "matplotlib", "onnx")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `advice` is what to do; "" where there is nothing to do. A check of the settings is skipped
    where these cannot be read.
    """

    name: str
    state: State
    detail: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, one after the other."""
    yield check_python()
    yield check_runtime()
    yield check_gpu()
    yield check_learning()
    settings, found = check_settings()
    yield found
    for name, check in OF_SETTINGS.items():
        if settings is None:
            yield Finding(name, "skipped", "not looked at: the settings come first")
            continue
        try:
            yield check(settings)
        except (ForewarnError, OSError) as error:
            yield Finding(name, "failed", str(error))


def check_python(running: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """The interpreter's version."""
    text = ".".join(map(str, running))
    if (3, 11) <= running[:2] <= (3, 12):
        return Finding("python", "ok", text)
    return Finding("python", "failed", text, "use Python 3.11 or 3.12: other versions are not tested")


def check_runtime() -> Finding:
    """ONNX Runtime, which scores: one of its two packages, never both, since they fill one module."""
    there = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    told = ", ".join(f"{name} {_version(name)}" for name in there)
    if len(there) > 1:
        return Finding("onnx runtime", "failed", told, "remove both, then install forewarn with the extra cpu or gpu")
    if not there:
        return Finding("onnx runtime", "failed", "not installed", "install forewarn with the extra 'cpu' (or 'gpu')")
    from monitors.scorers.onnx_runtime import has_provider

    providers = [name for name in ("cpu", "cuda") if has_provider(name)]
    return Finding("onnx runtime", "ok", f"{told}; computes on {', '.join(providers)}")


def check_gpu(find: Callable[[str], str | None] = shutil.which) -> Finding:
    """An NVIDIA GPU, if there is one."""
    if (tool := find("nvidia-smi")) is None:
        return Finding("gpu", "ok", "none: scores on the CPU")
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own tool
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("gpu", "warning", f"nvidia-smi does not answer: {error}", "look at the driver")
    if done.returncode:
        return Finding(
            "gpu", "warning", f"nvidia-smi: {done.stdout.strip() or done.stderr.strip()}"[:300], "look at the driver"
        )
    if _version("onnxruntime-gpu"):
        return Finding("gpu", "ok", done.stdout.strip())
    return Finding("gpu", "warning", done.stdout.strip(), "it is not used: install the extra gpu in place of cpu")


def check_learning() -> Finding:
    """What only training needs."""
    missing = [name for name in LEARNING if find_spec(name) is None]
    if not missing:
        return Finding("training", "ok", f"torch {_version('torch')}")
    return Finding(
        "training", "ok", f"serves, and cannot train: no {', '.join(missing)}", "to train, install the extra 'train'"
    )


def check_settings() -> tuple[Settings | None, Finding]:
    """FOREWARN_* of the environment, as `forewarn serve` would read it."""
    from service.settings import read_settings

    said = sorted(name for name in os.environ if name.startswith("FOREWARN_"))
    try:
        settings = read_settings()
    except ForewarnError as error:
        return None, Finding("settings", "failed", str(error), "docs/operations.md lists all settings")
    return settings, Finding("settings", "ok", ", ".join(said) or "none: the defaults hold")


def check_redis_of(settings: Settings) -> Finding:
    """The Redis that the service would use: the one that is named, else the server that it would start."""
    if settings.redis_url is None:
        from service.redis_log.embedded import find_server

        path = find_server()
        command = [str(path), "--version"]
        told = subprocess.run(  # noqa: S603 - the server that `forewarn serve` starts
            command, capture_output=True, text=True, timeout=10, check=False
        ).stdout
        words = next((word[2:] for word in told.split() if word.startswith("v=")), "of unknown version")
        return Finding("redis", "ok", f"its own: {path}, {words}")
    from service.redis_log.checks import check_redis
    from service.redis_log.connection import build_client

    async def look(url: str) -> Finding:
        client = build_client(url)
        try:
            fitness = await check_redis(client)
        finally:
            await client.aclose()
        durable = fitness.persistence == "appendfsync always"
        advice = "" if durable else "with `appendfsync always` no answered step can get lost"
        return Finding("redis", "ok" if durable else "warning", f"{fitness.version}, {fitness.persistence}", advice)

    return asyncio.run(look(settings.redis_url))


def check_folder(settings: Settings) -> Finding:
    """The data folder, or the nearest folder above it that is there: can it be written?"""
    folder = there = settings.folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        advice = "give it to this user, or name another with --data-dir (FOREWARN_DATA_DIR)"
        return Finding("data folder", "failed", f"{folder} cannot be written: {error.strerror}", advice)
    return Finding("data folder", "ok", str(folder) if there == folder else f"{folder}, to be made")


def check_disk(settings: Settings) -> Finding:
    """Room where the data go."""
    there = settings.folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    told = f"{free / 2**30:.1f} GB free"
    if free >= PLENTY_BYTES:
        return Finding("disk", "ok", told)
    return Finding("disk", "warning", told, "docs/performance.md says what a day of steps takes")


def check_port(settings: Settings) -> Finding:
    """Whether the service's port is free."""
    address = f"{settings.wanted_host}:{settings.port}"
    from service.listening import is_taken

    if settings.port and is_taken(settings.wanted_host, settings.port):
        advice = "a service may run there already; --port chooses another"
        return Finding("port", "warning", f"{address} is in use", advice)
    return Finding("port", "ok", f"{address} is free")


def check_bundle(settings: Settings) -> Finding:
    """The bundle of the settings, if one is named."""
    if settings.bundle is None:
        return Finding("bundle", "ok", "none is named", "`forewarn serve --bundle BUNDLE`; `make demo` makes one")
    from monitors.bundle import read_manifest

    manifest = read_manifest(settings.bundle)
    return Finding("bundle", "ok", f"{settings.bundle}: {manifest.name}, promises {manifest.alpha:.0%}")


OF_SETTINGS: dict[str, Callable[[Settings], Finding]] = {
    "redis": check_redis_of,
    "data folder": check_folder,
    "disk": check_disk,
    "port": check_port,
    "bundle": check_bundle,
}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
