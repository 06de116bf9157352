"""A bundle's golden vectors: what the monitor said where it was made, asked again where it is loaded."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from monitors import Monitor
from monitors.bundle import read_manifest, read_monitor_id
from monitors.bundle.folder import GOLDEN, MANIFEST
from monitors.errors import BundleTamperedError, BundleVersionError, CanaryError
from monitors.golden import check_golden, make_golden, read_golden
from tests.tiny_bundle import TinyBundle


@pytest.fixture
def bundle(tiny: TinyBundle, tmp_path: Path) -> Path:
    return shutil.copytree(tiny.path, tmp_path / "bundle")


def write_golden(bundle: Path, change: dict[str, object]) -> None:
    """Change the first golden step, or with `format` the file, and the hash that names it."""
    document = orjson.loads((bundle / GOLDEN).read_bytes())
    (document if "format" in change else document["runs"][0][0]).update(change)
    (bundle / GOLDEN).write_bytes(orjson.dumps(document))
    manifest = orjson.loads((bundle / MANIFEST).read_bytes())
    manifest["files"][GOLDEN] = sha256((bundle / GOLDEN).read_bytes()).hexdigest()
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def test_a_new_bundle_has_golden_vectors_that_its_monitor_keeps_to(bundle: Path) -> None:
    golden = read_golden(bundle, read_manifest(bundle))
    assert golden is not None
    assert len(golden.runs) == 2
    assert len({step.failure_probability for step in golden.runs[0]}) > 3
    check_golden(Monitor.read(bundle, verify=False, device="cpu"), golden)


@pytest.mark.parametrize("change", [{"risk": 0.987654}, {"failure_probability": 0.0123}])
def test_a_monitor_that_says_other_things_than_it_did_is_refused(bundle: Path, change: dict[str, object]) -> None:
    write_golden(bundle, change)
    with pytest.raises(CanaryError, match="says other things on this machine"):
        Monitor.read(bundle, device="cpu")


def test_a_tie_between_symbols_is_no_other_monitor_and_many_are(monitor: Monitor) -> None:
    from monitors.golden import Golden

    golden = Golden.model_validate_json(make_golden(monitor, monitor.examples))

    def others(count: int) -> Golden:
        changed = [step.model_copy(update={"symbol": 10**6}) for step in golden.runs[0][:count]]
        return Golden(runs=[[*changed, *golden.runs[0][count:]], golden.runs[1]])

    check_golden(monitor, others(1))
    with pytest.raises(CanaryError, match="event symbols are others"):
        check_golden(monitor, others(len(golden.runs[0])))


def test_golden_vectors_are_part_of_what_the_manifest_vouches_for(bundle: Path) -> None:
    (bundle / GOLDEN).write_bytes(b"{}")
    with pytest.raises(BundleTamperedError, match=GOLDEN):
        Monitor.read(bundle, device="cpu")


def test_a_bundle_without_golden_vectors_loads_and_has_the_same_id(bundle: Path) -> None:
    before = read_monitor_id(bundle)
    manifest = orjson.loads((bundle / MANIFEST).read_bytes())
    del manifest["files"][GOLDEN]
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (bundle / GOLDEN).unlink()
    assert Monitor.read(bundle, device="cpu").monitor_id == before


def test_golden_vectors_of_a_later_format_are_refused_saying_so(bundle: Path) -> None:
    write_golden(bundle, {"format": 99})
    with pytest.raises(BundleVersionError, match="format 99"):
        Monitor.read(bundle, device="cpu")
