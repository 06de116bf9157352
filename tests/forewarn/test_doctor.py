"""`forewarn doctor`: what is amiss is named, with what to do."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from forewarn.doctor import Finding, check_bundle, check_gpu, check_port, check_python, check_redis_of
from service.settings import read_settings


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forewarn", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | environment, check=False
    )


@pytest.mark.needs("redis-server")
def test_a_machine_that_can_do_it_all_is_told_so(tmp_path: Path) -> None:
    done = run("doctor", "--json", FOREWARN_DATA_DIR=str(tmp_path / "data"))
    told = orjson.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True)
    names = {one["name"] for one in told["findings"]}
    assert {"python", "onnx runtime", "gpu", "settings", "redis", "data folder", "disk", "port", "bundle"} <= names
    assert not (tmp_path / "data").exists()


def test_a_setting_that_is_none_fails_and_is_named() -> None:
    done = run("doctor", FOREWARN_PROT="80")
    assert done.returncode == 1
    assert "FOREWARN_PROT" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_redis_that_does_not_answer_fails() -> None:
    done = run("doctor", FOREWARN_REDIS_URL="redis://127.0.0.1:9/0")
    assert done.returncode == 1
    assert "failed   redis" in done.stdout


@pytest.mark.parametrize(("running", "state"), [((3, 11, 7), "ok"), ((3, 12, 0), "ok"), ((3, 13, 1), "failed")])
def test_pythons(running: tuple[int, ...], state: str) -> None:
    assert check_python(running).state == state


def test_a_port_that_is_taken_is_a_warning() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert check_port(read_settings(port=other.getsockname()[1])).state == "warning"


def test_a_gpu_that_is_not_used_is_told(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    found = check_gpu(lambda _: str(tool))
    assert (found.name, found.detail) == ("gpu", "NVIDIA H100, 81559 MiB")
    assert found.state == "ok" or "extra gpu" in found.advice


def test_without_a_bundle_the_next_command_is_told() -> None:
    assert check_bundle(read_settings()) == Finding(
        "bundle", "ok", "none is named", "`forewarn serve --bundle BUNDLE`; `make demo` makes one"
    )


@pytest.mark.needs("redis-server")
def test_the_server_that_would_be_started_is_named_with_its_version() -> None:
    assert "redis-server" in check_redis_of(read_settings()).detail


@pytest.mark.parametrize(("words", "expected"), [("forewarn ser", "serve"), ("forewarn serve --por", "--port")])
def test_a_shell_completes_verbs_and_their_options(words: str, expected: str) -> None:
    done = run(_FOREWARN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert expected in done.stdout.split()
