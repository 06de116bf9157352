"""Where compiled kernels are cached, so that a start is warm even if the code's tree is read-only or another user's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def choose_cache_dir() -> None:
    """Point numba's cache at a folder that this user can write, unless NUMBA_CACHE_DIR says where. Call before numba is
    first imported.

    numba tries the code's own `__pycache__`, then the user's cache folder; with neither writable it refuses to compile
    cached kernels at all. A folder of our own under the temporary directory is the last resort; it must belong to this
    user alone, since cached code is executed.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    in_tree = Path(__file__).parent / "__pycache__"
    if _is_writable(in_tree):
        return
    in_temporary = Path(tempfile.gettempdir()) / f"forewarn-numba-{os.getuid()}"
    in_home = _home_cache()
    if in_home is not None and _is_writable(in_home):
        os.environ["NUMBA_CACHE_DIR"] = str(in_home)
    elif _is_writable(in_temporary) and in_temporary.stat().st_uid == os.getuid():
        os.environ["NUMBA_CACHE_DIR"] = str(in_temporary)
    else:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="forewarn-numba-")


def _home_cache() -> Path | None:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forewarn" / "numba"
    except RuntimeError:
        # A container's user may have neither HOME nor an entry in the user database.
        return None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
