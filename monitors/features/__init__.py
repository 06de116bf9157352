"""Featuriser: StepViews to numbers, the same code offline and online. Compiled, incremental, one pass over each raw
step, never a prefix.
"""

from __future__ import annotations
