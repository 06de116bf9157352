"""The pages of projects: what each keeps, sends and uses, and its settings. An admin has its own project, an operator
all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from service.api import project_acts
from service.api.deps import ApiDeps, principal_of
from service.api.switch_routes import to_chosen_view
from service.core.projects import ProjectSettings
from service.core.tenants.access import Principal
from service.errors import Conflict, NameRefused, NotFound, ServiceError
from service.pages.forms import read_form
from service.pages.project_settings import FormRefused, read_feedback, read_limits, read_privacy, to_form
from service.pages.rendering import Pages
from service.records import DEFAULT_PROJECT, SHAPES

A_PAGE = 100
_DONE = {
    "privacy": "What is kept and masked is set, for what comes from now on.",
    "feedback": "The share of control runs is set, for runs that begin from now on.",
    "limits": "The limits are set: every process follows within about a second.",
    "made": "The project is made. It has no key yet: make its first one for an admin.",
    "deleted": "The project is deleted.",
}

_OLDER = (
    "Runs that have been idle for more than {days:g} days are deleted within minutes, in Redis and in the archive, "
    "with their alerts. They cannot be brought back."
)
_IF_EMPTY = (
    "It is deleted only if it has neither good keys nor runs: revoke its keys, then delete its runs or wait for "
    "retention."
)
_WITH_IT = ("Its settings, its webhooks and its audit log go with it. They cannot be brought back.", _IF_EMPTY)


def build_project_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The pages `/projects` and `/projects/{project}`, and their acts."""
    router = pages.router()
    shown = _Shown(deps, pages)
    _add_list(router, deps, shown, pages)
    _add_settings(router, deps, shown, pages)
    _add_deleting(router, deps, shown, pages)
    return router


class _Shown:
    """The two pages, with what was just done."""

    def __init__(self, deps: ApiDeps, pages: Pages) -> None:
        self._deps = deps
        self._pages = pages

    async def find(self, request: Request) -> tuple[Principal, str, ProjectSettings]:
        """Who asks, the project of the address and its settings. Raises NotFound for one that is not there, or that the
        key is not for: which of them it is nobody is told."""
        who, project = principal_of(request), str(request.path_params["project"])
        if project != who.project and "operate" not in who.scopes:
            raise NotFound(f"there is no project {project[:63]!r} for this key: it is of project {who.project}")
        return who, project, await self._deps.projects.settings(project)

    async def all(
        self, request: Request, *, after: str = "", done: str = "", problem: str = "", name: str = ""
    ) -> Response:
        """All projects, those whose names come after `after`, and the form for a new one."""
        names = [one for one in await self._deps.projects.names() if not after or _place(one) > _place(after)]
        rows = await self._figures(names[:A_PAGE])
        return self._pages.render(
            request,
            "projects.html",
            rows=rows,
            is_first=not after,
            following=names[A_PAGE - 1] if len(names) > A_PAGE else "",
            done=done,
            problem=problem,
            name=name,
        )

    async def one(
        self,
        request: Request,
        status: int = 200,
        *,
        done: str = "",
        problem: str = "",
        faults: dict[str, str] | None = None,
        said: dict[str, str] | None = None,
    ) -> Response:
        """A project and its settings, or what was typed for them with a fault beside each field."""
        _, project, settings = await self.find(request)
        deps = self._deps
        [figures] = await self._figures([project])
        limits, control = settings.limits, settings.feedback.control_ratio
        form = to_form(settings.privacy) | {
            "steps_per_s": "" if limits.steps_per_s is None else f"{limits.steps_per_s:g}",
            "burst_steps": "" if limits.burst_steps is None else str(limits.burst_steps),
            "control_ratio": f"{control:g}",
        }
        return self._pages.render(
            request,
            "project.html",
            status,
            one=figures,
            oldest_ms=await deps.reader.oldest_run_ms(project),
            service={
                "content": deps.privacy.content,
                "redact": deps.privacy.redact,
                "retention_days": deps.privacy.retention_days,
            },
            form=form | (said or {}),
            shapes=SHAPES,
            faults=faults or {},
            can_be_deleted=project != DEFAULT_PROJECT,
            done=done,
            problem=problem,
        )

    async def _figures(self, names: list[str]) -> list[dict[str, Any]]:
        deps = self._deps
        live, keys = await deps.live_counter.live_by_project(), await deps.keys.count_good()
        rows = []
        for name in names:
            settings = deps.book.settings(name)
            chosen = to_chosen_view(deps, settings.monitors)
            rows.append(
                {
                    "name": name,
                    "content": deps.privacy.content_of(name),
                    "redact": deps.privacy.shapes_of(name),
                    "rules": [rule.name for rule in settings.privacy.rules],
                    "retention_days": deps.privacy.retention_days_of(name),
                    "bucket": deps.rate.bucket(name),
                    "control_ratio": settings.feedback.control_ratio,
                    "active": chosen["active"],
                    "shadow": chosen["shadow"],
                    "agents": len(chosen["agents"]),
                    "live": live.by_project.get(name, 0),
                    "is_exact": live.is_exact,
                    "good_keys": keys[name],
                }
            )
        return rows


def _place(name: str) -> tuple[bool, str]:
    return name != DEFAULT_PROJECT, name


def _add_list(router: APIRouter, deps: ApiDeps, shown: _Shown, pages: Pages) -> None:
    async def show_list(request: Request, after: str = "", done: str = "") -> Response:
        who = principal_of(request)
        if "operate" not in who.scopes:
            return RedirectResponse(f"/projects/{who.project}", 303)
        return await shown.all(request, after=after, done=_DONE.get(done, ""))

    async def create(request: Request) -> Response:
        name = (await read_form(request)).get("name", "")
        try:
            await project_acts.create_project(deps, principal_of(request), name)
        except (NameRefused, Conflict) as error:
            return pages.as_refusal(await shown.all(request, problem=str(error), name=name), error)
        return RedirectResponse(f"/projects/{name}?done=made", 303)

    router.add_api_route("/projects", show_list, methods=["GET"])
    router.add_api_route("/projects", create, methods=["POST"])


def _add_settings(router: APIRouter, deps: ApiDeps, shown: _Shown, pages: Pages) -> None:
    async def show_one(request: Request, done: str = "") -> Response:
        return await shown.one(request, done=_DONE.get(done, ""))

    async def set_privacy(request: Request) -> Response:
        who, project, settings = await shown.find(request)
        said = await read_form(request)
        try:
            privacy = read_privacy(said, settings.privacy)
        except FormRefused as error:
            # What is not ticked is not sent: the boxes that were ticked before must not come back.
            ticked = {f"redact_{shape}": "" for shape in SHAPES}
            return await shown.one(request, 422, faults=error.faults, said=ticked | said)
        before, days = deps.privacy.retention_days_of(project), privacy.retention_days or deps.privacy.retention_days
        if days < before and not said.get("sure"):
            title = f"Keep runs of {project} for {days:g} days instead of {before:g}?"
            button = "Keep them for less, and delete what is older"
            return _ask_again(pages, request, title, (_OLDER.format(days=days),), button, said)
        await project_acts.set_project(deps, who, project, {"privacy": privacy})
        return RedirectResponse(f"/projects/{project}?done=privacy", 303)

    async def set_section(request: Request, name: str, read: Callable[[dict[str, str]], BaseModel]) -> Response:
        who, project, _ = await shown.find(request)
        said = await read_form(request)
        try:
            section = read(said)
        except FormRefused as error:
            return await shown.one(request, 422, faults=error.faults, said=said)
        await project_acts.set_project(deps, who, project, {name: section})
        return RedirectResponse(f"/projects/{project}?done={name}", 303)

    async def set_feedback(request: Request) -> Response:
        return await set_section(request, "feedback", read_feedback)

    async def set_limits(request: Request) -> Response:
        return await set_section(request, "limits", read_limits)

    one = "/projects/{project}"
    router.add_api_route(one, show_one, methods=["GET"])
    for name, route in (
        ("privacy", set_privacy),
        ("feedback", set_feedback),
        ("limits", set_limits),
    ):
        router.add_api_route(f"{one}/{name}", route, methods=["POST"])


def _add_deleting(router: APIRouter, deps: ApiDeps, shown: _Shown, pages: Pages) -> None:
    async def delete(request: Request) -> Response:
        who, project, _ = await shown.find(request)
        if not (await read_form(request)).get("sure"):
            title, button = f"Delete the project {project}?", "Delete the project for good"
            return _ask_again(pages, request, title, _WITH_IT, button, {})
        try:
            await project_acts.delete_project(deps, who, project)
        except ServiceError as error:
            return pages.as_refusal(await shown.one(request, problem=str(error)), error)
        return RedirectResponse("/projects?done=deleted", 303)

    router.add_api_route("/projects/{project}/delete", delete, methods=["POST"])


def _ask_again(
    pages: Pages, request: Request, title: str, told: Sequence[str], button: str, fields: Mapping[str, str]
) -> Response:
    """The page that asks before what nothing brings back: its button sends the same form, with `sure`."""
    path = request.url.path
    back = path.rpartition("/")[0]
    return pages.render(
        request, "confirm.html", title=title, told=told, action=path, fields=fields, button=button, back=back
    )
