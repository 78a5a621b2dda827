"""The model: which rows there are, who holds them, and what the log has to say about each change.

Open transactions never hold the same row, so one state serves them all: a transaction touches only
what it holds or what nobody holds, and of that the state is what the transaction sees. Taking a
transaction back restores what it held.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .cells import Cell, Image, image, printed
from .tables import Definition

Row = Mapping[str, Cell]
Key = tuple[str, ...]


class InapplicableError(Exception):
    """The step is none that can be taken now."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its number stays when it is renamed or given another type."""

    number: int
    kind: str


@dataclass(frozen=True, slots=True)
class Version:
    """A row, and since when it has been the same one: each insert is a new life."""

    row: Row
    life: int


@dataclass(slots=True)
class Table:
    """A table as it stands."""

    definition: Definition
    columns: dict[str, Column]
    known: dict[str, Column]
    """The columns when it was tracked or refreshed last."""
    versions: dict[Key, Version]

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def key_columns(self) -> tuple[str, ...]:
        return self.definition.key

    @property
    def has_drifted(self) -> bool:
        return list(self.columns.items()) != list(self.known.items())

    def key_of(self, row: Row) -> Key:
        return tuple(row[column] or "" for column in self.key_columns)

    def images(self, row: Row) -> dict[str, Image]:
        """The row as history has to give it."""
        return {name: image(self.columns[name].kind, cell) for name, cell in row.items()}

    def recorded(self, row: Row) -> dict[str, Image]:
        """The row as the log has to hold it: each value as its type prints it, while capture does
        not know the columns."""
        if self.has_drifted:
            return {name: printed(self.columns[name].kind, cell) for name, cell in row.items()}
        return self.images(row)

    def record_id(self, key: Key) -> str:
        """The key as the log writes it."""
        if len(key) == 1:
            return key[0]
        # As jsonb prints an object.
        pairs = sorted(
            zip(self.key_columns, key, strict=True), key=lambda pair: (len(pair[0]), pair[0])
        )
        return json.dumps(dict(pairs), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a row, or a truncate as a whole, as the log has to tell of it."""

    table: str
    action: str
    life: int
    record_id: str | None
    earlier_id: str | None
    old: dict[str, Image] | None
    new: dict[str, Image] | None
    """The whole rows."""
    recorded_old: dict[str, Image] | None
    recorded_new: dict[str, Image] | None
    """What the event has to hold of them."""
    changed: tuple[str, ...] | None
    has_drifted: bool


@dataclass(slots=True)
class World:
    """All tables, and the transactions that are open."""

    tables: dict[str, Table]
    open: list["Transaction"] = field(default_factory=list["Transaction"])
    counter: int = 0

    def next_number(self) -> int:
        self.counter += 1
        return self.counter


def make_world(definitions: Iterable[Definition]) -> World:
    world = World({})
    for each in definitions:
        columns = {name: Column(world.next_number(), kind) for name, kind in each.columns.items()}
        world.tables[each.name] = Table(each, columns, dict(columns), {})
    return world


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a transaction can go back to."""

    undo: int
    changes: int


@dataclass(slots=True)
class Transaction:
    """What an open transaction has done, and what it keeps others from."""

    world: World
    changes: list[Change] = field(default_factory=list[Change])
    savepoints: list[tuple[str, Mark]] = field(default_factory=list[tuple[str, Mark]])
    held: set[tuple[str, Key]] = field(default_factory=set[tuple[str, Key]])
    shared: set[str] = field(default_factory=set[str])
    exclusive: set[str] = field(default_factory=set[str])
    _undo: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def mark(self) -> Mark:
        return Mark(len(self._undo), len(self.changes))

    def go_back(self, mark: Mark) -> None:
        """Takes back what was done since. What it holds it goes on holding, to be on the safe
        side."""
        while len(self._undo) > mark.undo:
            self._undo.pop()()
        del self.changes[mark.changes :]

    def others(self) -> list["Transaction"]:
        return [each for each in self.world.open if each is not self]

    # What it may touch.

    def use(self, name: str) -> Table:
        """Writes to rows of a table, which looks into the tables it refers to and is referred to
        by."""
        for each in (name, *self._relatives(name)):
            if any(each in other.exclusive for other in self.others()):
                raise InapplicableError
            self.shared.add(each)
        return self.world.tables[name]

    def seize(self, name: str) -> Table:
        """Locks a whole table, and those that hang together with it."""
        for each in (name, *self._relatives(name)):
            if any(each in other.shared | other.exclusive for other in self.others()):
                raise InapplicableError
            self.exclusive.add(each)
        return self.world.tables[name]

    def hold(self, table: str, key: Key) -> None:
        """Locks a row, or the place of one."""
        if not self.may_hold(table, key):
            raise InapplicableError
        self.held.add((table, key))

    def may_hold(self, table: str, key: Key) -> bool:
        return not any((table, key) in other.held for other in self.others())

    def is_alone_in(self, name: str) -> bool:
        """Whether no other transaction has changed a row of a table."""
        return not any(table == name for other in self.others() for table, _ in other.held)

    def _relatives(self, name: str) -> set[str]:
        return {
            *(each.parent for each in self.world.tables[name].definition.references),
            *(child.name for child, _ in self._references_to(name)),
        }

    def _references_to(self, name: str) -> list[tuple[Table, tuple[str, str]]]:
        return [
            (child, (each.column, each.on_delete))
            for child in self.world.tables.values()
            for each in child.definition.references
            if each.parent == name
        ]

    # What it does.

    def insert(self, table: Table, row: Row) -> None:
        key = table.key_of(row)
        self.hold(table.name, key)
        if key in table.versions:
            raise InapplicableError
        self._hold_parents(table, row, must_exist=True)
        version = Version(row, self.world.next_number())
        self._put(table, key, version)
        self._tell(table, "INSERT", version.life, key, new=row)

    def update(self, table: Table, key: Key, cells: Row) -> None:
        """Changes a row, and what refers to it when its key changes."""
        self.hold(table.name, key)
        before = table.versions.get(key)
        if before is None:
            raise InapplicableError
        row = {**before.row, **cells}
        new_key = table.key_of(row)
        self.hold(table.name, new_key)
        self._hold_parents(table, before.row)
        self._hold_parents(table, row, must_exist=True)
        if row == before.row:
            return
        if new_key != key and new_key in table.versions:
            raise InapplicableError
        moves = table.definition.partition_of(row) != table.definition.partition_of(before.row)
        life = self.world.next_number() if moves else before.life
        self._put(table, key, None)
        self._put(table, new_key, Version(row, life))
        if moves:
            self._tell(table, "DELETE", before.life, key, old=before.row)
            self._tell(table, "INSERT", life, new_key, new=row)
        else:
            self._tell(table, "UPDATE", life, new_key, old=before.row, new=row, earlier=key)
        if new_key != key:
            for child, (column, _) in self._references_to(table.name):
                for each in self._referring(child, column, key):
                    self.update(child, each, {column: new_key[0]})

    def delete(self, table: Table, key: Key) -> None:
        """Removes a row, and what refers to it or the reference."""
        self.hold(table.name, key)
        before = table.versions.get(key)
        if before is None:
            raise InapplicableError
        self._hold_parents(table, before.row)
        self._put(table, key, None)
        self._tell(table, "DELETE", before.life, key, old=before.row)
        for child, (column, on_delete) in self._references_to(table.name):
            for each in self._referring(child, column, key):
                if on_delete == "cascade":
                    self.delete(child, each)
                else:
                    self.update(child, each, {column: None})

    def truncate(self, name: str, leaf: int | None = None) -> None:
        """Empties a table and those that refer to it, or one of its partitions. Each partition
        tells of itself that it was truncated, and so does the table."""
        table = self.seize(name)
        leaves = table.definition.leaves
        for key, version in list(table.versions.items()):
            if leaf is None or table.definition.partition_of(version.row) == leaf:
                self.held.add((name, key))
                self._put(table, key, None)
                self._tell(table, "TRUNCATE", version.life, key, old=version.row)
        whole = Change(
            *(name, "TRUNCATE", 0, None, None, None, None, None, None, None),
            has_drifted=False,
        )
        self.changes += [whole] * (1 if leaf is not None else 1 + len(leaves))
        for child in dict.fromkeys(child.name for child, _ in self._references_to(name)):
            self.truncate(child)

    def alter(
        self, table: Table, columns: Mapping[str, Column], carry: Callable[[Row], Row]
    ) -> None:
        """Gives a table other columns, and each row what it holds in them."""
        before, versions = dict(table.columns), dict(table.versions)

        def undo() -> None:
            table.columns, table.versions = before, versions

        self._undo.append(undo)
        table.columns = dict(columns)
        table.versions = {
            key: Version(carry(version.row), version.life) for key, version in versions.items()
        }

    def refresh(self, table: Table) -> None:
        """Lets capture know the columns of today."""
        known = table.known

        def undo() -> None:
            table.known = known

        self._undo.append(undo)
        table.known = dict(table.columns)

    def _referring(self, child: Table, column: str, key: Key) -> list[Key]:
        return [each for each, v in child.versions.items() if v.row[column] == key[0]]

    def _hold_parents(self, table: Table, row: Row, *, must_exist: bool = False) -> None:
        for each in table.definition.references:
            referred = row[each.column]
            if referred is None:
                continue
            self.hold(each.parent, (referred,))
            if must_exist and (referred,) not in self.world.tables[each.parent].versions:
                raise InapplicableError

    def _put(self, table: Table, key: Key, version: Version | None) -> None:
        before = table.versions.get(key)

        def put(each: Version | None) -> None:
            if each is None:
                table.versions.pop(key, None)
            else:
                table.versions[key] = each

        self._undo.append(lambda: put(before))
        put(version)

    def _tell(
        self,
        table: Table,
        action: str,
        life: int,
        key: Key,
        *,
        old: Row | None = None,
        new: Row | None = None,
        earlier: Key | None = None,
    ) -> None:
        changed = None
        recorded = [None if each is None else table.recorded(each) for each in (old, new)]
        if old is not None and new is not None:
            changed = tuple(name for name in table.columns if old[name] != new[name])
            if not table.definition.is_full and not table.has_drifted:
                recorded = [
                    {name: each[name] for name in changed} for each in recorded if each is not None
                ]
        self.changes.append(
            Change(
                table=table.name,
                action=action,
                life=life,
                record_id=table.record_id(key),
                earlier_id=None if earlier in (None, key) else table.record_id(earlier),
                old=None if old is None else table.images(old),
                new=None if new is None else table.images(new),
                recorded_old=recorded[0],
                recorded_new=recorded[1],
                changed=changed,
                has_drifted=table.has_drifted,
            )
        )
