"""From what a bundle keeps of a featuriser back to the featuriser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from monitors.errors import BundleVersionError
from monitors.features.featuriser import SHAPE_VERSIONS, NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.features.protocol import Featuriser


def read_featuriser(kind: str, shape_version: int, arrays: Mapping[str, NDArray[Any]]) -> Featuriser:
    """Return the featuriser of a kind from its arrays.

    Raises KeyError or ValueError for arrays that are not its own, BundleVersionError for a kind or a version of the
    run-shape numbers that this forewarn does not make.
    """
    if kind != NgramFeaturiser.kind:
        raise BundleVersionError(f"the bundle's featuriser is {kind!r}; this forewarn has {NgramFeaturiser.kind!r}")
    if shape_version not in SHAPE_VERSIONS:
        raise BundleVersionError(
            f"the bundle was trained on run-shape numbers {shape_version}; this forewarn makes {SHAPE_VERSIONS}"
        )
    return NgramFeaturiser(Vocabulary.from_arrays(arrays["slots"], arrays["idf"]), shape_version)
