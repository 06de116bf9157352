"""Bundles on disk, by monitor id: how they come into the folder that workers load from, and leave it."""
