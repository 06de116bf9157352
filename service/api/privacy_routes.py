"""The route that says what is kept of the caller's project, and for how long."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.step_route import to_answer
from service.core.privacy.keeping import Content
from service.records import Shape


class PrivacyView(BaseModel):
    """What is kept of a project."""

    content: Content = Field(description="`none`: what agents said is dropped once it is scored.")
    redact: list[Shape] = Field(description="What is masked in all that comes in.")
    rules: list[str] = Field(description="The names of the project's own patterns, which are masked too.")
    retention_days: float = Field(description="Runs idle for so many days are deleted.")
    oldest_run_ms: int | None = Field(
        description="When the oldest run that is kept was created; null where none is among the oldest of the service."
    )


def build_privacy_router(deps: ApiDeps) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["privacy"])

    async def get_privacy(request: Request) -> Response:
        """Read what is masked and kept of the project's runs. For how long, too, and how old the oldest of them is."""
        project, rules = project_of(request), deps.privacy
        return to_answer(
            {
                "content": rules.content_of(project),
                "redact": list(rules.shapes_of(project)),
                "rules": [rule.name for rule in rules.book.settings(project).privacy.rules],
                "retention_days": rules.retention_days_of(project),
                "oldest_run_ms": await deps.reader.oldest_run_ms(project),
            }
        )

    router.add_api_route(
        "/v1/privacy", get_privacy, methods=["GET"], responses={200: {"model": PrivacyView}}, response_model=None
    )
    return router
