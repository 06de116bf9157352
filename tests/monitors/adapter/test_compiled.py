"""An adapter reads one raw step into one StepView."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter import Adapter, compile_adapter, parse_spec
from monitors.stepview import StepView
from tests.tiny_bundle import chat_run, tiny_spec

CHAT = compile_adapter(tiny_spec())


def adapter_of(fields: dict[str, Any], *, acts: bool = False, **rest: Any) -> Adapter:
    return compile_adapter(
        parse_spec({"name": "x", "event": {"cases": [{"when": {}, "acts": acts, "fields": fields}]}, **rest})
    )


def view_of(adapter: Adapter, raw_step: Any) -> StepView:
    return adapter.view(raw_step)[0]


def test_one_call_is_one_action_with_its_decoded_arguments() -> None:
    call = {"id": "c1", "function": {"name": "get_order", "arguments": '{"id": 7}'}}

    view, known = CHAT.view({"role": "assistant", "content": "looking", "tool_calls": [call]})

    assert known
    assert view == StepView(action="looking", tool="get_order", args={"id": 7}, actions=1)


def test_parallel_calls_are_as_many_actions_with_arguments_in_a_list() -> None:
    calls = [{"function": {"name": name, "arguments": args}} for name, args in (("f", "{}"), ("g", "[1]"), ("f", "no"))]

    view = view_of(CHAT, {"role": "assistant", "content": None, "tool_calls": calls})

    assert (view.actions, view.tool, view.args) == (3, "f g f", [{}, [1], "no"])


def test_talk_without_a_call_is_one_action() -> None:
    view = view_of(CHAT, {"role": "assistant", "content": "hello", "tool_calls": []})

    assert (view.actions, view.action, view.tool) == (1, "hello", "")


def test_an_answer_continues_the_turn_and_keeps_its_id_as_metadata() -> None:
    view = view_of(CHAT, {"role": "tool", "tool_call_id": "c1", "content": "found"})

    assert view == StepView(metadata={"tool_call_id": "c1"}, result="found", status="ok")


def test_a_raw_step_that_no_case_knows_is_unknown_and_makes_no_action() -> None:
    view, known = CHAT.view({"role": "narrator", "content": "meanwhile"})

    assert (view, known) == (StepView(), False)


def test_the_first_case_that_holds_reads_the_step() -> None:
    assert [
        CHAT.case_of({"role": role, "tool_calls": calls}) for role, calls in (("assistant", [1]), ("tool", []))
    ] == [0, 2]
    assert CHAT.case_of({"role": "x"}) is None


def test_start_fields_are_observed_before_the_first_step() -> None:
    view, known = CHAT.view({"start": {"/task": "find shoes", "/budget": 30}})

    assert (view.observation, view.actions, known) == ("find shoes\n30", 0, True)


def test_text_fields_join_what_several_selectors_give() -> None:
    adapter = adapter_of({"observation": [{"path": "/a"}, {"path": "/b/*"}]})

    assert view_of(adapter, {"a": "one", "b": ["two", None, {"k": 3}]}).observation == 'one\ntwo\n{"k":3}'


def test_where_keeps_only_items_that_meet_its_conditions() -> None:
    adapter = adapter_of({"action": [{"path": "/parts/*/text", "where": {"/type": ["text"]}}]})
    parts = [{"type": "text", "text": "a"}, {"type": "image", "text": "b"}, {"text": "c"}, "d"]

    assert view_of(adapter, {"parts": parts}).action == "a"


def test_a_cut_reaches_the_texts_inside_objects() -> None:
    adapter = adapter_of({"result": [{"path": "/r"}]}, cuts=[{"field": "result", "from": "Score:"}])

    view = view_of(adapter, {"r": {"said": ["bye. Score: 1"], "n": 3}})

    assert view.result == {"said": ["bye."], "n": 3}


def test_only_text_is_taken_where_the_selector_says_so() -> None:
    adapter = adapter_of({"action": [{"path": "/c", "only": "text"}, {"path": "/c/*/text"}]})

    assert view_of(adapter, {"c": "plain"}).action == "plain"
    assert view_of(adapter, {"c": [{"text": "one"}, {"id": 1}, {"text": "two"}]}).action == "one\ntwo"


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [('{"a": [1]}', {"a": [1]}), ("{broken", "{broken"), ("7", 7), ({"a": 1}, {"a": 1}), ("\ud800", "?")],
)
def test_json_in_a_string_is_decoded_and_what_does_not_parse_stays(raw: Any, decoded: Any) -> None:
    assert view_of(adapter_of({"args": [{"path": "/x", "decode": "json"}]}), {"x": raw}).args == decoded


def test_strings_that_the_event_decodes_are_read_as_the_json_they_hold() -> None:
    case = {"when": {"/m/role": ["agent"]}, "acts": True, "fields": {"action": [{"path": "/m/parts/-1/text"}]}}
    adapter = compile_adapter(parse_spec({"name": "x", "event": {"decode": ["/m", "/m/parts"], "cases": [case]}}))
    parts = orjson.dumps([{"text": "first"}, {"text": "last"}]).decode()

    assert view_of(adapter, {"m": orjson.dumps({"role": "agent", "parts": parts}).decode()}).action == "last"
    assert view_of(adapter, {"m": {"role": "agent", "parts": parts}}).action == "last"
    assert adapter.view({"m": "{broken"}) == (StepView(), False)


def test_one_name_with_several_arguments_is_as_many_calls() -> None:
    adapter = adapter_of({"tool": [{"path": "/name"}], "args": [{"path": "/inputs/*"}]}, acts=True)

    view = view_of(adapter, {"name": "search", "inputs": ["a", None, "b"]})

    assert (view.actions, view.tool, view.args) == (2, "search", ["a", "b"])


def test_a_cut_drops_a_field_from_its_literal_on_or_as_a_whole() -> None:
    fields = {"result": [{"path": "/r"}], "observation": [{"path": "/o"}]}
    cuts = [{"field": "result", "from": "Score:"}, {"field": "observation", "from": "DONE", "whole": True}]
    adapter = adapter_of(fields, cuts=cuts)

    view = view_of(adapter, {"r": "bought it. Score: 0.5 Score: 1", "o": "well DONE"})

    assert (view.result, view.observation) == ("bought it.", "")
    assert view_of(adapter, {"r": "DONE", "o": "Score:"}) == StepView(result="DONE", observation="Score:")


@pytest.mark.parametrize(
    ("raw_step", "status"),
    [
        ({"result": "fine"}, "ok"),
        ({"result": ""}, ""),
        ({"result": "Traceback: x"}, "error"),
        ({"result": {"deep": ["TRACEBACK"]}}, "error"),
        ({"result": "fine", "failed": True}, "error"),
        ({"result": "fine", "failed": 1}, "ok"),
        ({"result": "fine", "state": " Timeout "}, "timeout"),
        ({"state": 5}, "5"),
        ({}, ""),
    ],
)
def test_status_is_an_error_sign_else_what_is_stated_else_ok_for_a_result(raw_step: Any, status: str) -> None:
    adapter = adapter_of(
        {"result": [{"path": "/result"}], "status": [{"path": "/state"}]},
        status={"error_if": {"/failed": [True]}, "error_text": ["Traceback"], "ok_if_result": True},
    )

    assert view_of(adapter, raw_step).status == status


def test_a_cut_drops_a_field_whose_first_word_is_none_of_the_usual() -> None:
    cuts = [{"field": "result", "from": "Score:", "unless": ["OK.", "found"]}]
    adapter = adapter_of({"result": [{"path": "/r"}]}, cuts=cuts)

    kept = {text: view_of(adapter, {"r": text}).result for text in ("OK.", "found: 3", "found 3. Score: 1", "You won")}

    assert kept == {"OK.": "OK.", "found: 3": None, "found 3. Score: 1": "found 3.", "You won": None}


def test_limits_cut_text_items_and_depth() -> None:
    adapter = adapter_of(
        {"args": [{"path": "/a"}], "result": [{"path": "/r"}]},
        limits={"max_depth": 2, "max_text_chars": 100, "max_items": 3},
    )

    view = view_of(adapter, {"a": "x" * 1000, "r": {"list": list(range(10)), "deep": {"er": {"est": 1}}}})

    assert view.args == "x" * 100
    assert view.result == {"list": [0, 1, 2], "deep": {"er": {}}}


def test_a_tool_name_that_is_no_text_is_bounded_like_any_other_value() -> None:
    adapter = adapter_of({"tool": [{"path": "/t"}]}, limits={"max_depth": 2})

    assert view_of(adapter, {"t": {"a": {"b": {"c": 1}}}}).tool == '{"a":{"b":{}}}'


def test_numbers_beyond_64_bits_become_text() -> None:
    adapter = adapter_of({"args": [{"path": "/a"}]})

    assert view_of(adapter, {"a": 2**63}).args == str(2**63)
    assert view_of(adapter, {"a": -(2**63)}).args == -(2**63)


def test_unknown_keys_and_shuffled_keys_change_nothing() -> None:
    rng = random.Random(5)

    def disturb(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, disturb(item)) for key, item in value.items()] + [
                (f"unknown_{rng.random()}", {"role": "tool"})
            ]
            rng.shuffle(items)
            return dict(items)
        return [disturb(item) for item in value] if isinstance(value, list) else value

    for raw_step in chat_run(rng, fails=True, turns=30):
        assert CHAT.view(disturb(raw_step)) == CHAT.view(raw_step)


@given(st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "x"]), st.text() | st.integers()))
def test_the_same_raw_step_reads_the_same_through_any_adapter_of_the_spec(raw_step: dict[str, Any]) -> None:
    assert compile_adapter(parse_spec(orjson.loads(tiny_spec().to_json()))).view(raw_step) == CHAT.view(raw_step)


def test_a_raw_step_is_left_as_it_was() -> None:
    raw_step = {
        "role": "assistant",
        "content": "x",
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}],
    }
    before = orjson.dumps(raw_step)

    view = view_of(CHAT, raw_step)
    view.args["a"].append(2)  # type: ignore[index,call-overload,union-attr]

    assert orjson.dumps(raw_step) == before


def test_a_step_of_two_kilobytes_is_read_in_well_under_a_millisecond() -> None:
    call = {"function": {"name": "f", "arguments": orjson.dumps({"text": "word " * 300}).decode()}}
    raw_step = {"role": "assistant", "content": "word " * 100, "tool_calls": [call]}

    times = []
    for _ in range(200):
        start = time.thread_time()
        CHAT.view(raw_step)
        times.append(time.thread_time() - start)

    assert statistics.median(times) < 1e-3
