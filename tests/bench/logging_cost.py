"""One prepared log_audit_event against one bare prepared INSERT of the same values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from statistics import median

from psycopg import sql

from .clocks import Clock, backend_clock
from .report import Result
from .rounds import Pair, Samples, ratios, run_rounds
from .setting import APPLICATION, Connection, Setting

NAME = "log"

PROMISE = 2.0
"""How much one call may cost at most, as a multiple of the INSERT."""

_ABOUT = (
    "one prepared log_audit_event against one bare prepared INSERT of the same values into "
    "a plain table with the same columns, defaults and indexes; in pipelines within one transaction"
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
    """Measures each kind of event."""
    _make_plain_table(setting)
    with setting.connect(APPLICATION) as connection:
        clock = backend_clock(connection.info.backend_pid)
        numbers = count()
        pairs = [
            Pair(
                _turn(setting, connection, clock, numbers, _insert(event)),
                _turn(setting, connection, clock, numbers, _call(event), event.context),
            )
            for event in _EVENTS
        ]
        taken = run_rounds(pairs, setting.rounds)
    return Result(
        NAME, _ABOUT, [_row(event, samples) for event, samples in zip(_EVENTS, taken, strict=True)]
    )


def _make_plain_table(setting: Setting) -> None:
    """A superuser's work, because LIKE asks for the right to read the log."""
    setting.execute_as_superuser(
        "create table bench.plain_events"
        " (like chronicle.events including defaults including indexes)",
        f"grant insert on bench.plain_events to {APPLICATION}",
        f"grant usage on sequence chronicle.events_seq to {APPLICATION}",
        f"grant execute on function chronicle.uuid_v7 to {APPLICATION}",
    )


@dataclass(frozen=True, slots=True)
class _Statement:
    query: sql.Composed
    values: list[object]

    def parameters(self, number: int) -> list[object]:
        text = str(number)
        return [v.replace("{}", text) if isinstance(v, str) else v for v in self.values]


def _insert(event: _Event) -> _Statement:
    fields = {**event.passed, **event.context, **event.found_out}
    return _Statement(
        sql.SQL("insert into bench.plain_events ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, fields)),
            sql.SQL(", ").join([sql.Placeholder()] * len(fields)),
        ),
        list(fields.values()),
    )


def _call(event: _Event) -> _Statement:
    return _Statement(
        sql.SQL("select chronicle.log_audit_event({})").format(_arguments(event.passed)),
        list(event.passed.values()),
    )


def _arguments(fields: Fields) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(f"_{name}"), sql.Placeholder()) for name in fields
    )


def _turn(
    setting: Setting,
    connection: Connection,
    clock: Clock,
    numbers: Iterator[int],
    statement: _Statement,
    context: Fields | None = None,
) -> Callable[[], float]:
    """Runs a statement many times over in a transaction; gives the microseconds of one."""
    times = setting.sizes.statements

    def turn() -> float:
        rows = [statement.parameters(next(numbers)) for _ in range(times)]
        with connection.transaction(), connection.cursor() as cursor:
            if context:
                query = sql.SQL("select chronicle.set_context({})").format(_arguments(context))
                cursor.execute(query, list(context.values()))
            start = clock()
            cursor.executemany(statement.query, rows)
            return (clock() - start) / times * 1e6

    return turn


def _row(event: _Event, samples: Samples[float]) -> dict[str, str | float]:
    each = ratios(samples.ours, samples.bare)
    ratio = median(each)
    return {
        "event": event.name,
        "insert_us": median(samples.bare),
        "log_us": median(samples.ours),
        "ratio": ratio,
        "lowest": min(each),
        "highest": max(each),
        "promise": _promise(ratio) if event.is_promised else "none",
    }


def _promise(ratio: float) -> str:
    return f"at most {PROMISE}: {'met' if ratio <= PROMISE else 'missed'}"
