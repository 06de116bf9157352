"""The benchmark: presets on corpora, five folds, several seeds, under one protocol (docs/benchmark.md)."""

from __future__ import annotations
