"""What ``pgchronicle doctor`` looks at. Most of it is read from the catalogs, which anybody may."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import dict_row

from pgchronicle import _words, migrate
from pgchronicle.seals.canonical import PAYLOAD_FIELDS

State: TypeAlias = Literal["ok", "warning", "critical", "unknown"]
Session: TypeAlias = psycopg.Connection[Any]

OLDEST_SERVER = 140000

_AS_OWNER = "set role chronicle_owner; "

# What each role of ours may do with the log, and nobody else.
_LOG_GRANTS = {
    ("chronicle_writer", "INSERT"),
    ("chronicle_reader", "SELECT"),
    ("chronicle_sealer", "SELECT"),
    # Where erasure is enabled.
    ("chronicle_eraser", "SELECT"),
}
# The columns that the last of them may update, then.
_ERASABLE = ("payload_salt", *PAYLOAD_FIELDS)
# The triggers that refuse changes. They fire always, in replica mode too.
_ROW_GUARDS = {
    "events_reject_row_change": "before delete on {} for each row execute function "
    "chronicle.reject_change()",
    "events_check_erasure": "before update on {} for each row execute function "
    "chronicle.check_erasure()",
}
_LOG_GUARDS = {
    **_ROW_GUARDS,
    "events_reject_change": "before delete or truncate on {} for each statement execute function "
    "chronicle.reject_change()",
    "events_reject_update": "before update on {} for each statement "
    "when (current_user <> 'chronicle_eraser') execute function chronicle.reject_change()",
}
_PARTITION_GUARDS = {
    **_ROW_GUARDS,
    "events_reject_change": "before update or delete or truncate on {} for each statement "
    "execute function chronicle.reject_change()",
}
_MEMBERSHIPS = (
    ("chronicle_writer", "chronicle_owner"),
    ("chronicle_sealer", "chronicle_owner"),
    ("chronicle_reader", "chronicle_owner"),
    ("chronicle_table_reader", "chronicle_owner"),
    ("chronicle_verifier", "chronicle_owner"),
    ("chronicle_reader", "chronicle_auditor"),
)
_ROLES = (
    "chronicle_owner",
    "chronicle_writer",
    "chronicle_sealer",
    "chronicle_table_reader",
    "chronicle_verifier",
    "chronicle_app",
    "chronicle_reader",
    "chronicle_auditor",
    "chronicle_admin",
)

# The first thing that a migration makes: it is there if the migration was applied.
_LANDMARK = re.compile(
    r"^create (?:or replace )?(schema|type|table|view|function) (?:(\w+)\.)?(\w+)", re.MULTILINE
)

# What is not covered names it where it helps.
_REFRESH = "chronicle.refresh_tracking"

# What has been sealed by. Nobody may do anything with them but read, and these roles insert.
_SEAL_TABLES = ("seal_batches", "seal_leaves", "seal_nodes", "epochs", "erasures")
_SEAL_WRITERS = ("chronicle_sealer", "chronicle_eraser")

# A transaction that is open for longer holds back what follows the log, and an event that
# is not sealed for longer is not looked after.
_PATIENCE = timedelta(minutes=10)

_PARTITION_NAME = re.compile(r"events_(\d{4})_(?:(\d\d)(?:_(\d\d))?|w(\d\d)|q(\d))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one thing stands, and what mends it."""

    check: str
    state: State
    finding: str
    fix: str | None = None
    """SQL, or a command."""


def findings(dsn: str, session: Session) -> Iterator[Finding]:
    """All findings, in the order in which they should be mended."""
    # Bounds of partitions are read as text.
    session.execute("set timezone = 'UTC'")
    session.execute("set datestyle = 'ISO'")
    yield _server(session)
    owner = _schema_owner(session)
    if owner not in (None, "chronicle_owner"):
        yield Finding(
            check="migrations",
            state="critical",
            finding=f"the schema chronicle belongs to {owner} and is not pgchronicle's",
            fix="alter schema chronicle rename to another_name;  -- then: pgchronicle migrate",
        )
        return
    yield from _migrations(dsn, session)
    if owner is None:
        return
    checks: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
        ("roles", _roles),
        # First, because partitions cannot be made where DEFAULT holds events.
        ("default partition", _default_partition),
        ("partitions", _partitions),
        ("guards", _guards),
        ("capture functions", _capture_functions),
        ("tracked tables", _tracked_tables),
        ("administrators", _administrators),
        ("gateways", _gateways),
        ("stream", _stream),
        ("seals", _seal_guards),
        ("seals", _seals),
    )
    for name, check in checks:
        try:
            yield from check(session)
        except psycopg.errors.InsufficientPrivilege as error:
            yield Finding(
                check=name,
                state="unknown",
                finding=f"cannot be seen from here: {error.diag.message_primary}",
                fix=f"-- as a role that has chronicle_admin, not {session.info.user}",
            )


def _schema_owner(session: Session) -> str | None:
    rows = _rows(
        session,
        """
        select pg_catalog.pg_get_userbyid(n.nspowner) as owner
        from pg_catalog.pg_namespace as n where n.nspname = 'chronicle'
        """,
    )
    return rows[0]["owner"] if rows else None


def _server(session: Session) -> Finding:
    name = session.info.parameter_status("server_version")
    if session.info.server_version < OLDEST_SERVER:
        return Finding(
            check="server",
            state="critical",
            finding=f"PostgreSQL {name} is older than 14",
            fix="-- upgrade the server",
        )
    return Finding(check="server", state="ok", finding=f"PostgreSQL {name}")


# Migrations


def _migrations(dsn: str, session: Session) -> Iterator[Finding]:
    try:
        pending = migrate.pending(dsn)
    except migrate.MigrationsLostError as error:
        yield Finding(
            check="migrations",
            state="critical",
            finding=f"{error.message}. {error.detail}",
            fix=f"{error.mend}  -- if the log need not be restored; then: pgchronicle migrate",
        )
        return
    except migrate.MigrationError as error:
        yield Finding(
            check="migrations",
            state="unknown",
            finding=f"{error.message}. {error.detail or ''}".strip(),
            fix=f"-- {error.hint}" if error.hint else None,
        )
        return
    unmarked = [migration for migration in pending if _is_applied(session, migration)]
    if not pending:
        yield Finding(check="migrations", state="ok", finding="all are applied")
    elif not unmarked:
        there = "" if len(pending) == 1 else "s"
        yield Finding(
            check="migrations",
            state="critical",
            finding=f"{len(pending)} migration{there} to apply, the first is {pending[0]}",
            fix="pgchronicle migrate",
        )
    elif len(unmarked) == len(pending) and not _sees_bookkeeping(session):
        yield Finding(
            check="migrations",
            state="ok",
            finding="all are applied, without a record by yoyo, or none that this role may read",
        )
    else:
        for migration in unmarked:
            yield Finding(
                check="migrations",
                state="critical",
                finding=f"{migration} is applied but not marked: its run ended in between",
                fix="yoyo mark --batch --database postgresql+psycopg:// "
                f"--match '^{migration}$' {migrate.migrations_dir()}  # PGHOST, ... say where",
            )


def _is_applied(session: Session, migration: str) -> bool:
    text = (migrate.migrations_dir() / f"{migration}.sql").read_text()
    landmark = _LANDMARK.search(text)
    if landmark is None:
        return False
    kind, schema, name = landmark.groups()
    queries = {
        "schema": "select from pg_catalog.pg_namespace where nspname = %(name)s",
        "type": """
            select from pg_catalog.pg_type as t
            inner join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
            where n.nspname = %(schema)s and t.typname = %(name)s
            """,
        "function": """
            select from pg_catalog.pg_proc as p
            inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
            where n.nspname = %(schema)s and p.proname = %(name)s
            """,
    }
    relation = """
        select from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = %(schema)s and c.relname = %(name)s
        """
    return bool(_rows(session, queries.get(kind, relation), schema=schema, name=name))


def _sees_bookkeeping(session: Session) -> bool:
    return bool(
        _rows(
            session,
            """
            select from pg_catalog.pg_class as c
            where c.relname = '_yoyo_migration'
                and c.relkind = 'r'
                and pg_catalog.has_schema_privilege(c.relnamespace, 'usage')
                and pg_catalog.has_table_privilege(c.oid, 'select')
            """,
        )
    )


# Roles


def _roles(session: Session) -> Iterator[Finding]:
    present = {
        row["rolname"]
        for row in _rows(
            session,
            "select rolname from pg_catalog.pg_roles where rolname = any(%(roles)s)",
            roles=list(_ROLES),
        )
    }
    bad = False
    for role in _ROLES:
        if role not in present:
            bad = True
            yield Finding(
                check="roles",
                state="critical",
                finding=f"there is no role {role}",
                fix=f"create role {role} nologin;  -- and restore its rights from a dump",
            )
    if bad:
        return
    for role, member in _MEMBERSHIPS:
        if not _rows(
            session,
            "select where pg_catalog.pg_has_role(%(member)s, %(role)s, 'member')",
            member=member,
            role=role,
        ):
            bad = True
            yield Finding(
                check="roles",
                state="critical",
                finding=f"{member} is no member of {role}",
                fix=f"grant {role} to {member};",
            )
    for row in _strangers(session):
        bad = True
        yield Finding(
            check="roles",
            state="critical",
            finding=f"{row['member']} can act as {row['role']}, past the functions of the log",
            fix=f"revoke {row['role']} from {row['member']};",
        )
    if not bad:
        yield Finding(check="roles", state="ok", finding="all are there, and nobody plays them")


def _strangers(session: Session) -> list[dict[str, Any]]:
    """Roles that log in and can become one that owns functions, without being the log's owner.

    Since version 16 membership alone, which the maker of a role has, does not let one become it.
    """
    privilege = "set" if session.info.server_version >= 160000 else "member"
    return _rows(
        session,
        """
        select quote_ident(r.rolname) as member, f.role
        from pg_catalog.pg_roles as r
        cross join (
            values
            ('chronicle_writer'), ('chronicle_sealer'), ('chronicle_table_reader'),
            ('chronicle_verifier'), ('chronicle_eraser')
        ) as f (role)
        inner join pg_catalog.pg_roles as o on o.rolname = f.role
        where
            r.rolcanlogin
            and not r.rolsuper
            and pg_catalog.pg_has_role(r.oid, o.oid, %(privilege)s)
            and not pg_catalog.pg_has_role(r.oid, 'chronicle_owner', %(privilege)s)
        order by 1, 2
        """,
        privilege=privilege,
    )


# Partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partition:
    oid: int
    is_default: bool
    from_time: datetime | None
    """None: no partition begins earlier. None of DEFAULT's two means anything."""
    to_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A span of time, in UTC, with its begin and without its end. None: without limit."""

    begin: datetime | None
    end: datetime | None

    def __contains__(self, time: datetime) -> bool:
        return (self.begin is None or self.begin <= time) and (self.end is None or time < self.end)

    def __str__(self) -> str:
        begin = f"from {_short(self.begin)}" if self.begin else ""
        end = f"until {_short(self.end)}" if self.end else ""
        return f"{begin} {end}".strip() or "at all"

    @property
    def bounds(self) -> str:
        """As SQL."""
        begin = f"'{self.begin.isoformat()}'" if self.begin else "minvalue"
        end = f"'{self.end.isoformat()}'" if self.end else "maxvalue"
        return f"for values from ({begin}) to ({end})"


def _short(time: datetime) -> str:
    return time.isoformat(" ").removesuffix("+00:00").removesuffix(" 00:00:00")


def _list_partitions(session: Session) -> list[_Partition]:
    rows = _rows(
        session,
        r"""
        select
            c.oid,
            x.bound = 'DEFAULT' as is_default,
            substring(x.bound from $r$FROM \('([^']+)'\)$r$)::timestamptz as from_time,
            substring(x.bound from $r$TO \('([^']+)'\)$r$)::timestamptz as to_time
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        inner join pg_catalog.pg_class as p on p.oid = i.inhparent
        inner join pg_catalog.pg_namespace as n on n.oid = p.relnamespace
        cross join lateral pg_catalog.pg_get_expr(c.relpartbound, c.oid) as x (bound)
        where n.nspname = 'chronicle' and p.relname = 'events' and not i.inhdetachpending
        """,
    )
    return [_Partition(**row) for row in rows]


def _uncovered(partitions: list[_Partition]) -> list[_Span]:
    """The times whose events go to DEFAULT, in their order: gaps, and what follows the last one."""
    bounded = [partition for partition in partitions if not partition.is_default]
    if not bounded:
        return [_Span(begin=None, end=None)]
    bounded.sort(key=lambda p: (p.from_time is not None, p.from_time))
    spans: list[_Span] = []
    reached = None
    for partition in bounded:
        if partition.from_time != reached:
            spans.append(_Span(begin=reached, end=partition.from_time))
        reached = partition.to_time
    if reached is not None:
        spans.append(_Span(begin=reached, end=None))
    return spans


def _partitions(session: Session) -> Iterator[Finding]:
    partitions = _list_partitions(session)
    now: datetime = _rows(session, "select now()")[0]["now"]
    fix = "select chronicle.ensure_partitions();"
    if not any(partition.is_default for partition in partitions):
        yield Finding(
            check="partitions",
            state="critical",
            finding="there is no DEFAULT partition: an event beyond the last one is refused",
            fix=f"{_AS_OWNER}select chronicle.add_partition('events_default', 'default');",
        )
    detached = _detached(session)
    for table in detached:
        place = _place(table, _uncovered(partitions))
        attach = f"alter table chronicle.events attach partition chronicle.{table}"
        yield Finding(
            check="partitions",
            state="critical",
            finding=f"chronicle.{table} is detached: its events are in the log no more",
            fix=f"{_AS_OWNER}{attach} {place.bounds};"
            if place
            else f"-- as chronicle_owner, with its bounds: {attach}",
        )
        if place:
            # What is found beside it is what is still missing when it is back.
            partitions.append(
                _Partition(oid=0, is_default=False, from_time=place.begin, to_time=place.end)
            )
    missing = [span for span in _uncovered(partitions) if span.end is not None or now in span]
    for span in missing:
        is_present = now in span
        yield Finding(
            check="partitions",
            # Before the first one, partitions may have been dropped because of their age.
            state="critical" if is_present or span.begin is not None else "warning",
            finding=f"there is none {'for the present time, ' if is_present else ''}{span}. "
            "Events of a partition that was dropped are lost",
            fix=fix
            if span.begin is not None
            else f"{_AS_OWNER}select chronicle.add_partition('events_earlier', "
            f"$${_limited(session, span, now).bounds}$$); {fix}",
        )
    if missing or detached:
        return
    last = max((p.to_time for p in partitions if p.to_time is not None), default=None)
    ahead = sum(p.from_time is not None and p.from_time > now for p in partitions)
    wanted = _partitions_ahead(session)
    is_enough = ahead >= wanted or last is None
    yield Finding(
        check="partitions",
        state="ok" if is_enough else "warning",
        finding=f"{ahead} of {wanted} are ready ahead, {_Span(begin=None, end=last)}",
        fix=None if is_enough else fix,
    )


def _detached(session: Session) -> list[str]:
    """The tables that were partitions of the log: their guard against statements stays."""
    rows = _rows(
        session,
        """
        select c.relname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where
            n.nspname = 'chronicle'
            and c.relkind = 'r'
            and not c.relispartition
            and exists (
                select from pg_catalog.pg_trigger as t
                inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
                where t.tgrelid = c.oid
                    and t.tgname = 'events_reject_change'
                    and p.proname = 'reject_change'
            )
        order by 1
        """,
    )
    return [row["relname"] for row in rows]


def _place(table: str, uncovered: list[_Span]) -> _Span | None:
    """Where a partition was, by its name, as far as no other is there now."""
    try:
        named = _named_span(table)
    except ValueError:  # as the 31st of February
        return None
    if named is None:
        return None
    for span in uncovered:
        if named.begin is None:
            if span.begin is None and span.end is not None:
                return span
            continue
        begin = max(named.begin, span.begin) if span.begin else named.begin
        end = min(filter(None, (named.end, span.end)), default=None)
        if end is not None and begin < end:
            return _Span(begin=begin, end=end)
    return None


def _named_span(table: str) -> _Span | None:
    """The span of a partition by its name, which ``chronicle.partition_name`` gives."""
    if table == "events_earlier":
        return _Span(begin=None, end=None)
    match = _PARTITION_NAME.fullmatch(table)
    if match is None:
        return None
    year, month, day, week, quarter = (int(part) if part else 0 for part in match.groups())
    if week:
        begin = datetime.fromisocalendar(year, week, 1).replace(tzinfo=UTC)
        return _Span(begin=begin, end=begin + timedelta(weeks=1))
    month = month or 3 * quarter - 2
    begin = datetime(year, month, day or 1, tzinfo=UTC)
    if day:
        return _Span(begin=begin, end=begin + timedelta(days=1))
    months = 12 * year + month - 1 + (3 if quarter else 1)
    return _Span(begin=begin, end=datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))


def _partitions_ahead(session: Session) -> int:
    rows = _rows(session, "select value from chronicle.settings where name = 'partitions_ahead'")
    return int(rows[0]["value"])


def _default_partition(session: Session) -> Iterator[Finding]:
    """DEFAULT should hold nothing. Only an auditor sees whether it does."""
    auditor = _rows(
        session, "select where pg_catalog.pg_has_role(current_user, 'chronicle_auditor', 'usage')"
    )
    if not auditor:
        yield Finding(
            check="default partition",
            state="unknown",
            finding="only an auditor sees whether it is empty",
            fix=f"-- as a role that has chronicle_auditor, not {session.info.user}",
        )
        return
    partitions = _list_partitions(session)
    default = next((p.oid for p in partitions if p.is_default), None)
    found = [
        (span, row["events"], row["newest"])
        for span in _uncovered(partitions)
        for row in _rows(
            session,
            # The times alone would do, and keep the other partitions from being read.
            """
            select count(*) as events, max(e.occurred_at) as newest
            from chronicle.events as e
            where e.tableoid = %(default)s::oid
                and e.occurred_at >= coalesce(%(begin)s::timestamptz, '-infinity')
                and e.occurred_at < coalesce(%(end)s::timestamptz, 'infinity')
            """,
            default=default,
            begin=span.begin,
            end=span.end,
        )
        if row["events"]
    ]
    if not found:
        yield Finding(check="default partition", state="ok", finding="it is empty")
        return
    yield Finding(
        check="default partition",
        state="critical",
        finding=f"{sum(events for _, events, _ in found)} events lie in it, of the time "
        f"{' and '.join(str(span) for span, _, _ in found)}, and keep partitions from being made "
        "there",
        fix=_rescue([_limited(session, span, newest) for span, _, newest in found]),
    )


def _limited(session: Session, span: _Span, newest: datetime) -> _Span:
    """The span; if it has no end, until where the partition of its newest event would end."""
    if span.end is not None:
        return span
    end = _rows(
        session,
        """
        select
            date_trunc(s.value #>> '{}', %(newest)s::timestamptz) + case s.value #>> '{}'
                when 'quarter' then interval '3 months'
                else ('1 ' || (s.value #>> '{}'))::interval
            end as until
        from chronicle.settings as s
        where s.name = 'partition_interval'
        """,
        newest=newest,
    )[0]["until"]
    return _Span(begin=span.begin, end=end)


def _rescue(spans: list[_Span]) -> str:
    """SQL that gives what DEFAULT holds an ordinary partition for each span.

    For one span that is DEFAULT itself, and no row is moved.
    """
    names = [
        f"events_from_{span.begin:%Y_%m_%d}" if span.begin else "events_earlier" for span in spans
    ]
    new_default = "select chronicle.add_partition('events_default', 'default'); "
    if len(spans) == 1:
        steps = (
            f"alter table chronicle.events_default rename to {names[0]}; "
            f"alter table chronicle.events attach partition chronicle.{names[0]} "
            f"{spans[0].bounds}; {new_default}"
        )
    else:
        steps = (
            "alter table chronicle.events_default rename to events_moved; "
            "alter table chronicle.events_moved disable row level security; "
            "grant select on chronicle.events_moved to chronicle_writer; "
            + "".join(
                f"select chronicle.add_partition('{name}', $${span.bounds}$$); "
                for name, span in zip(names, spans, strict=True)
            )
            + new_default
            # Row-level security lets nobody else insert, not even the owner.
            + "set local role chronicle_writer; "
            "insert into chronicle.events table chronicle.events_moved; "
            "set local role chronicle_owner; drop table chronicle.events_moved; "
        )
    return (
        "begin; set local role chronicle_owner; "
        "alter table chronicle.events detach partition chronicle.events_default; "
        f"{steps}commit; select chronicle.ensure_partitions();"
    )


# Guards


def _guards(session: Session) -> Iterator[Finding]:
    """The log and each partition: no side door by rights, row-level security or triggers."""
    tables = _rows(
        session,
        """
        select
            c.relname,
            c.relname = 'events' as is_parent,
            c.relrowsecurity and c.relforcerowsecurity as is_forced,
            pg_catalog.pg_get_userbyid(c.relowner) as owner,
            array(
                select array[t.tgname::text, t.tgenabled::text] from pg_catalog.pg_trigger as t
                inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
                where t.tgrelid = c.oid and p.proname in ('reject_change', 'check_erasure')
            ) as guards,
            array(
                select array[
                    case
                        when a.grantee = 0 then 'public'
                        else quote_ident(pg_catalog.pg_get_userbyid(a.grantee))
                    end,
                    a.privilege_type
                ]
                from (
                    select null as column_name, c.relacl as acl
                    union all
                    select f.attname, f.attacl from pg_catalog.pg_attribute as f
                    where f.attrelid = c.oid and f.attacl is not null
                ) as g
                cross join lateral pg_catalog.aclexplode(g.acl) as a
                where a.grantee <> c.relowner
                    and not (
                        c.relname = 'events'
                        and coalesce(g.column_name = any(%(erasable)s), false)
                        and a.privilege_type = 'UPDATE'
                        and pg_catalog.pg_get_userbyid(a.grantee) = 'chronicle_eraser'
                    )
            ) as grants
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        left join pg_catalog.pg_inherits as i on i.inhrelid = c.oid
        left join pg_catalog.pg_class as p on p.oid = i.inhparent
        where
            n.nspname = 'chronicle'
            and c.relkind in ('r', 'p')
            and 'events' in (c.relname, p.relname)
        order by c.relname
        """,
        erasable=list(_ERASABLE),
    )
    # The row guards of the partitions are clones of the log's, and come back with it.
    cloned = [
        guard
        for table in tables
        if table["is_parent"]
        for guard in _ROW_GUARDS
        if guard not in _guards_of(table)
    ]
    doors = [
        (finding, fix)
        for table in tables
        for finding, fix in _side_doors(table)
        if table["is_parent"] or not any(f"create trigger {guard} " in fix for guard in cloned)
    ]
    for finding, fix in doors:
        yield Finding(check="guards", state="critical", finding=finding, fix=_AS_OWNER + fix)
    if not doors:
        yield Finding(
            check="guards",
            state="ok",
            finding=f"the log and its {len(tables) - 1} partitions have no side door",
        )


def _guards_of(table: dict[str, Any]) -> dict[str, str]:
    """The guards of a table, and when each fires: A is always."""
    return dict(table["guards"])


def _side_doors(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is open, and the SQL that closes it."""
    name = f"chronicle.{table['relname']}"
    if not table["is_forced"]:
        yield (
            f"row-level security of {name} is not forced",
            f"alter table {name} enable row level security, force row level security;",
        )
    guards = _guards_of(table)
    for trigger, what in (_LOG_GUARDS if table["is_parent"] else _PARTITION_GUARDS).items():
        always = f"alter table {name} enable always trigger {trigger};"
        if trigger not in guards:
            yield (
                f"the guard {trigger} of {name} is gone",
                f"create trigger {trigger} {what.format(name)}; {always}",
            )
        elif guards[trigger] != "A":
            yield f"the guard {trigger} of {name} does not always fire", always
    allowed = _LOG_GRANTS if table["is_parent"] else set[tuple[str, str]]()
    for grantee, privilege in sorted({(grant[0], grant[1]) for grant in table["grants"]}):
        if (grantee, privilege) not in allowed:
            yield (
                f"{grantee} has {privilege} on {name}",
                f"revoke {privilege.lower()} on {name} from {grantee};",
            )
    if table["owner"] != "chronicle_owner":
        yield (
            f"{name} belongs to {table['owner']}, not to chronicle_owner",
            f"-- as {table['owner']}: alter table {name} owner to chronicle_owner;",
        )


# Capture


def _capture_functions(session: Session) -> Iterator[Finding]:
    """A capture function lends the right to write events: it is for its trigger alone, and for the
    owner of a partitioned table, whom the server asks for it when a partition is made."""
    functions = _rows(
        session,
        """
        select
            p.proname,
            pg_catalog.pg_get_userbyid(p.proowner) as owner,
            array(
                select case a.grantee when 0 then 'public' else a.grantee::regrole::text end
                from pg_catalog.aclexplode(
                    coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
                ) as a
                where not (
                    p.proname !~ '_truncate$'
                    and exists (
                        select from pg_catalog.pg_trigger as t
                        inner join pg_catalog.pg_class as c on c.oid = t.tgrelid
                        where t.tgfoid = p.oid and c.relkind = 'p' and c.relowner = a.grantee
                    )
                )
            ) as grantees
        from pg_catalog.pg_proc as p
        inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        where n.nspname = 'chronicle_capture'
        order by p.proname
        """,
    )
    bad = False
    for function in functions:
        for grantee in function["grantees"]:
            bad = True
            name = f"chronicle_capture.{function['proname']}()"
            yield Finding(
                check="capture functions",
                state="critical",
                finding=f"{grantee} may execute {name}",
                fix=f"set role {function['owner']}; "
                f"revoke execute on function {name} from {grantee};",
            )
    if not bad:
        yield Finding(
            check="capture functions",
            state="ok",
            finding=f"{len(functions)}, and nobody may call them",
        )


def _tracked_tables(session: Session) -> Iterator[Finding]:
    tables = _rows(
        session,
        "select * from chronicle.tracked_tables where state <> 'ended' order by table_id",
    )
    bad = False
    for table in tables:
        name = f"{table['schema_name']}.{table['table_name']}"
        if table["state"] != "tracked":
            bad = True
            yield Finding(
                check="tracked tables",
                state="warning" if table["state"] in ("drifted", "partial") else "critical",
                finding=f"{name} is {table['state']}: {table['problem']}",
                fix=_track_heirs(session, table)
                if table["state"] == "partial"
                else _retrack(session, table),
            )
        for gap in _gaps(table):
            bad = True
            is_mended = _REFRESH in gap
            yield Finding(
                check="tracked tables",
                state="warning",
                finding=f"{name}: {gap}",
                fix=_retrack(session, table) if is_mended else None,
            )
    if not bad:
        yield Finding(
            check="tracked tables",
            state="ok" if tables else "warning",
            finding=f"{len(tables)}, all recorded" if tables else "there is none",
            fix=None if tables else "select chronicle.enable_tracking('schema.table');",
        )


def _gaps(table: dict[str, Any]) -> Iterator[str]:
    """What is not covered of a table, beside what its state says already."""
    for sentence in table["not_covered"]:
        is_said = table["state"] == "partial" and "inherits from it" in sentence
        is_mended_with_it = table["state"] in ("drifted", "broken") and _REFRESH in sentence
        if not is_said and not is_mended_with_it:
            yield sentence


def _track_heirs(session: Session, table: dict[str, Any]) -> str:
    """The calls that track the tables that inherit from a tracked one."""
    heirs = _rows(
        session,
        """
        select pg_catalog.format(
            'select chronicle.enable_tracking(%%L);',
            pg_catalog.format('%%I.%%I', n.nspname, c.relname)
        ) as call
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where i.inhparent = pg_catalog.to_regclass(
                pg_catalog.format('%%I.%%I', %(schema)s::text, %(table)s::text)
            )
            and not c.relispartition
            and chronicle.tracked_table_id(c.oid) is null
        order by 1
        """,
        schema=table["schema_name"],
        table=table["table_name"],
    )
    return " ".join(str(heir["call"]) for heir in heirs)


def _retrack(session: Session, table: dict[str, Any]) -> str:
    """The call that takes a table up again with the options it has, or lets go of a lost one."""
    row = _rows(
        session,
        """
        select
            pg_catalog.to_regclass(t.name) is not null as is_there,
            case
                when %(state)s::text <> 'broken'
                    then pg_catalog.format('select * from chronicle.refresh_tracking(%%L);', t.name)
                else pg_catalog.format(
                    'select chronicle.enable_tracking(%%L, _resource_type => %%L, '
                    '_organization_column => %%L, _exclude_columns => %%L, _mask_columns => %%L, '
                    '_capture => %%L, _key_columns => %%L, _truncate => %%L, '
                    '_require_actor => %%L);',
                    t.name, %(resource_type)s::text, %(organization_column)s::text,
                    %(excluded_columns)s::text[], %(masked_columns)s::text[],
                    %(capture)s::text, %(key_columns)s::text[], %(truncate)s::text,
                    %(requires_actor)s::boolean
                )
            end as call
        from pg_catalog.format('%%I.%%I', %(schema_name)s::text, %(table_name)s::text)
            as t (name)
        """,
        **table,
    )[0]
    if row["is_there"]:
        return str(row["call"])
    return f"select chronicle.retire_tracked_table({table['table_id']});"


# Access


def _administrators(session: Session) -> Iterator[Finding]:
    if not _rows(
        session, "select where pg_catalog.pg_has_role(current_user, 'chronicle_admin', 'usage')"
    ):
        yield Finding(
            check="administrators",
            state="unknown",
            finding="only a role that has chronicle_admin sees them all",
            fix=f"-- as a role that has chronicle_admin, not {session.info.user}",
        )
        return
    row = _rows(
        session,
        """
        select
            count(distinct principal) filter (where organization_id is not null) as organization,
            count(distinct principal) filter (where organization_id is null) as super
        from chronicle.administrators
        """,
    )[0]
    there_are = row["organization"] or row["super"]
    yield Finding(
        check="administrators",
        state="ok" if there_are else "warning",
        finding=f"{row['organization']} of organizations, {row['super']} of the system"
        if there_are
        else "there is none: only auditors read the log",
        fix=None
        if there_are
        else "grant chronicle_reader to somebody; "
        "select chronicle.add_administrator('somebody', 'organization');",
    )


def _gateways(session: Session) -> Iterator[Finding]:
    """Logins that are believed about who acts."""
    gateways = _rows(
        session,
        """
        select
            g.role_name, r.rolname is null as is_gone, coalesce(r.rolsuper, false) as is_superuser,
            format('select chronicle.remove_trusted_gateway(%L);', g.role_name) as fix
        from chronicle.trusted_gateways as g
        left join pg_catalog.pg_roles as r on r.rolname = g.role_name and r.rolcanlogin
        order by 1
        """,
    )
    bad = False
    for gateway in gateways:
        if gateway["is_gone"] or gateway["is_superuser"]:
            bad = True
            yield Finding(
                check="gateways",
                state="warning",
                finding=f"{gateway['role_name']} is believed about who acts, and is "
                + (
                    "no role that can log in: whoever makes one of that name would be believed"
                    if gateway["is_gone"]
                    else "a superuser"
                ),
                fix=gateway["fix"],
            )
    if not bad:
        names = ", ".join(gateway["role_name"] for gateway in gateways) or "no login"
        yield Finding(check="gateways", state="ok", finding=f"{names} is believed without a token")


def _stream(session: Session) -> Iterator[Finding]:
    """What holds back chronicle.events_since: transactions that are open, or prepared."""
    held = _rows(
        session,
        """
        select h.what, h.fix, date_trunc('second', now() - h.since)::text as age
        from (
            select
                format('the prepared transaction %%s', p.gid) as what,
                format('commit prepared %%L;  -- or rollback, in %%s', p.gid, p.database) as fix,
                p.prepared as since
            from pg_catalog.pg_prepared_xacts as p
            union all
            select
                format('an open transaction of %%s, process %%s', a.usename, a.pid),
                format('select pg_terminate_backend(%%s);', a.pid),
                a.xact_start
            from pg_catalog.pg_stat_activity as a
            where a.backend_xid is not null
        ) as h
        where h.since <= now() - %(patience)s
        order by h.since
        limit 5
        """,
        patience=_PATIENCE,
    )
    for row in held:
        yield Finding(
            check="stream",
            state="warning",
            finding=f"{row['what']} holds back events_since, for {row['age']}",
            fix=row["fix"],
        )
    if held:
        return
    (sees,) = _rows(
        session,
        "select pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage') as everything",
    )
    minutes = int(_PATIENCE.total_seconds() / 60)
    yield Finding(
        check="stream",
        state="ok",
        finding=f"no transaction has held back events_since for {minutes} minutes"
        if sees["everything"]
        else f"no prepared transaction has held back events_since for {minutes} minutes; how long "
        "others are open, a member of pg_read_all_stats sees",
    )


# Seals


def _seal_guards(session: Session) -> Iterator[Finding]:
    """The tables of the seals: who could change them could hide what was changed in the log."""
    tables = _rows(
        session,
        """
        select
            n.name,
            pg_catalog.pg_get_userbyid(c.relowner) as owner,
            (
                select t.tgenabled::text from pg_catalog.pg_trigger as t
                where t.tgrelid = c.oid and t.tgname = n.name || '_reject_change'
            ) as guard,
            array(
                select distinct array[
                    case
                        when a.grantee = 0 then 'public'
                        else quote_ident(pg_catalog.pg_get_userbyid(a.grantee))
                    end,
                    lower(a.privilege_type)
                ]
                from (
                    select c.relacl as acl
                    union all
                    select f.attacl from pg_catalog.pg_attribute as f
                    where f.attrelid = c.oid and f.attacl is not null
                ) as g
                cross join lateral pg_catalog.aclexplode(g.acl) as a
                where a.grantee <> c.relowner
                    and a.privilege_type <> 'SELECT'
                    and not (
                        a.privilege_type = 'INSERT'
                        and pg_catalog.pg_get_userbyid(a.grantee) = any(%(writers)s)
                    )
                order by 1
            ) as grants
        from unnest(%(tables)s::text[]) with ordinality as n (name, place)
        left join pg_catalog.pg_class as c
            on c.relname = n.name and c.relnamespace = 'chronicle'::regnamespace
        order by n.place
        """,
        tables=list(_SEAL_TABLES),
        writers=list(_SEAL_WRITERS),
    )
    for table in tables:
        for finding, fix in _seal_doors(table):
            yield Finding(check="seals", state="critical", finding=finding, fix=fix)


def _seal_doors(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is open, and the SQL that closes it."""
    name, guard = f"chronicle.{table['name']}", f"{table['name']}_reject_change"
    if table["owner"] is None:
        yield f"there is no table {name}", "-- restore it from a backup, and verify the log"
        return
    always = f"{_AS_OWNER}alter table {name} enable always trigger {guard};"
    if table["guard"] is None:
        yield (
            f"the guard {guard} of {name} is gone",
            f"{_AS_OWNER}create trigger {guard} before update or delete or truncate on {name} "
            f"for each statement execute function chronicle.reject_change(); {always}",
        )
    elif table["guard"] != "A":
        yield f"the guard {guard} of {name} does not always fire", always
    for grantee, privilege in table["grants"]:
        yield (
            f"{grantee} has {privilege.upper()} on {name}",
            f"{_AS_OWNER}revoke {privilege} on {name} from {grantee};",
        )
    if table["owner"] != "chronicle_owner":
        yield (
            f"{name} belongs to {table['owner']}, not to chronicle_owner",
            f"-- as {table['owner']}: alter table {name} owner to chronicle_owner;",
        )


def _seals(session: Session) -> Iterator[Finding]:
    """How far the log is sealed, and why no further."""
    status = _rows(
        session,
        """
        select s.*, date_trunc('second', s.lag)::text as age, s.lag > %(patience)s as is_late
        from chronicle.seal_status as s
        """,
        patience=_PATIENCE,
    )[0]
    yield from _sequence(session)
    if session.execute(b"select pg_catalog.pg_is_in_recovery()").fetchone() == (True,):
        yield Finding(check="seals", state="ok", finding="the primary seals, not this standby")
    elif status["problem"] is not None:
        yield Finding(
            check="seals",
            state="critical",
            finding=f"nothing is sealed: {status['problem']}",
            fix="select chronicle.begin_epoch('what happened');  -- before writers are let in: "
            "docs/seals.md",
        )
    elif status["is_late"] and not status["batches"]:
        yield Finding(
            check="seals",
            state="warning",
            finding="the log was never sealed: who changes it is not found",
            fix="pgchronicle seal --every 10",
        )
    elif status["is_late"] and status["held_back_by"] is not None:
        yield Finding(
            check="seals",
            state="warning",
            finding=f"{status['held_back_by']} holds back what is to be sealed, for "
            f"{status['age']}",
            fix=_release(session, status["held_back_by"]),
        )
    elif status["is_late"]:
        yield Finding(
            check="seals",
            state="warning",
            finding=f"nobody seals: events wait for it since {status['age']}",
            fix="pgchronicle seal --every 10",
        )
    else:
        yield Finding(
            check="seals",
            state="ok",
            finding=f"{_words.events(status['sealed_events'])} sealed, and none waits for more "
            f"than {int(_PATIENCE.total_seconds() / 60)} minutes",
        )


def _sequence(session: Session) -> Iterator[Finding]:
    """A copy by logical replication counts anew, and would give events the numbers of others."""
    (sees,) = _rows(
        session,
        """
        select
            pg_catalog.has_table_privilege('chronicle.seal_batches', 'select')
            and pg_catalog.has_sequence_privilege('chronicle.events_seq', 'select, usage') as both
        """,
    )
    if not sees["both"]:
        return
    rows = _rows(
        session,
        """
        select s.last_value, b.max_seq
        from pg_catalog.pg_sequences as s
        cross join (select max(max_seq) as max_seq from chronicle.seal_batches) as b
        where s.schemaname = 'chronicle' and s.sequencename = 'events_seq'
            and coalesce(s.last_value, 0) < b.max_seq
        """,
    )
    for row in rows:
        yield Finding(
            check="seals",
            state="critical",
            finding=f"chronicle.events_seq stands at {row['last_value'] or 0}, behind the sealed "
            f"{row['max_seq']}",
            fix=f"{_AS_OWNER}select setval('chronicle.events_seq', {row['max_seq']});  "
            "-- or more, if the log goes further",
        )


def _release(session: Session, holder: str) -> str | None:
    """The SQL that ends a transaction, by what seal_status calls it."""
    if holder.startswith("pid "):
        return f"select pg_terminate_backend({holder.removeprefix('pid ')});"
    rows = _rows(
        session,
        """
        select format('commit prepared %%L;  -- or rollback, in %%s', p.gid, p.database) as fix
        from pg_catalog.pg_prepared_xacts as p
        where p.gid = %(gid)s
        """,
        gid=holder.removeprefix('prepared transaction "').removesuffix('"'),
    )
    return rows[0]["fix"] if rows else None


def _rows(session: Session, query: str, **parameters: object) -> list[dict[str, Any]]:
    with session.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query.encode(), parameters or None)
        return cursor.fetchall()
