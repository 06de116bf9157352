"""The presets by name: what `forewarn train --preset` and `forewarn benchmark --preset` may ask for."""

from __future__ import annotations

from induction.learning.paper.network import HEADS
from induction.learning.presets.best import BestRecipe
from induction.learning.presets.default import DefaultRecipe
from induction.learning.presets.paper import ActivityRecipe, PaperRecipe
from induction.learning.presets.raw_text import RawTextRecipe
from induction.learning.recipe import Recipe

DEFAULT = "default"
RAW_TEXT = "raw-text"
BEST = "best"
BEST_RAW_TEXT = "best-raw-text"
PAPER_RAW_TEXT = "paper-raw-text"

_RECIPES: tuple[Recipe, ...] = (
    DefaultRecipe(),
    RawTextRecipe(DefaultRecipe(), preset=RAW_TEXT),
    BestRecipe(),
    RawTextRecipe(BestRecipe(), preset=BEST_RAW_TEXT),
    *(PaperRecipe(head) for head in HEADS),
    *(RawTextRecipe(PaperRecipe(head), preset=PAPER_RAW_TEXT) for head in HEADS),
    ActivityRecipe(),
)
"""The first recipe of a preset has its usual head."""

PRESETS = tuple(dict.fromkeys(recipe.preset for recipe in _RECIPES))


def find_recipe(preset: str, head: str | None = None) -> Recipe:
    """Return the recipe of a preset, with its usual head unless one is named.

    Raises KeyError with what there is for a preset or head that is not known.
    """
    found = [recipe for recipe in _RECIPES if recipe.preset == preset]
    if not found:
        raise KeyError(f"{preset!r} is no preset; there are {', '.join(PRESETS)}")
    for recipe in found:
        if head in (None, recipe.head):
            return recipe
    raise KeyError(f"preset {preset!r} has no head {head!r}; there are {', '.join(recipe.head for recipe in found)}")
