"""The audit of a monitor: an automaton learned from its event symbols by state merging, described, drawn and scored.

The automaton that comes out, and how it runs, lives in `monitors.automaton_record` and `monitors.automaton`.
"""
