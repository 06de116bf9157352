"""Adapters: declarative, versioned specs that turn raw steps into StepViews. No code in a spec, no regular expressions,
bounded work.
"""

from __future__ import annotations

from monitors.adapter.compiled import Adapter, Reading, compile_adapter
from monitors.adapter.spec import AdapterSpec, parse_spec, read_spec, write_spec

__all__ = ["Adapter", "AdapterSpec", "Reading", "compile_adapter", "parse_spec", "read_spec", "write_spec"]
