"""From what a bundle keeps of a featuriser back to the featuriser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from monitors.errors import BundleVersionError
from monitors.features.activity import ActivityFeaturiser
from monitors.features.featuriser import SHAPE_VERSIONS, NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.features.protocol import Featuriser
from monitors.features.tfidf import TfidfFeaturiser, TfidfVocabulary

Arrays = Mapping[str, NDArray[Any]]


def read_featuriser(kind: str, shape_version: int, arrays: Arrays) -> Featuriser:
    """Return the featuriser of a kind from its arrays.

    Raises KeyError or ValueError for arrays that are not its own, BundleVersionError for a kind or a version of the
    run-shape numbers that this forewarn does not make.
    """
    if kind == NgramFeaturiser.kind:
        return _read_ngrams(shape_version, arrays)
    if kind not in _READERS:
        known = ", ".join((NgramFeaturiser.kind, *_READERS))
        raise BundleVersionError(f"the bundle's featuriser is {kind!r}; this forewarn has {known}")
    return _READERS[kind](arrays)


def _read_ngrams(shape_version: int, arrays: Arrays) -> Featuriser:
    if shape_version not in SHAPE_VERSIONS:
        raise BundleVersionError(
            f"the bundle was trained on run-shape numbers {shape_version}; this forewarn makes {SHAPE_VERSIONS}"
        )
    return NgramFeaturiser(Vocabulary.from_arrays(arrays["slots"], arrays["idf"]), shape_version)


def _read_tfidf(arrays: Arrays) -> Featuriser:
    return TfidfFeaturiser(
        TfidfVocabulary.from_arrays(arrays["hashes"], arrays["idf"], [str(name) for name in arrays["names"]])
    )


def _read_activity(arrays: Arrays) -> Featuriser:
    return ActivityFeaturiser([str(name) for name in arrays["activities"]])


_READERS: dict[str, Callable[[Arrays], Featuriser]] = {
    TfidfFeaturiser.kind: _read_tfidf,
    ActivityFeaturiser.kind: _read_activity,
}
"""Of featurisers without run-shape numbers, whose meaning has versions."""
