"""The paper's monitor: frozen TF-IDF of turns, learned event symbols, four heads, trained as published."""

from __future__ import annotations
