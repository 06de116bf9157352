"""Templates: literals around named parts, matched against a whole text in linear time, without regular expressions."""

from __future__ import annotations

PARTS = ("text", "name", "args", "result")


def parse_template(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the literals and the part names of a template: n parts between n + 1 literals (the first and the last may
    be empty).

    Raises ValueError for unknown or repeated parts, and where two parts have no literal between them.
    """
    literals: list[str] = []
    names: list[str] = []
    rest = template
    while "{" in rest:
        literal, _, tail = rest.partition("{")
        name, closed, rest = tail.partition("}")
        if not closed or name not in PARTS or name in names:
            raise ValueError(
                f"template {template!r}: parts are {{text}}, {{name}}, {{args}} and {{result}}, each at most once"
            )
        if names and not literal:
            raise ValueError(f"template {template!r}: two parts need a literal between them")
        literals.append(literal)
        names.append(name)
    if not names:
        raise ValueError(f"template {template!r} has no part")
    return (*literals, rest), tuple(names)


def match_template(literals: tuple[str, ...], names: tuple[str, ...], text: str) -> dict[str, str] | None:
    """Return the text of each part, stripped, or None if the whole text does not match. First occurrence of each
    literal wins.
    """
    text = text.strip()
    if not text.startswith(literals[0]) or not text.endswith(literals[-1]):
        return None
    start, end = len(literals[0]), len(text) - len(literals[-1])
    if end < start:
        return None
    parts = {}
    for name, literal in zip(names[:-1], literals[1:-1], strict=True):
        found = text.find(literal, start, end)
        if found < 0:
            return None
        parts[name] = text[start:found].strip()
        start = found + len(literal)
    parts[names[-1]] = text[start:end].strip()
    return parts
