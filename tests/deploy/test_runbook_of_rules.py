"""The runbook and Prometheus's rules say the same: a section for each alert and no other, metrics that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.composed import DEPLOY
from tests.deploy.runbook import ADDRESS, OPERATIONS, RULES, RUNBOOK, headings


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    rules = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule]
    assert alerts
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == ADDRESS + rule["alert"].lower()
    assert sorted(headings("Alerts")) == sorted({rule["alert"] for rule in alerts})


def test_every_metric_is_one_that_the_service_or_a_rule_makes() -> None:
    made = "".join(path.read_text() for path in (DEPLOY.parent / "service").rglob("*.py"))
    recorded = "".join(path.read_text() for path in RULES)
    for name in set(re.findall(r"\bforewarn[:_][a-z_:0-9]+", RUNBOOK)):
        whole = name.removesuffix("_total")
        # Some are made of a prefix and a name in quotes.
        spelt = (whole, f'"{whole.removeprefix("forewarn_")}"')
        assert any(one in made for one in spelt) or f"record: {name}" in recorded, name


@pytest.mark.needs("promtool")
def test_prometheus_takes_the_jobs_for_kubernetes(tmp_path: Path) -> None:
    (config,) = re.findall(r"^```yaml\n(.*?)^```", OPERATIONS, flags=re.MULTILINE | re.DOTALL)
    # Debian's Prometheus is built without Kubernetes: it checks all but that.
    without = re.sub(r"kubernetes_sd_configs: .*", "static_configs: []", config)
    (tmp_path / "prometheus.yml").write_text(without)
    check = ["promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")]
    assert subprocess.run(check, timeout=30, check=False).returncode == 0
    jobs = {job["job_name"] for job in yaml.safe_load(config)["scrape_configs"]}
    ours = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert jobs == {job["job_name"] for job in ours}
