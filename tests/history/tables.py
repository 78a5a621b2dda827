"""The tables that sequences write to: what they are in SQL, and what the model has to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .cells import Cell


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key to a table with a key of one column; it cascades on update."""

    column: str
    parent: str
    on_delete: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A table, and how it is tracked."""

    name: str
    columns: Mapping[str, str]
    """Name and type, in their order."""
    key: tuple[str, ...]
    """In the order of the primary key."""
    constraints: str
    """What else stands between the parentheses of CREATE TABLE, and after them."""
    partitions: tuple[str, ...] = ()
    """Statements that make its partitions."""
    leaves: tuple[str, ...] = ()
    """The names of its partitions."""
    partition_of: Callable[[Mapping[str, Cell]], int] = field(default=lambda _: 0)
    """Which of its partitions a row belongs to."""
    references: tuple[Reference, ...] = ()
    options: str = ""
    """Arguments of enable_tracking after the first."""
    is_full: bool = False
    """Whether updates are recorded with both whole rows."""
    is_unique: bool = True
    """Whether the server keeps the key unique; else only the sequences do."""

    def statements(self) -> list[str]:
        """What makes it and has it tracked."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        arguments = f"'{self.name}'" + (f", {self.options}" if self.options else "")
        return [
            f"create table {self.name} ({columns}{self.constraints}",
            *self.partitions,
            f"select chronicle.enable_tracking({arguments})",
        ]


def _by_id(row: Mapping[str, Cell]) -> int:
    id_ = int(row["id"] or 0)
    return 0 if id_ < 4 else 1 if id_ < 1000 else 2


def _by_region(row: Mapping[str, Cell]) -> int:
    return int(row["region"] != "1")


DEFINITIONS = (
    Definition(
        "plain", {"id": "integer", "a": "text", "n": "integer"}, ("id",), ", primary key (id))"
    ),
    # The key's order is not that of the columns.
    Definition(
        "pair",
        {"v": "text", "a": "integer", "b": "text", "n": "numeric"},
        ("b", "a"),
        ", primary key (b, a))",
    ),
    Definition(
        "ranged",
        {"id": "integer", "v": "text", "n": "numeric"},
        ("id",),
        ", primary key (id)) partition by range (id)",
        partitions=(
            "create table ranged_low partition of ranged for values from (minvalue) to (4)",
            # Its columns have another order and other numbers.
            "create table ranged_middle (gone text, n numeric, v text, id integer not null)",
            "alter table ranged_middle drop column gone",
            "alter table ranged attach partition ranged_middle for values from (4) to (1000)",
            "create table ranged_rest partition of ranged default",
        ),
        leaves=("ranged_low", "ranged_middle", "ranged_rest"),
        partition_of=_by_id,
    ),
    # Rows move between partitions and keep their key.
    Definition(
        "roaming",
        {"id": "integer", "region": "integer", "v": "text"},
        ("id",),
        ") partition by list (region)",
        partitions=(
            "create table roaming_one partition of roaming for values in (1)",
            "create table roaming_rest partition of roaming default",
        ),
        leaves=("roaming_one", "roaming_rest"),
        partition_of=_by_region,
        options="_key_columns => '{id}'",
        is_unique=False,
    ),
    Definition("parent", {"id": "integer", "v": "text"}, ("id",), ", primary key (id))"),
    Definition(
        "child",
        {"id": "integer", "parent_id": "integer", "buddy_id": "integer", "v": "text"},
        ("id",),
        """, primary key (id),
            foreign key (parent_id) references parent on delete cascade on update cascade,
            foreign key (buddy_id) references parent on delete set null on update cascade)""",
        references=(
            Reference("parent_id", "parent", "cascade"),
            Reference("buddy_id", "parent", "set null"),
        ),
    ),
    Definition(
        "assorted",
        {
            "id": "integer",
            "j": "json",
            "b": "jsonb",
            "n": "numeric",
            "t": "text",
            "arr": "integer[]",
            "f": "double precision",
            "at": "timestamp with time zone",
            "raw": "bytea",
            "yes": "boolean",
        },
        ("id",),
        ", primary key (id))",
    ),
    Definition(
        "complete",
        {"id": "integer", "a": "text", "n": "integer", "j": "json"},
        ("id",),
        ", primary key (id))",
        options="_capture => 'full'",
        is_full=True,
    ),
)
"""All of them, parents before their children."""
