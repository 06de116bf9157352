"""`forewarn inspect`: what is in a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forewarn.commands.printing import AsJson, plain, print_json, to_console


def inspect(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    as_json: AsJson = False,
) -> None:
    """Check a bundle's hashes, and show its promise, its event unit and three example raw steps beside their
    StepViews.
    """
    import orjson
    from rich.markup import escape

    from forewarn.commands.reporting import print_manifest
    from monitors.adapter import compile_adapter, read_spec
    from monitors.bundle.folder import ADAPTER, EXAMPLES, read_manifest, read_monitor_id, verify_files

    manifest = read_manifest(bundle)
    verify_files(bundle, manifest)
    spec = read_spec(bundle / ADAPTER)
    adapter = compile_adapter(spec)
    examples = orjson.loads((bundle / EXAMPLES).read_bytes())
    if as_json:
        content = {
            "monitor_id": read_monitor_id(bundle),
            **manifest.summary(),
            "promises": manifest.promises(),
            "adapter": orjson.loads(spec.to_json()),
            "examples": [{"raw_step": example, "view": adapter.view(example)[0].to_dict()} for example in examples],
        }
        print_json(content)
        return
    console = to_console()
    console.print(f"[bold]monitor[/]        {read_monitor_id(bundle)}")
    print_manifest(bundle, manifest, as_json=False)
    blocks = spec.event.blocks
    unit = "one JSON value" if blocks is None else f"a text block that starts with one of {list(blocks.opens)}"
    console.print(f"[bold]event unit[/]     {escape(unit)}; POST each as the agent emits it. Examples:")
    for example in examples:
        view, known = adapter.view(example)
        console.print(f"  [dim]raw step[/]  {escape(_one_line(example))}")
        console.print(
            f"  [dim]StepView[/]  {escape(_one_line(view.to_dict()))}"
            + ("" if known else "  [red](no case matched)[/]")
        )


def _one_line(value: object) -> str:
    import orjson

    text = plain(orjson.dumps(value).decode())
    return text if len(text) <= 300 else text[:297] + "…"
