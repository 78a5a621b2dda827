"""Whoever changes the log behind its back is found out, whatever they are allowed to do.

Each attack is a superuser's, with every trigger turned off. Each is shown to change something.
"""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from ask import rows, run, sqlstate, value, values
from seals.intrusion import (
    alterations,
    altering,
    attack,
    contents,
    detach,
    disarm,
    partition_of,
    tamper,
)
from seals.sealed_log import (
    BARE,
    FULL,
    ODD,
    Finding,
    batch_of,
    events_of,
    findings,
    sealed_database,
    unsealed,
)
from streaming import quiet_cluster
from support import INSTALLER, Cluster, Connection, Database


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def disarmed(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A sealed log that nothing guards any more."""
    for database in sealed_database(alone, next(database_names)):
        with database.connect(alone.superuser, autocommit=True) as superuser:
            disarm(superuser)
        yield database


@pytest.fixture(scope="module")
def session(disarmed: Database) -> Connection:
    """A superuser's, for whom even what fires always is turned off."""
    superuser = disarmed.connect(disarmed.cluster.superuser, autocommit=True)
    superuser.execute("set session_replication_role = replica")
    return superuser


@pytest.fixture
def intruder(session: Connection) -> Iterator[Connection]:
    """The same; what it does is taken back."""
    with session.transaction(force_rollback=True):
        yield session


def captured(intruder: Connection) -> UUID:
    """An event of a tracked table."""
    event_id: UUID = value(
        intruder,
        """
        select event_id from chronicle.events
        where origin = 'captured' and details_before is not null and details_after is not null
        order by seq limit 1
        """,
    )
    return event_id


def batches(intruder: Connection) -> list[int]:
    """The numbers of all batches."""
    return values(intruder, "select batch_number from chronicle.seal_batches order by batch_number")


def kinds(intruder: Connection) -> set[str]:
    """The kinds of what is found."""
    return {kind for kind, _, _ in findings(intruder)}


# What is attacked, and that it is in order before.


def test_a_log_that_nobody_touched_has_no_findings(intruder: Connection) -> None:
    assert findings(intruder) == []
    assert unsealed(intruder) == []


def test_the_log_under_attack_is_one_of_many_kinds_months_and_batches(
    intruder: Connection,
) -> None:
    """Or the tests below would show less than they say."""
    assert set(values(intruder, "select distinct origin::text from chronicle.events")) == {
        *("captured", "imported", "logged")
    }
    buckets = values(
        intruder, "select distinct to_char(bucket_from, 'YYYY-MM') from chronicle.seal_batches"
    )
    assert {"0001-01", "2019-05", "2019-06", "2026-07"} < set(buckets)
    assert len(buckets) >= 7
    assert len(batches(intruder)) >= 12
    many = value(
        intruder,
        """
        select count(*) from (
            select transaction_id from chronicle.seal_batches as b
            inner join chronicle.events as e
                on e.transaction_id = b.from_transaction_id and e.seq = b.from_seq
            where b.from_transaction_id = b.to_transaction_id and b.event_count > 1
            group by 1 having count(*) > 1
        ) as t
        """,
    )
    assert many, "no transaction is cut over batches"


# An event is altered.


@pytest.mark.parametrize(
    "altered",
    [
        "actor_id = 'somebody else'",
        "actor_type = 'ai'",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "recorded_at = recorded_at - interval '1 microsecond'",
        """details_after = '{"forged": true}'""",
        "details_before = coalesce(jsonb_build_array(details_before), 'null')",
        "action_type = case action_type when 'read' then 'update' else 'read' end"
        "::chronicle.action_type",
        "status = 'failure'",
        "db_user = 'nobody'",
        "context_state = 'verified'",
        "organization_id = 'other'",
        "resource_id = '8'",
        "seq = -seq",
        "payload_salt = gen_random_uuid()",
    ],
)
@pytest.mark.parametrize("batch", [0, 0.5, 1])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_an_altered_event_is_named_wherever_it_stands(
    intruder: Connection, altered: str, batch: float, place: float
) -> None:
    numbers = values(
        intruder,
        """
        select batch_number from chronicle.seal_batches where event_count >= 10
        order by batch_number
        """,
    )
    number = numbers[int(batch * (len(numbers) - 1))]
    events = events_of(intruder, number)
    victim = events[int(place * (len(events) - 1))]
    tamper(intruder, f"update chronicle.events set {altered} where event_id = %s", victim)
    expected: list[Finding] = [("event_differs", number, victim)]
    if "seq" in altered:
        expected = [("events_missing", number, None), ("event_unsealed", None, victim)]
    assert findings(intruder) == expected


@pytest.mark.parametrize("victim", [FULL, BARE, ODD, None], ids=["full", "bare", "odd", "captured"])
def test_no_column_of_an_event_can_be_altered_unseen(
    intruder: Connection, victim: UUID | None
) -> None:
    """A column that is added to the table and not to the seal turns this red."""
    event_id = victim or captured(intruder)
    tried: set[str] = set()
    unseen: list[str] = []
    for column, altered in alterations(intruder, "events"):
        statement = altering("events", column, altered, f"event_id = '{event_id}'")
        with intruder.transaction(force_rollback=True):
            after = values(intruder, f"{statement} returning event_id")
            if not after:
                continue
            tried.add(column)
            if [found for _, _, found in findings(intruder) if found] != after:
                unseen.append(statement)
    assert unseen == []
    assert tried == set(
        values(
            intruder,
            """
            select quote_ident(attname) from pg_attribute
            where attrelid = 'chronicle.events'::regclass and attnum > 0 and not attisdropped
            """,
        )
    )


@pytest.mark.parametrize(
    "altered",
    [
        # What one column loses the next one gains: without lengths the bytes would be the same.
        "actor_id = 'ad', actor_role = 'a' || actor_role",
        "actor_role = null, impersonator_id = actor_role",
        "details_before = details_after, details_after = details_before",
        "error_code = null, session_id = error_code",
        "reason = null, error_message = reason",
        "trace_id = request_id, request_id = trace_id",
        "event_id = parent_event_id, parent_event_id = event_id",
    ],
)
def test_values_that_change_places_are_found(intruder: Connection, altered: str) -> None:
    number = batch_of(intruder, FULL)
    with attack(intruder):
        (victim,) = values(
            intruder,
            f"update chronicle.events set {altered} where event_id = '{FULL}' returning event_id",
        )
    assert findings(intruder) == [("event_differs", number, victim)]


@pytest.mark.parametrize(
    "altered",
    [
        """action_meta = '{"n": 1}'""",
        """action_meta = '{"n": 1.00}'""",
        """details_before = '{"a": "null"}'""",
        """details_after = '{"b": null}'""",
        "ip_address = '10.0.0.0/25'",
        "ip_address = '10.0.0.0'",
        "reason = E'cafe\\u0301'",
        "related_resources = null",
        "client_info = null",
        "error_message = null",
        "organization_id = 'a', actor_id = 'bc'",
    ],
)
def test_what_only_looks_alike_is_found(intruder: Connection, altered: str) -> None:
    tamper(intruder, f"update chronicle.events set {altered} where event_id = %s", ODD)
    assert findings(intruder) == [("event_differs", batch_of(intruder, ODD), ODD)]


def test_no_null_can_become_an_empty_value_unseen(intruder: Connection) -> None:
    columns = rows(
        intruder,
        """
        select quote_ident(attname), case format_type(atttypid, null)
            when 'text' then '''''' when 'text[]' then '''{}''' else '''null'''
        end
        from pg_attribute
        where attrelid = 'chronicle.events'::regclass and not attnotnull and attnum > 0
            and format_type(atttypid, null) in ('text', 'text[]', 'jsonb')
        """,
    )
    number = batch_of(intruder, BARE)
    unseen: list[str] = []
    for column, empty in columns:
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                f"update chronicle.events set {column} = {empty} "
                f"where event_id = %s and {column} is null",
                BARE,
            )
            if findings(intruder) != [("event_differs", number, BARE)]:
                unseen.append(column)
    assert unseen == []
    assert len(columns) > 20


# Events change places, go, and come.


@pytest.mark.parametrize(
    "swapped",
    [
        "seq = o.seq",
        "seq = o.seq, transaction_id = o.transaction_id",
        "event_id = o.event_id",
        "occurred_at = o.occurred_at",
        "details_after = o.details_after",
        "details_after = o.details_after, payload_salt = o.payload_salt",
    ],
)
@pytest.mark.parametrize("distance", [1, 30])
def test_two_events_that_change_places_are_both_named(
    intruder: Connection, swapped: str, distance: int
) -> None:
    first = captured(intruder)
    pair = values(
        intruder,
        """
        select event_id from chronicle.events as e
        where seq >= (select seq from chronicle.events where event_id = %s)
            and origin in ('captured', 'imported') and details_after is not null
        order by seq
        """,
        (first,),
    )[::distance][:2]
    with attack(intruder):
        after = values(
            intruder,
            f"""
            update chronicle.events as e set {swapped}
            from chronicle.events as o
            where e.event_id = any(%(pair)s) and o.event_id = any(%(pair)s)
                and e.event_id <> o.event_id
            returning e.event_id
            """,
            {"pair": pair},
        )
    assert set(after) == set(pair)
    assert {event_id for _, _, event_id in findings(intruder)} - {None} == set(pair)


@pytest.mark.parametrize("victim", [FULL, BARE, ODD, None], ids=["full", "bare", "odd", "captured"])
def test_a_deleted_event_is_missed(intruder: Connection, victim: UUID | None) -> None:
    event_id = victim or captured(intruder)
    number = batch_of(intruder, event_id)
    tamper(intruder, "delete from chronicle.events where event_id = %s", event_id)
    assert findings(intruder) == [("events_missing", number, None)]


@pytest.mark.parametrize("place", [0, -1])
def test_an_event_at_the_edge_of_a_batch_is_missed(intruder: Connection, place: int) -> None:
    """Of each batch in turn."""
    for number in batches(intruder):
        event_id = events_of(intruder, number)[place]
        with intruder.transaction(force_rollback=True):
            tamper(intruder, "delete from chronicle.events where event_id = %s", event_id)
            assert findings(intruder) == [("events_missing", number, None)]


def test_each_batch_of_which_all_events_are_gone_is_told_of(intruder: Connection) -> None:
    for number in batches(intruder):
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                "delete from chronicle.events where event_id = any(%s)",
                events_of(intruder, number),
            )
            assert findings(intruder) == [("events_missing", number, None)]


def test_an_event_in_the_place_of_another_is_named(intruder: Connection) -> None:
    """So that their number is right."""
    victim = captured(intruder)
    number = batch_of(intruder, victim)
    with attack(intruder):
        forged = forge(intruder, victim, seq="seq")
        run(intruder, "delete from chronicle.events where event_id = %s", (victim,))
    assert findings(intruder) == [("event_differs", number, forged)]


def forge(intruder: Connection, like: UUID, **altered: str) -> UUID:
    """Adds an event beside another one, like it but for its id, its seq, and what else is altered
    to some SQL."""
    altered = {
        "event_id": "gen_random_uuid()",
        "seq": "(select max(seq) + 1000 from chronicle.events)",
        **altered,
    }
    columns: list[str] = values(
        intruder,
        """
        select quote_ident(attname) from pg_attribute
        where attrelid = 'chronicle.events'::regclass and attnum > 0 and not attisdropped
        """,
    )
    (event_id,) = values(
        intruder,
        f"""
        insert into chronicle.events ({", ".join(columns)})
        select {", ".join(altered.get(column, column) for column in columns)}
        from chronicle.events where event_id = %s
        returning event_id
        """,
        (like,),
    )
    assert isinstance(event_id, UUID)
    return event_id


@pytest.mark.parametrize(
    ("altered", "kind"),
    [
        pytest.param({"seq": "seq"}, "event_differs", id="doubled under another id"),
        pytest.param(
            {
                "seq": "seq",
                "event_id": "event_id",
                "occurred_at": "occurred_at + interval '1 second'",
            },
            "event_differs",
            id="doubled under the same id",
        ),
        pytest.param(
            {"seq": "seq", "recorded_at": "recorded_at + interval '1 second'"},
            "event_differs",
            id="within a batch",
        ),
        pytest.param(
            {"transaction_id": "3", "seq": "1"}, "event_unsealed", id="before all batches"
        ),
        pytest.param({"transaction_id": "-5", "seq": "-5"}, "event_unsealed", id="negative"),
        pytest.param({"epoch": "0"}, "event_unknown_epoch", id="an epoch that never was"),
        pytest.param({"epoch": "-1"}, "event_unknown_epoch", id="a negative epoch"),
        pytest.param({"epoch": "2"}, "event_unknown_epoch", id="an epoch to come"),
        pytest.param(
            {"occurred_at": "timestamptz '2025-03-01 00:00:00+00'"},
            "event_unsealed",
            id="in a month without events",
        ),
        pytest.param(
            {"occurred_at": "occurred_at + interval '10 years'"},
            "event_unsealed",
            id="in the default partition",
        ),
    ],
)
def test_a_forged_event_is_named(intruder: Connection, altered: dict[str, str], kind: str) -> None:
    victim = captured(intruder)
    with attack(intruder):
        forged = forge(intruder, victim, **altered)
    assert [(found, event_id) for found, _, event_id in findings(intruder)] == [(kind, forged)]


@pytest.mark.parametrize("seq", ["min_seq", "max_seq", "min_seq - 1", "max_seq + 1"])
@pytest.mark.parametrize("edge", ["from", "to"])
def test_a_forged_event_at_the_edges_of_any_batch_is_named(
    intruder: Connection, seq: str, edge: str
) -> None:
    """Under the transaction id with which it begins or ends. Behind the end of the last batch, it
    is what a writer would have put there: so much can be forged until it is sealed."""
    numbers = batches(intruder)
    for number in numbers[:-1] if (edge, seq) == ("to", "max_seq + 1") else numbers:
        with intruder.transaction(force_rollback=True):
            batch = f"(select %s from chronicle.seal_batches where batch_number = {number})"
            with attack(intruder):
                forged = forge(
                    intruder,
                    events_of(intruder, number)[0],
                    seq=batch % seq,
                    transaction_id=batch % f"{edge}_transaction_id",
                )
            named = {event_id for _, _, event_id in findings(intruder)} - {None}
            assert named == {forged}, f"batch {number}"


def test_an_event_that_is_moved_to_another_month_is_named(intruder: Connection) -> None:
    victim = captured(intruder)
    number = batch_of(intruder, victim)
    for months in (-100, -1, 1, 2, 24):
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                "update chronicle.events set occurred_at = occurred_at + %s * interval '1 month' "
                "where event_id = %s",
                months,
                victim,
            )
            found = findings(intruder)
            assert ("events_missing", number, None) in found
            assert {event_id for _, _, event_id in found} == {None, victim}


# Batches, leaves, nodes.


@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("has_leaves", [True, False])
def test_a_batch_that_is_gone_is_missed(
    intruder: Connection, place: float, has_leaves: bool
) -> None:
    numbers = batches(intruder)
    number = numbers[int(place * (len(numbers) - 1))]
    tamper(intruder, "delete from chronicle.seal_batches where batch_number = %s", number)
    if not has_leaves:
        run(intruder, "delete from chronicle.seal_leaves where batch_number = %s", (number,))
    assert kinds(intruder) & {"batch_missing", "node_differs", "node_superfluous"}


def test_the_last_batch_is_missed_with_its_events(intruder: Connection) -> None:
    number = max(batches(intruder))
    with attack(intruder):
        run(
            intruder,
            "delete from chronicle.events where event_id = any(%s)",
            (events_of(intruder, number),),
        )
        for table in ("seal_batches", "seal_leaves"):
            run(intruder, f"delete from chronicle.{table} where batch_number = %s", (number,))
    assert kinds(intruder)


def test_all_batches_are_missed(intruder: Connection) -> None:
    tamper(intruder, "truncate chronicle.seal_batches")
    assert kinds(intruder)


@pytest.mark.parametrize(
    "number", ["max(batch_number) + 1", "max(batch_number) + 987", "-max(batch_number)"]
)
def test_a_batch_that_is_there_twice_is_found(intruder: Connection, number: str) -> None:
    for original in batches(intruder):
        with intruder.transaction(force_rollback=True):
            with attack(intruder):
                (copy,) = values(
                    intruder,
                    f"""
                    insert into chronicle.seal_batches
                    select (r).* from (
                        select jsonb_populate_record(b, jsonb_build_object(
                            'batch_number',
                            (select {number} from chronicle.seal_batches)
                        )) as r
                        from chronicle.seal_batches as b where batch_number = {original}
                    ) as b
                    returning batch_number
                    """,
                )
                run(
                    intruder,
                    f"""
                    insert into chronicle.seal_leaves
                    select {copy}, leaves from chronicle.seal_leaves
                    where batch_number = {original}
                    """,
                )
            assert kinds(intruder), f"batch {original}"


FIRST = "seq = (select min(seq) from chronicle.events)"


@pytest.mark.parametrize(
    ("table", "column", "condition"),
    [
        *(
            ("seal_batches", column, "batch_number = 0")
            for column in (
                *("epoch", "bucket_from", "bucket_to", "from_transaction_id", "from_seq"),
                *("to_transaction_id", "to_seq", "min_seq", "max_seq", "is_late", "event_count"),
                *("root", "sealed_at", "leaf_hash"),
            )
        ),
        ("seal_leaves", "leaves", "batch_number = 0"),
        ("seal_nodes", "hash", "level = 0 and node_index = 0"),
        ("seal_nodes", "hash", "level = 1 and node_index = 0"),
        *(("events", column, FIRST) for column in ("epoch", "transaction_id", "seq")),
    ],
)
def test_nothing_hides_behind_a_null(
    intruder: Connection, table: str, column: str, condition: str
) -> None:
    """Which whoever alters tables can have anywhere, and which is not even unequal."""
    run(intruder, f"alter table chronicle.{table} alter {column} drop not null")
    tamper(intruder, f"update chronicle.{table} set {column} = null where {condition}")
    assert findings(intruder)


def test_an_event_with_a_number_that_nobody_has_is_found(intruder: Connection) -> None:
    """Sealing would wait for it."""
    with attack(intruder):
        forged = forge(intruder, captured(intruder), transaction_id="9000000000")
    assert findings(intruder) == [("event_unsealed", None, forged)]


def test_a_batch_that_was_sealed_twice_is_found(intruder: Connection) -> None:
    """By the log's own functions, so that every hash is right."""
    for original in batches(intruder):
        with intruder.transaction(force_rollback=True):
            with attack(intruder):
                run(
                    intruder,
                    """
                    select chronicle.append_batch(b, l.leaves)
                    from chronicle.seal_batches as b
                    inner join chronicle.seal_leaves as l on l.batch_number = b.batch_number
                    where b.batch_number = %s
                    """,
                    (original,),
                )
            assert kinds(intruder) == {"batch_overlaps"}, f"batch {original}"


def test_nothing_of_a_batch_can_be_altered_unseen(intruder: Connection) -> None:
    """Of three batches: the first, one amid, the last."""
    numbers = batches(intruder)
    unseen: list[str] = []
    tried: set[str] = set()
    for number in (numbers[0], numbers[len(numbers) // 2], numbers[-1]):
        for column, altered in alterations(intruder, "seal_batches"):
            if column == "batch_number":
                altered = "@ + 1000" if altered == "@ + 1" else "-5"
            statement = altering("seal_batches", column, altered, f"batch_number = {number}")
            with intruder.transaction(force_rollback=True):
                if not run(intruder, statement).rowcount:
                    continue
                tried.add(column)
                found = findings(intruder)
                if not found or number not in {batch for _, batch, _ in found}:
                    unseen.append(f"{statement}: {found}")
    assert unseen == []
    assert len(tried) == len({column for column, _ in alterations(intruder, "seal_batches")})


@pytest.mark.parametrize(
    "altered",
    [
        "leaves = set_byte(leaves, 0, get_byte(leaves, 0) # 1)",
        "leaves = set_byte(leaves, length(leaves) - 1, get_byte(leaves, length(leaves) - 1) # 128)",
        "leaves = substr(leaves, 1, length(leaves) - 32)",
        "leaves = substr(leaves, 33)",
        "leaves = substr(leaves, 1, length(leaves) - 1)",
        "leaves = leaves || substr(leaves, length(leaves) - 31)",
        "leaves = leaves || '\\x00'",
        "leaves = ''",
        "leaves = sha256(leaves)",
        "leaves = substr(leaves, 33) || substr(leaves, 1, 32)",
    ],
)
def test_altered_leaves_are_found(intruder: Connection, altered: str) -> None:
    numbers = values(
        intruder,
        "select batch_number from chronicle.seal_batches where event_count > 1 order by 1",
    )
    for number in (numbers[0], numbers[-1]):
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                f"update chronicle.seal_leaves set {altered} where batch_number = {number}",
            )
            assert ("leaves_differ", number, None) in findings(intruder)


def test_leaves_that_are_gone_are_missed(intruder: Connection) -> None:
    for number in batches(intruder):
        with intruder.transaction(force_rollback=True):
            tamper(intruder, f"delete from chronicle.seal_leaves where batch_number = {number}")
            assert ("leaves_differ", number, None) in findings(intruder)


def test_leaves_of_no_batch_are_found(intruder: Connection) -> None:
    tamper(
        intruder,
        "insert into chronicle.seal_leaves select 1000, leaves from chronicle.seal_leaves "
        "where batch_number = 0",
    )
    assert findings(intruder)


def nodes(intruder: Connection) -> list[tuple[int, int]]:
    return rows(intruder, "select level, node_index from chronicle.seal_nodes order by 1, 2")


def test_every_node_that_is_altered_is_found(intruder: Connection) -> None:
    unseen: list[tuple[int, int]] = []
    for level, index in nodes(intruder):
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                "update chronicle.seal_nodes set hash = sha256(hash) "
                "where level = %s and node_index = %s",
                level,
                index,
            )
            if "node_differs" not in kinds(intruder):
                unseen.append((level, index))
    assert unseen == []


def test_every_node_that_is_gone_is_missed(intruder: Connection) -> None:
    unseen: list[tuple[int, int]] = []
    for level, index in nodes(intruder):
        with intruder.transaction(force_rollback=True):
            tamper(
                intruder,
                "delete from chronicle.seal_nodes where level = %s and node_index = %s",
                level,
                index,
            )
            if "node_missing" not in kinds(intruder):
                unseen.append((level, index))
    assert unseen == []


@pytest.mark.parametrize(
    ("level", "index"), [(0, 1000), (1, 1000), (9, 0), (30, 0), (-1, 0), (0, -1)]
)
def test_a_node_too_many_is_found(intruder: Connection, level: int, index: int) -> None:
    tamper(
        intruder,
        "insert into chronicle.seal_nodes select %s, %s, hash from chronicle.seal_nodes limit 1",
        level,
        index,
    )
    assert kinds(intruder) == {"node_superfluous"}


def test_the_log_can_not_be_another_one_or_in_another_state(intruder: Connection) -> None:
    for column, altered in alterations(intruder, "seal_state"):
        if column == "is_only":
            continue
        with intruder.transaction(force_rollback=True):
            with attack(intruder):
                run(intruder, altering("seal_state", column, altered, "true"))
            assert findings(intruder), f"{column} = {altered}"


def test_of_the_first_epoch_only_its_number_is_looked_at(intruder: Connection) -> None:
    """No event tells of it, and nothing goes by the rest: but for the server, without which
    sealing stops."""
    seen: set[str] = set()
    unseen: set[str] = set()
    for column, altered in alterations(intruder, "epochs"):
        with intruder.transaction(force_rollback=True):
            if not run(intruder, altering("epochs", column, altered, "true")).rowcount:
                continue
            (seen if findings(intruder) else unseen).add(column)
            problem = value(intruder, "select problem from chronicle.seal_status")
            assert (problem is not None) == (column == "system_identifier")
    assert seen == {"epoch"}
    assert unseen == {
        *("began_at", "reason", "system_identifier", "sealed_seq", "is_on_copy", "recorded_by")
    }


def test_a_log_that_is_ahead_of_its_server_is_not_sealed(intruder: Connection) -> None:
    """As after a dump was restored on a clone of its own server: the identifier is the same."""
    run(
        intruder,
        """
        update chronicle.seal_batches set to_transaction_id = 1000000000000
        where batch_number = (select max(batch_number) from chronicle.seal_batches)
        """,
    )
    moved = "the log comes from another server"
    assert value(intruder, "select problem from chronicle.seal_status") == moved
    assert sqlstate(intruder, "select chronicle.seal_events()") == "55000"
    run(intruder, f"set local role {INSTALLER}")
    assert value(intruder, "select chronicle.begin_epoch('restored')") == 2
    run(intruder, "reset role")
    assert value(intruder, "select is_on_copy from chronicle.epochs where epoch = 2") is True


def test_a_policy_that_hides_events_from_the_check_is_found(intruder: Connection) -> None:
    hidden = [("policy_differs", None, None)]
    for statement in (
        "alter policy events_sealer_reads on chronicle.events using (actor_id <> 'forged')",
        "drop policy events_sealer_reads on chronicle.events",
        "alter policy events_sealer_reads on chronicle.events to chronicle_auditor",
        "create policy p on chronicle.events as restrictive using (actor_id <> 'forged')",
        "alter policy erasures_sealer_reads on chronicle.erasures using (false)",
    ):
        with intruder.transaction(force_rollback=True):
            run(intruder, statement)
            assert [each for each in findings(intruder) if each in hidden] == hidden, statement


def second_epoch(intruder: Connection) -> None:
    """Begins another epoch, and seals the event that tells of it."""
    run(intruder, f"set local role {INSTALLER}")
    assert value(intruder, "select chronicle.begin_epoch('moved')") == 2
    run(intruder, "reset role")
    assert value(intruder, SEAL_RANGE, (1,)) == 0
    run(intruder, "update chronicle.seal_state set sealed_epochs = 1")
    assert value(intruder, SEAL_RANGE, (2,)) == 1
    assert findings(intruder) == []


SEAL_RANGE = "select chronicle.seal_range(%s, false, 9223372036854775807, 1000)"


def test_from_the_second_epoch_on_an_event_tells_of_each(intruder: Connection) -> None:
    second_epoch(intruder)
    unseen: list[str] = []
    tried: set[tuple[int, str]] = set()
    for number in (1, 2):
        for column, altered in alterations(intruder, "epochs"):
            if column == "epoch":
                altered += " + 10"
            statement = altering("epochs", column, altered, f"epoch = {number}")
            with intruder.transaction(force_rollback=True):
                if not run(intruder, statement).rowcount:
                    continue
                tried.add((number, column))
                if not findings(intruder):
                    unseen.append(f"{number}: {column} = {altered}")
    assert unseen == ["1: recorded_by = gen_random_uuid()"]
    assert len(tried) == 14


def test_an_epoch_that_is_over_can_not_be_opened_again(intruder: Connection) -> None:
    """To put events behind its end, and have them sealed."""
    last = events_of(intruder, max(batches(intruder)))[-1]
    second_epoch(intruder)
    with attack(intruder):
        run(intruder, "update chronicle.seal_state set sealed_epochs = 0")
        forge(intruder, last, transaction_id="transaction_id + 1")
        assert value(intruder, SEAL_RANGE, (1,)) == 1
        run(intruder, "update chronicle.seal_state set sealed_epochs = 1")
    assert findings(intruder) == [("batch_overlaps", max(batches(intruder)), None)]


@pytest.mark.parametrize("table", ["seal_state", "epochs"])
def test_a_log_that_says_nothing_of_itself_is_found(intruder: Connection, table: str) -> None:
    with attack(intruder):
        run(intruder, f"truncate chronicle.{table}")
    assert findings(intruder)


# The tables themselves.


def test_a_partition_that_is_taken_away_is_missed(intruder: Connection) -> None:
    victim = captured(intruder)
    name, _ = partition_of(intruder, victim)
    gone = partitioned_batches(intruder, name)
    with attack(intruder):
        detach(intruder, name)
    assert findings(intruder) == [("events_missing", number, None) for number in gone]


def partitioned_batches(intruder: Connection, partition: str) -> list[int]:
    """The batches with events in a partition."""
    numbers = values(
        intruder,
        """
        select distinct b.batch_number from chronicle.seal_batches as b
        where exists (
            select from chronicle.events as e
            where e.tableoid = ('chronicle.' || %s)::regclass and e.epoch = b.epoch
                and (e.transaction_id, e.seq) between (b.from_transaction_id, b.from_seq)
                and (b.to_transaction_id, b.to_seq)
                and (e.occurred_at at time zone 'UTC')::date >= b.bucket_from
                and (e.occurred_at at time zone 'UTC')::date < b.bucket_to
        )
        order by 1
        """,
        (partition,),
    )
    assert numbers
    return numbers


@pytest.mark.parametrize("how", ["truncate {}", "drop table {}", "delete from {}"])
@pytest.mark.parametrize("victim", [FULL, None], ids=["of the past", "of now"])
def test_a_partition_that_is_emptied_is_missed(
    intruder: Connection, how: str, victim: UUID | None
) -> None:
    name, _ = partition_of(intruder, victim or captured(intruder))
    gone = partitioned_batches(intruder, name)
    with attack(intruder):
        run(intruder, how.format(f"chronicle.{name}"))
    assert findings(intruder) == [("events_missing", number, None) for number in gone]


def test_a_partition_that_gives_way_to_a_doctored_copy_is_found(intruder: Connection) -> None:
    victim = captured(intruder)
    number = batch_of(intruder, victim)
    name, bound = partition_of(intruder, victim)
    with attack(intruder):
        detach(intruder, name)
        run(intruder, f"alter table chronicle.{name} rename to events_true")
        run(intruder, f"create table chronicle.{name} (like chronicle.events_true including all)")
        run(intruder, f"insert into chronicle.{name} select * from chronicle.events_true")
        run(
            intruder,
            f"update chronicle.{name} set actor_id = 'somebody else' where event_id = '{victim}'",
        )
        run(intruder, "drop table chronicle.events_true")
        run(
            intruder,
            f"alter table chronicle.events attach partition chronicle.{name} {bound}",
        )
    assert findings(intruder) == [("event_differs", number, victim)]


def test_events_that_lie_in_another_partition_are_the_same(intruder: Connection) -> None:
    """Where an event lies says nothing of what it is: this is upkeep, and no attack."""
    name, _ = partition_of(intruder, captured(intruder))
    before = contents(intruder)
    detach(intruder, name)
    run(intruder, f"insert into chronicle.events select * from chronicle.{name}")
    assert partition_of(intruder, captured(intruder))[0] == "events_default"
    assert contents(intruder) == before
    assert findings(intruder) == []


def test_a_log_that_gives_way_to_a_doctored_copy_is_not_in_order(intruder: Connection) -> None:
    """The functions know the table that they were made for."""
    with attack(intruder):
        run(intruder, "alter table chronicle.events rename to events_true")
        run(intruder, "create table chronicle.events (like chronicle.events_true)")
        run(intruder, "insert into chronicle.events select * from chronicle.events_true")
        run(intruder, "update chronicle.events set actor_id = 'somebody else'")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        findings(intruder)


def test_an_event_that_is_there_twice_is_found(intruder: Connection) -> None:
    """Without the primary key, which keeps it out otherwise."""
    for victim in (FULL, captured(intruder)):
        with intruder.transaction(force_rollback=True):
            number = batch_of(intruder, victim)
            with attack(intruder):
                run(intruder, "alter table chronicle.events drop constraint events_pkey")
                run(
                    intruder,
                    "insert into chronicle.events "
                    "select * from chronicle.events where event_id = %s",
                    (victim,),
                )
            assert number in {batch for _, batch, _ in findings(intruder)}


@pytest.mark.parametrize(
    ("place", "batch"),
    [
        pytest.param({}, "jsonb_build_object('is_late', true)", id="as if a copy had written it"),
        pytest.param(
            {},
            "jsonb_build_object('bucket_from', w.day, 'bucket_to', w.day + 7)",
            id="as if of a week",
        ),
        pytest.param({"seq": "seq + 1"}, "'{}'", id="between two batches"),
    ],
)
def test_a_forged_event_can_not_be_sealed_into_the_past(
    intruder: Connection, place: dict[str, str], batch: str
) -> None:
    """A batch for it, at the end of the log, would vouch for it and fit every checkpoint: whoever
    has all rights can have it sealed by the log's own functions."""
    number = batch_of(intruder, captured(intruder))
    with attack(intruder):
        forged = forge(intruder, events_of(intruder, number)[-1], **place)
        assert findings(intruder) == [("event_unsealed", None, forged)]
        run(
            intruder,
            f"""
            select chronicle.append_batch(
                jsonb_populate_record(
                    b,
                    jsonb_build_object(
                        'event_count', 1,
                        'from_transaction_id', e.transaction_id, 'from_seq', e.seq,
                        'to_transaction_id', e.transaction_id, 'to_seq', e.seq,
                        'min_seq', e.seq, 'max_seq', e.seq
                    ) || {batch}
                ),
                chronicle.event_leaf(e, chronicle.payload_digest(e))
            )
            from chronicle.seal_batches as b, chronicle.events as e
            cross join lateral (
                select date_trunc('week', e.occurred_at at time zone 'UTC')::date
            ) as w (day)
            where b.batch_number = %s and e.event_id = %s
            """,
            (number, forged),
        )
    last = max(batches(intruder))
    assert last in {number for _, number, _ in findings(intruder)}
