"""`forewarn demo`: the whole path on simulated help-desk agents."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from forewarn.demo.learning import DemoFiles
    from forewarn.receiver import WebhookReceiver
    from forewarn.replay.playing import Replayed


def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that the demo makes; emptied first.")] = Path("demo-out"),
    runs: Annotated[int, typer.Option(min=200, max=20_000, help="Runs to make; a fifth is replayed.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the help desk and of training.")] = 13,
    form: Annotated[Literal["chat", "otlp", "react"], typer.Option(help="Raw form of the runs.")] = "chat",
    port: Annotated[
        int | None,
        typer.Option(help="Port of the service; by default any free one, with --keep 8080 unless something listens."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up, serving, until Ctrl-C.")] = False,
) -> None:
    """Run the whole path: simulated agents → adapter → monitor → live service → signed alerts → a table."""
    from rich.console import Console

    from forewarn.demo.learning import DemoFiles

    console = Console(soft_wrap=True, highlight=False)
    files = DemoFiles(out.absolute(), form)
    started = time.monotonic()
    _empty(files.folder)
    _learn(files, runs, seed, console)
    _watch(files, port, keep=keep, console=console, took=lambda: time.monotonic() - started)


def _empty(folder: Path) -> None:
    """Make the demo's folder empty; one that a demo did not make is left alone."""
    import shutil

    from forewarn.demo.serving import DemoServiceError

    mark = folder / ".made-by-forewarn-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DemoServiceError(f"{folder} exists and was not made by the demo: name another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def _learn(files: DemoFiles, runs: int, seed: int, console: Console) -> None:
    from forewarn.commands.reporting import TrainingReporter
    from forewarn.demo import learning

    _stage(console, 1, "Scripted agents work at the help desk")
    learning.make_runs(files, runs, seed)
    _made(console, f"{runs:,} runs as {files.form} traces in {files.raw}, their outcomes in {files.outcomes}")
    _stage(console, 2, "Infer from the raw traces how to read them")
    induction = learning.induce(files)
    report = induction.report
    _made(
        console,
        f"the adapter {files.adapter}: {report.known:.1%} of held-out raw steps known, "
        f"{report.cost_p50_us:.0f} µs each",
    )
    _stage(console, 3, "Train a monitor, export it to ONNX, calibrate its threshold")
    with TrainingReporter() as reporter:
        manifest = learning.train(files, induction, seed, reporter)
    calibration = manifest.calibration
    _made(
        console,
        f"the bundle {files.bundle}: {manifest.training.runs} runs of {manifest.training.tasks} tasks trained it, "
        f"{len(calibration.success_maxima)} successful runs of {calibration.tasks} other tasks set its threshold",
    )


def _watch(files: DemoFiles, port: int | None, *, keep: bool, console: Console, took: Callable[[], float]) -> None:
    from forewarn.demo.serving import choose_port, register_webhook, run_service
    from forewarn.receiver import WebhookReceiver

    _stage(console, 4, "Start the service with its own Redis, and a receiver of webhooks")
    began = time.monotonic()
    port = port or choose_port(usual=keep)
    with WebhookReceiver() as receiver, run_service(files.bundle, files.folder, port) as url:
        register_webhook(url, receiver)
        _made(console, f"{url}, ready after {time.monotonic() - began:.1f} s; log in {files.folder / 'serve.log'}")
        _stage(console, 5, "Play runs of tasks that the monitor has never seen, as live agents would")
        replayed = _replay(files, url, console)
        _print_table(console, replayed, url, receiver)
        console.print(f"\nThe whole path took {took():.0f} s.")
        if keep:
            console.print(f"Serving on {url} until Ctrl-C: open it in a browser. Your own agent: docs/quick-start.md")
            _sleep_until_interrupted()


def _replay(files: DemoFiles, url: str, console: Console) -> Replayed:
    import asyncio

    from rich.progress import Progress

    from forewarn.demo.learning import HELD_OUT_FOLD
    from forewarn.replay.choosing import choose_runs
    from forewarn.replay.connection import Origin
    from forewarn.replay.playing import Replay
    from monitors.adapter import read_spec

    chosen = choose_runs(files.raw, read_spec(files.adapter), files.outcomes, fold=HELD_OUT_FOLD)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("  steps", total=sum(len(run.steps) for run in chosen))
        player = Replay(
            Origin.from_url(url, None),
            label="demo",
            in_flight=16,
            on_run=lambda _, steps: progress.update(bar, completed=steps),
        )
        return asyncio.run(player.play(chosen))


def _print_table(console: Console, replayed: Replayed, url: str, receiver: WebhookReceiver) -> None:
    import asyncio

    from forewarn.replay.connection import Origin
    from forewarn.replay.service import ServiceConnection
    from forewarn.replay.table import Row, print_rows, to_rows

    async def read_monitor() -> list[Row]:
        connection = ServiceConnection(Origin.from_url(url, None))
        try:
            return to_rows(replayed, await connection.read_monitor())
        finally:
            connection.close()

    alerted = sum(run.alert_turn is not None for run in replayed.runs)
    received = receiver.wait_for(alerted, 30.0)
    runs = {alert.run_id for alert in received}
    rows = asyncio.run(read_monitor())
    delays = sorted(alert.delay_ms for alert in received)
    note = f"{len(runs)} of {alerted} runs that alerted came as signed webhooks, {receiver.forged} signatures wrong"
    if delays:
        note += f"; {delays[len(delays) // 2]:.0f} ms after the alert (median)"
    rows.append(Row("webhooks received", f"{len(received):,}", note))
    console.print()
    print_rows(console, rows, "What the service caught")


def _stage(console: Console, number: int, text: str) -> None:
    console.print(f"\n[bold]{number}. {text}[/]")


def _made(console: Console, text: str) -> None:
    console.print(f"   {text}", markup=False)


def _sleep_until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
