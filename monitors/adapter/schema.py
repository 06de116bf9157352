"""The JSON Schema of an adapter spec, as it is published in `docs/adapter-v1.schema.json`."""

from __future__ import annotations

from typing import Any

import orjson

from monitors.adapter.spec import FORMAT, AdapterSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def adapter_schema() -> dict[str, Any]:
    """Return the schema that every adapter of this format keeps to.

    It says what a document may hold; `parse_spec` also checks what no schema can, such as a template whose part is
    taken.
    """
    schema = AdapterSpec.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **schema, "title": f"forewarn adapter, format {FORMAT}"}


def schema_json() -> bytes:
    """Return the schema as it is written to disk: indented, keys in the order of the spec, ends with a newline."""
    return orjson.dumps(adapter_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
