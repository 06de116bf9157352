"""`forewarn runs`: deletes runs of a live service, with all that came from them."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from forewarn.commands.asking import URL, ApiKey, AsJson, Url, ask, plain, print_json, segment

runs = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

LOOK_EVERY_S = 0.25


@runs.callback()
def about() -> None:
    """Delete runs of a live service, with all that came from them."""


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
