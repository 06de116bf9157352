"""`forewarn keys`: make API keys, list, rotate and revoke them, in the service's Redis itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from forewarn.commands.beside import DataDir, RedisUrl, with_tenants
from forewarn.commands.printing import AsJson, plain, print_json, print_rows, to_time

if TYPE_CHECKING:
    from service.app.tenants import Tenants
    from service.core.tenants.keys import KeyRecord

keys = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Project = Annotated[str, typer.Option(help="Whose key.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="As `forewarn keys list` shows it.", show_default=False)]
Kind = Literal["ingest", "read", "admin"]
DAY_S = 24 * 3600.0


@keys.command()
def create(
    kind: Annotated[Kind, typer.Option(help="What it may do: send, look, or everything in its project.")],
    project: Project = "default",
    name: Annotated[str, typer.Option(help="What to call it in listings.")] = "",
    days: Annotated[float | None, typer.Option(min=0, help="Days until it runs out. Without it: never.")] = None,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print its token: the only time that it is shown."""

    async def work(tenants: Tenants) -> tuple[KeyRecord, str]:
        await tenants.projects.settings(project)
        record, token = await tenants.keys.create(project, kind, name, None if days is None else days * DAY_S)
        detail = {"kind": kind, "name": record.name, "expires_ms": record.expires_ms or None}
        await tenants.audit.note(tenants.who, "key.create", record.key_id, detail, project=project)
        return record, token

    _show_token(*with_tenants(work, redis_url, data_dir), as_json)


@keys.command("list")
def list_keys(
    project: Project = "default", redis_url: RedisUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """List a project's keys, without secrets."""

    async def work(tenants: Tenants) -> list[dict[str, Any]]:
        await tenants.projects.settings(project)
        used = await tenants.keys.last_used_ms()
        return [_view(one, used) for one in await tenants.keys.list_keys(project)]

    found = with_tenants(work, redis_url, data_dir)
    _show(found, as_json)
    if not found and not as_json:
        typer.echo(f"no keys: `forewarn keys create --project {project} --kind ingest` makes one", err=True)


@keys.command()
def show(
    key_id: KeyId,
    project: Project = "default",
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one key, without its secret."""

    async def work(tenants: Tenants) -> dict[str, Any]:
        return _view(await tenants.keys.get(project, key_id), await tenants.keys.last_used_ms())

    shown = with_tenants(work, redis_url, data_dir)
    if as_json:
        print_json(shown)
    else:
        print_rows(("", ""), [(name, _cell(name, value)) for name, value in shown.items()])


@keys.command()
def rotate(
    key_id: KeyId,
    project: Project = "default",
    grace_hours: Annotated[float, typer.Option(min=0, max=720, help="How long the token before stays good.")] = 24,
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a key a new token, and print it: the only time that it is shown."""

    async def work(tenants: Tenants) -> tuple[KeyRecord, str]:
        record, token = await tenants.keys.rotate(project, key_id, grace_hours * 3600)
        detail = {"kind": record.kind, "grace_s": grace_hours * 3600}
        await tenants.audit.note(tenants.who, "key.rotate", key_id, detail, project=project)
        return record, token

    _show_token(*with_tenants(work, redis_url, data_dir), as_json)


@keys.command()
def revoke(
    key_id: KeyId,
    project: Project = "default",
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a key, for good: within about a second nobody takes it any more."""

    async def work(tenants: Tenants) -> dict[str, Any]:
        record = await tenants.keys.revoke(project, key_id)
        await tenants.audit.note(tenants.who, "key.revoke", key_id, {"kind": record.kind}, project=project)
        return _view(record, await tenants.keys.last_used_ms())

    revoked = with_tenants(work, redis_url, data_dir)
    if as_json:
        print_json(revoked)
    else:
        typer.echo(f"{key_id} is revoked", err=True)


def _view(record: KeyRecord, used: dict[str, int]) -> dict[str, Any]:
    from service.core.tenants.keys import now_ms

    return {
        "id": record.key_id,
        "kind": record.kind,
        "name": record.name,
        "state": record.state(now_ms()),
        "created_ms": record.created_ms,
        "expires_ms": record.expires_ms or None,
        "last_used_ms": used.get(record.key_id),
        "rotated_ms": record.rotated_ms or None,
        "revoked_ms": record.revoked_ms or None,
    }


def _show_token(record: KeyRecord, token: str, as_json: bool) -> None:
    if as_json:
        print_json({**_view(record, {}), "token": token})
        return
    typer.echo(f"{record.key_id}, project {record.project}: this token is shown once, and counts in a second", err=True)
    print(token)


def _show(views: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(views)
        return
    columns = ("id", "kind", "name", "state", "created_ms", "expires_ms", "last_used_ms")
    names = [name.removesuffix("_ms").replace("_", " ") for name in columns]
    print_rows(names, [[_cell(name, view[name]) for name in columns] for view in views])


def _cell(name: str, value: Any) -> str:
    if name.endswith("_ms"):
        return to_time(value)
    return plain(str(value))
