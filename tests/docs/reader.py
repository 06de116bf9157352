"""Somebody who reads a page and types what it says, in a folder of their own, with a real shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.docs.pages import ROOT, Block

ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):8080\b")
# A page's curl fails on an error answer, and one that would listen for ever listens for two seconds.
CURL = """#!/bin/bash
case " $* " in
  *" -N "*|*" -sN "*) {curl} --max-time 2 --fail-with-body -sS "$@" || [ $? = 28 ] ;;
  *) exec {curl} --fail-with-body -sS "$@" ;;
esac
"""
# `forewarn monitors` and its like ask port 8080 unless told another: here, this reader's.
FOREWARN = """#!/bin/bash
case "$1 $*" in
  *--url*) ;;
  monitors*|runs*|outcomes*) set -- "$@" --url http://127.0.0.1:{port} ;;
esac
exec "{python}" -m forewarn "$@"
"""
LIMIT_S = 300
# What a `make` that runs the suite hands on, and what would lead a page's `make` to another environment.
OF_THE_OUTER_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VENV", "PYTHON", "ARGS", "KEEP"}


@dataclass
class Reader:
    """Runs the blocks of one page, in order."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    limit_s: float = LIMIT_S
    """Of one block."""
    installed: bool = True
    """Whether forewarn is installed in the folder's `.venv` and on the PATH, as after `make install`."""
    last: str = ""
    """What the block before printed to stdout."""

    def __post_init__(self) -> None:
        tools = self.folder.parent / f"{self.folder.name}-tools"
        tools.mkdir(parents=True)
        scripts = {"curl": CURL.format(curl=shutil.which("curl"))}
        if self.installed:
            scripts["forewarn"] = FOREWARN.format(port=self.port, python=sys.executable)
            scripts["python"] = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
            (self.folder / ".venv").mkdir()
            (self.folder / ".venv" / "bin").symlink_to(tools)
            (self.folder / ".venv" / ".installed-cpu-train").touch()  # what the Makefile goes by
        for name, text in scripts.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OF_THE_OUTER_MAKE},
            "PATH": f"{tools}:{os.environ['PATH']}",
            **({"PYTHONPATH": str(ROOT)} if self.installed else {}),
            "FOREWARN_PORT": str(self.port),
            "FOREWARN_DATA_DIR": str(self.folder / "data"),
            "FOREWARN_WEBHOOK_ALLOW": "127.0.0.1",
            "COLUMNS": "200",
            **self.environment,
        }

    def run(self, block: Block) -> None:
        """Type it in. Raises AssertionError with what was said where a command fails."""
        text = self.here(block)
        if block.kind == "python":
            before = block.value("before: ")
            command = [sys.executable, "-c", f"{before}\n{text}" if before else text]
        else:
            command = ["bash", "-euo", "pipefail", "-c", f"source ./.exported\n{text}\nexport -p > ./.exported"]
        folder = self.folder
        if "elsewhere" in block.said:
            folder = self.folder.parent / f"{self.folder.name}-elsewhere"
            folder.mkdir()
        (folder / ".exported").touch()
        done = self._ask(command, folder)
        assert done.returncode == 0, f"{block.where} ended with {done.returncode}:\n{text}\n{_end(done)}"
        self.last = done.stdout

    @contextlib.contextmanager
    def serving(self, block: Block) -> Iterator[None]:
        """Start what the block starts, until the service is ready and what `serve until` names was printed; stop it in
        the end."""
        text = self.here(block)
        log = self.folder / "serve.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["bash", "-euc", text],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        awaited = block.value("serve until ") or ""
        try:
            deadline = time.monotonic() + (self.limit_s if awaited else 60)
            while not (awaited in log.read_text() and self._ready()):
                assert process.poll() is None, f"{block.where} ended:\n{text}\n{log.read_text()[-2000:]}"
                assert time.monotonic() < deadline, f"{block.where} is not ready:\n{log.read_text()[-2000:]}"
                time.sleep(0.1)
            self.last = log.read_text()
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200
        return False

    def compare(self, block: Block) -> None:
        """Hold the printed output beside what the block before said: shapes and words, not figures."""
        if block.kind == "json":
            missing = list(differences(json.loads(block.text), json.loads(self.last)))
        else:
            said = {plain(line) for line in self.last.splitlines()}
            missing = [line for line in map(plain, block.text.splitlines()) if line and line not in said]
        assert not missing, f"{block.where} shows {missing}, and the command said:\n{self.last[-3000:]}"

    def here(self, block: Block) -> str:
        """The block's text with this reader's port and with what its `let` comments put in place of names."""
        text = ADDRESS.sub(rf"\g<1>:{self.port}", block.text)
        for said in block.said:
            if said.startswith("let "):
                name, _, command = said.removeprefix("let ").partition("=")
                command = ADDRESS.sub(rf"\g<1>:{self.port}", command)
                done = self._ask(["bash", "-euo", "pipefail", "-c", command], self.folder)
                assert done.returncode == 0, f"{block.where}: {command}\n{_end(done)}"
                assert done.stdout.strip(), f"{block.where}: {command} says nothing"
                assert name in text, f"{block.where} does not have {name}"
                text = text.replace(name, done.stdout.strip())
        return text

    def _ask(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """The answer; what the command left running in the background ends with it."""
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            said, complained = process.communicate(timeout=self.limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        return subprocess.CompletedProcess(command, process.returncode, said, complained)


def differences(shown: Any, said: Any, at: str = "") -> Iterator[str]:
    """Where the JSON that a page shows has keys that the answer lacks, or values of another kind."""
    if isinstance(shown, dict) and isinstance(said, dict):
        for key, value in shown.items():
            if key in said:
                yield from differences(value, said[key], f"{at}/{key}")
            else:
                yield f"{at}/{key}"
    elif isinstance(shown, list) and isinstance(said, list):
        if shown and not said:
            yield f"{at}/0"
        elif shown:
            yield from differences(shown[0], said[0], f"{at}/0")
    elif kind(shown) != kind(said):
        yield f"{at} ({kind(shown)})"


def kind(value: Any) -> str:
    """What a JSON value is; whole or not, a number is a number, and null may stand for anything."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def plain(line: str) -> str:
    """A line without its figures and spaces, which differ from run to run."""
    return re.sub(r"\s+", " ", re.sub(r"m-[0-9a-f]{12}|[-\d][\d.:,T+]*", "#", line)).strip()


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout[-2500:]}\n{done.stderr[-2500:]}"
