"""Routes about live quality: how often monitors are right, whether they keep their promise, whether runs have drifted;
and how many runs go without a warning to find that out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, principal_of, project_of
from service.api.quality_views import FeedbackView, MonitorQuality, QualityPage
from service.api.step_route import to_answer
from service.api.values import MonitorId
from service.core.projects import Feedback, ProjectSettings


def build_quality_router(deps: ApiDeps) -> APIRouter:
    """The routes about quality."""
    router = APIRouter(tags=["quality"])

    async def list_quality(request: Request) -> Response:
        """Read how good monitors are. What the project's runs say of each that scored them; up to some seconds old."""
        project = project_of(request)
        reports = await deps.quality.reports()
        return to_answer({"monitors": [report for (whose, _), report in reports.items() if whose == project]})

    async def get_quality(monitor_id: MonitorId, request: Request) -> Response:
        """Read how good one monitor is. What the project's runs say of it."""
        project = project_of(request)
        if monitor_id == "active":
            monitor_id = deps.catalogue.choose(project).monitor_id
        report = (await deps.quality.reports()).get((project, monitor_id))
        if report is None:
            report = deps.quality.blank((await deps.catalogue.get(monitor_id, project)).monitor_id)
        return to_answer(report)

    async def get_feedback(request: Request) -> Response:
        """Read how the project uses outcomes."""
        return to_answer(deps.book.settings(project_of(request)).feedback.model_dump())

    async def put_feedback(request: Request, said: FeedbackView) -> Response:
        """Set the share of runs that are recorded without a warning. Runs that have begun stay what they are."""
        principal = principal_of(request)
        await deps.audit.note(principal, "feedback.change", principal.project, said.model_dump())

        def change(settings: ProjectSettings) -> ProjectSettings:
            return settings.model_copy(update={"feedback": Feedback(control_ratio=said.control_ratio)})

        settings = await deps.book.change(principal.project, change)
        return to_answer(settings.feedback.model_dump())

    for method, path, route, model in (
        ("GET", "/v1/quality", list_quality, QualityPage),
        ("GET", "/v1/monitors/{monitor_id}/quality", get_quality, MonitorQuality),
        ("GET", "/v1/feedback", get_feedback, FeedbackView),
        ("PUT", "/v1/feedback", put_feedback, FeedbackView),
    ):
        router.add_api_route(path, route, methods=[method], responses={200: {"model": model}}, response_model=None)
    return router
