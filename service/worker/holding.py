"""One partition as its owner holds it: the lease, how far it has read, and the runs it remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from service.core.scoring import RunMemory
from service.records import Lease, RunRef

# A partition acquired so often without one commit is read entry by entry: something in it kills its owners.
CAREFUL_AFTER = 3
# So many owners must have died at the very same entry before it is parked: a kill from outside may hit a good one
# once or twice.
PARK_AFTER = 3


class Holding:
    """A held partition. `lost` once its lease or Redis was lost: what was scored for it since must not be committed."""

    __slots__ = ("_memories", "careful", "in_flight", "lease", "leaving", "lost", "read_cursor", "remembered")

    def __init__(self, lease: Lease, remembered: int) -> None:
        self.lease = lease
        self.read_cursor = lease.cursor
        self.careful = lease.attempts >= CAREFUL_AFTER
        self.in_flight = 0
        self.leaving = False
        self.lost = False
        self.remembered = remembered
        self._memories: OrderedDict[RunRef, RunMemory] = OrderedDict()

    def recall(self, ref: RunRef) -> RunMemory | None:
        """What is remembered of a run, if anything."""
        memory = self._memories.get(ref)
        if memory is not None:
            self._memories.move_to_end(ref)
        return memory

    def remember(self, memories: Mapping[RunRef, RunMemory]) -> None:
        """Keep these runs at hand; the longest unused go."""
        for ref, memory in memories.items():
            self._memories[ref] = memory
            self._memories.move_to_end(ref)
        while len(self._memories) > self.remembered:
            self._memories.popitem(last=False)

    def is_killer(self, entry_id: str) -> bool:
        """True if owners keep dying at this entry."""
        return self.lease.suspect == entry_id and self.lease.suspicion >= PARK_AFTER
