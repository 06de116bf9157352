"""One partition as its owner holds it: the lease, how far it has read, and the runs it remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from service.core.scoring import RunMemory
from service.records import Entry, Lease, RunRef

# A partition acquired so often without one commit is read entry by entry: something in it kills its owners.
CAREFUL_AFTER = 2
# So many owners must have died at the very same entry before it is parked: a kill from outside may hit a good one
# once or twice.
PARK_AFTER = 3


# Of what is not archived no more is kept at hand, of one partition: the rest is read again from the log.
AT_HAND_BYTES = 16 * 2**20


class Unarchived:
    """What of a partition is committed and not archived: entries after `after` and up to `until`, by id.

    They are kept at hand only where those are all of them.
    """

    __slots__ = ("_entries", "_size", "_whole", "after", "until")

    def __init__(self, after: str, until: str) -> None:
        self.after = after
        self.until = until
        self._entries: list[Entry] = []
        self._size = 0
        self._whole = after == until

    @property
    def waits(self) -> bool:
        """True if there is anything to archive."""
        return self.after != self.until

    @property
    def at_hand(self) -> bool:
        """True if `take` would give all of it."""
        return self._whole

    def add(self, entries: Sequence[Entry]) -> None:
        """Note entries that were just committed, in order."""
        if not entries:
            return
        self.until = entries[-1].entry_id
        self._size += sum([len(entry.data) for entry in entries])
        if self._whole and self._size <= AT_HAND_BYTES:
            self._entries += entries
        else:
            self.forget()

    def reach(self, entry_id: str) -> None:
        """Note that entries up to this one are committed, those that are not to be archived among them."""
        self.until = entry_id

    def take(self) -> list[Entry]:
        """All of it where it is at hand, else nothing. What becomes of it must be said: `archived`, or `forget`."""
        taken, self._entries, self._size = self._entries, [], 0
        return taken

    def archived(self, entry_id: str) -> None:
        """Note that everything up to this entry is archived."""
        self.after = entry_id
        if self.after == self.until:
            self._whole = True

    def forget(self) -> None:
        """Keep nothing at hand: it is to be read again from the log."""
        self._entries, self._size, self._whole = [], 0, False


class Holding:
    """A held partition. `lost` once its lease or Redis was lost: what was scored for it since must not be committed."""

    __slots__ = (
        "_memories",
        "careful",
        "in_flight",
        "lease",
        "leaving",
        "lost",
        "read_cursor",
        "remembered",
        "unarchived",
    )

    def __init__(self, lease: Lease, remembered: int) -> None:
        self.lease = lease
        self.read_cursor = lease.cursor
        self.careful = lease.attempts >= CAREFUL_AFTER
        self.in_flight = 0
        self.leaving = False
        self.lost = False
        self.remembered = remembered
        self.unarchived = Unarchived(lease.archived, lease.cursor)
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

    def drop(self, ref: RunRef) -> None:
        """Remember nothing of a run that was erased; what is not archived is to be read again from the log."""
        self._memories.pop(ref, None)
        self.unarchived.forget()

    def is_killer(self, entry_id: str) -> bool:
        """True if owners keep dying at this entry."""
        return self.lease.suspect == entry_id and self.lease.suspicion >= PARK_AFTER
