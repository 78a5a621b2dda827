"""Writers that do, at random, whatever makes transactions end in another order than they began in;
and what they know of what they did."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Queue
from random import Random
from typing import Any
from uuid import UUID

import psycopg
from psycopg import IsolationLevel

from ask import run
from faults.pace import PATIENCE_S, Pace
from streaming import log, take_id
from support import Connection, Database

SHARED = range(1, 9)
"""Keys of public.item that all writers change."""


@dataclass(slots=True)
class Deed:
    """What a transaction has done, so far as it was not taken back within it."""

    name: str
    logged: list[UUID] = field(default_factory=list[UUID])
    taken_back: list[UUID] = field(default_factory=list[UUID])
    captured: int = 0


@dataclass(slots=True)
class Ledger:
    """What the writers know: the logged events that were committed and those that were not, and how
    many changes each transaction committed, by its name."""

    logged: list[UUID] = field(default_factory=list[UUID])
    taken_back: list[UUID] = field(default_factory=list[UUID])
    captured: Counter[str] = field(default_factory=Counter[str])
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def enter(self, deed: Deed, *, is_committed: bool) -> None:
        """Enters how a transaction has ended."""
        with self._lock:
            self.taken_back += deed.taken_back
            if is_committed:
                self.logged += deed.logged
                self.captured[deed.name] += deed.captured
            else:
                self.taken_back += deed.logged


class Writer:
    """A session that goes through transactions of every kind."""

    def __init__(
        self,
        session: Connection,
        number: int,
        random: Random,
        pace: Pace,
        ledger: Ledger,
        preparer: "Preparer",
    ) -> None:
        self._session = session
        self._number = number
        self._random = random
        self._pace = pace
        self._ledger = ledger
        self._preparer = preparer
        self._own_keys = 0
        self._deed = Deed("")

    def write(self, transactions: int) -> None:
        """Goes through so many transactions."""
        for number in range(transactions):
            self._deed = Deed(f"{self._number}/{number}")
            try:
                self._act()
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                # The server has decided against this one.
                self._session.rollback()
                self._ledger.enter(self._deed, is_committed=False)
        self._pace.leave()

    def _act(self) -> None:
        sees_past = self._random.random() < 0.3
        self._session.isolation_level = (
            self._random.choice([IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
            if sees_past
            else IsolationLevel.READ_COMMITTED
        )
        self._session.execute(
            "select chronicle.set_context("
            "    _actor_id => 'w', _actor_type => 'service', _operation_id => %s)",
            (self._deed.name,),
        )
        self._random.choice(
            [self._do_nothing, self._take_id, self._log, self._insert_own, self._log_in_vain]
        )()
        if self._random.random() < 0.4:
            self._pace.let_others_commit(self._random.randint(1, 4))
        # Whoever inserts by an old snapshot what was deleted since may swap the two.
        deeds = [self._log, self._log, self._update_one, self._update_some, self._delete]
        if not sees_past:
            deeds += [self._insert, self._replace]
        chosen = self._random.sample(deeds, self._random.randint(1, 4))
        cut = self._random.randint(0, len(chosen))
        for deed in chosen[:cut]:
            deed()
        if chosen[cut:]:
            self._in_savepoint(chosen[cut:], is_kept=self._random.random() < 0.5)
        if self._random.random() < 0.2:
            self._pace.let_readers_look(self._random.randint(1, 3))
        self._end()

    def _end(self) -> None:
        fate = self._random.random()
        if fate < 0.15:
            self._session.rollback()
            self._ledger.enter(self._deed, is_committed=False)
        elif fate < 0.3:
            self._preparer.prepare(self._session, self._deed, commits=fate < 0.25)
        else:
            self._session.commit()
            self._ledger.enter(self._deed, is_committed=True)
            self._pace.commit()

    def _in_savepoint(self, deeds: Sequence[Callable[[], object]], *, is_kept: bool) -> None:
        outer, self._deed = self._deed, Deed(self._deed.name)
        self._session.execute("savepoint s")
        try:
            for deed in deeds:
                deed()
        finally:
            inner, self._deed = self._deed, outer
            outer.taken_back += inner.taken_back
            if is_kept:
                outer.logged += inner.logged
                outer.captured += inner.captured
            else:
                outer.taken_back += inner.logged
        self._session.execute("release s" if is_kept else "rollback to s")

    def _do_nothing(self) -> None:
        pass

    def _take_id(self) -> None:
        take_id(self._session)

    def _log_in_vain(self) -> None:
        self._in_savepoint([self._log], is_kept=False)

    def _log(self) -> None:
        self._deed.logged.append(log(self._session, self._random.choice(SHARED)))

    def _insert_own(self) -> None:
        first = 1000 * self._number + self._own_keys
        self._own_keys += 3
        self._change(
            "insert into public.item select %s + n, 0 from generate_series(1, 3) as n", [first]
        )

    def _update_one(self) -> None:
        self._change(f"update public.item set version = version + 1 where id = {self._key()}")

    def _update_some(self) -> None:
        self._change(
            "update public.item set version = version + 1 where id = any(%s)",
            [self._random.sample(SHARED, 3)],
        )

    def _delete(self) -> None:
        self._change(f"delete from public.item where id = {self._key()}")

    def _insert(self) -> None:
        for key in SHARED[::3]:
            self._change(f"insert into public.item values ({key}, 0) on conflict do nothing")

    def _replace(self) -> None:
        key = self._key()
        self._change(f"delete from public.item where id = {key}")
        self._change(f"insert into public.item values ({key}, 100) on conflict do nothing")

    def _key(self) -> int:
        return self._random.choice(SHARED)

    def _change(self, statement: str, parameters: list[Any] | None = None) -> None:
        self._deed.captured += run(self._session, statement, parameters).rowcount


class Preparer:
    """Ends the transactions that others have prepared, in a session of its own."""

    def __init__(self, database: Database, random: Random, pace: Pace, ledger: Ledger) -> None:
        self._session = database.connect("app", autocommit=True)
        self._random = random
        self._pace = pace
        self._ledger = ledger
        self._prepared = Queue[tuple[Deed, bool] | None]()
        # The server has room for 20.
        self._room = threading.BoundedSemaphore(15)

    def prepare(self, session: Connection, deed: Deed, *, commits: bool) -> None:
        """Prepares a transaction, to be ended later."""
        if not self._room.acquire(timeout=PATIENCE_S):
            raise AssertionError("nobody ends what is prepared")
        try:
            run(session, f"prepare transaction '{deed.name}'")
        except psycopg.Error:
            self._room.release()
            raise
        self._prepared.put((deed, commits))

    def finish(self) -> None:
        """No more will be prepared."""
        self._prepared.put(None)

    def end_all(self) -> None:
        """Ends each in turn, after the readers have looked a few times."""
        while (found := self._prepared.get(timeout=PATIENCE_S)) is not None:
            deed, commits = found
            self._pace.let_readers_look(self._random.randint(0, 3))
            run(self._session, f"{'commit' if commits else 'rollback'} prepared '{deed.name}'")
            self._ledger.enter(deed, is_committed=commits)
            self._room.release()
            if commits:
                self._pace.commit()
