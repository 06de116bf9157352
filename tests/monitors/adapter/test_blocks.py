"""Text logs: a run cut into blocks, a block read by its sections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter import compile_adapter, parse_spec
from monitors.adapter.blocks import read_block, split_blocks
from monitors.adapter.spec import Blocks

REACT = Blocks(opens=("Thought:", "Action:", "Observation:"))
CHATTY = Blocks(opens=("Action:", "Observation:"), ends_at_blank_line=True)


def test_a_block_starts_at_each_line_that_opens_one() -> None:
    text = "Question: which?\nThought: hm\nmore\nAction: look\nObservation: no Action: here\n"

    assert split_blocks(text, REACT) == [
        "Question: which?",
        "Thought: hm\nmore",
        "Action: look",
        "Observation: no Action: here",
    ]


def test_a_literal_that_leads_another_shares_its_block_with_it() -> None:
    led = REACT.model_copy(update={"leads": {"Thought:": ("Action:",)}})
    text = "Thought: hm\nAction: look\nObservation: door\nAction: open\nThought: so\nObservation: dark"

    assert split_blocks(text, led) == [
        "Thought: hm\nAction: look",
        "Observation: door",
        "Action: open",
        "Thought: so",
        "Observation: dark",
    ]


def test_a_literal_may_have_its_own_line_alone_and_the_lines_after_it_another_section() -> None:
    shell = Blocks(opens=("$ ",), then={"$ ": "printed"})

    assert read_block("$ ls\na\nb\n", shell) == {"$": "ls", "printed": "a\nb"}
    assert read_block("$ cd x", shell) == {"$": "cd x"}


def test_a_block_may_say_which_literal_came_first_and_keep_its_whole_text() -> None:
    named = REACT.model_copy(update={"first": "first", "whole": "whole"})
    told = {text: read_block(text, named)["first"] for text in ("\nAction: a\nThought: b", "so\nAction: a", "so", " ")}

    assert list(told.values()) == ["Action", "", "", ""]
    assert read_block("so\nAction: a", named)["whole"] == "so\nAction: a"


def test_strings_among_json_items_are_read_by_their_sections_and_decoded() -> None:
    cases = [
        {"when": {"/Action/do": []}, "acts": True, "fields": {"tool": [{"path": "/Action/do"}]}},
        {"when": {"/said": []}, "acts": True, "fields": {"action": [{"path": "/said"}]}},
    ]
    event = {"blocks": {"opens": ["Action:"]}, "decode": ["/Action"], "cases": cases}
    adapter = compile_adapter(parse_spec({"name": "strings", "event": event}))

    assert adapter.view('I look\nAction:\n{"do": "look"}\n')[0].tool == "look"
    assert adapter.view({"said": "Action: none"})[0].action == "Action: none"


def test_blank_text_before_the_first_block_is_no_raw_step() -> None:
    assert split_blocks("\n  \nAction: look", REACT) == ["Action: look"]


def test_what_follows_a_blank_line_belongs_to_no_step_where_the_spec_says_so() -> None:
    text = "Action: look\n\nReward: 1\nObservation: a door\nopen\n\nSuccess"

    assert split_blocks(text, CHATTY) == ["Action: look", "Observation: a door\nopen"]


def test_a_posted_block_with_such_a_tail_reads_as_the_block_without_it() -> None:
    assert read_block("Action: look\n\nReward: 1", CHATTY) == read_block("Action: look", CHATTY) == {"Action": "look"}


def test_a_block_with_two_sections_gives_both() -> None:
    assert read_block("Action: look\nObservation: a door\nopen", REACT) == {
        "Action": "look",
        "Observation": "a door\nopen",
    }


def test_a_section_that_comes_twice_is_joined_and_text_before_any_stands_under_the_empty_key() -> None:
    assert read_block("hm\nThought: a\nAction: b\nThought: c", REACT) == {"": "hm", "Thought": "a\n c", "Action": "b"}


@given(st.lists(st.sampled_from(["Action: a", "Observation: b", "", "text", " Action: c", "Action:"]), max_size=12))
def test_cutting_a_run_a_second_time_changes_nothing(lines: list[str]) -> None:
    for blocks in (REACT, CHATTY):
        once = split_blocks("\n".join(lines), blocks)
        twice = [part for block in once for part in split_blocks(block, blocks)]

        assert [read_block(block, blocks) for block in twice] == [read_block(block, blocks) for block in once]


@given(st.lists(st.sampled_from(["Action: a", "Observation: b", "", "text"]), max_size=12))
def test_every_block_but_the_text_before_the_first_opens_with_a_literal(lines: list[str]) -> None:
    assert all(block.startswith(REACT.opens) for block in split_blocks("\n".join(lines), REACT)[1:])


def test_an_adapter_reads_actions_and_answers_out_of_text() -> None:
    adapter = compile_adapter(
        parse_spec(
            {
                "name": "react",
                "event": {
                    "unit": "text",
                    "blocks": {"opens": ["Action:", "Observation:"]},
                    "cases": [
                        {
                            "when": {"/Action": []},
                            "acts": True,
                            "fields": {
                                "tool": [{"path": "/Action", "template": "{name}[{args}]", "take": "name"}],
                                "args": [{"path": "/Action", "template": "{name}[{args}]", "take": "args"}],
                                "result": [{"path": "/Observation"}],
                            },
                        },
                        {"when": {"/Observation": []}, "acts": False, "fields": {"result": [{"path": "/Observation"}]}},
                    ],
                    "otherwise": {"observation": [{"path": "/"}]},
                },
            }
        )
    )

    together, _ = adapter.view("Action: click[buy]\nObservation: done")
    answer, _ = adapter.view("Observation: done")
    neither, known = adapter.view("Instruction: find shoes")

    assert (together.tool, together.args, together.result, together.actions) == ("click", "buy", "done", 1)
    assert (answer.result, answer.actions) == ("done", 0)
    assert (neither.observation, neither.actions, known) == ("Instruction: find shoes", 0, False)
