from __future__ import annotations

import gzip
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from induction.errors import UnreadableRawError
from induction.reading import ReadFault, open_raw, parse_document, read_runs
from induction.reading.files import natural_key
from monitors.adapter import AdapterSpec, parse_spec

LIST_SPEC = {
    "name": "list",
    "source": {"runs": ["/runs/*"], "events": ["/messages/*"], "task_id": "/task_id"},
    "event": {"cases": [{"when": {"/role": ["assistant"]}, "acts": True, "fields": {}}]},
}


def spec(**source: object) -> AdapterSpec:
    return parse_spec({**LIST_SPEC, "source": {**LIST_SPEC["source"], **source}})  # type: ignore[dict-item]


def write_runs(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = [{"task_id": f"t{n}", "messages": [{"role": "assistant", "content": str(n)}]} for n in range(count)]
    path.write_text(json.dumps({"runs": runs}))


def pack(folder: Path, archive: Path) -> Path:
    files = sorted((path for path in folder.rglob("*") if path.is_file()), reverse=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as out:
            for path in files:
                out.write(path, path.relative_to(folder))
        return archive
    mode = {".tar": "w", ".gz": "w:gz", ".xz": "w:xz"}[archive.suffix]
    with tarfile.open(archive, mode) as out:  # type: ignore[call-overload]
        for path in files:
            out.add(path, path.relative_to(folder).as_posix())
    return archive


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz", "zip"])
def test_an_archive_reads_like_the_folder_that_was_packed(tmp_path: Path, ending: str) -> None:
    for number in (1, 2, 10):
        write_runs(tmp_path / "raw" / f"part{number}.json", 2)
    archive = pack(tmp_path / "raw", tmp_path / f"packed.{ending}")
    assert list(read_runs(archive, spec())) == list(read_runs(tmp_path / "raw", spec()))


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_runs(tmp_path / f"part{number}.json", 1)
    assert [run.file for run in read_runs(tmp_path, spec())] == ["part1.json", "part2.json", "part10.json"]


def test_natural_order_does_not_raise_on_odd_digits() -> None:
    assert sorted(["a²", "a1", "a", ""], key=natural_key) == ["", "a", "a1", "a²"]


@pytest.mark.parametrize("pack_bytes", [(gzip.compress, ".gz"), (lzma.compress, ".xz")])
def test_a_compressed_single_file_is_inflated(tmp_path: Path, pack_bytes: tuple[object, str]) -> None:
    compress, ending = pack_bytes
    write_runs(tmp_path / "part.json", 3)
    packed = tmp_path / f"part.json{ending}"
    packed.write_bytes(compress((tmp_path / "part.json").read_bytes()))  # type: ignore[operator]
    assert [run.loc for run in read_runs(packed, spec())] == [0, 1, 2]


def test_a_run_says_where_it_stands_and_which_task_it_does(tmp_path: Path) -> None:
    write_runs(tmp_path / "deep" / "a.json", 2)
    last = list(read_runs(tmp_path, spec()))[-1]
    assert (last.file, last.loc, last.task, last.run_id) == ("deep/a.json", 1, "t1", "deep/a.json#1")


def test_a_whole_document_that_is_one_run_has_no_loc(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"messages": [{"role": "assistant"}]}))
    assert [run.loc for run in read_runs(tmp_path, spec(runs=[""]))] == [None]


def test_each_line_of_json_lines_is_an_item_of_a_list(tmp_path: Path) -> None:
    lines = [json.dumps({"messages": [{"n": n}]}) for n in range(3)]
    (tmp_path / "runs.txt.jsonl").write_text("\n".join(lines) + "\n")
    assert [run.events for run in read_runs(tmp_path, spec(runs=["/*"]))] == [[{"n": 0}], [{"n": 1}], [{"n": 2}]]


def test_a_file_of_one_json_line_is_still_a_list(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(json.dumps({"messages": [{"n": 0}]}))
    assert [run.loc for run in read_runs(tmp_path, spec(runs=["/*"]))] == [0]


def test_a_truncated_last_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    good = json.dumps({"messages": []})
    (tmp_path / "cut.jsonl").write_text(f"{good}\n{good}\n{good[:9]}")
    faults: list[ReadFault] = []
    assert len(list(read_runs(tmp_path, spec(runs=["/*"]), on_fault=faults.append))) == 2
    assert [str(fault) for fault in faults] == ["cut.jsonl: line 3 is no JSON"]


def test_unreadable_files_are_named_and_skipped(tmp_path: Path) -> None:
    write_runs(tmp_path / "good.json", 1)
    (tmp_path / "broken.json").write_text('{"runs": [{"messages": [')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "bad.json.gz").write_bytes(b"no gzip at all")
    (tmp_path / "elsewhere.json").write_text('{"settings": {"depth": 3}}')
    faults: list[ReadFault] = []
    assert len(list(read_runs(tmp_path, spec(), on_fault=faults.append))) == 1
    assert sorted(fault.file for fault in faults) == ["bad.json.gz", "broken.json", "elsewhere.json", "empty.json"]


def test_a_table_of_outcomes_beside_the_traces_is_never_read_as_a_trace(tmp_path: Path) -> None:
    write_runs(tmp_path / "raw" / "a.json", 1)
    pack(tmp_path / "raw", tmp_path / "raw.tar.xz")
    row = {"run": "a#0", "file": "a.json", "loc": 0, "task": "t", "success": True}
    (tmp_path / "runs.jsonl").write_text(json.dumps(row))
    (tmp_path / "raw" / "a.json").unlink()
    with open_raw(tmp_path) as files:
        assert [file.path for file in files] == ["a.json"]


def test_a_missing_or_empty_raw_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRawError, match="there is no such file or folder"):
        list(read_runs(tmp_path / "nowhere", spec()))
    with pytest.raises(UnreadableRawError, match="holds no files"):
        list(read_runs(tmp_path, spec()))


def test_a_broken_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.tar.xz").write_bytes(b"not an archive")
    with pytest.raises(UnreadableRawError, match="cannot be read"):
        list(read_runs(tmp_path / "x.tar.xz", spec()))


def test_numbers_that_strict_json_forbids_are_read(tmp_path: Path) -> None:
    (tmp_path / "nan.json").write_text('{"runs": [{"messages": [{"cost": NaN}]}]}')
    assert len(list(read_runs(tmp_path, spec()))) == 1


def test_runs_are_grouped_by_a_value_and_ordered_by_time(tmp_path: Path) -> None:
    spans = [("b", "20"), ("a", "9"), ("b", "7"), ("a", "100")]
    (tmp_path / "spans.jsonl").write_text("\n".join(json.dumps({"t": t, "at": at}) for t, at in spans))
    grouped = spec(runs=[""], events=["/*"], group_by="/t", order_by="/at")
    runs = [(run.loc, [event["at"] for event in run.events]) for run in read_runs(tmp_path, grouped)]  # type: ignore[index, call-overload]
    assert runs == [(0, ["7", "20"]), (1, ["9", "100"])]


def test_span_exports_become_flat_objects_with_plain_attributes(tmp_path: Path) -> None:
    values = {"intValue": "7"}, {"stringValue": "x"}, {"arrayValue": {"values": [{"boolValue": True}]}}
    attributes = [{"key": f"k{n}", "value": value} for n, value in enumerate(values)]
    span = {"traceId": "t", "name": "chat", "attributes": attributes}
    export = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span]}]}]}
    (tmp_path / "spans.json").write_text(json.dumps(export))
    with open_raw(tmp_path) as files:
        document = parse_document(files[0])
    assert not isinstance(document, ReadFault)
    assert document.container == "otlp"
    assert document.value == [{"traceId": "t", "name": "chat", "attributes": {"k0": 7, "k1": "x", "k2": [True]}}]
