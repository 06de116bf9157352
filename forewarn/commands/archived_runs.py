"""The options by which verbs take runs from a service's archive, and what they make of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from induction.archive.selection import Selection

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

FromArchive = Annotated[
    Path | None, typer.Option(help="Take the finished runs that a service has archived here, in place of RAW.")
]
Projects = Annotated[
    list[str] | None, typer.Option("--project", help="Of the archive: runs of this project; may be said again.")
]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="Of the archive: runs of this agent; may be said again.")
]
Since = Annotated[
    datetime | None,
    typer.Option(formats=_DATES, metavar="DATE", help="Of the archive: runs begun then (UTC) or later."),
]
Until = Annotated[
    datetime | None, typer.Option(formats=_DATES, metavar="DATE", help="Of the archive: runs begun before then (UTC).")
]
IncludeIntervened = Annotated[
    bool,
    typer.Option(help="Of the archive: also runs in which somebody acted on a warning, whose outcome that may be."),
]
SplitBy = Annotated[
    Literal["task", "run"],
    typer.Option(help="Of the archive: hold out whole tasks, or single runs where the same tasks come again."),
]


def to_selection(
    projects: list[str] | None,
    agents: list[str] | None,
    since: datetime | None,
    until: datetime | None,
    split_by: Literal["task", "run"],
    *,
    include_intervened: bool,
) -> Selection:
    """Return what these options ask for."""
    from induction.archive.selection import Selection

    return Selection(
        tuple(projects or ()), tuple(agents or ()), _to_ms(since), _to_ms(until), include_intervened, split_by
    )


def check_source(raw: Path | None, archive: Path | None) -> None:
    """Raise BadParameter unless exactly one of the two is there."""
    if (raw is None) == (archive is None):
        raise typer.BadParameter("name either RAW or --from-archive", param_hint="RAW")


@contextmanager
def gathered_meanwhile(archive: Path, selection: Selection, tell: Callable[[str], None]) -> Iterator[Path]:
    """Give the folder of a corpus gathered from an archive; it is gone afterwards."""
    from induction.archive.gathering import gather_archive
    from induction.archive.keeping import to_lines

    with tempfile.TemporaryDirectory(prefix="forewarn-gathered-") as folder:
        for line in to_lines(gather_archive(archive, selection, Path(folder))):
            tell(line)
        yield Path(folder)


def _to_ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)
