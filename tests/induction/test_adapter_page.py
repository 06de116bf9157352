from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from induction.adapters.contest import Candidate, settle
from induction.adapters.inducing import Induction, induce_adapter
from induction.adapters.page import render_page
from induction.adapters.validator import Example, FieldReport
from induction.reading import ReadFault
from monitors.stepview import StepView

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.fixture
def induction(chat_corpus: Path) -> Induction:
    return induce_adapter(chat_corpus)


def test_every_field_is_shown_with_paths_coverage_and_distinct_values(induction: Induction) -> None:
    shown = Page(render_page(induction, "chat.tar.gz")).shown
    for field in induction.report.fields:
        assert field.field in shown
        assert f"{100 * field.fill:.0f} %" in shown
        assert [path for path in field.paths if path not in shown] == []
    assert "chat.tar.gz" in shown


def test_examples_stand_beside_their_views(induction: Induction) -> None:
    page = Page(render_page(induction, "chat"))
    assert len(induction.report.examples) == 3
    assert page.tags.count("pre") == 2 * 3 + 1
    assert '"actions": 1' in page.shown


def test_what_was_refused_is_shown_with_its_evidence(induction: Induction) -> None:
    refused = ("cut Score:: 9 of 40 last raw steps hold it in observation, none of 300 others",)
    page = Page(render_page(replace(induction, report=replace(induction.report, refused=refused)), "chat"))
    assert refused[0] in page.shown


def test_two_proposals_are_compared(induction: Induction) -> None:
    own = induction.contest.winner
    worse = replace(own.report, known=0.5, refused=("cut X: seen last",))
    contest = settle([own, Candidate("model's", own.proposal, worse)], "tester proposed a valid adapter in 2 rounds")
    shown = Page(render_page(replace(induction, contest=contest), "chat")).shown
    assert "The statistical proposal is taken: " in shown
    assert "tester proposed a valid adapter in 2 rounds" in shown
    assert "50.0%" in shown
    assert "cut X: seen last" in shown


def test_an_adapter_that_may_not_be_used_is_said_to_be_so(induction: Induction) -> None:
    report = replace(induction.report, faults=("most runs have no agent action",))
    shown = Page(render_page(replace(induction, report=report), "chat")).shown
    assert "may not be used" in shown
    assert "most runs have no agent action" in shown


def test_nothing_that_traces_or_models_say_is_markup(induction: Induction) -> None:
    spec = induction.proposal.spec.model_copy(update={"name": HOSTILE})
    evidence = replace(induction.proposal.evidence, notes=(HOSTILE,))
    report = replace(
        induction.report,
        fields=(FieldReport(HOSTILE, (HOSTILE,), 0.5, 3),),
        refused=(HOSTILE,),
        warnings=(HOSTILE,),
        faults=(HOSTILE,),
        examples=(Example({"x": HOSTILE}, StepView(action=HOSTILE)), Example(HOSTILE, StepView())),
    )
    hostile = replace(
        induction,
        proposal=replace(induction.proposal, spec=spec, evidence=evidence),
        report=report,
        skipped=(ReadFault(HOSTILE, HOSTILE),),
        contest=replace(induction.contest, asked=HOSTILE, why=HOSTILE),
    )
    clean, page = Page(render_page(induction, "chat")), Page(render_page(hostile, HOSTILE))
    assert not {"script", "img"} & {*page.tags, *clean.tags}
    assert page.shown.count(HOSTILE) >= 12


def test_the_page_needs_no_network_and_runs_no_script(induction: Induction) -> None:
    text = render_page(induction, "chat")
    assert not {"script", "link", "img", "iframe"} & set(Page(text).tags)
    assert "default-src 'none'" in text


def test_long_examples_are_cut_and_names_that_are_no_text_are_shown(induction: Induction) -> None:
    report = replace(induction.report, examples=(Example("x" * 50_000, StepView()),))
    faults = (ReadFault("bad\udcff.json", "is empty"),)
    text = render_page(replace(induction, report=report, skipped=faults), "chat")
    assert "44000 more characters" in text
    assert "bad?.json" in text
    text.encode()


def test_line_breaks_of_texts_are_shown_as_such_and_a_written_backslash_stays(induction: Induction) -> None:
    example = Example({"code": "one\ntwo", "path": "C:\\new"}, StepView(action="first\nsecond"))
    shown = Page(render_page(replace(induction, report=replace(induction.report, examples=(example,))), "chat")).shown
    assert '"action": "first\nsecond"' in shown
    assert '"code": "one\ntwo"' in shown
    assert "C:\\\\new" in shown


def test_an_example_names_the_case_that_reads_it(induction: Induction) -> None:
    shown = Page(render_page(induction, "chat")).shown
    assert shown.count("read by case") == 3


def test_what_is_refused_twice_is_told_once(induction: Induction) -> None:
    report = replace(induction.report, refused=("cut X: seen last", "cut X: seen last"))
    shown = Page(render_page(replace(induction, report=report), "chat")).shown
    assert shown.count("cut X: seen last") == 1
    assert "thing refused: it tells" in shown
