"""deploy/runbook.md and docs/operations.md, for tests to take apart."""

from __future__ import annotations

import re

from tests.deploy.composed import DEPLOY

RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
OPERATIONS = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
PERFORMANCE = (DEPLOY.parent / "docs" / "performance.md").read_text(encoding="utf-8")
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
ADDRESS = "https://github.com/forewarn/forewarn/blob/main/deploy/runbook.md#"


def section(title: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", RUNBOOK, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def headings(title: str) -> list[str]:
    return re.findall(r"^### (.+)$", section(title), flags=re.MULTILINE)


def block(heading: str) -> str:
    """The commands under a heading of the third level."""
    found = re.search(rf"^### {heading}\n.*?^```sh\n(.*?)^```", RUNBOOK, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]
