"""The command finds its verbs, loads no more than the one asked for, and fails in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forewarn.cli import VERBS, main
from forewarn.failures import failure_line
from monitors.errors import ForewarnError

ROOT = Path(__file__).parents[2]


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    code = left.value.code
    assert isinstance(code, int | None)
    return code or 0


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--help") == 0
    shown = capsys.readouterr().out
    assert [name for name in VERBS if name not in shown] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(verb, "--help") == 0
    assert f"forewarn {verb}" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--version") == 0
    assert capsys.readouterr().out.startswith("forewarn 0")


def test_an_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("prophesy") == 2
    assert "prophesy" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom forewarn.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'numpy', 'onnxruntime', 'fastapi', 'redis', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)


def test_a_named_failure_is_one_line() -> None:
    assert failure_line(ForewarnError("adapter.json: no such case"), "forewarn adapter check") == (
        "adapter.json: no such case; `forewarn adapter check --help` says how it is used"
    )


def test_a_file_that_is_not_there_is_named() -> None:
    assert failure_line(FileNotFoundError(2, "No such file or directory", "runs.jsonl")) == (
        "runs.jsonl: No such file or directory; `forewarn --help` says how it is used"
    )


def test_a_defect_is_not_dressed_up_as_bad_input() -> None:
    assert failure_line(ZeroDivisionError("division by zero")) is None


def test_a_missing_module_of_our_own_is_a_defect() -> None:
    assert failure_line(ModuleNotFoundError("No module named 'monitors.x'", name="monitors.x")) is None


def test_running_the_package_is_running_the_command() -> None:
    command = [sys.executable, "-m", "forewarn", "--version"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.startswith("forewarn ")


def test_groups_without_outcomes_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("train", "raw", "--adapter", "a.json", "--out", "b", "--group-by", "agent") == 2
    assert "--outcomes" in capsys.readouterr().err
