"""One prepared log_audit_event against one bare prepared INSERT of the same values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from statistics import median

from psycopg import sql

from .report import Result
from .rounds import Pair, Samples, ratios, run_rounds
from .sessions import TimedSession, Transactions
from .setting import APPLICATION, Connection, Setting

NAME = "log"

PROMISE = 2.0
"""How much one call may cost at most, as a multiple of the INSERT."""

_ABOUT = (
    "one prepared log_audit_event against one bare prepared INSERT of the same values into "
    "a plain table with the same columns, defaults and indexes"
)

Fields = Mapping[str, object]
"""Columns with their values, of which ``{}`` is a number that differs from event to event."""

_WHO: Fields = {"organization_id": "org-7", "actor_type": "employee", "actor_id": "user-42"}
_WHAT: Fields = {
    "action_type": "update",
    "action": "ticket.update",
    "resource_type": "ticket",
    "resource_id": "ticket-{}",
}
_STATES: Fields = {
    "details_before": '{"status": "open", "priority": 3, "assignee": null}',
    "details_after": '{"status": "closed", "priority": 3, "assignee": "bob"}',
    "action_meta": '{"source": "web", "tags": ["a", "b"]}',
}
_WHERE_FROM: Fields = {
    "session_id": "b7ad6b7169203331",
    "request_id": "0af7651916cd43dd8448eb211c80319c",
    "ip_address": "10.1.2.3",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
_LOGGED: Fields = {"origin": "logged", "context_state": "absent"}
_COMPARED: Fields = {"changed_columns": ["assignee", "status"]}


@dataclass(frozen=True, slots=True)
class _Event:
    """An event in three parts: what the call passes, what the context says, and what
    log_audit_event finds out. The INSERT passes them all."""

    name: str
    passed: Fields
    found_out: Fields
    context: Fields = field(default_factory=dict[str, object])
    is_promised: bool = True


_EVENTS = (
    _Event("small", {**_WHO, **_WHAT}, _LOGGED),
    _Event("full", {**_WHO, **_WHAT, **_STATES, **_WHERE_FROM}, {**_LOGGED, **_COMPARED}),
    _Event(
        "full, context set",
        {**_WHAT, **_STATES},
        {**_LOGGED, **_COMPARED, "context_state": "asserted"},
        {**_WHO, **_WHERE_FROM},
        is_promised=False,
    ),
)


def measure(setting: Setting) -> Result:
    """Measures each kind of event, many in a transaction and one in each."""
    _make_plain_table(setting)
    kinds = [
        (event, transactions)
        for transactions in Transactions
        for event in _EVENTS
        # A transaction of its own would have to set the context too, and be measured with it.
        if transactions == Transactions.SHARED or not event.context
    ]
    with setting.connect(APPLICATION) as connection:
        session = TimedSession(connection)
        numbers = count()

        def run(statement: _Statement, transactions: Transactions) -> float:
            rows = [statement.parameters(next(numbers)) for _ in range(setting.sizes.statements)]
            return session.run(statement.query, rows, transactions, first=statement.set_context)

        pairs = [
            Pair(
                partial(run, _insert(event), transactions),
                partial(run, _call(event), transactions),
            )
            for event, transactions in kinds
        ]
        taken = run_rounds(pairs, setting.rounds)
    return Result(
        NAME, _ABOUT, [_row(*kind, samples) for kind, samples in zip(kinds, taken, strict=True)]
    )


def _make_plain_table(setting: Setting) -> None:
    """A superuser's work, because LIKE asks for the right to read the log."""
    setting.execute_as_superuser(
        "create table bench.plain_events"
        " (like chronicle.events including defaults including indexes)",
        f"grant insert on bench.plain_events to {APPLICATION}",
        f"grant usage on sequence chronicle.events_seq to {APPLICATION}",
        "grant execute on function"
        f" chronicle.uuid_v7, chronicle.current_epoch, chronicle.settled_after to {APPLICATION}",
    )


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement, its parameters in order, and the context that it needs."""

    query: sql.Composed
    fields: Fields
    context: Fields = field(default_factory=dict[str, object])

    def parameters(self, number: int) -> list[object]:
        text = str(number)
        return [v.replace("{}", text) if isinstance(v, str) else v for v in self.fields.values()]

    def set_context(self, connection: Connection) -> None:
        if self.context:
            query = sql.SQL("select chronicle.set_context({})").format(_arguments(self.context))
            connection.execute(query, list(self.context.values()))


def _insert(event: _Event) -> _Statement:
    fields = {**event.passed, **event.context, **event.found_out}
    query = sql.SQL("insert into bench.plain_events ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, fields)),
        sql.SQL(", ").join([sql.Placeholder()] * len(fields)),
    )
    return _Statement(query, fields)


def _call(event: _Event) -> _Statement:
    query = sql.SQL("select chronicle.log_audit_event({})").format(_arguments(event.passed))
    return _Statement(query, event.passed, event.context)


def _arguments(fields: Fields) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(f"_{name}"), sql.Placeholder()) for name in fields
    )


def _row(
    event: _Event, transactions: Transactions, samples: Samples[float]
) -> dict[str, str | float]:
    each = ratios(samples.ours, samples.bare)
    ratio = median(each)
    return {
        "event": event.name,
        "transactions": transactions,
        "insert_us": median(samples.bare),
        "log_us": median(samples.ours),
        "ratio": ratio,
        "lowest": min(each),
        "highest": max(each),
        "promise": _promise(ratio) if event.is_promised else "none",
    }


def _promise(ratio: float) -> str:
    return f"at most {PROMISE}: {'met' if ratio <= PROMISE else 'missed'}"
