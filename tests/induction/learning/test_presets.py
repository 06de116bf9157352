"""The raw-text control: the same events, without what the adapter knows of fields."""

from __future__ import annotations

import orjson

from induction.learning.presets import DEFAULT, RAW_TEXT, find_recipe
from monitors.adapter import compile_adapter, parse_spec
from monitors.adapter.spec import Cut
from tests.tiny_bundle import RAW_SPEC, tiny_spec

CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"function": {"name": name, "arguments": "{}"}} for name in ("find_user", "refund")],
}


def test_the_default_reads_as_induced() -> None:
    assert find_recipe(DEFAULT).to_spec(tiny_spec()) == tiny_spec()


def test_raw_text_shows_a_whole_raw_step_as_the_agents_action() -> None:
    view, known = compile_adapter(find_recipe(RAW_TEXT).to_spec(tiny_spec())).view(CALLS)

    assert known
    assert orjson.loads(view.action) == CALLS
    assert (view.observation, view.args, view.result, view.status) == ("", None, None, "")


def test_raw_text_counts_the_same_actions() -> None:
    induced, raw_text = (compile_adapter(find_recipe(preset).to_spec(tiny_spec())) for preset in (DEFAULT, RAW_TEXT))

    for step in (CALLS, {"role": "assistant", "content": "hello"}, {"role": "tool", "content": "x"}, {"odd": 1}):
        assert raw_text.view(step)[0].actions == induced.view(step)[0].actions


def test_raw_text_cuts_what_the_adapter_cuts() -> None:
    spec = parse_spec(RAW_SPEC).model_copy(update={"cuts": (Cut(field="result", **{"from": "SCORE"}),)})
    view, _ = compile_adapter(find_recipe(RAW_TEXT).to_spec(spec)).view({"role": "tool", "content": "done SCORE 0.7"})

    assert "0.7" not in view.observation
    assert "done" in view.observation


def test_raw_text_shows_nothing_of_an_answer_that_holds_nothing_else_but_what_is_cut() -> None:
    spec = parse_spec(RAW_SPEC).model_copy(update={"cuts": (Cut(field="result", **{"from": "SCORE"}),)})
    view, _ = compile_adapter(find_recipe(RAW_TEXT).to_spec(spec)).view({"role": "tool", "content": "SCORE 0.7"})

    assert view.observation == ""


def test_raw_text_keeps_an_action_whose_answers_are_dropped_unless_they_start_with_known_words() -> None:
    cut = Cut(field="result", whole=True, unless=("found",), **{"from": "SCORE"})
    spec = parse_spec(RAW_SPEC).model_copy(update={"cuts": (cut,)})
    view, _ = compile_adapter(find_recipe(RAW_TEXT).to_spec(spec)).view(CALLS)

    assert orjson.loads(view.action) == CALLS
