"""One HTML page an induction: what is read from where, examples, what was refused, and whose proposal it is.

Opens without a network and runs no script. Everything that came from traces or from a model is escaped.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import orjson
from jinja2 import Environment

from induction.adapters.contest import Contest
from induction.adapters.describing import summarise
from induction.adapters.inducing import Induction
from induction.adapters.validator import Example, Report
from monitors.adapter.bounded import bound_text
from monitors.adapter.compiled import Adapter, compile_adapter
from monitors.stepview import JsonValue

MAX_EXAMPLE_CHARS = 6_000
MAX_SKIPPED = 20
COMPARED = (
    ("known", "raw steps that a case knows", "{:.1%}"),
    ("fields", "fields filled, each from a path of its own", "{:.0f}"),
    ("calls", "raw steps in which a tool call is found", "{:.1%}"),
    ("turns", "turns a run, median", "{:.0f}"),
    ("refused", "things refused because they tell the outcome or the future", "{:.0f}"),
)


def render_page(induction: Induction, source: str) -> str:
    """Return the page as HTML text; `source` names where the raw runs came from."""
    template = resources.files("induction.adapters").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    report, spec = induction.report, induction.proposal.spec
    text = environment.from_string(template).render(
        name=spec.name,
        source=source,
        induction=induction,
        evidence=induction.proposal.evidence,
        report=report,
        summary=summarise(spec),
        checks=_checks(report),
        refused=list(dict.fromkeys(report.refused)),
        examples=[_example(example, compile_adapter(spec)) for example in report.examples],
        skipped=[str(fault) for fault in induction.skipped[:MAX_SKIPPED]],
        more_skipped=max(0, len(induction.skipped) - MAX_SKIPPED),
        contest=induction.contest,
        compared=_compared(induction.contest),
        adapter=spec.to_json().decode(),
    )
    # Names of files may be bytes that are no text; a page must be.
    return bound_text(text, len(text))


def _checks(report: Report) -> list[tuple[bool, str]]:
    return [
        (report.deterministic, "The same raw step gives the same StepView"),
        (report.stable, "Shuffled keys and unknown fields change nothing"),
        (report.invariant, "Replacing everything that a step may not see by random text changes nothing"),
    ]


def _example(example: Example, adapter: Adapter) -> dict[str, Any]:
    view = {name: value for name, value in example.view.to_dict().items() if value not in ("", None, {}, [])}
    raw_step = example.raw_step
    return {
        "case": adapter.case_of(raw_step),
        "raw": _shown(raw_step if isinstance(raw_step, str) else _unfolded(_json(raw_step))),
        "view": _shown(_unfolded(_json(view))),
    }


def _unfolded(text: str) -> str:
    """Return JSON with the line breaks of its texts as such: for reading, no longer for parsing."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\\n", r"\1\n", text)


def _json(value: JsonValue) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def _shown(text: str) -> str:
    left_out = len(text) - MAX_EXAMPLE_CHARS
    return text if left_out <= 0 else f"{text[:MAX_EXAMPLE_CHARS]}\n… {left_out} more characters"


def _compared(contest: Contest) -> list[dict[str, Any]]:
    """One row a figure, with the candidates' values in their order; nothing to compare gives none."""
    if len(contest.candidates) < 2:
        return []
    valid = ["yes" if one.report.ok else "no: " + "; ".join(one.report.faults) for one in contest.candidates]
    figures = [candidate.figures for candidate in contest.candidates]
    return [
        {"label": "valid", "values": valid},
        *({"label": label, "values": [shown.format(one[name]) for one in figures]} for name, label, shown in COMPARED),
    ]
