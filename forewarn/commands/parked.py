"""`forewarn parked`: the steps that could not be scored. List them, look at one, put it back, throw it away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from forewarn.commands.beside import DataDir, RedisUrl
from forewarn.commands.printing import AsJson, plain, print_json, print_rows, to_console, to_time

if TYPE_CHECKING:
    from service.ports import Parking
    from service.records import ParkedStep

Result = TypeVar("Result")

parked = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids that `forewarn parked list` shows.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All that are parked, or all of --run.")]
Run = Annotated[str | None, typer.Option("--run", help="Only steps of this run.")]

SHOWN_BYTES = 4096
REASON_CHARS = 300


@parked.command("list")
def list_parked(
    run: Run = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most, the longest parked first.")] = 100,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List parked steps, the longest parked first."""

    async def work(parking: Parking) -> tuple[list[ParkedStep], int]:
        return await parking.list_parked(limit, _to_ref(run)), sum(await parking.counts())

    steps, total = _with_parking(work, redis_url, data_dir)
    if as_json:
        print_json([_to_document(step) for step in steps])
        return
    _print_steps(steps, total if run is None else len(steps))


@parked.command()
def show(
    parked_id: Annotated[str, typer.Argument(metavar="ID", help="An id that `forewarn parked list` shows.")],
    full: Annotated[
        bool, typer.Option("--full", help=f"The whole raw step, not its first {SHOWN_BYTES} bytes.")
    ] = False,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one parked step: its run, the reason, and the raw step."""
    from rich.markup import escape

    step = _with_parking(lambda parking: parking.find(parked_id), redis_url, data_dir)
    # As ASCII with escapes: what an agent wrote must not move a terminal's cursor.
    text = step.data.decode("utf-8", "replace")
    data = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    cut = data if full else data[:SHOWN_BYTES]
    if as_json:
        print_json({**_to_document(step), "data": text if full else text[:SHOWN_BYTES]})
        return
    console = to_console()
    for name, value in (
        ("id", step.parked_id),
        ("run", step.ref.run_id),
        ("position", str(step.position)),
        ("received", to_time(step.received_us // 1000)),
        ("parked", to_time(step.parked_ms)),
        ("reason", _one_line(step.reason)),
        (
            "raw step",
            "not kept: its project keeps no content, so it cannot be released"
            if not step.data_bytes
            else f"{step.data_bytes:,} bytes" + ("" if len(cut) == len(data) else f", the first {SHOWN_BYTES:,} shown"),
        ),
    ):
        console.print(f"[bold]{name:<10}[/]{escape(value)}")
    console.print(cut, markup=False)


@parked.command()
def release(
    ids: Ids = None,
    everything: All = False,
    run: Run = None,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put steps back to be scored, each at its run's next position: once what made them fail is mended."""
    _check_choice(ids, run, everything)

    async def work(parking: Parking) -> list[dict[str, Any]]:
        done = []
        for step in await _choose(parking, ids, run):
            position = await parking.release(step)
            done.append({"id": step.parked_id, "run_id": step.ref.run_id, "position": position})
            if not as_json:
                typer.echo(f"{step.parked_id}\t{step.ref.run_id}\tposition {position}")
        return done

    done = _with_parking(work, redis_url, data_dir)
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{len(done)} released", err=True)


@parked.command()
def drop(
    ids: Ids = None,
    everything: All = False,
    run: Run = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Throw parked steps away, for good."""
    _check_choice(ids, run, everything)

    async def choose(parking: Parking) -> list[ParkedStep]:
        return await _choose(parking, ids, run)

    steps = _with_parking(choose, redis_url, data_dir)
    if steps and not yes:
        typer.confirm(f"Throw {len(steps)} parked step{'s' if len(steps) > 1 else ''} away?", abort=True, err=True)
    dropped = _with_parking(lambda parking: parking.drop(steps), redis_url, data_dir) if steps else 0
    if as_json:
        print_json({"dropped": dropped})
    else:
        typer.echo(f"{dropped} dropped", err=True)


def _check_choice(ids: list[str] | None, run: str | None, everything: bool) -> None:
    if bool(ids) == everything or (run is not None and not everything):
        raise typer.BadParameter("name ids, or give --all (with --run: all of that run)", param_hint="ID")


async def _choose(parking: Parking, ids: list[str] | None, run: str | None) -> list[ParkedStep]:
    if ids:
        # All are looked up first: a mistyped one must not leave half of the work done.
        return [await parking.find(one) for one in dict.fromkeys(ids)]
    return await parking.list_parked(sum(await parking.counts()) or 1, _to_ref(run))


def _with_parking(work: Callable[[Parking], Awaitable[Result]], redis_url: str | None, data_dir: Path | None) -> Result:
    import asyncio

    from service.app.parked import open_parking
    from service.settings import read_settings

    settings = read_settings(redis_url=redis_url, data_dir=data_dir)

    async def run() -> Result:
        async with open_parking(settings) as parking:
            return await work(parking)

    return asyncio.run(run())


def _to_ref(run: str | None) -> Any:
    from service.records import DEFAULT_PROJECT, RunRef

    return None if run is None else RunRef(DEFAULT_PROJECT, run)


def _to_document(step: ParkedStep) -> dict[str, Any]:
    return {
        "id": step.parked_id,
        "run_id": step.ref.run_id,
        "position": step.position,
        "received_ms": step.received_us // 1000,
        "parked_ms": step.parked_ms,
        "reason": step.reason,
        "bytes": step.data_bytes,
    }


def _print_steps(steps: list[ParkedStep], total: int) -> None:
    rows = [
        (
            step.parked_id,
            step.ref.run_id,
            str(step.position),
            to_time(step.parked_ms),
            f"{step.data_bytes}",
            _one_line(step.reason),
        )
        for step in steps
    ]
    names = ("id", "run", "position", "parked", "bytes", "reason")
    print_rows(names, rows, right=("position", "bytes"), whole=["id"])
    more = f", {len(steps)} shown" if len(steps) < total else ""
    typer.echo(f"{total} parked{more}", err=True)


def _one_line(text: str) -> str:
    shown = plain(text)
    return shown if len(shown) <= REASON_CHARS else shown[: REASON_CHARS - 1] + "…"
