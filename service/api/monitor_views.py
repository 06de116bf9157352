"""What the API says and hears of monitors, as documented in /openapi.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class MonitorView(BaseModel):
    """A monitor as its bundle describes it, and where the project uses it."""

    monitor_id: str = Field(description="Its name: made from its bundle's content.")
    active: bool = Field(description="The project's new runs begin with it.")
    agents: list[str] = Field(description="Agents whose new runs begin with it, whatever is active.")
    shadow: bool = Field(description="It scores the project's new runs beside their own monitor.")
    is_default: bool = Field(description="The service was started with it: what a project that chose nothing has.")
    state: Literal["ready", "loading", "refused", "registered", "unknown"] = Field(
        description="Whether every live worker has it loaded (ready), some do (loading), one cannot (refused), or none "
        "needs it now (registered)."
    )
    reason: str | None = Field(description="Why a worker refuses it.")
    registered_ms: int | None = Field(
        description="When it was registered (ms since 1970); null where the service was started with it."
    )
    manifest: dict[str, Any] = Field(description="The bundle's manifest: name, preset, promise, figures.")


class MonitorList(BaseModel):
    """The monitors that the project may use, the active one first."""

    monitors: list[MonitorView] = Field(description="The monitors.")


class ShadowCounts(BaseModel):
    """What a monitor came to as a shadow over the project's runs."""

    runs: int = Field(description="Runs that it scored beside their own monitor.")
    dropped: int = Field(description="Runs that it scores no longer, because it failed there.")
    steps: int = Field(description="Raw steps that it scored.")
    alerts: int = Field(description="Episodes that it would have opened.")
    own_alerts: int = Field(description="Episodes that the runs' own monitors opened over the same steps.")
    only_shadow_warned: int = Field(description="Steps at which it was in an episode and the run's own monitor not.")
    only_own_warned: int = Field(description="Steps at which it was the other way round.")
    only_shadow_alerted: int = Field(description="Runs that it would have alerted on, and their own monitor did not.")
    only_own_alerted: int = Field(description="Runs where it was the other way round.")
    both_alerted: int = Field(description="Runs that both alerted on.")
    mean_difference: float | None = Field(
        description="Mean over steps of its failure probability less that of the run's own monitor."
    )
    mean_absolute_difference: float | None = Field(description="The same without signs.")


class ForAgent(BaseModel):
    """Whose runs are meant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"agent": "support"}]})

    agent: str = Field("", max_length=200, description="The agent named before a run's first step; empty: all runs.")


class ChosenMonitors(BaseModel):
    """What the project's new runs begin with now. Other API processes follow within a second."""

    active: str | None = Field(description="The active monitor; null where there is none.")
    agents: dict[str, str] = Field(description="By agent; goes before `active`.")
    shadow: str | None = Field(description="The monitor that scores beside; null where there is none.")
    history: list[str] = Field(description="What was active before, the latest first.")


class MonitorRegistered(BaseModel):
    """A bundle is registered."""

    monitor_id: str = Field(description="Its name: made from the bundle's content.")
    name: str = Field(description="What its maker called it.")
    created: bool = Field(description="True if the monitor was not registered before.")


class MonitorRemoved(BaseModel):
    """A monitor is registered no more."""

    monitor_id: str = Field(description="The monitor.")
    removed: bool = Field(description="True.")


_ARCHIVE = {"schema": {"type": "string", "format": "binary"}}


BUNDLE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/gzip": _ARCHIVE,
        "application/x-tar": _ARCHIVE,
        "application/zip": _ARCHIVE,
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["path"],
                "examples": [{"path": "/srv/forewarn/bundles/support-2"}],
                "additionalProperties": False,
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "A bundle's folder on the API's machine, from its root.",
                        "minLength": 1,
                        "maxLength": 4096,
                        "pattern": "^/",
                    }
                },
            }
        },
    },
}


class MonitorDetail(MonitorView):
    """A monitor with examples of the raw steps it reads."""

    event_unit: str = Field(description="What one raw step is: a JSON object (json) or a block of text (text).")
    adapter: dict[str, Any] = Field(description="How raw steps are read: the adapter's spec.")
    examples: list[Any] = Field(description="Up to three raw steps, as they were in training, cut short.")
    as_shadow: ShadowCounts | None = Field(description="Null where it was no shadow of the project's runs.")


class PreviewView(BaseModel):
    """How a monitor's adapter reads a raw step."""

    known: bool = Field(description="False if no case of the adapter knew this kind of step.")
    view: dict[str, Any] = Field(description="The StepView: metadata, observation, action, tool, args, result, status.")
