"""The raw-text control: any recipe on whole raw steps as text, to tell what the adapter's fields are worth."""

from __future__ import annotations

from dataclasses import dataclass

from induction.learning.labelled import LabelledCorpus
from induction.learning.recipe import Learned, Progress, Recipe
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from monitors.adapter import AdapterSpec
from monitors.adapter.spec import Cut, Event, Fields, Selector, Status


@dataclass(frozen=True, slots=True)
class RawTextRecipe:
    """Another recipe, reading raw text."""

    of: Recipe
    preset: str

    @property
    def head(self) -> str:
        """The other recipe's head."""
        return self.of.head

    def to_spec(self, spec: AdapterSpec) -> AdapterSpec:
        """Return the adapter that shows whole raw steps."""
        return to_raw_text(self.of.to_spec(spec))

    def learn(self, corpus: LabelledCorpus, split: Split, settings: TrainingSettings, progress: Progress) -> Learned:
        """Learn as the other recipe does."""
        return self.of.learn(corpus, split, settings, progress)


def to_raw_text(spec: AdapterSpec) -> AdapterSpec:
    """Return an adapter that shows whole raw steps as text.

    It keeps what the induced adapter knows of time (which raw step acts, and how often) and of leaks (its cuts),
    and drops what it knows of fields: an agent's raw step is one `action`, any other one `observation`, no status.
    """
    whole = (Selector(path=""),)
    cases = tuple(
        case.model_copy(
            update={"fields": Fields(action=whole, **_calls(case.fields)) if case.acts else Fields(observation=whole)}
        )
        for case in spec.event.cases
    )
    literals = dict.fromkeys(cut.literal for cut in spec.cuts)
    cuts = tuple(Cut(field=field, **{"from": literal}) for literal in literals for field in ("action", "observation"))
    event: Event = spec.event.model_copy(update={"cases": cases, "otherwise": Fields(observation=whole)})
    return spec.model_copy(update={"event": event, "cuts": cuts, "status": Status(), "name": f"{spec.name}, raw text"})


def _calls(fields: Fields) -> dict[str, tuple[Selector, ...]]:
    # Names of calls stay, since they say how many actions a raw step makes; they stand in the raw text anyway.
    return {"tool": fields.tool}
