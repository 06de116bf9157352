"""Quality as metrics: one series a project and monitor, nothing where nothing can be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from service.core.quality.watching import TESTS
from service.records import JsonObject

_OF_ALL, _OF_RUNS = ["project", "monitor"], ["project", "monitor", "runs"]
_SHARES = {
    "precision": "Of runs that alerted, the share that failed; runs with an outcome, nobody intervened.",
    "recall": "Of runs that failed, the share that alerted.",
    "false_alarms": "Of runs that succeeded, the share that alerted: what the monitor promises.",
}

_REACHES = {
    "low_ratio": "the lower end of the share's 95 % interval.",
    "high_ratio": "the upper end of the share's 95 % interval.",
    "runs": "the runs that the share is of.",
}
_REACH_OF = {"low_ratio": "low", "high_ratio": "high", "runs": "of"}


def quality_gauges(reports: Mapping[tuple[str, str], JsonObject]) -> list[GaugeMetricFamily]:
    """The gauges of these reports. `runs` is `all`, `warned` (not a control run) or `control`."""
    shares = {
        name: GaugeMetricFamily(f"forewarn_{name}_ratio", text, labels=_OF_RUNS) for name, text in _SHARES.items()
    }
    # How far the shares may be off, over all runs alone: by part they would be most of /metrics.
    reaches = {
        (name, part): GaugeMetricFamily(
            f"forewarn_{name}_{part}", f"Of {name.replace('_', ' ')}: {text}", labels=_OF_RUNS
        )
        for name in _SHARES
        for part, text in _REACHES.items()
    }
    runs = GaugeMetricFamily("forewarn_finished_runs", "Runs that are over, by what became of them.", labels=_OF_RUNS)
    plain = {
        name: GaugeMetricFamily(f"forewarn_{name}", text, labels=_OF_ALL)
        for name, text in {
            "promised_false_alarms_ratio": "The share of successful runs that may alert: the monitor's promise.",
            "calibration_error_ratio": "Expected calibration error over the latest runs with an outcome.",
            "calibration_z": "Share of failures less mean failure probability, in standard errors.",
            "adapter_known_ratio": "Share of the steps of runs that ended lately that a case of the adapter knew.",
            "symbol_stability_index": "Population stability index of event symbols against the calibration runs.",
        }.items()
    }
    flags = GaugeMetricFamily(
        "forewarn_drift_flagged",
        "1 once a test has said that something has changed: wrongly with its level's probability at most, ever.",
        labels=["project", "monitor", "test"],
    )
    for pair, report in reports.items():
        for name, family in shares.items():
            for which, rightness in (("all", report["all"]), *((one, report["all"][one]) for one in _PARTS)):
                _add(family, [*pair, which], rightness[name]["value"])
        for (name, part), family in reaches.items():
            _add(family, [*pair, "all"], report["all"][name][_REACH_OF[part]])
        for what, count in report["counts"].items():
            _add(runs, [*pair, what], count)
        for name, value in _plain_values(report).items():
            _add(plain[name], list(pair), value)
        flagged = {flag["test"] for flag in report["flags"]}
        for test in TESTS:
            _add(flags, [*pair, test], None if report[test] is None else float(test in flagged))
    return [*shares.values(), *reaches.values(), runs, *plain.values(), flags]


_PARTS = ("warned", "control")


def _plain_values(report: JsonObject) -> dict[str, Any]:
    calibration = report["recent"]["calibration"]
    return {
        "promised_false_alarms_ratio": (report["promise"] or {}).get("alpha"),
        "calibration_error_ratio": calibration["error"],
        "calibration_z": calibration["z"],
        "adapter_known_ratio": (report["coverage"] or {}).get("known"),
        "symbol_stability_index": (report["symbols"] or {}).get("stability_index"),
    }


def _add(family: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)
