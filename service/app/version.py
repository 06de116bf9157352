"""What this service calls itself."""

from __future__ import annotations

from importlib import metadata


def version_of_service() -> str:
    """The installed distribution's version, or "unknown" in a tree that is not installed."""
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:
        return "unknown"
