"""Scorers: one raw step and a state in, scores and a state out. One protocol, an ONNX Runtime backend and a slow,
obvious numpy reference.
"""

from __future__ import annotations
