"""The command line: finds the verb, loads that verb alone, and turns a failure into one clear line and an exit status.

Exit status: see `STATUS`. An error that forewarn does not name is a defect and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer

from forewarn.examples import EXAMPLES
from forewarn.failures import failure_line

STATUS = "Exit status: 0 done; 1 failed, or the answer is no; 2 wrong usage; 130 interrupted."


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
    "runs": Verb("forewarn.commands.runs:runs", "List and delete runs of a live service; show one step by step."),
    "parked": Verb("forewarn.commands.parked:parked", "List, show, release and drop steps that could not be scored."),
    "outcomes": Verb("forewarn.commands.outcomes:outcomes", "Say to a live service how runs ended."),
    "replay": Verb("forewarn.commands.replay:replay", "Play finished runs against a live service as agents would."),
    "doctor": Verb("forewarn.commands.doctor:doctor", "Say whether this machine can do what forewarn needs."),
    "demo": Verb("forewarn.commands.demo:demo", "Run the whole path on simulated help-desk agents."),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs `forewarn` with these arguments (default: the process's own). Raises SystemExit always."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    status = _run(arguments)
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        # Whoever read has left, or nobody ever did: what Python would say about that at its end helps nobody.
        status = status or 1
        _let_go(sys.stdout)
    sys.exit(status)


def _run(arguments: Sequence[str]) -> int:
    words = [word for word in completed() or arguments if not word.startswith("-")]
    try:
        build_app(words[0] if words else None)(args=arguments, prog_name="forewarn")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        line = failure_line(error, path_of(words))
        if line is None:
            raise
        typer.echo(f"forewarn: {line}", err=True)
        return 1
    return 0


def path_of(words: Sequence[str]) -> str:
    """The command that these words ask for, such as `forewarn keys create`."""
    known = next((" ".join(words[:length]) for length in (2, 1) if " ".join(words[:length]) in EXAMPLES), "")
    return f"forewarn {known}".rstrip()


def _let_go(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
    """The command with the verb `asked` loaded and every other verb listed only. Help is boxed on a terminal and plain
    text elsewhere.
    """
    boxed = all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich" if boxed else None)
    root = f"Watch LLM agents while they run, and warn before they fail.\n\n{STATUS}"
    app.callback(help=root, epilog=to_epilog("", boxed=boxed))(_root)
    for name, verb in VERBS.items():
        loaded = verb.load() if name == asked else None
        if isinstance(loaded, typer.Typer):
            for one in loaded.registered_commands:
                assert one.callback is not None
                one.name = one.name or one.callback.__name__
                one.help = to_paragraphs(one.callback.__doc__)
                one.epilog = to_epilog(f"{name} {one.name}", boxed=boxed)
            app.add_typer(loaded, name=name, help=verb.summary, epilog=to_epilog(name, boxed=boxed))
        elif loaded is not None:
            text = to_paragraphs(loaded.__doc__)
            app.command(name, short_help=verb.summary, help=text, epilog=to_epilog(name, boxed=boxed))(loaded)
        else:
            app.command(name, help=verb.summary)(verb.placeholder())
    return app


def to_paragraphs(text: str | None) -> str:
    """A docstring whose lines are as long as the paper is wide."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def to_epilog(path: str, *, boxed: bool) -> str:
    """The examples of a command, as its help ends with them."""
    lines = "\n".join(f"  {example}" for example in EXAMPLES.get(path, ()))
    # Plain help keeps the lines of a paragraph that begins with a backspace.
    return f"Examples:\n{lines}" if boxed else f"\b\nExamples:\n{lines}"


def _root(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the command itself; each acts in its own callback."""
