"""The `best` preset: linear text logits and run-shape numbers into one small network, taught by trees."""

from __future__ import annotations
