"""SQLAlchemy 2: what surrounds the code becomes the context of each transaction of an engine."""

from typing import TYPE_CHECKING, Any, cast

from pgchronicle import ambient
from pgchronicle.integrations._context import tell
from pgchronicle.signing import ContextSigner

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

_TOLD = "pgchronicle_told"


def instrument(engine: "Engine | AsyncEngine", *, signer: ContextSigner | None = None) -> None:
    """From now on, every transaction of the engine begins with what surrounds the code.

    It is one more statement, two with a signer, and none where nothing surrounds it. When the
    surrounding fields change while a transaction goes on, as when a request's user is looked up in
    it, the next statement is preceded by the new ones.

    Connections with the isolation level AUTOCOMMIT are not covered: there a context is over with
    the statement that sets it, and events say that it is absent.

    Args:
        engine: on PostgreSQL, with any driver; once for each engine.
        signer: makes verified contexts of those that name an actor.

    Raises:
        ValueError: the engine is for another database.
    """
    from sqlalchemy import event, text

    sync_engine = cast("Engine", getattr(engine, "sync_engine", engine))
    if sync_engine.dialect.name != "postgresql":
        raise ValueError(f"the audit log is in PostgreSQL, not in {sync_engine.dialect.name}")

    def inform(connection: "Connection") -> None:
        fields = ambient.fields()
        if connection.info.get(_TOLD, {}) == fields:
            return
        # First, for the statement sent here is itself announced.
        connection.info[_TOLD] = fields

        def ask(query: str, value: str | None) -> Any:
            parameters = {} if value is None else {"value": value}
            return connection.execute(text(query.format(":value")), parameters).scalar_one()

        tell(fields, signer, ask)

    def forget(connection: "Connection", *_: object) -> None:
        connection.info.pop(_TOLD, None)

    def begin(connection: "Connection", *_: object) -> None:
        forget(connection)
        inform(connection)

    def before_execute(
        connection: "Connection", _cursor: object, statement: str, *_: object
    ) -> None:
        # A transaction that is about to end, or has failed, takes no other statement.
        if not statement.lstrip()[:8].upper().startswith(("ROLLBACK", "COMMIT")):
            inform(connection)

    event.listen(sync_engine, "begin", begin)
    # There nothing may be sent before the transaction is begun.
    event.listen(sync_engine, "begin_twophase", forget)
    event.listen(sync_engine, "rollback_savepoint", forget)
    event.listen(sync_engine, "before_cursor_execute", before_execute)
