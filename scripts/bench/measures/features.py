"""The featuriser beside scikit-learn's, by `scripts/measure_features.py` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import orjson

from scripts.bench.bench import Bench, Figures
from scripts.bench.bundle import ROOT

TEXTS, QUICK_TEXTS = 3000, 200


def measure_features(bench: Bench) -> Figures:
    """`features_vs_sklearn_batch` and `features_vs_sklearn_single`: how many times faster."""
    command = [sys.executable, str(ROOT / "scripts" / "measure_features.py"), str(bench.bundle.raw), "--json"]
    command += ["--adapter", str(bench.bundle.adapter), "--texts", str(QUICK_TEXTS if bench.quick else TEXTS)]
    if bench.bundle.outcomes is not None:
        command += ["--outcomes", str(bench.bundle.outcomes)]
    done = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=300
    )
    found = orjson.loads(done.stdout.splitlines()[-1])
    bench.say(f"  {found['batch']:.1f} times scikit-learn in a batch, {found['single']:.1f} times alone")
    return {"features_vs_sklearn_batch": found["batch"], "features_vs_sklearn_single": found["single"]}
