"""The adapter spec, format 1: the document itself, how it is read, and what may be wrong with it.

All pointers are RFC 6901 JSON pointers in which `*` stands for every item of a list. Nothing in a spec is evaluated:
paths, literals and templates made of literals are the whole language, so the cost of a step is bounded by its size and
by `limits`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitors.adapter.faults import find_blocks_problem, find_faults, find_selector_problem
from monitors.adapter.template import parse_template
from monitors.errors import AdapterError, Fault
from monitors.stepview import JsonValue

FORMAT = 1


def _check_pointer(pointer: str) -> str:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON pointer: it must be empty or start with '/'")
    return pointer


def _check_template(template: str) -> str:
    parse_template(template)
    return template


Pointer = Annotated[str, AfterValidator(_check_pointer)]
Conditions = dict[Pointer, list[Any]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selector(_Part):
    """Where a field's value stands in a raw step, and how it is taken out of its text."""

    path: Pointer
    where: Conditions | None = Field(
        None,
        description="Pointers inside the last '*' item and the values they may have; [] = present and not empty.",
    )
    decode: Literal["json"] | None = Field(
        None, description="A string that holds JSON is parsed; one that does not parse stays text."
    )
    entry: Literal["key", "value"] | None = Field(
        None, description="Of an object with one filled entry, such as {click: {index: 3}}: its key, or its value."
    )
    only: Literal["text"] | None = Field(
        None, description="A value of another kind is passed over: content that is text here and a list of parts there."
    )
    template: Annotated[str, AfterValidator(_check_template)] | None = Field(
        None, description="Literals around {text}, {name}, {args}, {result}; the whole text must match."
    )
    take: Literal["text", "name", "args", "result"] | None = Field(
        None, description="The template's part that is the value."
    )
    name: str | None = Field(
        None, description="Only for metadata: the entry's name; the last path segment if left out."
    )

    @model_validator(mode="after")
    def _template_has_take(self) -> Selector:
        problem = find_selector_problem(self.template, self.take)
        if problem:
            raise ValueError(problem)
        return self


class Fields(_Part):
    """Selectors for each StepView field. Text fields join what several selectors give; args and result
    become a list.
    """

    metadata: tuple[Selector, ...] = ()
    observation: tuple[Selector, ...] = ()
    action: tuple[Selector, ...] = ()
    tool: tuple[Selector, ...] = ()
    args: tuple[Selector, ...] = ()
    result: tuple[Selector, ...] = ()
    status: tuple[Selector, ...] = ()


class Case(_Part):
    """One kind of raw step: when it applies, whether the agent acts in it, and its fields."""

    when: Conditions = Field(description="All pointers must have one of their values; [] means present and not empty.")
    acts: bool = Field(description="True if the raw step is an agent action: it opens a turn (n turns for n calls).")
    fields: Fields


class Blocks(_Part):
    """How a text run is cut into raw steps: a block starts at each line that starts with one of the literals.

    In a run of JSON items they say how an item that is a string is read, and cut nothing.
    """

    opens: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    ends_at_blank_line: bool = Field(False, description="What follows a blank line inside a block belongs to no step.")
    timed: bool = Field(
        False, description="Lines may begin with a time, and a logger's level after it: both are passed over."
    )
    leads: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="A literal and those that may go on with its block: a thought and its action are one raw step.",
    )
    then: dict[str, str] = Field(
        default_factory=dict,
        description="A literal whose section is its own line, and the section of the lines after it: a command at a "
        "prompt, and what it printed.",
    )
    first: str | None = Field(
        None, description="A section of this name says which literal a block starts with: '' where text precedes all."
    )
    whole: str | None = Field(None, description="A section of this name holds the whole text of a block.")


class Outcome(_Part):
    """Where a finished run says how it ended. Read for training only, never into a StepView."""

    path: Pointer
    at_least: float | None = None
    equals: list[Any] | None = None


class Folder(_Part):
    """A run that is a folder of files, read as one document: {"steps": [...], "beside": {name: document}}.

    Names are paths inside the run's folder in which '#' stands for a number: '#.json', 'steps/step_#.json', 'log.txt'.
    `steps` holds the documents of the step files in natural order, the items of a list or the lines of JSONL one by
    one; a single file that holds an object is that object. In a folder of text logs the logs are joined, and only the
    run's ids and outcome are read from the document.
    """

    steps: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="Files that hold the run's steps."
    )
    beside: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Files about the run, such as its result: never part of its steps."
    )
    together: bool = Field(
        False,
        description="Step files whose paths hold the same numbers are one step: an object of their documents, called "
        "by the files' names without endings.",
    )


class Source(_Part):
    """Where runs and raw steps stand in files. Used offline only."""

    container: Literal["json", "text", "otlp"] = Field(
        "json", description="json covers JSONL, read as the list of its lines' values."
    )
    runs: tuple[Pointer, ...] = Field(
        ("",), min_length=1, description="Alternatives: the first that exists in a file. '' = the document."
    )
    events: tuple[Pointer, ...] = Field(
        ("",),
        min_length=1,
        description="Inside a run, alternatives likewise. Where the event unit is text they name the run's text, or "
        "pieces of it in order.",
    )
    folder: Folder | None = Field(None, description="A run is a folder of files; its path is the run's file.")
    tree: Pointer | None = Field(
        None,
        description="Inside an event: the list of events of its own shape that happened within it. Each is an event of "
        "its own, without that list and before the one it happened in; the list of events may be a single root.",
    )
    group_by: Pointer | None = Field(
        None, description="Inside an event: runs are groups of events with an equal value here."
    )
    order_by: Pointer | None = Field(
        None, description="Inside an event: a run's events are sorted by this value, stably."
    )
    start: tuple[Pointer, ...] = Field(
        (), description="Inside a run, known before its first step: the first raw step is {'start': {...}}."
    )
    run_id: Pointer | None = None
    task_id: Pointer | None = None
    outcome: Outcome | None = None


class Event(_Part):
    """How one raw step is read, online and offline alike."""

    unit: Literal["json", "text"] = "json"
    blocks: Blocks | None = None
    decode: tuple[Pointer, ...] = Field((), description="Strings that hold JSON, parsed before anything is read.")
    unfold: tuple[Pointer, ...] = Field(
        (),
        description="Objects whose keys are paths, such as a.0.b, become nested objects and lists before anything is "
        "read.",
    )
    tags: dict[Pointer, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Strings and the tags in them between which calls are written: `<call>{...}</call>`, or, as ```, "
        "fenced blocks. What they hold stands, by tag and as lists, beside the string under its key with ' tags' "
        "after it.",
    )
    time: Pointer | None = None
    cases: tuple[Case, ...] = Field(min_length=1)
    otherwise: Fields = Field(
        default_factory=Fields, description="No case matched: read this, and count the step as unknown."
    )

    @model_validator(mode="after")
    def _text_has_blocks(self) -> Event:
        problem = find_blocks_problem(self.unit, self.blocks)
        if problem:
            raise ValueError(problem)
        return self


class Status(_Part):
    """How a status is derived where the format states none."""

    error_if: Conditions = Field(
        default_factory=dict, description="Any of these pointers having one of its values means error."
    )
    error_text: tuple[str, ...] = Field(
        (), description="Any of these, anywhere in the result, in any letter case, means error."
    )
    ok_if_result: bool = Field(False, description="A raw step with a result and no sign of error is ok.")


class Cut(_Part):
    """A field's text is dropped from this literal on: it tells the outcome, or stands only in finished runs."""

    field: Literal["observation", "action", "args", "result"]
    literal: str = Field(min_length=1, alias="from")
    whole: bool = Field(False, description="Drop the whole field, not only what follows the literal.")
    unless: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Drop the whole field too where its first word is none of these: what steps before the end say "
        "starts with one, and at the end something else may stand in the literal's place.",
    )


class Limits(_Part):
    """Bounds on the work that one raw step may cause. What exceeds them is cut off, never refused."""

    max_depth: int = Field(16, ge=1, le=64, description="Objects and lists inside each other in one field.")
    max_text_chars: int = Field(20_000, ge=100, le=1_000_000, description="Characters of one field.")
    max_items: int = Field(64, ge=1, le=10_000, description="Items of one list, or entries of one object.")
    max_values: int = Field(2_000, ge=1, le=100_000, description="Values of one field, at all depths together.")


class AdapterSpec(_Part):
    """A whole adapter."""

    format: Literal[1] = 1
    name: str = Field(min_length=1, max_length=200)
    source: Source = Field(default_factory=Source)
    event: Event
    status: Status = Field(default_factory=Status)
    cuts: tuple[Cut, ...] = ()
    limits: Limits = Field(default_factory=Limits)

    def to_json(self) -> bytes:
        """Return the document as it is written to disk: indented, defaults left out, ends with a newline."""
        value = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return orjson.dumps({"format": self.format, **value}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def parse_spec(raw_spec: JsonValue, source: str = "spec") -> AdapterSpec:
    """Return the adapter that a JSON value describes. Raises AdapterError with every fault and its path."""
    faults: list[Fault] = []
    spec = None
    try:
        spec = AdapterSpec.model_validate(raw_spec)
    except ValidationError as error:
        found = error.errors()
        # Items that are wrong are not counted, which makes a list of only such look too short as well.
        faults = [
            _to_fault(item["loc"], item["type"], item["msg"])
            for item in found
            if item["type"] != "too_short" or not any(_is_inside(other["loc"], item["loc"]) for other in found)
        ]
    # Checks that concern several values run only where each is right; these run in any case.
    faults = list(dict.fromkeys([*faults, *find_faults(raw_spec)]))
    if spec is None or faults:
        raise AdapterError(source, faults)
    return spec


def _to_fault(path: tuple[str | int, ...], kind: str, message: str) -> Fault:
    if kind == "extra_forbidden":
        message = "is not known here; `forewarn adapter show --schema` says what may stand where"
    elif not path and kind in ("model_type", "model_attributes_type"):
        message = "an adapter is one JSON object, as `forewarn induce RAW --out FILE` writes it"
    elif kind == "tuple_type":
        message = "should be a list"
    message = message.removeprefix("Value error, ").replace("Tuple should", "List should")
    return Fault(".".join(str(part) for part in path), message)


def _is_inside(path: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(path) > len(outer) and path[: len(outer)] == outer


def read_spec(path: Path) -> AdapterSpec:
    """Return the adapter in a file. Raises AdapterError if it is missing, not JSON, or not an adapter."""
    try:
        raw_spec = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise AdapterError(
            str(path), [Fault("", "there is no such file; `forewarn induce RAW --out FILE` makes one")]
        ) from None
    except IsADirectoryError:
        raise AdapterError(
            str(path),
            [Fault("", "it is a folder: the adapter, one JSON file, is named first, and the raw runs second")],
        ) from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise AdapterError(str(path), [Fault("", f"cannot be read as JSON: {error}")]) from None
    return parse_spec(raw_spec, str(path))


def write_spec(spec: AdapterSpec, path: Path) -> None:
    """Write the adapter as indented JSON."""
    path.write_bytes(spec.to_json())
