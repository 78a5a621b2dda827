"""What a step may do to a table: each verb decides by its dice and by the rows that are there, does
it to the model, and returns the statements that do the same to the table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from .cells import VOCABULARY, Cell, copy_text, literal
from .world import Column, InapplicableError, Key, Row, Table, Transaction

FAR = 1000
"""How far keys are shifted: beyond all that are there, so that none is in the way."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and what COPY reads."""

    text: str
    data: str | None = None


Act = Callable[[Transaction, Table, Random], list[Statement]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A kind of write."""

    act: Act
    weight: int
    since: int = 0
    """The first version of the server that knows it."""
    is_owners: bool = False
    """Whether only the owner of the table may."""


# Choosing.


def some_keys(
    work: Transaction, table: Table, dice: Random, most: int, least: int = 1
) -> list[Key]:
    """Rows that are there and that nobody else holds."""
    free = [key for key in sorted(table.versions) if work.may_hold(table.name, key)]
    if len(free) < least:
        raise InapplicableError
    return sorted(dice.sample(free, dice.randint(least, min(len(free), most))))


def new_keys(work: Transaction, table: Table, dice: Random, count: int) -> list[Key]:
    """Keys that no row has."""
    if len(table.key_columns) == 1:
        domain: list[Key] = [(str(number),) for number in range(1, 9)]
    else:
        # What would be the same if the parts of a key were only joined.
        domain = [(b, str(a)) for b in ("1", "1:2", '"x', "") for a in range(1, 4)]
    free = [key for key in domain if key not in table.versions and work.may_hold(table.name, key)]
    if not free and count:
        raise InapplicableError
    return dice.sample(free, min(len(free), count))


def cell(kind: str, dice: Random) -> Cell:
    """Any value of a type."""
    return None if dice.random() < 0.2 else dice.choice(VOCABULARY[kind])


def settled(work: Transaction, table: Table, dice: Random, cells: Row, row: Row) -> Row:
    """Cells whose references lead somewhere, and not twice to the same row: which of two cascades
    comes first is nobody's promise."""
    referred = {each.column: each.parent for each in table.definition.references}
    result = dict(cells)
    for column, parent in referred.items():
        if column in cells:
            there = work.world.tables[parent].versions
            free = [key[0] for key in sorted(there) if work.may_hold(parent, key)]
            result[column] = dice.choice([None, *free])
    seen = [value for column in referred if (value := {**row, **result}.get(column)) is not None]
    if len(seen) != len(set(seen)):
        raise InapplicableError
    return result


def new_row(work: Transaction, table: Table, dice: Random, key: Key) -> Row:
    """A whole row with a given key."""
    cells = {name: cell(column.kind, dice) for name, column in table.columns.items()}
    return settled(
        work, table, dice, {**cells, **dict(zip(table.key_columns, key, strict=True))}, {}
    )


def new_rows(work: Transaction, table: Table, dice: Random, most: int) -> list[Row]:
    """Whole rows with keys that no row has."""
    keys = new_keys(work, table, dice, dice.randint(1, most))
    return [new_row(work, table, dice, key) for key in keys]


def new_cells(work: Transaction, table: Table, dice: Random, key: Key) -> Row:
    """What one or two columns beside the key are to hold."""
    others = [name for name in table.columns if name not in table.key_columns]
    names = dice.sample(others, min(len(others), dice.randint(1, 2)))
    cells = {name: cell(table.columns[name].kind, dice) for name in names}
    return settled(work, table, dice, cells, table.versions[key].row)


# Writing SQL.


def names_of(columns: Iterable[str]) -> str:
    return ", ".join(columns)


def values_of(table: Table, row: Row, *, is_cast: bool = False) -> str:
    cells = (literal(table.columns[name].kind, each, is_cast=is_cast) for name, each in row.items())
    return f"({', '.join(cells)})"


def assignments(table: Table, cells: Row) -> str:
    return ", ".join(
        f"{name} = {literal(table.columns[name].kind, each)}" for name, each in cells.items()
    )


def those(table: Table, keys: Sequence[Key]) -> str:
    """The condition that holds for the rows with these keys."""
    rows = [dict(zip(table.key_columns, key, strict=True)) for key in keys]
    if len(table.key_columns) == 1:
        (name,) = table.key_columns
        listed = ", ".join(literal(table.columns[name].kind, row[name]) for row in rows)
        return f"{name} in ({listed})"
    listed = ", ".join(values_of(table, row) for row in rows)
    return f"({names_of(table.key_columns)}) in ({listed})"


def insertion(table: Table, rows: Sequence[Row]) -> str:
    listed = ", ".join(values_of(table, row) for row in rows)
    return f"insert into {table.name} ({names_of(rows[0])}) values {listed}"


# Writes.


def insert(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    rows = new_rows(work, table, dice, 4)
    for row in rows:
        work.insert(table, row)
    return [Statement(insertion(table, rows))]


def copy(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    rows = new_rows(work, table, dice, 4)
    for row in rows:
        work.insert(table, row)
    lines = ["\t".join(map(copy_text, row.values())) + "\n" for row in rows]
    return [Statement(f"copy {table.name} ({names_of(rows[0])}) from stdin", data="".join(lines))]


def update(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    keys = some_keys(work, table, dice, 3)
    cells = new_cells(work, table, dice, keys[0])
    if table.definition.references:
        keys = keys[:1]
    for key in keys:
        work.update(table, key, cells)
    return [
        Statement(f"update {table.name} set {assignments(table, cells)} where {those(table, keys)}")
    ]


def update_to_the_same(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    keys = some_keys(work, table, dice, 9)
    for key in keys:
        work.update(table, key, {})
    same = ", ".join(f"{name} = {name}" for name in table.columns)
    return [Statement(f"update {table.name} set {same} where {those(table, keys)}")]


def delete(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    keys = some_keys(work, table, dice, 1 if table.name == "parent" else 3)
    for key in keys:
        work.delete(table, key)
    return [Statement(f"delete from {table.name} where {those(table, keys)}")]


def insert_again(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """A delete, and an insert under the same key."""
    (key,) = some_keys(work, table, dice, 1)
    work.delete(table, key)
    row = new_row(work, table, dice, key)
    work.insert(table, row)
    return [
        Statement(f"delete from {table.name} where {those(table, [key])}"),
        Statement(insertion(table, [row])),
    ]


def change_key(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    (key,) = some_keys(work, table, dice, 1)
    (new,) = new_keys(work, table, dice, 1)
    cells: dict[str, Cell] = dict(zip(table.key_columns, new, strict=True))
    if dice.random() < 0.3 and not table.definition.references:
        cells |= new_cells(work, table, dice, key)
    work.update(table, key, cells)
    return [
        Statement(
            f"update {table.name} set {assignments(table, cells)} where {those(table, [key])}"
        )
    ]


def swap_keys(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """Two rows take each other's key; for a moment, one has a third."""
    keys = some_keys(work, table, dice, 2, least=2)
    (spare,) = new_keys(work, table, dice, 1)
    statements: list[Statement] = []
    for before, after in ((keys[0], spare), (keys[1], keys[0]), (spare, keys[1])):
        cells: Row = dict(zip(table.key_columns, after, strict=True))
        work.update(table, before, cells)
        statements.append(
            Statement(
                f"update {table.name} set {assignments(table, cells)} "
                f"where {those(table, [before])}"
            )
        )
    return statements


def shift_keys(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """Every row moves by one, over where its neighbour was: far away, and back."""
    if not table.versions or not work.is_alone_in(table.name) or table.name == "parent":
        # Of parents moved in one statement nobody promises which one's children follow first.
        raise InapplicableError
    column = next(name for name in table.key_columns if table.columns[name].kind == "integer")
    are_far = {int(v.row[column] or 0) >= FAR for v in table.versions.values()}
    if len(are_far) > 1:
        raise InapplicableError
    moves = [-FAR] if are_far == {True} else dice.choice([[FAR], [FAR, 1 - FAR], [FAR, -1 - FAR]])
    statements: list[Statement] = []
    for move in moves:
        # In the order in which none is in the way of the next in the model either.
        for key in sorted(table.versions, key=lambda k: (len(k[-1]), k), reverse=move > 0):
            old = int(table.versions[key].row[column] or 0)
            work.update(table, key, {column: str(old + move)})
        change = f"{column} = {column} {'+' if move > 0 else '-'} {abs(move)}"
        statements.append(Statement(f"update {table.name} set {change}"))
    return statements


def truncate(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    # Rarely, for little can be told of a table that is always empty.
    if dice.random() < 0.5:
        raise InapplicableError
    if table.definition.leaves and dice.random() < 0.5:
        leaf = dice.randrange(len(table.definition.leaves))
        work.truncate(table.name, leaf)
        return [Statement(f"truncate {table.definition.leaves[leaf]}")]
    work.truncate(table.name)
    return [Statement(f"truncate {table.name} cascade")]


def upsert(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    if not table.definition.is_unique:
        raise InapplicableError
    rows = _old_and_new(work, table, dice)
    names = dice.sample([name for name in table.columns if name not in table.key_columns], 1)
    for row in rows:
        key = table.key_of(row)
        if key in table.versions:
            work.update(table, key, {name: row[name] for name in names})
        else:
            work.insert(table, row)
    taken = ", ".join(f"{name} = excluded.{name}" for name in names)
    return [
        Statement(
            f"{insertion(table, rows)} on conflict ({names_of(table.key_columns)}) "
            f"do update set {taken}"
        )
    ]


def insert_unless_there(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    if not table.definition.is_unique:
        raise InapplicableError
    rows = _old_and_new(work, table, dice)
    for row in rows:
        if table.key_of(row) not in table.versions:
            work.insert(table, row)
        else:
            work.hold(table.name, table.key_of(row))
    return [Statement(f"{insertion(table, rows)} on conflict do nothing")]


def merge(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """What is there is deleted or updated, what is not is inserted."""
    rows = _old_and_new(work, table, dice)
    others = [name for name in table.columns if name not in table.key_columns]
    names = dice.sample(others, min(len(others), 2))
    sources: list[str] = []
    for row in rows:
        key = table.key_of(row)
        act = "upsert"
        if key not in table.versions:
            work.insert(table, row)
        elif dice.random() < 0.4 and table.name != "parent":
            act = "delete"
            work.delete(table, key)
        else:
            work.update(table, key, {name: row[name] for name in names})
        sources.append(values_of(table, row, is_cast=True)[:-1] + f", '{act}')")
    columns = names_of(table.columns)
    same = " and ".join(f"t.{name} = s.{name}" for name in table.key_columns)
    taken = ", ".join(f"{name} = s.{name}" for name in names)
    given = ", ".join(f"s.{name}" for name in table.columns)
    return [
        Statement(
            f"merge into {table.name} as t using (values {', '.join(sources)}) "
            f"as s ({columns}, act) on {same} "
            f"when matched and s.act = 'delete' then delete "
            f"when matched then update set {taken} "
            f"when not matched then insert ({columns}) values ({given})"
        )
    ]


def write_twice(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """Two writes to one table in one statement."""
    if table.name in ("parent", "child"):
        raise InapplicableError
    keys = some_keys(work, table, dice, 2, least=2)
    cells = new_cells(work, table, dice, keys[0])
    work.update(table, keys[0], cells)
    work.delete(table, keys[1])
    return [
        Statement(
            f"with changed as (update {table.name} set {assignments(table, cells)} "
            f"where {those(table, keys[:1])} returning 1) "
            f"delete from {table.name} where {those(table, keys[1:])}"
        )
    ]


def write_in_vain(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """A write that an exception takes back, within a function that goes on."""
    mark = work.mark()
    vain = dice.choice([insert, update, delete, change_key])(work, table, dice)
    work.go_back(mark)
    inner = "; ".join(each.text for each in vain)
    return [
        Statement(
            f"do $do$ begin {inner}; raise exception 'in vain'; "
            f"exception when raise_exception then null; end $do$"
        )
    ]


def _old_and_new(work: Transaction, table: Table, dice: Random) -> list[Row]:
    """Rows of which some have keys that are there. A row that stays keeps its references, as their
    change might lead twice to the same row."""
    keys = new_keys(work, table, dice, dice.randint(0, 2))
    if table.versions:
        keys += some_keys(work, table, dice, 2)
    if not keys:
        raise InapplicableError
    rows: list[Row] = []
    referring = {each.column for each in table.definition.references}
    for key in keys:
        row = new_row(work, table, dice, key)
        if key in table.versions:
            kept = table.versions[key].row
            row = {name: kept[name] if name in referring else row[name] for name in row}
        rows.append(row)
    return rows


# Changes of the table itself.


def add_column(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    table = work.seize(table.name)
    number = work.world.next_number()
    kind = dice.choice(["integer", "text", "numeric"])
    default = dice.choice([None, dice.choice(VOCABULARY[kind])])
    name = f"c{number}"
    work.alter(
        table,
        {**table.columns, name: Column(number, kind)},
        lambda row: {**row, name: default},
    )
    text = f"alter table {table.name} add column {name} {kind}"
    if default is not None:
        text += f" default {literal(kind, default)}"
    return [Statement(text)]


def drop_column(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    table = work.seize(table.name)
    gone = _other_column(table, dice)
    columns = {name: column for name, column in table.columns.items() if name != gone}
    work.alter(table, columns, lambda row: {name: row[name] for name in columns})
    return [Statement(f"alter table {table.name} drop column {gone}")]


def rename_column(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    table = work.seize(table.name)
    before = _other_column(table, dice)
    after = f"r{work.world.next_number()}"
    names = {name: after if name == before else name for name in table.columns}
    work.alter(
        table,
        {names[name]: column for name, column in table.columns.items()},
        lambda row: {names[name]: each for name, each in row.items()},
    )
    return [Statement(f"alter table {table.name} rename column {before} to {after}")]


def retype_column(work: Transaction, table: Table, dice: Random) -> list[Statement]:
    """Another type whose values are the same in text."""
    table = work.seize(table.name)
    wider: Mapping[str, str] = {"integer": "bigint", "bigint": "numeric", "numeric": "text"}
    name = _other_column(table, dice)
    kind = wider.get(table.columns[name].kind)
    if kind is None:
        raise InapplicableError
    columns = {**table.columns, name: Column(table.columns[name].number, kind)}
    work.alter(table, columns, lambda row: row)
    return [Statement(f"alter table {table.name} alter column {name} type {kind}")]


def refresh(work: Transaction, table: Table, dice: Random) -> list[Statement]:  # noqa: ARG001
    table = work.seize(table.name)
    work.refresh(table)
    return [Statement(f"select outcome from chronicle.refresh_tracking('{table.name}')")]


def _other_column(table: Table, dice: Random) -> str:
    """A column that is no part of the key, of a partition's bounds or of a reference."""
    fixed = {*table.key_columns, "region", *(each.column for each in table.definition.references)}
    free = [name for name in table.columns if name not in fixed]
    if len(free) < 2:
        raise InapplicableError
    return dice.choice(free)


VERBS: Mapping[str, Verb] = {
    "insert": Verb(insert, 22),
    "copy": Verb(copy, 6),
    "update": Verb(update, 20),
    "update to the same": Verb(update_to_the_same, 3),
    "delete": Verb(delete, 8),
    "insert again": Verb(insert_again, 5),
    "change key": Verb(change_key, 8),
    "swap keys": Verb(swap_keys, 5),
    "shift keys": Verb(shift_keys, 4),
    "truncate": Verb(truncate, 7),
    "upsert": Verb(upsert, 8),
    "insert unless there": Verb(insert_unless_there, 4),
    "merge": Verb(merge, 8, since=150000),
    "write twice": Verb(write_twice, 4),
    "write in vain": Verb(write_in_vain, 4),
}

ALTERATIONS: Mapping[str, Verb] = {
    "add column": Verb(add_column, 5, is_owners=True),
    "drop column": Verb(drop_column, 3, is_owners=True),
    "rename column": Verb(rename_column, 3, is_owners=True),
    "retype column": Verb(retype_column, 3, is_owners=True),
    "refresh": Verb(refresh, 8, is_owners=True),
}
