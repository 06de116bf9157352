"""Inducing an adapter: propose, validate, and check against the outcomes that every run they name was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from induction.adapters.proposer import Proposal, propose_adapter
from induction.adapters.validator import Report, validate_adapter
from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading.files import ReadFault
from induction.reading.runs import RawRun, read_runs


@dataclass(frozen=True, slots=True)
class Induction:
    """An induced adapter with the validator's report, and the files of RAW that were skipped (None: not all
    were read).
    """

    proposal: Proposal
    report: Report
    skipped: tuple[ReadFault, ...]
    runs_in_all: int | None


def induce_adapter(
    raw: Path,
    outcomes: Path | None = None,
    *,
    seed: int = 0,
    on_stage: Callable[[str], None] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Induction:
    """Return the adapter for RAW, validated on runs that the proposer did not see.

    With outcomes every run of RAW is read once more and matched to its row; a share below 99 % is a fault of
    the adapter. Raises UnreadableRawError, NoRunsError, or OutcomesError for a bad table.
    """
    say = on_stage or _ignore
    table = OutcomeTable(read_outcomes(outcomes)) if outcomes is not None else None
    say("Looking at the raw runs")

    def labelled(run: RawRun) -> bool | None:
        row = table.find(run.file, run.loc) if table is not None else None
        return row.success if row is not None else None

    proposal = propose_adapter(raw, seed=seed, outcome_of=labelled if table is not None else None, on_file=on_file)
    say("Validating on runs that were held out")
    report = validate_adapter(proposal.spec, proposal.held_out, proposal.documents, proposal.refused)
    if table is None:
        return Induction(proposal, report, proposal.evidence.faults, None)
    say("Matching runs with outcomes")
    skipped: list[ReadFault] = []
    found: set[str] = set()
    total = 0
    for run in read_runs(raw, proposal.spec, on_fault=skipped.append, on_file=on_file):
        total += 1
        row = table.find(run.file, run.loc)
        if row is not None:
            found.add(row.run)
    matched = len(found) / len(table.rows)
    faults = report.faults
    if matched < 0.99:
        faults = (*faults, f"only {len(found)} of {len(table.rows)} runs with an outcome were found")
    return Induction(proposal, replace(report, matched=matched, faults=faults), tuple(skipped), total)


def _ignore(stage: str) -> None:
    del stage
