"""What is done with projects, and written down: the same for routes and pages."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from service.api.deps import ApiDeps
from service.core.projects import ProjectSettings
from service.core.tenants.access import Principal


async def create_project(deps: ApiDeps, who: Principal, project: str) -> ProjectSettings:
    """A new project with default settings and no key. Raises NameRefused, Conflict."""
    settings = await deps.projects.create(project)
    await deps.audit.note(who, "project.create", project, project=project)
    return settings


async def set_project(deps: ApiDeps, who: Principal, project: str, given: Mapping[str, BaseModel]) -> ProjectSettings:
    """The project's settings with each section that is given in the place of the one before. Raises NotFound."""
    settings = await deps.projects.change(project, lambda old: old.model_copy(update=dict(given)))
    detail = {name: section.model_dump(mode="json") for name, section in given.items()}
    await deps.audit.note(who, "project.set", project, detail, project=project)
    return settings


async def delete_project(deps: ApiDeps, who: Principal, project: str) -> None:
    """Deletes a project in which nothing is left. Raises NotFound, Conflict."""
    await deps.projects.delete(project)
    await deps.audit.note(who, "project.delete", project)
