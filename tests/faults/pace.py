"""How threads wait for one another: not until time has passed, but until enough has happened."""

import threading
from collections import Counter
from collections.abc import Callable, Collection

PATIENCE_S = 120
"""After this many seconds without what is waited for, something stands still."""


class Pace:
    """How far the storm has come, for who waits until it has come further."""

    def __init__(self, writers: int, readers: Collection[str]) -> None:
        self._changed = threading.Condition()
        self._commits = 0
        self._looks = Counter[str]()
        self._readers = readers
        self._busy = writers
        self._has_failed = False

    def commit(self) -> None:
        """A transaction has been committed."""
        with self._changed:
            self._commits += 1
            self._changed.notify_all()

    def look(self, reader: str) -> None:
        """A reader has looked."""
        with self._changed:
            self._looks[reader] += 1
            self._changed.notify_all()

    def leave(self) -> None:
        """A writer is done."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def fail(self) -> None:
        """A thread has failed; nobody waits any longer."""
        with self._changed:
            self._has_failed = True
            self._changed.notify_all()

    def let_others_commit(self, commits: int) -> None:
        """Waits for so many commits, and until every reader has looked since. A writer that waits
        must hold no lock that others want. The last that is busy does not wait."""
        with self._changed:
            enough = self._commits + commits
            self._busy -= 1
            self._changed.notify_all()
            self._wait(lambda: self._commits >= enough or self._busy == 0)
            self._busy += 1
        self.let_readers_look(1)

    def let_readers_look(self, times: int) -> None:
        """Waits until every reader has looked so often, from the beginning."""
        with self._changed:
            # One may be looking already.
            enough = {reader: self._looks[reader] + times + 1 for reader in self._readers}
            self._wait(lambda: all(self._looks[each] >= enough[each] for each in self._readers))

    def _wait(self, is_enough: Callable[[], bool]) -> None:
        if not self._changed.wait_for(lambda: self._has_failed or is_enough(), PATIENCE_S):
            raise AssertionError("the storm stands still")
        if self._has_failed:
            raise threading.BrokenBarrierError
