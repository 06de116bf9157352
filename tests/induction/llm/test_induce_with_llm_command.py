from __future__ import annotations

import json
from pathlib import Path

import pytest

from forewarn.cli import main
from monitors.adapter import read_spec
from tests.chat_endpoint import GOOD, Endpoint, proposed


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_a_model_is_asked_with_the_key_of_the_environment_and_recorded_beside_the_adapter(
    small_corpus: Path,
    tmp_path: Path,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FOREWARN_LLM_API_KEY", "key-from-outside")
    endpoint.script = [proposed(GOOD)]
    out = tmp_path / "mine.json"
    report = tmp_path / "page.html"
    asked = ("--llm-url", endpoint.url, "--llm-model", "tester")
    assert run("induce", small_corpus, "--out", out, "--report", report, *asked) == 0
    assert read_spec(out).source.runs == ("/runs/*",)
    assert endpoint.authorizations == ["Bearer key-from-outside"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "tester proposed a valid adapter in 1 round" in shown
    assert "proposal is taken: " in shown
    recorded = (tmp_path / "mine.llm.jsonl").read_text()
    assert [json.loads(line)["kind"] for line in recorded.splitlines()] == ["exchange", "verdict", "end"]
    assert "key-from-outside" not in recorded + report.read_text() + out.read_text()
    assert "Whose proposal" in report.read_text()


def test_the_cost_ceiling_is_the_commands(
    small_corpus: Path, tmp_path: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--llm-url", endpoint.url, "--llm-model", "tester", "--llm-max-tokens", 900)
    assert run("induce", small_corpus, "--out", tmp_path / "a.json", "--json", *asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert "cost ceiling of 900 tokens" in report["asked"]
    assert report["why"] == "the statistical proposal is the only one"
    assert endpoint.requests == []


@pytest.mark.parametrize(
    "options", [("--llm-url", "http://127.0.0.1:9"), ("--llm-model", "x"), ("--llm-url", "nowhere", "--llm-model", "x")]
)
def test_a_model_without_an_address_or_the_reverse_is_wrong_usage(
    small_corpus: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert run("induce", small_corpus, "--out", tmp_path / "a.json", *options) == 2
    assert not (tmp_path / "a.json").exists()


def test_a_page_is_written_also_where_no_adapter_is(
    small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "runs.jsonl"
    table.write_text(json.dumps({"run": "r", "file": "other.json", "loc": 0, "task": "t", "success": True}))
    page = tmp_path / "page.html"
    assert run("induce", small_corpus, "--out", tmp_path / "a.json", "--outcomes", table, "--report", page) == 1
    assert "only 0 of 1 runs" in capsys.readouterr().err
    assert "may not be used" in page.read_text()
    assert not (tmp_path / "a.json").exists()
