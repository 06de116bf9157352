"""What a project keeps of its steps, and for how long: its own settings, else the service's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from service.core.projects import ProjectBook
from service.records import Cutoffs, JsonObject, ParkedEntry, RunDescription, Shape

Content = Literal["keep", "none"]
DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class PrivacyRules:
    """Looks up what holds for a project now. Never waits."""

    book: ProjectBook
    redact: tuple[Shape, ...] = ()
    content: Content = "keep"
    retention_days: float = 30

    def content_of(self, project: str) -> Content:
        """`none`: what agents said is dropped once it is scored; scores, states and results stay."""
        return self.book.settings(project).privacy.content or self.content

    def keeps_content(self, project: str) -> bool:
        """True unless the project's content is dropped once it is scored."""
        return self.content_of(project) == "keep"

    def shapes_of(self, project: str) -> tuple[Shape, ...]:
        """What is masked, the project's own patterns aside."""
        own = self.book.settings(project).privacy.redact
        return self.redact if own is None else own

    def retention_days_of(self, project: str) -> float:
        """Runs idle for so many days are deleted, and what the archive has of them."""
        return self.book.settings(project).privacy.retention_days or self.retention_days

    def cutoffs(self, now_ms: int) -> Cutoffs:
        """Before when a run's last step must lie for the run to be deleted. A project that is no more has the service's
        own retention."""
        days = [self.retention_days_of(project) for project in self.book.names()]
        return Cutoffs(
            lambda project: now_ms - int(self.retention_days_of(project) * DAY_MS),
            now_ms - int(min([*days, self.retention_days]) * DAY_MS),
            now_ms - int(max([*days, self.retention_days]) * DAY_MS),
            tuple(self.book.names()),
        )


def keeps_all(_: str) -> bool:
    """Every project keeps its content."""
    return True


def without_content(parked: ParkedEntry) -> ParkedEntry:
    """A parked entry without its raw step, and without what the reason may quote of it."""
    return ParkedEntry(parked.entry._replace(data=b""), parked.reason.partition(":")[0])


def without_words(evidence: JsonObject | None) -> JsonObject | None:
    """An alert's evidence without the texts of its n-grams; what they did, and in which field, stays."""
    if evidence is None:
        return None
    return {**evidence, "ngrams": [{**one, "text": ""} for one in evidence["ngrams"]]}


def without_task(said: RunDescription) -> RunDescription:
    """What was said of a run, without its task, which is often a user's own words."""
    return replace(said, task=None if said.task is None else "")
