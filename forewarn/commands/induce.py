"""`forewarn induce`: raw runs in, adapter out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.commands.places import check_file
from forewarn.commands.printing import AsJson, print_json, print_rows, to_console

if TYPE_CHECKING:
    from rich.console import Console

    from induction.adapters.inducing import Induction
    from induction.adapters.llm.settings import LlmSettings
    from induction.adapters.validator import Report

MAX_CELL_CHARS = 700


def induce(
    raw: Annotated[Path, typer.Argument(help="Raw runs: a file, a folder or an archive.")],
    out: Annotated[Path, typer.Option(help="Where to write the adapter.")],
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="runs.jsonl, or a CSV of run, task and success: checks that its runs are found and that nothing shown "
            "tells the outcome."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where to write a page: fields, examples, what was refused and why.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample. The adapter should not depend on it.")] = 0,
    llm_url: Annotated[
        str | None,
        typer.Option(
            help="An OpenAI-compatible endpoint to ask for a second proposal. Samples of the traces go there, secrets "
            "masked; the key comes from FOREWARN_LLM_API_KEY or OPENAI_API_KEY."
        ),
    ] = None,
    llm_model: Annotated[str | None, typer.Option(help="The model to ask there.")] = None,
    llm_max_tokens: Annotated[int, typer.Option(min=1, help="Cost ceiling: tokens of all exchanges.")] = 60_000,
    llm_timeout: Annotated[float, typer.Option(min=1.0, help="Seconds that one answer may take.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Infer from raw runs alone how to read them: where runs, steps and fields are. What would reveal the
    outcome is refused.

    RAW is JSON, JSONL, OTLP spans or text logs, compressed or not: a file, a folder, a zip or a tar.

    With --llm-url a model is asked as well; the same validator judges both proposals, the better one is taken, and
    every exchange is recorded beside the adapter (adapter.llm.jsonl).
    """
    from rich.console import Console
    from rich.progress import Progress

    from induction.adapters.inducing import induce_adapter
    from induction.errors import NoRunsError
    from monitors.adapter import write_spec

    check_file(out, "--out")
    check_file(report, "--report")
    llm = _read_llm(llm_url, llm_model, out, llm_max_tokens, llm_timeout)
    console = Console(stderr=True, quiet=as_json)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as progress:
        task = progress.add_task("Looking at the raw runs", total=None)
        induction = induce_adapter(
            raw,
            outcomes,
            seed=seed,
            llm=llm,
            on_stage=lambda stage: progress.update(task, description=stage, completed=0),
            on_file=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if report is not None:
        from induction.adapters.page import render_page

        report.write_text(render_page(induction, raw.name), "utf-8")
    if not induction.report.ok:
        raise NoRunsError(f"{raw}: no adapter was written: {'; '.join(induction.report.faults)}")
    write_spec(induction.proposal.spec, out)
    if as_json:
        contest = {"why": induction.contest.why, "asked": induction.contest.asked}
        shown = {"adapter": str(out), **induction.report.to_dict(), **contest}
        print_json(shown)
        return
    _print_induction(to_console(), induction, out)


def _read_llm(url: str | None, model: str | None, out: Path, max_tokens: int, timeout_s: float) -> LlmSettings | None:
    from pydantic import ValidationError

    from induction.adapters.llm.settings import KEY_VARIABLES, LlmSettings, read_key

    if url is None and model is None:
        return None
    if url is None or model is None:
        raise typer.BadParameter("--llm-url and --llm-model belong together", param_hint="--llm-url")
    record = out.with_name(f"{out.stem}.llm.jsonl")
    try:
        return LlmSettings(
            url=url, model=model, record=record, key=read_key(os.environ), max_tokens=max_tokens, timeout_s=timeout_s
        )
    except ValidationError as error:
        fault = error.errors()[0]
        hint = " or ".join(KEY_VARIABLES) if fault["loc"] == ("key",) else "--llm-url"
        raise typer.BadParameter(fault["msg"], param_hint=hint) from None


def _print_induction(console: Console, induction: Induction, out: Path) -> None:
    from rich.markup import escape

    evidence, report = induction.proposal.evidence, induction.report
    console.print(f"[bold]{escape(str(out))}[/]: adapter {escape(induction.proposal.spec.name)}")
    total = f", {induction.runs_in_all} runs in all" if induction.runs_in_all is not None else ""
    console.print(f"  looked at {evidence.runs} runs in {evidence.documents} {evidence.container} documents{total}")
    if induction.contest.asked:
        console.print(f"  {escape(induction.contest.asked)}")
        console.print(f"  {escape(induction.contest.why)}")
    for note in evidence.notes:
        console.print(f"  {escape(note)}")
    fields = [
        (field.field, "\n".join(field.paths) or "–", f"{field.fill:.0%}", str(field.distinct))
        for field in report.fields
    ]
    print_rows(
        ("field", "read from", "filled", "values"), fields, title="Fields", label="field", right=("filled", "values")
    )
    console.print(
        f"  on {report.runs} held-out runs: {report.turns:.0f} turns a run, {report.known:.1%} of {report.events} "
        f"raw steps known, {report.cost_p50_us:.0f} µs a raw step (p99 {report.cost_p99_us:.0f})"
    )
    console.print(
        "  deterministic, stable under shuffled keys, and unchanged when everything a step may not see is replaced"
    )
    if report.unread:
        console.print(f"  no field reads {escape(', '.join(report.unread))}")
    if report.matched is not None:
        console.print(f"  {report.matched:.1%} of the runs with an outcome were found")
    for line in dict.fromkeys(report.refused):
        console.print(f"  [yellow]{escape(line)}[/]")
    for warning in report.warnings:
        console.print(f"  [yellow]warning: {escape(warning)}[/]")
    if induction.skipped:
        console.print(f"  [yellow]{len(induction.skipped)} skipped, the first: {escape(str(induction.skipped[0]))}[/]")
    _print_examples(report)


def _print_examples(report: Report) -> None:
    import orjson

    from monitors.stepview import to_text

    rows = []
    for example in report.examples:
        view = {name: value for name, value in example.view.to_dict().items() if value not in ("", None, {}, [])}
        option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
        rows.append((_shorten(to_text(example.raw_step)), _shorten(orjson.dumps(view, option=option).decode())))
    print_rows(("raw step", "StepView"), rows, title="Examples", label="example", ruled=True)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CELL_CHARS else f"{text[:MAX_CELL_CHARS]} …"
