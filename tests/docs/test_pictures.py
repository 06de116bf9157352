"""Pictures that are drawn from a text are those of the text."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

DRAWN = sorted((ROOT / "docs" / "images").glob("*.dot"))


@pytest.mark.parametrize("source", DRAWN, ids=[path.name for path in DRAWN])
def test_a_picture_shows_the_words_of_its_source(source: Path) -> None:
    labels = re.findall(r'label="([^"]*)"', re.sub(r"//.*", "", source.read_text("utf-8")))
    said = {line.strip() for label in labels for line in label.split(r"\n")}
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", source.with_suffix(".svg").read_text("utf-8"))
    assert said
    assert {html.unescape(text).strip() for text in shown} == said, (
        f"draw it anew: {source.read_text().splitlines()[0]}"
    )
