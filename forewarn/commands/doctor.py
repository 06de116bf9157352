"""`forewarn doctor`: can this machine do what forewarn needs?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Look at Python, ONNX Runtime, GPU, Redis, disk, port and settings; say what to do where something is amiss.

    The settings are those of the environment (FOREWARN_*). Exit status 1 if something failed; warnings are none.
    """
    from forewarn.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if as_json:
            continue
        advice = f": {finding.advice}" if finding.advice else ""
        line = f"{finding.name:<13} {finding.detail}{advice}"
        colour = {"ok": "green", "warning": "yellow", "failed": "red"}[finding.state]
        state = f"{finding.state:<8}"
        typer.echo(f"{typer.style(state, fg=colour) if sys.stdout.isatty() else state} {line}")
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        import orjson

        typer.echo(orjson.dumps({"ok": not failed, "findings": [asdict(one) for one in findings]}).decode())
    if failed:
        raise typer.Exit(1)
