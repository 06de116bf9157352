"""What the three dashboards show."""

from __future__ import annotations

from scripts.dashboards.panels import Dashboard, Panel

_N = 'namespace=~"$namespace"'
_PAIR = _N + ', project=~"$project", monitor=~"$monitor"'
_BY_PAIR = "{{project}} {{monitor}}"

_ALERTS = f'max by (project, severity, state) (forewarn_newest_alerts{{{_N}, project=~"$project"}})'


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_N}{more}}}[$__rate_interval]))"


def _latency(metric: str, quantile: float) -> str:
    return f"histogram_quantile({quantile}, {_rate(metric + '_bucket', 'le')})"


def _ratio(above: str, below: str, by: str) -> str:
    return f"{_rate(above, by)} / {_rate(below, by)}"


HEALTH = Dashboard(
    uid="forewarn-service",
    title="forewarn: service health",
    about="Does the service take steps, score them in time and deliver its alerts?",
    variables={"namespace": "forewarn_ready"},
    rows=[
        (
            "Now",
            [
                Panel(
                    "Ready",
                    "1 if every check of /readyz is passed, by instance.",
                    [(f"min by (instance) (forewarn_ready{{{_N}}})", "{{instance}}")],
                    kind="stat",
                    width=6,
                    height=5,
                    good_is_one=True,
                ),
                Panel(
                    "Steps that wait",
                    "Stored and not scored yet.",
                    [(f"forewarn:backlog_steps:sum{{{_N}}}", "steps")],
                    kind="stat",
                    width=6,
                    height=5,
                    steps=(5_000, 50_000),
                ),
                Panel(
                    "Longest wait",
                    "Of the step that is to be scored next. An alert comes from 5 s on.",
                    [(f"forewarn:backlog_seconds:max{{{_N}}}", "waits")],
                    unit="s",
                    kind="stat",
                    width=6,
                    height=5,
                    steps=(1, 5),
                ),
                Panel(
                    "Parked",
                    "Steps that could not be scored and lie aside.",
                    [(f"forewarn:parked_steps:sum{{{_N}}}", "steps")],
                    kind="stat",
                    width=6,
                    height=5,
                    steps=(1, 100),
                ),
            ],
        ),
        (
            "Steps",
            [
                Panel(
                    "Accepted and scored",
                    "A second. Where they part, steps wait.",
                    [
                        (_rate("forewarn_steps_accepted_total", "namespace"), "accepted {{namespace}}"),
                        (_rate("forewarn_steps_scored_total", "device"), "scored on {{device}}"),
                    ],
                    unit="cps",
                ),
                Panel(
                    "Step to score",
                    "From a step's arrival at the API to its committed score. Measured: 99 % within 25 ms.",
                    [(_latency("forewarn_event_to_score_seconds", q), f"{q:.0%}") for q in (0.5, 0.95, 0.99)],
                    unit="s",
                    steps=(0.025, 1),
                ),
                Panel(
                    "Wait by partition",
                    "The ten partitions that wait longest.",
                    [(f"topk(10, max by (partition) (forewarn_backlog_seconds{{{_N}}}))", "{{partition}}")],
                    unit="s",
                    steps=(1, 5),
                ),
                Panel(
                    "Batch size",
                    "Steps of one batch, mean. Larger under load.",
                    [
                        (
                            _ratio("forewarn_batch_steps_sum", "forewarn_batch_steps_count", "namespace"),
                            "steps",
                        )
                    ],
                ),
                Panel(
                    "Requests refused",
                    "A second, by problem.",
                    [(_rate("forewarn_step_requests_refused_total", "problem"), "{{problem}}")],
                    unit="reqps",
                ),
                Panel(
                    "Append",
                    "Time to store a request's steps durably.",
                    [(_latency("forewarn_append_seconds", q), f"{q:.0%}") for q in (0.5, 0.99)],
                    unit="s",
                ),
            ],
        ),
        (
            "Webhooks",
            [
                Panel(
                    "Deliveries that came to an end",
                    "A second, by state. failed and expired are dead letters.",
                    [(_rate("forewarn_webhook_deliveries_total", "state"), "{{state}}")],
                    unit="cps",
                    width=8,
                ),
                Panel(
                    "Attempts",
                    "A second, by answer; none: no answer came.",
                    [(_rate("forewarn_webhook_attempts_total", "answer"), "{{answer}}")],
                    unit="cps",
                    width=8,
                ),
                Panel(
                    "Webhooks",
                    "Active, failing (the last attempt failed), disabled.",
                    [(f"max by (state) (forewarn_webhooks{{{_N}}})", "{{state}}")],
                    width=8,
                    stacked=True,
                ),
                Panel(
                    "Deliveries that wait",
                    "For a first or a further try.",
                    [
                        (f"sum by (namespace) (forewarn_webhook_pending{{{_N}}})", "pending"),
                        (f"sum by (namespace) (forewarn_webhook_in_flight{{{_N}}})", "under way"),
                    ],
                ),
                Panel(
                    "Alert to webhook",
                    "From an alert's creation to its acceptance, retries included.",
                    [(_latency("forewarn_webhook_alert_to_delivered_seconds", q), f"{q:.0%}") for q in (0.5, 0.99)],
                    unit="s",
                ),
            ],
        ),
        (
            "What it rests on",
            [
                Panel(
                    "Redis memory",
                    "Used, and its limit (0: none). From 80 % on steps are refused.",
                    [
                        (f"max by (namespace) (forewarn_redis_used_bytes{{{_N}}})", "used"),
                        (f"max by (namespace) (forewarn_redis_limit_bytes{{{_N}}})", "limit"),
                    ],
                    unit="bytes",
                    width=8,
                ),
                Panel(
                    "Workers",
                    "Alive, by device.",
                    [(f"max by (device) (forewarn_workers{{{_N}}})", "{{device}}")],
                    width=8,
                ),
                Panel(
                    "Checks",
                    "The checks of /readyz; 0 is failing.",
                    [(f"min by (check) (forewarn_check_ok{{{_N}}})", "{{check}}")],
                    kind="bargauge",
                    width=8,
                    most=1,
                    good_is_one=True,
                ),
            ],
        ),
    ],
)

QUALITY = Dashboard(
    uid="forewarn-quality",
    title="forewarn: monitor quality",
    about="Do monitors keep their promise, how much do they catch, and has what they watch changed?",
    variables={"namespace": "forewarn_ready", "project": "forewarn_finished_runs", "monitor": "forewarn_finished_runs"},
    rows=[
        (
            "The promise",
            [
                Panel(
                    "False alarms: promised and realised",
                    "Of successful runs, the share that alerted, with its 95 % interval, beside the promise.",
                    [
                        (f"forewarn:false_alarms:ratio{{{_PAIR}}}", f"realised {_BY_PAIR}"),
                        (f"forewarn:false_alarms:low_ratio{{{_PAIR}}}", f"low {_BY_PAIR}"),
                        (f"forewarn:false_alarms:high_ratio{{{_PAIR}}}", f"high {_BY_PAIR}"),
                        (f"forewarn:promised_false_alarms:ratio{{{_PAIR}}}", f"promised {_BY_PAIR}"),
                    ],
                    unit="percentunit",
                    most=1,
                    width=16,
                    height=10,
                ),
                Panel(
                    "Successful runs",
                    "What the realised share is of: few runs, wide interval.",
                    [(f"forewarn:false_alarms:runs{{{_PAIR}}}", _BY_PAIR)],
                    kind="bargauge",
                    width=8,
                    height=5,
                ),
                Panel(
                    "Flags",
                    "1 once a test has said that something changed; it stays until the monitor is replaced.",
                    [(f"max by (test) (forewarn:drift_flagged:max{{{_PAIR}}})", "{{test}}")],
                    kind="stat",
                    width=8,
                    height=5,
                    steps=(0.5, 1),
                    most=1,
                ),
            ],
        ),
        (
            "What it catches",
            [
                Panel(
                    "Recall",
                    "Of runs that failed, the share that alerted.",
                    [(f"forewarn:recall:ratio{{{_PAIR}}}", _BY_PAIR)],
                    unit="percentunit",
                    most=1,
                    width=8,
                ),
                Panel(
                    "Precision",
                    "Of runs that alerted, the share that failed.",
                    [(f"forewarn:precision:ratio{{{_PAIR}}}", _BY_PAIR)],
                    unit="percentunit",
                    most=1,
                    width=8,
                ),
                Panel(
                    "Lead",
                    "Turns from a failed run's first alert to its last turn, median over the newest alerts.",
                    [(f"max by (project, monitor) (forewarn_lead_median_turns{{{_PAIR}}})", _BY_PAIR)],
                    width=8,
                ),
            ],
        ),
        (
            "Drift",
            [
                Panel(
                    "Calibration",
                    "Standard errors between told and realised share of failures; beyond 3.3 is not luck.",
                    [(f"abs(forewarn:calibration:z{{{_PAIR}}})", _BY_PAIR)],
                    width=8,
                    steps=(2, 3.3),
                ),
                Panel(
                    "Steps that the adapter knew",
                    "Of runs that ended lately.",
                    [(f"max by (project, monitor) (forewarn_adapter_known_ratio{{{_PAIR}}})", _BY_PAIR)],
                    unit="percentunit",
                    most=1,
                    width=8,
                ),
                Panel(
                    "Event symbols",
                    "Population stability index against calibration; by custom 0.25 is a shift.",
                    [(f"max by (project, monitor) (forewarn_symbol_stability_index{{{_PAIR}}})", _BY_PAIR)],
                    width=8,
                    steps=(0.1, 0.25),
                ),
            ],
        ),
        (
            "Shadow beside active",
            [
                Panel(
                    "Episodes",
                    "A second: a shadow's would-be ones, and real ones over the same steps.",
                    [
                        (
                            _rate("forewarn_shadow_alerts_total", "monitor, role", ', monitor=~"$monitor"'),
                            "{{role}} {{monitor}}",
                        )
                    ],
                    unit="cps",
                    width=8,
                ),
                Panel(
                    "Mean difference",
                    "How far the two failure probabilities lie apart.",
                    [
                        (
                            _ratio(
                                "forewarn_shadow_absolute_difference_total",
                                "forewarn_shadow_compared_steps_total",
                                "monitor",
                            ),
                            "{{monitor}}",
                        )
                    ],
                    width=8,
                ),
                Panel(
                    "Steps of shadows",
                    "A second.",
                    [(_rate("forewarn_shadow_steps_total", "monitor"), "{{monitor}}")],
                    unit="cps",
                    width=8,
                ),
            ],
        ),
    ],
)

FLEET = Dashboard(
    uid="forewarn-fleet",
    title="forewarn: fleet",
    about="How the agents are doing: risks of live runs, and their alerts.",
    variables={"namespace": "forewarn_ready", "project": "forewarn_newest_alerts"},
    rows=[
        (
            "Live runs",
            [
                Panel(
                    "Risk",
                    "Live runs by their risk now. Many in the upper cells at once: something is wrong for all.",
                    [(f"max by (le) (forewarn_live_run_risk_bucket{{{_N}}})", "{{le}}")],
                    kind="heatmap",
                    width=16,
                    height=10,
                ),
                Panel(
                    "Live runs",
                    "Neither ended nor expired.",
                    [(f"max by (namespace) (forewarn_live_runs{{{_N}}})", "runs")],
                    kind="stat",
                    width=8,
                    height=5,
                ),
                Panel(
                    "Steps scored",
                    "A second.",
                    [(f"forewarn:steps_scored:rate5m{{{_N}}}", "steps")],
                    unit="cps",
                    kind="stat",
                    width=8,
                    height=5,
                ),
            ],
        ),
        (
            "Alerts",
            [
                Panel(
                    "Alerts opened",
                    "A second, by severity.",
                    [(_rate("forewarn_alerts_total", "severity"), "{{severity}}")],
                    unit="cps",
                    stacked=True,
                ),
                Panel(
                    "Newest 300 alerts by state",
                    "What has become of them.",
                    [
                        (
                            f"sum by (state) ({_ALERTS})",
                            "{{state}}",
                        )
                    ],
                    stacked=True,
                ),
                Panel(
                    "By project and severity",
                    "The newest 300 alerts.",
                    [
                        (
                            f"topk(20, sum by (project, severity) ({_ALERTS}))",
                            "{{project}} {{severity}}",
                        )
                    ],
                    kind="bargauge",
                ),
                Panel(
                    "Monitors that alert most",
                    "Episodes opened in the last hour.",
                    [(f"topk(10, sum by (monitor) (increase(forewarn_alerts_total{{{_N}}}[1h])))", "{{monitor}}")],
                    kind="bargauge",
                ),
            ],
        ),
    ],
)

DASHBOARDS = (HEALTH, QUALITY, FLEET)
