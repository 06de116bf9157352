"""The command `forewarn`: the composition root, the one place that may know all other packages.

What may live here: verbs of the command (`forewarn.commands.*`) and what they print. What an agent run means belongs to
`monitors`, learning to `induction`, serving to `service`. Nothing imports this package.
"""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """`forewarn.__version__`, read when asked for, so that importing the package reads nothing."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("forewarn")
    except PackageNotFoundError:  # run from a source tree that nobody installed
        return "0+not-installed"
