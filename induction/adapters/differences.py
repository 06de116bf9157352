"""What one adapter says differently from another, path by path: meaning, not layout.

Defaults that are written out, the order of an object's keys and the order of values where any of them will do
(conditions, texts that mean error) make no difference. The order of cases and selectors does: the first case that
applies wins, and selectors join their values in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

import orjson

from monitors.adapter.spec import AdapterSpec
from monitors.stepview import JsonValue

UNORDERED = ("when", "where", "error_if", "error_text", "equals")
"""Lists under these keys are sets: any of their values will do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: `path` is dotted, with positions in the second adapter (in the first for what was removed)."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: JsonValue = None
    after: JsonValue = None

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain JSON values; a side that it does not have is left out."""
        shown: dict[str, Any] = {"path": self.path, "kind": self.kind}
        if self.kind != "added":
            shown["before"] = self.before
        if self.kind != "removed":
            shown["after"] = self.after
        return shown


def diff_adapters(before: AdapterSpec, after: AdapterSpec) -> list[Difference]:
    """Return what differs, in the order of the document; [] if the two adapters mean the same."""
    return _diff("", _document(before), _document(after))


def _document(spec: AdapterSpec) -> JsonValue:
    document: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    return document


def _diff(path: str, before: JsonValue, after: JsonValue) -> list[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            difference
            for key in dict.fromkeys((*before, *after))
            for difference in _diff_key(_join(path, key), key, before, after)
        ]
    if isinstance(before, list) and isinstance(after, list):
        if any(part in UNORDERED for part in path.split(".")):
            return _diff_sets(path, before, after)
        return _diff_lists(path, before, after)
    return [] if _text(before) == _text(after) else [Difference(path, "changed", before, after)]


def _diff_key(path: str, key: str, before: dict[str, JsonValue], after: dict[str, JsonValue]) -> list[Difference]:
    if key not in after:
        return [Difference(path, "removed", before=before[key])]
    if key not in before:
        return [Difference(path, "added", after=after[key])]
    return _diff(path, before[key], after[key])


def _diff_sets(path: str, before: list[JsonValue], after: list[JsonValue]) -> list[Difference]:
    old, new = {_text(value): value for value in before}, {_text(value): value for value in after}
    if bool(old) != bool(new):
        # An empty list of values does not mean none but any: this is no matter of single values.
        return [Difference(path, "changed", before, after)]
    return [
        *(Difference(path, "removed", before=value) for text, value in old.items() if text not in new),
        *(Difference(path, "added", after=value) for text, value in new.items() if text not in old),
    ]


def _diff_lists(path: str, before: list[JsonValue], after: list[JsonValue]) -> list[Difference]:
    """Items that stand for the same thing (a case by its conditions, a selector by its path) are compared; the rest
    was added or removed.
    """
    found: list[Difference] = []
    keys = [_identity(item) for item in before], [_identity(item) for item in after]
    for verdict, i, i_end, j, j_end in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        paired = min(i_end - i, j_end - j) if verdict in ("equal", "replace") else 0
        for step in range(paired):
            found += _diff(_join(path, str(j + step)), before[i + step], after[j + step])
        found += [Difference(_join(path, str(at)), "removed", before=before[at]) for at in range(i + paired, i_end)]
        found += [Difference(_join(path, str(at)), "added", after=after[at]) for at in range(j + paired, j_end)]
    return found


def _identity(item: JsonValue) -> str:
    if isinstance(item, dict) and "when" in item:
        return _text({pointer: sorted(values, key=_text) for pointer, values in item["when"].items()})
    if isinstance(item, dict) and "path" in item:
        return _text([item["path"], item.get("name")])
    return _text(item)


def _text(value: JsonValue) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
