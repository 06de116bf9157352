"""`forewarn benchmark`: presets compared on corpora, five folds, several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from forewarn.commands.places import check_folder
from forewarn.commands.printing import AsJson, print_json, to_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from induction.benchmark.fitting import OnFit
    from induction.benchmark.plan import Plan


def benchmark(
    data: Annotated[Path, typer.Option(help="A folder of corpora: NAME/raw.… beside NAME/runs.jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder for fits, rows, tables and the page; fits there are kept.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Only this corpus; may be given several times.")] = None,
    preset: Annotated[
        list[str] | None, typer.Option(help="PRESET or PRESET/HEAD; may be given several times. All if left out.")
    ] = None,
    split: Annotated[
        Literal["new", "known", "both"], typer.Option(help="new: tasks never seen; known: tasks repeat.")
    ] = "new",
    seeds: Annotated[int, typer.Option(min=1, max=3, help="How many of the seeds 13, 42, 123.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Fits at once, each on one core.")] = 1,
    learning_curve: Annotated[
        bool, typer.Option(help="Also fit with 12.5, 25 and 50 % of the training data, first seed alone.")
    ] = False,
    shuffle_outcomes: Annotated[
        bool, typer.Option(help="Leak check: outcomes shuffled over runs; nothing should tell failures.")
    ] = False,
    noise_words: Annotated[
        bool, typer.Option(help="Leak check: traces of noise words, as long as the true ones; nor should here.")
    ] = False,
    ledger: Annotated[
        Path | None, typer.Option(help="Append what came out to this file, one line a figure row.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train, calibrate and test presets under the protocol of docs/benchmark.md; goes on where it was stopped."""
    from rich.console import Console

    from induction.benchmark.ledger import append_to_ledger
    from induction.benchmark.report import write_report
    from induction.benchmark.running import run_benchmark

    if shuffle_outcomes and noise_words:
        raise typer.BadParameter("one leak check at a time", param_hint="--shuffle-outcomes, --noise-words")
    check_folder(out)
    plan = _to_plan(data, corpus or [], preset or [], split, seeds, learning_curve=learning_curve)
    plan = _to_control(plan, out, shuffle=shuffle_outcomes, noise=noise_words)
    status = Console(stderr=True, quiet=as_json, soft_wrap=True, highlight=False)
    for name in plan.left_out():
        status.print(f"{name}: every task has one run, so that known tasks cannot be asked; only new ones are")
    with _progress(status) as progress:
        try:
            results = run_benchmark(plan, out, _reporter(plan, progress, status), jobs)
        except KeyboardInterrupt:
            progress.stop()
            status.print(f"stopped; the fits that were done are in {out / 'fits'}, and the same command goes on")
            raise typer.Exit(130) from None
    lines = write_report(plan, results, out)
    if ledger is not None:
        append_to_ledger(ledger, plan, results)
    if as_json:
        print_json(results.rows)
        return
    to_console().print("\n".join(lines), markup=False)
    status.print(f"written: {', '.join(str(out / name) for name in ('results.jsonl', 'table.md', 'index.html'))}")


def _to_plan(
    data: Path, corpora: list[str], presets: list[str], split: str, seeds: int, *, learning_curve: bool
) -> Plan:
    from induction.benchmark.plan import SEEDS, SHARES, Plan, find_contender, find_corpora
    from induction.learning.presets import PRESETS

    splits = {"new": ("new",), "known": ("known",), "both": ("new", "known")}
    try:
        contenders = tuple(dict.fromkeys(find_contender(name) for name in presets or PRESETS))
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--preset") from None
    shares = (*SHARES, 1.0) if learning_curve else (1.0,)
    return Plan(find_corpora(data, corpora), contenders, splits[split], SEEDS[:seeds], shares)


def _to_control(plan: Plan, out: Path, *, shuffle: bool, noise: bool) -> Plan:
    from dataclasses import replace

    from induction.benchmark.controls import make_noise, shuffle_outcomes

    make = shuffle_outcomes if shuffle else make_noise if noise else None
    return plan if make is None else replace(plan, corpora=[make(corpus, out) for corpus in plan.corpora])


def _progress(status: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("fits, left:"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=status, disable=not status.is_terminal, speed_estimate_period=1800)


def _reporter(plan: Plan, progress: Progress, status: Console) -> OnFit:
    from induction.benchmark.fits import FitKey
    from induction.benchmark.fitting import DONE, LEFT_OUT

    total = sum(len(group.keys) for group in plan.groups())
    bar = progress.add_task("", total=total)

    def on_fit(key: FitKey, stage: str) -> None:
        ended = stage in {DONE, LEFT_OUT}
        progress.update(bar, description=f"{key.name}: {stage}", advance=float(ended))
        if ended and not status.is_terminal:
            status.print(f"{key.name}: {stage}", highlight=False)

    return on_fit
