"""What a benchmark leaves for people: tables as Markdown, and one page with pictures."""

from __future__ import annotations

from pathlib import Path

from induction.benchmark.plan import Plan
from induction.benchmark.results import Results
from induction.benchmark.tables import to_tables

TABLE = "table.md"


def write_report(plan: Plan, results: Results, out: Path) -> list[str]:
    """Write `table.md` under `out`; return its lines."""
    lines = [line for table in to_tables(plan, results) for line in table.to_markdown()]
    (out / TABLE).write_text("\n".join(lines) + "\n", "utf-8")
    return lines
