"""`forewarn compare`: whether one bundle is better than another, on runs that neither has seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.commands.archived_runs import (
    Agents,
    FromArchive,
    IncludeIntervened,
    Projects,
    Since,
    SplitBy,
    Until,
    check_source,
    gathered_meanwhile,
    to_selection,
)
from forewarn.commands.printing import AsJson, print_json, print_rows, to_console

if TYPE_CHECKING:
    from induction.evaluation.comparing import Comparison

# 2 is wrong usage, of this verb as of any.
STATUS = {"better": 0, "worse": 1, "cannot be told": 3}


def compare(
    a: Annotated[Path, typer.Argument(help="The bundle that is there.")],
    b: Annotated[Path, typer.Argument(help="The bundle that may take its place.")],
    raw: Annotated[Path | None, typer.Argument(help="Finished runs: a file, a folder or an archive.")] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl; leave out where the traces carry their outcome.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, max=4, help="Only the runs of this fold.")] = None,
    allow_known_tasks: Annotated[
        bool, typer.Option(help="Also runs of tasks that a bundle knows, as long as it has not seen the run itself.")
    ] = False,
    from_archive: FromArchive = None,
    project: Projects = None,
    agent: Agents = None,
    since: Since = None,
    until: Until = None,
    include_intervened: IncludeIntervened = False,
    split_by: SplitBy = "task",
    as_json: AsJson = False,
) -> None:
    """Say whether bundle B is better than bundle A on the same runs, none of which either was made of.

    Exit status: 0 better, 1 worse (or a failure that is named), 3 cannot be told: only 0 says go.
    """
    from contextlib import ExitStack
    from dataclasses import asdict

    from rich.console import Console

    from induction.evaluation.comparing import Contender
    from induction.evaluation.comparing import compare as compare_bundles
    from induction.learning.labelled import LabelledCorpus
    from induction.reading.gathered import OUTCOMES, RUNS
    from monitors.adapter import read_spec
    from monitors.bundle.folder import ADAPTER
    from monitors.monitor import Monitor

    check_source(raw, from_archive)
    selection = to_selection(project, agent, since, until, split_by, include_intervened=include_intervened)
    status = Console(stderr=True, quiet=as_json, highlight=False, soft_wrap=True)
    monitors = [Monitor.read(bundle) for bundle in (a, b)]
    with ExitStack() as stack:
        if from_archive is not None:
            tell = lambda line: status.print(f"  {line}", markup=False)  # noqa: E731 - one use, one line
            folder = stack.enter_context(gathered_meanwhile(from_archive, selection, tell))
            raw, outcomes = folder / RUNS, folder / OUTCOMES
        assert raw is not None
        pair = [
            Contender(
                bundle,
                monitor,
                LabelledCorpus(raw, read_spec(bundle / ADAPTER), outcomes, gathered=from_archive is not None),
            )
            for bundle, monitor in zip((a, b), monitors, strict=True)
        ]
        with status.status("Scoring runs with both …"):
            found = compare_bundles(pair[0], pair[1], fold=fold, allow_known_tasks=allow_known_tasks)
    costs = [None if one.manifest.cost is None else one.manifest.cost.step_us_at_64 for one in monitors]
    if as_json:
        print_json(asdict(found) | {"step_us_at_64": costs})
    else:
        _print_comparison(found, costs)
    raise typer.Exit(STATUS[found.verdict])


def _print_comparison(found: Comparison, costs: list[float | None]) -> None:
    console = to_console()
    console.print(f"{found.runs:,} runs of {found.tasks:,} tasks that neither has seen, {found.failures:,} failed")
    for count, what in (
        (found.left_out.seen, "that a bundle was made of"),
        (found.left_out.known_tasks, "of tasks that a bundle knows"),
        (found.left_out.unmatched, "that only one of the two adapters reads"),
    ):
        if count:
            console.print(f"left out: {count:,} runs {what}")
    for warning in found.warnings:
        console.print(f"[yellow]warning:[/] {warning}")
    rows = []
    for one in found.figures:
        interval = "–" if one.low is None else f"{one.low:+.3f} … {one.high:+.3f} ({one.level:.1%})"
        rows.append((one.name, f"{one.a:.3f}", f"{one.b:.3f}", f"{one.difference:+.3f}", interval))
    if None not in costs:
        rows.append(("µs a step", f"{costs[0]:g}", f"{costs[1]:g}", "", ""))
    print_rows(("figure", "A", "B", "B − A", "interval"), rows, label="figure")
    for name, broken in zip("AB", found.broken, strict=True):
        if broken:
            console.print(f"{name} alerts more successful runs than it promises")
    console.print(
        f"[bold]B is {found.verdict}[/] at {found.runs:,} runs: {found.why}"
        if found.verdict != "cannot be told"
        else f"[bold]Which is better cannot be told[/] at {found.runs:,} runs: {found.why}"
    )
