"""The suite in several processes: what belongs together stays so, and what holds a clock has the machine to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import parallel

ROOT = Path(__file__).parents[2]
CONFTEST = """
import sys
sys.path.insert(0, {root!r})
from tests import parallel

parallel.ALONE = ("test_a_clock.py",)
parallel.TOGETHER = ("folder/",)

def pytest_collection_modifyitems(items):
    items[:] = parallel.in_order(items)

def pytest_xdist_make_scheduler(config, log):
    return parallel.UnitScheduling(config, log)

def pytest_runtest_logreport(report):
    with open({log!r}, "a") as log:
        if report.when == "call" and hasattr(report, "node"):
            log.write(f"{{report.nodeid}} {{report.node.gateway.id}} {{report.start}} {{report.stop}}\\n")
"""
TESTS = "import time, pytest\n\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n):\n    time.sleep(0.05)\n"


@pytest.mark.parametrize("place", [*parallel.ALONE, *parallel.TOGETHER])
def test_every_place_that_is_named_exists(place: str) -> None:
    path, _, test = place.partition("::")
    assert (ROOT / path).exists()
    assert not test or f"def {test}" in (ROOT / path).read_text("utf-8")


def test_a_file_is_a_unit_unless_its_folder_is_or_it_runs_alone() -> None:
    assert parallel.unit_of("tests/service/test_api.py::TestSteps::test_one[a/b::c]") == "tests/service/test_api.py"
    assert parallel.unit_of("tests/pages/test_sign_in.py::test_one") == "tests/pages/"
    assert parallel.unit_of(f"{parallel.ALONE[0]}_at_all[x]") == parallel.LAST


@pytest.fixture
def ran(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, float, float]]:
    """The calls of a small suite in two processes: test, process, beginning and end."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    log = pytester.path / "ran.txt"
    pytester.makeconftest(CONFTEST.format(root=str(ROOT), log=str(log)))
    pytester.makepyfile(test_a_clock=TESTS, test_b=TESTS, test_c=TESTS)
    folder = pytester.mkdir("folder")
    for name in ("test_d.py", "test_e.py"):
        (folder / name).write_text(TESTS)
    result = pytester.runpytest_subprocess("-p", "xdist", "-n", "2", "-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=15)
    rows = [line.split() for line in log.read_text().splitlines()]
    return [(name, process, float(began), float(ended)) for name, process, began, ended in rows]


@pytest.mark.slow
def test_what_holds_a_clock_runs_when_all_the_rest_is_done_and_a_folder_stays_in_one_process(
    ran: list[tuple[str, str, float, float]],
) -> None:
    clock = [row for row in ran if row[0].startswith("test_a_clock")]
    rest = [row for row in ran if row not in clock]
    assert min(row[2] for row in clock) >= max(row[3] for row in rest)
    assert len({process for _, process, *_ in clock}) == 1
    assert len({process for name, process, *_ in rest if name.startswith("folder/")}) == 1
    assert len({process for _, process, *_ in rest}) == 2
