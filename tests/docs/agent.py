"""An agent that does what a recorded one did, for pages that show a loop of an agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class RecordedAgent:
    """Emits the steps of `one-run.json` until it is stopped."""

    def __init__(self) -> None:
        self.stopped = False

    def events(self) -> Iterator[Any]:
        for step in json.loads(Path("one-run.json").read_text("utf-8")):
            if self.stopped:
                return
            yield step

    def stop(self) -> None:
        self.stopped = True


agent = RecordedAgent()
