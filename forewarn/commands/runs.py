"""`forewarn runs`: lists a live service's runs, shows one step by step, deletes runs with all that came from them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import typer

from forewarn.commands.asking import URL, ApiKey, Url, ask, segment
from forewarn.commands.printing import AsJson, plain, print_json, print_rows, to_age, to_time

runs = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

LOOK_EVERY_S = 0.25
PAGE = 100
MOVED_SHOWN, CHARS = 4, 200
State = Literal["ok", "warning", "acknowledged", "recovered", "expired", "ended", "succeeded", "failed"]


@runs.callback()
def about() -> None:
    """List runs of a live service, show one step by step, or delete runs with all that came from them."""


@runs.command("list")
def list_runs(
    state: Annotated[State | None, typer.Option(help="Only runs of this state.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    min_risk: Annotated[float | None, typer.Option(min=0, max=1, help="Only runs with this risk or more.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many runs at most.")] = 50,
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first: state, steps, risk, failure probability, alerts."""
    asked = {"state": state, "agent": agent, "min_risk": min_risk}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None and len(found) < limit:
        paging = {"limit": str(min(PAGE, limit - len(found)))} | ({"after": after} if after else {})
        page = ask(url, api_key, "GET", "/v1/runs", query | paging)
        found += page["runs"]
        after = page["next"]
    if as_json:
        print_json({"runs": found, "next": after})
        return
    from rich.console import Console

    figures = ("steps", "risk", "P(fail)", "alerts")
    is_terminal = Console().is_terminal
    rows = [to_run_row(one, is_terminal=is_terminal) for one in found]
    print_rows(("run", "state", "agent", *figures, "last step"), rows, right=figures)
    if after is not None:
        typer.echo(f"there are more: forewarn runs list --limit {limit * 10}", err=True)
    elif not found:
        typer.echo("no runs: `forewarn replay RAW` plays finished ones; --url says where a service is", err=True)


def to_run_row(run: dict[str, Any], *, is_terminal: bool = False) -> tuple[str, ...]:
    """A run as it is listed: for people with how long ago its last step came, else with the time."""
    last_ms = run["updated_ms"]
    last = to_age(time.time() - last_ms / 1000) if is_terminal else to_time(last_ms)
    figures = ["-" if run[name] is None else f"{run[name]:.3f}" for name in ("risk", "failure_probability")]
    named = (run["run_id"], run["state"], run["agent"] or "-")
    return (*map(plain, named), str(run["steps"]), *figures, str(run["alerts"]), last)


@runs.command()
def show(
    run_id: Annotated[str, typer.Argument(help="A run of the key's project.")],
    first: Annotated[int, typer.Option(min=0, help="Steps from this position on.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="So many steps at most.")] = 1000,
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's steps: risk, failure probability, event symbol, what moved the score, and the step itself where it
    is kept."""
    steps: list[dict[str, Any]] = []
    following: int | None = first
    while following is not None and len(steps) < limit:
        query = {"first": str(following), "limit": str(min(PAGE, limit - len(steps)))}
        page = ask(url, api_key, "GET", f"/v1/runs/{segment(run_id)}/steps", query)
        steps += page["steps"]
        following = page["next"]
    if as_json:
        print_json({"run_id": run_id, "steps": steps, "next": following})
        return
    from rich.console import Console

    rows = [to_row(step) for step in steps]
    if Console().is_terminal:
        print_table(rows)
    else:
        for row in rows:
            typer.echo("\t".join(row))
    if following is not None:
        typer.echo(f"there are more: forewarn runs show {plain(run_id)} --first {following}", err=True)


def to_row(step: dict[str, Any]) -> tuple[str, ...]:
    """A step as it is printed. Words of others are made harmless, and cut."""
    figures = [step["risk"], step["failure_probability"]]
    moved = step["moved"] or []
    words = [f"{one['text'] or one['field']} {one['weight']:+.2f}" for one in moved[:MOVED_SHOWN]]
    raw = step["raw"]
    said = f"({step['raw_missing']})" if step["raw_missing"] else raw if isinstance(raw, str) else to_json(raw)
    return (
        str(step["position"]),
        *("" if figure is None else f"{figure:.3f}" for figure in figures),
        "" if step["symbol"] is None else str(step["symbol"]),
        plain(", ".join(words)),
        plain(said)[:CHARS],
    )


def to_json(value: Any) -> str:
    """A value in one line."""
    import orjson

    return orjson.dumps(value).decode()


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print steps for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=True)
    for name in ("step", "risk", "P(fail)", "symbol"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("moved the score", overflow="fold", ratio=1)
    table.add_column("raw step", overflow="ellipsis", no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@runs.command()
def delete(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN_ID...", help="Runs of the key's project.")],
    within_s: Annotated[float, typer.Option(min=0, help="Wait so long for the end; 0: do not.")] = 60.0,
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete runs: steps, scores, alerts, deliveries, and what the archive has of them. Needs an admin key. Asking
    again does no harm. Leaves with 1 where one is not done in time: it goes on by itself."""
    # All are asked for first: they are deleted together.
    deletions = {run_id: ask(url, api_key, "DELETE", f"/v1/runs/{segment(run_id)}") for run_id in run_ids}
    deadline = time.monotonic() + within_s
    while under_way(deletions) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        for run_id in under_way(deletions):
            deletions[run_id] = ask(url, api_key, "GET", f"/v1/deletions/{segment(deletions[run_id]['id'])}")
    if as_json:
        print_json([{"run_id": run_id, **deletion} for run_id, deletion in deletions.items()])
    else:
        for run_id, deletion in deletions.items():
            typer.echo(f"{plain(run_id)}\t{plain(deletion['state'])}\t{plain(deletion['id'])}")
    if under_way(deletions) and within_s:
        typer.echo("not done in time: ask again for its state; it goes on by itself", err=True)
        raise typer.Exit(1)


def under_way(deletions: dict[str, Any]) -> list[str]:
    """The runs whose deletion is not done."""
    return [run_id for run_id, deletion in deletions.items() if deletion["state"] != "done"]
