"""The ledger: every full run of the benchmark leaves its figures, so that nobody can tune on test folds unseen."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from induction.benchmark.plan import Plan
from induction.benchmark.results import Results
from induction.benchmark.tables import to_name

FIGURES = ("auprc_h3_answered", "auprc_h3", "auroc_fail_5", "recall@0.10", "left@0.10", "far@0.10")
_HEADER = ("date", "commit", "corpus", "split", "monitor", "seeds", *FIGURES)


def append_to_ledger(path: Path, plan: Plan, results: Results) -> None:
    """Append a line for each corpus, split and contender: date, commit, seeds, and means over seeds. A file that is not
    there begins with a header.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_line(_HEADER) + _line(["---"] * len(_HEADER)), "utf-8")
    stamp = (datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), _read_commit())
    seeds = " ".join(map(str, plan.seeds))
    contenders = {(one.preset, one.head) for one in plan.contenders}
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in results.rows:
        if row["fold"] is None and "share" not in row and (row["preset"], row["head"]) in contenders:
            place = (str(row["corpus"]), str(row["split"]), to_name(row))
            values.setdefault(place, {}).setdefault(row["metric"], []).append(row["value"])
    with path.open("a", encoding="utf-8") as file:
        for place, found in values.items():
            figures = (f"{np.mean(found[name]):.3f}" if name in found else "–" for name in FIGURES)
            file.write(_line([*stamp, *place, seeds, *figures]))


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _read_commit() -> str:
    """Return the commit that forewarn runs from, with + where files differ from it; a dash outside a checkout."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],  # noqa: S607 (whichever git the user has)
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "–"
    return answer.stdout.strip()
