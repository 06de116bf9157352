"""Tests that cannot run somewhere say so by name, and fail where everything is required."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"
SETTINGS = """
[pytest]
markers =
    needs: x
    realdata: x
    cuda: x
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite with the project's conftest, in an environment with no system tool, no real data and no GPU."""
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini(SETTINGS)
    tools = pytester.mkdir("tools")
    monkeypatch.setenv("PATH", str(tools))
    # Plugins take a second to load, each time anew, and none is asked for here.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("FOREWARN_REQUIRE", "FOREWARN_REALDATA", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def put_tool(suite: pytest.Pytester, command: str, answer: str) -> None:
    program = suite.path / "tools" / command
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def run(suite: pytest.Pytester, test: str) -> pytest.RunResult:
    suite.makepyfile(f"import os\nimport pytest\n\n{test}")
    return suite.runpytest_inprocess("-ra", "-p", "no:cacheprovider")


NEEDS_REDIS = "@pytest.mark.needs('redis-server')\ndef test_it():\n    pass\n"
NEEDS_TWO = "@pytest.mark.needs('graphviz', 'chromium')\ndef test_it():\n    pass\n"


def test_a_missing_tool_skips_the_test_and_is_named(suite: pytest.Pytester) -> None:
    result = run(suite, NEEDS_REDIS)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*SKIPPED*needs redis-server, which is missing")


def test_a_missing_tool_fails_the_test_where_everything_is_required(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_REQUIRE", "all")
    result = run(suite, NEEDS_REDIS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*needs redis-server, which is missing, and FOREWARN_REQUIRE=all*")


def test_a_tool_that_is_here_lets_the_test_run(suite: pytest.Pytester) -> None:
    put_tool(suite, "redis-server", "Redis server v=7.0.15 sha=00000000:0")
    run(suite, NEEDS_REDIS).assert_outcomes(passed=1)


def test_a_redis_that_is_too_old_counts_as_missing(suite: pytest.Pytester) -> None:
    put_tool(suite, "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    result = run(suite, NEEDS_REDIS)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*needs redis-server 7 or newer*v=6.2.14*")


def test_each_of_several_tools_is_needed(suite: pytest.Pytester) -> None:
    put_tool(suite, "dot", "dot")
    result = run(suite, NEEDS_TWO)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*needs chromium, which is missing")


def test_a_tool_that_nobody_knows_is_an_error(suite: pytest.Pytester) -> None:
    result = run(suite, "@pytest.mark.needs('redis')\ndef test_it():\n    pass\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines("*no such tool*")


def test_a_need_of_a_whole_module_counts(suite: pytest.Pytester) -> None:
    result = run(suite, "pytestmark = pytest.mark.needs('prometheus')\ndef test_it():\n    pass\n")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*needs prometheus, which is missing")


def test_real_data_that_is_not_named_skips_and_says_so(suite: pytest.Pytester) -> None:
    result = run(suite, "@pytest.mark.realdata\ndef test_it(realdata):\n    pass\n")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*FOREWARN_REALDATA is not set")


def test_real_data_that_is_named_reaches_the_test(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (suite.path / "shared" / "data").mkdir(parents=True)
    monkeypatch.setenv("FOREWARN_REALDATA", str(suite.path / "shared"))
    test = "@pytest.mark.realdata\ndef test_it(realdata):\n    assert realdata.name == 'data' and realdata.is_dir()\n"
    run(suite, test).assert_outcomes(passed=1)


def test_a_wrong_path_to_real_data_stops_the_suite(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREWARN_REALDATA", str(suite.path / "nowhere"))
    result = run(suite, "def test_it():\n    pass\n")
    assert result.ret != 0
    result.stderr.fnmatch_lines("*FOREWARN_REALDATA*holds no folder 'data'*")


def test_a_gpu_test_is_reported_as_not_run_without_a_gpu(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_REQUIRE", "all")
    result = run(suite, "@pytest.mark.cuda\ndef test_it():\n    pass\n")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*not run: no NVIDIA GPU is at hand*")


def test_settings_of_whoever_runs_the_suite_do_not_reach_it(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_API_KEY", "secret")
    run(suite, "def test_it():\n    assert 'FOREWARN_API_KEY' not in os.environ\n").assert_outcomes(passed=1)


def test_a_test_that_leaves_a_setting_behind_fails(suite: pytest.Pytester) -> None:
    suite.makepyfile("import os\n\ndef test_it():\n    os.environ['FOREWARN_LEFT'] = '1'\n")
    result = suite.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("*changed FOREWARN_* variables*")
