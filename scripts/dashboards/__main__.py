"""Writes the dashboards' JSON."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.dashboards.described import DASHBOARDS

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"


def main() -> None:
    """Write every dashboard."""
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(json.dumps(dashboard.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
