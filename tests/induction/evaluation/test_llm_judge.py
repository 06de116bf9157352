"""The LLM judge against an endpoint that answers well, badly, slowly, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forewarn.cli import main
from induction.adapters.llm.endpoint import Answer
from induction.adapters.llm.settings import LlmSettings
from induction.errors import LlmError
from induction.evaluation import llm_judge
from induction.evaluation.llm_judge import UNKNOWN, LlmJudge, read_probability, show_step, to_question
from induction.learning.labelled import LabelledRun
from monitors.adapter import compile_adapter
from monitors.stepview import StepView
from tests.chat_endpoint import Endpoint, Reply, said
from tests.tiny_bundle import tiny_spec, write_corpus

Build = Callable[..., LlmJudge]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def build(endpoint: Endpoint, tmp_path: Path) -> Build:
    def make(**options: Any) -> LlmJudge:
        given = {
            "url": endpoint.url,
            "model": "tester",
            "record": tmp_path / "exchanges.jsonl",
            "key": "key-of-ours",
            **options,
        }
        settings = LlmSettings.model_validate(given)
        return LlmJudge(settings, compile_adapter(tiny_spec()), tmp_path / "answers.jsonl", sleep=lambda _: None)

    return make


def run_of(*, turns: int = 2, name: str = "r") -> LabelledRun:
    events: list[Any] = [{"role": "user", "content": f"please refund {name}, my key is sk-abcdefghijklmnop1234"}]
    for turn in range(turns):
        call = {"id": str(turn), "function": {"name": "refund", "arguments": "{}"}}
        events.append({"role": "assistant", "content": None, "tool_calls": [call]})
        events.append({"role": "tool", "tool_call_id": str(turn), "content": f"done {turn}"})
    return LabelledRun(name, "task", False, 0, events)


def believes(probability: float) -> Reply:
    return said(json.dumps({"probability": probability}), tokens=50)


def test_each_turn_is_asked_about_once_and_shows_its_prefix_alone(endpoint: Endpoint, build: Build) -> None:
    endpoint.script = [believes(0.2), believes(0.9)]
    judge = build()

    (run,) = judge.judge([run_of()])

    assert run.risk.tolist() == [UNKNOWN, UNKNOWN, 0.2, 0.2, 0.9]
    assert run.turns.tolist() == [0, 1, 1, 2, 2]
    assert run.answered.tolist() == [True, False, True, False, True]
    assert run.score[-1] == pytest.approx(np.log(9))
    first, second = (request["messages"][1]["content"] for request in endpoint.requests)
    assert "done 0" in first
    assert "done 1" not in first
    assert "done 1" in second
    assert (judge.counts.asked, judge.counts.tokens) == (2, 100)


def test_secrets_never_leave_the_machine(endpoint: Endpoint, build: Build, tmp_path: Path) -> None:
    endpoint.script = [believes(0.2)]

    list(build().judge([run_of()]))

    assert "sk-abcdefghijklmnop1234" not in json.dumps(endpoint.requests)
    assert "[masked]" in json.dumps(endpoint.requests)
    assert "key-of-ours" not in (tmp_path / "exchanges.jsonl").read_text()


def test_a_judging_that_was_stopped_goes_on_and_asks_nothing_twice(
    endpoint: Endpoint, build: Build, tmp_path: Path
) -> None:
    endpoint.script = [believes(0.2), believes(0.9), Reply(status=401, body={"error": "who are you"})]
    with pytest.raises(LlmError, match="401"):
        list(build().judge([run_of(), run_of(name="s")]))
    # A kill may cut the last line short.
    (tmp_path / "answers.jsonl").write_bytes((tmp_path / "answers.jsonl").read_bytes() + b'{"question": "ab')
    endpoint.requests.clear()
    endpoint.script = [believes(0.4)]

    again = build()
    first, second = again.judge([run_of(), run_of(name="s")])

    assert first.risk[-1] == 0.9
    assert second.risk[-1] == 0.4
    assert (again.counts.kept, again.counts.asked, len(endpoint.requests)) == (2, 2, 2)
    assert build()._cache._answers.keys() == again._cache._answers.keys()


@pytest.mark.parametrize(
    "reply",
    [
        said("I think it will fail."),
        said('{"probability": "very'),
        said('{"probability": 7}'),
        said(None, refusal="I will not judge others"),
        said("", finish="content_filter"),
    ],
)
def test_an_answer_without_a_probability_is_counted_and_ranks_in_the_middle(
    endpoint: Endpoint, build: Build, reply: Reply
) -> None:
    endpoint.script = [reply]
    judge = build()

    (run,) = judge.judge([run_of()])

    assert run.risk[-1] == UNKNOWN
    assert judge.counts.refused + judge.counts.unreadable == 2


def test_a_busy_endpoint_is_asked_again_and_a_slow_one_given_up(endpoint: Endpoint, build: Build) -> None:
    endpoint.script = [Reply(status=503, body="busy"), believes(0.3)]
    assert next(iter(build().judge([run_of(turns=1)]))).risk[-1] == 0.3

    endpoint.script = [Reply(believes(0.3).body, wait_s=1.0)]
    with pytest.raises(LlmError, match=r"no whole answer within 0\.2 s"):
        list(build(timeout_s=0.2, retries=0).judge([run_of(name="other")]))


def test_the_ceiling_of_tokens_ends_the_judging_with_the_answers_kept(endpoint: Endpoint, build: Build) -> None:
    endpoint.script = [said('{"probability": 0.1}', tokens=1_500)]
    with pytest.raises(LlmError, match="cost ceiling of 2500 tokens"):
        list(build(max_tokens=2_500).judge([run_of(turns=5)]))
    asked = len(endpoint.requests)

    more = build(max_tokens=100_000)
    list(more.judge([run_of(turns=5)]))

    assert more.counts.kept == asked
    assert more.counts.asked == 5 - asked


def test_a_long_prefix_keeps_its_beginning_and_its_end() -> None:
    question = to_question(["first words", "x" * 50_000, "last words"])[1]["content"]

    assert len(question) < llm_judge.MAX_PREFIX_CHARS + 100
    assert question.startswith("first words")
    assert question.endswith("last words")


def test_a_secret_that_a_cut_would_halve_is_masked_whole() -> None:
    text = "y " * (llm_judge.MAX_FIELD_CHARS // 2 - 5) + "sk-abcdefghijklmnop1234567890"

    assert "sk-abc" not in show_step(StepView(action=text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"probability": 0.25}', 0.25),
        ('```json\n{"probability": 1}\n```', 1.0),
        ('<think>{"probability": 0.9}</think> {"probability": 0.1}', 0.1),
        ('{"probability": "35%"}', 0.35),
        ('{"probability": 1e-2}', 0.01),
        ('{"probability": -0.1}', None),
        ('{"p": 0.3}', None),
        ("", None),
    ],
)
def test_probabilities_are_read_from_what_models_write(text: str, value: float | None) -> None:
    assert read_probability(Answer(text)) == value


def test_the_command_measures_a_judge_as_a_monitor_is_measured_and_goes_on(endpoint: Endpoint, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", n_runs=100, n_tasks=20, with_folds=True)
    adapter = tmp_path / "adapter.json"
    adapter.write_bytes(tiny_spec().to_json())
    endpoint.script = [believes(0.2), believes(0.8), believes(0.5)] * 300
    arguments = [
        "judge", str(corpus.raw), "--adapter", str(adapter), "--outcomes", str(corpus.outcomes),
        "--llm-url", endpoint.url, "--llm-model", "tester", "--out", str(tmp_path / "out"),
    ]  # fmt: skip

    figures = []
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        figures.append(json.loads((tmp_path / "out" / "metrics.json").read_text()))

    assert figures[0]["runs"] == 20
    assert 0 < figures[0]["auprc_h3_answered"] <= 1
    assert figures[0]["judge_asked"] == len(endpoint.requests) > 100
    assert (figures[1]["judge_asked"], figures[1]["judge_kept"]) == (
        0,
        figures[0]["judge_asked"] + figures[0]["judge_kept"],
    )
    assert figures[1]["auprc_h3_answered"] == figures[0]["auprc_h3_answered"]
    assert sorted(path.name for path in (tmp_path / "out").glob("exchanges*")) == [
        "exchanges-0.jsonl",
        "exchanges-1.jsonl",
    ]
