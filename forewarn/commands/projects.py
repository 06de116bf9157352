"""`forewarn projects`: make projects, look at them, set what they may, delete them, in the service's Redis itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forewarn.commands.beside import DataDir, RedisUrl, with_tenants
from forewarn.commands.printing import AsJson, print_json, print_rows

if TYPE_CHECKING:
    from service.app.tenants import Tenants
    from service.core.projects import ProjectSettings

projects = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]
# Monitors are chosen by commands that look at the monitor first.
SECTIONS = ("limits", "privacy", "feedback")


@projects.command("list")
def list_projects(redis_url: RedisUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all projects."""
    names = with_tenants(lambda tenants: tenants.projects.names(), redis_url, data_dir)
    if as_json:
        print_json(names)
    else:
        print_rows(("project",), [(name,) for name in names])


@projects.command()
def create(name: Name, redis_url: RedisUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make a project, with default settings and no key."""

    async def work(tenants: Tenants) -> None:
        await tenants.projects.create(name)
        await tenants.audit.note(tenants.who, "project.create", name, project=name)

    with_tenants(work, redis_url, data_dir)
    if as_json:
        print_json({"project": name, "state": "made"})
    else:
        makes_key = f"`forewarn keys create --project {name} --kind admin` makes its key"
        typer.echo(f"project {name} is made: {makes_key}", err=True)


@projects.command()
def show(name: Name, redis_url: RedisUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a project's settings."""
    _print(with_tenants(lambda tenants: tenants.projects.settings(name), redis_url, data_dir), as_json)


@projects.command("set")
def set_project(
    name: Name,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="SECTION.FIELD=VALUE...",
            help="Such as limits.steps_per_s=200 or privacy.content=none; values are JSON, or text as it is.",
            show_default=False,
        ),
    ],
    redis_url: RedisUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a project's settings; what is not named stays."""
    given = _read_values(values)

    async def work(tenants: Tenants) -> ProjectSettings:
        settings = await tenants.projects.change(name, lambda old: _changed(old, given))
        await tenants.audit.note(tenants.who, "project.set", name, given, project=name)
        return settings

    _print(with_tenants(work, redis_url, data_dir), as_json)


@projects.command()
def delete(name: Name, redis_url: RedisUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Delete a project that has neither good keys nor runs; its webhooks and its audit log go with it."""

    async def work(tenants: Tenants) -> None:
        await tenants.projects.delete(name)
        await tenants.audit.note(tenants.who, "project.delete", name)

    with_tenants(work, redis_url, data_dir)
    if as_json:
        print_json({"project": name, "state": "deleted"})
    else:
        typer.echo(f"project {name} is deleted", err=True)


def _read_values(values: list[str]) -> dict[str, dict[str, Any]]:
    import json

    given: dict[str, dict[str, Any]] = {}
    for one in values:
        place, equals, text = one.partition("=")
        section, dot, field = place.partition(".")
        if not equals or not dot or section not in SECTIONS:
            raise typer.BadParameter(f"{one!r}: write SECTION.FIELD=VALUE, SECTION one of {', '.join(SECTIONS)}")
        try:
            given.setdefault(section, {})[field] = json.loads(text)
        except ValueError:
            given.setdefault(section, {})[field] = text
    return given


def _changed(old: ProjectSettings, given: dict[str, dict[str, Any]]) -> ProjectSettings:
    from pydantic import ValidationError

    from service.core.projects import ProjectSettings
    from service.errors import Conflict

    whole = old.model_dump(mode="json")
    for section, fields in given.items():
        whole[section] |= fields
    try:
        return ProjectSettings.model_validate_json(_to_json(whole))
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise Conflict("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults)) from None


def _to_json(document: object) -> bytes:
    import orjson

    return orjson.dumps(document)


def _shown(value: Any) -> str:
    """As `set` takes it; "-" for what is not set."""
    return "-" if value in (None, "") else value if isinstance(value, str) else _to_json(value).decode()


def _print(settings: ProjectSettings, as_json: bool) -> None:
    document = settings.model_dump(mode="json")
    if as_json:
        print_json(document)
        return
    rows = [
        (f"{section}.{field}", _shown(value)) for section, fields in document.items() for field, value in fields.items()
    ]
    print_rows(("setting", "value"), rows)
