"""Every verb of the parser has manners: examples, --json, plain lines in a pipe, errors that say what to try."""

from __future__ import annotations

import http.server
import importlib
import json
import os
import pkgutil
import pty
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from forewarn import __main__ as entry
from forewarn import cli
from forewarn.cli import VERBS, main
from forewarn.examples import EXAMPLES
from forewarn.failures import NEXT_STEPS, failure_line
from monitors.errors import ForewarnError
from scripts.verb_table import PAGE, replaced
from tests.forewarn.manners import COMMANDS, FAILING, PRINTING, PRINTING_ELSEWHERE, WITHOUT_JSON
from tests.tiny_bundle import RAW_SPEC, TinyBundle

ROOT = Path(__file__).parents[2]
# A command in backquotes, or an option.
NAMES_A_STEP = re.compile(r"`(forewarn|make|pip|curl) [^`]*`|--[a-z]|'forewarn [a-z ]*--help'")
MANIFEST = {"name": "tiny"}
MONITOR = {"monitor_id": "m-1", "state": "ready", "active": True, "shadow": False, "agents": ["a\x1b[2J"]}
RUN = {"run_id": "run-1", "state": "ok", "agent": "a\x1b[2J", "steps": 3, "risk": 0.25, "failure_probability": None}
STEP = {"position": 0, "risk": 0.2, "failure_probability": 0.5, "symbol": 3, "moved": [], "raw": "\x1b[2J\t"}
# Path, without its query → what the service answers.
ANSWERS: dict[str, Any] = {
    "/v1/monitors": {"monitors": [MONITOR | {"manifest": MANIFEST, "reason": None}]},
    "/v1/monitors/add": {"monitor_id": "m-1", "name": "tiny", "created": True},
    "/v1/monitors/m-1/activate": {"active": "m-1"},
    "/v1/monitors/m-1/shadow": {"shadow": "m-1"},
    "/v1/monitors/rollback": {"active": "m-1"},
    "/v1/monitors/m-1": {},
    "/v1/runs": {"runs": [RUN | {"alerts": 1, "updated_ms": 1_767_225_600_000}], "next": None},
    "/v1/runs/run-1/steps": {"steps": [STEP | {"raw_missing": None}], "next": None},
    "/v1/runs/run-1": {"id": "del-1", "state": "done"},
    "/v1/runs/csv-1/outcome": {"changed": True},
}

Run = Callable[..., tuple[int, str, str]]


class Service(http.server.BaseHTTPRequestHandler):
    """Answers as forewarn does."""

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        self.rfile.read(int(self.headers["content-length"] or 0))
        body = json.dumps(ANSWERS["/v1/monitors/add" if (self.command, path) == ("POST", "/v1/monitors") else path])
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815 - the names that the library calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def places(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the calls name, by their names in braces."""
    folder = tmp_path_factory.mktemp("manners")
    (folder / "empty").mkdir()
    (folder / "adapter.json").write_bytes(orjson.dumps(RAW_SPEC))
    (folder / "runs.csv").write_text("run_id,success\ncsv-1,true\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "missing": str(folder / "not-there"),
        "free": str(folder / "free"),
        "empty": str(folder / "empty"),
        "adapter": str(folder / "adapter.json"),
        "csv": str(folder / "runs.csv"),
        "bundle": str(tiny.path),
        "raw": str(tiny.corpus.raw),
        "outcomes": str(tiny.corpus.outcomes),
        "url": f"http://127.0.0.1:{server.server_port}",
    }
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_the_tables_name_every_verb_and_no_other() -> None:
    assert set(FAILING) == set(COMMANDS)
    assert set(PRINTING) | set(PRINTING_ELSEWHERE) == set(COMMANDS)
    assert [path for path in PRINTING_ELSEWHERE.values() if not (ROOT / path).is_file()] == []
    assert set(EXAMPLES) == {"", *VERBS, *COMMANDS}


@pytest.mark.parametrize("path", COMMANDS)
def test_a_verb_prints_json_or_is_on_the_short_list(path: str) -> None:
    prints = any("--json" in parameter.opts for parameter in COMMANDS[path].params)
    assert prints == (path not in WITHOUT_JSON)


@pytest.mark.parametrize("path", EXAMPLES)
def test_help_is_plain_in_a_pipe_fits_80_columns_and_ends_with_examples(path: str, run: Run) -> None:
    status, out, err = run(*path.split(), "--help")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert "│" not in out
    assert [line for line in out.splitlines() if len(line) > 80 and not line.startswith("    forewarn")] == []
    assert out.partition("Examples:\n")[2].split("\n")[:-1] == [f"    {example}" for example in EXAMPLES[path]]


@pytest.mark.parametrize("example", sorted({one for lines in EXAMPLES.values() for one in lines}))
def test_an_example_is_right_usage(example: str) -> None:
    words = shlex.split(example.partition(" | ")[0])
    words = words[words.index("forewarn") + 1 :]
    path = next(" ".join(words[:length]) for length in (2, 1) if " ".join(words[:length]) in COMMANDS)
    assert len(example) <= 110
    COMMANDS[path].make_context(path, words[len(path.split()) :])


@pytest.mark.parametrize("path", FAILING)
def test_an_error_is_short_on_stderr_and_names_what_to_try(path: str, run: Run, places: dict[str, str]) -> None:
    status, out, err = run(*path.split(), *(word.format(**places) for word in FAILING[path]))
    assert status in {1, 2}
    assert NAMES_A_STEP.search(err.splitlines()[-1] if status == 1 else err), err
    assert ("Traceback" in err, "\x1b" in err) == (False, False)
    # The demo says how far it has come, and training on which device.
    assert out == ""
    assert len(err.splitlines()) <= 4


@pytest.mark.parametrize("path", PRINTING)
def test_what_is_piped_is_plain(path: str, run: Run, places: dict[str, str]) -> None:
    _, out, err = run(*path.split(), *(word.format(**places) for word in PRINTING[path]))
    assert out or path == "adapter diff"
    assert not re.search(r"[\x1b│┃━┏╭]", out + err)


@pytest.mark.parametrize("path", [path for path in PRINTING if path not in WITHOUT_JSON])
def test_json_is_one_document_and_alone_on_stdout(path: str, run: Run, places: dict[str, str]) -> None:
    status, out, err = run(*path.split(), *(word.format(**places) for word in PRINTING[path]), "--json")
    assert (status, err) == (0, "")
    assert isinstance(json.loads(out), dict | list)


def test_every_class_of_error_has_a_next_step_and_no_step_is_for_none() -> None:
    for package in ("forewarn", "monitors", "induction", "service"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if module.name.rpartition(".")[2] in {"errors", "connection", "serving", "service", "outcomes_file"}:
                importlib.import_module(module.name)
    classes = list(subclasses(ForewarnError))
    assert set(NEXT_STEPS) <= {one.__name__ for one in classes}
    for one in classes:
        error = one.__new__(one)
        Exception.__init__(error, "what is wrong")
        line = failure_line(error, "forewarn runs show")
        assert line is not None
        assert "`forewarn " in line or "`curl" in line, one


def subclasses(above: type[ForewarnError]) -> Iterator[type[ForewarnError]]:
    for one in above.__subclasses__():
        yield one
        yield from subclasses(one)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_sub_verbs(shell: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FOREWARN_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    groups = {path.partition(" ")[0] for path in COMMANDS if " " in path}
    for group in ["", *sorted(groups)]:
        typed = f"forewarn {group}".rstrip() + " "
        for name, value in (
            ("COMP_WORDS", typed),
            ("COMP_CWORD", str(len(typed.split()))),
            ("_TYPER_COMPLETE_ARGS", typed),
        ):
            monkeypatch.setenv(name, value)
        shown = run()[1]
        inner = {path.partition(" ")[2] for path in COMMANDS if path.startswith(f"{group} ")} if group else set(VERBS)
        assert {name for name in inner if not re.search(rf"\b{name}\b", shown)} == set()


def test_an_interruption_leaves_with_130_and_says_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build_app", interrupted)
    assert run("doctor") == (130, "", "")
    monkeypatch.setattr(cli, "main", interrupted)
    with pytest.raises(SystemExit) as left:
        entry.run()
    assert (left.value.code, capfd.readouterr().err) == (130, "")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "forewarn", "adapter", "show", "--schema"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def on_terminal(*arguments: str, **environment: str) -> str:
    """What a command says on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "forewarn", *arguments],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(theirs)
    said = b""
    # Linux says that the other end is gone by an error.
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:
        pass
    os.close(ours)
    process.wait(60)
    return said.decode()


def test_on_a_terminal_there_are_tables_in_80_columns_and_colours_unless_they_are_not_wanted(
    places: dict[str, str],
) -> None:
    shown = on_terminal("adapter", "show", places["adapter"])
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "┃ when" in bare
    assert max(len(line) for line in bare.splitlines() if line.startswith(("│", "┃"))) <= 80
    coloured = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
    assert coloured.search(on_terminal("doctor", FOREWARN_PROT="1"))
    assert not coloured.search(on_terminal("doctor", FOREWARN_PROT="1", NO_COLOR="1"))


def test_a_place_that_cannot_be_written_is_named_before_the_work(run: Run, places: dict[str, str]) -> None:
    status, _, err = run("induce", places["missing"], "--out", "/no-such-folder/adapter.json")
    assert (status, "there is no folder" in err) == (2, True)
    status, _, err = run("evaluate", places["missing"], places["raw"], "--out", places["adapter"])
    assert (status, "is a file" in err) == (2, True)


def test_the_page_of_commands_is_the_parsers() -> None:
    page = PAGE.read_text("utf-8")
    assert replaced(page) == page, "python scripts/verb_table.py writes it anew"
