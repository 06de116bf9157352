"""The demo: the main job from simulated agents to signed alerts, through the same doors that users have."""

from __future__ import annotations
