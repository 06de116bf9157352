"""What cannot be read is named and skipped, and costs no other file its place."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from induction.errors import UnreadableRawError
from induction.reading import RawRun, ReadFault, files, read_runs
from monitors.adapter import parse_spec

SPEC = parse_spec(
    {
        "name": "broken",
        "source": {"runs": ["/runs/*", "/*"], "events": ["/messages/*"]},
        "event": {"cases": [{"when": {}, "acts": True, "fields": {}}]},
    }
)
GOOD = json.dumps({"runs": [{"messages": [{"text": "é" * 9}]}]}).encode()


def read(raw: Path) -> tuple[list[RawRun], dict[str, str]]:
    faults: list[ReadFault] = []
    runs = list(read_runs(raw, SPEC, on_fault=faults.append))
    return runs, {fault.file: fault.reason for fault in faults}


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path.read_bytes()


BROKEN = {
    "binary.json": b"{\x00\x01\x02\xff" * 50,
    "binary.log": b"\x7fELF\x00\x00" * 50,
    "blank.json": b" \n\t ",
    "cut.json": GOOD[:-3],
    "cut.json.gz": gzip.compress(GOOD * 50)[:-20],
    "latin.json": '{"runs": ["é"]}'.encode("latin-1"),
    "no.xz.json.xz": b"nothing of the sort",
    "packed.tar.gz": b"nothing of the sort",
    "packed.zip": b"PK\x03\x04 cut off",
    "deep.json": b"[" * 200_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.json").write_bytes(GOOD)
    (tmp_path / name).write_bytes(BROKEN[name])
    (tmp_path / "z.json").write_bytes(GOOD)
    runs, faults = read(tmp_path)
    assert [run.file for run in runs] == ["a.json", "z.json"]
    assert list(faults) == [name]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("whole_bytes", [10, 8 << 20])
def test_a_byte_order_mark_says_how_a_file_is_written(
    tmp_path: Path, encoding: str, whole_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("induction.reading.large.WHOLE_BYTES", whole_bytes)
    (tmp_path / "a.json").write_bytes(GOOD.decode().encode(encoding))
    runs, faults = read(tmp_path)
    assert [run.events for run in runs] == [[{"text": "é" * 9}]]
    assert faults == {}


def test_the_whole_members_of_a_truncated_archive_are_read(tmp_path: Path) -> None:
    members = {f"part{number}.json": GOOD + b" " * 20_000 for number in range(5)}
    whole = write_tar(tmp_path / "raw.tar", members, "w")
    (tmp_path / "raw.tar").write_bytes(whole[:50_000])
    runs, faults = read(tmp_path / "raw.tar")
    assert [run.file for run in runs] == ["part0.json", "part1.json"]
    assert sorted(faults) == ["part2.json", "raw.tar"]
    assert "is truncated or broken after 3 members" in faults["raw.tar"]


def test_an_archive_without_a_whole_member_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.tar.gz").write_bytes(gzip.compress(b"x" * 5_000))
    with pytest.raises(UnreadableRawError, match="cannot be read"):
        read(tmp_path / "raw.tar.gz")


def test_a_link_out_of_the_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(GOOD)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.json").write_bytes(GOOD)
    (raw / "inside.json").symlink_to(raw / "a.json")
    (raw / "outside.json").symlink_to(tmp_path / "secret.json")
    (raw / "up").symlink_to(tmp_path)
    runs, faults = read(raw)
    assert [run.file for run in runs] == ["a.json", "inside.json"]
    assert faults == dict.fromkeys(("outside.json", "up"), "cannot be read: is a link out of the folder")


def test_links_in_an_archive_stay_in_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "raw.tar", "w") as out:
        info = tarfile.TarInfo("a.json")
        info.size = len(GOOD)
        out.addfile(info, io.BytesIO(GOOD))
        for name, target, kind in (
            ("hard.json", "a.json", tarfile.LNKTYPE),
            ("out.json", "/etc/passwd", tarfile.SYMTYPE),
            ("round.json", "round.json", tarfile.SYMTYPE),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            out.addfile(link)
    runs, faults = read(tmp_path / "raw.tar")
    assert [run.file for run in runs] == ["a.json", "hard.json"]
    assert sorted(faults) == ["out.json", "round.json"]


@pytest.mark.parametrize("kind", ["gz", "zip", "tar.gz"])
def test_a_file_that_inflates_without_end_is_cut_off(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FREE_BYTES", 1_000_000)
    bomb = b"[" + b" " * 40_000_000
    (tmp_path / "a.json").write_bytes(GOOD)
    if kind == "gz":
        (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(bomb))
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("bomb.json", bomb)
    else:
        write_tar(tmp_path / "bomb.tar.gz", {"bomb.json": bomb})
    runs, faults = read(tmp_path)
    assert [run.file for run in runs] == ["a.json"]
    assert any("inflates to more than a trace can hold" in reason for reason in faults.values())


def test_a_run_that_no_memory_should_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("documents", "large"):
        monkeypatch.setattr(f"induction.reading.{module}.MAX_RUN_BYTES", 1 << 20)
    monkeypatch.setattr("induction.reading.large.WHOLE_BYTES", 1_000)
    runs = [{"messages": [{"text": "x" * size}]} for size in (10, 2 << 20, 10)]
    (tmp_path / "a.json").write_text(json.dumps({"runs": runs}))
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, runs)))
    found, _ = read(tmp_path)
    assert [(run.file, run.loc) for run in found] == [("a.json", 0), ("a.json", 2), ("b.jsonl", 0), ("b.jsonl", 2)]
