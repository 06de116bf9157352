"""What several verbs print: training's progress, a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from monitors.bundle import CostRecord, Manifest
from monitors.bundle.manifest import MAX_GRAPH_BYTES, MAX_STEP_US_ALONE, MAX_STEP_US_AT_64
from monitors.conformal import finest_alpha

if TYPE_CHECKING:
    from induction.learning.training import EpochReport


class TrainingReporter:
    """Shows stages and epochs: a bar on a terminal, one line a stage and a few a training in a pipe. Writes to standard
    error.
    """

    def __init__(self, epochs: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._epochs = epochs
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=epochs, visible=False, note="")

    def __enter__(self) -> TrainingReporter:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, name: str) -> None:
        """Print that a stage begins."""
        self._bar.update(self._task, visible=name == "Training")
        self._console.print(f"[bold]{name}[/]" if self._console.is_terminal else name)

    def epoch(self, report: EpochReport) -> None:
        """Show how training stands."""
        held_out = f"validation {report.validation_loss:.3f}, AUPRC {report.validation_auprc:.3f}, "
        note = (
            f"epoch {report.epoch}: loss {report.loss:.3f}, "
            f"{'' if isnan(report.validation_loss) else held_out}{report.seconds_left:.0f} s left at most"
        )
        self._bar.update(self._task, completed=report.epoch, note=note)
        if not self._console.is_terminal and report.epoch % 5 == 1:
            self._console.print(f"  {note}")


@contextmanager
def file_progress(console: Console, label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows how many files are done: a bar on a terminal, nothing in a pipe."""
    with Progress(console=console, transient=True, disable=console.quiet or not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_manifest(folder: Path, manifest: Manifest, *, as_json: bool) -> None:
    """Print what a bundle is and promises."""
    if as_json:
        content = {"bundle": str(folder), **manifest.summary(), "promises": manifest.promises()}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        return
    calibration, training = manifest.calibration, manifest.training
    low, high = manifest.realised_range
    console = Console(soft_wrap=True, highlight=False)
    successes = len(calibration.success_maxima)
    never = f"never alerts: {successes} successful runs support no finer promise than {manifest.finest_alpha:.3f}"
    made = f"{training.head}, seed {training.seed}, {training.epochs} epochs"
    kept = (
        "on average over calibrations"
        if manifest.confidence is None
        else f"in {manifest.confidence:.0%} of calibrations"
    )
    for name, value in (
        ("bundle", f"{folder} ({manifest.name}, format {manifest.format}, made {manifest.created})"),
        ("trained on", f"{training.runs} runs of {training.tasks} tasks, {training.failures} failed; {made}"),
        ("calibrated on", f"{calibration.runs} runs of {calibration.tasks} other tasks, {successes} successful"),
        ("promise", f"at most {manifest.alpha:g} of successful runs ever alert, {kept}"),
        ("realised", f"between {low:.3f} and {high:.3f} in 90 % of calibrations of this size"),
        ("threshold", never if manifest.threshold is None else f"{manifest.threshold:.3f} on the raw failure logit"),
        ("horizon", f"{manifest.horizon} turns"),
    ):
        console.print(f"[bold]{name:<15}[/]{escape(value)}")
    print_cost(console, manifest.cost)
    print_promises(console, manifest)


def print_cost(console: Console, cost: CostRecord | None) -> None:
    """Print what the monitor costs beside what it may cost, and a plain warning where it is dearer."""
    if cost is None:
        return
    console.print(
        f"[bold]{'size':<15}[/]graph {cost.graph_bytes / 2**20:.1f} MB (at most {MAX_GRAPH_BYTES >> 20}), "
        f"{cost.state_bytes / 1024:.1f} KB of state a run"
    )
    console.print(
        f"[bold]{'step':<15}[/]{cost.step_us_at_64:g} µs of processor time at batch 64 (line: {MAX_STEP_US_AT_64:g}), "
        f"{cost.step_us_alone:g} µs alone (line: {MAX_STEP_US_ALONE:g}), adapter not counted"
    )
    for warning in cost.warnings():
        console.print(f"[yellow]warning[/]        {escape(warning)}")


def print_promises(console: Console, manifest: Manifest) -> None:
    """Print the threshold at each rate that the bundle might have promised, or how many runs that would need."""
    calibration = manifest.calibration
    n = len(calibration.success_maxima)
    finest = finest_alpha(n, manifest.confidence)
    console.print(
        f"[bold]{'promises':<15}[/]n = {n} successful runs, {calibration.tasks} tasks; "
        f"finest alpha supported {finest:.3g}"
    )
    console.print("  [dim]alpha  threshold  realised in 90 % of calibrations[/]")
    for one in manifest.promises():
        low, high = one.realised_range
        kept = (
            f"never alerts: needs n >= {one.needs}"
            if one.threshold is None
            else (f"{one.threshold:>9.3f}  {low:.3f} to {high:.3f}")
        )
        console.print(f"  {one.alpha:<5g}  {kept}{'  <- this bundle' if one.alpha == manifest.alpha else ''}")
