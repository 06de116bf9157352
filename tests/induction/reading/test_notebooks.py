"""Notebooks are read with each cell's text as one string; other documents keep their lists of lines."""

from __future__ import annotations

import json

from induction.reading.documents import Document, parse_bytes


def read(value: object) -> object:
    document = parse_bytes("a.ipynb", json.dumps(value).encode())
    assert isinstance(document, Document)
    return document.value


def test_the_lines_of_a_cell_and_of_its_outputs_are_one_text_each() -> None:
    output = {"output_type": "stream", "text": ["1\n", "2\n"]}
    cell = {"cell_type": "code", "source": ["a = 1\n", "a"], "outputs": [output]}
    joined = {"cell_type": "code", "source": "a = 1\na", "outputs": [{**output, "text": "1\n2\n"}]}
    assert read({"cells": [cell], "nbformat": 4}) == {"cells": [joined], "nbformat": 4}


def test_lists_of_lines_elsewhere_stay_lists() -> None:
    assert read({"cells": [{"source": ["a\n", "b"]}]}) == {"cells": [{"source": ["a\n", "b"]}]}
