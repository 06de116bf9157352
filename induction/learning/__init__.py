"""Learning: finished runs with a known outcome in, a monitor's network, calibration and threshold out. torch lives here
and nowhere else.
"""

from __future__ import annotations
