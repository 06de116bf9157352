"""How a monitor is learned: trace readers, adapter induction, training, calibration, evaluation and export.

torch lives here; no web framework and no Redis do.
"""
