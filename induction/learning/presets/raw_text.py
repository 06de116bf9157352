"""The raw-text control: any recipe on whole raw steps as text, to tell what the adapter's fields are worth."""

from __future__ import annotations

from dataclasses import dataclass

from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import Progress
from induction.learning.recipe import Learned, Recipe
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

    def learn(
        self,
        corpus: LabelledCorpus,
        split: Split,
        settings: TrainingSettings,
        progress: Progress,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> Learned:
        """Learn as the other recipe does."""
        return self.of.learn(corpus, split, settings, progress, checkpoints)


def to_raw_text(spec: AdapterSpec) -> AdapterSpec:
    """Return an adapter that knows nothing of fields: an agent's raw step is one `action` as it came, JSON and all; of
    any other one, what the adapter shows of it is one `observation`. No status.

    It keeps what the induced adapter knows of time (which raw step acts, and how often) and of leaks. Raw steps that
    answer are not shown as they came, since a cut leaves a stub of JSON, and an empty last answer its empty key: both
    tell that the run is over (on tau2-airline and webshop the control's average precision rose by .03 with them).
    """
    whole = (Selector(path=""),)
    cases = tuple(
        case.model_copy(
            update={"fields": Fields(action=whole, tool=case.fields.tool) if case.acts else _untyped(case.fields)}
        )
        for case in spec.event.cases
    )
    event: Event = spec.event.model_copy(update={"cases": cases, "otherwise": _untyped(spec.event.otherwise)})
    cuts = [cut.model_copy(update={"field": "observation"}) for cut in spec.cuts if cut.field not in {"action", "args"}]
    cuts += [Cut(field="action", **{"from": literal}) for literal in dict.fromkeys(cut.literal for cut in spec.cuts)]
    return spec.model_copy(
        update={"event": event, "cuts": tuple(cuts), "status": Status(), "name": f"{spec.name}, raw text"}
    )


def _untyped(fields: Fields) -> Fields:
    return Fields(observation=(*fields.observation, *fields.action, *fields.args, *fields.result))
