"""`forewarn evaluate`: a bundle on runs that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.commands.places import check_folder
from forewarn.commands.printing import AsJson, print_json, print_rows, to_console

if TYPE_CHECKING:
    from induction.evaluation.diagnosing import GroupDiagnosis


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, scores.jsonl and index.html.")],
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl or a CSV; leave out where the traces carry their outcome.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, max=4, help="Only the runs of this fold.")] = None,
    allow_known_tasks: Annotated[
        bool, typer.Option(help="Also tasks that the bundle was trained or calibrated on.")
    ] = False,
    ceiling: Annotated[
        bool, typer.Option(help="Estimate how good any score could be, given what these prefixes show; takes a while.")
    ] = False,
    save: Annotated[
        bool, typer.Option(help="Put figures and reliability into the bundle, for its page; its id and scores stay.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on runs that it has not seen: metrics.json (flat), every score, and one page for people."""
    import orjson
    from rich.console import Console

    from induction.automaton.comparing import measure_automaton
    from induction.evaluation.beside import add_ceiling, of_fold, write_first_alerts
    from induction.evaluation.evaluating import evaluate as evaluate_bundle
    from induction.evaluation.keeping import keep_evaluation
    from induction.evaluation.page import render_page
    from induction.evaluation.scores_file import write_scores
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import read_spec
    from monitors.bundle.folder import ADAPTER
    from monitors.monitor import Monitor

    check_folder(out)
    monitor = Monitor.read(bundle)
    corpus = LabelledCorpus(raw, read_spec(bundle / ADAPTER), outcomes)
    status = Console(stderr=True, quiet=as_json)
    with status.status("Scoring runs …"):
        evaluation = evaluate_bundle(monitor, corpus, fold, allow_known_tasks=allow_known_tasks)
        evaluation.figures.update(measure_automaton(bundle, monitor, corpus, of_fold(fold)))
        if ceiling:
            add_ceiling(evaluation, monitor, corpus, fold)
    out.mkdir(parents=True, exist_ok=True)
    groups = write_first_alerts(evaluation, monitor, corpus, fold, out / "first_alerts.jsonl")
    (out / "metrics.json").write_bytes(
        orjson.dumps(evaluation.figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    write_scores(evaluation.runs, out / "scores.jsonl")
    (out / "index.html").write_text(render_page(evaluation, monitor.manifest, raw.name), "utf-8")
    if save:
        keep_evaluation(bundle, evaluation, monitor.manifest.horizon, raw.name, fold, known_tasks=allow_known_tasks)
    if as_json:
        print_json(evaluation.figures)
        return
    _print_figures(evaluation.figures, out)
    _print_first_alerts(groups, evaluation.figures)


def _print_figures(figures: dict[str, float], out: Path) -> None:
    def cell(name: str, digits: int = 3) -> str:
        return f"{figures[name]:.{digits}f}" if name in figures else "–"

    console = to_console()
    console.print(
        f"{figures['runs']:.0f} runs of {figures['tasks']:.0f} tasks, {figures['failures']:.0f} failed, "
        f"{figures['turns']:.0f} turns"
    )
    names = ["auprc_h3_answered", "auprc_h3", "ece_h3", "auroc_fail_3", "auroc_fail_5", "auroc_fail_10"]
    names += [f"{part}@{alpha}" for alpha in ("0.05", "0.10", "0.20") for part in ("far", "recall", "left")]
    rows = [
        (name, cell(name), f"{cell(name + '_lo')} … {cell(name + '_hi')}", cell("floor_step_index_" + name))
        for name in names
        if name in figures
    ]
    print_rows(("figure", "monitor", "95 % interval", "step index alone"), rows, label="figure")
    console.print(f"written: {out / 'metrics.json'}, {out / 'scores.jsonl'}, {out / 'index.html'}", markup=False)


def _print_first_alerts(groups: list[GroupDiagnosis], figures: dict[str, float]) -> None:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    console = to_console()
    for name, label in (
        ("automaton_auprc_h3_answered", "its automaton alone"),
        ("ceiling_auprc_h3_answered", "ceiling"),
    ):
        if name in figures:
            low, high = figures.get(f"{name}_lo", float("nan")), figures.get(f"{name}_hi", float("nan"))
            console.print(f"auprc_h3_answered, {label}: {figures[name]:.3f} ({low:.3f} … {high:.3f})")
    rows = []
    for one in groups:
        name = one.group if one.by in ("all", "length") else f"{one.by}: {one.group}"
        counts = (one.caught, one.missed, one.false_alarms, one.quiet)
        rows.append((name, *(str(count) for count in counts), share(one.mean_left)))
    counted = ("caught", "missed", "false alarms", "quiet", "left")
    print_rows(("first alerts", *counted), rows, label="first alerts", right=counted)
