"""`forewarn train`: finished runs in, bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def train(
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    adapter: Annotated[Path, typer.Option(help="The adapter, as `forewarn induce` wrote it.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl; leave out where the traces carry their outcome.")
    ] = None,
    preset: Annotated[str, typer.Option(help="How to learn; `forewarn benchmark` compares them.")] = "best",
    head: Annotated[str | None, typer.Option(help="Recurrence of the network; each preset has a usual one.")] = None,
    horizon: Annotated[int, typer.Option(min=0, max=100, help="h: the risk is about failing within h turns.")] = 3,
    alpha: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Promised share of successful runs that ever alert.")
    ] = 0.1,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.999, help="Keep alpha in this share of calibrations, not only on average."),
    ] = None,
    threshold: Annotated[
        Literal["flat", "by-turn"],
        typer.Option(help="flat, or by-turn: lower in early turns, so that the same alpha buys earlier alerts."),
    ] = "flat",
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Field of the outcomes, such as agent: groups with enough runs get thresholds of their own. Live, a "
            "run's group is the agent that is named before its first step."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, batches and early stopping.")] = 13,
    exclude_fold: Annotated[
        int | None, typer.Option(min=0, max=4, help="Use nothing of fold K; calibrate on fold (K + 1) mod 5.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="At most this many; training stops early.")] = 40,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(
            help="Where networks train; auto: CUDA where torch can use it, else the CPU. Words, trees and linear "
            "models are learned on the CPU."
        ),
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest's summary as JSON.")] = False,
) -> None:
    """Learn a monitor from finished runs, calibrate its threshold on runs that training never saw, and write the
    bundle. Stopped or killed, the same command goes on, and ends in the same bundle.
    """
    from forewarn.commands.reporting import TrainingReporter, print_manifest
    from induction.learning.building import BundleSettings, build_bundle
    from induction.learning.device import choose_device
    from induction.learning.labelled import LabelledCorpus
    from induction.learning.presets import find_recipe
    from induction.learning.training import TrainingSettings
    from monitors.adapter import read_spec

    if group_by is not None and outcomes is None:
        raise typer.BadParameter("groups stand in the rows of --outcomes: give them", param_hint="--group-by")
    try:
        recipe = find_recipe(preset, head)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--preset, --head") from None
    chosen = choose_device(device)
    settings = BundleSettings(
        TrainingSettings(horizon=horizon, seed=seed, max_epochs=epochs, device=chosen.device),
        recipe,
        alpha=alpha,
        confidence=confidence,
        exclude_fold=exclude_fold,
        threshold=threshold,
    )
    corpus = LabelledCorpus(raw, read_spec(adapter), outcomes, group_by=group_by)
    try:
        with TrainingReporter(quiet=as_json) as reporter:
            reporter.note(chosen.note)
            manifest = build_bundle(corpus, settings, out, reporter, resume=True)
    except KeyboardInterrupt:
        typer.echo("stopped; what was learned so far is kept, and the same command goes on", err=True)
        raise typer.Exit(130) from None
    print_manifest(out, manifest, as_json=as_json)
