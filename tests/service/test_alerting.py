"""What an alert says: its id, its severity, its evidence, whatever the agent's text holds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from monitors.decision import Alert
from monitors.evidence import Evidence
from monitors.occlusion import FieldEffect, NgramEffect
from service.core.alerting import ALERT_ID_CHARS, Alerting, alert_id, read_alert_id, to_note
from service.core.evidence import NGRAM_CHARS, explain, to_json, turn_symbols
from service.core.scoring import OpenedAlert, RunMemory, ScoredRun
from service.records import RunDescription, RunRef, RunSummary, ScoreRecord
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor

ODDEST_RUN_ID = "a" + "~:@#+=,-._" * 19 + "zzzzzzzzz"


def opened(**changes: Any) -> OpenedAlert:
    alert = Alert(1, 2, 3.0, 2.0, 0.4, changes.pop("failure_probability", 0.6), 0.1)
    return OpenedAlert(changes.pop("position", 1), alert, FakeMonitor().initial_state(), {"text": "x"}, None)


def note(ref: RunRef, alerting: Alerting, **changes: Any) -> dict[str, Any]:
    made = to_note(ref, opened(**changes), "m-1", RunDescription("bot", "t", {}), 5, alerting, None)
    body: dict[str, Any] = orjson.loads(made.body)
    assert body["severity"] == made.severity
    return body


@pytest.mark.parametrize("run_id", ["a", ODDEST_RUN_ID, "x" * 200])
def test_an_id_leads_back_to_its_run_and_fits_an_address(run_id: str) -> None:
    made = alert_id(RunRef("default", run_id), 12, "m-1")

    assert read_alert_id(made) == (run_id, 12)
    assert len(made) < ALERT_ID_CHARS
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_an_id_changes_with_project_run_episode_and_monitor() -> None:
    ids = {
        alert_id(RunRef(project, run_id), episode, monitor)
        for project in ("a", "b")
        for run_id in ("r", "s")
        for episode in (1, 2)
        for monitor in ("m", "n")
    }
    assert len(ids) == 16


@pytest.mark.parametrize(
    "raw_id", ["", "alert_", "alert_123", "alert_0123456789ab!!!", "alert_\u00e4" * 9, "x" * 500, "alert_" + "A" * 60]
)
def test_what_is_no_id_is_known_as_none(raw_id: str) -> None:
    assert read_alert_id(raw_id) is None


@pytest.mark.parametrize(
    ("probability", "severity"),
    [(0.0, "info"), (0.49, "info"), (0.5, "warning"), (0.79, "warning"), (0.8, "critical"), (1.0, "critical")],
)
def test_severity_follows_the_failure_probability(probability: float, severity: str) -> None:
    assert note(RunRef("default", "r"), Alerting(), failure_probability=probability)["severity"] == severity


def test_cut_points_can_be_moved() -> None:
    strict = Alerting(0.1, 0.2)
    assert [strict.severity(one) for one in (0.05, 0.15, 0.25)] == ["info", "warning", "critical"]


@pytest.mark.parametrize("public_url", ["", "https://fw.example.com/x"])
def test_the_link_leads_to_the_runs_page(public_url: str) -> None:
    body = note(RunRef("default", "a#b"), Alerting(public_url=public_url))
    assert body["link"] == f"{public_url}/runs/a%23b"


def test_hostile_words_are_cut_to_a_line_of_printable_characters() -> None:
    text = "\x1b[31m\u202egnihton\x00\ud800\n" + "y" * 500
    evidence = Evidence(3, 0.1, 0.5, (FieldEffect("result", 1.23456),), (NgramEffect(text, "result", 0.5),))
    (ngram,) = to_json(evidence)["ngrams"]

    assert len(ngram["text"]) == NGRAM_CHARS
    assert ngram["text"].isprintable()
    assert orjson.dumps(to_json(evidence))


def score(turn: int, symbol: int, *, parked: bool = False) -> bytes:
    return ScoreRecord(turn, 0.1, 0.1, 0.1, symbol, 1, parked=parked).to_bytes()


def test_a_turn_has_the_symbol_of_its_last_scored_step() -> None:
    records = score(0, 9) + score(1, 1) + score(1, 2) + score(3, 4) + score(3, 0, parked=True)
    assert turn_symbols(records, 5) == [9, 2, 4]


@pytest.mark.parametrize("records", [b"", score(1, 1), score(1, 1) + bytes(32)])
def test_records_that_are_missing_make_no_symbols_up(records: bytes) -> None:
    assert turn_symbols(records, 2) is None


def test_a_monitor_that_fails_to_explain_costs_the_evidence_and_not_the_alert() -> None:
    class Mute(FakeMonitor):
        def explain(self, *_: Any) -> Evidence:
            raise ValueError("nothing to say")

    run = ScoredRun(RunMemory("m", None, RunSummary()), 1)
    assert explain(Mute(), run, opened(), b"") is None


async def test_an_alert_carries_evidence_that_a_crash_does_not_change(core: Core) -> None:
    steps = [{"n": 0, "text": "fine"}, {"n": 1, "text": "worse", "bad": 1.5}, {"n": 2, "text": "cancel it", "bad": 1}]
    data = [orjson.dumps(step) for step in steps]
    await core.post("whole", *data)
    await core.post("torn", *data[:2])
    async with core.working("w1"):
        await core.until_scored("whole", 3)
        await core.until_scored("torn", 2)
    # The other worker knows nothing of the run but what is committed.
    await core.post("torn", data[2])
    async with core.working("w2"):
        await core.until_scored("torn", 3)
    (whole,) = await core.reader.read_run_alerts(core.ref("whole"))
    (torn,) = await core.reader.read_run_alerts(core.ref("torn"))

    assert whole["evidence"] == torn["evidence"]
    evidence = whole["evidence"]
    assert evidence["ngrams"][0]["text"] == "cancel it"
    assert evidence["score_before"] == (await core.scores("whole"))[1]
    symbols = [one.symbol for one in await core.reader.read_scores(core.ref("whole"), 0, 3) if one is not None]
    assert evidence["symbol"] == evidence["state"]["number"] == symbols[-1]
    assert evidence["state"]["training"]["turns"] == 3
