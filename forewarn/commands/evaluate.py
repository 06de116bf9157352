"""`forewarn evaluate`: a bundle on runs that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, scores.jsonl and index.html.")],
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl; leave out where the traces carry their outcome.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, max=4, help="Only the runs of this fold.")] = None,
    allow_known_tasks: Annotated[
        bool, typer.Option(help="Also tasks that the bundle was trained or calibrated on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Measure a bundle on runs that it has not seen: metrics.json (flat), every score, and one page for people."""
    import orjson
    from rich.console import Console

    from induction.evaluation.evaluating import evaluate as evaluate_bundle
    from induction.evaluation.page import render_page
    from induction.evaluation.scores_file import write_scores
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import read_spec
    from monitors.bundle.folder import ADAPTER
    from monitors.monitor import Monitor

    monitor = Monitor.read(bundle)
    corpus = LabelledCorpus(raw, read_spec(bundle / ADAPTER), outcomes)
    status = Console(stderr=True, quiet=as_json)
    with status.status("Scoring runs …"):
        evaluation = evaluate_bundle(monitor, corpus, fold, allow_known_tasks=allow_known_tasks)
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_bytes(
        orjson.dumps(evaluation.figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    write_scores(evaluation.runs, out / "scores.jsonl")
    (out / "index.html").write_text(render_page(evaluation, monitor.manifest, raw.name), "utf-8")
    if as_json:
        print(orjson.dumps(evaluation.figures).decode())
        return
    _print_figures(evaluation.figures, out)


def _print_figures(figures: dict[str, float], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    def cell(name: str, digits: int = 3) -> str:
        return f"{figures[name]:.{digits}f}" if name in figures else "–"

    console = Console(soft_wrap=True)
    console.print(
        f"{figures['runs']:.0f} runs of {figures['tasks']:.0f} tasks, {figures['failures']:.0f} failed, "
        f"{figures['turns']:.0f} turns"
    )
    table = Table("figure", "monitor", "95 % interval", "step index alone", box=None, pad_edge=False)
    names = ["auprc_h3_answered", "auprc_h3", "ece_h3", "auroc_fail_3", "auroc_fail_5", "auroc_fail_10"]
    for name in names + [f"{part}@{alpha}" for alpha in ("0.05", "0.10", "0.20") for part in ("far", "recall", "left")]:
        if name in figures:
            table.add_row(
                name, cell(name), f"{cell(name + '_lo')} … {cell(name + '_hi')}", cell("floor_step_index_" + name)
            )
    console.print(table)
    console.print(f"written: {out / 'metrics.json'}, {out / 'scores.jsonl'}, {out / 'index.html'}")
