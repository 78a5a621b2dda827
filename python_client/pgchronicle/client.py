# Made from async_client.py by tools/unasync.py: change that, and run `make unasync`.
"""The client: the functions of the schema ``chronicle`` as methods.

What asks no connection for anything is in ``_statements``: SQL, parameters, and what is made of the
rows.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload
from uuid import UUID

from psycopg.pq import TransactionStatus
from psycopg.rows import RowFactory, class_row, dict_row, scalar_row, tuple_row

from pgchronicle import _statements, ambient
from pgchronicle._source import Connection, Source
from pgchronicle._statements import Statement
from pgchronicle.errors import ContextRefusedError, NotTrackedError
from pgchronicle.models import (
    ActorType,
    CaptureMode,
    ContextFields,
    ContextKey,
    Event,
    EventFields,
    EventFilters,
    EventPage,
    Finding,
    Id,
    ImportProgress,
    RecordChange,
    RefreshedTable,
    RowChange,
    RowChangeFilters,
    RowChangePage,
    SealStatus,
    Setting,
    SnapshotProgress,
    Table,
    TrackedTable,
    TruncateMode,
)
from pgchronicle.signing import ContextSigner
from pgchronicle.sinks import Sink, record
from pgchronicle.stream import EventStream

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

_Row = TypeVar("_Row")


class Chronicle:
    """The audit log, over a connection or a pool of the caller's.

    Over a connection, everything happens in the caller's transaction, which is the caller's to
    commit: an event is recorded if, and only if, what it tells of is committed. In autocommit mode
    each call is a transaction, as every statement is.

    Over a pool, each call takes a connection and is a transaction of its own, except within
    ``context``, which holds one connection for all calls of the same task or thread, and of tasks
    that are started in it.

    An event that tells of a failure would be rolled back with the transaction that failed, so it
    goes over another connection::

        try:
            with connection.transaction():
                pay(connection, order)
        except PaymentError as error:
            failures.log_audit_event(  # over a pool, or an autocommit connection
                actor_type="user", actor_id=user, action_type="execute", action="order.pay",
                resource_type="order", resource_id=order, status="failure",
                error_message=str(error),
            )
            raise

    Every method raises ``ChronicleError`` where the log refuses, by the table in
    ``pgchronicle.errors``; other errors are psycopg's.

    psycopg reads times in the DateStyle ISO only, which the connection has by default.

    Who acts is said by ``context``, or by a scope of ``pgchronicle.ambient`` around the caller: an
    event takes from there what it does not say itself. A call outside ``context`` that finds an
    actor there is in a context of its own; with a signer it signs it first, which takes it three
    more round trips.

    Args:
        source: where the log is. It stays the caller's, who closes it.
        signer: signs every context, so that the server knows who acts instead of being told.
        sink: takes the events that are logged, in the place of the database. Without a source,
            nothing but logging is possible.

    Raises:
        TypeError: the source is neither a connection nor a pool, or there is neither a source nor a
            sink.
    """

    __slots__ = ("_signer", "_sink", "_source")

    def __init__(
        self,
        source: "Connection | ConnectionPool[Any] | None" = None,
        *,
        signer: ContextSigner | None = None,
        sink: Sink | None = None,
    ) -> None:
        if source is None and sink is None:
            raise TypeError("a connection, a pool or a sink is needed")
        self._source = Source(source)
        self._signer = signer
        self._sink = sink

    # Writing

    def log_audit_event(self, **event: Unpack[EventFields]) -> UUID:
        """Records one event in the caller's transaction and returns its id.

        ``actor_type``, ``action_type`` and ``resource_type`` are required unless the context
        supplies them. With an ``event_id`` of the caller's, a retry after a lost answer is safe:
        the same id with the same content is recorded once.

        Args:
            event: the fields of the event; see ``EventFields`` and the comments on the columns of
                ``chronicle.events``.

        Raises:
            MissingFieldError, WrongFieldError, TooLargeError: the event is not recorded.
            EventIdTakenError: the id belongs to another event.
            NotRegisteredError: its resource type or action, while that is enforced.
        """
        with self._surroundings() as around:
            if self._sink is not None:
                return record(self._sink, _statements.surrounded(event, around))
            statement = _statements.log_audit_event(event, around)
            event_id: UUID = self._source.value(statement)
            return event_id

    def log_audit_events(self, events: Iterable[EventFields]) -> list[UUID]:
        """Records a set of events, all or none, and returns their ids in its order.

        The set may be of any length: it is sent in parts, in one transaction.

        Args:
            events: mappings with the arguments of ``log_audit_event``.

        Raises:
            ChronicleError: as ``log_audit_event``; the message names the place of the event.
        """
        with self._surroundings() as around:
            if self._sink is not None:
                surrounded = (_statements.surrounded(event, around) for event in events)
                return [record(self._sink, event) for event in surrounded]
            return self._log_in_parts(_statements.log_audit_events(events, around))

    # The context

    @contextmanager
    def context(self, **context: Unpack[ContextFields]) -> Generator[Connection]:
        """Says who acts, for all events of the block, captured ones too.

        What surrounds the block is inherited: of a ``context`` or a scope of
        ``pgchronicle.ambient``, as ``ambient.merged`` puts them together; and the block is such a
        scope. The context of the transaction, whoever set it, is back when the block ends, however
        it ends.

        A connection in autocommit mode gets a transaction for the block unless it is in one; a pool
        lends one connection for it. Otherwise the transaction is the caller's, and a commit inside
        the block ends the context early. A block that is left while the transaction has failed
        restores nothing, as nothing can be done then but roll back: roll back to a savepoint inside
        the block or to one from before it, as ``connection.transaction()`` does by itself.

        Yields:
            The connection, on which the caller's own statements are part of it. None where there is
            a sink and no database.

        A signer signs it where it names an actor, and an ``actor_id`` without any ``actor_type`` is
        a user's; a context without an actor, as of an anonymous visitor, is asserted.

        Args:
            context: the fields of the context; see ``ContextFields``.

        Raises:
            WrongFieldError: a field has a value that it cannot have.
            TooLargeError: more than 65536 bytes.
            ContextRefusedError: it was signed, and the server does not believe it.
            MissingFieldError: it is to be signed and ``actor_id`` or ``actor_type`` is empty.
        """
        with ambient.scope(**context):
            said = ambient.fields()
            if not self._source.is_given:
                # Nobody who has no database asks for its connection.
                yield cast("Connection", None)
                return
            with self._source.block(said) as connection:
                outer, began = self._enter_context(said, connection)
                try:
                    yield connection
                finally:
                    # After an error there is nothing to restore: a rollback does.
                    if connection.info.transaction_status == TransactionStatus.INTRANS:
                        self._leave_context(outer, began, connection)

    def current_context(self) -> dict[str, Any]:
        """What events of this transaction will say about who acts, with ``context_state``."""
        context: dict[str, Any] = self._source.value(_statements.current_context())
        return context

    def clear_context(self) -> None:
        """Forgets the context for the rest of the transaction."""
        self._source.run(_statements.clear_context())

    def context_challenge(self) -> str:
        """Names the transaction, for a token that is made elsewhere."""
        challenge: str = self._source.value(_statements.context_challenge())
        return challenge

    def set_signed_context(self, token: str) -> str:
        """Says who acts until the transaction ends, by a token that proves it.

        Returns "verified", or what is wrong with it: "malformed", "unknown_key", "bad_signature",
        "expired" or "wrong_transaction". The events of the transaction are marked malformed then.

        Args:
            token: as ``ContextSigner.token`` makes it, for the challenge of this transaction.
        """
        state: str = self._source.value(_statements.set_signed_context(token))
        return state

    # Reading

    def events(
        self, *, limit: int = 100, cursor: str | None = None, **filters: Unpack[EventFilters]
    ) -> EventPage:
        """A page of the events that the caller may see, newest first.

        Args:
            limit: how many events a page holds at most.
            cursor: ``next_cursor`` of the page before, to be used with the same filters.
            filters: which events; see ``EventFilters``.

        Raises:
            NotTrackedError: no table of that name is or was tracked.
            WrongFieldError: a filter or the cursor has a value that it cannot have.
        """
        table_ids = self._table_ids(filters.get("table"))
        statement = _statements.events(filters, table_ids, limit, cursor)
        return _statements.event_page(self._source.rows(statement, class_row(Event)), limit)

    def event(self, event_id: UUID | str) -> Event | None:
        """One event; None when there is none of that id, or the caller may not see it."""
        rows = self._source.rows(_statements.event(event_id), class_row(Event))
        return rows[0] if rows else None

    def events_since(
        self,
        cursor: str | None = None,
        *,
        batch_size: int = 1000,
        poll: timedelta | None = None,
    ) -> EventStream:
        """All events that the caller may see, each exactly once, those of a record in their order.

        An event comes once every transaction is over that was open when it was written: one that
        stays open holds the stream back, and the caller's own does too. So read over a pool, where
        each batch is a transaction of its own, or in autocommit mode::

            stream = log.events_since(kept, poll=timedelta(seconds=1))
            for event in stream:
                forward(event)
                kept = stream.cursor

        Args:
            cursor: behind which event to begin; None is the beginning of the log.
            batch_size: how many events to ask for at a time, 1 to 100000.
            poll: how long to wait when no further event is settled; None ends the iteration then.

        Raises:
            ValueError: poll is not more than nothing.
            WrongFieldError: when iterated: the cursor is none, or a wrong batch_size.
            psycopg.errors.ObjectNotInPrerequisiteState: when iterated: the cursor, or the log, is
                from another server.
        """
        return EventStream(self._source, cursor, batch_size, poll)

    def stream_head(self) -> str:
        """The cursor behind all events that are settled now, for who wants no past."""
        cursor: str = self._source.value(_statements.stream_head())
        return cursor

    def row_changes(
        self, *, limit: int = 100, cursor: str | None = None, **filters: Unpack[RowChangeFilters]
    ) -> RowChangePage:
        """A page of the captured changes that the caller may see, newest first.

        With ``record_id`` the order is that in which the record was changed; without, that of time.

        Args:
            limit: how many changes a page holds at most.
            cursor: ``next_cursor`` of the page before, to be used with the same filters.
            filters: which changes; see ``RowChangeFilters``.

        Raises:
            NotTrackedError: no table of that name is or was tracked.
            WrongFieldError: a filter or the cursor has a value that it cannot have.
        """
        table_ids = self._table_ids(filters.get("table"))
        statement = _statements.row_changes(filters, table_ids, limit, cursor)
        rows = self._source.rows(statement, class_row(RowChange))
        return _statements.row_change_page(rows, filters, limit)

    # Tracking

    def enable_tracking(
        self,
        table: Table,
        *,
        resource_type: str | None = None,
        organization_column: str | None = None,
        exclude_columns: Iterable[str] | None = None,
        mask_columns: Iterable[str] | None = None,
        capture: CaptureMode | None = None,
        key_columns: Iterable[str] | None = None,
        truncate: TruncateMode | None = None,
        require_actor: bool = False,
    ) -> None:
        """From now on, every committed change of the table is an event in its transaction.

        Called again with other options it changes them; with the same ones it does nothing. The
        caller must own the table and be a chronicle_admin. Writers wait for the moment that it
        takes.

        Args:
            table: as in SQL: ``orders`` on the search path, or ``shop.orders``; or an identifier.
            resource_type: of its events; by default the table's name, with its schema unless that
                is public.
            organization_column: holds the organization; by default it comes from the context.
            exclude_columns: not recorded.
            mask_columns: recorded as "[masked]"; by default those whose names are in the setting
                masked_keys, and none for an empty list.
            capture: what the event of an update holds: the "changes", which is the default, or both
                rows in "full".
            key_columns: what names a row of a table that has no primary key.
            truncate: what a truncate records: each row (the default), one "event", or nothing as it
                is refused.
            require_actor: refuse changes while the context names no actor.

        Raises:
            NotTrackableError: it is no ordinary table.
            NotAllowedError: it is somebody else's, or the caller is no chronicle_admin.
            WrongFieldError: a key column would be excluded or masked, or is given for a table that
                has a primary key.
            psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn: there is none.
        """
        options = {
            "resource_type": resource_type,
            "organization_column": organization_column,
            "exclude_columns": exclude_columns,
            "mask_columns": mask_columns,
            "capture": capture,
            "key_columns": key_columns,
            "truncate": truncate,
            "require_actor": require_actor or None,
        }
        self._source.run(_statements.enable_tracking(table, options))

    def disable_tracking(self, table: Table) -> None:
        """Ends the capture of a table. What was recorded stays.

        Raises:
            NotTrackedError: it is not tracked.
            NotAllowedError: it is somebody else's, or the caller is no chronicle_admin.
        """
        self._source.run(_statements.disable_tracking(table))

    def refresh_tracking(self, table: Table | None = None) -> list[RefreshedTable]:
        """Takes up how tables have changed since they were tracked, and says what it did.

        New columns are recorded one by one, renamed ones keep their options, new partitions get
        their triggers. Tables of somebody else are skipped.

        Args:
            table: None is every tracked table.

        Raises:
            NotTrackedError: it is not tracked.
        """
        statement = _statements.refresh_tracking(table)
        return self._source.rows(statement, class_row(RefreshedTable))

    def tracked_tables(self) -> list[TrackedTable]:
        """Every table that is or was tracked, how, and what is wrong with it."""
        return self._source.rows(_statements.tracked_tables(), class_row(TrackedTable))

    # History

    def record_history(self, table: Table, record_id: Id) -> list[RecordChange]:
        """Every recorded change of a record, oldest first, with the whole record before and after.

        It follows the record through changes of its key. The caller needs SELECT on the table.

        Args:
            table: a tracked one.
            record_id: the key as the log has it, that is as text; for a key of several columns a
                mapping with the value of each.

        Raises:
            NotTrackedError: the table is not tracked.
            NotAllowedError: some of the events are hidden from the caller.
            psycopg.errors.ObjectNotInPrerequisiteState: the table has no key.
        """
        statement = _statements.record_history(table, record_id)
        return self._source.rows(statement, class_row(RecordChange))

    def record_as_of(self, table: Table, record_id: Id, at: datetime) -> dict[str, Any] | None:
        """A record as it stood then, in the columns of then; None when there was none.

        Args:
            table: a tracked one.
            record_id: as for ``record_history``.
            at: with a time zone.

        Raises:
            HistoryIncompleteError: that time is before tracking began, or not all was recorded.
            ChronicleError: as ``record_history``.
        """
        statement = _statements.record_as_of(table, record_id, at)
        record: dict[str, Any] | None = self._source.value(statement)
        return record

    @overload
    def rows_as_of(
        self,
        table: Table,
        at: datetime,
        *,
        order_by: Iterable[str] = ...,
        limit: int | None = ...,
    ) -> list[dict[str, Any]]: ...

    @overload
    def rows_as_of(
        self,
        table: Table,
        at: datetime,
        *,
        order_by: Iterable[str] = ...,
        limit: int | None = ...,
        row_factory: RowFactory[_Row],
    ) -> list[_Row]: ...

    def rows_as_of(
        self,
        table: Table,
        at: datetime,
        *,
        order_by: Iterable[str] = (),
        limit: int | None = None,
        row_factory: RowFactory[Any] = dict_row,
    ) -> list[Any]:
        """A whole table as it stood then, in the columns of today and as psycopg reads them.

        Columns that are not recorded, or masked, are None.

        Args:
            table: a tracked one.
            at: with a time zone.
            order_by: columns of it.
            limit: how many rows at most.
            row_factory: psycopg's; rows are dictionaries without it.

        Raises:
            HistoryIncompleteError: that time is before tracking began, or not all was recorded.
            ChronicleError: as ``record_history``.
        """
        with self._source.connection() as connection:
            named = _statements.qualified_name(table)
            name = self._source.row(named, scalar_row, connection)
            statement = _statements.rows_as_of(name, at, order_by, limit)
            return self._source.rows(statement, row_factory, connection)

    def revert_event(self, event_id: UUID | str, *, dry_run: bool = False) -> str | None:
        """Undoes one captured change, with the caller's own rights, and returns the SQL that did.

        None: there is nothing to do. The undo is recorded like any change, after an event
        ``chronicle.revert`` that is its parent and names what was undone.

        Args:
            event_id: of a captured change.
            dry_run: return the SQL and change nothing.

        Raises:
            RevertConflictError: the row was changed since, or others depend on it.
            NotFoundError: there is no such event.
            NotAllowedError: the caller may not see the event, or not change the table.
            psycopg.errors.ObjectNotInPrerequisiteState: not all values are known.
        """
        sql: str | None = self._source.value(_statements.revert_event(event_id, dry_run))
        return sql

    def revert_transaction(
        self, transaction_id: int, *, epoch: int | None = None, dry_run: bool = False
    ) -> str | None:
        """Undoes all captured changes of a transaction, in one statement; as ``revert_event``.

        Args:
            transaction_id: as events have it.
            epoch: of the log; None is the latest with a transaction of that number.
            dry_run: return the SQL and change nothing.

        Raises:
            ChronicleError: as ``revert_event``.
        """
        statement = _statements.revert_transaction(transaction_id, epoch, dry_run)
        sql: str | None = self._source.value(statement)
        return sql

    def snapshot_table(self, table: Table, *, batch_size: int | None = None) -> SnapshotProgress:
        """Records the rows of a table as they are, one event each: where their history begins.

        Args:
            table: a tracked one, of the caller's own.
            batch_size: how many rows to record now, in the order of the key; the next call goes on
                where the last committed one ended. None records them all.

        Raises:
            NotTrackedError: it is not tracked.
            NotAllowedError: it is somebody else's.
        """
        statement = _statements.snapshot_table(table, batch_size)
        return self._source.row(statement, class_row(SnapshotProgress))

    def snapshot_batches(
        self, table: Table, batch_size: int = 10_000
    ) -> Iterator[SnapshotProgress]:
        """Calls ``snapshot_table`` until it is complete, and yields what each call did.

        It commits nothing: commit after each batch, and a snapshot that is broken off can be
        continued by calling it again::

            for progress in log.snapshot_batches("orders"):
                connection.commit()

        Args:
            table: as for ``snapshot_table``.
            batch_size: rows in a batch.
        """
        while True:
            progress = self.snapshot_table(table, batch_size=batch_size)
            yield progress
            if progress.is_complete:
                return

    def import_events(
        self, source: str, query: str, *, batch_size: int | None = None
    ) -> ImportProgress:
        """Records the events of an older log, with their own times, as events of origin imported.

        Repeating it is harmless: an event of the same source and ``source_id`` is recorded once.

        Args:
            source: a name for the older log.
            query: a SELECT with a column ``source_id``, unique and not null, and columns named like
                the fields of ``EventFields``; ``occurred_at``, ``actor_type``, ``action_type`` and
                ``resource_type`` are required. Names in it are qualified.
            batch_size: how many events to record now, in the order of ``source_id``; the next call
                goes on where the last committed one ended. None records them all.

        Raises:
            MissingFieldError, WrongFieldError: an event cannot be recorded as it is.
            psycopg.errors.UndefinedColumn: a column is no field of an event.
        """
        statement = _statements.import_events(source, query, batch_size)
        return self._source.row(statement, class_row(ImportProgress))

    def import_batches(
        self, source: str, query: str, batch_size: int = 10_000
    ) -> Iterator[ImportProgress]:
        """Calls ``import_events`` until it is complete, and yields what each call did.

        It commits nothing; as ``snapshot_batches``.

        Args:
            source: as for ``import_events``.
            query: as for ``import_events``.
            batch_size: events in a batch.
        """
        while True:
            progress = self.import_events(source, query, batch_size=batch_size)
            yield progress
            if progress.is_complete:
                return

    # Seals

    def seal_events(self, limit: int = 100_000) -> int:
        """Seals the next events that are settled, and returns how many; 0: none is left.

        An event is settled once every transaction is over that was open when it was written.
        Writers do not wait for it. Call it over a pool or in autocommit mode until it returns 0:
        what it seals is there for others when its transaction is committed.

        Args:
            limit: how many events at most.

        Raises:
            NotAllowedError: the caller is no chronicle_admin.
            psycopg.errors.ObjectNotInPrerequisiteState: a standby, or another server than the one
                whose events the log holds; ``begin_epoch`` takes it up.
            psycopg.errors.ActiveSqlTransaction: under REPEATABLE READ or SERIALIZABLE.
        """
        sealed: int = self._source.value(_statements.seal_events(limit))
        return sealed

    def verify_log(self, from_batch: int = 0, to_batch: int | None = None) -> list[Finding]:
        """Reads sealed events again and says what is not as it was sealed; nothing is good.

        It asks the server about itself, and whoever owns the log can rewrite all of it, hashes too.
        So compare the log with a checkpoint that is kept elsewhere as well: ``consistency_proof``,
        ``pgchronicle.seals``. For ranges that fit together, read them in one transaction under
        REPEATABLE READ.

        Args:
            from_batch: the first batch to read. What concerns the log as a whole is read with
                batch 0: its tree, epochs, erasures, and events in no batch.
            to_batch: the first one not to read; None: to the end.

        Raises:
            NotAllowedError: the caller is no chronicle_auditor.
        """
        statement = _statements.verify_log(from_batch, to_batch)
        return self._source.rows(statement, class_row(Finding))

    def checkpoint(self, size: int | None = None) -> str:
        """The log in three lines, as C2SP tlog-checkpoint has it: origin, batches, root.

        Args:
            size: in batches, of an earlier state of the log; None is the present one.

        Raises:
            WrongFieldError: the log has not had that size.
            NotAllowedError: the caller is neither a chronicle_reader nor a chronicle_admin.
        """
        checkpoint: str = self._source.value(_statements.checkpoint(size))
        return checkpoint

    def inclusion_proof(self, event_id: UUID | str, size: int | None = None) -> dict[str, Any]:
        """The proof that an event is in the log as of a checkpoint, with the event itself.

        Args:
            event_id: of an event that the caller may see.
            size: of the checkpoint, in batches; None is the present one.

        Raises:
            NotFoundError: there is no such event, or the caller may not see it.
            psycopg.errors.ObjectNotInPrerequisiteState: it is not sealed yet, or not within size.
            WrongFieldError: the log has not had that size.
        """
        statement = _statements.inclusion_proof(event_id, size)
        proof: dict[str, Any] = self._source.value(statement)
        return proof

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the log of one size goes on from that of another (RFC 9162, 2.1.4.1).

        Args:
            old: in batches.
            new: in batches; None is the present size.

        Raises:
            WrongFieldError: the log has not had such sizes.
            NotAllowedError: the caller is neither a chronicle_reader nor a chronicle_admin.
        """
        path: list[bytes] = self._source.value(_statements.consistency_proof(old, new))
        return path

    def seal_status(self) -> SealStatus:
        """How far the log is sealed, and what holds it back."""
        return self._source.row(_statements.seal_status(), class_row(SealStatus))

    def begin_epoch(self, reason: str) -> int:
        """Takes up the log on another server, which is an event, and returns the epoch's number.

        After a restored dump or backup, an upgrade, a logical copy; before writers are let in, who
        wait while it runs. What was sealed before stays as it is.

        Args:
            reason: what happened, for who reads the log later.

        Raises:
            NotAllowedError: the caller is no chronicle_admin.
            WrongFieldError: there is no reason.
            psycopg.errors.LockNotAvailable: writers did not make way for 3 seconds; try again.
            psycopg.errors.ActiveSqlTransaction: under REPEATABLE READ or SERIALIZABLE.
        """
        epoch: int = self._source.value(_statements.begin_epoch(reason))
        return epoch

    # Erasure

    def enable_erasure(self) -> None:
        """Allows payloads to be erased. Without it no role can change an event.

        Raises:
            NotAllowedError: the caller may not make roles, as who installed the log may.
        """
        self._source.run(_statements.enable_erasure())

    def erase_payload(self, event_id: UUID | str, legal_basis: str) -> bool:
        """Erases what an event says beyond ids and names, which is an event; false: it was before.

        Proofs and seals stay good. Backups, replicas and the write-ahead log keep what they have.

        Args:
            event_id: of the event.
            legal_basis: why, for who reads the log later.

        Raises:
            NotFoundError: there is no such event.
            WrongFieldError: there is no legal basis, or the event tells of an erasure or an epoch.
            NotAllowedError: the caller is no chronicle_admin.
            psycopg.errors.ObjectNotInPrerequisiteState: erasure is not enabled.
        """
        statement = _statements.erase_payload(event_id, legal_basis)
        erased: bool = self._source.value(statement)
        return erased

    def erase_subject(
        self,
        legal_basis: str,
        *,
        actor_id: Id = None,
        actor_type: ActorType | None = None,
        resource_type: str | None = None,
        resource_id: Id = None,
        organization_id: Id = None,
    ) -> int:
        """Erases the payloads of all events by an actor or about a resource; returns how many.

        Args:
            legal_basis: why, for who reads the log later.
            actor_id: who acted, also in somebody else's place; with ``actor_type`` where several
                kinds share their ids.
            actor_type: of the actor.
            resource_type: what it was done to, with ``resource_id``.
            resource_id: of the resource; a key that the record had before counts.
            organization_id: only events of this organization.

        Raises:
            WrongFieldError: neither an actor nor a resource is named, or there is no legal basis.
            NotAllowedError: the caller is no chronicle_admin.
            psycopg.errors.ObjectNotInPrerequisiteState: erasure is not enabled.
        """
        subject = {
            "actor_id": actor_id,
            "actor_type": actor_type,
            "resource_type": resource_type,
            "resource_id": resource_id,
            "organization_id": organization_id,
        }
        statement = _statements.erase_subject(legal_basis, subject)
        erased: int = self._source.value(statement)
        return erased

    # Keeping

    def settings(self) -> list[Setting]:
        """What this installation is set to."""
        return self._source.rows(_statements.settings(), class_row(Setting))

    def set_setting(self, name: str, value: Any) -> None:
        """Changes a setting, which is an event. Setting the value that it has does nothing.

        Args:
            name: of a row of ``chronicle.settings``.
            value: anything that has a form in JSON.

        Raises:
            WrongFieldError: there is no such setting, or it does not take the value.
        """
        self._source.run(_statements.set_setting(name, value))

    def register_resource_type(self, name: str, description: str) -> None:
        """Declares a resource type, or describes it anew, which is an event."""
        self._source.run(_statements.register_resource_type(name, description))

    def register_action(self, name: str, description: str) -> None:
        """Declares an action, or describes it anew, which is an event."""
        self._source.run(_statements.register_action(name, description))

    def add_administrator(self, principal: str, organization_id: Id = None) -> None:
        """Lets somebody read the events of an organization, which is an event.

        The database role needs to be granted chronicle_reader as well. Harmless to repeat.

        Args:
            principal: a database role, or who acts in a verified context: ``user:ada``, that is
                actor_type and actor_id.
            organization_id: None makes a super administrator, who reads system-wide events.
        """
        self._source.run(_statements.add_administrator(principal, organization_id))

    def remove_administrator(self, principal: str, organization_id: Id = None) -> None:
        """Takes back what ``add_administrator`` gave, which is an event.

        Raises:
            NotFoundError: they are no administrator of it.
        """
        self._source.run(_statements.remove_administrator(principal, organization_id))

    def add_context_key(self, key_id: str, secret: bytes | None = None) -> bytes:
        """Adds a key whose tokens are accepted from now on, which is an event; returns its secret.

        Nobody can read the secret again.

        Args:
            key_id: 1 to 100 letters, digits, dots, dashes, underscores.
            secret: at least 32 bytes; None lets the server draw 32.

        Raises:
            WrongFieldError: a wrong name or a short secret.
            NotAllowedError: the caller is no chronicle_admin.
            psycopg.errors.UniqueViolation: there is such a key.
        """
        drawn: bytes = self._source.value(_statements.add_context_key(key_id, secret))
        return drawn

    def retire_context_key(self, key_id: str) -> None:
        """Accepts no tokens of a key any more, which is an event.

        Raises:
            NotFoundError: there is none.
            NotAllowedError: the caller is no chronicle_admin.
        """
        self._source.run(_statements.retire_context_key(key_id))

    def context_keys(self) -> list[ContextKey]:
        """The keys whose tokens are accepted, oldest first."""
        return self._source.rows(_statements.context_keys(), class_row(ContextKey))

    def add_trusted_gateway(self, role_name: str) -> None:
        """Believes what sessions of a login role say about who acts, which is an event.

        Whoever can run SQL over such a session can claim to be anyone. Harmless to repeat.

        Args:
            role_name: with which the service logs in.

        Raises:
            NotAllowedError: the caller is no chronicle_admin.
            NotFoundError: there is no such role, or it can not log in.
        """
        self._source.run(_statements.add_trusted_gateway(role_name))

    def remove_trusted_gateway(self, role_name: str) -> None:
        """Believes them no more, which is an event.

        Raises:
            NotFoundError: it is no trusted gateway.
            NotAllowedError: the caller is no chronicle_admin.
        """
        self._source.run(_statements.remove_trusted_gateway(role_name))

    def trusted_gateways(self) -> list[str]:
        """The login roles whose sessions are believed."""
        return self._source.rows(_statements.trusted_gateways(), scalar_row)

    def ensure_partitions(self, ahead: int | None = None) -> list[str]:
        """Makes the partitions of the log that are missing and returns their names.

        Harmless to repeat; writers do not wait for it.

        Args:
            ahead: how many beyond the present one; None takes the setting partitions_ahead.

        Raises:
            WrongFieldError: outside 0 to 1000.
        """
        return self._source.rows(_statements.ensure_partitions(ahead), scalar_row)

    @contextmanager
    def _surroundings(self) -> Generator[ContextFields]:
        """What statements have to say of what surrounds the caller, as no context does."""
        around = ambient.fields()
        if self._sink is not None:
            yield around
        elif around == self._source.said():
            yield {}
        elif self._signer is not None and _statements.names_actor(_statements.with_type(around)):
            with self.context():
                yield {}
        else:
            yield around

    def _log_in_parts(self, parts: Iterator[tuple[int, Statement]]) -> list[UUID]:
        first = list(islice(parts, 2))
        ids: list[UUID] = []
        with self._source.transaction() as connection:
            if len(first) < 2:
                for _, statement in first:
                    ids += self._source.rows(statement, scalar_row, connection)
                return ids
            # What comes later may be refused before it is sent, and then the transaction goes on:
            # without the earlier parts. The first statement begins it where nothing has yet.
            connection.execute(b"select")
            with connection.transaction():
                for place, statement in chain(first, parts):
                    try:
                        ids += self._source.rows(statement, scalar_row, connection)
                    except Exception as error:
                        if place > 1:
                            error.add_note(f"Counted from event {place} of those given.")
                        raise
        return ids

    def _enter_context(self, said: ContextFields, connection: Connection) -> tuple[str | None, str]:
        """Returns the value from before and when the transaction began."""
        said = _statements.with_type(said)
        if self._signer is None or not _statements.names_actor(said):
            statement = _statements.enter_context(said)
            outer, began, _ = self._source.row(statement, tuple_row, connection)
            return outer, began
        statement = _statements.outer_context()
        outer, began, challenge = self._source.row(statement, tuple_row, connection)
        statement = _statements.set_signed_context(self._signer.token(challenge, said))
        state = self._source.row(statement, scalar_row, connection)
        if state != "verified":
            self._leave_context(outer, began, connection)
            raise ContextRefusedError(state, self._signer.key_id)
        return outer, began

    def _leave_context(self, outer: str | None, began: str, connection: Connection) -> None:
        statement = _statements.leave_context(outer, began)
        self._source.rows(statement, tuple_row, connection)

    def _table_ids(self, table: Table | None) -> list[int] | None:
        if table is None:
            return None
        ids: list[int] = self._source.rows(_statements.table_ids(table), scalar_row)
        # A name that is not known must not look like a table to which nothing happened.
        if not ids:
            raise NotTrackedError(
                f"{_statements.table_text(table)} is not tracked and never was",
                hint="tracked_tables() shows what is.",
            )
        return ids
