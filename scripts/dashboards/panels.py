"""Panels and dashboards in the JSON that Grafana 11 and 12 read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


@dataclass(frozen=True)
class Panel:
    """One panel. `queries`: (expression, legend). `steps`: from these values on it is yellow, then red."""

    title: str
    about: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    steps: Sequence[float] = ()
    most: float | None = None
    stacked: bool = False
    """1 is green, 0 red."""
    good_is_one: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A dashboard: rows of panels under headings. `variables`: label → the metric that has its values."""

    uid: str
    title: str
    about: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    variables: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """As Grafana imports and provisions it."""
        panels: list[Json] = []
        top = 0
        for heading, row in self.rows:
            at = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
            panels.append(
                {
                    "id": len(panels) + 1,
                    "type": "row",
                    "title": heading,
                    "collapsed": False,
                    "gridPos": at,
                    "panels": [],
                }
            )
            top, left, tallest = top + 1, 0, 0
            for panel in row:
                if left + panel.width > COLUMNS:
                    top, left, tallest = top + tallest, 0, 0
                at = {"h": panel.height, "w": panel.width, "x": left, "y": top}
                panels.append(_panel(len(panels) + 1, panel, at))
                left, tallest = left + panel.width, max(tallest, panel.height)
            top += tallest
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["forewarn"],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [
                {
                    "title": "forewarn",
                    "type": "dashboards",
                    "tags": ["forewarn"],
                    "asDropdown": False,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": [_source(), *(_variable(*one) for one in self.variables.items())]},
            "panels": panels,
        }


def _panel(number: int, panel: Panel, at: Json) -> Json:
    colours = [{"color": "green", "value": None}]
    colours += [
        {"color": colour, "value": value} for colour, value in zip(("yellow", "red"), panel.steps, strict=False)
    ]
    if panel.good_is_one:
        colours = [{"color": "red", "value": None}, {"color": "green", "value": 1}]
    defaults: Json = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": colours},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
            "showPoints": "never",
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": at,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": expression,
                "legendFormat": legend,
                "range": panel.kind not in {"table", "bargauge"},
                "instant": panel.kind in {"table", "bargauge"},
                "format": {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series"),
            }
            for place, (expression, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
    }


def _options(kind: str) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match kind:
        case "stat":
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
        case "bargauge":
            return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic"}
        case "heatmap":
            return {
                "calculate": False,
                "yAxis": {"unit": "percentunit", "axisPlacement": "left"},
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                "cellGap": 1,
                "tooltip": {"mode": "single"},
                "legend": {"show": True},
            }
        case "table":
            return {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": True}]}
        case _:
            return {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }


def _source() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(label: str, metric: str) -> Json:
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": label},
        "includeAll": True,
        # Also where no target has the label at all.
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
    }
