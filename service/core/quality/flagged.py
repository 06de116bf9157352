"""What is told of a flag to those outside, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.core.quality.reports import Material, to_report
from service.core.quality.watching import PROMISE, Flag, Watched
from service.records import JsonObject


@dataclass(frozen=True, slots=True)
class FlagNews:
    """A flag of a monitor in a project. Told again, if at all, with the same flag."""

    project: str
    monitor_id: str
    test: str
    flag: Flag
    level: float
    figures: JsonObject | None
    """What `/v1/quality` says of what it is about: a row of `promise.rules`, or of `shares`. None where the bundle is
    not known any more."""


TellFlag = Callable[[FlagNews], Awaitable[None]]


async def tell_nobody(_: FlagNews) -> None:
    """Tells nobody."""


def take_untold(watched: Watched) -> list[str]:
    """The tests whose flags are to be told now; they count as told from here on."""
    found = [test for test, flag in watched.flags.items() if not flag.told]
    for test in found:
        watched.flags[test].told = True
    return found


def to_news(project: str, test: str, material: Material) -> FlagNews:
    """What is told of this flag, by what is known of the monitor now."""
    flag = material.watched.flags[test]
    return FlagNews(project, material.monitor_id, test, flag, material.level, _figures(test, flag, material))


def _figures(test: str, flag: Flag, material: Material) -> JsonObject | None:
    part = to_report(material)[test]
    if part is None:
        return None
    rows: list[JsonObject] = part["rules"] if test == PROMISE else part["shares"]
    name, about = ("group", flag.about) if test == PROMISE else ("name", flag.about[:-1])
    return next((row for row in rows if row[name] == about), None)
