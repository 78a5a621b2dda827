"""Comparing what the log says with what the model knows."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from random import Random
from typing import Any, TypeVar

from ask import rows, run, sqlstate, value
from support import Connection

from .cells import Image, parse
from .sequence import MismatchError, Moment, Outcome, check_model
from .world import Change, Table

T = TypeVar("T")

Event = tuple[str, str | None, str, str, str, bool]
"""Action, record, old values, new values, changed columns, and whether there is an error."""


def check_all(reader: Connection, outcome: Outcome, *, is_thorough: bool = False) -> None:
    """What can be asked of a sequence; then everything is undone.

    Args:
        reader: a session that may read everything and write to the tables.
        outcome: what has happened.
        is_thorough: every record at every moment is asked for, not a sample.
    """
    dice = Random(len(outcome.trace))
    check_captured(reader, outcome)
    for moment in outcome.moments:
        check_rows_as_of(reader, outcome, moment)
    check_records_as_of(reader, outcome, None if is_thorough else dice)
    check_histories(reader, outcome, None if is_thorough else dice)
    undo(reader, outcome)
    check_rows_as_of(reader, outcome, dice.choice(outcome.moments))


def check_captured(reader: Connection, outcome: Outcome) -> None:
    """Each committed transaction has left the events of its changes, and no other has left any."""
    found: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
    for table, transaction_id, action, record_id, old, new, changed, error in rows(
        reader,
        """
        select
            table_name, transaction_id, action, record_id, old_values::text, new_values::text,
            changed_columns, payload_error
        from chronicle.row_changes where schema_name = %s order by seq
        """,
        (outcome.schema,),
    ):
        found[table, transaction_id].append(
            (action, record_id, shown(old), shown(new), _columns(changed, error), bool(error))
        )
    expected: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
    for each in outcome.committed:
        for change in each.changes:
            expected[change.table, each.transaction_id].append(_event(change))
    for key in sorted({*found, *expected}):
        _compare(f"{key[0]}, transaction {key[1]}", found[key], expected[key])


def check_rows_as_of(reader: Connection, outcome: Outcome, moment: Moment) -> None:
    """Each table is what it was at that moment, value by value, in the columns that it still
    has."""
    for name, then in moment.tables.items():
        now = outcome.world.tables[name]
        kept = _kept_columns(then, now)
        columns = ", ".join(f"{present}::text" for _, present in kept)
        found = rows(
            reader,
            f"select {columns} from chronicle.rows_as_of(null::{outcome.schema}.{name}, %s)",
            (moment.at,),
        )
        expected = [
            tuple(version.row[former] for former, _ in kept) for version in then.versions.values()
        ]
        _compare(f"rows_as_of {name}, {_of(outcome, moment)}", found, expected)


def check_records_as_of(reader: Connection, outcome: Outcome, dice: Random | None) -> None:
    """Records are what they were at each moment, or were not there; with dice, some of them."""
    for name in outcome.world.tables:
        asked = [
            (moment, record_id)
            for moment in outcome.moments
            for record_id in sorted(_record_ids(outcome, name))
        ]
        for moment, record_id in _some(asked, 3, dice):
            then = moment.tables[name]
            expected = {
                then.record_id(key): then.images(version.row)
                for key, version in then.versions.items()
            }.get(record_id)
            found = value(
                reader,
                f"select chronicle.record_as_of('{outcome.schema}.{name}', %s, %s)::text",
                (record_id, moment.at),
            )
            what = f"record_as_of {name}, {record_id}, {_of(outcome, moment)}"
            columns = _steady_columns(outcome, name) if then.has_drifted else then.columns.keys()
            given: Image = None if found is None else parse(found)
            _compare(what, [_cut(given, columns)], [_cut(expected, columns)])


def check_histories(reader: Connection, outcome: Outcome, dice: Random | None) -> None:
    """The history of a record is the whole of every life that had its key at some time; with dice,
    of some records."""
    for name in outcome.world.tables:
        for record_id in _some(sorted(_record_ids(outcome, name)), 4, dice):
            _check_history(reader, outcome, name, record_id)


def _some(things: list[T], count: int, dice: Random | None) -> list[T]:
    return things if dice is None else dice.sample(things, min(len(things), count))


def _check_history(reader: Connection, outcome: Outcome, name: str, record_id: str) -> None:
    columns = outcome.moments[0].tables[name].columns
    found = [
        (
            *(transaction_id, action, id_),
            *(_loose(each and parse(each), columns) for each in (old, new)),
            *(_columns(changed, error), is_complete),
        )
        for transaction_id, action, id_, old, new, changed, error, is_complete in rows(
            reader,
            f"""
            select
                transaction_id, action, record_id, old_values::text, new_values::text,
                changed_columns, payload_error, is_complete
            from chronicle.record_history('{outcome.schema}.{name}', %s)
            """,
            (record_id,),
        )
    ]
    own = [
        (each.transaction_id, change)
        for each in outcome.committed
        for change in each.changes
        if change.table == name
    ]
    lives = {change.life for _, change in own if record_id in (change.record_id, change.earlier_id)}
    expected = [
        (
            *(transaction_id, change.action, change.record_id),
            *(_loose(each, columns) for each in (change.old, change.new)),
            *(_columns(change.changed, change.has_drifted), True),
        )
        for transaction_id, change in own
        if change.life in lives
    ]
    what = f"record_history {name}, {record_id}"
    _compare(what, found, expected)
    if outcome.altered_at:
        return
    # In an order in which each life goes on from where it was.
    states: dict[str, str] = {}
    for _, action, id_, old, new, *_ in found:
        if action != "INSERT" and old not in states.values():
            raise MismatchError(f"{what}: {action} {id_} {old} comes too early")
        states[id_] = new


def undo(reader: Connection, outcome: Outcome) -> None:
    """Transaction by transaction, the tables go back to what they were: to nothing, in the end.
    Down to where they were altered, or to where rows took each other's keys in a circle, which no
    statement takes back."""
    place = len(outcome.committed)
    for moment in reversed(outcome.moments):
        if moment.committed < outcome.altered_at or any(
            table.columns != outcome.world.tables[name].columns
            for name, table in moment.tables.items()
        ):
            return
        for each in reversed(outcome.committed[moment.committed : place]):
            statement = f"select chronicle.revert_transaction({each.transaction_id})"
            outcome.trace.append(f"undo: {statement};")
            if _is_circle(each.changes):
                if sqlstate(reader, statement) != "55000":
                    raise MismatchError("keys that went round in a circle are refused otherwise")
                return
            run(reader, statement)
        place = moment.committed
        try:
            check_model(reader, moment.tables)
        except MismatchError as mismatch:
            what = f"after undoing down to {_of(outcome, moment)}"
            raise MismatchError(f"{what}: {mismatch}") from None


def _is_circle(changes: Iterable[Change]) -> bool:
    """Whether rows that were there before and are there after have each other's keys, all round."""
    former: dict[tuple[str, int], str | None] = {}
    latter: dict[tuple[str, int], str | None] = {}
    for each in changes:
        if each.life:
            life = (each.table, each.life)
            before = each.earlier_id or each.record_id
            former.setdefault(life, None if each.action == "INSERT" else before)
            latter[life] = each.record_id if each.action in ("INSERT", "UPDATE") else None
    sources = {
        (table, latter[table, life]): (table, key)
        for (table, life), key in former.items()
        if key is not None and latter[table, life] not in (None, key)
    }
    for start in sources:
        key = sources[start]
        while key in sources and key != start:
            key = sources[key]
        if key == start:
            return True
    return False


def _of(outcome: Outcome, moment: Moment) -> str:
    return f"moment {outcome.moments.index(moment)}"


def _steady_columns(outcome: Outcome, name: str) -> set[str]:
    """The columns that no alteration has touched: while capture does not know the others, the log
    can not say since when a row that no event tells of has had them."""
    first = outcome.moments[0].tables[name].columns
    now = outcome.world.tables[name].columns
    return {column for column in first if now.get(column) == first[column]}


def _cut(each: Image, columns: Container[str]) -> str:
    """Only these columns of a row, in a form that can be compared."""
    if isinstance(each, dict):
        each = {name: one for name, one in each.items() if name in columns}
    return repr(_ordered(each))


def _loose(each: Image, columns: Container[str]) -> str:
    """A row, in a form that can be compared. A number in a column that came later is its text: of
    one that was gone before capture knew it, the type is not known."""
    if isinstance(each, dict):
        each = {
            name: one[1] if isinstance(one, tuple) and name not in columns else one
            for name, one in each.items()
        }
    return repr(_ordered(each))


def _kept_columns(then: Table, now: Table) -> list[tuple[str, str]]:
    """The names, then and now, of the columns that have stayed."""
    present = {column.number: name for name, column in now.columns.items()}
    return [
        (name, present[column.number])
        for name, column in then.columns.items()
        if column.number in present
    ]


def _record_ids(outcome: Outcome, name: str) -> set[str]:
    """Every key that a row has had."""
    return {
        record_id
        for each in outcome.committed
        for change in each.changes
        if change.table == name
        for record_id in (change.record_id, change.earlier_id)
        if record_id is not None
    }


def _event(change: Change) -> Event:
    return (
        change.action,
        change.record_id,
        repr(_ordered(change.recorded_old)),
        repr(_ordered(change.recorded_new)),
        _columns(change.changed, change.has_drifted),
        change.has_drifted,
    )


def _columns(changed: Iterable[str] | None, error: object) -> str:
    # Of a table that has changed, nothing is promised of them.
    return "" if error else repr(None if changed is None else list(changed))


def shown(text: str | None) -> str:
    """JSON from the server, in a form that can be compared."""
    return repr(None if text is None else _ordered(parse(text)))


def _ordered(each: Image) -> Any:
    if isinstance(each, dict):
        return {name: _ordered(each[name]) for name in sorted(each)}
    if isinstance(each, list):
        return [_ordered(one) for one in each]
    return each


def _compare(what: str, found: Iterable[object], expected: Iterable[object]) -> None:
    missing = Counter(map(repr, expected))
    surplus = Counter(map(repr, found))
    missing, surplus = missing - surplus, surplus - missing
    if missing or surplus:
        lines = [f"{what}:"]
        lines += [f"  not found: {each}" for each in missing.elements()]
        lines += [f"  not expected: {each}" for each in surplus.elements()]
        raise MismatchError("\n".join(lines))
