"""A child process of the supervisor: `python -m service.app api|worker|ops`, with its settings in the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from service.core.privacy.redaction import MaskingFormatter
from service.errors import FatalError, ServiceError
from service.processes import EXIT_FATAL, watch_parent
from service.settings import Settings, read_settings


def main(kind: str) -> int:
    """Run until told to stop; the exit status. A fatal error is one line on stderr and EXIT_FATAL: starting again
    would not help."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskingFormatter(f"%(asctime)s {kind}[{os.getpid()}] %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    watch_parent()
    try:
        settings = read_settings()
        if settings.redis_url is None:
            raise FatalError("a child process needs FOREWARN_REDIS_URL")
        run_kind(kind, settings, settings.redis_url)
    except Exception as error:
        from monitors.errors import ForewarnError

        if isinstance(error, ForewarnError) and (isinstance(error, FatalError) or not isinstance(error, ServiceError)):
            logging.getLogger(__name__).critical("%s", error)
            return EXIT_FATAL
        raise
    return 0


def run_kind(kind: str, settings: Settings, redis_url: str) -> None:
    """Run an API, worker or ops process to its end, on uvloop where there is one."""
    from service.app.starting import stop_on_signals

    async def run() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        if kind == "api":
            from service.app.api import run_api

            await run_api(settings, redis_url, stop)
        elif kind == "ops":
            from service.app.ops import run_ops

            await run_ops(settings, redis_url, stop)
        else:
            from service.app.worker import read_monitor, run_worker

            await run_worker(settings, redis_url, lambda folder: read_monitor(folder, settings.device), stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
