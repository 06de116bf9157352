from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from induction.adapters.llm.proposing import LlmProposal, Traces, propose_with_llm
from induction.adapters.llm.settings import LlmSettings
from induction.adapters.sampling import sample_documents
from tests.chat_endpoint import GOOD, Endpoint, Reply, proposed, said

Build = Callable[..., LlmSettings]
Record = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def ask(endpoint: Endpoint, settings: Build, traces: Traces, waits: list[float]) -> Callable[..., LlmProposal]:
    """Script the endpoint, ask it, and collect the waits between attempts instead of waiting."""

    def asking(*script: Reply, traces: Traces = traces, **options: Any) -> LlmProposal:
        endpoint.script = list(script)
        return propose_with_llm(traces, settings(**options), sleep=waits.append)

    return asking


Ask = Callable[..., LlmProposal]


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(GOOD), **changes}


def test_a_good_answer_is_a_validated_proposal(ask: Ask, endpoint: Endpoint) -> None:
    answer = ask(proposed(GOOD))
    assert answer.proposal is not None
    assert answer.report is not None
    assert answer.report.ok
    assert answer.report.known == 1.0
    assert answer.proposal.spec.name == "chat"
    assert answer.said == "tester proposed a valid adapter in 1 round"
    assert (answer.rounds, answer.tokens, len(endpoint.requests)) == (1, 900, 1)


def test_a_question_holds_the_schema_and_the_traces_and_asks_for_json(ask: Ask, endpoint: Endpoint) -> None:
    ask(proposed(GOOD))
    (question,) = endpoint.requests
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.authorizations == ["Bearer key-of-ours-123"]
    assert question["model"] == "tester"
    assert question["response_format"]["json_schema"]["schema"]["title"] == "forewarn adapter, format 1"
    assert "cancel_order" in question["messages"][1]["content"]


def test_an_invalid_spec_is_repaired_in_the_second_round(ask: Ask, endpoint: Endpoint, record: Record) -> None:
    bad = changed(event={"cases": [{"when": {"role": ["assistant"]}, "acts": 1, "fields": {"speech": []}}]})
    answer = ask(proposed(bad), proposed(GOOD))
    assert answer.proposal is not None
    assert (answer.rounds, answer.tokens) == (2, 1800)
    told = endpoint.requests[1]["messages"]
    assert told[:2] == endpoint.requests[0]["messages"]
    assert json.loads(told[2]["content"]) == bad
    assert "'role' is no JSON pointer" in told[3]["content"]
    assert "event.cases.0.fields.speech" in told[3]["content"]
    assert [line["valid"] for line in record("verdict")] == [False, True]


def test_the_validators_own_faults_are_fed_back(ask: Ask, endpoint: Endpoint) -> None:
    idle = changed(event={"cases": [{**case, "acts": False} for case in GOOD["event"]["cases"]]})
    assert ask(proposed(idle), proposed(GOOD)).proposal is not None
    assert "most runs have no agent action" in endpoint.requests[1]["messages"][3]["content"]


def test_runs_that_are_nowhere_are_fed_back(ask: Ask, endpoint: Endpoint) -> None:
    lost = changed(source={"runs": ["/trials/*"], "events": ["/messages/*"]})
    assert ask(proposed(lost), proposed(GOOD)).proposal is not None
    assert "find no runs in 4 files" in endpoint.requests[1]["messages"][3]["content"]


def test_a_valid_spec_that_knows_too_little_gets_another_round_and_is_kept(ask: Ask, endpoint: Endpoint) -> None:
    partial = changed(event={"cases": GOOD["event"]["cases"][:2]})
    answer = ask(proposed(partial), said("I have no better idea."))
    assert answer.proposal is not None
    assert answer.report is not None
    assert answer.report.known < 0.95
    assert "of the raw steps fit no case" in endpoint.requests[1]["messages"][3]["content"]
    assert answer.rounds == 3


def test_rounds_are_bounded(ask: Ask, endpoint: Endpoint) -> None:
    answer = ask(proposed({"name": "x"}), max_rounds=2)
    assert answer.proposal is None
    assert answer.said.startswith("tester gave no valid adapter in 2 rounds: event")
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    "content",
    [
        f"Here it is:\n```json\n{json.dumps(GOOD, indent=1)}\n```\nGood luck!",
        f"<think>Is it {{roles}}? Or ```json {{}}```?</think>{json.dumps(GOOD)}",
        f"The adapter: {json.dumps(GOOD)} - that is all.",
    ],
    ids=["fenced", "thoughts first", "in prose"],
)
def test_json_in_prose_is_found(ask: Ask, content: str) -> None:
    assert ask(said(content)).proposal is not None


@pytest.mark.parametrize(
    "content",
    [json.dumps(GOOD)[:200], "{'format': 1}", "[1, 2]", "no", "[" * 5000, '{"name": "\\ud800"}'],
    ids=["cut off", "python", "a list", "prose", "deep", "half a character"],
)
def test_broken_json_is_a_fault_that_the_next_round_may_repair(ask: Ask, endpoint: Endpoint, content: str) -> None:
    assert ask(said(content), proposed(GOOD)).proposal is not None
    assert "holds no JSON object" in endpoint.requests[1]["messages"][3]["content"]


def test_an_answer_that_ran_out_of_length_is_told_so(ask: Ask, endpoint: Endpoint) -> None:
    assert ask(said("{", finish="length"), proposed(GOOD)).proposal is not None
    assert "cut off by its length" in endpoint.requests[1]["messages"][3]["content"]


def test_a_refusal_ends_the_conversation(ask: Ask, endpoint: Endpoint) -> None:
    answer = ask(said(None, refusal="I cannot\n\x1b[2J help with that."))
    assert answer.proposal is None
    assert answer.said == "tester refused: I cannot  [2J help with that."
    assert len(endpoint.requests) == 1


def test_a_content_filter_and_silence_are_refusals(ask: Ask) -> None:
    assert "content filter" in ask(said(None, finish="content_filter")).said
    assert "said nothing" in ask(said("  ")).said


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_endpoint_is_asked_again(ask: Ask, waits: list[float], status: int) -> None:
    answer = ask(Reply("busy", status), Reply("busy", status, headers={"Retry-After": "7"}), proposed(GOOD))
    assert answer.proposal is not None
    assert waits == [0.5, 7.0]


def test_an_endpoint_that_stays_broken_is_given_up(ask: Ask, endpoint: Endpoint) -> None:
    answer = ask(Reply({"error": {"message": "out of order"}}, 500))
    assert answer.proposal is None
    assert "answered 500" in answer.said
    assert "out of order" in answer.said
    assert "(3 attempts)" in answer.said
    assert len(endpoint.requests) == 3


def test_an_endpoint_that_asks_for_too_long_a_wait_is_given_up(ask: Ask, waits: list[float]) -> None:
    assert "asks to wait 3600 s" in ask(Reply("busy", 429, headers={"Retry-After": "3600"})).said
    assert waits == []


def test_a_wrong_key_is_not_tried_twice(ask: Ask, endpoint: Endpoint) -> None:
    assert "answered 401" in ask(Reply({"error": "bad key"}, 401)).said
    assert len(endpoint.requests) == 1


def test_a_body_that_is_no_completion_is_asked_for_again(ask: Ask) -> None:
    assert ask(Reply(b"<html>proxy</html>"), Reply({"choices": []}), proposed(GOOD)).proposal is not None
    assert "answered 200, but no chat completion" in ask(Reply(b"<html>proxy</html>")).said


def test_a_slow_answer_is_given_up_in_time(ask: Ask) -> None:
    answer = ask(replace(proposed(GOOD), wait_s=0.6), timeout_s=0.2, retries=0)
    assert answer.proposal is None
    assert "no whole answer within 0.2 s" in answer.said
    assert answer.tokens > 1000, "the question may have been read, and so counts"


def test_an_answer_that_drips_is_given_up_in_time(ask: Ask) -> None:
    answer = ask(replace(proposed(GOOD), drip_s=0.02), timeout_s=0.2, retries=0)
    assert "no whole answer within 0.2 s" in answer.said


def test_an_endpoint_that_is_not_there_is_said(ask: Ask) -> None:
    answer = ask(Reply(), url="http://127.0.0.1:9/v1", retries=0)
    assert answer.proposal is None
    assert "no answer" in answer.said


def test_a_proxy_that_nobody_can_use_is_said(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nothing://like.this:1")
    answer = ask(proposed(GOOD))
    assert answer.proposal is None
    assert "no connections can be made" in answer.said


def test_names_of_files_that_are_no_text_can_be_asked_about(ask: Ask, traces: Traces) -> None:
    strange = [replace(document, path="\udcff" + document.path) for document in traces.documents]
    scrambled = changed(source={**GOOD["source"], "start": ["/reward"]})
    assert ask(proposed(scrambled), proposed(GOOD), traces=replace(traces, documents=strange)).proposal is not None


def test_a_redirect_is_not_followed(ask: Ask, endpoint: Endpoint) -> None:
    assert "answered 307" in ask(Reply("", 307, headers={"Location": endpoint.url})).said
    assert len(endpoint.requests) == 1


def test_a_server_that_refuses_schemas_is_asked_more_plainly(ask: Ask, endpoint: Endpoint) -> None:
    refused = Reply({"error": {"message": "response_format is not supported"}}, 400)
    bad = proposed({"name": "x"})
    assert ask(refused, refused, bad, proposed(GOOD)).proposal is not None
    formats = [request.get("response_format", {}).get("type") for request in endpoint.requests]
    assert formats == ["json_schema", "json_object", None, None], "what was learned is kept for the next round"


def test_a_model_that_wants_other_parameters_gets_them(ask: Ask, endpoint: Endpoint) -> None:
    length = Reply({"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'."}}, 400)
    warmth = Reply({"error": {"message": "Unsupported value: 'temperature'"}}, 400)
    assert ask(length, warmth, proposed(GOOD)).proposal is not None
    last = endpoint.requests[-1]
    assert {"max_tokens", "temperature"} & last.keys() == set()
    assert last["max_completion_tokens"] > 0
    assert last["response_format"]["type"] == "json_schema"


def test_the_cost_ceiling_stops_another_round(ask: Ask, endpoint: Endpoint) -> None:
    answer = ask(proposed({"name": "x"}, tokens=25_000), max_tokens=30_000)
    assert answer.proposal is None
    assert "the cost ceiling of 30000 tokens" in answer.said
    assert "25000 are spent" in answer.said
    assert len(endpoint.requests) == 1


def test_a_ceiling_below_the_first_question_sends_nothing(ask: Ask, endpoint: Endpoint) -> None:
    assert "the cost ceiling of 1000 tokens" in ask(proposed(GOOD), max_tokens=1_000).said
    assert endpoint.requests == []


def test_tokens_are_estimated_where_none_are_reported(ask: Ask) -> None:
    assert ask(proposed(GOOD, tokens=None)).tokens > 3_000


def test_an_answer_may_be_no_longer_than_the_ceiling_leaves(ask: Ask, endpoint: Endpoint) -> None:
    ask(proposed(GOOD), max_tokens=16_000)
    assert 800 <= endpoint.requests[0]["max_tokens"] < 16_000


def test_every_exchange_is_recorded_and_the_key_never_is(ask: Ask, record: Record, tmp_path: Path) -> None:
    echo = Reply({"error": {"message": "you sent Bearer key-of-ours-123"}}, 500)
    ask(echo, proposed({"name": "x"}), proposed(GOOD))
    exchanges = record("exchange")
    assert [line["status"] for line in exchanges] == [500, 200, 200]
    assert exchanges[2]["request"]["messages"][3]["role"] == "user"
    assert exchanges[2]["response"]["choices"][0]["message"]["content"] == json.dumps(GOOD)
    assert record("end")[0]["tokens"] == 1800
    assert "key-of-ours-123" not in (tmp_path / "adapter.llm.jsonl").read_text()
    assert "Bearer [key]" in (tmp_path / "adapter.llm.jsonl").read_text()


def test_nothing_is_sent_where_nothing_can_be_recorded(ask: Ask, endpoint: Endpoint, tmp_path: Path) -> None:
    answer = ask(proposed(GOOD), record=tmp_path / "nowhere" / "adapter.llm.jsonl")
    assert "cannot be recorded" in answer.said
    assert endpoint.requests == []


def test_what_tells_the_outcome_is_refused_whoever_proposes_it(tmp_path: Path, ask: Ask, small_corpus: Path) -> None:
    for path in small_corpus.iterdir():
        document = orjson.loads(path.read_bytes())
        for run in document["runs"]:
            run["messages"].append({"role": "judge", "verdict": f"reward {run['reward']}"})
        path.write_bytes(orjson.dumps(document))
    documents, _ = sample_documents(small_corpus)
    leaking = copy.deepcopy(GOOD)
    leaking["event"]["cases"].append(
        {"when": {"/role": ["judge"]}, "acts": False, "fields": {"observation": [{"path": "/verdict"}]}}
    )
    answer = ask(proposed(leaking), traces=Traces("chat", documents))
    assert answer.proposal is not None
    assert not answer.proposal.spec.event.cases[3].fields.observation
    assert len(answer.proposal.refused) == 1


def test_an_outcome_that_is_shown_as_a_start_field_is_refused(ask: Ask, endpoint: Endpoint) -> None:
    leaking = changed(source={**GOOD["source"], "start": ["/reward"]})
    assert ask(proposed(leaking), proposed(GOOD)).proposal is not None
    assert "values outside the raw steps change StepViews" in endpoint.requests[1]["messages"][3]["content"]


def test_runs_of_the_files_that_the_model_saw_do_not_judge_it(tmp_path: Path, ask: Ask, small_corpus: Path) -> None:
    for number in range(4, 12):
        (small_corpus / f"part{number}.json").write_bytes((small_corpus / f"part{number % 4}.json").read_bytes())
    documents, _ = sample_documents(small_corpus)
    answer = ask(proposed(GOOD), traces=Traces("chat", documents))
    assert answer.proposal is not None
    assert len({run.file for run in answer.proposal.held_out}) == 9


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"event": {"cases": GOOD["event"]["cases"] * 50}}, "has 150 cases, more than 128"),
        ({"source": {"runs": ["/*" * 20], "events": ["/*"]}}, "times '*' in one pointer"),
        ({"source": {"container": "text"}}, "source.container must be 'json'"),
        ({"cuts": [{"field": "result", "from": "x", "code": "import os"}]}, "cuts.0.code"),
        ({"status": {"error_if": {"/a": [json.loads("[" * 40 + "]" * 40)]}}}, "nested more than 24 levels deep"),
    ],
    ids=["too many cases", "too many stars", "another container", "unknown keys", "too deep"],
)
def test_a_hostile_answer_is_no_more_than_a_bad_proposal(
    ask: Ask, endpoint: Endpoint, changes: dict[str, Any], fault: str
) -> None:
    assert ask(proposed(changed(**changes)), proposed(GOOD)).proposal is not None
    assert fault in endpoint.requests[1]["messages"][3]["content"]


def test_an_answer_without_end_is_cut_short(ask: Ask) -> None:
    assert "larger than 4 MiB" in ask(Reply(b"x" * (5 << 20)), retries=0).said


def test_secrets_in_traces_are_not_sent(tmp_path: Path, ask: Ask, endpoint: Endpoint, small_corpus: Path) -> None:
    secrets = ["sk-abcdefghijklmnop1234", "bob@example.com", "hunter22hunter"]
    for path in small_corpus.iterdir():
        document = orjson.loads(path.read_bytes())
        for run in document["runs"]:
            run["messages"][0]["content"] = f"Use {secrets[0]} to write to {secrets[1]}."
            run["password"] = secrets[2]
        path.write_bytes(orjson.dumps(document))
    documents, _ = sample_documents(small_corpus)
    assert ask(proposed(GOOD), traces=Traces("chat", documents)).proposal is not None
    sent = json.dumps(endpoint.requests)
    assert [secret for secret in secrets if secret in sent] == []
    assert "[masked e-mail]" in sent
