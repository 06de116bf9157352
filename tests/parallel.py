"""How the suite is shared out among processes (`-n 2`): what stays together, what begins first, what runs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

# Folders whose tests share a service, or what else is dear: all of one in one process. The long ones begin first, so
# that no process is left with one at the end.
TOGETHER = (
    "tests/docs/",
    "tests/pages/",
    "tests/service/kills/",
    "tests/deploy/",
    "tests/examples/",
    "tests/induction/learning/",
    "tests/service/hostile/",
)
# What holds a clock beside the work of this machine: after all the rest, one after the other, with no other process.
ALONE = (
    "tests/acceptance/test_start_up.py::test_a_cold_start",
    "tests/forewarn/test_replay_playing.py",
    "tests/monitors/adapter/test_cost.py",
    "tests/monitors/features/test_tfidf.py::test_features_are_many_times_faster",
    "tests/monitors/scorers/test_choosing.py",
    "tests/pages/test_run_list.py::test_ten_thousand_live_runs",
    "tests/scripts/test_bench_load.py",
    "tests/service/kills/test_two_workers.py",
    "tests/service/test_rate.py",
    "tests/service/test_switching_live.py",
)
LAST = "alone"


def unit_of(nodeid: str) -> str:
    """Tests of one unit run in one process, in order: those of a file, of a folder, or those that run alone."""
    if nodeid.startswith(ALONE):
        return LAST
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The long units first, those that run alone last, the others as they were found."""
    ranks = {unit: rank for rank, unit in enumerate(TOGETHER)} | {LAST: len(TOGETHER) + 1}
    return sorted(items, key=lambda item: ranks.get(unit_of(item.nodeid), len(TOGETHER)))


class UnitScheduling(LoadFileScheduling):
    """Gives whole units to processes. The last one begins once a single process is left, and all the rest is done."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        # Units as they were found, not those of many tests first.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    @property
    def _others_must_end(self) -> bool:
        return list(self.workqueue) == [LAST] and len(self.nodes) > 1

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._others_must_end:
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if self._others_must_end:
            staying = [one for one in self.nodes if not one.shutting_down]
            if len(staying) > 1 and node in staying and self._pending_of(self.assigned_work[node]) <= 2:
                node.shutdown()
        else:
            super()._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        crashed = super().remove_node(node)
        if LAST in self.workqueue:
            self.workqueue.move_to_end(LAST)
        for one in self.nodes:
            self._reschedule(one)
        return crashed
