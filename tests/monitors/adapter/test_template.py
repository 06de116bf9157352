"""Templates: literals around named parts, matched against a whole text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter.template import match_template, parse_template


@pytest.mark.parametrize(
    ("template", "text", "parts"),
    [
        ("{name}[{args}]", "search[red shoes]", {"name": "search", "args": "red shoes"}),
        ("{name}[{args}]", "  search[ red[1] ] ", {"name": "search", "args": "red[1]"}),
        ("{name}[{args}]", "search", None),
        ("{name}[{args}]", "search[red] and more", None),
        ("call {name}: {args} -> {result}", "call f: 1 -> 2 -> 3", {"name": "f", "args": "1", "result": "2 -> 3"}),
        ("<{name}>", "<>", {"name": ""}),
        ("<<{name}>>", "<<>", None),
        ("{text}[{name}({args})]", "So [f(1)]", {"text": "So", "name": "f", "args": "1"}),
        ("{text}[{name}({args})]", "[f(1)]", {"text": "", "name": "f", "args": "1"}),
        ("{args}", "anything", {"args": "anything"}),
    ],
)
def test_the_whole_text_must_match(template: str, text: str, parts: dict[str, str] | None) -> None:
    assert match_template(*parse_template(template), text) == parts


@given(st.text(alphabet="ab[] ", max_size=12), st.text(alphabet="ab ", max_size=12))
def test_parts_put_into_a_template_come_out_again(args: str, name: str) -> None:
    assert match_template(*parse_template("{name}[{args}]"), f"{name}[{args}]") == {
        "name": name.strip(),
        "args": args.strip(),
    }


@given(st.text(), st.text(alphabet="{}[]nameargsult", max_size=20))
def test_no_text_and_no_valid_template_raise(text: str, template: str) -> None:
    try:
        literals, names = parse_template(template)
    except ValueError:
        return
    parts = match_template(literals, names, text)
    assert parts is None or parts.keys() == set(names)
