from __future__ import annotations

from pathlib import Path

import orjson

from monitors.adapter.schema import adapter_schema, schema_json
from monitors.adapter.spec import AdapterSpec

ROOT = Path(__file__).parents[3]


def test_the_published_schema_is_the_one_that_specs_are_read_by() -> None:
    assert (ROOT / "docs" / "adapter-v1.schema.json").read_bytes() == schema_json(), (
        "write it anew: forewarn adapter show --schema > docs/adapter-v1.schema.json"
    )


def test_the_schema_names_keys_as_files_have_them() -> None:
    cut = adapter_schema()["$defs"]["Cut"]
    assert "from" in cut["properties"]
    assert "literal" not in cut["properties"]


def test_the_schema_allows_no_key_that_the_spec_does_not_have() -> None:
    schema = adapter_schema()
    assert set(schema["properties"]) == set(AdapterSpec.model_fields)
    objects = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in objects)


def test_the_schema_is_json_that_any_tool_reads() -> None:
    assert orjson.loads(schema_json())["$schema"].startswith("https://json-schema.org/")
