"""Raw traces in: files of a folder or archive, the documents in them, and the runs in those. Knows containers, never
a trace format.
"""

from __future__ import annotations

from induction.reading.documents import Document, parse_document
from induction.reading.files import RawFile, RawFiles, ReadFault, open_raw
from induction.reading.runs import RawRun, read_runs, split_runs

__all__ = [
    "Document",
    "RawFile",
    "RawFiles",
    "RawRun",
    "ReadFault",
    "open_raw",
    "parse_document",
    "read_runs",
    "split_runs",
]
