"""Routes over projects: the caller's own settings, and for the operator all projects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api import project_acts
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.step_route import to_answer
from service.api.values import ProjectName
from service.core.projects import PROJECT_NAME, Feedback, Privacy, ProjectSettings, RateLimits
from service.records import JsonObject


class OwnSettings(BaseModel):
    """What a project may set for itself. A section that is given replaces the one before; others stay."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"privacy": {"redact": ["secrets", "email"]}}]}
    )

    privacy: Privacy | None = Field(None, description="What is masked and kept.")
    feedback: Feedback | None = Field(None, description="How outcomes are used.")


class AllSettings(OwnSettings):
    """What the operator may set for a project: its limits too, which would be none if it set them itself. Monitors are
    chosen by their own routes."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"limits": {"steps_per_s": 200, "burst_steps": 2000}}]}
    )

    limits: RateLimits | None = Field(None, description="How much it may send.")


class NewProject(BaseModel):
    """A project to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "support"}]})

    name: str = Field(pattern=f"^{PROJECT_NAME.pattern}$", description="Small letters, digits, _ and -.")


class ProjectView(BaseModel):
    """A project and its settings."""

    name: str = Field(description="The project.")
    settings: ProjectSettings = Field(description="All its settings, as they hold now.")


class ProjectList(BaseModel):
    """All projects, `default` first."""

    projects: list[str] = Field(description="Their names.")


def build_project_router(deps: ApiDeps) -> APIRouter:
    """`/v1/project` for the caller's own, `/v1/projects` for the operator."""
    router = APIRouter(tags=["projects"])

    async def put(request: Request, project: str, body: OwnSettings) -> Response:
        given = {name: section for name in type(body).model_fields if (section := getattr(body, name)) is not None}
        settings = await project_acts.set_project(deps, principal_of(request), project, given)
        return to_answer(to_project_view(project, settings))

    async def get_own(request: Request) -> Response:
        """Read the caller's project and its settings."""
        project = project_of(request)
        return to_answer(to_project_view(project, await deps.projects.settings(project)))

    async def put_own(request: Request, body: OwnSettings) -> Response:
        """Change settings of the caller's project. Each section given replaces the one before."""
        return await put(request, project_of(request), body)

    async def list_projects() -> Response:
        """List all projects."""
        return to_answer({"projects": await deps.projects.names()})

    async def create_project(request: Request, body: NewProject) -> Response:
        """Make a project, with default settings and no key."""
        settings = await project_acts.create_project(deps, principal_of(request), body.name)
        return to_answer(to_project_view(body.name, settings), 201)

    async def get_project(project: ProjectName) -> Response:
        """Read a project and its settings."""
        return to_answer(to_project_view(project, await deps.projects.settings(project)))

    async def put_project(project: ProjectName, request: Request, body: AllSettings) -> Response:
        """Change a project's settings, its limits too. Each section given replaces the one before."""
        return await put(request, project, body)

    async def delete_project(project: ProjectName, request: Request) -> Response:
        """Delete a project. Only one that has neither good keys nor runs; its webhooks and its audit log go with it."""
        await project_acts.delete_project(deps, principal_of(request), project)
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
