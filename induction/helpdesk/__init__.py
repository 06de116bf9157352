"""The help desk: a small simulated world that makes agent runs with a known outcome, in several raw formats.

Customers with goals meet scripted agents of different skill, who work with real tools on a real SQLite database and
err in honest ways. A run succeeded if the final database is in the state that the right handling leaves. What may live
here: the world, its people and tools, the judge, and the writers of raw formats; nothing that learns, reads traces or
needs more than the standard library.
"""

from __future__ import annotations

from induction.helpdesk.corpus import write_corpus
from induction.helpdesk.simulation import simulate
from induction.helpdesk.trace import HelpdeskRun

__all__ = ["HelpdeskRun", "simulate", "write_corpus"]
