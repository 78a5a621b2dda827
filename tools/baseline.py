"""Writes migrations/ from sql/, until the first release; after it, migrations are written by hand.

sql/install.sql is a script for psql and the table of contents. A header line and a line that says
why begin a group, and a group becomes one migration:

    -- migration: 0002_log
    -- The log itself.
    set local role chronicle_owner;
    \\ir log/events.sql

Files are put in where they are named, other statements stay where they are, further comments go.

The rollback drops, the last made first, what the group's files comment on: the house has no object
without a comment. It does so as the owner of the schemas. What it must do before or after that
stands in sql/rollback/0002_log.before.sql and 0002_log.after.sql.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "pgchronicle_"
OWNER = "set local role chronicle_owner;"

# An object of the first kind is dropped by name; one of the second goes with what it belongs to.
DROPPED = (
    *("schema", "type", "domain", "table", "view", "sequence"),
    *("function", "procedure", "aggregate"),
    *("policy", "trigger"),
)
IMPLICIT = ("column", "constraint", "index", "role")

HEADER = re.compile(r"-- migration: (?P<name>\d{4}_[a-z0-9_]+)$")
INCLUDE = re.compile(r"\\ir (?P<path>\S+)$")
TRANSACTION = re.compile(r"(begin|start|commit|end|rollback|abort|savepoint)\b", re.IGNORECASE)

# Whatever may hold the words of a statement without being one.
OPAQUE = re.compile(
    r"""
    \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$   # dollar-quoted: bodies of functions
    | [eE]'(?: [^'\\] | \\. | '' )*'
    | '(?: [^'] | '' )*'
    | --[^\n]*
    | /\* .*? \*/
    """,
    re.DOTALL | re.VERBOSE,
)
COMMENT_ON = re.compile(r"(?:^|;)\s*comment\s+on\s+(?P<what>[^;]*?)\s+is\s*(?=;)", re.DOTALL)


class BaselineError(Exception):
    """sql/ is not written in the way that this tool reads."""


@dataclass(slots=True)
class Group:
    """The part of install.sql that becomes one migration."""

    name: str
    why: str = ""
    parts: list[str] = field(default_factory=list[str])

    @property
    def migration_id(self) -> str:
        return PREFIX + self.name


def read_groups(sql: Path) -> list[Group]:
    """The groups of install.sql, with the text of their files."""
    groups: list[Group] = []
    for number, line in enumerate((sql / "install.sql").read_text().splitlines(), start=1):
        header = HEADER.match(line)
        if header:
            groups.append(Group(header["name"]))
        elif not groups or not line.strip():
            # Above the first group stands what is meant for psql and for readers.
            continue
        elif line.startswith("--"):
            groups[-1].why = groups[-1].why or line.removeprefix("--").strip()
        elif include := INCLUDE.match(line):
            groups[-1].parts.append((sql / include["path"]).read_text().strip())
        elif line.startswith("\\") or TRANSACTION.match(line):
            raise BaselineError(f"install.sql:{number}: a migration cannot hold this line: {line}")
        else:
            groups[-1].parts.append(line)
    for group in groups:
        if not group.why:
            raise BaselineError(f"install.sql: {group.name} does not say why")
    return groups


def dropped(text: str) -> Iterator[tuple[int, str]]:
    """A statement for each object that the text comments on, and the round in which to drop it.

    Trigger functions wait for the second: their triggers go with the tables, and partitions carry
    triggers that no file names. Schemas wait for the third.
    """
    code = OPAQUE.sub("", text)
    for match in COMMENT_ON.finditer(code):
        kind, name = match["what"].split(maxsplit=1)
        is_trigger_function = kind == "function" and re.search(
            rf"function\s+{re.escape(name)}\s+returns\s+trigger\b", code
        )
        if kind in DROPPED:
            turn = 3 if kind == "schema" else 2 if is_trigger_function else 1
            # A comment on an aggregate is laid out with a space there, a drop without.
            yield turn, f"drop {kind} {name.replace(' (', '(', 1)};"
        elif kind not in IMPLICIT:
            raise BaselineError(f"cannot tell how to drop {kind} {name}")


def forward(group: Group, previous: Group | None) -> str:
    """The text of the migration."""
    head = f"-- {group.why}"
    if previous:
        head += f"\n-- depends: {previous.migration_id}"
    return "\n\n".join([head, *group.parts]) + "\n"


def backward(group: Group, sql: Path) -> str:
    """The text of its rollback."""
    found = [statement for part in group.parts for statement in dropped(part)]
    found.reverse()
    found.sort(key=lambda statement: statement[0])
    drops = "\n".join(text for _, text in found)
    before, after = (
        path.read_text().strip() if path.exists() else ""
        for path in (sql / "rollback" / f"{group.name}.{when}.sql" for when in ("before", "after"))
    )
    parts = [f"-- Undoes {group.migration_id}.", OWNER, before, drops, after]
    return "\n\n".join(part for part in parts if part) + "\n"


def generate(sql: Path) -> dict[str, str]:
    """The migrations that belong to sql/, by file name."""
    groups = read_groups(sql)
    files: dict[str, str] = {}
    for previous, group in zip([None, *groups], groups, strict=False):
        files[f"{group.migration_id}.sql"] = forward(group, previous)
        files[f"{group.migration_id}.rollback.sql"] = backward(group, sql)
    names = {group.name for group in groups}
    for path in sorted((sql / "rollback").glob("*.sql")):
        if path.name.split(".")[0] not in names:
            raise BaselineError(f"rollback/{path.name} belongs to no migration")
    return files


def stale(directory: Path, files: dict[str, str]) -> list[str]:
    """The names of files that are missing, different, or there for no reason."""
    there = {path.name: path.read_text() for path in directory.glob(f"{PREFIX}*.sql")}
    return sorted(
        name for name in files.keys() | there.keys() if files.get(name) != there.get(name)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Write migrations/ from sql/.")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if it would")
    check = bool(parser.parse_args().check)
    directory = ROOT / "migrations"
    try:
        files = generate(ROOT / "sql")
    except (BaselineError, OSError) as error:
        print(f"baseline: {error}", file=sys.stderr)
        return 2
    names = stale(directory, files)
    for name in names:
        if check:
            print(f"migrations/{name} is not what sql/ says; run: make baseline", file=sys.stderr)
        elif name in files:
            directory.mkdir(exist_ok=True)
            (directory / name).write_text(files[name])
        else:
            (directory / name).unlink()
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
