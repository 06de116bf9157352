"""Calls written in texts are read between their tags, whatever else the text holds."""

from __future__ import annotations

from monitors.adapter.tags import FENCE, read_tags, with_tags


def test_json_between_tags_is_parsed_and_each_call_stands_in_order() -> None:
    text = 'I look.\n<call>\n{"name": "a", "arguments": {"n": 1}}\n</call> and <call>{"name": "b"}</call>'
    assert read_tags(text, ("call",)) == {"call": [{"name": "a", "arguments": {"n": 1}}, {"name": "b"}]}


def test_a_tag_for_each_argument_gives_an_object_of_them() -> None:
    text = "<do=edit>\n<part=path>/a.py</part>\n<part=text>\nx = 1\n</part>\n</do>"
    assert read_tags(text, ("do",)) == {"do": [{"name": "edit", "arguments": {"path": "/a.py", "text": "x = 1"}}]}


def test_a_fenced_block_is_named_by_its_language() -> None:
    assert read_tags("So:\n```bash\nls -la\n```\n", (FENCE,)) == {FENCE: [{"name": "bash", "arguments": "ls -la"}]}


def test_a_text_whose_tag_never_ends_is_read_to_its_end() -> None:
    assert read_tags('<call>{"name": "a"', ("call",)) == {"call": ['{"name": "a"']}


def test_what_tags_hold_stands_beside_their_text() -> None:
    step = {"said": "<call>{}</call>"}
    assert with_tags(step, ("said",), ("call",)) == {**step, "said tags": {"call": [{}]}}
    assert with_tags({"said": 3}, ("said",), ("call",)) == {"said": 3}
