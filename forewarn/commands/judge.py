"""`forewarn judge`: the LLM judge, a baseline to compare monitors with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from forewarn.commands.places import check_folder
from forewarn.commands.printing import AsJson, print_json


def judge(
    raw: Annotated[Path, typer.Argument(help="Finished runs: a file, a folder or an archive.")],
    adapter: Annotated[Path, typer.Option(help="The adapter, as `forewarn induce` wrote it.")],
    out: Annotated[Path, typer.Option(help="Folder for answers, exchanges, scores and metrics; answers are kept.")],
    llm_url: Annotated[
        str,
        typer.Option(
            help="An OpenAI-compatible endpoint. Prefixes of the runs go there, secrets masked; "
            "the key comes from FOREWARN_LLM_API_KEY or OPENAI_API_KEY."
        ),
    ],
    llm_model: Annotated[str, typer.Option(help="The model to ask there.")],
    outcomes: Annotated[
        Path | None, typer.Option(help="runs.jsonl; leave out where the traces carry their outcome.")
    ] = None,
    fold: Annotated[int, typer.Option(min=0, max=4, help="The fold to test; the next one calibrates.")] = 0,
    llm_max_tokens: Annotated[int, typer.Option(min=1, help="Cost ceiling: tokens of all exchanges.")] = 1_000_000,
    llm_timeout: Annotated[float, typer.Option(min=1, help="Seconds for one answer.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Ask a language model after every turn how likely the run is to fail, and measure that as a monitor is measured.

    Stopped, the same command goes on: no question is asked twice.
    """
    import orjson
    from pydantic import ValidationError

    from induction.adapters.llm.settings import LlmSettings, read_key
    from induction.evaluation.judging import judge_fold
    from induction.evaluation.llm_judge import LlmJudge
    from induction.evaluation.scores_file import write_scores
    from induction.learning.labelled import LabelledCorpus
    from monitors.adapter import compile_adapter, read_spec

    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    # A record is begun anew each time, so that each time has a file of its own.
    number = sum(1 for _ in out.glob("exchanges-*.jsonl"))
    try:
        settings = LlmSettings(
            url=llm_url,
            model=llm_model,
            record=out / f"exchanges-{number}.jsonl",
            key=read_key(os.environ),
            max_tokens=llm_max_tokens,
            timeout_s=llm_timeout,
        )
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--llm-url") from None
    spec = read_spec(adapter)
    asked = LlmJudge(settings, compile_adapter(spec), out / "answers.jsonl")
    runs, figures = judge_fold(asked, LabelledCorpus(raw, spec, outcomes), fold)
    counts = asked.counts
    figures |= {
        "judge_asked": float(counts.asked),
        "judge_kept": float(counts.kept),
        "judge_refused": float(counts.refused),
        "judge_unreadable": float(counts.unreadable),
        "judge_tokens": float(counts.tokens),
    }
    (out / "metrics.json").write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    write_scores(runs, out / "scores.jsonl")
    if as_json:
        print_json(figures)
        return
    for name in ("auprc_h3_answered", "auroc_fail_3", "auroc_fail_5", "far@0.10", "recall@0.10"):
        if name in figures:
            typer.echo(
                f"{name:<20} {figures[name]:.3f}   step index alone {figures.get('floor_step_index_' + name, 0):.3f}"
            )
    typer.echo(f"{counts.asked} questions asked, {counts.kept} answered before, {counts.tokens} tokens; written: {out}")
