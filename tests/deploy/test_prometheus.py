"""Rules and dashboards against a real Prometheus over a real service: every expression finds its data."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from scripts.dashboards.described import DASHBOARDS
from tests.deploy.watched import FOLDER, Watched, watched
from tests.tiny_bundle import shared_tiny_bundle

RULES = [
    rule
    for path in sorted((FOLDER / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
# A metric with its labels' matchers and its range, but neither a function nor a label.
SELECTOR = re.compile(r"\b(?:forewarn[\w:]+|up)(?:\{[^}]*\})?(?:\[\w+\])?")
UNITS = {"short", "s", "bytes", "percentunit", "cps", "reqps"}
KINDS = {"timeseries", "stat", "heatmap", "bargauge", "table", "row"}
PAGES = {one.uid: one.to_json() for one in DASHBOARDS}
PANELS = [
    pytest.param(panel, id=f"{uid}: {panel['title']}")
    for uid, page in PAGES.items()
    for panel in page["panels"]
    if panel["type"] != "row"
]
promtool = pytest.mark.needs("promtool")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    with watched(tmp_path_factory.mktemp("watched"), tiny) as one:
        yield one


def check(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    check("check", "config", "--lint-fatal", "prometheus.yml")


@promtool
def test_alerts_fire_when_they_should_and_not_otherwise() -> None:
    check("test", "rules", "tests/alerts.yml")


def test_every_alert_is_tried_both_ways() -> None:
    tried: dict[str, set[bool]] = {}
    for one in yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text())["tests"]:
        for case in one["alert_rule_test"]:
            tried.setdefault(case["alertname"], set()).add(bool(case.get("exp_alerts")))
    assert tried == {rule["alert"]: {True, False} for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_how_bad_it_is_what_it_saw_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$value" in rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"].endswith("/deploy/runbook.md#" + rule["alert"].lower())


@pytest.mark.slow
@pytest.mark.needs("prometheus")
class TestOverALiveService:
    @pytest.mark.parametrize("panel", PANELS)
    def test_every_query_of_a_panel_has_data(self, prometheus: Watched, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            prometheus.until(as_grafana(target["expr"]), 5)

    def test_every_variable_of_a_dashboard_has_values(self, prometheus: Watched) -> None:
        for page in PAGES.values():
            for variable in page["templating"]["list"][1:]:
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
                assert found, variable
                answer = prometheus.http.get(f"/api/v1/label/{found[2]}/values", params={"match[]": found[1]})
                assert answer.json()["data"], variable["definition"]

    @pytest.mark.parametrize("rule", [one for one in RULES if "record" in one], ids=lambda rule: str(rule["record"]))
    def test_every_recording_rule_records_something(self, prometheus: Watched, rule: dict[str, Any]) -> None:
        if rule["record"] == "forewarn:redis_used:ratio":
            # The embedded Redis has no maxmemory, so there is no share of it: promtool's tests have one.
            assert prometheus.ask("forewarn_redis_limit_bytes")
        else:
            prometheus.until(rule["record"], 5)

    @pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
    def test_all_that_an_alert_looks_at_is_there(self, prometheus: Watched, rule: dict[str, Any]) -> None:
        for selector in set(SELECTOR.findall(rule["expr"])):
            if not selector.startswith("forewarn:redis_used:ratio"):
                prometheus.until(selector if not selector.endswith("]") else f"count_over_time({selector})", 5)

    def test_prometheus_has_no_trouble_with_any_rule(self, prometheus: Watched) -> None:
        groups = prometheus.http.get("/api/v1/rules").json()["data"]["groups"]
        faults = {rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"]}
        assert {name: fault for name, fault in faults.items() if fault} == {}
        assert len(faults) == len(RULES)

    def test_what_went_wrong_in_the_load_fires(self, prometheus: Watched) -> None:
        prometheus.until('ALERTS{alertname="ForewarnWebhookDisabled", alertstate="firing"}')
        prometheus.until('ALERTS{alertname="ForewarnStepsParked"}')

    def test_no_series_is_named_by_a_run(self, prometheus: Watched) -> None:
        labels = prometheus.http.get("/api/v1/labels").json()["data"]
        assert not {"run", "run_id", "alert_id", "webhook"} & set(labels)

    def test_every_exported_metric_is_in_the_list(self, prometheus: Watched) -> None:
        page = (FOLDER.parents[1] / "docs" / "live-metrics.md").read_text()
        told = set(re.findall(r"^\| `(forewarn_\w+)` \|", page, flags=re.MULTILINE))
        families = text_string_to_metric_families(prometheus.service.http.get("/metrics").text)
        exported = {one.name + ("_total" if one.type == "counter" else "") for one in families}
        # In this format a gauge histogram is a histogram with two gauges.
        assert exported - {"forewarn_live_run_risk_gcount", "forewarn_live_run_risk_gsum"} <= told


@pytest.mark.parametrize("uid", PAGES)
class TestDashboards:
    def test_the_committed_json_is_what_its_description_comes_to(self, uid: str) -> None:
        path = FOLDER.parent / "grafana" / "dashboards" / f"{uid}.json"
        assert json.loads(path.read_text()) == PAGES[uid], "run: python -m scripts.dashboards"

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self, uid: str) -> None:
        panels = PAGES[uid]["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken
            assert at["x"] + at["w"] <= 24
            taken |= cells

    def test_every_panel_says_what_it_shows_in_a_known_unit(self, uid: str) -> None:
        for panel in PAGES[uid]["panels"]:
            assert panel["type"] in KINDS
            if panel["type"] != "row":
                assert panel["description"]
                assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
                assert panel["targets"]
                for target in panel["targets"]:
                    assert target["expr"]
                    assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"


def test_the_provisioned_folder_is_where_compose_puts_the_dashboards() -> None:
    provider = yaml.safe_load((FOLDER.parent / "grafana/provisioning/dashboards/forewarn.yaml").read_text())
    mounts = yaml.safe_load((FOLDER.parent / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['providers'][0]['options']['path']}:ro" in mounts


def as_grafana(expression: str) -> str:
    """The expression with what Grafana puts in for "All", over five minutes."""
    for name in ("namespace", "project", "monitor"):
        expression = expression.replace(f"${name}", ".*")
    return expression.replace("$__rate_interval", "5m")
