"""deploy/compose.yaml as a container engine would read it, and its processes as plain ones: the same arguments and
environment, with names, ports and paths of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def read_compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file, with anchors and variables resolved as `docker compose config` does: from `variables`, else by the
    defaults that the file gives."""
    given = variables or {}

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else given.get(match[1]) or match[2] or ""

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: resolve(part) for name, part in node.items()}
        if isinstance(node, list):
            return [resolve(part) for part in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    return dict(resolve(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))))


@dataclass
class Composed:
    """Redis, worker and API of compose.yaml, running here."""

    compose: dict[str, Any]
    http: httpx.Client
    worker: httpx.Client
    processes: dict[str, subprocess.Popen[bytes]]
    folder: Path

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]


def make_secrets(folder: Path) -> Path:
    """The folder of secrets that deploy/up makes, made by it, in a copy of deploy/."""
    copy = folder / "deploy"
    copy.mkdir()
    (copy / "up").write_bytes((DEPLOY / "up").read_bytes())
    bundle = folder / "some-bundle"
    bundle.mkdir()
    (bundle / "manifest.json").touch()
    subprocess.run(
        ["sh", str(copy / "up"), str(bundle)], check=True, timeout=60, env=os.environ | {"SECRETS_ONLY": "1"}
    )
    return copy / "secrets"


@contextmanager
def running_composed(folder: Path, bundle: Path) -> Iterator[Composed]:
    """Starts them, in the order of the file's depends_on; whoever is still there in the end is killed."""
    compose = read_compose({"BUNDLE": str(bundle)})
    secrets = make_secrets(folder)
    ports = {name: free_port() for name in ("redis", "api", "worker")}
    # `forewarn` as the image has it on its PATH.
    commands = folder / "bin"
    commands.mkdir()
    (commands / "forewarn").write_text(f'#!/bin/sh\nexec {sys.executable} -m forewarn "$@"\n')
    (commands / "forewarn").chmod(0o755)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        for name in ("redis", "worker", "api"):
            service = compose["services"][name]
            # Where volumes are mounted in the container, and where these are here.
            (folder / name / "data").mkdir(parents=True)
            moved = {
                "/run/secrets": str(secrets),
                "/files": str(folder / "files"),
                "/bundle": str(bundle),
                "/data": str(folder / name / "data"),
                "@redis:6379": f"@127.0.0.1:{ports['redis']}",
                "--port 6379": f"--bind 127.0.0.1 --port {ports['redis']}",
            }

            def here(text: str, moved: dict[str, str] = moved) -> str:
                # At once, so that no path of this machine is taken for one of the container.
                return re.sub("|".join(map(re.escape, moved)), lambda match: moved[match[0]], text)

            environment = {key: here(text) for key, text in service["environment"].items()}
            if name != "redis":
                environment |= {"FOREWARN_PORT": str(ports[name]), "FOREWARN_DATA_DIR": str(folder / name / "data")}
                environment |= {"FOREWARN_HOST": "127.0.0.1"}
            path = os.pathsep.join((str(commands), os.environ["PATH"]))
            root = str(DEPLOY.parent)
            output = stack.enter_context((folder / f"{name}.log").open("wb"))
            processes[name] = subprocess.Popen(
                [here(part) for part in service["entrypoint"]],
                env=os.environ | environment | {"PATH": path, "PYTHONPATH": root},
                stdout=output,
                stderr=output,
            )
        stack.callback(_kill, processes)
        clients = [
            stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports[name]}", timeout=10))
            for name in ("api", "worker")
        ]
        clients[0].headers["Authorization"] = f"Bearer {(secrets / 'api-key').read_text().strip()}"
        yield Composed(compose, *clients, processes, folder)


def _kill(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
    for process in processes.values():
        with suppress(subprocess.TimeoutExpired):
            process.wait(25)
        if process.poll() is None:
            process.kill()
            process.wait()
