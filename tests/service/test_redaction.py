"""What is masked, what is left alone, and what masking does to a step."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.core.privacy.keeping import PrivacyRules
from service.core.privacy.redaction import BUDGET_S, LOOKS, MASK, Masker, MaskingFormatter, ProjectRedactor
from service.core.privacy.shapes import is_card
from service.core.projects import Privacy, ProjectBook, ProjectSettings, RedactionRule
from service.errors import NameRefused
from service.records import SHAPES, Shape
from tests.service.planted import PLANTED
from tests.service.test_raw_steps import raw_steps

EVERYTHING = Masker(SHAPES)
ONCE = {shape: Masker((shape,)) for shape in SHAPES}

PLAIN = [
    "order 1000200030004000 was shipped",
    "order 7316-0042-9981",
    "invoice 2024-000123, customer 55512345678",
    "2026-11-27T23:45:15+01:00",
    "2026-11-27 23:45:15.123456",
    "20261127234515123",
    "at 1767225600000 ms, 1767225600000000 µs",
    "id 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "12345678-1234-4111-1111-111111111111",
    "0.4111111111111111 of 3.141592653589793",
    "-4111111111111112",
    "1e+10 and 6.02214076e+23",
    "192.168.100.200:8080",
    "version 2.31.0, build 20240501.3",
    "npm i react@18.2.0",
    "task_very_long_identifier_of_a_function(sk)",
    "https://example.com/a:b?c=d",
    "the password is required; a bearer of news",
    "x = 1 + 2222",
    "eyJhbGciOiJIUzI1NiJ9 alone",
    "0x4111111111111111",
    "#1234567890",
]


@pytest.mark.parametrize(("shape", "text"), PLANTED)
def test_a_known_shape_is_masked_wherever_it_is(shape: Shape, text: str) -> None:
    mask = ONCE[shape].mask
    for planted in (
        text,
        {"a": [{"b": f"first {text} last"}]},
        {"a": f"line\n{text}\nline"},
        {f"name {text}": 1},
        {"quoted": f'"{text}"'},
    ):
        masked = mask(planted)
        assert type(masked) is type(planted)
        assert text not in str(masked)
        assert MASK in str(masked)


@pytest.mark.parametrize("text", PLAIN)
def test_ids_dates_and_plain_numbers_are_left_alone(text: str) -> None:
    step = {"text": text, "inside": [text]}
    assert EVERYTHING.mask(step) is step


@pytest.mark.parametrize("number", [1000200030004000, 1767225600000, 1.5, -7, True, None, 4915112345679])
def test_numbers_that_are_no_card_stay_numbers(number: Any) -> None:
    step = {"number": number}
    assert EVERYTHING.mask(step) is step


def test_a_number_that_is_a_card_becomes_a_text() -> None:
    assert EVERYTHING.mask({"pan": 4111111111111111, "n": [5500005555555559, 1]}) == {"pan": MASK, "n": [MASK, 1]}


def test_what_introduces_a_secret_stays() -> None:
    masked = ONCE["secrets"].mask({"h": f"Authorization: Bearer {'t0ken' * 5}", "u": "postgres://me:s3cret@db:5432/x"})
    assert masked == {"h": f"Authorization: Bearer {MASK}", "u": f"postgres://me:{MASK}@db:5432/x"}


def test_names_that_become_the_same_are_told_apart() -> None:
    masked = ONCE["email"].mask({"a@b.co": 1, "c@d.co": 2, "x": 3})
    assert masked == {MASK: 1, f"{MASK} 2": 2, "x": 3}


@given(raw_steps)
@settings(max_examples=50)
def test_what_holds_nothing_to_mask_is_the_very_same_object(step: Any) -> None:
    masked = EVERYTHING.mask(step)
    assert masked is step or masked != step


def shape_of(value: Any) -> Any:
    """The containers of a value, without what is in them."""
    if isinstance(value, dict):
        return [shape_of(inner) for inner in value.values()]
    if isinstance(value, list):
        return (tuple(shape_of(inner) for inner in value),)
    return None


planted_texts = st.lists(
    st.one_of(st.text(max_size=5), st.sampled_from([text for _, text in PLANTED])), max_size=4
).map(" ".join)
planted_steps = st.recursive(
    planted_texts | st.integers(-(2**63), 2**64 - 1) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(planted_texts, inner, max_size=3),
    max_leaves=8,
)


@given(planted_steps)
@example("+44 20 7946 0958 5500-0055-5555-5559")
@settings(max_examples=100, deadline=None)
def test_masking_keeps_the_containers_and_masking_again_changes_nothing(step: Any) -> None:
    masked = EVERYTHING.mask(step)
    assert shape_of(masked) == shape_of(step)
    assert EVERYTHING.mask(masked) == masked


@given(planted_texts, st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_look_at_the_json_passes_over_nothing(planted: str, around: str) -> None:
    text = around + "\n" + planted + around
    assert EVERYTHING.mask(text) == EVERYTHING.mask_text(text)


def rule(pattern: str, name: str = "own") -> RedactionRule:
    return RedactionRule(name=name, pattern=pattern)


class TestRulesOfAProject:
    def test_are_applied_to_texts_names_and_numbers(self) -> None:
        masker = Masker((), [rule(r"\b\d{3}-\d{2}-\d{4}\b", "ssn"), rule(r"^90\d{7}$", "number")])
        assert masker.mask({"ssn": "it is 123-45-6789.", "123-45-6789": 901234567}) == {
            "ssn": f"it is {MASK}.",
            MASK: MASK,
        }

    @pytest.mark.parametrize(
        "pattern", [r"(a+)+$", r"(a|a)*b", r"(.*)*=", r"a*a*a*a*a*a*b", r"(x+x+)+y", r"(?:a?){50}a{50}"]
    )
    def test_that_would_be_catastrophic_elsewhere_are_harmless(self, pattern: str) -> None:
        overruns: list[int] = []
        masker = Masker((), [rule(pattern)], lambda: overruns.append(1), lambda: 0.0)
        masker.mask({"a": "a" * 20_000 + "!", "x": "x" * 20_000})
        assert not overruns

    def test_that_run_out_of_time_mask_the_text_whole_and_are_counted(self) -> None:
        overruns: list[int] = []
        ticks = iter(range(1000))
        masker = Masker((), [rule("b")], lambda: overruns.append(1), lambda: next(ticks) * BUDGET_S / 3.5)
        masked = masker.mask(["a b", "c", "d", 5, {"e": None}])
        assert masked == [f"a {MASK}", "c", MASK, MASK, {MASK: None}]
        assert overruns == [1]

    @pytest.mark.parametrize("pattern", [r"^no", r"e$", r"\Aon", r"ne\z", r"(?-m)^on", r"one"])
    def test_are_found_at_the_ends_of_texts_among_others(self, pattern: str) -> None:
        masker = Masker((), [rule(pattern)])
        assert masker.mask({"x": ["none", "one", 1]}) != {"x": ["none", "one", 1]}

    @pytest.mark.parametrize(
        "pattern",
        [
            r"\bab",
            r"\d\b{2} a",
            r"(?i)\bN[a-x]?|\b{2}1",
            r"\Bab",
            'a"b',
            r"a\\b",
            r"\nb",
            r"[^a-z]b",
            r"\[^b|x",
            r"\x00",
            r"[\t\f]a",
            "é+",
            r"\bn",
            r"^b",
            r"1\b",
        ],
    )
    @given(
        st.lists(st.text('abnx1"\\\n\t\f\x00\x1f[^é€😀 ', max_size=8) | st.integers(-20, 20), max_size=4),
        st.sampled_from([(), ("email",), SHAPES]),
    )
    @settings(max_examples=60, deadline=None)
    def test_find_in_a_value_what_they_find_in_its_texts(
        self, pattern: str, values: list[str | int], shapes: tuple[Shape, ...]
    ) -> None:
        masker = Masker(shapes, [rule(pattern)])
        masked = [masker.mask_text(str(one)) for one in values]
        assert [str(one) for one in masker.mask(list(values))] == [
            MASK if isinstance(value, int) and one != str(value) else one
            for value, one in zip(values, masked, strict=True)
        ]

    @pytest.mark.parametrize("pattern", ["(", r"(?=a)", r"(a)\1", "a*", "", "x{2000}"])
    def test_that_cannot_be_used_are_refused_by_name(self, pattern: str) -> None:
        with pytest.raises(ValidationError, match="bad" if pattern else "pattern"):
            Privacy(rules=(rule("fine", "good"), RedactionRule(name="bad", pattern=pattern)))

    def test_have_names_of_their_own(self) -> None:
        with pytest.raises(ValidationError, match="same name"):
            Privacy(rules=(rule("a"), rule("b")))


@pytest.mark.parametrize("text", ["4235 " * 20_000])
def test_a_text_of_endless_near_misses_is_masked_whole_and_counted(text: str) -> None:
    overruns: list[int] = []
    masker = Masker(SHAPES, (), lambda: overruns.append(1))
    assert masker.mask({"x": text[: 5 * LOOKS // 2]}) == {"x": text[: 5 * LOOKS // 2]}
    assert masker.mask({"x": text}) in ({"x": MASK}, {MASK: MASK})
    assert overruns == [1]


class _Store:
    async def read_projects(self) -> dict[str, bytes]:
        strict = ProjectSettings(privacy=Privacy(redact=("email",), rules=(rule("zebra", "animal"),)))
        return {
            "strict": strict.model_dump_json().encode(),
            "lax": ProjectSettings(privacy=Privacy(redact=())).model_dump_json().encode(),
        }

    async def swap_project(self, project: str, old: bytes, new: bytes) -> bool:
        raise NotImplementedError

    async def delete_project(self, project: str) -> bool:
        raise NotImplementedError


class TestRedactorOfProjects:
    @pytest.fixture
    async def redactor(self) -> ProjectRedactor:
        book = ProjectBook(_Store())
        await book.refresh()
        return ProjectRedactor(PrivacyRules(book, ("secrets",)))

    async def test_each_project_has_its_own_shapes_and_else_the_services(self, redactor: ProjectRedactor) -> None:
        text = f"me@example.com zebra AKIA{'A' * 16}"
        assert redactor.text("default", text) == f"me@example.com zebra {MASK}"
        assert redactor.text("strict", text) == f"{MASK} {MASK} AKIA{'A' * 16}"
        assert redactor.text("lax", text) is text

    @pytest.mark.parametrize(
        ("project", "name", "why"),
        [
            ("default", "AKIA" + "B" * 16, "secrets"),
            ("strict", "me@example.com", "email"),
            ("strict", "zebra", "animal"),
        ],
    )
    async def test_names_that_hold_what_is_masked_are_refused_without_echo(
        self, redactor: ProjectRedactor, project: str, name: str, why: str
    ) -> None:
        with pytest.raises(NameRefused, match=why) as caught:
            redactor.check_name(project, "run_id", name)
        assert name not in str(caught.value)

    async def test_a_plain_name_is_none_of_its_business(self, redactor: ProjectRedactor) -> None:
        redactor.check_name("strict", "run_id", "run-+4915112345678")


def test_log_lines_hold_no_secret_not_even_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(message)s"))
    logger = logging.getLogger("a test of masks")
    logger.addHandler(handler)
    secret = "ghp_" + "a" * 36
    try:
        raise ValueError(f"bad {secret}")
    except ValueError:
        logger.exception("it was %s", secret)
    said = capsys.readouterr().err
    assert secret not in said
    assert said.count(MASK) == 2


@pytest.mark.parametrize(
    ("digits", "card"), [("4111111111111111", True), ("4111111111111112", False), ("0" * 16, False)]
)
def test_cards_are_known_by_their_check_digit(digits: str, card: bool) -> None:
    assert is_card(digits) is card
    assert orjson.dumps(digits)
