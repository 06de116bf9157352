"""`forewarn explain`: which steps of a finished run moved its score, and what in them did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.commands.printing import AsJson, plain, print_json, print_rows, to_console

if TYPE_CHECKING:
    from induction.evaluation.locating import Located
    from monitors.monitor import Monitor
    from monitors.occlusion import StepEffect
    from monitors.stepview import JsonValue


def explain(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    run: Annotated[str | None, typer.Option(help="FILE, FILE#N or the run's own id; left out, see --outcomes.")] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="runs.jsonl with mistake_step: how often the steps that moved the score are those marked."),
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Read the runs with this adapter, where they are of another format.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=100, help="How many steps to look into.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show which steps moved a run's score most, and which fields and words of them did: with --run, one run; with
    --outcomes that mark the step that went wrong, how well that finds it.
    """
    from dataclasses import asdict

    from induction.evaluation.locating import locate
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import compile_adapter, read_spec
    from monitors.attribution import explain_run
    from monitors.monitor import Monitor

    if (run is None) == (outcomes is None):
        raise typer.BadParameter("name one run, or give outcomes that mark steps", param_hint="--run, --outcomes")
    monitor = Monitor.read(bundle)
    if adapter is not None:
        monitor.adapter = compile_adapter(read_spec(adapter))
    if run is None:
        located = locate(monitor, LabelledCorpus(raw, monitor.adapter.spec, outcomes))
        print_json([asdict(one) for one in located]) if as_json else _print_located(located)
        return
    events = _find_events(monitor, bundle, raw, run)
    effects = explain_run(monitor, events, most)
    if as_json:
        print_json([asdict(effect) | {"jump": effect.jump} for effect in effects])
        return
    _print_effects(effects, events, most)


def _find_events(monitor: Monitor, bundle: Path, raw: Path, name: str) -> list[JsonValue]:
    from induction.errors import NoRunsError
    from induction.reading import read_runs
    from monitors.bundle.folder import ADAPTER

    for found in read_runs(raw, monitor.adapter.spec):
        place = found.file if found.loc is None else f"{found.file}#{found.loc}"
        if name in {place, found.file.rsplit("/", 1)[-1], found.run_id} and found.events:
            return found.events
    raise NoRunsError(
        f"{raw} has no run {name!r}; runs are named FILE, FILE#N or by their own id: "
        f"`forewarn adapter apply {bundle / ADAPTER} {raw} --out -` names file and N (loc)"
    )


def _print_effects(effects: list[StepEffect], events: list[JsonValue], most: int) -> None:
    from rich.markup import escape

    from monitors.stepview import to_text

    console = to_console()
    console.print(
        f"{len(effects)} raw steps; the failure logit goes from {effects[0].before:.2f} to {effects[-1].after:.2f}"
    )
    for effect in sorted(effects, key=lambda one: (-one.jump, one.position))[:most]:
        console.print(
            f"[bold]step {effect.position}[/] (turn {effect.turn}): {effect.jump:+.3f}, to {effect.after:.3f}"
        )
        console.print("  " + escape(plain(" ".join(to_text(events[effect.position]).split())[:160])))
        console.print("  fields  " + ", ".join(f"{one.field} {one.effect:+.3f}" for one in effect.fields))
        console.print(
            "  words   " + escape(plain(", ".join(f"{one.text or '?'} {one.effect:+.3f}" for one in effect.ngrams)))
        )


def _print_located(located: list[Located]) -> None:
    to_console().print(f"{located[0].runs} marked runs of {located[0].tasks} tasks; brackets: 95 % interval over tasks")
    rows = []
    for one in located:
        cells = (
            f"{value:.3f} [{one.intervals[name][0]:.2f}, {one.intervals[name][1]:.2f}]"
            for name, value in one.values.items()
        )
        rows.append((one.method, *cells))
    print_rows(("first choice by", *located[0].values), rows)
