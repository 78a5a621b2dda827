"""Names of the user's (schemas, tables, columns, types, labels, resource types) are names wherever
they get into SQL, and never a part of it."""

from typing import Any

import pytest

from ask import rows, run, value
from support import Connection

PAYLOADS = (
    'x"; drop table public.canary; --',
    "x'; drop table public.canary; --",
    "x'); drop table public.canary; --",
    "$body$; drop table public.canary; --",
    "$block$ end; drop table canary; $block$",
    "$query$ drop $related$ table $$ canary",
    "%s %I %L %1$s %2$I %99$s %%",
    "\\'; drop table public.canary; --\\",
    "\\",
    "E'\\n' \\\\ \\u0041",
    "a\n; drop table public.canary;\n--",
    "/* */ -- ",
    "{\"a\": [1]} :x :'x'",
    "ends in a space ",
    " ",
    "ünï€\u202ecode",
    "x" * 63,
    # What the functions made for a table call things themselves.
    "old",
    "new",
    "image",
    "v_before",
    "v_error",
    "sqlerrm",
    "tg_relid",
    "select",
    "record_id",
    "e",
    "i",
    "p",
    "c",
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Named:
    """A table all of whose names are one payload."""

    def __init__(self, db: Connection, payload: str) -> None:
        self.db = db
        self.payload = payload
        self.schema = payload
        self.table = payload
        self.column = payload
        self.label = payload
        self.address = f"{quoted(self.schema)}.{quoted(self.table)}"
        self.kind = f"{quoted(self.schema)}.{quoted('t' + payload[:40])}"
        run(db, f"create schema {quoted(self.schema)}")
        run(db, f"create type {self.kind} as enum ({literal(self.label)}, 'other')")
        run(
            db,
            f"create table {self.address} ({quoted(self.column)} {self.kind}, key_2 text, "
            f"org text, doc json, secret text, primary key ({quoted(self.column)}, key_2))",
        )

    def enable(self, *more: str) -> None:
        arguments = ", ".join(
            (
                literal(self.address),
                f"_resource_type => {literal(self.payload)}",
                "_organization_column => 'org'",
                "_mask_columns => '{secret}'",
                *more,
            )
        )
        run(self.db, f"select chronicle.enable_tracking({arguments})")

    def write(self) -> None:
        key = literal(self.payload)
        column = quoted(self.column)
        run(
            self.db,
            f"insert into {self.address} values ({key}, {key}, {key}, '{{\"a\":  1}}', {key})",
        )
        run(self.db, f"update {self.address} set org = 'b', secret = 'x'")
        run(self.db, f"update {self.address} set key_2 = 'k', {column} = 'other'")
        run(self.db, f"delete from {self.address}")
        run(self.db, f"insert into {self.address} values ({key}, {key}, {key}, null, null)")
        run(self.db, f"truncate {self.address}")


@pytest.fixture
def canary(db: Connection) -> Connection:
    """The installer's session, with a table that an injected statement would drop."""
    db.execute("create table public.canary (id integer)")
    db.execute("set local search_path = public")
    return db


def changes_of(db: Connection) -> list[Any]:
    return rows(
        db,
        """
        select schema_name, table_name, action, record_id::jsonb, organization_id, old_values,
            new_values, payload_error
        from chronicle.row_changes order by seq
        """,
    )


@pytest.mark.parametrize("mode", ["changes", "full"])
@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_names_stay_names(canary: Connection, payload: str, mode: str) -> None:
    named = Named(canary, payload)
    named.enable(f"_capture => '{mode}'")
    named.write()
    first = {payload: payload, "key_2": payload, "org": payload, "secret": "[masked]"}
    first["doc"] = '{"a":  1}'
    key = {payload: payload, "key_2": payload}
    other = {payload: "other", "key_2": "k"}
    second = first | {"org": "b"}
    third = second | other
    last = first | {"doc": None, "secret": None}
    place = (payload, payload)
    org = payload or None
    found = changes_of(canary)
    if mode == "full":
        expected: list[Any] = [
            (*place, "INSERT", key, org, None, first, None),
            (*place, "UPDATE", key, "b", first, second, None),
            (*place, "UPDATE", other, "b", second, third, None),
            (*place, "DELETE", other, "b", third, None, None),
            (*place, "INSERT", key, org, None, last, None),
            (*place, "TRUNCATE", key, org, last, None, None),
            (*place, "TRUNCATE", None, None, None, None, None),
        ]
        assert found == expected
    assert [one[2] for one in found] == [
        *("INSERT", "UPDATE", "UPDATE", "DELETE", "INSERT", "TRUNCATE", "TRUNCATE"),
    ]
    assert {one[7] for one in found} == {None}
    assert {one[:2] for one in found} == {place}
    assert value(canary, "select count(*) from public.canary") == 0
    assert rows(
        canary, "select state, problem, not_covered, resource_type from chronicle.tracked_tables"
    ) == [("tracked", None, [], payload)]


@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_names_stay_names_when_the_table_changes(canary: Connection, payload: str) -> None:
    named = Named(canary, payload)
    named.enable()
    run(canary, f"alter table {named.address} add column {quoted('n' + payload[:60])} text")
    run(canary, f"alter table {named.address} rename column org to {quoted('o' + payload[:60])}")
    named_key = literal(payload)
    run(
        canary,
        f"insert into {named.address} values ({named_key}, {named_key}, {named_key}, null, "
        f"{named_key}, {named_key})",
    )
    [(*_, new_values, error)] = changes_of(canary)
    assert error is not None
    assert new_values[payload] == payload
    assert new_values["o" + payload[:60]] == payload
    assert new_values["secret"] == "[masked]"

    [(table_name, outcome)] = rows(canary, "select * from chronicle.refresh_tracking()")
    assert (table_name.strip('"') != "", outcome) == (True, "refreshed")
    run(canary, f"update {named.address} set doc = '[1]'")
    assert changes_of(canary)[-1][5:] == ({"doc": None}, {"doc": [1]}, None)
    assert value(canary, "select organization_column from chronicle.tracked_tables") == (
        "o" + payload[:60]
    )

    run(canary, f"alter table {named.address} rename to {quoted('r' + payload[:60])}")
    assert value(canary, "select table_name from chronicle.tracked_tables") == "r" + payload[:60]
    renamed = f"{quoted(payload)}.{quoted('r' + payload[:60])}"
    run(canary, f"select chronicle.disable_tracking({literal(renamed)})")
    assert value(canary, "select state from chronicle.tracked_tables") == "ended"
    assert value(canary, "select count(*) from public.canary") == 0


@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_names_of_partitions_stay_names(canary: Connection, payload: str) -> None:
    run(canary, f"create schema {quoted(payload)}")
    root = f"{quoted(payload)}.{quoted('r' + payload[:60])}"
    leaf = f"{quoted(payload)}.{quoted('l' + payload[:60])}"
    run(canary, f"create table {root} (id integer primary key, v text) partition by list (id)")
    run(canary, f"create table {leaf} partition of {root} default")
    run(canary, f"select chronicle.enable_tracking({literal(root)})")
    run(canary, f"insert into {root} values (1, 'a'), (2, 'b')")
    run(canary, f"truncate {leaf}")
    assert rows(canary, "select action, record_id from chronicle.row_changes order by seq") == [
        ("INSERT", "1"),
        ("INSERT", "2"),
        ("TRUNCATE", "1"),
        ("TRUNCATE", "2"),
        ("TRUNCATE", None),
    ]
    assert value(canary, "select count(*) from public.canary") == 0


@pytest.mark.parametrize("payload", PAYLOADS, ids=repr)
def test_what_a_name_says_when_it_is_refused_is_not_run(canary: Connection, payload: str) -> None:
    """As a column that is not there, a setting, a role, a resource type and an action."""
    text = literal(payload)
    for statement in (
        f"select chronicle.enable_tracking('public.canary', _organization_column => {text})",
        f"select chronicle.enable_tracking('public.canary', _exclude_columns => array[{text}])",
        f"select chronicle.enable_tracking('public.canary', _mask_columns => array[{text}])",
        f"select chronicle.enable_tracking('public.canary', _key_columns => array[{text}])",
        f"select chronicle.enable_tracking({text})",
        f"select chronicle.refresh_tracking({text})",
        f"select chronicle.disable_tracking({text})",
        f"select chronicle.set_setting({text}, '1')",
        f"select chronicle.remove_administrator({text}, {text})",
    ):
        with pytest.raises(Exception, match=r"\S"), canary.transaction():
            run(canary, statement)
    run(canary, f"select chronicle.add_administrator({text}, {text})")
    run(canary, f"select chronicle.register_action({text}, {text})")
    run(canary, f"select chronicle.register_resource_type({text}, {text})")
    assert value(canary, "select count(*) from public.canary") == 0
    assert rows(canary, "select * from chronicle.tracked_tables") == []
