"""`forewarn audit`: what a monitor's event symbols carry, as an automaton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forewarn.commands.places import check_folder
from forewarn.commands.printing import AsJson, print_json, to_console


def audit(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    out: Annotated[Path, typer.Option(help="Folder for index.html, automaton.svg, automaton.dot and automaton.json.")],
    data: Annotated[
        Path | None, typer.Option(help="The finished runs that it was trained on; left out, what was saved is shown.")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl; leave out where the traces carry their outcome.")
    ] = None,
    minimum_support: Annotated[
        int, typer.Option(min=2, help="No state is told apart from others on fewer training runs.")
    ] = 20,
    save: Annotated[
        bool, typer.Option(help="Put automaton and picture into the bundle; its id and scores stay.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what a monitor tells apart: states with risk, support and examples, symbols with their terms, a picture;
    and how well that alone warns.
    """
    from rich.console import Console

    from induction.automaton.auditing import audit as audit_bundle
    from induction.automaton.comparing import FIGURES
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import read_spec
    from monitors.bundle import read_manifest
    from monitors.bundle.folder import ADAPTER

    check_folder(out)
    read_manifest(bundle)
    corpus = None if data is None else LabelledCorpus(data, read_spec(bundle / ADAPTER), outcomes)
    status = Console(stderr=True, quiet=as_json, soft_wrap=True, highlight=False)
    automaton, comparison = audit_bundle(
        bundle, corpus, out, minimum_support=minimum_support, save=save, say=lambda stage: status.print(f"{stage} …")
    )
    if as_json:
        summary = {
            "states": len(automaton.states),
            "symbols": sum(symbol.support.turns > 0 for symbol in automaton.symbols),
            "automaton": None if comparison is None else comparison.automaton,
            "network": None if comparison is None else comparison.network,
        }
        print_json(summary)
        return
    console = to_console()
    console.print(f"{len(automaton.states)} states over {len(automaton.symbols)} symbols")
    if comparison is not None:
        console.print(f"on {comparison.runs} runs of {comparison.tasks} tasks that neither saw (automaton, network):")
        for name in FIGURES:
            if name in comparison.automaton:
                console.print(f"  {name:<18} {comparison.automaton[name]:.3f}  {comparison.network.get(name, 0.0):.3f}")
    console.print(f"written: {out / 'index.html'}, {out / 'automaton.svg'}, {out / 'automaton.json'}", markup=False)
