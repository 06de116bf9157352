"""`forewarn train`: finished runs in, bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from forewarn.commands.archived_runs import (
    Agents,
    FromArchive,
    IncludeIntervened,
    Projects,
    Since,
    SplitBy,
    Until,
    check_source,
    to_selection,
)
from forewarn.commands.printing import AsJson

if TYPE_CHECKING:
    from forewarn.commands.reporting import TrainingReporter
    from induction.archive.selection import Selection
    from induction.learning.labelled import LabelledCorpus


def train(
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    raw: Annotated[Path | None, typer.Argument(help="Finished runs: a file, a folder or an archive.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="The adapter, as `forewarn induce` wrote it.")] = None,
    from_archive: FromArchive = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Of the archive: a bundle whose adapter to take. Without it and --adapter one is induced."),
    ] = None,
    project: Projects = None,
    agent: Agents = None,
    since: Since = None,
    until: Until = None,
    include_intervened: IncludeIntervened = False,
    split_by: SplitBy = "task",
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl or a CSV; leave out where the traces carry their outcome.")
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
    as_json: AsJson = False,
) -> None:
    """Learn a monitor from finished runs, calibrate its threshold on runs that training never saw, and write the
    bundle. Stopped or killed, the same command goes on, and ends in the same bundle.

    With --from-archive it learns from what a service has seen; an adapter is taken from --adapter, or from --base, or
    induced.
    """
    from forewarn.commands.reporting import TrainingReporter, print_manifest
    from induction.archive.keeping import drop_gathered
    from induction.learning.building import BundleSettings, build_bundle
    from induction.learning.device import choose_device
    from induction.learning.presets import find_recipe
    from induction.learning.training import TrainingSettings

    check_source(raw, from_archive)
    if raw is not None and adapter is None:
        raise typer.BadParameter("`forewarn induce` writes one: name it", param_hint="--adapter")
    if group_by is not None and outcomes is None and from_archive is None:
        raise typer.BadParameter("groups stand in the rows of --outcomes: give them", param_hint="--group-by")
    selection = to_selection(project, agent, since, until, split_by, include_intervened=include_intervened)
    gathered = out.absolute().with_name(f"{out.absolute().name}.gathered")
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
    try:
        with TrainingReporter(quiet=as_json) as reporter:
            reporter.note(chosen.note)
            if from_archive is not None:
                corpus = _gather(from_archive, selection, gathered, adapter or base, group_by, reporter)
            else:
                corpus = _read(cast(Path, raw), cast(Path, adapter), outcomes, group_by)
            manifest = build_bundle(corpus, settings, out, reporter, resume=True)
    except KeyboardInterrupt:
        typer.echo("stopped; what was learned so far is kept, and the same command goes on", err=True)
        raise typer.Exit(130) from None
    except Exception:
        drop_gathered(gathered)
        raise
    drop_gathered(gathered)
    print_manifest(out, manifest, as_json=as_json)


def _read(raw: Path, adapter: Path, outcomes: Path | None, group_by: str | None) -> LabelledCorpus:
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import read_spec

    return LabelledCorpus(raw, read_spec(adapter), outcomes, group_by=group_by)


def _gather(
    archive: Path,
    selection: Selection,
    folder: Path,
    adapter: Path | None,
    group_by: str | None,
    reporter: TrainingReporter,
) -> LabelledCorpus:
    """Gather the archive's runs into a folder; `adapter` is an adapter's file, a bundle that has one, or None."""
    from induction.adapters.inducing import induce_adapter
    from induction.archive.keeping import gather_once
    from induction.errors import NoRunsError
    from induction.learning.labelled import LabelledCorpus
    from induction.reading.gathered import OUTCOMES, RUNS
    from monitors.adapter import read_spec
    from monitors.bundle.folder import ADAPTER

    reporter.stage(f"Gathering runs from {archive}")
    for line in gather_once(archive, selection, folder):
        reporter.note(line)
    runs, outcomes = folder / RUNS, folder / OUTCOMES
    if adapter is None:
        reporter.stage("Inferring how to read them")
        induction = induce_adapter(runs, outcomes)
        if not induction.report.ok:
            raise NoRunsError(f"no adapter fits these runs: {'; '.join(induction.report.faults)}; name --adapter")
        spec = induction.proposal.spec
    else:
        spec = read_spec(adapter / ADAPTER if adapter.is_dir() else adapter)
    return LabelledCorpus(runs, spec, outcomes, group_by=group_by, gathered=True)
