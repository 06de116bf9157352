"""Quiet hours: times of the week, by the clock on the wall of a time zone, in which only critical alerts are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK_MINUTES = 7 * 24 * 60
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}")
# How far the end of quiet hours is looked for: a week, and a day for what wraps around it.
_LOOK_DAYS = 9

ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietRange(BaseModel):
    """A time of the day, on some days. Where it ends no later than it begins, it ends on the day after."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: tuple[Day, ...] = Field(DAYS, min_length=1, max_length=7, description="The days on which it begins.")
    start: ClockTime = Field(description="When it begins: HH:MM on the zone's clock.")
    end: ClockTime = Field(description="When it ends: HH:MM; no later than `start`: on the day after.")

    def minutes(self) -> Iterator[int]:
        """Its minutes of the week, from Monday 00:00 on."""
        first, last = _minute(self.start), _minute(self.end)
        length = (last - first) % (24 * 60) or 24 * 60
        for day in self.days:
            begin = DAYS.index(day) * 24 * 60 + first
            for minute in range(begin, begin + length):
                yield minute % WEEK_MINUTES


class QuietHours(BaseModel):
    """When alerts below `critical` are held back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: str = Field(max_length=64, description="A time zone of the IANA database, such as Europe/Berlin.")
    ranges: tuple[QuietRange, ...] = Field(min_length=1, max_length=20, description="Not the whole week.")

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            if not _ZONE.fullmatch(zone):
                raise ValueError
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise ValueError(
                "no such time zone: a name of the IANA database, such as Europe/Berlin, is needed"
            ) from None
        return zone

    @model_validator(mode="after")
    def _leave_time(self) -> QuietHours:
        if len(_quiet_minutes(self.ranges)) == WEEK_MINUTES:
            raise ValueError("the whole week is quiet: for critical alerts alone, set filters.severity to critical")
        return self

    def contain(self, at_ms: int) -> bool:
        """True if the moment is within them. An hour that a change of the clock repeats counts both times, one that
        it leaves out not at all."""
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
        return local.weekday() * 24 * 60 + local.hour * 60 + local.minute in _quiet_minutes(self.ranges)

    def end_ms(self, at_ms: int) -> int | None:
        """When the quiet hours that contain this moment are over, to the second; None outside them."""
        if not self.contain(at_ms):
            return None
        quiet_ms = at_ms
        for candidate_ms in sorted(self._ends(at_ms)):
            if candidate_ms <= at_ms:
                continue
            if self.contain(candidate_ms):
                quiet_ms = candidate_ms
                continue
            # Where the clock leaps over the end, the leap itself is the end.
            while candidate_ms - quiet_ms > 1000:
                between = (quiet_ms + candidate_ms) // 2
                if self.contain(between):
                    quiet_ms = between
                else:
                    candidate_ms = between  # noqa: PLW2901 - the search narrows down on the candidate
            return candidate_ms
        return at_ms + _LOOK_DAYS * 86_400_000  # never: the week has a minute that is not quiet

    def _ends(self, at_ms: int) -> Iterator[int]:
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
        for offset in range(_LOOK_DAYS):
            for one in self.ranges:
                yield from _instants(today + timedelta(days=offset), one.end, zone)


def _instants(day: date, clock: str, zone: ZoneInfo) -> Iterator[int]:
    for fold in (0, 1):
        hour, minute = divmod(_minute(clock), 60)
        yield int(datetime.combine(day, time(hour, minute, fold=fold), zone).timestamp() * 1000)


@lru_cache(maxsize=256)
def _quiet_minutes(ranges: tuple[QuietRange, ...]) -> frozenset[int]:
    return frozenset(minute for one in ranges for minute in one.minutes())


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
