"""What a benchmark leaves for people: tables as Markdown, pictures as files, and one page with both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from induction.benchmark import pictures
from induction.benchmark.fits import read_fit
from induction.benchmark.page import Section, render_page
from induction.benchmark.plan import Corpus, Group, Plan
from induction.benchmark.pooling import STEP_INDEX, pool, to_floors
from induction.benchmark.results import Results, Row
from induction.benchmark.running import FITS
from induction.benchmark.tables import Table, to_name, to_tables
from induction.evaluation.sample import Sample

TABLE, PAGE, PLOTS = "table.md", "index.html", "plots"
CURVES = (("auroc_fail_5", "failures told apart after turn 5"), ("auprc_h3_answered", "average precision, h = 3"))


def write_report(plan: Plan, results: Results, out: Path) -> list[str]:
    """Write `table.md`, `index.html` and `plots/` under `out`; return the lines of the tables."""
    sections: list[Section] = []
    lines: list[str] = []
    differences = results.differences(plan.contenders)
    for corpus, split in plan.blocks():
        tables = to_tables(results.rows, differences, corpus, split)
        if tables:
            lines.extend(line for table in tables for line in table.to_markdown())
            sections.append(_to_section(plan, results, out, corpus, split, tables))
    overview = _draw_new_beside_known(plan, results)
    (out / TABLE).write_text("\n".join(lines) + "\n", "utf-8")
    (out / PAGE).write_text(render_page(_describe(plan), sections, overview), "utf-8")
    _write_plots(sections, overview, out / PLOTS)
    return lines


def _to_section(plan: Plan, results: Results, out: Path, corpus: Corpus, split: str, tables: list[Table]) -> Section:
    samples = _read_samples(plan, out, corpus, split)
    plots = {
        "Which turns are near a failure? (answered turns)": pictures.draw_precision_recall(samples),
        "Recall for the false alarms it costs": pictures.draw_recall_against_false_alarms(samples),
        "How early, at a promised α of 0.10": pictures.draw_lead_time(samples),
        "Does the risk mean what it says?": pictures.draw_calibration(samples),
    }
    for metric, ylabel in CURVES:
        curves = _to_curves(results.rows, corpus.name, split, metric)
        if curves:
            plots[f"What more runs buy: {ylabel}"] = pictures.draw_learning_curve(curves, metric)
    title, _, about = tables[0].title.partition(" (")
    tables = [Table("Figures", tables[0].header, tables[0].lines), *tables[1:]]
    seed = f"Pictures are of seed {plan.seeds[0]}, all five folds."
    return Section(title, f"{about.removesuffix(')')}. {seed}", tables, plots)


def _read_samples(plan: Plan, out: Path, corpus: Corpus, split: str) -> dict[str, Sample]:
    """Return the first seed's pooled sample of each contender, and the step index."""
    found: dict[str, Sample] = {}
    clock: Sample | None = None
    for contender in plan.contenders:
        keys = Group(corpus, split, contender, plan.seeds[0]).keys
        fits = [fit for key in keys if (fit := read_fit(key, out / FITS)) is not None]
        found[contender.label] = pool(fits)
        clock = clock or to_floors(found[contender.label], fits)[STEP_INDEX]()
    return found | ({} if clock is None else {STEP_INDEX: clock})


def _to_curves(rows: list[Row], corpus: str, split: str, metric: str) -> pictures.Curve:
    """Return points of the learning curve by monitor, where there are at least two."""
    points: dict[str, dict[float, dict[str, Row]]] = {}
    seeds = [row["seed"] for row in rows if "share" in row]
    for row in rows:
        wanted = row["metric"] in {metric, "training_runs"} and row["fold"] is None and row["head"] is not None
        if wanted and (row["corpus"], row["split"]) == (corpus, split) and row["seed"] in seeds[:1]:
            points.setdefault(to_name(row), {}).setdefault(row.get("share", 1.0), {})[row["metric"]] = row
    curves = {}
    for name, shares in points.items():
        known = [found for _, found in sorted(shares.items()) if metric in found and "training_runs" in found]
        if len(known) > 1:
            curves[name] = [
                (found["training_runs"]["value"], *(found[metric][key] for key in ("value", "lo", "hi")))
                for found in known
            ]
    return curves


def _draw_new_beside_known(plan: Plan, results: Results) -> dict[str, str]:
    if len(plan.splits) < 2:
        return {}
    plots = {}
    for metric in ("auroc_fail_5", "recall@0.10"):
        values: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        for corpus, split in plan.blocks():
            for row in results.rows:
                first = row["seed"] == plan.seeds[0] and row["fold"] is None and "share" not in row
                mine = (row["corpus"], row["split"], row["metric"]) == (corpus.name, split, metric)
                if first and mine and row["head"] is not None and row["lo"] is not None:
                    points = values.setdefault(corpus.name, {}).setdefault(to_name(row), [])
                    points.append((row["value"], row["lo"], row["hi"]))
        if values:
            plots[f"New tasks beside known tasks: {metric}"] = pictures.draw_new_beside_known(values, metric)
    return plots


def _write_plots(sections: list[Section], overview: Mapping[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    named = {title: svg for section in sections for title, svg in _prefix(section).items()} | dict(overview)
    for title, svg in named.items():
        name = "-".join("".join(c if c.isalnum() or c in ".~" else " " for c in title.lower()).split())
        # The page gives the picture its paper; a file of its own brings it.
        (folder / f"{name}.svg").write_text(svg.replace("<svg ", '<svg style="background:#fff" ', 1), "utf-8")


def _prefix(section: Section) -> dict[str, str]:
    return {f"{section.title} {title}": svg for title, svg in section.plots.items()}


def _describe(plan: Plan) -> str:
    names = ", ".join(contender.label for contender in plan.contenders)
    seeds = ", ".join(map(str, plan.seeds))
    return (
        f"{names} on {', '.join(corpus.name for corpus in plan.corpora)}; five folds, "
        f"seed{'s' * (len(plan.seeds) > 1)} {seeds}."
    )
