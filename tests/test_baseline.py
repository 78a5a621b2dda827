"""How migrations are written from sql/."""

from pathlib import Path

import pytest

import baseline

INSTALL = """
-- What psql needs comes first.
\\set ON_ERROR_STOP on

-- migration: 0001_roots
-- Where things are.
\\ir schema.sql

-- migration: 0002_tables
-- What there is.
set local role chronicle_owner;
-- A further remark.
\\ir log/events.sql
grant create on schema s to w;
\\ir log/guard.sql
revoke create on schema s from w;
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {
        "install.sql": INSTALL,
        "schema.sql": "create schema s;\ncomment on schema s is\n'All.';\n",
        "log/events.sql": (
            "create table s.events (n integer);\n"
            "comment on table s.events is 'It''s; comment on table s.trap is';\n"
            "comment on column s.events.n is 'n';\n"
            "create view s.latest as select 1;\n"
            "comment on view s.latest is $$comment on view s.trap is $$;\n"
        ),
        "log/guard.sql": (
            "-- comment on function s.trap() is\n"
            "create function s.guard()\nreturns trigger as $f$\n"
            "comment on table s.trap is ';';\n$f$;\n"
            "comment on function s.guard() is 'x';\n"
            "comment on trigger t on s.events is 'y';\n"
            "comment on function s.add(\n    integer,\n    text\n) is 'z';\n"
        ),
        "rollback/0002_tables.before.sql": "select 'before';\n",
        "rollback/0002_tables.after.sql": "select 'after';\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_group_becomes_a_migration_in_its_own_order(source: Path) -> None:
    files = baseline.generate(source)
    assert list(files) == [
        "pgchronicle_0001_roots.sql",
        "pgchronicle_0001_roots.rollback.sql",
        "pgchronicle_0002_tables.sql",
        "pgchronicle_0002_tables.rollback.sql",
    ]
    assert files["pgchronicle_0001_roots.sql"].splitlines() == [
        *("-- Where things are.", ""),
        *("create schema s;", "comment on schema s is", "'All.';"),
    ]
    second = files["pgchronicle_0002_tables.sql"]
    assert second.startswith("-- What there is.\n-- depends: pgchronicle_0001_roots\n\nset local")
    in_order = ["set local role", "create table", "grant create", "create function", "revoke"]
    assert sorted(in_order, key=second.index) == in_order
    assert "remark" not in second


def test_rollback_drops_the_last_made_first_and_trigger_functions_after_tables(
    source: Path,
) -> None:
    assert baseline.generate(source)["pgchronicle_0002_tables.rollback.sql"].splitlines() == [
        *("-- Undoes pgchronicle_0002_tables.", ""),
        *("set local role chronicle_owner;", ""),
        *("select 'before';", ""),
        *("drop function s.add(", "    integer,", "    text", ");"),
        "drop trigger t on s.events;",
        "drop view s.latest;",
        "drop table s.events;",
        *("drop function s.guard();", ""),
        "select 'after';",
    ]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("rollback/0009_gone.before.sql", "", "belongs to no migration"),
        ("schema.sql", "comment on operator s.+ is 'x';", "cannot tell how to drop operator"),
        ("install.sql", "-- migration: 0001_a\n\\ir schema.sql", "does not say why"),
        ("install.sql", "-- migration: 0001_a\n-- Why.\ncommit;", "cannot hold this line"),
        ("install.sql", "-- migration: 0001_a\n-- Why.\n\\echo hi", "cannot hold this line"),
    ],
)
def test_what_it_cannot_read_is_named(source: Path, name: str, text: str, complaint: str) -> None:
    (source / name).write_text(text)
    with pytest.raises(baseline.BaselineError, match=complaint):
        baseline.generate(source)


def test_stale_migrations_are_named_and_strangers_left_alone(tmp_path: Path) -> None:
    files = {"pgchronicle_a.sql": "a", "pgchronicle_b.sql": "b", "pgchronicle_c.sql": "c"}
    (tmp_path / "pgchronicle_a.sql").write_text("a")
    (tmp_path / "pgchronicle_b.sql").write_text("changed")
    (tmp_path / "pgchronicle_gone.sql").write_text("")
    (tmp_path / "README.md").write_text("")
    assert baseline.stale(tmp_path, files) == [
        "pgchronicle_b.sql",
        "pgchronicle_c.sql",
        "pgchronicle_gone.sql",
    ]
