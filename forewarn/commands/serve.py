"""`forewarn serve`: score live runs over HTTP and send alerts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer


def serve(
    bundle: Annotated[Path | None, typer.Option(help="Folder of the monitor to serve (FOREWARN_BUNDLE).")] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to bind. Default 127.0.0.1. One that others can reach needs a key to exist."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port to bind. Default 8080. Workers alone only tell of their health there."
        ),
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="A Redis to use. Without it the service starts one of its own.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded Redis keeps its data. Default: the platform's data folder.")
    ] = None,
    role: Annotated[
        Literal["all", "api", "worker"] | None, typer.Option(help="Default all. The other two need --redis-url.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default 1.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Default auto.")] = None,
) -> None:
    """Score live runs over HTTP and send alerts.

    With no options at all it starts its own Redis and listens on http://127.0.0.1:8080. Every setting can come from the
    environment too (FOREWARN_PORT, …); FOREWARN_API_KEY, FOREWARN_WEBHOOK_ALLOW and the limits only from there. Stops
    on Ctrl-C.
    """
    from service.core.privacy.redaction import MaskingFormatter
    from service.settings import read_settings
    from service.supervisor import serve as run_service

    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(asctime)s forewarn %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    settings = read_settings(
        bundle=bundle,
        host=host,
        port=port,
        redis_url=redis_url,
        data_dir=data_dir,
        role=role,
        workers=workers,
        device=device,
    )
    if settings.bundle is not None and settings.role != "worker":
        from monitors.bundle import verify_files
        from service.core.catalogue import read_entry

        # A bundle that cannot be read is said here and now, not by a child process.
        entry = read_entry(settings.bundle)
        verify_files(settings.bundle, entry.manifest)
        typer.echo(f"monitor {entry.monitor_id} ({entry.manifest.name}) from {settings.bundle}", err=True)
    what = "tells of its workers" if settings.role == "worker" else "serves"
    typer.echo(f"forewarn {what} on http://{settings.wanted_host}:{settings.port} once /readyz says ready", err=True)
    run_service(settings)
