"""Which monitors a project's new runs begin with, changed and written down: the same for routes and pages."""

from __future__ import annotations

from service.api.deps import ApiDeps
from service.core.projects import MonitorChoice
from service.core.tenants.access import Principal


async def activate(deps: ApiDeps, who: Principal, monitor_id: str, agent: str = "") -> MonitorChoice:
    """New runs, or those of one agent, begin with this monitor. Waits for workers up to a minute. Raises NotFound,
    Conflict."""
    chosen = await deps.switch.activate(who.project, monitor_id, agent)
    return await _noted(deps, who, "monitor.activate", monitor_id, chosen, agent)


async def set_shadow(deps: ApiDeps, who: Principal, monitor_id: str) -> MonitorChoice:
    """This monitor scores new runs beside their own. Raises NotFound, Conflict."""
    return await _noted(deps, who, "monitor.shadow", monitor_id, await deps.switch.set_shadow(who.project, monitor_id))


async def drop_shadow(deps: ApiDeps, who: Principal, monitor_id: str) -> MonitorChoice:
    """New runs have no shadow. Raises NotFound, Conflict."""
    return await _noted(
        deps, who, "monitor.unshadow", monitor_id, await deps.switch.drop_shadow(who.project, monitor_id)
    )


async def roll_back(deps: ApiDeps, who: Principal, agent: str = "") -> MonitorChoice:
    """New runs begin with what was active before; those of an agent with the project's monitor. Raises Conflict."""
    chosen = await deps.switch.roll_back(who.project, agent)
    return await _noted(deps, who, "monitor.rollback", chosen.active or deps.catalogue.active_id, chosen, agent)


async def _noted(
    deps: ApiDeps, who: Principal, act: str, target: str, chosen: MonitorChoice, agent: str = ""
) -> MonitorChoice:
    await deps.audit.note(who, act, target, {"agent": agent} if agent else None)
    return chosen
