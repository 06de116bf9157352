"""Inducing an adapter: propose, validate, and check against the outcomes that every run they name was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from induction.adapters.contest import Candidate, Contest, settle
from induction.adapters.leakage import OutcomeOf
from induction.adapters.llm.proposing import LlmProposal, Traces, propose_with_llm
from induction.adapters.llm.settings import LlmSettings
from induction.adapters.proposer import Proposal, main_container, propose_adapter
from induction.adapters.sampling import sample_documents
from induction.adapters.validator import Report, validate_adapter
from induction.errors import NoRunsError
from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading.files import ReadFault
from induction.reading.runs import RawRun, read_runs

OnFile = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Induction:
    """An induced adapter with the validator's report, and the files of RAW that were skipped (None: not all
    were read). `contest` says who proposed it, beside whom.
    """

    proposal: Proposal
    report: Report
    skipped: tuple[ReadFault, ...]
    runs_in_all: int | None
    contest: Contest


def induce_adapter(
    raw: Path,
    outcomes: Path | None = None,
    *,
    seed: int = 0,
    llm: LlmSettings | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_file: OnFile | None = None,
) -> Induction:
    """Return the adapter for RAW, validated on runs that the proposer did not see.

    With `llm` a model is asked for a second proposal; the validator's figures decide between the two, and a model that
    fails changes nothing. With outcomes every run of RAW is read once more and matched to its row; a share below 99 %
    is a fault of the adapter. Raises UnreadableRawError, NoRunsError, or OutcomesError for a bad table.
    """
    say = on_stage or _ignore
    table = OutcomeTable(read_outcomes(outcomes)) if outcomes is not None else None

    def labelled(run: RawRun) -> bool | None:
        row = table.find(run.file, run.loc, run.run_id) if table is not None else None
        return row.success if row is not None else None

    outcome_of = labelled if table is not None else None
    say("Looking at the raw runs")
    run_ids = table.run_ids if table is not None else frozenset()
    own = _propose(raw, seed, outcome_of, run_ids, on_file, needed=llm is None)
    candidates: list[Candidate] = []
    if isinstance(own, Proposal):
        say("Validating on runs that were held out")
        report = validate_adapter(own.spec, own.held_out, own.documents, own.refused)
        candidates.append(Candidate("statistical", own, report))
    asked = ""
    if llm is not None:
        say(f"Asking {llm.model}")
        answer = propose_with_llm(_traces(raw, own, seed, outcome_of), llm)
        asked = f"{answer.said} ({answer.tokens} tokens, recorded in {llm.record})"
        candidates += _candidate(answer)
    if not candidates:
        raise NoRunsError(f"{own}; {asked}")
    if table is None:
        contest = settle(candidates, asked)
        winner = contest.winner
        return Induction(winner.proposal, winner.report, winner.proposal.evidence.faults, None, contest)
    say("Matching runs with outcomes")
    matched = {candidate.proposer: _match(raw, candidate, table, on_file) for candidate in candidates}
    contest = settle([candidate for candidate, _, _ in matched.values()], asked)
    winner, skipped, total = matched[contest.winner.proposer]
    return Induction(winner.proposal, winner.report, skipped, total, contest)


def _propose(
    raw: Path,
    seed: int,
    outcome_of: OutcomeOf | None,
    run_ids: frozenset[str],
    on_file: OnFile | None,
    *,
    needed: bool,
) -> Proposal | NoRunsError:
    """Return the statistical proposal, or why there is none where a model may still find one."""
    try:
        return propose_adapter(raw, seed=seed, outcome_of=outcome_of, run_ids=run_ids, on_file=on_file)
    except NoRunsError as error:
        if needed:
            raise
        return error


def _traces(raw: Path, own: Proposal | NoRunsError, seed: int, outcome_of: OutcomeOf | None) -> Traces:
    if isinstance(own, Proposal):
        return Traces(own.spec.name, own.documents, seed, outcome_of, own.spec.source)
    documents, _ = sample_documents(raw, seed=seed)
    container = main_container(documents)
    kept = [document for document in documents if document.container == container]
    return Traces(raw.name.partition(".")[0] or "adapter", kept, seed, outcome_of)


def _candidate(answer: LlmProposal) -> list[Candidate]:
    if answer.proposal is None or answer.report is None:
        return []
    return [Candidate("model's", answer.proposal, answer.report)]


def _match(
    raw: Path, candidate: Candidate, table: OutcomeTable, on_file: OnFile | None
) -> tuple[Candidate, tuple[ReadFault, ...], int]:
    """Return the candidate with the share of outcomes whose run it finds, what was skipped, and the runs in all."""
    skipped: list[ReadFault] = []
    found: set[str] = set()
    total = 0
    for run in read_runs(raw, candidate.proposal.spec, on_fault=skipped.append, on_file=on_file):
        total += 1
        row = table.find(run.file, run.loc, run.run_id)
        if row is not None:
            found.add(row.run)
    matched = len(found) / len(table.rows)
    faults = candidate.report.faults
    if matched < 0.99:
        faults = (*faults, f"only {len(found)} of {len(table.rows)} runs with an outcome were found{_why(table)}")
    return replace(candidate, report=replace(candidate.report, matched=matched, faults=faults)), tuple(skipped), total


def _why(table: OutcomeTable) -> str:
    if not table.run_ids:
        return ""
    return ": rows without file and loc are found by run id, and no field beside the steps of the others holds theirs"


def _ignore(stage: str) -> None:
    del stage
