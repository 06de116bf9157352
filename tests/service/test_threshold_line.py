"""The threshold that a run's chart draws is the one that its alerts go by."""

from __future__ import annotations

import pytest

from monitors.bundle import Manifest, read_manifest
from monitors.bundle.manifest import GroupRecord, GroupsRecord
from service.pages.threshold_line import to_failure_probability, to_threshold_line
from tests.tiny_bundle import shared_tiny_bundle


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(shared_tiny_bundle(tmp_path_factory.getbasetemp()).path)


def test_a_threshold_that_varies_by_turn_is_drawn_at_each_turn(manifest: Manifest) -> None:
    varied = manifest.model_copy(update={"threshold": 1.0, "release": 0.5, "offsets": [0.0, 0.5], "min_turns": 1})
    line = to_threshold_line(varied, 0, "")
    assert line.opens == to_failure_probability(manifest, [1.0, 1.5])
    assert line.closes == to_failure_probability(manifest, [0.5, 1.0])
    assert line.min_turns == 1


def test_a_run_of_a_group_has_the_groups_line(manifest: Manifest) -> None:
    own, others = (
        GroupRecord(success_maxima=[0.1, 0.2], threshold=2.0, release=1.0),
        manifest.calibration.success_maxima,
    )
    record = GroupsRecord(
        by="agent", needed=1, own={"desk": own}, others=GroupRecord(success_maxima=others, threshold=3.0, release=1.0)
    )
    grouped = manifest.model_copy(update={"threshold": 1.0, "release": 0.5, "offsets": [], "groups": record})

    assert to_threshold_line(grouped, 2, "").opens == to_failure_probability(manifest, [2.0])
    assert to_threshold_line(grouped, None, "desk").runs == 2
    assert to_threshold_line(grouped, None, "else").opens == to_failure_probability(manifest, [3.0])
    assert to_threshold_line(grouped, None, "").group is None


def test_a_monitor_that_never_alerts_has_no_line(manifest: Manifest) -> None:
    assert to_threshold_line(manifest.model_copy(update={"threshold": None, "groups": None}), 0, "").opens is None
