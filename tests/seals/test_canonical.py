"""The bytes that are hashed: SQL and Python come to what docs/format.md says, whatever the event,
the server's version and the session's settings."""

import re
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ask import as_superuser, row, rows, run, value
from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle
from pgchronicle.seals._calendar import day_number, day_of, month_days
from pgchronicle.seals.canonical import (
    EVENT_FIELDS,
    PAYLOAD_FIELDS,
    BatchRecord,
    event_leaf,
    payload_digest,
)
from seals.golden import GoldenEvent, golden_events, golden_log
from support import ROOT, Connection

EVENTS = golden_events()
LOG = golden_log()
RECORDS: list[str] = [batch["record"] for batch in LOG["batches"]]

HOSTILE = (
    "set timezone = 'Asia/Kathmandu'",
    "set datestyle = 'SQL, DMY'",
    "set intervalstyle = 'sql_standard'",
    "set bytea_output = 'escape'",
    "set extra_float_digits = -15",
    "set client_encoding = 'LATIN1'",
    "set quote_all_identifiers = on",
    "set array_nulls = off",
    "set transform_null_equals = on",
    "set search_path = pg_temp, public",
    "set standard_conforming_strings = off",
    "set lc_monetary = 'C'",
    "set xmloption = 'document'",
)
"""Settings by which any session changes what values look like."""


def named(vector: GoldenEvent) -> str:
    return re.sub(r"[^a-z0-9]+", "_", vector.name.lower()).strip("_")


def hashes(vector: GoldenEvent) -> tuple[bytes, bytes]:
    """What Python makes of an event."""
    digest = vector.payload_digest
    if vector.salt is not None:
        digest = payload_digest(UUID(vector.salt), vector.payload)
    return digest, event_leaf(vector.event, digest)


# Events in Python.


@pytest.mark.parametrize("vector", EVENTS, ids=named)
def test_python_hashes_an_event_as_the_format_says(vector: GoldenEvent) -> None:
    assert hashes(vector) == (vector.payload_digest, vector.leaf)


def test_no_two_golden_events_have_a_hash_in_common() -> None:
    assert len({each.leaf for each in EVENTS}) == len(EVENTS) >= 50


TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))


def lists(names: tuple[str, ...]) -> st.SearchStrategy[list[str | None]]:
    return st.lists(TEXTS, min_size=len(names), max_size=len(names))


@given(lists(PAYLOAD_FIELDS), lists(PAYLOAD_FIELDS), st.uuids(), st.uuids())
def test_other_fields_or_another_salt_are_another_digest(
    one: list[str | None], other: list[str | None], salt: UUID, other_salt: UUID
) -> None:
    is_same = (one, salt) == (other, other_salt)
    assert (payload_digest(salt, one) == payload_digest(other_salt, other)) is is_same


@given(lists(EVENT_FIELDS), st.integers(0, len(EVENT_FIELDS) - 1), TEXTS)
def test_another_field_is_another_leaf(
    fields: list[str | None], place: int, changed: str | None
) -> None:
    other = [*fields[:place], changed, *fields[place + 1 :]]
    digest = bytes(32)
    assert (event_leaf(fields, digest) == event_leaf(other, digest)) is (fields == other)


def test_a_wrong_number_of_fields_is_refused() -> None:
    with pytest.raises(VerificationError, match="an event has 33 fields, not 32"):
        event_leaf([None] * 32, bytes(32))
    with pytest.raises(VerificationError, match="a payload has 12 fields, not 13"):
        payload_digest(UUID(int=0), [None] * 13)
    with pytest.raises(VerificationError, match="32 bytes, not 31"):
        event_leaf([None] * 33, bytes(31))


# Events in SQL.


def keep(db: Connection) -> None:
    """Puts the golden events into the table golden, as rows of chronicle.events."""
    columns = rows(
        db,
        """
        select a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_attribute as a
        where a.attrelid = 'chronicle.events'::regclass and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
    )
    run(db, "create temporary table golden (place integer, event chronicle.events, kept bytea)")
    given = ", ".join(f"%({name})s::text::{kind}" for name, kind in columns)
    for place, vector in enumerate(EVENTS):
        unnamed = dict.fromkeys((name for name, _ in columns), None)
        run(
            db,
            f"insert into golden values (%(place)s, row({given})::chronicle.events, %(kept)s)",
            {**unnamed, **vector.row, "place": place, "kept": vector.payload_digest},
        )


def in_sql(db: Connection) -> list[tuple[bytes | None, bytes]]:
    """What SQL makes of the events in golden: digest and leaf."""
    return rows(
        db,
        """
        select
            chronicle.payload_digest(g.event),
            chronicle.event_leaf(g.event, coalesce(chronicle.payload_digest(g.event), g.kept))
        from golden as g
        order by g.place
        """,
    )


EXPECTED = [
    (None if vector.salt is None else vector.payload_digest, vector.leaf) for vector in EVENTS
]


def test_sql_hashes_events_as_the_format_says(db: Connection) -> None:
    with as_superuser(db):
        keep(db)
        assert in_sql(db) == EXPECTED


def test_sql_gives_the_fields_of_events_as_the_format_says(db: Connection) -> None:
    with as_superuser(db):
        keep(db)
        found = rows(
            db,
            """
            select chronicle.event_fields(g.event), chronicle.payload_fields(g.event)
            from golden as g order by g.place
            """,
        )
    for vector, (event, payload) in zip(EVENTS, found, strict=True):
        assert texts(event) == vector.event, vector.name
        if vector.salt is not None:
            assert texts(payload) == vector.payload, vector.name


def texts(fields: list[bytes | None]) -> list[str | None]:
    return [None if each is None else each.decode() for each in fields]


@pytest.mark.parametrize("setting", [*HOSTILE, "; ".join(HOSTILE)])
def test_no_setting_of_the_session_changes_what_is_hashed(db: Connection, setting: str) -> None:
    with as_superuser(db):
        keep(db)
        run(db, setting)
        try:
            assert in_sql(db) == EXPECTED
        finally:
            run(db, "reset all")


def test_the_hostile_settings_change_what_values_look_like(db: Connection) -> None:
    """Else the test above would show nothing."""
    look = """
        select
            '2026-11-20 12:00+00'::timestamptz::text, decode('00ff', 'hex')::text,
            '1 day 2 hours'::interval::text, (0.1::float8 + 0.2)::text
    """
    before = row(db, look)
    run(db, "; ".join(HOSTILE))
    assert not set(before) & set(row(db, look))
    run(db, "reset all")


def test_rows_of_the_log_are_hashed_as_values_are(db: Connection) -> None:
    """Times are kept in partitions, large values apart, and both are found again."""
    with as_superuser(db):
        keep(db)
        run(db, "insert into chronicle.events select (g.event).* from golden as g")
        found = rows(
            db,
            """
            select chronicle.payload_digest(e), chronicle.event_leaf(e, chronicle.payload_digest(e))
            from chronicle.events as e
            inner join golden as g on (g.event).event_id = e.event_id
            where e.payload_salt is not null
            order by g.place
            """,
        )
    assert found == [each for each in EXPECTED if each[0] is not None]


# Batches and the log.


def batch(text: str) -> BatchRecord:
    return BatchRecord.parse(text)


def test_a_record_says_what_its_text_says() -> None:
    assert batch(RECORDS[4]) == BatchRecord(
        log_id=UUID(LOG["log_id"]),
        batch_number=4,
        epoch=1,
        bucket_from="2026-10-26",
        bucket_to="2026-11-02",
        from_transaction_id=3,
        from_seq=6,
        to_transaction_id=2000,
        to_seq=8,
        min_seq=6,
        max_seq=14,
        is_late=True,
        event_count=3,
        root=bytes.fromhex(LOG["batches"][4]["row"]["root"]),
        sealed_at=1_795_219_200_000_000,
    )


@pytest.mark.parametrize("place", range(len(RECORDS)))
def test_python_reads_writes_and_hashes_a_record_as_the_format_says(place: int) -> None:
    record = batch(RECORDS[place])
    assert record.text() == RECORDS[place]
    assert record.leaf_hash().hex() == LOG["batches"][place]["leaf"]


@pytest.mark.parametrize("place", range(len(RECORDS)))
def test_sql_writes_a_record_as_the_format_says(db: Connection, place: int) -> None:
    fields: dict[str, str] = LOG["batches"][place]["row"]
    with as_superuser(db):
        run(db, "update chronicle.seal_state set log_id = %s::text::uuid", (LOG["log_id"],))
        given = {**fields, "root": f"\\x{fields['root']}"}
        written = value(
            db,
            """
            select chronicle.batch_record(row(
                %(batch_number)s::text::bigint, %(epoch)s::text::integer,
                %(bucket_from)s::text::date, %(bucket_to)s::text::date,
                %(from_transaction_id)s::text::bigint, %(from_seq)s::text::bigint,
                %(to_transaction_id)s::text::bigint, %(to_seq)s::text::bigint,
                %(min_seq)s::text::bigint, %(max_seq)s::text::bigint,
                %(is_late)s::text::boolean, %(event_count)s::text::bigint,
                %(root)s::text::bytea, %(sealed_at)s::text::timestamptz, null
            )::chronicle.seal_batches)
            """,
            given,
        )
    assert written == RECORDS[place]


LINES = RECORDS[0].splitlines(keepends=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        RECORDS[0][:-1],
        RECORDS[0] + "\n",
        "\n" + RECORDS[0],
        RECORDS[0] + RECORDS[1],
        RECORDS[0].replace("\n", "\r\n"),
        RECORDS[0].replace("pgchronicle-batch/v1", "pgchronicle-batch/v2"),
        RECORDS[0].replace("log 7d1e", "log 7D1E"),
        RECORDS[0].replace("batch 0", "batch 00"),
        RECORDS[0].replace("batch 0", "batch -0"),
        RECORDS[0].replace("batch 0", "batch +0"),
        RECORDS[0].replace("batch 0", "batch -1"),
        RECORDS[0].replace("batch 0", "batch  0"),
        RECORDS[0].replace("batch 0", "batch 0 "),
        RECORDS[0].replace("batch 0", "batch \u0660"),
        RECORDS[0].replace("batch 0", "batch " + "1" * 20),
        RECORDS[0].replace("late false", "late False"),
        RECORDS[0].replace("late false", "late 0"),
        RECORDS[0].replace("count 4", "count 0"),
        RECORDS[0].replace("count 4", "count 4.0"),
        RECORDS[0].replace("2026-11-01 2026-12-01", "2026-12-01 2026-11-01"),
        RECORDS[0].replace("2026-11-01", "2026-11-31"),
        RECORDS[0].replace("2026-11-01", "02026-11-01"),
        RECORDS[0].replace("2026-11-01", "-0000-11-01"),
        RECORDS[0].replace("2026-11-01", "2026-11-1"),
        RECORDS[0].replace("from 1000 7", "from 1004 7"),
        RECORDS[0].replace("seq 5 12", "seq 8 12"),
        RECORDS[0].replace("seq 5 12", "seq 5 11"),
        re.sub("root .*", lambda found: found[0].upper().replace("ROOT", "root"), RECORDS[0]),
        re.sub("root ..", "root ", RECORDS[0]),
        "".join([*LINES[:2], LINES[3], LINES[2], *LINES[4:]]),
        *("".join([*LINES[:n], *LINES[n + 1 :]]) for n in range(len(LINES))),
        *("".join([*LINES[:n], LINES[n], *LINES[n:]]) for n in range(len(LINES))),
    ],
)
def test_a_record_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(VerificationError):
        batch(text)


def test_every_field_of_a_record_is_in_its_leaf() -> None:
    record = batch(RECORDS[0])
    others = [
        replace(record, log_id=UUID(int=1)),
        replace(record, batch_number=1),
        replace(record, epoch=2),
        replace(record, bucket_from="2026-10-01"),
        replace(record, bucket_to="2026-12-02"),
        replace(record, from_transaction_id=999),
        replace(record, from_seq=6),
        replace(record, to_transaction_id=1004),
        replace(record, to_seq=11),
        replace(record, min_seq=4),
        replace(record, max_seq=13),
        replace(record, is_late=True),
        replace(record, event_count=3),
        replace(record, root=bytes(32)),
        replace(record, sealed_at=0),
    ]
    assert len({record.leaf_hash(), *(each.leaf_hash() for each in others)}) == len(others) + 1


LEAVES = [bytes.fromhex(each["leaf"]) for each in LOG["batches"]]


def test_python_gives_the_golden_roots_and_proofs() -> None:
    assert [merkle.root(LEAVES[:size]).hex() for size in range(8)] == LOG["roots"]
    assert merkle.root([each.leaf for each in EVENTS]).hex() == LOG["events_root"]
    for proof in LOG["inclusion"]:
        path = merkle.inclusion_path(LEAVES[: proof["size"]], proof["index"])
        assert [each.hex() for each in path] == proof["path"], proof
    for proof in LOG["consistency"]:
        path = merkle.consistency_path(LEAVES[: proof["new_size"]], proof["old_size"])
        assert [each.hex() for each in path] == proof["path"], proof


def test_sql_gives_the_golden_roots_and_proofs(db: Connection) -> None:
    with as_superuser(db):
        for size, root in enumerate(LOG["roots"]):
            assert sql_root(db, LEAVES[:size]) == root
        assert sql_root(db, [each.leaf for each in EVENTS]) == LOG["events_root"]
        for proof in LOG["inclusion"]:
            path: list[bytes] = value(
                db,
                "select chronicle.merkle_path(%s, %s)",
                (b"".join(LEAVES[: proof["size"]]), proof["index"]),
            )
            assert [each.hex() for each in path] == proof["path"], proof


def sql_root(db: Connection, leaves: list[bytes]) -> str:
    found: bytes = value(db, "select chronicle.merkle_root(%s)", (b"".join(leaves),))
    return found.hex()


# Days.


def test_days_are_counted_as_postgresql_counts_them(db: Connection) -> None:
    days = {
        "-4713-11-24": "4714-11-24 BC",
        "-0043-03-15": "0044-03-15 BC",
        "-0004-02-29": "0005-02-29 BC",
        "0000-02-29": "0001-02-29 BC",
        "0000-12-31": "0001-12-31 BC",
        "0001-01-01": "0001-01-01",
        "1582-10-10": "1582-10-10",
        "1900-02-28": "1900-02-28",
        "1970-01-01": "1970-01-01",
        "2000-02-29": "2000-02-29",
        "9999-12-31": "9999-12-31",
        "10000-01-01": "10000-01-01",
        "294276-12-31": "294276-12-31",
    }
    for ours, theirs in days.items():
        assert day_number(ours) == value(
            db, "select %s::text::date - date '1970-01-01'", (theirs,)
        ), ours


@pytest.mark.parametrize(
    "text", ["1900-02-29", "-0001-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-01", ""]
)
def test_what_no_calendar_has_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no day|month|day"):
        day_number(text)


def test_a_month_ends_where_the_next_begins() -> None:
    months = [f"{year:04}-{month:02}" for year in (0, 1900, 2000, 2026) for month in range(1, 13)]
    lengths = [end - begin for begin, end in map(month_days, months)]
    common = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    leap = [31, 29, *common[2:]]
    assert lengths == [*leap, *common, *leap, *common]


def test_a_time_belongs_to_its_day_before_1970_too() -> None:
    assert [day_of(-1), day_of(0), day_of(86_399_999_999), day_of(86_400_000_000)] == [-1, 0, 0, 1]


# The document.


def test_the_document_lists_the_fields_in_their_order() -> None:
    document = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    numbered = re.findall(r"^\| (\d+) \| `(\w+)` \|", document, re.MULTILINE)
    assert numbered == [
        (str(number), name)
        for names in (EVENT_FIELDS, PAYLOAD_FIELDS)
        for number, name in enumerate(names, 1)
    ]


def test_the_worked_example_of_the_document_is_the_first_golden_event() -> None:
    document = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```hex\n(.*?)```", document, re.MULTILINE | re.DOTALL)
    data = bytes.fromhex("".join(re.sub("#.*", "", line) for line in example.splitlines()))
    vector = EVENTS[0]
    assert data.endswith(vector.payload_digest)
    assert merkle.leaf_hash(data[1:]) == vector.leaf
    assert data[:1] == b"\x00"
    assert vector.leaf.hex() in document
