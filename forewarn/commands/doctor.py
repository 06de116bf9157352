"""`forewarn doctor`: can this machine do what forewarn needs?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from forewarn.commands.printing import AsJson, print_json, to_console

STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "yellow"}


def doctor(as_json: AsJson = False) -> None:
    """Look at Python, ONNX Runtime, GPU, what training needs, settings, Redis, disk, port and bundle; say what to do
    where something is amiss.

    The settings are those of the environment (FOREWARN_*). Exit status 1 if something failed; warnings are none.
    """
    from rich.text import Text

    from forewarn.doctor import examine

    console = to_console()
    findings = []
    for finding in examine():
        findings.append(finding)
        if as_json:
            continue
        advice = f": {finding.advice}" if finding.advice else ""
        state = Text(f"{finding.state:<8}", STYLES[finding.state])
        console.print(state, Text(f"{finding.name:<13} {finding.detail}{advice}"))
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(one) for one in findings]})
    if failed:
        raise typer.Exit(1)
