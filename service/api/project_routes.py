"""Routes over projects: the caller's own settings, and for the operator all projects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.deps import ApiDeps, principal_of, project_of
from service.api.step_route import to_answer
from service.core.projects import PROJECT_NAME, Feedback, Privacy, ProjectSettings, RateLimits
from service.records import JsonObject


class OwnSettings(BaseModel):
    """What a project may set for itself. A section that is given replaces the one before; others stay."""

    model_config = ConfigDict(extra="forbid")

    privacy: Privacy | None = None
    feedback: Feedback | None = None


class AllSettings(OwnSettings):
    """What the operator may set for a project: its limits too, which would be none if it set them itself. Monitors are
    chosen by their own routes."""

    limits: RateLimits | None = None


class NewProject(BaseModel):
    """A project to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=f"^{PROJECT_NAME.pattern}$", description="Small letters, digits, _ and -.")


class ProjectView(BaseModel):
    """A project and its settings."""

    name: str
    settings: ProjectSettings


class ProjectList(BaseModel):
    """All projects, `default` first."""

    projects: list[str]


def build_project_router(deps: ApiDeps) -> APIRouter:
    """`/v1/project` for the caller's own, `/v1/projects` for the operator."""
    router = APIRouter(tags=["projects"])

    async def put(request: Request, project: str, body: OwnSettings) -> Response:
        given = {name: section for name in type(body).model_fields if (section := getattr(body, name)) is not None}
        settings = await deps.projects.change(project, lambda old: old.model_copy(update=given))
        detail = {name: section.model_dump(mode="json") for name, section in given.items()}
        await deps.audit.note(principal_of(request), "project.set", project, detail, project=project)
        return to_answer(to_project_view(project, settings))

    async def get_own(request: Request) -> Response:
        """The caller's project and its settings."""
        project = project_of(request)
        return to_answer(to_project_view(project, await deps.projects.settings(project)))

    async def put_own(request: Request, body: OwnSettings) -> Response:
        """Changes settings of the caller's project: each section given replaces the one before."""
        return await put(request, project_of(request), body)

    async def list_projects() -> Response:
        """All projects."""
        return to_answer({"projects": await deps.projects.names()})

    async def create_project(request: Request, body: NewProject) -> Response:
        """Makes a project, with default settings and no key."""
        settings = await deps.projects.create(body.name)
        await deps.audit.note(principal_of(request), "project.create", body.name, project=body.name)
        return to_answer(to_project_view(body.name, settings), 201)

    async def get_project(project: str) -> Response:
        """A project and its settings."""
        return to_answer(to_project_view(project, await deps.projects.settings(project)))

    async def put_project(project: str, request: Request, body: AllSettings) -> Response:
        """Changes a project's settings, its limits too: each section given replaces the one before."""
        return await put(request, project, body)

    async def delete_project(project: str, request: Request) -> Response:
        """Deletes a project that has neither good keys nor runs; its webhooks and its audit log go with it."""
        await deps.projects.delete(project)
        await deps.audit.note(principal_of(request), "project.delete", project)
        return Response(status_code=204)

    routes: tuple[tuple[str, str, Callable[..., Awaitable[Response]], int, Any], ...] = (
        ("GET", "/v1/project", get_own, 200, ProjectView),
        ("PUT", "/v1/project", put_own, 200, ProjectView),
        ("GET", "/v1/projects", list_projects, 200, ProjectList),
        ("POST", "/v1/projects", create_project, 201, ProjectView),
        ("GET", "/v1/projects/{project}", get_project, 200, ProjectView),
        ("PUT", "/v1/projects/{project}", put_project, 200, ProjectView),
        ("DELETE", "/v1/projects/{project}", delete_project, 204, None),
    )
    for method, path, route, status, model in routes:
        answers: dict[int | str, dict[str, Any]] = {status: {"model": model} if model else {"description": "Done"}}
        router.add_api_route(path, route, methods=[method], status_code=status, responses=answers, response_model=None)
    return router


def to_project_view(project: str, settings: ProjectSettings) -> JsonObject:
    """A project as callers see it."""
    return {"name": project, "settings": settings.model_dump(mode="json")}
