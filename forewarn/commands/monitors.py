"""`forewarn monitors`: which monitors a live service has, and which one new runs begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from forewarn.commands.asking import URL, ApiKey, Url, ask, segment
from forewarn.commands.printing import AsJson, plain, print_json, print_rows

monitors = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

MonitorId = Annotated[str, typer.Argument(metavar="ID", help="An id that `forewarn monitors list` shows.")]
Agent = Annotated[str | None, typer.Option(help="Only runs of this agent, as named before their first step.")]


@monitors.command("list")
def list_monitors(url: Url = URL, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """List the monitors that the project may use, the active one first."""
    answer = _ask(url, api_key, "GET", "")
    if as_json:
        print_json(answer)
        return
    rows = []
    for one in answer["monitors"]:
        uses = ["active"] * one["active"] + ["shadow"] * one["shadow"] + [f"agent {name}" for name in one["agents"]]
        rows.append((one["monitor_id"], one["state"], ", ".join(uses) or "-", one["manifest"]["name"], one["reason"]))
    print_rows(
        ("id", "state", "use", "name", "reason"), [[plain(cell or "-") for cell in row] for row in rows], whole=["id"]
    )
    if not rows:
        typer.echo("no monitors: `forewarn monitors add BUNDLE` registers one", err=True)


@monitors.command()
def add(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    on_server: Annotated[bool, typer.Option("--on-server", help="The folder is on the service's machine.")] = False,
    project: Annotated[str, typer.Option(help="The one project that may use it; none: every project.")] = "",
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Register a bundle with the service: uploaded from here, or read from a folder there. Needs an operator's key."""
    query = {"project": project} if project else {}
    if on_server:
        answer = _ask(url, api_key, "POST", "", query, json={"path": str(bundle)})
    else:
        headers = {"Content-Type": "application/gzip"}
        answer = _ask(url, api_key, "POST", "", query, content=pack_bundle(bundle), headers=headers)
    _tell(answer, as_json, answer["monitor_id"], answer["name"])


@monitors.command()
def activate(
    monitor_id: MonitorId, agent: Agent = None, url: Url = URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """New runs begin with this monitor, once every worker has loaded and checked it. Runs that have begun keep
    theirs."""
    answer = _ask(url, api_key, "POST", f"/{segment(monitor_id)}/activate", json={"agent": agent or ""})
    _tell(answer, as_json, f"active: {answer['active']}" if agent is None else f"{agent}: {monitor_id}")


@monitors.command()
def shadow(
    monitor_id: MonitorId,
    off: Annotated[bool, typer.Option("--off", help="New runs have this shadow no more.")] = False,
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Have a monitor score new runs beside their own, for comparison and without alerts."""
    answer = _ask(url, api_key, "DELETE" if off else "POST", f"/{segment(monitor_id)}/shadow")
    _tell(answer, as_json, f"shadow: {answer['shadow'] or '-'}")


@monitors.command()
def rollback(agent: Agent = None, url: Url = URL, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """New runs begin with what was active before; an agent's runs with the project's monitor again."""
    answer = _ask(url, api_key, "POST", "/rollback", json={"agent": agent or ""})
    _tell(answer, as_json, f"active: {answer['active']}")


@monitors.command()
def remove(monitor_id: MonitorId, url: Url = URL, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Register a monitor no more and delete its bundle there, unless anything rests on it. Needs an operator's key."""
    answer = _ask(url, api_key, "DELETE", f"/{segment(monitor_id)}")
    _tell(answer, as_json, f"{monitor_id} is removed")


def pack_bundle(folder: Path) -> bytes:
    """A bundle's files as tar.gz; others in its folder stay here. Raises BundleError where it is no whole bundle."""
    import io
    import tarfile

    from monitors.bundle import read_manifest, verify_files
    from monitors.bundle.folder import FILES, MANIFEST, OPTIONAL_FILES

    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in (MANIFEST, *FILES, *(name for name in OPTIONAL_FILES if name in manifest.files)):
            archive.add(folder / name, name)
    return packed.getvalue()


def _ask(
    url: str, api_key: str | None, method: str, path: str, query: dict[str, str] | None = None, **said: Any
) -> Any:
    return ask(url, api_key, method, f"/v1/monitors{path}", query, **said)


def _tell(answer: Any, as_json: bool, *cells: str) -> None:
    if as_json:
        print_json(answer)
    else:
        typer.echo("\t".join(map(plain, cells)))
