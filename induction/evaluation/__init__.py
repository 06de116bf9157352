"""Evaluation: what a monitor's scores are worth on runs it never saw, beside the floors, with intervals."""

from __future__ import annotations
