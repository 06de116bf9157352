"""The LLM-assisted proposal: propose, validate, repair; bounded in rounds, time and tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from induction.adapters.leakage import OutcomeOf, find_leaks, mask_leaks
from induction.adapters.llm.answers import parse_answer
from induction.adapters.llm.budget import TokenBudget
from induction.adapters.llm.endpoint import Answer, ChatEndpoint
from induction.adapters.llm.questions import first_question, repair_question
from induction.adapters.llm.recording import ExchangeRecord
from induction.adapters.llm.settings import LlmSettings
from induction.adapters.llm.showing import Shown, show_documents
from induction.adapters.proposer import Evidence, Proposal
from induction.adapters.sampling import MAX_HELD_OUT_RUNS, deal_runs, spread
from induction.adapters.validator import Report, validate_adapter
from induction.errors import LlmError
from induction.reading.documents import Document
from induction.reading.runs import RawRun, split_runs
from monitors.adapter.bounded import bound_text
from monitors.adapter.schema import adapter_schema
from monitors.adapter.spec import AdapterSpec, Source
from monitors.errors import AdapterError

GOOD_KNOWN = 0.95
"""A valid adapter that knows fewer of the raw steps than this is worth another round."""

MIN_UNSHOWN_RUNS = 8
MAX_FAULT_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is to propose from: documents of one container, the adapter's name, outcomes where known, and the
    source that statistics found, if they did.
    """

    name: str
    documents: Sequence[Document]
    seed: int = 0
    outcome_of: OutcomeOf | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class LlmProposal:
    """How asking went: the best valid proposal with its report, or neither; and one line that says what happened."""

    proposal: Proposal | None
    report: Report | None
    said: str
    rounds: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Verdict:
    faults: tuple[str, ...]
    proposal: Proposal | None = None
    report: Report | None = None


def propose_with_llm(
    traces: Traces, settings: LlmSettings, *, sleep: Callable[[float], None] = time.sleep
) -> LlmProposal:
    """Return what a model proposes for the traces, judged by the validator on runs of files that it was not shown.

    Never raises for what an endpoint, a model or a trace does: then there is no proposal, and `said` says why.
    """
    budget = TokenBudget(settings.max_tokens)
    key = settings.key.get_secret_value() if settings.key is not None else ""
    try:
        record = ExchangeRecord(settings.record, [key])
        with ChatEndpoint(settings, adapter_schema(), budget, record, sleep) as endpoint:
            best, said, rounds = _converse(endpoint, traces, settings, record)
    except LlmError as error:
        return LlmProposal(None, None, str(error), 0, 0)
    with suppress(LlmError):
        record.add("end", said=said, rounds=rounds, tokens=budget.spent)
    if best is None:
        return LlmProposal(None, None, said, rounds, budget.spent)
    return LlmProposal(best.proposal, best.report, said, rounds, budget.spent)


def _converse(
    endpoint: ChatEndpoint, traces: Traces, settings: LlmSettings, record: ExchangeRecord
) -> tuple[_Verdict | None, str, int]:
    """Ask, judge and ask again. Returns the best valid verdict, what happened, and the number of answers."""
    shown = show_documents(traces.documents)
    first = first_question(shown.text)
    messages = first
    best: _Verdict | None = None
    verdict = _Verdict(())
    for number in range(1, settings.max_rounds + 1):
        try:
            answer = endpoint.ask(messages)
            if answer.refusal is not None:
                return best, f"{settings.model} refused: {_printable(answer.refusal)}", number
            verdict = _judge(answer, traces, shown)
            best = _better(best, verdict)
            faults = [bound_text(fault, MAX_FAULT_CHARS) for fault in verdict.faults]
            record.add("verdict", round=number, valid=verdict.proposal is not None, faults=faults)
        except LlmError as error:
            return best, _printable(f"{settings.model}: {error}"), number - 1
        if not verdict.faults:
            break
        messages = repair_question(first, answer.text, verdict.faults)
    if best is not None:
        return best, f"{settings.model} proposed a valid adapter in {_times(number)}", number
    return None, f"{settings.model} gave no valid adapter in {_times(number)}: {_printable(verdict.faults[0])}", number


def _judge(answer: Answer, traces: Traces, shown: Shown) -> _Verdict:
    try:
        spec = parse_answer(answer.text)
    except AdapterError as error:
        cut_off = ("the answer was cut off by its length: answer more briefly",) if answer.cut_off else ()
        return _Verdict((*cut_off, *(str(fault) for fault in error.faults)))
    container = traces.documents[0].container
    if spec.source.container != container:
        return _Verdict((f"source.container must be {container!r}, which is what the files are",))
    source = _with_own(spec.source, traces.source)
    try:
        return _validate(spec.model_copy(update={"name": traces.name, "source": source}), traces, shown)
    except Exception as error:  # noqa: BLE001 - whatever a model's spec does to the validator, it is a bad proposal
        return _Verdict((f"the adapter cannot be validated: {type(error).__name__}: {error}",))


def _with_own(source: Source, own: Source | None) -> Source:
    """Return a model's source with what it cannot know, which files make a document, and with the ids and the outcome
    that it left out, where it finds runs in the same place.
    """
    if own is None:
        return source
    missing = ("run_id", "task_id", "outcome") if source.runs == own.runs else ()
    found = {name: getattr(own, name) for name in missing if getattr(source, name) is None}
    return source.model_copy(update={"folder": own.folder, **found})


def _validate(draft: AdapterSpec, traces: Traces, shown: Shown) -> _Verdict:
    runs = [run for document in traces.documents for run in split_runs(document, draft)]
    if not any(run.events for run in runs):
        found = f"{len(runs)} runs without raw steps" if runs else "no runs"
        return _Verdict((f"source.runs and source.events find {found} in {len(traces.documents)} files",))
    leaks = find_leaks(draft, runs, traces.outcome_of)
    spec = mask_leaks(draft, leaks)
    fit, held_out = deal_runs(runs, traces.seed)
    held_out = _unshown(runs, shown) or held_out
    report = validate_adapter(spec, held_out, traces.documents, tuple(leak.describe() for leak in leaks))
    if not report.ok:
        return _Verdict((*report.faults, *report.warnings))
    seen_events = sum(len(run.events) for run in fit)
    evidence = Evidence(spec.source.container, len(traces.documents), len(runs), seen_events, (), ())
    proposal = Proposal(spec, evidence, report.refused, held_out, list(traces.documents))
    return _Verdict(report.warnings if report.known < GOOD_KNOWN else (), proposal, report)


def _unshown(runs: list[RawRun], shown: Shown) -> list[RawRun]:
    """Return runs of the files that the model saw nothing of, if there are enough; a corpus may be one file."""
    unseen = [run for run in runs if run.file not in shown.files]
    return spread(unseen, MAX_HELD_OUT_RUNS) if len(unseen) >= MIN_UNSHOWN_RUNS else []


def _better(best: _Verdict | None, verdict: _Verdict) -> _Verdict | None:
    if verdict.report is None:
        return best
    if best is not None and best.report is not None and best.report.known >= verdict.report.known:
        return best
    return verdict


def _times(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def _printable(text: str) -> str:
    """A model's words on a terminal: one line, no control characters."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]
