"""`forewarn adapter`: apply, check, show and compare adapters."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from forewarn.commands.places import check_file
from forewarn.commands.printing import AsJson, plain, print_json, print_rows, to_console

if TYPE_CHECKING:
    from rich.text import Text

    from induction.adapters.checking import Fit
    from induction.adapters.describing import Summary
    from induction.adapters.differences import Difference

adapter = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

AdapterFile = Annotated[Path, typer.Argument(metavar="ADAPTER", help="An adapter, as `forewarn induce` wrote it.")]
RawRuns = Annotated[Path, typer.Argument(help="Raw runs: a file, a folder or an archive.")]
NEXT_STEP = "`forewarn induce RAW --out FILE` makes an adapter for runs like these"


@adapter.command()
def apply(
    adapter_file: AdapterFile,
    raw: RawRuns,
    out: Annotated[Path, typer.Option(help="Where to write the steps, one JSON line each; - for standard output.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N runs.")] = None,
) -> None:
    """Write the StepView of every raw step: {"file", "loc", "index", "view"}, a line a step.

    `file` and `loc` name the run as runs.jsonl does, `index` counts its raw steps from 0.
    """
    from rich.console import Console

    from forewarn.commands.reporting import file_progress
    from induction.adapters.applying import apply_adapter
    from induction.errors import NoRunsError
    from induction.reading import ReadFault
    from monitors.adapter import read_spec

    spec = read_spec(adapter_file)
    check_file(out, "--out", or_stdout=True)
    skipped: list[ReadFault] = []
    run: tuple[str, int | None] | None = None
    runs = steps = unknown = truncated = 0
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with file_progress(console, "Reading runs") as on_file, _open_out(out) as stream:
        for step in apply_adapter(raw, spec, max_runs=limit, on_fault=skipped.append, on_file=on_file):
            stream.write(step.to_json())
            runs += run != (step.file, step.loc)
            run = step.file, step.loc
            steps += 1
            unknown += not step.known
            truncated += step.truncated
        if not steps:
            raise NoRunsError(f"{adapter_file} finds no raw step in {raw}{_reason(skipped)}; {NEXT_STEP}")
    console.print(
        f"{out}: {steps} steps of {runs} runs, {unknown} of a kind that the adapter does not know, "
        f"{truncated} cut to its limits",
        markup=False,
    )
    if unknown:
        console.print(f"`forewarn adapter check {adapter_file} {raw}` shows their kinds", markup=False)
    if skipped:
        console.print(f"{len(skipped)} skipped, the first: {skipped[0]}", markup=False)


@adapter.command()
def check(
    adapter_file: AdapterFile,
    raw: RawRuns,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of raw steps that must fit.")] = 0.95,
    baseline: Annotated[
        Path | None, typer.Option(help="Raw runs that the adapter is known to fit: fill rates are held to theirs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an adapter still fits today's raw steps; exit status 1 if fewer fit than the threshold asks.

    A raw step fits if a case knows it and no field that the case reads is lost. A field is lost if none of at least 100
    raw steps that it is read from fill it; with --baseline, if fewer than half of those that the baseline's fill rate
    lets expect (at least 30) have it.
    """
    from rich.console import Console

    from forewarn.commands.reporting import file_progress
    from induction.adapters.checking import check_adapter
    from monitors.adapter import read_spec

    spec = read_spec(adapter_file)
    with file_progress(Console(stderr=True, quiet=as_json), "Checking runs") as on_file:
        fit = check_adapter(raw, spec, baseline, on_file=on_file)
    ok = fit.steps > 0 and fit.fitting >= threshold
    if as_json:
        shown = {"ok": ok, "threshold": threshold, **fit.to_dict()}
        print_json(shown)
    elif fit.steps:
        _print_fit(fit)
    if not ok:
        typer.echo(f"forewarn: {_misfit_line(adapter_file, raw, fit, threshold)}", err=True)
        raise typer.Exit(1)


@adapter.command()
def show(
    adapter_file: Annotated[
        Path | None, typer.Argument(metavar="ADAPTER", help="An adapter; not needed with --schema.")
    ] = None,
    as_json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of adapters instead.")] = False,
) -> None:
    """Show what an adapter reads, in words: its event unit, its cases, and where each field comes from."""
    from dataclasses import asdict

    from induction.adapters.describing import summarise
    from monitors.adapter import read_spec
    from monitors.adapter.schema import schema_json

    if schema:
        print(schema_json().decode(), end="")
        return
    if adapter_file is None:
        raise typer.BadParameter("name an adapter, or ask for --schema", param_hint="ADAPTER")
    summary = summarise(read_spec(adapter_file))
    if as_json:
        print_json(asdict(summary))
        return
    _print_summary(adapter_file, summary)


@adapter.command()
def diff(before: AdapterFile, after: AdapterFile, as_json: AsJson = False) -> None:
    """Show what the second adapter says differently from the first, by dotted path; exit status 1 if anything does."""
    from induction.adapters.differences import diff_adapters
    from monitors.adapter import read_spec

    differences = diff_adapters(read_spec(before), read_spec(after))
    if as_json:
        shown = {"equal": not differences, "differences": [difference.to_dict() for difference in differences]}
        print_json(shown)
    else:
        for difference in differences:
            typer.echo(plain(_difference_line(difference)))
        if not differences:
            typer.echo("the two adapters mean the same", err=True)
    if differences:
        raise typer.Exit(1)


@contextmanager
def _open_out(out: Path) -> Iterator[IO[bytes]]:
    """A file appears under its name only when all of it is written."""
    if str(out) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _misfit_line(adapter_file: Path, raw: Path, fit: Fit, threshold: float) -> str:
    if not fit.steps:
        return f"{adapter_file} does not fit {raw}: it finds no raw step there{_reason(fit.skipped)}; {NEXT_STEP}"
    lost = sorted({name for case in fit.cases for name in case.lost})
    why = f"; lost: {', '.join(lost)}" if lost else ""
    return (
        f"{adapter_file} no longer fits {raw}: {fit.fitting:.1%} of the raw steps fit, less than {threshold:.1%}{why}; "
        f"{NEXT_STEP}"
    )


def _reason(skipped: Sequence[object]) -> str:
    return f" ({skipped[0]})" if skipped else ""


def _print_fit(fit: Fit) -> None:
    from rich.markup import escape
    from rich.text import Text

    from induction.adapters.describing import describe_conditions

    console = to_console()
    console.print(
        f"[bold]{fit.fitting:.1%}[/] of {fit.steps} raw steps in {fit.runs} runs fit, {fit.known:.1%} are known"
    )
    rows: list[list[str | Text]] = []
    for case in fit.cases:
        share = f"{case.fitting / case.steps:.1%}" if case.steps else "–"
        fills = Text("\n").join(
            _fill(case.fills, case.baseline_fills, name, lost=name in case.lost) for name in case.fills
        )
        when = f"{case.number}: {describe_conditions(case.when)}"
        rows.append([when, str(case.steps), share, fills if case.steps else "–"])
    print_rows(("case", "raw steps", "fit", "filled"), rows, title="Cases", label="case", right=("raw steps", "fit"))
    console.print("  ".join(f"{name} {fill:.0%}" for name, fill in fit.fills.items()))
    cost = fit.cost
    console.print(
        f"{cost.p50_us:.0f} µs a raw step (p99 {cost.p99_us:.0f}), {cost.p50_us_per_2kb:.0f} µs per 2 KB "
        f"(p99 {cost.p99_us_per_2kb:.0f}), on one core"
    )
    if fit.truncated:
        console.print(f"  [yellow]{fit.truncated:.2%} of the raw steps were cut to the adapter's limits[/]")
    for shape, count in fit.unknown_shapes:
        console.print(f"  [yellow]not known, {count} times: {escape(plain(shape))}[/]")
    if fit.skipped:
        console.print(f"  [yellow]{len(fit.skipped)} skipped, the first: {escape(plain(str(fit.skipped[0])))}[/]")


def _fill(fills: dict[str, float], before: dict[str, float] | None, name: str, *, lost: bool) -> Text:
    from rich.text import Text

    text = f"{name} {fills[name]:.0%}" + (f" (was {before[name]:.0%})" if before is not None else "")
    return Text(f"{text}, lost", "red") if lost else Text(text)


def _print_summary(path: Path, summary: Summary) -> None:
    from rich.markup import escape

    console = to_console()
    console.print(f"[bold]{escape(str(path))}[/]: adapter {escape(plain(summary.name))}")
    for label, lines in (
        ("event unit", (summary.event_unit,)),
        ("source", summary.source),
        ("status", summary.status),
        ("cuts", summary.cuts),
        ("limits", (summary.limits,)),
    ):
        for number, line in enumerate(lines):
            console.print(f"  [bold]{label if number == 0 else '':<12}[/]{escape(plain(line))}")
    cases = [(case.when, "yes" if case.acts else "no", _field_lines(case.fields)) for case in summary.cases]
    print_rows(
        ("when", "agent acts", "field ← read from"),
        [*cases, ("none of these", "no", _field_lines(summary.otherwise))],
        title="Cases: the first that applies reads the raw step",
        label="case",
        ruled=True,
    )


def _field_lines(fields: dict[str, tuple[str, ...]]) -> str:
    lines = [f"{name} ← {path}" for name, paths in fields.items() for path in paths]
    return "\n".join(lines) or "nothing is read"


def _difference_line(difference: Difference) -> str:
    import orjson

    def text(value: object) -> str:
        return orjson.dumps(value).decode()

    if difference.kind == "added":
        return f"+ {difference.path}: {text(difference.after)}"
    if difference.kind == "removed":
        return f"- {difference.path}: {text(difference.before)}"
    return f"~ {difference.path}: {text(difference.before)} → {text(difference.after)}"
