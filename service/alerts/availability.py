"""Redis out of reach, said in the service's own errors: the routes answer 503, the loops wait and go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from service.redis_log.connection import redis_errors

P = ParamSpec("P")
R = TypeVar("R")


def needs_redis(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The method, raising LogUnavailable or Overloaded where Redis is out of reach or full."""

    @wraps(method)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        with redis_errors():
            return await method(*args, **kwargs)

    return guarded
