"""``history`` and ``as-of``: what became of a record, and how things stood."""

import csv
import io
import json
from datetime import datetime
from typing import Any

import pytest

from ask import run, value
from command.running import done, on_terminal, pgchronicle
from pgchronicle import Chronicle
from support import Connection, Database

ADA: Any = {"actor_type": "user", "actor_id": "ada"}


@pytest.fixture
def log(auditor: Connection) -> Chronicle:
    """A client, with a tracked table orders in which things have happened to record 7."""
    log = Chronicle(auditor)
    run(auditor, "create table orders (id integer primary key, customer text, total numeric)")
    log.enable_tracking("orders")
    with log.context(**ADA, organization_id="acme", reason="by phone", request_id="r-1"):
        run(auditor, "insert into orders values (7, 'Grace', 12.5)")
    run(auditor, "update orders set total = 12.50 where id = 7")
    run(auditor, "insert into orders values (8, 'Edsger', 1)")
    with log.context(actor_type="service", actor_id="sweeper"):
        run(auditor, "delete from orders where id = 7")
    return log


def times(log: Chronicle, record_id: object) -> list[datetime]:
    """When a record was changed, oldest first."""
    page = log.row_changes(table="orders", record_id=record_id)
    return [change.occurred_at for change in reversed(page.row_changes)]


def headings(log: Chronicle, record_id: object) -> list[tuple[str, str]]:
    """The times and ids of the changes of a record, as history prints them."""
    page = log.row_changes(table="orders", record_id=record_id)
    return [
        (c.occurred_at.isoformat(sep=" ", timespec="milliseconds"), str(c.event_id))
        for c in reversed(page.row_changes)
    ]


# history


def test_history_says_when_what_who_and_why_and_shows_what_changed(
    dsn: str, log: Chronicle
) -> None:
    (at_1, id_1), (at_2, id_2), (at_3, id_3) = headings(log, 7)
    assert done("history", "orders", 7, "--dsn", dsn).splitlines() == [
        f'{at_1}  INSERT  user ada  as installer  in acme  request r-1  "by phone"  {id_1}',
        '    + customer: "Grace"',
        "    + id: 7",
        "    + total: 12.5",
        f"{at_2}  UPDATE  system installer  {id_2}",
        "    - total: 12.5",
        "    + total: 12.50",
        f"{at_3}  DELETE  service sweeper  as installer  {id_3}",
        '    - customer: "Grace"',
        "    - id: 7",
        "    - total: 12.50",
    ]


@pytest.mark.usefixtures("log")
def test_history_in_full_shows_what_stayed_too(dsn: str) -> None:
    lines = done("history", "orders", 7, "--full", "--dsn", dsn).splitlines()
    assert lines[5:9] == [
        '      customer: "Grace"',
        "      id: 7",
        "    - total: 12.5",
        "    + total: 12.50",
    ]


def test_history_may_be_reversed_and_cut_to_the_newest(dsn: str, log: Chronicle) -> None:
    ids = [event_id for _, event_id in headings(log, 7)]

    def shown(*options: object) -> list[str]:
        said = done("history", "orders", 7, "--dsn", dsn, "--json", *options)
        return [change["event_id"] for change in json.loads(said)]

    assert shown() == ids
    assert shown("--reverse") == ids[::-1]
    assert shown("--limit", 2) == ids[1:]
    assert shown("--limit", 2, "--reverse") == ids[:0:-1]
    assert shown("--limit", 3) == ids
    result = pgchronicle("history", "orders", 7, "--limit", 2, "--dsn", dsn)
    assert result.stderr == "There are 1 older ones.\n"


@pytest.mark.usefixtures("log")
def test_history_as_json_has_every_field(dsn: str) -> None:
    said = json.loads(done("history", "orders", 7, "--dsn", dsn, "--json"), parse_float=str)
    assert [change["action"] for change in said] == ["INSERT", "UPDATE", "DELETE"]
    assert said[1]["old_values"] == {"id": 7, "customer": "Grace", "total": "12.5"}
    assert said[1]["new_values"] == {"id": 7, "customer": "Grace", "total": "12.50"}
    assert (said[0]["reason"], said[0]["request_id"], said[0]["actor_id"]) == (
        *("by phone", "r-1"),
        "ada",
    )


@pytest.mark.usefixtures("log")
def test_history_on_a_terminal_is_coloured_like_a_diff(dsn: str) -> None:
    said = on_terminal("history", "orders", 7, "--dsn", dsn)
    assert "\x1b[31m    - total: 12.5\x1b[0m\n\x1b[32m    + total: 12.50\x1b[0m" in said
    assert "\x1b" not in on_terminal("history", "orders", 7, "--dsn", dsn, NO_COLOR="1")


@pytest.mark.usefixtures("log")
def test_history_names_another_key_of_the_record(dsn: str, auditor: Connection) -> None:
    run(auditor, "update orders set id = 9 where id = 8")
    run(auditor, "update orders set total = 2 where id = 9")
    lines = done("history", "orders", 8, "--dsn", dsn).splitlines()
    signs = [line for line in lines if line.startswith("    ")]
    assert "    - id: 8" in signs
    assert "    + id: 9" in signs
    assert any("  UPDATE  9  system installer" in line for line in lines)
    assert done("history", "orders", 9, "--dsn", dsn).count("INSERT") == 1


def test_history_says_what_could_not_be_known(
    dsn: str, log: Chronicle, auditor: Connection
) -> None:
    run(auditor, "create table notes (id integer primary key, body json)")
    log.enable_tracking("notes")
    run(auditor, "insert into notes values (1, '{}')")
    log.disable_tracking("notes")
    run(auditor, "update notes set body = '[]'")
    log.enable_tracking("notes")
    run(auditor, "update notes set body = '[1]'")
    said = json.loads(done("history", "notes", 1, "--dsn", dsn, "--json"))
    shown = done("history", "notes", 1, "--dsn", dsn)
    assert shown.count("    ! ") == sum(not change["is_complete"] for change in said)


def test_what_others_wrote_cannot_steer_the_terminal(
    dsn: str, log: Chronicle, auditor: Connection
) -> None:
    evil = "a\x1b[2Jb\nc\td\u202ee\x9b31m[red]"
    run(auditor, "create table evil (id text primary key, t text)")
    log.enable_tracking("evil")
    with log.context(actor_type="user", actor_id=evil, reason=evil):
        run(auditor, "insert into evil values (%s, %s)", (evil, evil))
    tame = r"a\x1b[2Jb\nc\td\u202ee\x9b31m[red]"
    for command in (
        ("history", "evil", evil),
        ("as-of", "evil", evil, "--at", "0s"),
        ("as-of", "evil", "--at", "0s"),
    ):
        for said in (
            done(*command, "--dsn", dsn),
            on_terminal(*command, "--dsn", dsn, NO_COLOR="1"),
        ):
            assert tame in said or r"a\u001b[2Jb" in said
            for sign in ("\x1b", "\u202e", "\x9b"):
                assert sign not in said


def test_reader_from_whom_events_are_hidden_is_refused(
    database: Database, log: Chronicle, auditor: Connection
) -> None:
    log.add_administrator("reader_a", "other")
    run(auditor, "grant select on orders to reader_a")
    for command in (("history", "orders", 7), ("as-of", "orders", 7, "--at", "0s")):
        result = pgchronicle(*command, "--dsn", database.dsn("reader_a"))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")


# as-of a record


def test_record_is_shown_as_it_stood(dsn: str, log: Chronicle) -> None:
    inserted, updated, deleted = times(log, 7)
    at = ("as-of", "orders", 7, "--dsn", dsn, "--at")
    # Most cautiously: whoever asks for the moment of a change sees what it made.
    assert done(*at, inserted.isoformat()) == 'id\t7\ntotal\t12.5\ncustomer\t"Grace"\n'
    assert json.loads(done(*at, updated.isoformat(), "--json"), parse_float=str) == {
        "id": 7,
        "customer": "Grace",
        "total": "12.50",
    }
    result = pgchronicle(*at, deleted.isoformat())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: there was no record 7 then\nhint: ")


def test_record_on_a_terminal_is_a_column_a_line(dsn: str, log: Chronicle) -> None:
    (at,) = times(log, 8)
    said = on_terminal("as-of", "orders", 8, "--at", at.isoformat(), "--dsn", dsn)
    assert "\x1b[36mcustomer  \x1b[0m" in said
    assert '"Edsger"' in said


@pytest.mark.usefixtures("log")
def test_time_before_tracking_is_refused_in_the_words_of_the_log(dsn: str) -> None:
    for key in ((), (7,)):
        result = pgchronicle("as-of", "orders", *key, "--at", "2000-01-01", "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        assert "Traceback" not in result.stderr


# as-of a table


def test_table_is_shown_as_it_stood_in_the_order_of_its_key(dsn: str, log: Chronicle) -> None:
    _, _, deleted = times(log, 7)
    (inserted,) = times(log, 8)
    at = ("as-of", "orders", "--dsn", dsn, "--at")
    assert done(*at, inserted.isoformat()) == "7\tGrace\t12.50\n8\tEdsger\t1\n"
    assert done(*at, deleted.isoformat()) == "8\tEdsger\t1\n"
    assert done(*at, inserted.isoformat(), "--limit", 1) == "7\tGrace\t12.50\n"
    said = pgchronicle(*at, inserted.isoformat(), "--limit", 1).stderr
    assert said == "There are more than 1: --limit\n"
    assert pgchronicle(*at, inserted.isoformat(), "--limit", 2).stderr == ""
    assert done(*at, inserted.isoformat(), "--json") == (
        '[{"id": 7, "total": 12.50, "customer": "Grace"},'
        '{"id": 8, "total": 1, "customer": "Edsger"}]\n'
    )
    assert done(*at, deleted.isoformat(), "--csv") == "id,customer,total\n8,Edsger,1\n"
    headings, _, row, *_ = on_terminal(*at, deleted.isoformat(), NO_COLOR="1").strip().splitlines()
    assert (headings.split(), row.split()) == (["id", "customer", "total"], ["8", "Edsger", "1"])


@pytest.mark.usefixtures("log")
def test_table_without_rows_is_empty(dsn: str, auditor: Connection) -> None:
    run(auditor, "delete from orders")
    at = ("as-of", "orders", "--dsn", dsn, "--at", "0s")
    assert done(*at) == ""
    assert done(*at, "--json") == "[]\n"
    assert done(*at, "--csv") == "id,customer,total\n"


def test_values_of_any_type_come_as_postgresql_writes_them(
    dsn: str, log: Chronicle, auditor: Connection
) -> None:
    run(
        auditor,
        """
        create table "We ird%s, ""x" (
            "the %s" integer, "a.b" text, primary key ("the %s"), i interval, r int4range,
            j jsonb, b bytea, t timestamptz
        )
        """,
    )
    log.enable_tracking('"We ird%s, ""x"')
    odd = 'quote " comma, tab\t line\n é \u202e'
    run(
        auditor,
        'insert into "We ird%%s, ""x" values (1, %s, '
        "'1 day 02:00', '[1,5)', '{\"n\": 1.50}', '\\x00ff', 'infinity')",
        (odd,),
    )
    run(auditor, 'insert into "We ird%s, ""x" values (2)')
    at = ("as-of", '"We ird%s, ""x"', "--dsn", dsn, "--at", "0s")
    said = done(*at, "--csv")
    assert list(csv.reader(io.StringIO(said, newline=""))) == [
        ["the %s", "a.b", "i", "r", "j", "b", "t"],
        ["1", odd, "1 day 02:00:00", "[1,5)", '{"n": 1.50}', "\\x00ff", "infinity"],
        ["2", "", "", "", "", "", ""],
    ]
    rows = json.loads(done(*at, "--json"), parse_float=str)
    assert [row["the %s"] for row in rows] == [1, 2]
    assert (rows[0]["a.b"], rows[0]["j"], rows[1]["a.b"]) == (odd, {"n": "1.50"}, None)
    assert done(*at, "--json").isascii()
    (first, second) = done(*at).splitlines()
    assert first.split("\t")[:2] == ["1", r'quote " comma, tab\t line\n é \u202e']
    assert second.split("\t") == ["2", *[""] * 6]


@pytest.mark.usefixtures("log")
def test_terminal_shows_a_hundred_rows_unless_more_are_wanted(
    dsn: str, auditor: Connection
) -> None:
    run(auditor, "insert into orders select g, 'c' || g from generate_series(101, 250) as g")
    at = ("as-of", "orders", "--dsn", dsn, "--at", "0s")
    assert len(done(*at).splitlines()) == 151
    assert "c199" in on_terminal(*at)
    assert "c200" not in on_terminal(*at)
    assert "c250" in on_terminal(*at, "--limit", 1000)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "Missing option '--at'"),
        (("--at", "yesterday"), "is no time"),
        (("--at", "0s", "--csv", "--json"), "exclude each other"),
        (("7", "--at", "0s", "--csv"), "are for whole tables"),
        (("7", "--at", "0s", "--limit", "1"), "are for whole tables"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    dsn: str, options: tuple[str, ...], complaint: str
) -> None:
    result = pgchronicle("as-of", "orders", *options, "--dsn", dsn)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_time_without_a_zone_is_that_of_this_machine(
    dsn: str, log: Chronicle, auditor: Connection
) -> None:
    (at,) = times(log, 8)
    local = value(auditor, "select %s at time zone 'Asia/Tokyo'", (at,))
    said = on_terminal(
        *("as-of", "orders", 8, "--dsn", dsn, "--at", local.isoformat(" ")), TZ="Asia/Tokyo"
    )
    assert "Edsger" in said
