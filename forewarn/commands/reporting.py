"""What several verbs print: training's progress, a manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from forewarn.commands.printing import print_json, to_console
from monitors.bundle import CostRecord, Manifest
from monitors.bundle.manifest import MAX_GRAPH_BYTES, MAX_STEP_US_ALONE, MAX_STEP_US_AT_64, GroupsRecord
from monitors.conformal import finest_alpha

if TYPE_CHECKING:
    from induction.learning.progress import EpochReport


PIPE_INTERVAL_S = 10.0


class TrainingReporter:
    """Shows stages, their parts and epochs: a bar on a terminal; in a pipe one line a stage, a few a training, and one
    every ten seconds where a stage's parts take longer. Writes to standard error.
    """

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._clock, self._told = clock, clock()
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=None, visible=False, note="")

    def __enter__(self) -> TrainingReporter:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Where it never started, stopping it would print an empty line.
        if self._console.is_terminal:
            self._bar.stop()

    def stage(self, name: str) -> None:
        """Print that a stage begins."""
        self._bar.update(self._task, visible=False)
        self._told = self._clock()
        self._console.print(name, style="bold", markup=False, soft_wrap=True)

    def part(self, done: int, total: int, seconds_left: float) -> None:
        """Show how many parts of a stage are done."""
        note = f"{done} of {total}, about {to_duration(seconds_left)} left"
        self._show(done, total, note, is_told=self._clock() - self._told >= PIPE_INTERVAL_S)

    def epoch(self, report: EpochReport) -> None:
        """Show how training stands."""
        loss, auprc = report.validation_loss, report.validation_auprc
        note = (
            f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}, "
            f"{'' if isnan(loss) else f'validation loss {loss:.3f}, '}"
            f"{'' if isnan(auprc) else f'validation AUPRC {auprc:.3f}, '}"
            f"{to_duration(report.seconds_left)} left at most"
        )
        self._show(report.epoch, report.epochs, note, is_told=report.epoch % 5 == 1)

    def note(self, text: str) -> None:
        """Print something worth a line."""
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    def _show(self, done: int, total: int, note: str, *, is_told: bool) -> None:
        self._bar.update(self._task, visible=True, completed=done, total=total, note=note)
        if is_told and not self._console.is_terminal:
            self._told = self._clock()
            self.note(note)


def to_duration(seconds: float) -> str:
    """Return a time as people say it: "40 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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
        print_json(content)
        return
    calibration, training = manifest.calibration, manifest.training
    low, high = manifest.realised_range
    console = to_console()
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
        (
            "threshold",
            never if manifest.threshold is None else describe_threshold(manifest.threshold, manifest.offsets),
        ),
        ("horizon", f"{manifest.horizon} turns"),
    ):
        console.print(f"[bold]{name:<15}[/]{escape(value)}")
    if manifest.groups is not None:
        print_groups(console, manifest.groups)
    print_cost(console, manifest.cost)
    print_promises(console, manifest)


def describe_threshold(threshold: float, offsets: Sequence[float]) -> str:
    """Return what a score is compared with, and at which turn where that varies."""
    if not offsets:
        return f"{threshold:.3f} on the raw failure logit"
    last = len(offsets) - 1
    shown = sorted({1, 3, 5, 10} & set(range(last)))
    early = ", ".join(f"{threshold + offsets[turn]:.3f} at turn {turn}" for turn in shown)
    return f"by turn, on the raw failure logit: {early}{', ' if early else ''}{threshold:.3f} from turn {last} on"


def print_groups(console: Console, groups: GroupsRecord) -> None:
    """Print whose threshold is what, and what it rests on; where it varies with the turn, that of the latest turns."""
    console.print(
        f"[bold]{'groups':<15}[/]by {escape(groups.by)}: the promise holds within each that has "
        f"{groups.needed} successful runs or more, and over all others together"
    )
    rows = [*groups.own.items(), ("others", groups.others)]
    width = max(len(name) for name, _ in rows)
    for name, group in rows:
        never = f"never alerts: needs n >= {groups.needed}"
        kept = never if group.threshold is None else f"threshold {group.threshold:.3f}"
        console.print(f"  {escape(name.ljust(width))}  n = {len(group.success_maxima)}, {kept}")
    console.print("  a run whose group nobody names has the threshold above, from all runs")


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
    """Print the threshold at each rate that the bundle might have promised, or how many runs that would need; where it
    varies with the turn, that of the latest turns.
    """
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
