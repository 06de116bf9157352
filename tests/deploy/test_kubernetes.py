"""The objects under deploy/kubernetes: by Kubernetes' own schemas, and by what must agree between them and with the
service. No cluster is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import SHARED_PARTITIONS, Settings, read_settings
from service.supervisor import STOP_S
from tests.deploy.composed import read_compose
from tests.deploy.kustomized import build, containers

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("bundled-redis", "external-redis", "gpu")
VERSIONS = ("1.30", "1.34")
# Of the service's health routes.
PROBES = {"/livez", "/readyz"}

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> Objects:
    return build(FOLDER / "overlays" / request.param)


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [one for one in objects if one["kind"] in kinds]


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    return next(one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))


def workloads(objects: Objects) -> Objects:
    return of_kind(objects, "Deployment", "StatefulSet")


def template(workload: dict[str, Any]) -> dict[str, Any]:
    return dict(workload["spec"]["template"])


def environment_of(workload: dict[str, Any], objects: Objects) -> dict[str, str]:
    """What the first container's process finds in its environment."""
    container = containers(workload)[0]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            found |= named(objects, "Secret", source["secretRef"]["name"])["stringData"]
    own = [(one["name"], one["value"]) for one in container.get("env", [])]
    assert len(dict(own)) == len(own), f"a variable is there twice: {own}"
    return found | dict(own)


def settings_of(name: str, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for variable, value in environment_of(named(objects, "Deployment", name), objects).items():
        monkeypatch.setenv(variable, value)
    settings = read_settings()
    monkeypatch.undo()
    return settings


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(objects: Objects, version: str) -> None:
    for one in objects:
        if one["apiVersion"] != "keda.sh/v1alpha1":
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not here, and no package that CI takes brings it"
)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_makes_the_same_objects_as_the_reader_of_these_tests(overlay: str) -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    theirs = [json.dumps(one, sort_keys=True) for one in yaml.safe_load_all(done.stdout)]
    ours = [json.dumps(one, sort_keys=True) for one in build(FOLDER / "overlays" / overlay)]
    assert sorted(ours) == sorted(theirs)


def test_the_service_takes_every_setting_that_its_pods_get(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    api = settings_of("forewarn-api", objects, monkeypatch)
    worker = settings_of("forewarn-worker", objects, monkeypatch)
    assert (api.role, worker.role) == ("api", "worker")
    assert api.redis_url == worker.redis_url
    assert api.monitors_folder == worker.monitors_folder
    assert api.archive_folder is not None
    assert api.archive_folder == worker.archive_folder
    assert api.api_key is not None
    for settings, name in ((api, "forewarn-api"), (worker, "forewarn-worker")):
        (port,) = containers(named(objects, "Deployment", name))[0]["ports"]
        assert port["containerPort"] == settings.port


def test_what_is_written_to_is_a_volume_and_all_else_is_read_only(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    for workload in workloads(objects):
        (container,) = containers(workload)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        if workload["kind"] == "Deployment":
            settings = settings_of(workload["metadata"]["name"], objects, monkeypatch)
            mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
            written = [settings.monitors_folder, Path("/tmp/metrics"), Path("/data"), settings.archive_folder]
            for folder in filter(None, written):
                assert any(folder.is_relative_to(mount) for mount in mounts), folder
        volumes = {one["name"] for one in template(workload)["spec"]["volumes"]}
        volumes |= {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_archive_is_one_for_all_workers_on_storage_that_many_nodes_write_to(objects: Objects) -> None:
    assert named(objects, "PersistentVolumeClaim", "forewarn-files")["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("forewarn-api", "forewarn-worker"):
        volumes = template(named(objects, "Deployment", name))["spec"]["volumes"]
        assert {"claimName": "forewarn-files"} in [one.get("persistentVolumeClaim") for one in volumes]


def test_no_pod_may_more_than_it_needs(objects: Objects) -> None:
    for workload in workloads(objects):
        pod = template(workload)["spec"]
        assert pod["automountServiceAccountToken"] is False
        named(objects, "ServiceAccount", pod["serviceAccountName"])
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == (10001 if workload["kind"] == "Deployment" else 999)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_images_have_a_tag_that_says_a_version(objects: Objects) -> None:
    for workload in workloads(objects):
        for container in containers(workload):
            _, _, tag = container["image"].rpartition(":")
            assert tag[:1].isdigit(), container["image"]


def test_every_selector_finds_the_pods_that_it_means(objects: Objects) -> None:
    pods = [template(workload)["metadata"]["labels"].items() for workload in workloads(objects)]
    for workload in workloads(objects):
        assert workload["spec"]["selector"]["matchLabels"] == template(workload)["metadata"]["labels"]
    selectors = [one["spec"]["selector"] for one in of_kind(objects, "Service")]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind(objects, "PodDisruptionBudget")]
    selectors += [one["spec"]["podSelector"].get("matchLabels", {}) for one in of_kind(objects, "NetworkPolicy")]
    for selector in selectors:
        assert any(selector.items() <= labels for labels in pods), selector


def test_every_named_port_is_one_of_the_pods_behind_it(objects: Objects) -> None:
    for service in of_kind(objects, "Service"):
        selector = service["spec"]["selector"].items()
        (workload,) = [one for one in workloads(objects) if selector <= template(one)["metadata"]["labels"].items()]
        known = {port["name"] for container in containers(workload) for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= known


def test_probes_ask_for_what_is_there(objects: Objects) -> None:
    for deployment in of_kind(objects, "Deployment"):
        (container,) = containers(deployment)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] in PROBES
            assert container[probe]["httpGet"]["port"] == "http"
        # One that restarts whoever waits for Redis would make an outage longer.
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_an_api_takes_steps_while_no_worker_is_there(objects: Objects) -> None:
    api, worker = (containers(named(objects, "Deployment", f"forewarn-{role}"))[0] for role in ("api", "worker"))
    assert api["readinessProbe"]["httpGet"]["path"] == "/livez"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_pod_has_longer_to_leave_than_its_drain_takes(objects: Objects) -> None:
    for deployment in of_kind(objects, "Deployment"):
        pod = template(deployment)["spec"]
        (container,) = pod["containers"]
        before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        assert pod["terminationGracePeriodSeconds"] >= STOP_S + int(before[1]) + 5


def test_a_disruption_leaves_somebody_and_can_happen(objects: Objects) -> None:
    least = {
        "forewarn-worker": named(objects, "ScaledObject", "forewarn-worker")["spec"]["minReplicaCount"],
        "forewarn-api": named(objects, "HorizontalPodAutoscaler", "forewarn-api")["spec"]["minReplicas"],
    }
    for budget in of_kind(objects, "PodDisruptionBudget"):
        replicas = least[budget["metadata"]["name"]]
        assert 0 < budget["spec"].get("minAvailable", replicas - 1) < replicas
        assert budget["spec"].get("maxUnavailable", 1) < replicas


def test_replicas_are_set_by_one_hand(objects: Objects) -> None:
    scaled = named(objects, "ScaledObject", "forewarn-worker")["spec"]["scaleTargetRef"]["name"]
    assert "replicas" not in named(objects, "Deployment", scaled)["spec"]
    assert "replicas" not in named(objects, "Deployment", "forewarn-api")["spec"]


def test_workers_scale_on_steps_that_wait_and_stay_below_the_partitions(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.telemetry import backlog_gauge

    scaled = named(objects, "ScaledObject", "forewarn-worker")["spec"]
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "prometheus"
    gauge = backlog_gauge([1])
    (sample,) = gauge.samples
    assert gauge.name in trigger["metadata"]["query"]
    assert all(label in trigger["metadata"]["query"] for label in sample.labels)
    workers = settings_of("forewarn-worker", objects, monkeypatch).workers
    assert scaled["minReplicaCount"] <= scaled["maxReplicaCount"] * workers <= SHARED_PARTITIONS


def test_redis_is_asked_by_pods_of_forewarn_alone() -> None:
    objects = build(FOLDER / "overlays" / "bundled-redis")
    (way_in,) = named(objects, "NetworkPolicy", "forewarn-redis")["spec"]["ingress"]
    assert way_in["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "forewarn"}}}]
    assert named(objects, "NetworkPolicy", "nothing-else")["spec"]["podSelector"] == {}


def test_the_bundled_redis_has_the_password_that_the_service_uses() -> None:
    objects = build(FOLDER / "overlays" / "bundled-redis")
    password = named(objects, "Secret", "forewarn-redis")["stringData"]["redis-password"]
    url = named(objects, "Secret", "forewarn-secrets")["stringData"]["FOREWARN_REDIS_URL"]
    assert url == f"redis://:{password}@{named(objects, 'Service', 'forewarn-redis')['metadata']['name']}:6379/0"
    (mounted,) = [
        one["secret"]["secretName"]
        for one in template(named(objects, "StatefulSet", "forewarn-redis"))["spec"]["volumes"]
    ]
    assert mounted == "forewarn-redis"


def test_the_bundled_redis_has_the_options_of_the_one_in_compose() -> None:
    objects = build(FOLDER / "overlays" / "bundled-redis")
    (redis,) = containers(named(objects, "StatefulSet", "forewarn-redis"))
    theirs = read_compose()["services"]["redis"]
    command = theirs["entrypoint"][-1].replace('"$MAXMEMORY"', theirs["environment"]["MAXMEMORY"])
    assert redis["args"] == [command.replace("/run/secrets/", "/run/secrets/forewarn/")]
    assert redis["image"] == theirs["image"]


def test_the_gpu_overlay_scores_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = build(FOLDER / "overlays" / "gpu")
    (container,) = containers(named(objects, "Deployment", "forewarn-worker"))
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-serve-gpu")
    assert settings_of("forewarn-worker", objects, monkeypatch).device == "cuda"
