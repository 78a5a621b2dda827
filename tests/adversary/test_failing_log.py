"""What cannot be recorded does not happen, and says why."""

import psycopg
import pytest

from ask import as_superuser, refusal, rows, run, sqlstate, value
from capturing import ITEM, make
from support import Connection, Database, acting_as

FAULTS = {
    "a constraint": (
        "alter table chronicle.events add constraint events_stop check (false) not valid",
        "23514",
    ),
    "a full disk": (
        """
        create function public.fill() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file' using errcode = 'disk_full'; end
        $$;
        create trigger fill before insert on chronicle.events
        for each row execute function public.fill()
        """,
        "53100",
    ),
    "a lost right": ("revoke insert on chronicle.events from chronicle_writer", "42501"),
    "a lost policy": ("drop policy events_writer_inserts on chronicle.events", "42501"),
    "no numbers": ("revoke usage on sequence chronicle.events_seq from chronicle_writer", "42501"),
    "a lost log": ("drop table chronicle.events cascade", "42P01"),
    "no partition": (
        """
        do $$
        declare v_partition regclass;
        begin
            for v_partition in
                select inhrelid from pg_inherits where inhparent = 'chronicle.events'::regclass
            loop
                execute format('alter table chronicle.events detach partition %s', v_partition);
            end loop;
        end
        $$
        """,
        "23514",
    ),
}
"""What may befall the log, and the SQLSTATE that a writer then sees."""

WRITES = (
    "insert into public.item values (2, 'b', 2)",
    "update public.item set price = 3",
    "delete from public.item",
    "truncate public.item",
    "merge into public.item as i using (select 1 as id) as s on i.id = s.id "
    "when matched then update set name = 'm'",
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_that_cannot_be_recorded_is_refused(
    db: Connection, fault: str, server_version: int
) -> None:
    break_it, expected = FAULTS[fault]
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("grant all on public.item to stranger")
    with as_superuser(db):
        run(db, break_it)
    with acting_as(db, "stranger"):
        for write in WRITES if server_version >= 150000 else WRITES[:4]:
            refused = refusal(db, write)
            assert (refused.sqlstate, refused.message != "") == (expected, True), write
        # Nothing was written, nothing was swallowed.
        assert rows(db, "select * from public.item") == [(1, "a", 1)]
    with acting_as(db, "app"):
        log = (
            "select chronicle.log_audit_event(_actor_type => 'user', "
            "_action_type => 'read', _resource_type => 'page')"
        )
        assert sqlstate(db, log) == expected


@pytest.mark.parametrize(
    ("setting", "expected"), [("lock_timeout", "55P03"), ("statement_timeout", "57014")]
)
@pytest.mark.parametrize("write", WRITES[:4])
def test_a_write_that_is_cancelled_while_it_is_recorded_leaves_nothing_half_done(
    database: Database, setting: str, expected: str, write: str
) -> None:
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("insert into public.item values (1, 'a', 1)")
        owner.execute("grant all on public.item to stranger")
    auditor = database.connect("auditor", autocommit=True)
    before = value(auditor, "select max(seq) from chronicle.events")
    lock = database.connect(database.cluster.superuser)
    writer = database.connect("stranger")

    lock.execute("lock table chronicle.events in access exclusive mode")
    run(writer, f"set local {setting} = '100ms'")
    # Whoever goes on after an error has neither the change nor its event.
    with pytest.raises(psycopg.Error) as error, writer.transaction():
        run(writer, write)
    assert error.value.sqlstate == expected
    run(writer, f"set local {setting} = 0")
    lock.rollback()
    writer.execute("insert into public.item values (7, 'kept', 1)")
    writer.commit()

    assert rows(writer, "select * from public.item order by id") == [
        *((1, "a", 1), (7, "kept", 1)),
    ]
    assert rows(
        auditor,
        "select action, record_id from chronicle.row_changes where seq > %s order by seq",
        (before,),
    ) == [("INSERT", "7")]


def test_a_session_that_is_ended_while_it_is_recorded_leaves_nothing(database: Database) -> None:
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to stranger")
    superuser = database.connect(database.cluster.superuser, autocommit=True)
    writer = database.connect("stranger")
    writer.execute("insert into public.item values (1, 'a', 1)")
    superuser.execute("select pg_terminate_backend(%s, 10000)", (writer.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        writer.execute("select 1")
    assert rows(superuser, "select * from public.item") == []
    auditor = database.connect("auditor")
    assert rows(auditor, "select * from chronicle.row_changes") == []
