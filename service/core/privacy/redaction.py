"""Masks what must not be kept, in everything that comes in: by known shapes, and by patterns that a project sets.

Masked is every text, the names of fields too, and every number whose digits are a card or match a project's own
pattern: such a number becomes a text, so that the step stays readable. Arrays and objects keep their shape; two names
that become the same are told apart by a number. What holds nothing to mask is handed back as the very same object, and
costs one look at its JSON.

There are limits to the work for one value: `LOOKS` at what turns out to be none of the shapes, and `BUDGET_S` of
computing for a project's own patterns. What they have not looked at by then is masked whole: too much rather than too
little.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import Protocol, cast

import orjson

from monitors.stepview import JsonValue
from service.core.patterns import Pattern, PatternSet, Span
from service.core.privacy.hints import HINT_BYTES, build_hint, build_json_hint, lines_of, unescape, widen
from service.core.privacy.keeping import PrivacyRules, without_task
from service.core.privacy.named_secrets import is_nothing, is_secret_name
from service.core.privacy.shapes import BUILT_IN, ShapeRule
from service.core.projects import Privacy, RedactionRule
from service.errors import NameRefused
from service.records import RunDescription, Shape

MASK = "[redacted]"
_MASK = MASK.encode()
BUDGET_S = 0.1
LOOKS = 5000
# What is masked may show its neighbour for what it is (a phone number right before a card): so often one looks.
ROUNDS = 4
KEPT_NAMES = 2000
_KEPT_MASKERS = 1000


StepMask = Callable[[JsonValue, bytes], JsonValue]
"""A value and its JSON → the value as it may be kept; the very same object where nothing is masked."""


class Redactor(Protocol):
    """Masks what comes in, before anything is stored, forwarded or logged."""

    def for_steps(self, project: str) -> StepMask | None:
        """What masks the project's values, by its settings as they are now; None where nothing ever would be."""
        ...

    def step(self, project: str, value: JsonValue) -> JsonValue:
        """The value as it may be kept; the very same object where nothing is masked."""
        ...

    def text(self, project: str, text: str) -> str:
        """The text as it may be kept."""
        ...

    def refused_names(self, project: str, parameter: str, names: Collection[str]) -> dict[str, NameRefused]:
        """Those of the names that hold what would have to be masked, since a masked name would be another's; each with
        what to answer, the name left out."""
        ...

    def check_name(self, project: str, parameter: str, name: str) -> None:
        """Raises NameRefused for a name that holds what would have to be masked."""
        ...


class ProjectRedactor:
    """Redactor by what holds for each project. `on_overrun` is called for each value of which something was masked
    whole because it took too much work."""

    def __init__(self, rules: PrivacyRules, on_overrun: Callable[[], None] = lambda: None) -> None:
        self._privacy = rules
        self._on_overrun = on_overrun
        self._maskers: dict[tuple[tuple[Shape, ...], tuple[RedactionRule, ...]], Masker] = {}
        self._latest: dict[str, tuple[Privacy, Masker]] = {}

    def for_steps(self, project: str) -> StepMask | None:
        """See `Redactor.for_steps`."""
        masker = self.masker(project)
        return masker.mask if masker.active else None

    def step(self, project: str, value: JsonValue) -> JsonValue:
        """See `Redactor.step`."""
        mask = self.for_steps(project)
        return value if mask is None else mask(value, orjson.dumps(value))

    def text(self, project: str, text: str) -> str:
        """See `Redactor.text`."""
        masker = self.masker(project)
        return masker.mask_text(text) if masker.active and text else text

    def refused_names(self, project: str, parameter: str, names: Collection[str]) -> dict[str, NameRefused]:
        """See `Redactor.refused_names`."""
        why = "{} holds what this project masks ({}): name it without, or by a digest of it"
        found = self.masker(project).find_in_names(names)
        return {name: NameRefused(parameter, why.format(parameter, what)) for name, what in found.items()}

    def check_name(self, project: str, parameter: str, name: str) -> None:
        """See `Redactor.check_name`."""
        for refused in self.refused_names(project, parameter, (name,)).values():
            raise refused

    def masker(self, project: str) -> Masker:
        """What masks the project's values, by its settings as they are now."""
        own = self._privacy.book.settings(project).privacy
        latest = self._latest.get(project)
        # The very same settings: asked for each step, and comparing patterns is dearer than that.
        if latest is not None and latest[0] is own:
            return latest[1]
        shapes, rules = self._privacy.shapes_of(project), own.rules
        masker = self._maskers.get((shapes, rules))
        if masker is None:
            if len(self._maskers) >= _KEPT_MASKERS:
                self._maskers.clear()
            masker = self._maskers[(shapes, rules)] = Masker(shapes, rules, self._on_overrun)
        if len(self._latest) >= _KEPT_MASKERS:
            self._latest.clear()
        self._latest[project] = (own, masker)
        return masker


class Masker:
    """Masks values by some shapes and patterns. Not for several threads at once."""

    def __init__(
        self,
        shapes: Iterable[Shape],
        rules: Sequence[RedactionRule] = (),
        on_overrun: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock` counts seconds of work. Raises PatternRefused where the rules cannot be compiled."""
        self._shapes: list[tuple[str, ShapeRule]] = [(one, BUILT_IN[one]) for one in dict.fromkeys(shapes)]
        self._rules = [(rule.name, Pattern(rule.pattern)) for rule in rules]
        self._hints = {title: Pattern(shape.hint, HINT_BYTES) for title, shape in self._shapes}
        hints = [shape.hint for _, shape in self._shapes]
        self._kinds = PatternSet(hints, HINT_BYTES)
        sources = [rule.pattern for rule in rules]
        self._any_rule = build_hint(sources)
        # Shapes and rules together in one look at the JSON, where the rules allow it.
        plain = [widen(source) for source in sources]
        self._escaped = None in plain
        self._all = build_json_hint(hints, sources if self._escaped else [one for one in plain if one is not None])
        self._on_overrun = on_overrun
        self._clock = clock
        self._clean_names: set[str] = set()
        self._clean_runs: set[str] = set()
        self._deadline = 0.0
        self._looks = 0
        self._overrun = False
        # What is looked for in the value at hand.
        self._sought: list[tuple[str, ShapeRule]] = []
        self._with_rules = self._in_numbers = self._in_named = False
        self._sign = ""

    @property
    def active(self) -> bool:
        """False if nothing would ever be masked."""
        return bool(self._shapes or self._rules)

    def mask(self, value: JsonValue, data: bytes | None = None) -> JsonValue:
        """See `StepMask`."""
        sought, with_rules = self._look(value, orjson.dumps(value) if data is None else data)
        if not sought and not with_rules:
            return value
        self._begin(sought, with_rules)
        masked = self._mask(value)
        self._end()
        return masked

    def mask_text(self, text: str) -> str:
        """See `Redactor.text`."""
        self._begin(range(len(self._shapes)), bool(self._rules))
        masked = self._mask_text(text)
        self._end()
        return masked

    def find_in_names(self, names: Collection[str]) -> dict[str, str]:
        """Those of the names in which something is that may not be: a shape's name, or a rule's."""
        found = {}
        # A run is named by each of its steps.
        for name in set(names) - self._clean_runs:
            what = self._find_in_name(name.encode("utf-8", "replace"))
            if what:
                found[name] = what
            elif len(name) <= 200:
                if len(self._clean_runs) >= KEPT_NAMES:
                    self._clean_runs.clear()
                self._clean_runs.add(name)
        return found

    def _find_in_name(self, text: bytes) -> str:
        for at in self._kinds.which(text):
            title, shape = self._shapes[at]
            if any(start < end for start, end in shape.find(text)):
                return title
        if not self._may_match_rules(text):
            return ""
        return next((f"rule {title}" for title, pattern in self._rules if any(True for _ in pattern.spans(text))), "")

    def _look(self, value: JsonValue, data: bytes) -> tuple[Sequence[int], bool]:
        """Which shapes there may be to mask, and whether there may be matches of rules: known from a look at the
        whole."""
        if self._all is None:
            lines = lines_of(value) if self._rules and self._any_rule is not None else b""
            return self._kinds.which(data), self._may_match_rules(lines)
        found = self._all.which(unescape(data) if self._escaped else data)
        if not found:
            return (), False
        shapes = len(self._shapes)
        return [at for at in found if at < shapes], any(at >= shapes for at in found)

    def _may_match_rules(self, lines: bytes) -> bool:
        return bool(self._rules) and (self._any_rule is None or self._any_rule.is_in(lines))

    def _begin(self, sought: Sequence[int], with_rules: bool) -> None:
        self._sought = [self._shapes[at] for at in sorted(sought)]
        self._looks, self._overrun, self._with_rules = 0, False, with_rules
        titles = [title for title, _ in self._sought]
        self._in_numbers = with_rules or "card" in titles
        self._in_named = "secrets" in titles
        # Most texts of a step that holds an address hold none.
        self._sign = self._sought[0][1].sign.decode() if len(titles) == 1 and not with_rules else ""
        # The clock of a thread is a call into the kernel, dearer than a look at the whole step.
        if with_rules:
            self._deadline = self._clock() + BUDGET_S

    def _end(self) -> None:
        if self._overrun:
            self._overrun = False
            self._on_overrun()

    def _mask(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self._mask_text(value)
        if isinstance(value, dict):
            fields = {name: self._mask_field(name, inner) for name, inner in value.items()}
            names = [self._mask_name(name) for name in value]
            if any(new is not old for new, old in zip(names, value, strict=True)):
                return dict(zip(_apart(names), fields.values(), strict=True))
            return fields if any(fields[name] is not inner for name, inner in value.items()) else value
        if isinstance(value, list):
            items = [self._mask(inner) for inner in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        if self._in_numbers and isinstance(value, int | float) and not isinstance(value, bool):
            text = orjson.dumps(value).decode()
            # A number is no secret and no address, and a phone number only where it is written as one.
            return value if self._mask_text(text, ("card",)) is text else MASK
        return value

    def _mask_field(self, name: str, value: JsonValue) -> JsonValue:
        if not self._in_named or not isinstance(value, str | list) or not is_secret_name(name):
            return self._mask(value)
        if isinstance(value, str):
            return value if is_nothing(value.encode("utf-8", "surrogatepass")) else MASK
        items = [self._mask_field(name, inner) for inner in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value

    def _mask_name(self, name: str) -> str:
        """Names of fields come again and again: some are known to be plain."""
        if name in self._clean_names and not self._overrun:
            return name
        masked = self._mask_text(name)
        if masked is name and len(name) <= 100 and len(self._clean_names) < KEPT_NAMES:
            self._clean_names.add(name)
        return masked

    def _mask_text(self, text: str, only: Container[str] = BUILT_IN) -> str:
        if not text:
            return text
        if self._overrun:
            return MASK
        if self._sign and self._sign not in text:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        spans = self._spans(raw, self._sought, only, self._with_rules)
        if not spans:
            return text
        masked = raw
        for _ in range(ROUNDS):
            before, masked = masked, _cover(masked, spans)
            if masked == before:
                return text if masked == raw else masked.decode("utf-8", "surrogatepass")
            # What is masked may show any shape in what is left.
            spans = self._spans(masked, [self._shapes[at] for at in sorted(self._kinds.which(masked))], only, False)
        return MASK

    def _may_be_in(self, title: str, shape: ShapeRule, raw: bytes) -> bool:
        return shape.sign in raw if shape.sign else self._hints[title].is_in(raw)

    def _spans(
        self, raw: bytes, sought: Sequence[tuple[str, ShapeRule]], only: Container[str], with_rules: bool
    ) -> list[Span]:
        spans: list[Span] = []
        for title, shape in sought:
            for start, end in shape.find(raw) if title in only and self._may_be_in(title, shape, raw) else ():
                if start < end:
                    spans.append((start, end))
                else:
                    self._looks += 1
                if self._looks > LOOKS:
                    self._overrun = True
                    return [(0, len(raw))]
        if not with_rules:
            return spans
        may_match = self._may_match_rules(raw)
        if not may_match and self._clock() > self._deadline:
            self._overrun = True
            return [(0, len(raw))]
        for _, pattern in self._rules if may_match else ():
            for span in pattern.spans(raw):
                spans.append(span)
                if self._clock() > self._deadline:
                    break
            if self._clock() > self._deadline:
                self._overrun = True
                return [(0, len(raw))]
        return spans


def _cover(raw: bytes, spans: Sequence[Span]) -> bytes:
    """The text with each span masked; overlapping ones together."""
    pieces: list[bytes] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            pieces += [raw[at:start], _MASK]
        at = max(at, end)
    return b"".join(pieces) + raw[at:]


def mask_description(redactor: Redactor, privacy: PrivacyRules, project: str, said: RunDescription) -> RunDescription:
    """What was said of a run, as it may be kept."""
    if not privacy.keeps_content(project):
        said = without_task(said)

    def mask(text: str | None) -> str | None:
        return None if text is None else redactor.text(project, text)

    tags = None if said.tags is None else redactor.step(project, dict(said.tags))
    return RunDescription(mask(said.agent), mask(said.task), cast("dict[str, str] | None", tags))


def _apart(names: Sequence[str]) -> list[str]:
    """The names, those that are there already with a number after them."""
    taken: set[str] = set()
    apart = []
    for name in names:
        number, new = 1, name
        while new in taken:
            number += 1
            new = f"{name} {number}"
        taken.add(new)
        apart.append(new)
    return apart


SECRETS = Masker(("secrets",))
"""What logs, and answers that name a fault, go through, whatever any project's settings say."""


class MaskingFormatter(logging.Formatter):
    """Log lines without secrets, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return SECRETS.mask_text(super().format(record))
