"""The corpus on disk: same seed, same bytes; one run told three times; no outcome in the traces."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from induction.helpdesk import simulate, write_corpus
from induction.helpdesk.chat import to_chat
from induction.helpdesk.corpus import FORMATS, compute_fold
from induction.helpdesk.otlp import to_spans
from induction.helpdesk.react import to_log

RUNS = 130
SEED = 5

Row = dict[str, Any]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("helpdesk")
    write_corpus(out, runs=RUNS, seed=SEED)
    return out


def read_rows(corpus: Path, name: str) -> list[Row]:
    return [json.loads(line) for line in (corpus / name / "runs.jsonl").read_text(encoding="utf-8").splitlines()]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read_chats(corpus: Path) -> list[Row]:
    return [run for path in sorted((corpus / "chat/raw").glob("*.json")) for run in json.loads(path.read_bytes())]


def read_traces(corpus: Path) -> list[list[Row]]:
    """The spans of each trace in the order of the files, attributes as a plain dict."""
    traces: dict[str, list[Row]] = defaultdict(list)
    for path in sorted((corpus / "otlp/raw").glob("*.json")):
        for resource in json.loads(path.read_bytes())["resourceSpans"]:
            for span in resource["scopeSpans"][0]["spans"]:
                named = {item["key"]: item["value"]["stringValue"] for item in span["attributes"]}
                traces[span["traceId"]].append(span | {"named": named})
    return list(traces.values())


def read_logs(corpus: Path) -> list[str]:
    return [(corpus / "react/raw" / row["file"]).read_text(encoding="utf-8") for row in read_rows(corpus, "react")]


def test_the_same_seed_writes_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path, runs=RUNS, seed=SEED)
    assert read_bytes(tmp_path) == read_bytes(corpus)


def test_another_seed_writes_other_runs(corpus: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path, runs=RUNS, seed=SEED + 1, formats=["react"])
    assert not set(read_bytes(tmp_path / "react/raw").values()) & set(read_bytes(corpus / "react/raw").values())


def test_asking_for_more_runs_leaves_the_first_ones_as_they_are() -> None:
    assert list(simulate(30, SEED)) == list(simulate(40, SEED))[:30]


@pytest.mark.parametrize("name", FORMATS)
def test_every_listed_run_is_where_the_list_says(corpus: Path, name: str) -> None:
    rows = read_rows(corpus, name)
    assert len(rows) == len({row["run"] for row in rows}) == RUNS
    for row in rows:
        raw = corpus / name / "raw" / row["file"]
        if name == "chat":
            assert json.loads(raw.read_bytes())[row["loc"]]["run_id"] == row["run_id"]
        elif name == "otlp":
            spans = json.loads(raw.read_bytes())["resourceSpans"][0]["scopeSpans"][0]["spans"]
            trace_ids = list(dict.fromkeys(span["traceId"] for span in spans))
            first = next(span for span in spans if span["traceId"] == trace_ids[row["loc"]])
            assert first["attributes"][0]["value"]["stringValue"] == row["run_id"]
        else:
            assert row["loc"] is None
            assert raw.stem == row["run_id"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_list_gives_task_fold_turns_and_outcome_of_the_run(corpus: Path, name: str) -> None:
    runs = {run.run_id: run for run in simulate(RUNS, SEED)}
    for row in read_rows(corpus, name):
        run = runs[row["run_id"]]
        assert (row["task"], row["success"], row["turns"]) == (run.task_id, run.success, run.turns)
        assert row["fold"] == compute_fold(run.task_id)


def test_all_three_formats_hold_the_same_calls_in_the_same_order(corpus: Path) -> None:
    expected = [[(call.name, call.args, call.result) for call in run.calls] for run in simulate(RUNS, SEED)]
    assert [_chat_calls(run["messages"]) for run in read_chats(corpus)] == expected
    assert [_span_calls(spans) for spans in read_traces(corpus)] == expected
    assert [_log_calls(log) for log in read_logs(corpus)] == expected


def _chat_calls(messages: list[Row]) -> list[tuple[str, Any, Any]]:
    results = {m["tool_call_id"]: json.loads(m["content"]) for m in messages if m["role"] == "tool"}
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]), results[call["id"]])
        for message in messages
        for call in message.get("tool_calls", [])
    ]


def _span_calls(spans: list[Row]) -> list[tuple[str, Any, Any]]:
    return [
        (
            span["named"]["gen_ai.tool.name"],
            json.loads(span["named"]["gen_ai.tool.call.arguments"]),
            json.loads(span["named"]["gen_ai.tool.call.result"]),
        )
        for span in spans
        if span["named"]["gen_ai.operation.name"] == "execute_tool"
    ]


def _log_calls(log: str) -> list[tuple[str, Any, Any]]:
    lines = log.splitlines()
    calls = []
    for line, after in pairwise(lines):
        if line.startswith("Action: "):
            name, _, args = line.removeprefix("Action: ").removesuffix("]").partition("[")
            calls.append((name, json.loads(args), json.loads(after.removeprefix("Observation: "))))
    return calls


def test_turns_count_agent_messages_and_every_single_call_in_each_format(corpus: Path) -> None:
    expected = [run.turns for run in simulate(RUNS, SEED)]
    assert [_count_chat_turns(run["messages"]) for run in read_chats(corpus)] == expected
    assert [log.count("\nAction: ") + log.count("\nAnswer: ") for log in read_logs(corpus)] == expected
    assert [_count_span_turns(spans) for spans in read_traces(corpus)] == expected


def _count_chat_turns(messages: list[Row]) -> int:
    return sum(len(m.get("tool_calls", [None])) for m in messages if m["role"] == "assistant")


def _count_span_turns(spans: list[Row]) -> int:
    chats = [span["named"] for span in spans if span["named"]["gen_ai.operation.name"] == "chat"]
    return sum(len(json.loads(chat["gen_ai.output.messages"])[0]["parts"]) for chat in chats)


def test_some_messages_make_several_calls_at_once(corpus: Path) -> None:
    sizes = {len(m.get("tool_calls", [])) for run in read_chats(corpus) for m in run["messages"]}
    assert {0, 1, 2} <= sizes


def test_the_root_span_comes_last_and_covers_all_others(corpus: Path) -> None:
    for spans in read_traces(corpus):
        *children, root = spans
        assert root["named"]["gen_ai.operation.name"] == "invoke_agent"
        assert "parentSpanId" not in root
        assert {span["parentSpanId"] for span in children} == {root["spanId"]}
        ends = [int(span["endTimeUnixNano"]) for span in spans]
        assert ends == sorted(ends)
        assert ends[-1] > ends[-2]
        assert int(root["startTimeUnixNano"]) <= min(int(span["startTimeUnixNano"]) for span in children)


def test_chat_spans_take_in_every_message_before_the_last_of_the_agent_once(corpus: Path) -> None:
    for spans, run in zip(read_traces(corpus), read_chats(corpus), strict=True):
        taken_in = [
            message["role"]
            for span in spans
            for message in json.loads(span["named"].get("gen_ai.input.messages", "[]"))
        ]
        roles = [message["role"] for message in run["messages"]]
        last = max(index for index, role in enumerate(roles) if role == "assistant")
        assert taken_in == [role for role in roles[:last] if role in {"user", "tool"}]


def test_failed_calls_are_marked_as_errors_in_spans(corpus: Path) -> None:
    errors = [call.error for run in simulate(RUNS, SEED) for call in run.calls if call.error]
    spans = [span for trace in read_traces(corpus) for span in trace if span["status"]]
    assert [span["named"]["error.type"] for span in spans] == errors


def test_raw_files_are_the_same_bytes_whatever_the_outcome(corpus: Path) -> None:
    for run in simulate(20, SEED):
        other = replace(run, success=not run.success, agent="x", trial=99, slips=("x",))
        assert (to_chat(run), to_spans(run), to_log(run)) == (to_chat(other), to_spans(other), to_log(other))


def test_chat_files_carry_the_outcome_only_when_asked(corpus: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path, runs=RUNS, seed=SEED, formats=["chat"], chat_outcome=True)
    told = [run["outcome"]["success"] for run in read_chats(tmp_path)]
    assert told == [row["success"] for row in read_rows(tmp_path, "chat")]
    assert {key for run in read_chats(corpus) for key in run} == {"run_id", "task_id", "messages"}


def test_a_corpus_never_overwrites_another(corpus: Path) -> None:
    with pytest.raises(FileExistsError):
        write_corpus(corpus, runs=RUNS, seed=SEED)


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format xml: choose from chat, otlp, react"):
        write_corpus(tmp_path, runs=1, seed=1, formats=["xml"])
