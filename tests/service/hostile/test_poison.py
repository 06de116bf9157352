"""What nobody should send: each is answered clearly or scored, and no partition stops."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from monitors.monitor import Monitor
from service.records import RunRef
from service.redis_log.keys import partition_of
from tests.service.hostile.conftest import STEPS_PER_RUN
from tests.service.hostile.corpus import EVERYTHING, ODD, SCORED, Poison
from tests.service.live import Service, running
from tests.tiny_bundle import TinyBundle

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}
PARTITIONS = 8


@pytest.fixture(scope="module")
def service(besieged: Service, tiny: TinyBundle) -> Iterator[Service]:
    """The service. Afterwards a run of each partition is scored as ever, and no process has met a defect or died."""
    before = len(besieged.log.read_text())
    yield besieged
    session = Monitor.read(tiny.path).session()
    expected = [session.step(step).score for step in tiny.corpus.runs[0]]
    wanted = set(range(PARTITIONS))
    for number in range(1000):
        run_id = f"afterwards-{number}"
        partition = partition_of(RunRef("default", run_id), PARTITIONS)
        if partition in wanted:
            wanted.remove(partition)
            answer = besieged.http.post(
                f"/v1/runs/{run_id}/steps?wait=score&timeout_ms=20000", json=tiny.corpus.runs[0], timeout=30
            )
            scores = [step["score"] for step in answer.json()["steps"]]
            assert scores == pytest.approx(expected, abs=1e-5)
    assert not wanted
    said = besieged.log.read_text()[before:]
    for defect in ("a defect in", "Traceback", "is started again", "is parked"):
        assert defect not in said


def check_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document, which must name what is wrong."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:forewarn:problem:")
    assert document["detail"]
    assert len(answer.content) < 4000, "a refusal must not repeat what it refuses"
    return document


def test_a_corpus_of_poison_is_refused_clearly_or_scored(service: Service) -> None:
    for number, poison in enumerate(EVERYTHING):
        answer = post(service, f"poison-{number}", poison)
        if poison.status == SCORED:
            assert answer.status_code == SCORED, f"{poison.name}: {answer.text[:500]}"
        else:
            assert answer.status_code == poison.status, f"{poison.name}: {answer.status_code} {answer.text[:500]}"
            check_problem(answer, poison.status)
            assert service.http.get(f"/v1/runs/poison-{number}").status_code == 404, f"{poison.name} is stored"
    for number, poison in enumerate(EVERYTHING):
        if poison.status == SCORED:
            run = service.until_scored(f"poison-{number}", 1)
            assert run["parked"] == 0, poison.name
            (score,) = run["scores"]
            assert 0 <= score["risk"] <= 1
            assert 0 <= score["failure_probability"] <= 1


def post(service: Service, run_id: str, poison: Poison) -> httpx.Response:
    return service.http.post(f"/v1/runs/{run_id}/steps", content=poison.body, headers=JSON | poison.headers, timeout=30)


def test_odd_steps_in_the_middle_of_a_run_are_scored_as_in_process(service: Service, tiny: TinyBundle) -> None:
    session = Monitor.read(tiny.path).session()
    expected = []
    for poison in ODD:
        answer = post(service, "odd", poison)
        assert answer.status_code == SCORED, poison.name
        expected.append(session.step(orjson.loads(poison.body)).score)
    run = service.until_scored("odd", len(ODD))
    assert [score["score"] for score in run["scores"]] == pytest.approx(expected, abs=1e-5)


def test_a_body_without_end_is_cut_off(service: Service) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"role": "user", "content": "'
        for _ in range(400):
            yield b"x" * 100_000

    # The server closes the connection while the client still writes: the answer may be lost with it.
    with contextlib.suppress(httpx.TransportError):
        check_problem(service.http.post("/v1/runs/endless/steps", content=body(), headers=JSON), 413)
    assert service.http.get("/v1/runs/endless").status_code == 404


@pytest.mark.parametrize(
    "raw_run_id",
    ["-a", "%20", "a%20b", "a%00b", "%00", "a%0D%0AX-Header:%20b", "%C3%A4", "%F0%9F%98%80", "%FF%FE", "x" * 201,
     "x" * 7000, "%2e%2e", "..%2F..%2Fetc", "a%2Fb", "{p00}:steps", "%7Bp00%7D", "*", "a%22b", "<b>", "%"],
)  # fmt: skip
def test_a_run_id_that_is_not_allowed_is_refused_by_every_route(service: Service, raw_run_id: str) -> None:
    path = f"/v1/runs/{raw_run_id}"
    for answer in (
        service.http.post(f"{path}/steps", json={}),
        service.http.put(path, json={}),
        service.http.get(path),
        service.http.post(f"{path}/end"),
        service.http.post(f"{path}/outcome", json={"success": True}),
    ):
        assert answer.status_code in {400, 404, 405}, answer.text[:300]
        check_problem(answer, answer.status_code)


@pytest.mark.parametrize("run_id", ["z", "9", "a:b@c#d+e=f,g.h_i~j-k", "A" * 200, "null", "a..b", "default:x", "a#1"])
def test_a_run_id_with_every_allowed_character_is_as_good_as_any(
    service: Service, tiny: TinyBundle, run_id: str
) -> None:
    path = f"/v1/runs/{run_id.replace('#', '%23')}"
    answer = service.http.post(f"{path}/steps?wait=score&timeout_ms=20000", json=tiny.corpus.runs[2])
    assert answer.status_code == 200, answer.text[:300]
    assert service.http.get(path).json()["run_id"] == run_id


@pytest.mark.parametrize(
    "said",
    [
        {"tags": {f"tag-{n}": "x" for n in range(5000)}},
        {"tags": {"t" * 101: "x"}},
        {"tags": {"t": "x" * 501}},
        {"tags": {"t": 5}},
        {"tags": ["t"]},
        {"agent": "a" * 201},
        {"task": "t" * 2001},
        {"agent": {"$gt": ""}},
    ],
    ids=lambda said: str(said)[:30],
)
def test_too_much_said_of_a_run_is_refused_by_its_field(service: Service, said: dict[str, Any]) -> None:
    document = check_problem(service.http.put("/v1/runs/described", json=said), 422)
    assert document["errors"][0]["pointer"].startswith(f"/{next(iter(said))}")
    assert service.http.get("/v1/runs/described").status_code == 404


def test_a_run_at_its_limit_takes_no_more_and_keeps_what_it_has(service: Service, tiny: TinyBundle) -> None:
    steps = (tiny.corpus.runs[0] * STEPS_PER_RUN)[:STEPS_PER_RUN]
    assert service.http.post("/v1/runs/full/steps", json=steps).status_code == 202
    document = check_problem(service.http.post("/v1/runs/full/steps", json=steps[0]), 409)
    assert document["type"] == "urn:forewarn:problem:run-full"
    assert str(STEPS_PER_RUN) in document["detail"]
    run = service.until_scored("full", STEPS_PER_RUN)
    assert (run["steps"], run["parked"]) == (STEPS_PER_RUN, 0)


def test_an_id_that_comes_again_with_another_body_changes_nothing(service: Service) -> None:
    headers = {"Idempotency-Key": "the-same"}
    assert service.http.post("/v1/runs/again/steps", json={"role": "user"}, headers=headers).status_code == 202
    answer = service.http.post("/v1/runs/again/steps", json={"role": "tool"}, headers=headers)
    assert check_problem(answer, 409)["type"] == "urn:forewarn:problem:id-reused"
    assert service.until_scored("again", 1)["steps"] == 1


def line(run_id: object, step: object, **fields: object) -> bytes:
    return orjson.dumps({"run_id": run_id, "step": step, **fields})


def test_a_poisoned_line_keeps_no_other_line_out(service: Service, tiny: TinyBundle) -> None:
    steps = tiny.corpus.runs[3]
    bad = [
        b"{",
        b'{"run_id": "lines", "step": {"a": NaN}}',
        b'{"run_id": "lines", "step": {"a": "\\ud800"}}',
        b'"\xff"',
        b"[" * 20_000,
        line("lines", None),
        line("-a", {}),
        line("a" * 201, {}),
        line(["lines"], {}),
        line("lines", {"x": "y" * 2_000_000}),
        line("lines", {}, seq=-1),
        line("lines", {}, id="x" * 201),
        line("lines", {}, colour="blue"),
    ]
    lines = [one for pair in zip(bad, (line("lines", step) for step in steps), strict=False) for one in pair]
    good = len(lines) - len(bad)
    answer = post_lines(service, b"\n".join(lines))
    assert answer.status_code == 202, answer.text[:500]
    document = answer.json()
    assert document["accepted"] == good
    assert [refusal["index"] for refusal in document["rejected"]] == list(range(0, len(lines), 2))
    for refusal in document["rejected"]:
        assert 400 <= refusal["status"] < 500
        assert refusal["type"].startswith("urn:forewarn:problem:")
        assert 0 < len(refusal["detail"]) < 1000
    session = Monitor.read(tiny.path).session()
    expected = [session.step(step).score for step in steps[:good]]
    scores = [score["score"] for score in service.until_scored("lines", good)["scores"]]
    assert scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(b" " * 500_000_000, 9), 413),
        (gzip.compress(b"\n" * 100_000_000, 1), 413),
        (gzip.compress(line("bomb", {"x": "y" * 20_000_000})), 413),
        (gzip.compress(gzip.compress(line("bomb", {}))), 400),
        (gzip.compress(line("bomb", {}))[:-10], 400),
        (b"no gzip at all", 400),
        (b"", 400),
    ],
    ids=["spaces", "empty lines", "a long step", "twice", "cut off", "none", "nothing"],
)
def test_gzip_that_unpacks_to_too_much_or_to_nothing_is_refused(service: Service, body: bytes, status: int) -> None:
    check_problem(post_lines(service, body, {"Content-Encoding": "gzip"}), status)
    assert service.http.get("/v1/runs/bomb").status_code == 404


def post_lines(service: Service, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    ndjson = {"Content-Type": "application/x-ndjson"} | (headers or {})
    return service.http.post("/v1/steps", content=body, headers=ndjson, timeout=60)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_run_of_a_million_steps_is_scored_to_its_end(
    tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    many, at_once = 1_000_000, 5_000
    settings = {"FOREWARN_MAX_STEPS_PER_RUN": str(many)}
    with running(tmp_path_factory.mktemp("million"), "--bundle", str(tiny.path), environment=settings) as service:
        service.until_ready()
        steps = (tiny.corpus.runs[0] * at_once)[:at_once]
        for first in range(0, many, at_once):
            body = orjson.dumps([{"step": step, "id": f"{first + n}"} for n, step in enumerate(steps)])

            def taken(body: bytes = body) -> bool:
                # 503 while so many wait to be scored: it is asked again.
                answer = service.http.post("/v1/runs/long/steps?envelope=true", content=body, headers=JSON, timeout=60)
                assert answer.status_code in {202, 429, 503}, answer.text[:500]
                return answer.status_code == 202

            service.until(taken, 600, "taken")
        service.until(lambda: service.http.get("/v1/runs/long?limit=1").json()["scored"] == many, 1800, "scored")
        check_problem(service.http.post("/v1/runs/long/steps", json={}), 409)
        run = service.http.get(f"/v1/runs/long?first={many - 100}&limit=100").json()
        assert run["parked"] == 0
        assert [score["position"] for score in run["scores"]] == list(range(many - 100, many))
        session = Monitor.read(tiny.path).session()
        first_scores = service.http.get("/v1/runs/long?limit=2000").json()["scores"]
        expected = [session.step(step).score for step in steps[:2000]]
        assert [score["score"] for score in first_scores] == pytest.approx(expected, abs=1e-5)


def test_the_corpus_names_every_body_once() -> None:
    assert len({poison.name for poison in EVERYTHING}) == len(EVERYTHING)
