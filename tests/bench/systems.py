"""The audit logs that are compared, each in a database of its own on one server, over copies of the
same two tables.

Peers are installed from the package registry into an environment of their own, and attach their own
triggers, as their documentation says.
"""

import subprocess
import sys
import venv
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import LiteralString

from pgchronicle.migrate import migrate

from .setting import INSTALLER, Connection, Setting

NARROW = "narrow"
"""The table of 12 columns."""

WIDE = "wide"
"""The table of 60 columns."""

NARROW_COLUMNS: LiteralString = """
    id bigint primary key, number uuid, status text, title text, owner text, amount numeric,
    place integer, is_open boolean, created_at timestamptz, changed_at timestamptz, doc jsonb,
    note text
"""

NARROW_ROW: LiteralString = """
    '6f1c4b5e-52a5-4f0c-9d1b-0d6f3a1c2b7e', 'open', 'a title', 'somebody', 12.5, 3, true,
    now(), now(), jsonb_build_object('text', repeat('x', 280)), null
"""

_ELEVEN: tuple[LiteralString, ...] = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11")

WIDE_COLUMNS: LiteralString = (
    "id bigint primary key, number uuid, owner text, weight numeric, note text"
) + "".join(
    f", title_{n} text, place_{n} integer, amount_{n} numeric, is_open_{n} boolean"
    f", changed_at_{n} timestamptz"
    for n in _ELEVEN
)

WIDE_ROW: LiteralString = (
    "'6f1c4b5e-52a5-4f0c-9d1b-0d6f3a1c2b7e', 'somebody', 12.5, null"
    + ", 'a title', 3, 12.5, true, now()" * 11
)

INSERT: LiteralString = f"insert into {NARROW} values (%s, {NARROW_ROW})"
UPDATE: LiteralString = f"update {NARROW} set place = place + 1 where id = %s"
DELETE: LiteralString = f"delete from {NARROW} where id = %s"
WIDE_UPDATE: LiteralString = f"update {WIDE} set place_7 = place_7 + 1 where id = %s"

_FILL_WIDE: LiteralString = (
    f"insert into {WIDE} select id, {WIDE_ROW} from generate_series(1, %s::bigint) as id"
)

# What one finds where somebody shows how it is done: one function for all tables, both rows whole.
_TEXTBOOK: tuple[LiteralString, ...] = (
    """
    create table audit_log (
        id bigserial primary key,
        changed_at timestamptz not null default clock_timestamp(),
        table_name text not null,
        operation text not null,
        changed_by text not null default session_user,
        old_row jsonb,
        new_row jsonb
    )
    """,
    """
    create function record_change() returns trigger language plpgsql security definer as $$
    begin
        if tg_op = 'INSERT' then
            insert into audit_log (table_name, operation, new_row)
            values (tg_table_name, tg_op, to_jsonb(new));
        elsif tg_op = 'UPDATE' then
            insert into audit_log (table_name, operation, old_row, new_row)
            values (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new));
        else
            insert into audit_log (table_name, operation, old_row)
            values (tg_table_name, tg_op, to_jsonb(old));
        end if;
        return null;
    end
    $$
    """,
    "create trigger record_change after insert or update or delete on narrow"
    " for each row execute function record_change()",
    "create trigger record_change after insert or update or delete on wide"
    " for each row execute function record_change()",
)

_PEERS = Path(__file__).parent / "peers"

_REQUIREMENTS = _PEERS / "requirements.txt"

_ENVIRONMENT = Path(sys.prefix) / "peers"


@dataclass(frozen=True, slots=True)
class System:
    """An audit log, or none."""

    name: str
    install: Callable[[Setting, str], None]
    stores_json: bool = True

    @property
    def database(self) -> str:
        """The database in which it watches the two tables."""
        return "peer_" + self.name.replace(" ", "_").replace("-", "_")


def _install_nothing(_setting: Setting, _database: str) -> None:
    pass


def _install_ours(setting: Setting, database: str) -> None:
    migrate(setting.server.dsn(database, INSTALLER))
    with setting.connect(INSTALLER, database) as owner:
        for table in (NARROW, WIDE):
            owner.execute("select chronicle.enable_tracking(%s::regclass)", (table,))


def _install_textbook(setting: Setting, database: str) -> None:
    with setting.connect(INSTALLER, database) as owner:
        for statement in _TEXTBOOK:
            owner.execute(statement)


def _install_peer(script: str, level: str, setting: Setting, database: str) -> None:
    dsn = setting.server.dsn(database, INSTALLER)
    _run_in_environment(str(_PEERS / script), dsn, level, NARROW, WIDE)


def _run_in_environment(*arguments: str) -> None:
    """Runs the Python for which the peers are installed; installs them first if need be."""
    installed = _ENVIRONMENT / "installed.txt"
    wanted = _REQUIREMENTS.read_text()
    if not installed.exists() or installed.read_text() != wanted:
        venv.create(_ENVIRONMENT, clear=True, with_pip=True)
        _run_python("-m", "pip", "install", "--quiet", "--requirement", str(_REQUIREMENTS))
        installed.write_text(wanted)
    _run_python(*arguments)


def _run_python(*arguments: str) -> None:
    ran = subprocess.run(
        [_ENVIRONMENT / "bin" / "python", *arguments], check=False, capture_output=True, text=True
    )
    if ran.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {ran.stderr.strip()}")


BARE = System("untracked", _install_nothing)
OURS = System("pgchronicle", _install_ours)
TEXTBOOK = System("textbook", _install_textbook)
POSTGRESQL_AUDIT_STATEMENT = System(
    "postgresql-audit statement",
    partial(_install_peer, "install_postgresql_audit.py", "statement"),
)

_PACKAGES = (
    System("postgresql-audit row", partial(_install_peer, "install_postgresql_audit.py", "row")),
    POSTGRESQL_AUDIT_STATEMENT,
    System(
        "django-pghistory row",
        partial(_install_peer, "install_django_pghistory.py", "row"),
        stores_json=False,
    ),
    System(
        "django-pghistory statement",
        partial(_install_peer, "install_django_pghistory.py", "statement"),
        stores_json=False,
    ),
)


def peers(*, with_packages: bool) -> tuple[System, ...]:
    """Who is compared with: those that need nothing installed, or all."""
    return (TEXTBOOK, *(_PACKAGES if with_packages else ()))


@dataclass(frozen=True, slots=True)
class Seat:
    """A system in its database, with the sessions in which its turns take place.

    Statements of one row and of many have each their own: in the same, some peers would keep the
    plan for one row, and be slow beyond comparison.
    """

    system: System
    setting: Setting
    for_one: Connection
    for_many: Connection


def sit_down(setting: Setting, system: System, stack: ExitStack) -> Seat:
    """Makes a system's database with the two tables, and lets it watch them."""
    setting.make_database(system.database)
    with setting.connect(INSTALLER, system.database) as owner:
        owner.execute(f"create table {NARROW} ({NARROW_COLUMNS})")
        owner.execute(f"create table {WIDE} ({WIDE_COLUMNS})")
        owner.execute(_FILL_WIDE, (setting.sizes.statements,))
    system.install(setting, system.database)
    return Seat(
        system,
        setting,
        *(stack.enter_context(setting.connect(INSTALLER, system.database)) for _ in range(2)),
    )
