"""Uploaded bundles: what is taken out of an archive, and what an archive cannot do."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from monitors.errors import BundleError
from service.registry.unpacking import unpack_bundle

LIMIT = 1 << 20
FILES = {"manifest.json": b"{}", "graph.onnx": b"\x08graph", "adapter.json": b"{}"}

Pack = Callable[[Mapping[str, bytes]], bytes]


def pack_tar(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def pack_gz(files: Mapping[str, bytes]) -> bytes:
    return pack_tar(files, "w:gz")


def pack_zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def one_member(name: str, kind: bytes, target: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return packed.getvalue()


every_kind = pytest.mark.parametrize("pack", [pack_tar, pack_gz, pack_zip])


def unpacked(packed: bytes, folder: Path) -> dict[str, bytes]:
    unpack_bundle(packed, folder, LIMIT)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@every_kind
@pytest.mark.parametrize("prefix", ["", "bundle/", "./", "./bundle/"])
def test_a_bundle_is_taken_from_the_root_or_from_one_folder(pack: Pack, prefix: str, tmp_path: Path) -> None:
    packed = pack({prefix + name: data for name, data in FILES.items()})
    assert unpacked(packed, tmp_path) == FILES


@every_kind
def test_files_that_are_no_part_of_a_bundle_are_left_out(pack: Pack, tmp_path: Path) -> None:
    more = {"bundle/report.html": b"<html>", "bundle/.bashrc": b"", "bundle/deep/er/manifest.json": b"other"}
    packed = pack({f"bundle/{name}": data for name, data in FILES.items()} | more)
    assert unpacked(packed, tmp_path) == FILES


@every_kind
@pytest.mark.parametrize(
    "name", ["../manifest.json", "/etc/manifest.json", "a/../../manifest.json", "C:\\manifest.json"]
)
def test_a_path_that_leads_outside_is_refused(pack: Pack, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    with pytest.raises(BundleError, match="outside its folder"):
        unpack_bundle(pack(FILES | {name: b"evil"}), folder, LIMIT)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) in ([], sorted(FILES))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="a link or a device"):
        unpack_bundle(one_member("graph.onnx", kind, "/etc/passwd"), tmp_path, LIMIT)
    assert list(tmp_path.iterdir()) == []


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("graph.onnx")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BundleError, match="a link or a device"):
        unpack_bundle(packed.getvalue(), tmp_path, LIMIT)


@pytest.mark.parametrize("pack", [pack_gz, pack_zip])
def test_a_bomb_stops_at_the_limit(pack: Pack, tmp_path: Path) -> None:
    packed = pack(FILES | {"vocabulary.npz": bytes(50 * LIMIT)})
    assert len(packed) < LIMIT
    with pytest.raises(BundleError, match="FOREWARN_MAX_BUNDLE_BYTES"):
        unpack_bundle(packed, tmp_path, LIMIT)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= LIMIT


def test_a_bomb_of_what_would_be_left_out_stops_too(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="FOREWARN_MAX_BUNDLE_BYTES"):
        unpack_bundle(pack_gz({"padding": bytes(50 * LIMIT)} | FILES), tmp_path, LIMIT)


def test_a_header_that_claims_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    packed = bytearray(pack_tar({"././@PaxHeader": b"x" * 100}))
    packed[156:157] = b"x"
    packed[124:136] = b"77777777777\0"
    packed[148:156] = b" " * 8
    packed[148:155] = b"%06o\0" % sum(packed[:512])
    with pytest.raises(BundleError):
        unpack_bundle(gzip.compress(bytes(packed)), tmp_path, LIMIT)


@every_kind
def test_a_second_file_of_a_name_is_refused(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="twice"):
        unpack_bundle(pack(FILES | {"other/manifest.json": b"{}"}), tmp_path, LIMIT)


@every_kind
def test_too_many_files_are_refused(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="more than 200 files"):
        unpack_bundle(pack(FILES | {f"x/{n}": b"" for n in range(300)}), tmp_path, LIMIT)


@pytest.mark.parametrize(
    "packed",
    [b"", b"no archive", b"PK\x03\x04broken", b"\x1f\x8bbroken", pytest.param(pack_gz(FILES)[:60], id="a cut archive")],
)
def test_what_is_no_archive_is_refused_as_such(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        unpack_bundle(packed, tmp_path, LIMIT)


@every_kind
def test_an_archive_without_a_manifest_says_what_to_pack(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no manifest\.json: pack a bundle's folder"):
        unpack_bundle(pack({"graph.onnx": b""}), tmp_path, LIMIT)
