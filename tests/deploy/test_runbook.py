"""deploy/runbook.md: sections that say what they should, commands and settings that exist, and its backup: taken from
an embedded Redis, put back into a plain one, taken from there and put back into a service that goes on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import redis
import typer
from typer.main import get_command

from forewarn.cli import VERBS
from service.settings import PREFIX, Settings
from tests.deploy.composed import DEPLOY
from tests.deploy.runbook import OPERATIONS, PERFORMANCE, RUNBOOK, block, headings, section
from tests.service.live import running
from tests.service.servers import Server, running_cluster, running_single
from tests.tiny_bundle import shared_tiny_bundle


@pytest.mark.parametrize("heading", headings("Alerts"))
def test_a_section_says_what_it_means_how_bad_it_is_and_what_to_do(heading: str) -> None:
    text = section("Alerts").partition(f"### {heading}\n")[2].partition("### ")[0]
    for part in ("**Means**", "**How bad**", "**Look**", "**Do**", "**Escalate**"):
        assert part in text


@pytest.mark.parametrize("text", [RUNBOOK, OPERATIONS], ids=["runbook", "operations"])
def test_every_setting_is_one_that_the_service_knows(text: str) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"\bFOREWARN_[A-Z_]+[A-Z]\b", text)) <= known


def test_every_link_within_it_leads_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in RUNBOOK.splitlines()}
    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= anchors
    for text, folder in ((RUNBOOK, DEPLOY), (OPERATIONS, DEPLOY.parent / "docs")):
        for path in re.findall(r"\]\(([\w./-]+\.md)\)", text):
            assert (folder / path).is_file(), path


FIGURES = ("182", "298", "352", "9,128", "4,684", "6,703", "3,398", "3,571", "6,220", "16,384")


@pytest.mark.parametrize("figure", FIGURES)
def test_capacity_is_planned_from_figures_that_were_measured(figure: str) -> None:
    assert figure in section("Capacity")
    assert figure in PERFORMANCE


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`forewarn ([a-z]+(?: [a-z]+)?)\b", RUNBOOK))))
def test_every_command_is_one_that_there_is(words: str) -> None:
    verb, _, sub_verb = words.partition(" ")
    loaded = VERBS[verb].load()
    if sub_verb:
        group = get_command(loaded) if isinstance(loaded, typer.Typer) else None
        assert sub_verb in getattr(group, "commands", {})


# --- backup and restore, for real -------------------------------------------------------------------------------------


def perform(commands: str, **variables: str | Path) -> None:
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        ["sh", "-euc", commands], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def contents(server: Server) -> dict[str, bytes]:
    """What the keys that last hold: leases run out, and workers report."""
    with redis.Redis(port=server.port) as client:
        names = [name for name in client.scan_iter() if client.ttl(name) == -1]
        return {name.decode(): client.dump(name) for name in sorted(names)}


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_a_backup_goes_through_an_embedded_and_a_plain_redis_and_the_service_goes_on(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    steps = tiny.corpus.runs[0][:6]
    first, second = tmp_path / "backup-1", tmp_path / "backup-2"
    data = tmp_path / "one" / "data"
    with running(tmp_path / "one", "--bundle", str(tiny.path)) as service:
        service.until_ready()
        for index, step in enumerate(steps[:4]):
            service.post("r1", step, f"s{index}")
        before = service.until_scored("r1", 4)
        service.until(lambda: any((data / "archive").glob("*/*.zst")), 20, "archived")
        perform(
            block("Take a backup"),
            REDIS=f"redis-cli -s {data / 'redis' / 'redis.sock'}",
            REDIS_DIR=data / "redis",
            FILES=data,
            BACKUP=first,
        )
        service.post("r2", steps[0], "after")
    plain = tmp_path / "plain"
    perform(block("Put it back"), BACKUP=first, REDIS_DIR=plain, FILES=tmp_path / "files")
    with running_single(plain) as server:
        held = contents(server)
        assert any("run:default:r1" in name for name in held)
        assert not any("run:default:r2" in name for name in held)
        perform(
            block("Take a backup"),
            REDIS=f"redis-cli -p {server.port}",
            REDIS_DIR=plain,
            FILES=tmp_path / "files",
            BACKUP=second,
        )
    data = tmp_path / "two" / "data"
    perform(block("Put it back"), BACKUP=second, REDIS_DIR=data / "redis", FILES=data)
    # The monitor's bundle comes out of the backup too.
    with running(tmp_path / "two", "--bundle", str(next((data / "monitors").iterdir()))) as service:
        service.until_ready()
        assert service.until_scored("r1", 4)["score"] == before["score"]
        for index, step in enumerate(steps):
            assert service.post("r1", step, f"s{index}") == index
        assert service.until_scored("r1", 6)["scored"] == 6
        assert service.get("/v1/runs/r2") == 404


@pytest.mark.soak
@pytest.mark.timeout(240)
@pytest.mark.needs("redis-server")
def test_what_one_redis_holds_goes_on_in_a_cluster(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    steps = tiny.corpus.runs[0][:6]
    with running_single(tmp_path / "old") as old, running_cluster(tmp_path / "cluster") as cluster:
        with running(tmp_path / "one", "--bundle", str(tiny.path), "--redis-url", old.url) as service:
            service.until_ready()
            for index, step in enumerate(steps[:4]):
                service.post("r1", step, f"s{index}")
            before = service.until_scored("r1", 4)
        addresses = {"CLUSTER": cluster.url.removeprefix("redis://"), "OLD": old.url.removeprefix("redis://")}
        perform(block("Copy into a cluster"), **addresses)
        with running(tmp_path / "two", "--bundle", str(tiny.path), "--redis-url", cluster.url) as service:
            service.until_ready()
            assert service.until_scored("r1", 4)["score"] == before["score"]
            assert [service.post("r1", step, f"s{index}") for index, step in enumerate(steps)] == list(range(6))
            assert service.until_scored("r1", 6)["scored"] == 6
