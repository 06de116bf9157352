"""`forewarn benchmark`: presets compared on corpora, five folds, several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from induction.benchmark.fits import FitKey

METRICS = (
    "auprc_h3_answered",
    "auprc_h3",
    "auroc_fail_3",
    "auroc_fail_5",
    "far@0.10",
    "recall@0.10",
    "left@0.10",
    "recall@0.05",
    "recall@0.20",
    "ece_h3",
)


def benchmark(
    data: Annotated[Path, typer.Option(help="A folder of corpora: NAME/raw.… beside NAME/runs.jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder for fits, results.jsonl and table.md; fits there are kept.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Only this corpus; may be given several times.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="default or raw-text; both if left out.")] = None,
    split: Annotated[str, typer.Option(help="new (tasks never seen), known (tasks repeat), or both.")] = "new",
    seeds: Annotated[int, typer.Option(min=1, max=3, help="How many of the seeds 13, 42, 123.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON lines.")] = False,
) -> None:
    """Train, calibrate and test presets under the protocol of docs/benchmark.md; goes on where it was stopped."""
    import orjson
    from rich.console import Console
    from rich.progress import Progress

    from induction.benchmark.running import SEEDS, Plan, find_corpora, run_benchmark, to_table
    from induction.learning.presets import PRESETS

    splits = {"new": ("new",), "known": ("known",), "both": ("new", "known")}
    if split not in splits:
        raise typer.BadParameter(f"{split!r} is none of new, known, both", param_hint="--split")
    chosen = tuple(preset or PRESETS)
    if unknown := set(chosen) - set(PRESETS):
        raise typer.BadParameter(f"{sorted(unknown)} are none of {', '.join(PRESETS)}", param_hint="--preset")
    plan = Plan(find_corpora(data, corpus or []), chosen, splits[split], SEEDS[:seeds])
    status = Console(stderr=True, quiet=as_json)
    with Progress(console=status, disable=not status.is_terminal) as progress:
        bar = progress.add_task("fits", total=plan.n_fits)

        def on_fit(key: FitKey, stage: str) -> None:
            name = key.file.removesuffix(".json")
            progress.update(bar, description=f"{name}: {stage}", advance=float(stage == "done"))
            if not status.is_terminal and stage == "done":
                status.print(f"{name}: done")

        rows = run_benchmark(plan, out, on_fit)
    table = to_table(rows, METRICS)
    header = ["corpus", "split", "preset", *METRICS]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *table)]
    (out / "table.md").write_text("\n".join(lines) + "\n", "utf-8")
    if as_json:
        print("\n".join(orjson.dumps(row).decode() for row in rows))
        return
    Console(soft_wrap=True).print("\n".join(lines), markup=False, highlight=False)
    status.print(f"written: {out / 'results.jsonl'}, {out / 'table.md'}")
