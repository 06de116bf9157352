"""The command line: finds the verb, loads that verb alone, and turns a failure into one clear line and an exit status.

Exit status: 0 done · 1 bad input or a failure that forewarn names · 2 wrong usage · 130 interrupted. An error that
forewarn does not name is a defect and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb's function is (`module:function`), or its group of verbs, and the line that `forewarn --help` shows
    for it.
    """

    target: str
    summary: str

    def load(self) -> Callable[..., Any] | typer.Typer:
        """The verb's function or group; importing it is the only thing that happens."""
        module, _, function = self.target.partition(":")
        loaded: Callable[..., Any] | typer.Typer = getattr(import_module(module), function)
        return loaded

    def placeholder(self) -> Callable[[], None]:
        """Stands for a verb that was not asked for, so that help can list it unloaded."""

        def unloaded() -> None:
            raise AssertionError(f"{self.target} was run without being loaded")

        return unloaded


VERBS = {
    "induce": Verb("forewarn.commands.induce:induce", "Infer from raw runs how to read them, and write the adapter."),
    "adapter": Verb("forewarn.commands.adapter:adapter", "Apply, check, show and compare adapters."),
    "train": Verb("forewarn.commands.train:train", "Learn a monitor from finished runs, and write the bundle."),
    "evaluate": Verb("forewarn.commands.evaluate:evaluate", "Measure a bundle on runs that it has not seen."),
    "compare": Verb(
        "forewarn.commands.compare:compare", "Say whether a bundle is better than another on held-out runs."
    ),
    "benchmark": Verb(
        "forewarn.commands.benchmark:benchmark", "Compare presets on corpora: five folds, several seeds."
    ),
    "audit": Verb("forewarn.commands.audit:audit", "Show what a bundle tells apart, as an automaton with examples."),
    "explain": Verb(
        "forewarn.commands.explain:explain", "Show which steps of a run moved its score, and by what words."
    ),
    "judge": Verb("forewarn.commands.judge:judge", "Ask a language model in a monitor's place, as a baseline."),
    "inspect": Verb("forewarn.commands.inspect:inspect", "Show what is in a bundle."),
    "serve": Verb("forewarn.commands.serve:serve", "Score live runs over HTTP and send alerts."),
    "keys": Verb("forewarn.commands.keys:keys", "Make, list, rotate and revoke API keys."),
    "projects": Verb("forewarn.commands.projects:projects", "Make projects, set what they may, and delete them."),
    "monitors": Verb(
        "forewarn.commands.monitors:monitors", "Register, activate, shadow, roll back a live service's monitors."
    ),
    "runs": Verb("forewarn.commands.runs:runs", "Show a run of a live service step by step; delete runs."),
    "parked": Verb("forewarn.commands.parked:parked", "List, show, release and drop steps that could not be scored."),
    "outcomes": Verb("forewarn.commands.outcomes:outcomes", "Say to a live service how runs ended."),
    "replay": Verb("forewarn.commands.replay:replay", "Play finished runs against a live service as agents would."),
    "doctor": Verb("forewarn.commands.doctor:doctor", "Say whether this machine can do what forewarn needs."),
    "demo": Verb("forewarn.commands.demo:demo", "Run the whole path on simulated help-desk agents."),
}

# Import name → the extra that brings it. The first line that a user of the base install sees must say what to do.
EXTRA_OF = {
    "onnxruntime": "cpu' (or 'gpu', never both)",
    "aalpy": "train'",
    "ijson": "train'",
    "matplotlib": "train'",
    "onnx": "train'",
    "onnxscript": "train'",
    "scipy": "train'",
    "sklearn": "train'",
    "threadpoolctl": "train'",
    "torch": "train'",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs `forewarn` with these arguments (default: the process's own). Raises SystemExit always."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = next((argument for argument in completed() or arguments if not argument.startswith("-")), None)
    try:
        build_app(asked)(args=arguments, prog_name="forewarn")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        line = failure_line(error)
        if line is None:
            raise
        typer.echo(f"forewarn: {line}", err=True)
        sys.exit(1)
    sys.exit(0)


def completed() -> list[str]:
    """The words after `forewarn` that a shell asks to complete, as Typer's completion scripts hand them over; none
    where no shell asks."""
    if "_FOREWARN_COMPLETE" not in os.environ:
        return []
    words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return words.split()[1:]


def _print_version(wanted: bool) -> None:
    if wanted:
        from forewarn import __version__

        typer.echo(f"forewarn {__version__}")
        raise typer.Exit


def build_app(asked: str | None) -> typer.Typer:
    """The command with the verb `asked` loaded and every other verb listed only."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback(help="Watch LLM agents while they run, and warn before they fail.")(_root)
    for name, verb in VERBS.items():
        loaded = verb.load() if name == asked else None
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=name, help=verb.summary)
        elif loaded is not None:
            app.command(name, short_help=verb.summary)(loaded)
        else:
            app.command(name, help=verb.summary)(verb.placeholder())
    return app


def failure_line(error: Exception) -> str | None:
    """One line that says what is wrong and what to do, or None if the error is a defect of forewarn itself."""
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        return extra and f"this needs {error.name}, which is not installed: install forewarn with the extra '{extra}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    # Imported late: the errors are light, but their package's front door is not.
    from monitors.errors import ForewarnError

    return str(error) if isinstance(error, ForewarnError) else None


def _root(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the command itself; each acts in its own callback."""
