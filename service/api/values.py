"""What stands in many routes' addresses and answers, as /openapi.json describes it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

Probability = Annotated[float, Field(ge=0, le=1)]


# Documented here, checked by `core.ingest.check_run_id`, which says in words what is allowed.
RUN_ID_SCHEMA: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._~:@#+=,-]{0,199}$",
}


RunId = Annotated[
    str,
    Path(
        description="The run: any name that the sender chooses, the same for all its steps.",
        json_schema_extra=RUN_ID_SCHEMA,
    ),
]


AlertId = Annotated[str, Path(description="The alert's `id`, as listings, streams and webhooks give it.")]


MonitorId = Annotated[
    str, Path(description="The monitor's `monitor_id`; where it is only read, `active` is the project's active one.")
]


KeyId = Annotated[str, Path(description="The key's `id`: what its token begins with, up to the second `_`.")]


ProjectName = Annotated[str, Path(description="The project's name.")]
