"""Bundles: a monitor on disk, a folder of readable JSON beside plain arrays and one ONNX graph. No pickle, nothing
evaluated.
"""

from __future__ import annotations

from monitors.bundle.folder import check_target, read_manifest, read_monitor_id, verify_files, write_bundle
from monitors.bundle.manifest import CalibrationRecord, CostRecord, Manifest, TrainingRecord

__all__ = [
    "CalibrationRecord",
    "CostRecord",
    "Manifest",
    "TrainingRecord",
    "check_target",
    "read_manifest",
    "read_monitor_id",
    "verify_files",
    "write_bundle",
]
