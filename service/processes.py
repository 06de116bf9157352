"""Small things about processes that the supervisor and its children agree on."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

# sysexits.h EX_CONFIG: starting again changes nothing until somebody acts.
EXIT_FATAL = 78
# The descriptor that a child reads until its parent is gone; in the child's environment.
PARENT_PIPE = "FOREWARN_PARENT_PIPE"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent() -> None:
    """Run in a new child before its program: on Linux the kernel ends it when the parent dies, however the parent
    dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def watch_parent() -> None:
    """In a Python child: leave as on SIGTERM once the parent's end of the pipe is closed. Works on every platform."""
    descriptor = os.environ.pop(PARENT_PIPE, None)
    if descriptor is None:
        return

    def wait() -> None:
        while os.read(int(descriptor), 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent watch", daemon=True).start()
