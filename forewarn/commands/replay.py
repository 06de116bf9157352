"""`forewarn replay`: finished runs against a live service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.commands.asking import URL, ApiKey, Url
from forewarn.commands.printing import AsJson, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from forewarn.replay.connection import Origin
    from forewarn.replay.playing import PlayableRun, Replayed
    from forewarn.replay.service import ActiveMonitor
    from monitors.adapter import AdapterSpec


def replay(
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    url: Url = URL,
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl or a CSV; leave out where the traces carry their outcome.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, max=4, help="Only the runs of this fold.")] = None,
    rate: Annotated[str, typer.Option(help="Steps a second over all runs together, or 'max'.")] = "max",
    runs: Annotated[int | None, typer.Option(min=1, help="Play this many runs at most.")] = None,
    in_flight: Annotated[int, typer.Option(min=1, max=1024, help="Runs that go on at the same time.")] = 32,
    bundle: Annotated[
        Path | None, typer.Option(help="Take the adapter from this bundle in place of the service's.")
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Play finished runs against a live service as interleaved agents would, post their outcomes, and print what it
    caught."""
    import asyncio
    import secrets

    from rich.console import Console

    from forewarn.replay.choosing import choose_runs
    from forewarn.replay.connection import Origin
    from forewarn.replay.table import print_rows, to_document, to_rows

    steps_per_s = _parse_rate(rate)
    status = Console(stderr=True, quiet=as_json, soft_wrap=True, highlight=False)
    origin = Origin.from_url(url, api_key)
    monitor = asyncio.run(_read_monitor(origin))
    with status.status("Reading runs …"):
        spec = _adapter_of(monitor, bundle, url)
        chosen = choose_runs(raw, spec, outcomes, fold=fold, at_most=runs, group_by=monitor.group_by)
    label = f"replay-{secrets.token_hex(4)}"
    status.print(f"Playing {len(chosen):,} runs against {origin}, {in_flight} at a time, as {label}-…", soft_wrap=True)
    replayed = _play(origin, chosen, label, in_flight, steps_per_s, status)
    if as_json:
        print_json(to_document(replayed, monitor))
        return
    print_rows(Console(), to_rows(replayed, monitor), "Replay")


def _play(
    origin: Origin,
    chosen: list[PlayableRun],
    label: str,
    in_flight: int,
    steps_per_s: float | None,
    status: Console,
) -> Replayed:
    import asyncio

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from forewarn.replay.playing import Replay

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=status, transient=True, disable=not status.is_terminal) as progress:
        bar = progress.add_task("steps", total=sum(len(run.steps) for run in chosen))
        player = Replay(
            origin,
            label=label,
            in_flight=in_flight,
            steps_per_s=steps_per_s,
            on_run=lambda _, steps: progress.update(bar, completed=steps),
        )
        return asyncio.run(player.play(chosen))


async def _read_monitor(origin: Origin) -> ActiveMonitor:
    from forewarn.replay.service import ServiceConnection

    connection = ServiceConnection(origin)
    try:
        return await connection.read_monitor()
    finally:
        connection.close()


def _adapter_of(monitor: ActiveMonitor, bundle: Path | None, url: str) -> AdapterSpec:
    from monitors.adapter import parse_spec, read_spec
    from monitors.bundle.folder import ADAPTER

    if bundle is not None:
        return read_spec(bundle / ADAPTER)
    if monitor.adapter is None:
        raise typer.BadParameter("this service does not show its adapter: name the bundle", param_hint="--bundle")
    return parse_spec(monitor.adapter, f"the adapter of {url}")


def _parse_rate(rate: str) -> float | None:
    if rate == "max":
        return None
    try:
        steps_per_s = float(rate)
    except ValueError:
        steps_per_s = 0.0
    if not 0 < steps_per_s < 1e6:
        raise typer.BadParameter(f"{rate!r} is neither a number of steps a second nor 'max'", param_hint="--rate")
    return steps_per_s
