"""Writes the tables of docs/adapters.md anew: what `forewarn induce` infers from each corpus, how well it fits, what it
costs.

    python scripts/adapter_table.py DIR [--docs docs/adapters.md]

DIR holds corpora as NAME/raw.… beside NAME/runs.jsonl, as for `forewarn benchmark`. Each adapter is induced by the
command, without options, in a process of its own, whose processor time and peak memory are taken; then it is checked
against all runs of the corpus. Without --docs the tables go to standard output.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import orjson

from induction.adapters.checking import Fit, check_adapter
from induction.adapters.describing import describe_event_unit, describe_selector
from induction.reading.runs import read_runs
from monitors.adapter import AdapterSpec, read_spec
from monitors.adapter.coverage import FIELDS

BEGIN, END = "<!-- adapter_table.py writes from here -->", "<!-- to here -->"
SHOWN_FIELDS = ("action", "tool", "args", "result", "observation")
MAX_PATHS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A corpus: its adapter, how far that fits, and what inducing it took. `listed` are the runs of runs.jsonl, `found`
    those of them that the adapter finds by file and place.
    """

    name: str
    spec: AdapterSpec
    fit: Fit
    listed: int
    found: int
    seconds: float
    peak_mb: float


def main() -> None:
    """Measure every corpus and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--docs", type=Path, help="rewrite the tables inside this file")
    options = parser.parse_args()
    rows = [measure(folder) for folder in sorted(options.data.iterdir()) if (folder / "runs.jsonl").is_file()]
    if not rows:
        sys.exit(f"{options.data}: no folder in it holds raw.… beside runs.jsonl")
    text = "\n".join([*inferred_table(rows), "", *figures_table(rows)])
    if options.docs is None:
        print(text)
        return
    before, _, rest = options.docs.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    options.docs.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def measure(folder: Path) -> Row:
    """Return the row of one corpus."""
    print(f"{folder.name} …", file=sys.stderr)
    raw = next(path for path in sorted(folder.iterdir()) if path.name.startswith("raw"))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "adapter.json"
        seconds, peak_mb = induce(raw, out)
        spec = read_spec(out)
    listed = [orjson.loads(line) for line in (folder / "runs.jsonl").read_bytes().splitlines()]
    places = {(run.file, run.loc) for run in read_runs(raw, spec)}
    found = sum((row["file"], row["loc"]) in places for row in listed)
    return Row(folder.name, spec, check_adapter(raw, spec), len(listed), found, seconds, peak_mb)


def induce(raw: Path, out: Path) -> tuple[float, float]:
    """Return the processor seconds and the peak MB of `forewarn induce RAW --out OUT`: other programs do not count."""
    command = [sys.executable, "-m", "forewarn", "induce", str(raw), "--out", str(out), "--json"]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    _, status, usage = os.wait4(os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet), 0)
    if status:
        sys.exit(f"forewarn induce {raw} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def inferred_table(rows: list[Row]) -> list[str]:
    """Return the lines of the table of what was inferred."""
    lines = [
        f"| corpus | runs | one raw step | {' | '.join(SHOWN_FIELDS)} |",
        f"|---|---|---|{'---|' * len(SHOWN_FIELDS)}",
    ]
    for row in rows:
        source = row.spec.source
        places = [
            f"runs {_codes([pointer or 'the file' for pointer in source.runs])}",
            f"steps {_codes([pointer or 'its blocks' for pointer in source.events])}",
        ]
        cells = [row.name, "<br>".join(places), _cell(describe_event_unit(row.spec))]
        lines.append(f"| {' | '.join([*cells, *(_codes(_paths(row.spec, name)) for name in SHOWN_FIELDS)])} |")
    return lines


def figures_table(rows: list[Row]) -> list[str]:
    """Return the lines of the table of coverage and cost."""
    lines = [
        "| corpus | runs found | raw steps | known | filled, % of raw steps: "
        + " / ".join(FIELDS)
        + " | cut to limits "
        "| induction, processor time and memory | µs a raw step, median (p99) | µs per 2 KB, median (p99) |",
        "|---|--:|--:|--:|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        fit, cost = row.fit, row.fit.cost
        cells = [
            row.name,
            f"{row.found} of {row.listed}",
            str(fit.steps),
            f"{100 * fit.known:.1f} %",
            " / ".join(f"{100 * fit.fills[name]:.0f}" for name in FIELDS),
            f"{100 * fit.truncated:.1f} %",
            f"{row.seconds:.1f} s, {row.peak_mb:.0f} MB",
            f"{cost.p50_us:.0f} ({cost.p99_us:.0f})",
            f"{cost.p50_us_per_2kb:.0f} ({cost.p99_us_per_2kb:.0f})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _paths(spec: AdapterSpec, name: str) -> list[str]:
    selectors = [selector for case in spec.event.cases for selector in getattr(case.fields, name)]
    return list(dict.fromkeys(describe_selector(selector) for selector in selectors))


def _codes(texts: list[str]) -> str:
    shown = [f"`{_cell(text)}`" for text in texts[:MAX_PATHS]]
    more = [f"and {len(texts) - MAX_PATHS} more"] if len(texts) > MAX_PATHS else []
    return "<br>".join([*shown, *more]) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
