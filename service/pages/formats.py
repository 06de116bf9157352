"""How figures, times and states are written on pages; a template's filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

NOTHING = "–"


def percent(share: float | None, places: int = 0) -> str:
    """A share of one as per cent; a dash for None. What is not quite 0 or 100 % is not written as such."""
    if share is None:
        return NOTHING
    text = f"{share * 100:.{places}f}"
    if 0 < share < 1 and float(text) in {0.0, 100.0}:
        least = 10.0**-places
        return f"< {least:.{places}f} %" if share < 0.5 else f"> {100 - least:.{places}f} %"
    return f"{text} %"


def number(value: float | None, places: int = 0) -> str:
    """A number with thousands apart; a dash for None."""
    return NOTHING if value is None else f"{value:,.{places}f}"


def moment(ms: float | None) -> str:
    """A time in UTC to the second; a dash for None. `ms` since 1970."""
    return NOTHING if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(ms: float | None) -> str:
    """The same as a machine reads it, for `<time datetime>`."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def short(text: str | None, most: int = 120) -> str:
    """A text cut to so many characters."""
    text = text or ""
    return text if len(text) <= most else text[: most - 1] + "…"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "percent": percent,
    "number": number,
    "moment": moment,
    "iso": iso,
    "short": short,
}
