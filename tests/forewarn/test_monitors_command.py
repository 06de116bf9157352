"""`forewarn monitors`: what it packs and what it says where the service cannot be asked."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forewarn.cli import build_app
from forewarn.commands.monitors import pack_bundle
from forewarn.replay.connection import ServiceUnreachableError
from monitors.errors import BundleError
from service.registry.unpacking import unpack_bundle
from tests.tiny_bundle import shared_tiny_bundle


def test_what_is_packed_unpacks_as_the_same_bundle(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    packed = pack_bundle(bundle)
    unpack_bundle(packed, tmp_path, 1 << 27)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in bundle.iterdir()
    }
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames()[0] == "manifest.json"


def test_a_folder_that_is_no_bundle_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        pack_bundle(tmp_path)


def test_a_service_that_does_not_answer_is_named() -> None:
    arguments = ["monitors", "list", "--url", "http://127.0.0.1:9"]
    result = CliRunner().invoke(build_app("monitors"), arguments)
    assert isinstance(result.exception, ServiceUnreachableError)
    assert "http://127.0.0.1:9 does not answer" in str(result.exception)
