"""Adapter induction: from raw runs alone to a spec that says how to read them. One inducer for every format; the
validator decides.

Trace formats have no names in here. What there is: structure (lists, how paths fill, repeat and answer each other)
and, as a prior that the data can overrule, a small vocabulary of common key names (`vocabulary.py`).
"""
