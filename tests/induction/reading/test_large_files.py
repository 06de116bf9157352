"""Large files are read run by run, and give what they would give if they were small; memory does not grow with them."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from induction.adapters.sampling import sample_documents
from induction.reading import ReadFault, documents, large, read_runs, scanner
from induction.reading.scanner import BrokenJsonError, JsonScanner
from induction.reading.values import parse_json
from monitors.adapter import AdapterSpec, parse_spec

ROOT = Path(__file__).parents[3]
CASES = {"cases": [{"when": {}, "acts": True, "fields": {}}]}


def spec(**source: Any) -> AdapterSpec:
    return parse_spec({"name": "large", "source": source, "event": CASES})


def make_run(number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f'{number}.{n} "quoted" [x] {{y}} \\' * 9} for n in range(4)]
    return {"id": f"r{number}", "task_id": number % 5, "cost": float("nan"), "big": 10**30, "messages": messages}


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as large from 2 KB on, and are read in pieces that cut values anywhere."""
    monkeypatch.setattr(documents, "WHOLE_BYTES", 2_000)
    monkeypatch.setattr(large, "WHOLE_BYTES", 2_000)
    monkeypatch.setattr(scanner, "CHUNK_BYTES", 701)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet='a"\\[]{},: é\n', max_size=12),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5),
    max_leaves=30,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]), st.booleans(), st.sampled_from([1, 2, 3, 17, 1 << 20]))
def test_items_are_found_wherever_the_buffer_ends(
    items: list[Any], indent: int | None, plain: bool, chunk: int
) -> None:
    data = json.dumps({"before": items, "in": {"x": 1, "it": items}}, indent=indent, ensure_ascii=plain).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "CHUNK_BYTES", chunk)
        reader = JsonScanner(io.BytesIO(data))
        assert reader.find(("in", "it"))
        found = []
        for number in reader.iter_items():
            buffered = reader.take_buffered() if number % 2 else None
            found.append(buffered[0] if buffered is not None else parse_json(reader.take(1 << 30) or b""))
    assert repr(found) == repr([parse_json(json.dumps(item).encode()) for item in items])


@given(JSON, st.integers(0, 200))
def test_a_truncated_document_is_broken_and_never_endless(value: Any, cut: int) -> None:
    data = json.dumps({"x": value}).encode()
    with pytest.raises(BrokenJsonError):
        JsonScanner(io.BytesIO(data[: min(cut, len(data) - 1)])).skip()


SHAPES = {
    "list": (json.dumps, "a.json", {"runs": ["/*"], "events": ["/messages/*"]}),
    "lines": (
        lambda runs: "\n\n".join(map(json.dumps, runs)),
        "a.jsonl",
        {"runs": ["/*"], "events": ["/messages/*"]},
    ),
    "lines without the ending": (
        lambda runs: "\n".join(map(json.dumps, runs)),
        "a.txt",
        {"runs": ["/*"], "events": ["/messages/*"]},
    ),
    "deep list": (
        lambda runs: json.dumps({"info": runs[:2], "d": {"runs": runs}, "z": 1}, indent=1),
        "a.json",
        {"runs": ["/nowhere/*", "/d/runs/*"], "events": ["/x", "/messages/*"]},
    ),
    "lists in a list": (
        lambda runs: json.dumps([{"runs": runs[:7]}, {"runs": []}, {"runs": runs[7:]}]),
        "a.json",
        {"runs": ["/*/runs/*"], "events": ["/messages/*"]},
    ),
    "one run": (lambda runs: json.dumps({"messages": runs}), "a.json", {"events": ["/messages/*"]}),
    "groups of lines": (
        lambda runs: "\n".join(map(json.dumps, runs)),
        "a.jsonl",
        {"events": ["/*"], "group_by": "/task_id", "order_by": "/id"},
    ),
    "groups in a document": (
        lambda runs: json.dumps({"a": {"all": runs}}),
        "a.json",
        {"runs": ["/a"], "events": ["/no/*", "/all/*"], "group_by": "/task_id"},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_file_gives_the_runs_of_a_small_one(tmp_path: Path, shape: str, request: pytest.FixtureRequest) -> None:
    write, name, source = SHAPES[shape]
    named = {"run_id": "/id", "task_id": "/task_id"} if "group_by" not in source and shape != "one run" else {}
    (tmp_path / name).write_text(write([make_run(number) for number in range(30)]))
    reading = spec(**{**source, **named})
    small = [repr(run) for run in read_runs(tmp_path, reading)]
    request.getfixturevalue("small_buffers")
    assert [repr(run) for run in read_runs(tmp_path, reading)] == small
    assert small


@pytest.mark.usefixtures("small_buffers")
def test_a_truncated_large_file_gives_its_whole_runs_and_is_named(tmp_path: Path) -> None:
    text = json.dumps({"runs": [make_run(number) for number in range(30)]})
    (tmp_path / "a.json").write_text(text[: len(text) * 2 // 3])
    packed = gzip.compress(
        "\n".join(json.dumps({**make_run(n), "x": os.urandom(99).hex()}) for n in range(200)).encode()
    )
    (tmp_path / "b.jsonl.gz").write_bytes(packed[: len(packed) * 2 // 3])
    faults: list[ReadFault] = []
    reading = spec(runs=["/runs/*", "/*"], events=["/messages/*"])
    found = [run.file for run in read_runs(tmp_path, reading, on_fault=faults.append)]
    assert 15 <= found.count("a.json") <= 20
    assert found.count("b.jsonl.gz") > 50
    assert [fault.file for fault in faults] == ["a.json", "b.jsonl.gz"]
    assert all("is broken or truncated after" in fault.reason for fault in faults)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_broken_line_keeps_its_number_from_the_others(
    tmp_path: Path, size: str, request: pytest.FixtureRequest
) -> None:
    lines = [json.dumps(make_run(number)) for number in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join([lines[0], "", '{"cut": ', *lines[2:]]))
    if size == "large":
        request.getfixturevalue("small_buffers")
    faults: list[ReadFault] = []
    runs = list(read_runs(tmp_path, spec(runs=["/*"], events=["/messages/*"], run_id="/id"), on_fault=faults.append))
    assert [(run.loc, run.run_id) for run in runs] == [(n, f"r{n}") for n in (0, *range(2, 9))]
    assert [str(fault) for fault in faults] == ["a.jsonl: line 3 is no JSON"]


def make_export(traces: int) -> dict[str, Any]:
    def span(trace: int, number: int) -> dict[str, Any]:
        attributes = [{"key": "text", "value": {"stringValue": f"{trace} {number} " * 20}}]
        return {"traceId": f"t{trace}", "name": "x", "endTimeUnixNano": str(99 - number), "attributes": attributes}

    spans = [span(trace, number) for number in range(4) for trace in range(traces)]
    named = {"attributes": [{"key": "service", "value": {"stringValue": "s"}}]}
    groups = [
        {"resource": named, "scopeSpans": [{"scope": {}, "spans": spans}, {"spans": spans[:1]}]},
        {"scopeSpans": [{"spans": spans[:2]}]},
    ]
    return {"resourceSpans": groups}


@pytest.mark.parametrize("as_lines", [False, True])
def test_a_large_export_gives_the_runs_of_a_small_one(
    tmp_path: Path, as_lines: bool, request: pytest.FixtureRequest
) -> None:
    export = json.dumps(make_export(9))
    (tmp_path / ("a.jsonl" if as_lines else "a.json")).write_text(f"{export}\n{export}\n" if as_lines else export)
    reading = spec(container="otlp", events=["/*"], group_by="/traceId", order_by="/endTimeUnixNano")
    small = list(read_runs(tmp_path, reading))
    request.getfixturevalue("small_buffers")
    assert list(read_runs(tmp_path, reading)) == small
    assert len(small) == 9


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_the_sample_of_a_large_file_is_small_and_keeps_the_numbers_of_its_runs(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("small_buffers")
    monkeypatch.setattr(large, "SAMPLE_BYTES", 20_000)
    runs = [make_run(number) for number in range(200)]
    text = "\n".join(map(json.dumps, runs)) if name.endswith("l") else json.dumps({"a": runs, "runs": runs, "end": 1})
    (tmp_path / name).write_text(text)
    found, faults = sample_documents(tmp_path)
    value = found[0].value
    kept = value["runs"] if isinstance(value, dict) else value
    assert isinstance(kept, list)
    assert faults == []
    assert 3 <= len(kept) <= 40
    assert [run["id"] for run in kept] == [f"r{number}" for number in range(len(kept))]  # type: ignore[index, call-overload]
    assert not isinstance(value, dict) or value["end"] == 1


MEASURE = """
import sys
from pathlib import Path
from induction.adapters.sampling import sample_documents
from induction.reading import read_runs
from monitors.adapter import parse_spec

event = {"cases": [{"when": {}, "acts": True, "fields": {}}]}
source = {"runs": ["/runs/*", "/*"], "events": ["/messages/*"]}
if sys.argv[1] == "sample":
    sample_documents(Path(sys.argv[2]))
else:
    runs = sum(1 for _ in read_runs(Path(sys.argv[2]), parse_spec({"name": "x", "source": source, "event": event})))
    assert runs == int(sys.argv[3]), runs
# The peak of this program alone: what getrusage tells begins with the memory of the process that started it.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def measure_peak_mb(kind: str, path: Path, runs: int) -> float:
    command = [sys.executable, "-c", MEASURE, kind, str(path), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=600)
    return int(done.stdout) / 1024


def write_corpus(path: Path, size_mb: int) -> int:
    """Write a corpus of a size from a generator, as lines or as one document; return its number of runs."""
    run = make_run(0)
    run["messages"] = [{"role": "user", "content": "word " * 400, "calls": [{"name": "f", "args": '{"a": 1}'}]}] * 8
    text = json.dumps({**run, "cost": 1.5})
    count = size_mb * 1_000_000 // len(text)

    def pieces() -> Iterator[str]:
        for number in range(count):
            yield (text + "\n") if path.suffix == ".jsonl" else ("," if number else "") + text

    with path.open("w") as out:
        out.write("" if path.suffix == ".jsonl" else '{"info": {"a": 1}, "runs": [')
        out.writelines(pieces())
        out.write("" if path.suffix == ".jsonl" else '], "end": 1}')
    return count


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["read", "sample"])
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, ending: str, kind: str) -> None:
    peaks = []
    for size_mb in (15, 60):
        path = tmp_path / f"corpus-{size_mb}.{ending}"
        peaks.append(measure_peak_mb(kind, path, write_corpus(path, size_mb)))
    assert peaks[1] < peaks[0] + 10
    assert peaks[1] < 150


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["read", "sample"])
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_gigabyte_is_read_in_150_mb(tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"corpus.{ending}"
    runs = write_corpus(path, 1_000)
    peak = measure_peak_mb(kind, path, runs)
    path.unlink()
    print(f"{kind} of 1 GB of {ending}: peak {peak:.0f} MB")
    assert peak < 150
