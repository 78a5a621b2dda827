"""A file with a sealed month holds all that was sealed of it, shows that it does, and can not be
changed without being found out."""

import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from ask import row, rows, run, value
from pgchronicle.errors import ChronicleError, NotAllowedError, VerificationError
from pgchronicle.seals import merkle
from pgchronicle.seals._running_root import RunningRoot
from pgchronicle.seals._sealed_event import Payload, SealedEvent
from pgchronicle.seals._spelling import dumps
from pgchronicle.seals.canonical import EVENT_FIELDS, PAYLOAD_FIELDS, BatchRecord, payload_digest
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.files import (
    SealedMonth,
    Uncovered,
    uncovered,
    verify_file,
    write_sealed_month,
)
from pgchronicle.seals.notes import SigningKey, sign
from seals.golden import GOLDEN_CHECKPOINT, VECTORS
from seals.intrusion import disarm, tamper
from seals.mutations import MUTATIONS, SPELLINGS, mutants, read_kindly
from seals.sealed_export import (
    KEY,
    exported,
    exporting_database,
    months,
    sealed_ids,
    signed_checkpoint,
)
from seals.sealed_log import BARE, FULL, log_pages
from seals.test_canonical import HOSTILE
from streaming import migrated_database, quiet_cluster
from support import Cluster, Connection, Database, lent

# What the tests of mutations are made of: some batches, erased events, and few bytes.
MONTH = "2019-06"


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def log(alone: Cluster) -> Iterator[Database]:
    """A sealed log, which no test changes."""
    yield from exporting_database(alone, "chronicle_files")


@pytest.fixture
def auditor(log: Database) -> Iterator[Connection]:
    """The session of an auditor, in no transaction."""
    with log.connect("auditor", autocommit=True) as session:
        yield session


@pytest.fixture(scope="module")
def signed(log: Database) -> bytes:
    """The file of MONTH under a signed note."""
    with log.connect("auditor", autocommit=True) as session:
        return exported(session, MONTH, signed_checkpoint(session))[0]


@pytest.fixture(scope="module")
def unsigned(log: Database) -> bytes:
    """The same under the database's own checkpoint."""
    with log.connect("auditor", autocommit=True) as session:
        return exported(session, MONTH)[0]


def verified(data: bytes, key: SigningKey | None = KEY) -> SealedMonth:
    return verify_file(io.BytesIO(data), None if key is None else key.verifier)


def refused(data: bytes, key: SigningKey | None = KEY) -> str:
    """What the verifier says of a file."""
    with pytest.raises(VerificationError) as caught:
        verified(data, key)
    return caught.value.message


def parsed(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def written(objects: list[dict[str, object]]) -> bytes:
    return b"".join(map(dumps, objects))


def event_ids(data: bytes) -> list[UUID]:
    return [UUID(line["event"][0]) for line in parsed(data) if "event" in line]


# What is in a file.


def test_every_month_verifies_and_holds_its_sealed_events(auditor: Connection) -> None:
    note = signed_checkpoint(auditor)
    found = months(auditor)
    assert {"-0043-03", "0001-01", "1969-12", "2019-05", "2019-06", "294247-01"} < set(found)
    for month in found:
        data, report = exported(auditor, month, note)
        assert verified(data) == replace(report, signed_by=KEY.verifier), month
        if not month.startswith("-"):
            assert sorted(event_ids(data)) == sorted(sealed_ids(auditor, month)), month


def test_a_file_says_what_it_proves(signed: bytes, auditor: Connection) -> None:
    ids = sealed_ids(auditor, MONTH)
    log_id, size = row(
        auditor,
        """
        select s.log_id, (select count(*) from chronicle.seal_batches)
        from chronicle.seal_state as s
        """,
    )
    root: bytes = value(
        auditor,
        """
        select chronicle.merkle_root(string_agg(b.leaf_hash, ''::bytea order by b.batch_number))
        from chronicle.seal_batches as b
        """,
    )
    batches: int = value(
        auditor, "select count(*) from chronicle.seal_batches where bucket_from = '2019-06-01'"
    )
    assert verified(signed) == SealedMonth(
        log_id=log_id,
        month=MONTH,
        checkpoint=Checkpoint(KEY.name, size, root),
        signed_by=KEY.verifier,
        batches=batches,
        events=len(ids),
        without_payload=11,
    )
    assert batches > 2
    assert len(ids) > 20


def test_the_verdict_names_the_key(signed: bytes) -> None:
    assert f"signed with the key {KEY.verifier.text()}." in str(verified(signed))


def test_the_verdict_says_that_nobody_vouches_for_an_unchecked_file(
    signed: bytes, unsigned: bytes
) -> None:
    for data in (signed, unsigned):
        report = verified(data, None)
        assert report.signed_by is None
        assert "nobody vouches for the checkpoint" in str(report)


def test_a_month_without_events_is_proven_too(auditor: Connection) -> None:
    data, report = exported(auditor, "2018-01", signed_checkpoint(auditor))
    assert verified(data) == replace(report, signed_by=KEY.verifier)
    assert (report.batches, report.events) == (0, 0)


def test_a_log_without_batches_has_an_empty_file(alone: Cluster) -> None:
    for database in migrated_database(alone, "chronicle_empty"):
        with database.connect("auditor", autocommit=True) as session:
            data, report = exported(session, "2026-11")
        assert (report.checkpoint.size, data.count(b"\n")) == (0, 1)
        assert verified(data, None) == report


def test_the_note_says_up_to_where(auditor: Connection) -> None:
    note = signed_checkpoint(auditor, 3)
    data, report = exported(auditor, MONTH, note)
    assert report.checkpoint.size == 3
    assert verified(data) == replace(report, signed_by=KEY.verifier)
    assert len(event_ids(data)) < len(sealed_ids(auditor, MONTH))


def test_an_erased_event_is_there_without_its_payload(auditor: Connection) -> None:
    data, report = exported(auditor, "2026-07")
    digest: bytes = value(
        auditor, "select payload_digest from chronicle.erasures where event_id = %s", (FULL,)
    )
    (event,) = (line for line in parsed(data) if "event" in line)
    assert event["payload"] == {"digest": digest.hex()}
    assert report.without_payload == 1
    assert "raised the price" not in data.decode()


def test_a_batch_of_a_week_is_in_the_file_of_each_of_its_months(alone: Cluster) -> None:
    for database in migrated_database(alone, "chronicle_weeks"):
        with database.connect(database.cluster.superuser, autocommit=True) as root:
            disarm(root)
            root.execute(
                """
                update chronicle.settings set value = '"week"' where name = 'partition_interval'
                """
            )
            root.execute("set role chronicle_writer")
            root.execute(
                """
                insert into chronicle.events (
                    occurred_at, actor_type, context_state, origin, action_type, action,
                    resource_type
                )
                select
                    timestamptz '2026-06-29 12:00Z' + n * interval '1 day', 'system', 'absent',
                    'logged', 'read', 'page.read', 'page'
                from generate_series(0, 6) as n
                """
            )
        with database.connect("admin", autocommit=True) as admin:
            run(admin, "select chronicle.seal_events()")
        with database.connect("auditor", autocommit=True) as session:
            counts = [exported(session, f"2026-0{n}")[1].events for n in (5, 6, 7, 8)]
            verified(exported(session, "2026-06")[0], None)
        assert counts == [0, 7, 7, 0]


@pytest.mark.parametrize("setting", ["; ".join(HOSTILE), "set enable_indexscan = off"])
def test_no_setting_of_the_session_changes_a_file(
    auditor: Connection, signed: bytes, setting: str
) -> None:
    header = parsed(signed)[0]
    run(auditor, setting)
    assert exported(auditor, MONTH, str(header["note"]))[0] == signed


# How it is written.


def test_the_session_is_left_as_it_was(log: Database) -> None:
    with log.connect("auditor") as session:
        session.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        exported(session, MONTH)
        assert session.isolation_level == psycopg.IsolationLevel.SERIALIZABLE
        assert session.read_only is None
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_rows_of_any_shape_will_do(log: Database, signed: bytes) -> None:
    note = str(parsed(signed)[0]["note"])
    with log.connect("auditor", row_factory=dict_row) as session:
        assert exported(session, MONTH, note)[0] == signed


def test_a_session_in_a_transaction_is_refused(log: Database) -> None:
    with log.connect("auditor") as session:
        session.execute("select 1")
        with pytest.raises(ChronicleError, match="the connection is in a transaction"):
            exported(session, MONTH)


@pytest.mark.parametrize("month", ["2019-6", "2019-13", "2019", "june", "2019-06-01", ""])
def test_what_is_no_month_is_refused(auditor: Connection, month: str) -> None:
    with pytest.raises(ValueError, match="is no month"):
        exported(auditor, month)


@pytest.mark.parametrize("role", ["app", "reader_a", "admin", "stranger"])
def test_who_is_no_auditor_is_refused(log: Database, role: str) -> None:
    out = io.BytesIO()
    with log.connect(role, autocommit=True) as session, pytest.raises(NotAllowedError):
        write_sealed_month(session, MONTH, out)
    assert out.getvalue() == b""


def test_progress_is_told_of_writing_and_verifying(auditor: Connection) -> None:
    out = io.BytesIO()
    told: list[tuple[int, int]] = []
    report = write_sealed_month(
        auditor, MONTH, out, progress=lambda done, total: told.append((done, total))
    )
    every = [(done + 1, report.events) for done in range(report.events)]
    assert told == every
    told.clear()
    verify_file(io.BytesIO(out.getvalue()), progress=lambda done, total: told.append((done, total)))
    assert told == every


def test_what_happens_meanwhile_is_not_in_the_file(copy: Database) -> None:
    """The file is of one moment."""

    class Meanwhile(io.BytesIO):
        def write(self, data: Any) -> int:
            if not self.tell():
                with copy.connect(autocommit=True) as owner:
                    run(owner, "select chronicle.erase_payload(%s, 'GDPR 17(1)')", (BARE,))
                    log_pages(owner, 1, 1)
                    run(owner, "select chronicle.seal_events()")
            return super().write(data)

    out = Meanwhile()
    with copy.connect("auditor", autocommit=True) as session:
        month = value(session, PRESENT_MONTH)
        before = exported(session, month)
        report = write_sealed_month(session, month, out)
        after = exported(session, month)[1]
    assert (out.getvalue(), report) == before
    assert after.checkpoint.size > report.checkpoint.size
    assert after.without_payload == report.without_payload + 1


PRESENT_MONTH = "select to_char(now() at time zone 'UTC', 'YYYY-MM')"


@pytest.mark.parametrize(("epoch", "seq"), [("b.epoch", "b.max_seq + 10"), ("7", "b.min_seq")])
def test_what_a_copy_wrote_under_used_numbers_is_of_no_batch(
    copy: Database, epoch: str, seq: str
) -> None:
    """Transaction ids begin anew on another server, and the present month goes on."""
    with copy.connect("auditor", autocommit=True) as session:
        month = value(session, PRESENT_MONTH)
        before = exported(session, month)
        with copy.connect(copy.cluster.superuser) as superuser:
            run(
                superuser,
                f"""
                insert into chronicle.events (
                    transaction_id, seq, epoch, actor_type, context_state, origin, action_type,
                    action, resource_type
                )
                select
                    b.from_transaction_id + 1, {seq}, {epoch}, 'system', 'absent', 'logged',
                    'read', 'page.read', 'page'
                from chronicle.seal_batches as b
                where b.bucket_from = date_trunc('month', now() at time zone 'UTC')
                    and b.to_transaction_id > b.from_transaction_id + 1
                """,
            )
        assert exported(session, month) == before


# A log that is not what was sealed.


@pytest.fixture
def copy(alone: Cluster, log: Database, database_names: Iterator[str]) -> Iterator[Database]:
    """A copy of the log, in which nothing keeps a superuser from anything."""
    name = next(database_names)
    alone.execute("create database {} template {}", name, log.name)
    for database in lent(Database(alone, name)):
        with database.connect(alone.superuser) as session:
            disarm(session)
        yield database


def test_what_a_file_does_not_hold_is_counted(copy: Database) -> None:
    """In months of any time, and of more than one epoch."""
    with copy.connect(autocommit=True) as owner:
        owner.execute("select chronicle.begin_epoch('to have one without a batch')")
        log_pages(owner, 41, 43)
    auditor = copy.connect("auditor", autocommit=True)
    of_month: dict[str, int] = dict(
        rows(
            auditor,
            """
            select to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM'), count(*)
            from chronicle.events as e where e.occurred_at >= '0001-01-01 00:00+00' group by 1
            """,
        )
    )
    found = set[Uncovered]()
    for month in set(months(auditor)) & set(of_month):
        now = exported(auditor, month)[1]
        for size in (3, 12, now.checkpoint.size):
            then = exported(auditor, month, signed_checkpoint(auditor, size))[1]
            rest = uncovered(auditor, month, size)
            assert rest == Uncovered(
                now.batches - then.batches, now.events - then.events, of_month[month] - now.events
            ), month
            found.add(rest)
    assert Uncovered(0, 0, 0) in found
    assert max(each.events for each in found) > max(each.batches for each in found) > 1
    assert {each.unsealed for each in found} == {0, 4}


# Of the last batch of MONTH, its second event.
EVENT = """
    select e.event_id from chronicle.seal_batches as b
    inner join chronicle.events as e
        on e.epoch = b.epoch and e.seq between b.min_seq and b.max_seq
        and e.occurred_at >= '2019-06-01 00:00Z' and e.occurred_at < '2019-07-01 00:00Z'
    where b.batch_number = (
        select max(batch_number) from chronicle.seal_batches where bucket_from = '2019-06-01'
    )
    order by e.transaction_id, e.seq offset 1 limit 1
"""
BATCH = "(select max(batch_number) from chronicle.seal_batches where bucket_from = '2019-06-01')"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update chronicle.events set details_after = '{}' where event_id = %s", "is not what was"),
        ("update chronicle.events set user_agent = '' where event_id = %s", "is not what was"),
        (
            "update chronicle.events set recorded_at = recorded_at + interval '1 microsecond' "
            "where event_id = %s",
            "is not what was",
        ),
        ("update chronicle.events set payload_salt = null where event_id = %s", "has no salt"),
    ],
)
def test_a_changed_event_is_named_and_not_exported(
    copy: Database, statement: str, said: str
) -> None:
    with copy.connect(copy.cluster.superuser) as superuser:
        event_id = value(superuser, EVENT)
        tamper(superuser, statement, event_id)
    assert not_exported(copy).startswith(f"event {event_id} {said}")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"delete from chronicle.events where event_id = ({EVENT})", "event .* is not what was"),
        (
            # The last of its batch: nothing behind it is in a wrong place.
            f"""
            delete from chronicle.events as e using chronicle.seal_batches as b
            where b.batch_number = {BATCH} and e.seq = b.to_seq
            """,
            r"batch \d+ has \d+ events, and \d+ were sealed",
        ),
        (
            f"""
            insert into chronicle.events
            select (jsonb_populate_record(e, jsonb_build_object('event_id', gen_random_uuid()))).*
            from chronicle.events as e where e.event_id = ({EVENT})
            """,
            "event .* is not what was sealed",
        ),
        (
            f"""
            update chronicle.seal_leaves set leaves = set_byte(leaves, 7, get_byte(leaves, 7) # 1)
            where batch_number = {BATCH}
            """,
            r"the hashes that the log keeps of batch \d+ are not those that were sealed",
        ),
        (
            f"delete from chronicle.seal_leaves where batch_number = {BATCH}",
            r"the hashes that the log keeps of batch \d+ are not those that were sealed",
        ),
        (
            "update chronicle.seal_batches set bucket_from = '2019-07-01', bucket_to = '2019-08-01'"
            f" where batch_number = {BATCH}",
            "the batches of the log are not those of the checkpoint",
        ),
        ("delete from chronicle.seal_batches where batch_number = 3", "batch 3 is missing"),
        (
            "update chronicle.seal_state set log_id = gen_random_uuid()",
            "the batches of the log are not those of the checkpoint",
        ),
    ],
)
def test_a_log_that_is_not_what_was_sealed_is_not_exported(
    copy: Database, statement: str, said: str
) -> None:
    with copy.connect(copy.cluster.superuser) as superuser:
        tamper(superuser, statement)
    assert re.fullmatch(said + ".*", not_exported(copy))


def not_exported(copy: Database) -> str:
    """What is said when MONTH is to be exported, after the header was written at most."""
    with copy.connect("auditor", autocommit=True) as session:
        with pytest.raises(VerificationError) as caught:
            exported(session, MONTH)
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    return caught.value.message


def test_a_log_that_has_lost_its_end_is_not_exported(copy: Database) -> None:
    with copy.connect("auditor", autocommit=True) as session:
        note = signed_checkpoint(session)
        with copy.connect(copy.cluster.superuser) as superuser:
            tamper(superuser, "delete from chronicle.seal_batches where batch_number > 20")
        with pytest.raises(VerificationError, match="the log has 21 batches, and the checkpoint"):
            exported(session, MONTH, note)


def test_a_note_about_another_log_is_refused(auditor: Connection) -> None:
    checkpoint = Checkpoint(KEY.name, 2, bytes(32))
    with pytest.raises(VerificationError, match="are not those of the checkpoint"):
        exported(auditor, MONTH, sign(checkpoint.text(), KEY))


# Signatures.


def test_a_file_of_another_key_is_refused(signed: bytes) -> None:
    other = SigningKey(KEY.name, bytes(32))
    assert refused(signed, other) == "line 1: the note is not signed with the key"


def test_a_file_of_another_log_is_refused(auditor: Connection) -> None:
    """Although the key has signed it: it signs for one log, by whose name it goes."""
    text: str = value(auditor, "select chronicle.checkpoint()")
    data, _ = exported(auditor, MONTH, sign(text, KEY))
    assert refused(data).startswith("line 1: the checkpoint is of another log")


def test_a_file_without_signature_is_refused_where_one_is_asked_for(unsigned: bytes) -> None:
    assert refused(unsigned) == "line 1: nobody has signed this"


# Changed files.


def test_every_changed_file_is_refused(signed: bytes, unsigned: bytes) -> None:
    for data, key, seed in ((signed, KEY, 1), (unsigned, None, 2)):
        accepted = [
            (name, mutant)
            for name, mutant in mutants(seed, data, 10 * len(MUTATIONS))
            if is_accepted(mutant, key)
        ]
        assert accepted == []


def is_accepted(data: bytes, key: SigningKey | None) -> bool:
    try:
        verified(data, key)
    except VerificationError:
        return False
    return True


def test_a_kind_verifier_would_let_changes_pass(
    signed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the changes above are such as need a strict one."""
    read_kindly(monkeypatch)
    passed: set[str] = set()
    for name, mutant in mutants(1, signed, 10 * len(MUTATIONS)):
        with suppress(VerificationError, ValueError, TypeError, AttributeError):
            verified(mutant)
            passed.add(name)
    assert passed >= SPELLINGS


def groups(data: bytes) -> list[list[dict[str, object]]]:
    """The header, and each batch with its events."""
    found: list[list[dict[str, object]]] = []
    for line in parsed(data):
        if "event" not in line:
            found.append([])
        found[-1].append(line)
    return found


def joined(found: list[list[dict[str, object]]]) -> bytes:
    """A file of these, whose header counts what is in it."""
    header = found[0][0]
    header["events"] = sum(len(group) - 1 for group in found[1:])
    header["batches"] = sum(len(group) > 1 for group in found[1:])
    return written([line for group in found for line in group])


def test_no_batch_can_be_left_out(signed: bytes) -> None:
    places = range(1, len(groups(signed)))
    for place in places:
        found = groups(signed)
        del found[place]
        assert refused(joined(found))


def test_the_events_of_no_batch_can_be_left_out(signed: bytes) -> None:
    for place, group in enumerate(groups(signed)):
        if len(group) > 1:
            found = groups(signed)
            del found[place][1:]
            assert "here should be" in refused(joined(found)) or place == len(found) - 1


def test_no_two_batches_can_change_places(signed: bytes) -> None:
    for place in range(1, len(groups(signed)) - 1):
        found = groups(signed)
        found[place], found[place + 1] = found[place + 1], found[place]
        assert refused(joined(found)).endswith(f"batch {place - 1} should come here, not {place}")


def test_a_file_can_not_be_passed_off_as_that_of_another_month(signed: bytes) -> None:
    for month in ("2019-05", "2019-07", "2026-11"):
        found = groups(signed)
        found[0][0]["month"] = month
        assert refused(joined(found))


def test_a_payload_that_was_left_out_is_told_of(signed: bytes) -> None:
    """Its digest keeps the proof; what was in it, or why it is gone, a file can not say."""
    lines = parsed(signed)
    line = next(line for line in lines if "event" in line and "salt" in str(line["payload"]))
    whole = SealedEvent.parse(line["event"], line["payload"])
    assert whole.payload is not None
    line["payload"] = {"digest": digest_of(whole).hex()}
    before, after = verified(signed), verified(written(lines))
    assert after == replace(before, without_payload=before.without_payload + 1)
    assert f"{after.without_payload} without their payload" in str(after)


def digest_of(event: SealedEvent) -> bytes:
    assert event.payload is not None
    return payload_digest(event.payload.salt, event.payload.fields)


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}\n", b"\x00", b'{"batch":""}\n'])
def test_nothing_may_stand_behind_the_last_batch(signed: bytes, more: bytes) -> None:
    number = signed.count(b"\n") + 1
    said = f"line {number}: the file goes on behind the last batch of the log"
    assert refused(signed + more) == said


def test_there_is_one_spelling(signed: bytes) -> None:
    """That of RFC 8785: an implementation of it in another language gives the same bytes."""
    text = "".join(map(chr, range(1, 0x80))) + "\u0080\u2028\u00e9\U0001f600"
    escaped = (
        b"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010"
        b"\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e"
        b"\\u001f !\\\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`"
        b"abcdefghijklmnopqrstuvwxyz{|}~\x7f\xc2\x80\xe2\x80\xa8\xc3\xa9\xf0\x9f\x98\x80"
    )
    assert dumps({"b": text, "a": [1, None]}) == b'{"a":[1,null],"b":"' + escaped + b'"}\n'
    assert [dumps(line) for line in parsed(signed)] == signed.splitlines(keepends=True)


def test_the_golden_month_verifies() -> None:
    assert verify_file(VECTORS / "golden_month.jsonl", KEY.verifier) == SealedMonth(
        log_id=LOG_ID,
        month="2026-11",
        checkpoint=GOLDEN_CHECKPOINT,
        signed_by=KEY.verifier,
        batches=2,
        events=7,
        without_payload=1,
    )


def test_the_line_of_a_fault_is_told(signed: bytes) -> None:
    lines = signed.split(b"\n")
    lines[4] = lines[4].replace(b":", b": ", 1)
    assert refused(b"\n".join(lines)) == "line 5: this JSON is not in its one spelling"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"1\n",
        b'"pgchronicle-sealed-events/v1"\n',
        b"NaN\n",
        b'{"format":NaN}\n',
        b'{"format":"pgchronicle-sealed-events/v2"}\n',
        b'{"format":"pgchronicle-sealed-events/v1"}\n',
        b'{"format":["pgchronicle-sealed-events/v1"]}\n',
        b"[" * 100_000 + b"]" * 100_000 + b"\n",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n",
        b'{"batches":' + b"9" * 5000 + b"}\n",
        b"\xff\xfe{}\n",
        b"\xed\xa0\x80\n",
        b'{"format":"\\ud800"}\n',
        b"\x00\n",
        b"\x1f\x8b\x08\x00\n",
    ],
)
def test_what_is_no_such_file_is_refused(line: bytes) -> None:
    assert refused(line).startswith("line 1: ")


@pytest.mark.parametrize("given", [True, 1.0, -1, "11", None, [], 2**70])
@pytest.mark.parametrize("member", ["batches", "events"])
def test_a_count_is_a_number(member: str, given: object) -> None:
    lines = parsed(dishonest([sealed_event(1)]))
    assert lines[0][member] == 1
    lines[0][member] = given
    assert refused(written(lines), None)


def test_a_file_of_a_newer_version_is_told_from_what_is_none() -> None:
    assert refused(b'{"format":"pgchronicle-sealed-events/v2"}\n') == (
        "line 1: this file with a sealed month is of another version"
    )


def test_a_file_is_read_from_a_path_and_from_lines(signed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "june.jsonl"
    path.write_bytes(signed)
    report = verified(signed)
    assert verify_file(path, KEY.verifier) == report
    assert verify_file(str(path), KEY.verifier) == report
    assert verify_file(signed.splitlines(keepends=True), KEY.verifier) == report
    with pytest.raises(FileNotFoundError):
        verify_file(tmp_path / "july.jsonl")


# What a dishonest sealer could write, whose hashes are right.

LOG_ID = UUID("7d1e6a8e-7f0b-4c38-9a55-0e1f2a3b4c5d")
JUNE_1 = 1_559_347_200_000_000


def sealed_event(place: int, **fields: str) -> SealedEvent:
    said = {
        "event_id": str(UUID(int=place)),
        "seq": str(place),
        "transaction_id": "1000",
        "epoch": "1",
        "occurred_at": str(JUNE_1),
        **fields,
    }
    salt = UUID(int=place)
    payload = Payload(salt, [None] * len(PAYLOAD_FIELDS))
    return SealedEvent([said.get(name) for name in EVENT_FIELDS], payload)


RECORD = BatchRecord(
    log_id=LOG_ID,
    batch_number=0,
    epoch=1,
    bucket_from="2019-06-01",
    bucket_to="2019-07-01",
    from_transaction_id=1000,
    from_seq=1,
    to_transaction_id=1000,
    to_seq=1,
    min_seq=1,
    max_seq=1,
    is_late=False,
    event_count=1,
    root=bytes(32),
    sealed_at=0,
)


def dishonest(events: list[SealedEvent], **said: Any) -> bytes:
    """The file of a log of one batch, whose record says what it is told to say."""
    record = replace(
        RECORD,
        to_seq=len(events),
        max_seq=len(events),
        event_count=len(events),
        root=merkle.root([event.leaf for event in events]),
    )
    return file_of([(replace(record, **said), events)])


def file_of(batches: list[tuple[BatchRecord, list[SealedEvent]]]) -> bytes:
    """The file of MONTH of a log of these, who are all of that month."""
    checkpoint = Checkpoint(
        f"pgchronicle/{LOG_ID}",
        len(batches),
        merkle.root([record.leaf_hash() for record, _ in batches]),
    )
    lines: list[dict[str, object]] = [
        {
            "format": "pgchronicle-sealed-events/v1",
            "log_id": str(LOG_ID),
            "month": MONTH,
            "batches": len(batches),
            "events": sum(len(events) for _, events in batches),
            "checkpoint": checkpoint.text(),
        }
    ]
    for record, events in batches:
        lines.append({"batch": record.text()})
        lines += [event.members() for event in events]
    return written(lines)


def test_a_file_can_be_made_without_a_database() -> None:
    report = verified(dishonest([sealed_event(n) for n in range(1, 6)]), None)
    assert (report.events, report.batches, report.log_id) == (5, 1, LOG_ID)


@pytest.mark.parametrize(
    "fields",
    [
        {"occurred_at": str(JUNE_1 - 1)},
        {"occurred_at": str(JUNE_1 + 30 * 86_400_000_000)},
        {"occurred_at": "june"},
        {"epoch": "2"},
        {"transaction_id": "999"},
        {"transaction_id": "1001"},
        {"transaction_id": "01000"},
        {"seq": "6"},
        {"seq": "0"},
        {"seq": "+2"},
        {"seq": "3"},
        {"event_id": "a name\nThe checkpoint is signed with the key"},
        {"event_id": str(UUID(int=10**20)).upper()},
    ],
)
def test_an_event_in_a_batch_to_which_it_does_not_belong_is_refused(fields: dict[str, str]) -> None:
    events = [sealed_event(n, **(fields if n == 2 else {})) for n in range(1, 6)]
    assert refused(dishonest(events), None).startswith("line ")


@pytest.mark.parametrize(
    "said",
    [
        {"from_transaction_id": 999},
        {"from_seq": 0, "min_seq": 0},
        {"to_transaction_id": 1001},
        {"to_seq": 6, "max_seq": 6},
        {"min_seq": 0},
        {"max_seq": 6},
        {"log_id": UUID(int=1)},
        {"batch_number": 1},
        {"bucket_from": "2019-07-01", "bucket_to": "2019-08-01"},
        {"event_count": 4},
    ],
)
def test_a_record_that_says_otherwise_than_its_events_is_refused(said: dict[str, object]) -> None:
    assert refused(dishonest([sealed_event(n) for n in range(1, 6)], **said), None)


JUNE = ("2019-06-01", "2019-07-01")
FIRST_WEEK = ("2019-05-27", "2019-06-03")
SECOND_WEEK = ("2019-06-03", "2019-06-10")
LATE = (1, True)


def of_transactions(*batches: tuple[tuple[str, str], int, int, tuple[int, bool]]) -> bytes:
    """A log of batches of two events each: their days, the transactions of the two, the epoch, and
    whether they are late."""
    made: list[tuple[BatchRecord, list[SealedEvent]]] = []
    for number, ((bucket_from, bucket_to), first, last, (epoch, is_late)) in enumerate(batches):
        said = {"epoch": str(epoch)}
        if bucket_from == SECOND_WEEK[0]:
            said["occurred_at"] = str(JUNE_1 + 5 * 86_400_000_000)
        events = [
            sealed_event(seq, transaction_id=str(transaction_id), **said)
            for seq, transaction_id in ((1, first), (2, last))
        ]
        record = replace(
            RECORD,
            batch_number=number,
            epoch=epoch,
            is_late=is_late,
            bucket_from=bucket_from,
            bucket_to=bucket_to,
            from_transaction_id=first,
            to_transaction_id=last,
            to_seq=2,
            max_seq=2,
            event_count=2,
            root=merkle.root([event.leaf for event in events]),
        )
        made.append((record, events))
    return file_of(made)


@pytest.mark.parametrize(
    "batches",
    [
        [(JUNE, 10, 20, (1, False)), (JUNE, 21, 30, (1, False))],
        # One call, whose months hold events of the same transactions.
        [(FIRST_WEEK, 10, 20, (1, False)), (SECOND_WEEK, 5, 25, (1, False))],
        [
            (FIRST_WEEK, 10, 20, (1, False)),
            (SECOND_WEEK, 5, 25, (1, False)),
            (FIRST_WEEK, 26, 30, (1, False)),
        ],
        [(JUNE, 10, 20, (1, False)), (JUNE, 10, 20, (2, False))],
        [(JUNE, 10, 20, (1, False)), (JUNE, 10, 20, LATE), (JUNE, 21, 30, LATE)],
    ],
)
def test_a_log_may_be_sealed_in_such_an_order(
    batches: list[tuple[tuple[str, str], int, int, tuple[int, bool]]],
) -> None:
    assert verified(of_transactions(*batches), None).batches == len(batches)


@pytest.mark.parametrize(
    "batches",
    [
        [(JUNE, 10, 20, (1, False)), (JUNE, 15, 16, (1, False))],
        [(JUNE, 10, 20, (1, False)), (JUNE, 5, 6, (1, False))],
        [(JUNE, 10, 20, (1, False)), (JUNE, 20, 30, (1, False))],
        [(JUNE, 10, 20, LATE), (JUNE, 15, 16, LATE)],
        [(JUNE, 10, 20, (2, False)), (JUNE, 15, 16, (2, False))],
        # Of a month, and then of a week of it.
        [(JUNE, 10, 20, (1, False)), (SECOND_WEEK, 15, 16, (1, False))],
        # Between two that are sealed.
        [
            (JUNE, 10, 20, (1, False)),
            (JUNE, 40, 50, (1, False)),
            (JUNE, 25, 30, (1, False)),
        ],
        # Behind the first batch of a call, and not behind the second.
        [
            (FIRST_WEEK, 10, 20, (1, False)),
            (SECOND_WEEK, 5, 25, (1, False)),
            (FIRST_WEEK, 22, 30, (1, False)),
        ],
        # The first batch of the call reaches further than the last.
        [
            (FIRST_WEEK, 10, 30, (1, False)),
            (SECOND_WEEK, 5, 25, (1, False)),
            (FIRST_WEEK, 27, 40, (1, False)),
        ],
    ],
)
def test_a_batch_of_the_past_is_refused(
    batches: list[tuple[tuple[str, str], int, int, tuple[int, bool]]],
) -> None:
    assert refused(of_transactions(*batches), None) == (
        f"line {3 * len(batches) - 1}: batch {len(batches) - 1} claims events from where "
        "everything had been sealed before it"
    )


def test_a_batch_of_an_epoch_that_is_over_is_refused() -> None:
    data = of_transactions((JUNE, 10, 20, (2, False)), (JUNE, 30, 40, (1, False)))
    said = "line 5: batch 1 claims events of epoch 1, and batches of epoch 2 stand before it"
    assert refused(data, None) == said


def test_no_event_is_sealed_twice() -> None:
    event = sealed_event(1)
    record = replace(RECORD, root=event.leaf)
    again = replace(record, batch_number=1)
    assert "claims events" in refused(file_of([(record, [event]), (again, [event])]), None)


def test_a_log_with_a_batch_of_the_past_is_not_exported(copy: Database) -> None:
    """Sealed by somebody with all rights, by the log's own means: no hash is wrong."""
    with copy.connect(copy.cluster.superuser) as superuser:
        tamper(
            superuser,
            """
            select chronicle.append_batch(
                row(
                    null, b.epoch, b.bucket_from, b.bucket_to, b.from_transaction_id, b.from_seq,
                    b.to_transaction_id, b.to_seq, b.min_seq, b.max_seq, false, b.event_count,
                    null, now(), null
                )::chronicle.seal_batches,
                l.leaves
            )
            from chronicle.seal_batches as b
            inner join chronicle.seal_leaves as l on l.batch_number = b.batch_number
            where b.batch_number = (
                select min(x.batch_number) from chronicle.seal_batches as x where x.epoch = 2
            )
            """,
        )
    assert re.fullmatch(r"batch \d+ claims events from where .*", not_exported(copy))


def test_a_root_is_the_same_when_the_leaves_come_one_by_one() -> None:
    tree = RunningRoot()
    leaves: list[bytes] = []
    for number in range(131):
        assert (tree.size, tree.root()) == (number, merkle.root(leaves))
        leaves.append(merkle.leaf_hash(bytes([number])))
        tree.append(leaves[-1])


def test_a_file_of_any_length_takes_little_memory() -> None:
    data = dishonest([sealed_event(n) for n in range(1, 3001)])
    tracemalloc.start()
    try:
        verified(data, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) > 1_000_000
    assert peak < 300_000


def test_nothing_is_read_behind_a_fault(signed: bytes) -> None:
    read: list[bytes] = []

    def lines() -> Iterator[bytes]:
        for line in signed.splitlines(keepends=True):
            read.append(line)
            yield line.replace(b'{"batch":', b'{"batch" :') if len(read) == 3 else line

    with pytest.raises(VerificationError, match="line 3: "):
        verify_file(lines())
    assert len(read) == 3
