"""The house rules and the contract, asked of the catalog."""

from typing import Any

import pytest

from ask import as_superuser, row, rows, run, value, values
from support import Connection, acting_as

OURS = "('chronicle', 'chronicle_capture')"

NO_PINNED_PATH = {
    "chronicle.uuid_v7()": "the default of event_id: it must inline; a SET clause prevents it",
    **{
        f"chronicle.{rule}()": "a constant of the settings, which inlines into what logs"
        for rule in (
            *("enforces_actions", "enforces_resource_types", "masked_key", "masked_key_start"),
            "payload_limit_bytes",
        )
    },
    "chronicle.context_challenge()": "inlines into the check of each event's verified context",
    "chronicle.hmac_sha256(bytea,bytea,text)": "inlines, so that no secret becomes a parameter",
    "chronicle.is_trusted_gateway()": "a constant of the list of gateways, which inlines",
    "chronicle.sealed_text(jsonb)": "inlines into that check too",
    "chronicle.settled_after(bigint)": "a default of every event, which inlines",
    "chronicle.current_epoch()": "a constant that is a default of every event, which inlines",
    "chronicle.uuid_v7_from(uuid)": "inlines into what logs and captures, as the former does",
    **{
        f"chronicle.{function}": "inlines into what hashes events by the thousand"
        for function in (
            *("event_fields(chronicle.events)", "payload_fields(chronicle.events)"),
            *("payload_digest(chronicle.events)", "event_leaf(chronicle.events,bytea)"),
            "microseconds(timestamp with time zone)",
            "bucket_start(text,timestamp with time zone)",
            "event_leaves(integer,bigint,bigint,bigint,bigint)",
            "batch_of(integer,timestamp with time zone,bigint,bigint)",
        )
    },
    "chronicle.merge_images(jsonb)": "an aggregate, which takes no settings",
    "chronicle.carry_out_undo(text,uuid)": "the application's triggers fire in it, by its own path",
    "chronicle.revert_event(uuid,boolean)": "hands that path on to the former",
    "chronicle.revert_transaction(bigint,integer,boolean)": "hands that path on to the same",
}
"""Functions without a search_path of their own, and why."""

DEFINERS = {
    "chronicle.add_administrator": ("chronicle_owner", "the table is written through it alone"),
    "chronicle.add_context_key": ("chronicle_owner", "the keys are written through it alone"),
    "chronicle.add_trusted_gateway": ("chronicle_owner", "the list is written through it alone"),
    **{
        f"chronicle.are_{what}_events_hidden": (
            "chronicle_sealer",
            "sees every event, and tells yes or no",
        )
        for what in ("record", "table", "transaction")
    },
    "chronicle.begin_epoch": ("chronicle_owner", "shuts writers out, and changes what they write"),
    "chronicle.begin_import": ("chronicle_writer", "the list of imports is written through it"),
    "chronicle.checkpoint": ("chronicle_sealer", "reads hashes of the log's tree"),
    "chronicle.confirm_row_capture": (
        "chronicle_writer",
        "closes the functions that the writer owns",
    ),
    "chronicle.confirm_truncate_capture": (
        "chronicle_table_reader",
        "closes the function that the reader of tables owns",
    ),
    "chronicle.consistency_proof": ("chronicle_sealer", "reads hashes of the log's tree"),
    "chronicle.create_capture_functions": ("chronicle_writer", "makes what runs as the writer"),
    "chronicle.create_truncate_function": (
        "chronicle_table_reader",
        "makes what reads a table before it is emptied",
    ),
    "chronicle.departures": (
        "chronicle_sealer",
        "finds by an index what readers can not; ids only",
    ),
    "chronicle.ensure_partitions": ("chronicle_owner", "a partition belongs to the table's owner"),
    **{
        f"chronicle.erase_{what}": ("chronicle_owner", "the eraser's, once erasure is enabled")
        for what in ("events", "payload", "subject")
    },
    "chronicle.greatest_seq": ("chronicle_sealer", "sees every event, and tells a number"),
    "chronicle.has_departures": ("chronicle_sealer", "sees every event, and tells yes or no"),
    "chronicle.is_context_sealed": ("chronicle_verifier", "reads a secret, and tells yes or no"),
    "chronicle.is_departure_erased": ("chronicle_sealer", "sees every event, and tells yes or no"),
    "chronicle.is_event_imported": ("chronicle_sealer", "sees every event, and tells yes or no"),
    "chronicle.is_event_recorded": ("chronicle_sealer", "sees every event, and tells yes or no"),
    "chronicle.log_audit_event": ("chronicle_writer", "inserts the event"),
    "chronicle.note_interruption": ("chronicle_owner", "the list is written through it alone"),
    "chronicle.record_event_set": ("chronicle_writer", "inserts the events"),
    "chronicle.record_imported_events": ("chronicle_writer", "inserts the events"),
    "chronicle.record_internal_event": (
        "chronicle_writer",
        "inserts the event, for owners of functions that may not",
    ),
    "chronicle.record_revert": ("chronicle_owner", "may record what pgchronicle does"),
    "chronicle.record_snapshot_rows": ("chronicle_writer", "inserts the events"),
    "chronicle.register_action": ("chronicle_owner", "the registry is written through it alone"),
    "chronicle.register_resource_type": (
        "chronicle_owner",
        "the registry is written through it alone",
    ),
    "chronicle.register_tracked_table": (
        "chronicle_owner",
        "the registry is written through it alone",
    ),
    "chronicle.remove_administrator": ("chronicle_owner", "the table is written through it alone"),
    "chronicle.remove_trusted_gateway": ("chronicle_owner", "the list is written through it alone"),
    "chronicle.retire_context_key": ("chronicle_owner", "the keys are written through it alone"),
    "chronicle.retire_tracked_table": ("chronicle_owner", "drops what the writer owns"),
    "chronicle.seal_events": ("chronicle_sealer", "reads every event, and writes its seal"),
    "chronicle.sealed_place": ("chronicle_sealer", "reads the hashes beside an event's"),
    "chronicle.sealing_state": ("chronicle_sealer", "tells a time of events, and counts"),
    "chronicle.transaction_events": ("chronicle_sealer", "tells ids, to what records an undo only"),
    "chronicle.set_signed_context": ("chronicle_verifier", "reads the keys of tokens"),
    "chronicle.set_setting": ("chronicle_owner", "the settings are written through it alone"),
    "chronicle.verify_log": ("chronicle_sealer", "reads every event, and tells what is wrong"),
}
"""Functions with the rights of their owner, who that is, and what the rights are for."""

TABLE_GRANTS = {
    ("chronicle.actions", "chronicle_admin", "SELECT"),
    ("chronicle.actions", "chronicle_app", "SELECT"),
    ("chronicle.actions", "chronicle_reader", "SELECT"),
    ("chronicle.actions", "chronicle_writer", "SELECT"),
    ("chronicle.administrators", "chronicle_admin", "SELECT"),
    ("chronicle.administrators", "chronicle_reader", "SELECT"),
    ("chronicle.context_keys", "chronicle_admin", "SELECT"),
    ("chronicle.context_secrets", "chronicle_verifier", "SELECT"),
    ("chronicle.epochs", "chronicle_reader", "SELECT"),
    ("chronicle.epochs", "chronicle_sealer", "SELECT"),
    ("chronicle.erasures", "chronicle_reader", "SELECT"),
    ("chronicle.erasures", "chronicle_sealer", "SELECT"),
    ("chronicle.event_keys", "chronicle_writer", "INSERT"),
    ("chronicle.event_keys", "chronicle_writer", "SELECT"),
    ("chronicle.events", "chronicle_reader", "SELECT"),
    ("chronicle.events", "chronicle_sealer", "SELECT"),
    ("chronicle.events", "chronicle_writer", "INSERT"),
    ("chronicle.events_seq", "chronicle_writer", "USAGE"),
    ("chronicle.imports", "chronicle_admin", "SELECT"),
    ("chronicle.imports", "chronicle_reader", "SELECT"),
    ("chronicle.imports", "chronicle_writer", "INSERT"),
    ("chronicle.imports", "chronicle_writer", "SELECT"),
    ("chronicle.imports", "chronicle_writer", "UPDATE"),
    ("chronicle.index_profiles", "chronicle_admin", "SELECT"),
    ("chronicle.index_profiles", "chronicle_reader", "SELECT"),
    ("chronicle.resource_types", "chronicle_admin", "SELECT"),
    ("chronicle.resource_types", "chronicle_app", "SELECT"),
    ("chronicle.resource_types", "chronicle_reader", "SELECT"),
    ("chronicle.resource_types", "chronicle_writer", "SELECT"),
    *(
        (f"chronicle.seal_{what}", *grant)
        for what in ("batches", "leaves", "nodes")
        for grant in (
            ("chronicle_auditor", "SELECT"),
            ("chronicle_sealer", "INSERT"),
            ("chronicle_sealer", "SELECT"),
        )
    ),
    *(
        (f"chronicle.{what}", f"chronicle_{role}", "SELECT")
        for what in ("seal_state", "seal_status")
        for role in ("admin", "auditor")
    ),
    ("chronicle.seal_state", "chronicle_sealer", "SELECT"),
    ("chronicle.settings", "chronicle_admin", "SELECT"),
    ("chronicle.settings", "chronicle_app", "SELECT"),
    ("chronicle.settings", "chronicle_reader", "SELECT"),
    ("chronicle.settings", "chronicle_sealer", "SELECT"),
    ("chronicle.settings", "chronicle_table_reader", "SELECT"),
    ("chronicle.settings", "chronicle_writer", "SELECT"),
    ("chronicle.snapshots", "chronicle_admin", "SELECT"),
    ("chronicle.snapshots", "chronicle_reader", "SELECT"),
    ("chronicle.snapshots", "chronicle_writer", "INSERT"),
    ("chronicle.snapshots", "chronicle_writer", "SELECT"),
    ("chronicle.snapshots", "chronicle_writer", "UPDATE"),
    ("chronicle.table_names", "chronicle_admin", "SELECT"),
    ("chronicle.table_names", "chronicle_reader", "SELECT"),
    ("chronicle.table_names", "chronicle_table_reader", "SELECT"),
    ("chronicle.table_names", "chronicle_writer", "SELECT"),
    ("chronicle.table_registry", "chronicle_admin", "SELECT"),
    ("chronicle.table_registry", "chronicle_reader", "SELECT"),
    ("chronicle.table_registry", "chronicle_table_reader", "SELECT"),
    ("chronicle.table_registry", "chronicle_writer", "SELECT"),
    ("chronicle.tracked_tables", "chronicle_admin", "SELECT"),
    ("chronicle.tracked_tables", "chronicle_reader", "SELECT"),
    ("chronicle.tracking_periods", "chronicle_admin", "SELECT"),
    ("chronicle.tracking_periods", "chronicle_reader", "SELECT"),
    ("chronicle.tracking_periods", "chronicle_sealer", "SELECT"),
    ("chronicle.tracking_periods", "chronicle_table_reader", "SELECT"),
    ("chronicle.tracking_periods", "chronicle_writer", "SELECT"),
    *(
        ("chronicle.trusted_gateways", f"chronicle_{role}", "SELECT")
        for role in ("admin", "app", "reader", "table_reader", "writer")
    ),
}
"""All that anybody but its owner may do with a table, a view or a sequence of ours."""

ENUMS = {
    "action_type": ["create", "read", "update", "delete", "execute", "other"],
    "actor_type": [
        *("user", "employee", "customer", "admin"),
        *("service", "ai", "system", "anonymous"),
    ],
    "ai_agent_type": [
        *("assistant", "editor", "researcher", "coder"),
        *("analyst", "writer", "reviewer", "custom"),
    ],
    "ai_operation_status": ["running", "completed", "failed", "cancelled"],
    "capture_mode": ["changes", "full"],
    "email_event_type": [
        *("send", "delivery", "delivery_delay", "bounce", "complaint", "reject"),
        *("open", "click", "subscription", "rendering_failure"),
    ],
    "event_origin": ["logged", "captured", "snapshot", "imported"],
    "event_status": ["success", "failure"],
    "severity_level": ["info", "warning", "error", "critical"],
    "truncate_mode": ["rows", "event", "refuse"],
}

EVENT_COLUMNS = {
    "event_id": "uuid",
    "seq": "bigint",
    "transaction_id": "bigint",
    "epoch": "integer",
    "schema_version": "smallint",
    "settled_after": "bigint",
    "occurred_at": "timestamp with time zone",
    "recorded_at": "timestamp with time zone",
    "organization_id": "text",
    "actor_type": "chronicle.actor_type",
    "actor_id": "text",
    "actor_role": "text",
    "impersonator_id": "text",
    "is_ai_action": "boolean",
    "db_user": "text",
    "context_state": "text",
    "origin": "chronicle.event_origin",
    "action_type": "chronicle.action_type",
    "action": "text",
    "action_description": "text",
    "action_meta": "jsonb",
    "reason": "text",
    "resource_type": "text",
    "resource_id": "text",
    "related_resources": "jsonb",
    "table_id": "integer",
    "details_before": "jsonb",
    "details_after": "jsonb",
    "changed_columns": "text[]",
    "payload_error": "text",
    "payload_salt": "uuid",
    "ai_metadata": "jsonb",
    "ai_operation_id": "uuid",
    "severity": "chronicle.severity_level",
    "status": "chronicle.event_status",
    "error_code": "text",
    "error_message": "text",
    "duration_ms": "integer",
    "session_id": "text",
    "request_id": "text",
    "trace_id": "text",
    "operation_id": "text",
    "parent_event_id": "uuid",
    "ip_address": "inet",
    "user_agent": "text",
    "client_info": "jsonb",
}

CHANGE_COLUMNS = {
    name: {
        "action": "text",
        "record_id": "text",
        "old_values": "jsonb",
        "new_values": "jsonb",
        "is_complete": "boolean",
    }.get(name)
    or EVENT_COLUMNS[name]
    for name in (
        *("event_id", "seq", "occurred_at", "transaction_id", "epoch", "origin", "action"),
        *("record_id", "old_values", "new_values", "changed_columns", "is_complete"),
        *("organization_id", "actor_type", "actor_id", "db_user", "context_state", "request_id"),
        *("reason", "parent_event_id", "payload_error"),
    )
}
"""What chronicle.record_history returns."""

LOG_ARGUMENTS = {
    "_organization_id": "anycompatible",
    "_actor_id": "anycompatible",
    "_actor_type": "chronicle.actor_type",
    "_ip_address": "inet",
    "_user_agent": "text",
    "_action_type": "chronicle.action_type",
    "_action_description": "text",
    "_action_meta": "jsonb",
    "_resource_type": "text",
    "_resource_id": "anycompatible",
    "_related_resources": "jsonb",
    "_details_before": "jsonb",
    "_details_after": "jsonb",
    "_ai_metadata": "jsonb",
    "_session_id": "text",
    "_request_id": "text",
    "_client_info": "jsonb",
    "_duration_ms": "integer",
    "_severity": "chronicle.severity_level",
    "_status": "chronicle.event_status",
    "_error_code": "text",
    "_error_message": "text",
    "_action": "text",
    "_actor_role": "text",
    "_impersonator_id": "text",
    "_is_ai_action": "boolean",
    "_reason": "text",
    "_trace_id": "text",
    "_operation_id": "text",
    "_parent_event_id": "uuid",
    "_ai_operation_id": "uuid",
    "_occurred_at": "timestamp with time zone",
    "_event_id": "uuid",
}


@pytest.fixture
def tracked(db: Connection) -> Connection:
    """The installer's session with a table tracked, so that a generated function is there too."""
    db.execute("create table public.item (id integer primary key, name text)")
    db.execute("select chronicle.enable_tracking('public.item')")
    return db


# Comments.


def test_every_object_is_commented(tracked: Connection) -> None:
    assert (
        values(
            tracked,
            f"""
        select 'schema ' || n.nspname
        from pg_namespace as n
        where n.nspname in {OURS} and obj_description(n.oid, 'pg_namespace') is null
        union all
        select concat(c.relkind, ' ', c.oid::regclass)
        from pg_class as c
        where c.relnamespace::regnamespace::text in {OURS}
            and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
            and obj_description(c.oid, 'pg_class') is null
            -- The sequence of an identity column is a part of the column.
            and not exists (
                select from pg_depend as d
                where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'i'
            )
        union all
        select 'column ' || c.oid::regclass || '.' || a.attname
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace::regnamespace::text in {OURS}
            and c.relkind in ('r', 'p', 'v', 'm', 'f')
            -- A partition has the columns of its table.
            and not c.relispartition
            and col_description(c.oid, a.attnum) is null
        union all
        select 'function ' || p.oid::regprocedure
        from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS}
            and obj_description(p.oid, 'pg_proc') is null
        union all
        select 'type ' || t.oid::regtype
        from pg_type as t
        left join pg_class as c on c.oid = t.typrelid
        where t.typnamespace::regnamespace::text in {OURS}
            and coalesce(c.relkind, 'c') = 'c'
            and t.typsubscript <> 'array_subscript_handler'::regproc
            and obj_description(t.oid, 'pg_type') is null
        union all
        select 'trigger ' || t.tgname || ' on ' || c.oid::regclass
        from pg_trigger as t
        inner join pg_class as c on c.oid = t.tgrelid
        where c.relnamespace::regnamespace::text in {OURS}
            and not t.tgisinternal
            and not c.relispartition
            and obj_description(t.oid, 'pg_trigger') is null
        union all
        select 'policy ' || p.polname || ' on ' || p.polrelid::regclass
        from pg_policy as p
        inner join pg_class as c on c.oid = p.polrelid
        where c.relnamespace::regnamespace::text in {OURS}
            and obj_description(p.oid, 'pg_policy') is null
        """,
        )
        == []
    )


def test_a_comment_names_every_argument_that_people_pass(db: Connection) -> None:
    # Functions that are nobody's to call need not explain themselves argument by argument.
    assert (
        rows(
            db,
            """
        select p.oid::regprocedure::text, a.name
        from pg_proc as p
        cross join lateral unnest(p.proargnames, p.proargmodes) as a (name, mode)
        where p.pronamespace = 'chronicle'::regnamespace
            and coalesce(a.mode, 'i') in ('i', 'b', 'v')
            and obj_description(p.oid, 'pg_proc') not like 'Private.%%'
            and obj_description(p.oid, 'pg_proc') not like '%%columns of chronicle.events%%'
            and obj_description(p.oid, 'pg_proc') not like '%%column of chronicle.events%%'
            and position(a.name in obj_description(p.oid, 'pg_proc')) = 0
            -- These two are explained by what they are called.
            and a.name not in ('_table', '_before', '_after')
        """,
        )
        == []
    )


# Functions.


def test_no_function_is_executable_by_public(tracked: Connection) -> None:
    assert (
        values(
            tracked,
            f"""
        select p.oid::regprocedure::text
        from pg_proc as p
        cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
        where p.pronamespace::regnamespace::text in {OURS} and a.grantee = 0
        """,
        )
        == []
    )


def test_every_function_pins_its_search_path(tracked: Connection) -> None:
    unpinned = values(
        tracked,
        f"""
        select p.oid::regprocedure::text
        from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS}
            and not 'search_path=pg_catalog, pg_temp' = any(coalesce(p.proconfig, '{{}}'))
        """,
    )
    assert sorted(unpinned) == sorted(NO_PINNED_PATH)


def test_functions_with_the_rights_of_their_owner_are_exactly_these(tracked: Connection) -> None:
    definers = rows(
        tracked,
        f"""
        select p.pronamespace::regnamespace || '.' || p.proname, p.proowner::regrole::text
        from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS} and p.prosecdef
            and p.proname not like 'capture\\_%'
        """,
    )
    assert sorted(definers) == sorted((name, owner) for name, (owner, _) in DEFINERS.items())


def test_capture_functions_run_with_the_least_rights_and_are_executable_by_nobody(
    tracked: Connection,
) -> None:
    # What is truncated has to be read first, and the writer reads nothing.
    assert rows(
        tracked,
        """
        select
            substring(p.proname from '[a-z]+$'), p.prosecdef, p.proowner::regrole::text,
            p.proacl::text[]
        from pg_proc as p
        where p.pronamespace = 'chronicle_capture'::regnamespace
        order by 1
        """,
    ) == [
        ("delete", True, "chronicle_writer", []),
        ("insert", True, "chronicle_writer", []),
        ("truncate", True, "chronicle_table_reader", []),
        ("update", True, "chronicle_writer", []),
    ]


def test_arguments_begin_with_an_underscore(db: Connection) -> None:
    assert (
        rows(
            db,
            f"""
        select p.oid::regprocedure::text, p.proargnames
        from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS}
            and (
                cardinality(p.proargnames) < p.pronargs
                or p.proargnames is null and p.pronargs > 0
                or exists (
                    select
                    from unnest(p.proargnames, p.proargmodes) as a (name, mode)
                    where (coalesce(a.mode, 'i') in ('i', 'b', 'v')) <> (a.name ^@ '_')
                )
            )
        """,
        )
        == []
    )


def test_no_function_is_overloaded(tracked: Connection) -> None:
    assert (
        rows(
            tracked,
            f"""
        select p.pronamespace::regnamespace::text, p.proname
        from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS}
        group by 1, 2 having count(*) > 1
        """,
        )
        == []
    )


def test_no_function_takes_an_open_list_or_claims_to_be_leakproof(tracked: Connection) -> None:
    assert (
        values(
            tracked,
            f"""
        select p.oid::regprocedure::text from pg_proc as p
        where p.pronamespace::regnamespace::text in {OURS}
            and (p.provariadic <> 0 or p.proleakproof)
        """,
        )
        == []
    )


# What it stands on.


def test_no_extension_is_needed(db: Connection) -> None:
    assert values(db, "select extname from pg_extension") == ["plpgsql"]


def test_no_column_holds_an_oid(db: Connection) -> None:
    # An oid does not survive dump and restore, and a reg* column stops pg_upgrade.
    assert (
        rows(
            db,
            f"""
        select a.attrelid::regclass::text, a.attname
        from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        where c.relnamespace::regnamespace::text in {OURS}
            and c.relkind in ('r', 'p') and a.attnum > 0
            and (a.atttypid::regtype::text ^@ 'reg' or a.atttypid = 'oid'::regtype)
        """,
        )
        == []
    )


def test_no_foreign_key_rewrites_history(db: Connection) -> None:
    assert (
        rows(
            db,
            f"""
        select k.conname from pg_constraint as k
        inner join pg_class as c on c.oid in (k.conrelid, k.confrelid)
        where k.contype = 'f' and c.relnamespace::regnamespace::text in {OURS}
        """,
        )
        == []
    )


def test_everything_belongs_to_a_role_of_ours(tracked: Connection) -> None:
    assert rows(
        tracked,
        f"""
        select o.owner::regrole::text, o.kind, count(*) > 0
        from (
            select n.nspowner, 'schema' from pg_namespace as n where n.nspname in {OURS}
            union all
            select c.relowner, 'relation' from pg_class as c
            where c.relnamespace::regnamespace::text in {OURS}
                and c.relname not in ('row_changes', 'row_events')
            union all
            select c.relowner, 'view of events' from pg_class as c
            where c.relname in ('row_changes', 'row_events')
            union all
            select p.proowner, case when p.prosecdef then 'definer' else 'function' end
            from pg_proc as p where p.pronamespace::regnamespace::text in {OURS}
            union all
            select t.typowner, 'type' from pg_type as t
            where t.typnamespace::regnamespace::text in {OURS}
                and t.typname !~ 'row_(changes|events)$'
        ) as o (owner, kind)
        group by 1, 2 order by 2, 1
        """,
    ) == [
        ("chronicle_owner", "definer", True),
        ("chronicle_sealer", "definer", True),
        ("chronicle_table_reader", "definer", True),
        ("chronicle_verifier", "definer", True),
        ("chronicle_writer", "definer", True),
        ("chronicle_owner", "function", True),
        ("chronicle_owner", "relation", True),
        ("chronicle_owner", "schema", True),
        ("chronicle_owner", "type", True),
        ("chronicle_reader", "view of events", True),
    ]


# Rights.


def test_rights_on_tables_are_exactly_these(db: Connection) -> None:
    found = rows(
        db,
        f"""
        select
            c.oid::regclass::text,
            case a.grantee when 0 then 'public' else a.grantee::regrole::text end,
            a.privilege_type || case when a.is_grantable then ' with grant option' else '' end
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.relnamespace::regnamespace::text in {OURS} and a.grantee <> c.relowner
        """,
    )
    assert set(found) == TABLE_GRANTS


def test_the_only_right_on_a_single_column_is_to_mark_an_epoch_as_sealed(db: Connection) -> None:
    assert rows(
        db,
        f"""
        select a.attrelid::regclass::text, a.attname, g.grantee::regrole::text, g.privilege_type
        from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        cross join lateral aclexplode(a.attacl) as g
        where c.relnamespace::regnamespace::text in {OURS} and a.attacl is not null
        """,
    ) == [("chronicle.seal_state", "sealed_epochs", "chronicle_sealer", "UPDATE")]


def test_rights_on_schemas_are_exactly_these(db: Connection) -> None:
    assert rows(
        db,
        f"""
        select n.nspname, a.grantee::regrole::text, a.privilege_type
        from pg_namespace as n
        cross join lateral aclexplode(n.nspacl) as a
        where n.nspname in {OURS} and a.grantee <> n.nspowner
        order by 1, 2, 3
        """,
    ) == [
        *(
            ("chronicle", f"chronicle_{role}", "USAGE")
            for role in ("admin", "app", "reader", "sealer", "table_reader", "verifier", "writer")
        ),
        ("chronicle_capture", "chronicle_admin", "USAGE"),
        ("chronicle_capture", "chronicle_table_reader", "CREATE"),
        ("chronicle_capture", "chronicle_table_reader", "USAGE"),
        ("chronicle_capture", "chronicle_writer", "CREATE"),
        ("chronicle_capture", "chronicle_writer", "USAGE"),
    ]


def test_the_roles_can_do_nothing_by_themselves(db: Connection) -> None:
    assert rows(
        db,
        """
        select r.rolname, r.rolinherit
        from pg_roles as r
        where r.rolname ^@ 'chronicle_'
            and not (
                r.rolcanlogin or r.rolsuper or r.rolcreaterole or r.rolcreatedb
                or r.rolreplication or r.rolbypassrls
            )
        order by 1
        """,
    ) == [
        ("chronicle_admin", True),
        ("chronicle_app", True),
        ("chronicle_auditor", True),
        ("chronicle_owner", False),
        ("chronicle_reader", True),
        ("chronicle_sealer", True),
        ("chronicle_table_reader", True),
        ("chronicle_verifier", True),
        ("chronicle_writer", True),
    ]


def test_the_roles_are_members_of_each_other_as_designed(db: Connection) -> None:
    assert rows(
        db,
        """
        select m.member::regrole::text, m.roleid::regrole::text, m.admin_option
        from pg_auth_members as m
        where m.member::regrole::text ^@ 'chronicle_'
        order by 1, 2
        """,
    ) == [
        ("chronicle_auditor", "chronicle_reader", False),
        ("chronicle_owner", "chronicle_reader", False),
        ("chronicle_owner", "chronicle_sealer", False),
        ("chronicle_owner", "chronicle_table_reader", False),
        ("chronicle_owner", "chronicle_verifier", False),
        ("chronicle_owner", "chronicle_writer", False),
    ]


# The contract.


def test_the_closed_sets_are_those_of_the_contract(db: Connection) -> None:
    found = rows(
        db,
        f"""
        select t.typname, array_agg(e.enumlabel::text order by e.enumsortorder)
        from pg_type as t inner join pg_enum as e on e.enumtypid = t.oid
        where t.typnamespace::regnamespace::text in {OURS}
        group by 1
        """,
    )
    assert dict(found) == ENUMS


def test_log_audit_event_has_the_signature_of_the_contract(db: Connection) -> None:
    arguments, result, defaults = row(
        db,
        """
        select
            array(
                select array[n.name, n.type_id::regtype::text]
                from unnest(p.proargnames, p.proargtypes) as n (name, type_id)
            ),
            p.prorettype::regtype::text,
            p.pronargdefaults
        from pg_proc as p where p.oid = 'chronicle.log_audit_event'::regproc
        """,
    )
    assert [tuple(each) for each in arguments] == list(LOG_ARGUMENTS.items())
    assert (result, defaults) == ("uuid", len(LOG_ARGUMENTS))


def test_other_functions_have_the_signatures_of_the_contract(db: Connection) -> None:
    found = rows(
        db,
        """
        select p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
        from pg_proc as p
        where p.pronamespace = 'chronicle'::regnamespace
            and p.proname in (
                'log_audit_events', 'changes', 'current_context', 'clear_context',
                'enable_tracking', 'disable_tracking', 'refresh_tracking', 'ensure_partitions',
                'record_history', 'record_as_of', 'rows_as_of', 'revert_event',
                'revert_transaction', 'snapshot_table', 'import_events', 'set_signed_context',
                'context_challenge', 'events_since', 'event_cursor', 'stream_head'
            )
        order by 1
        """,
    )
    assert found == [
        ("changes", "_before jsonb, _after jsonb", "jsonb"),
        ("clear_context", "", "void"),
        ("context_challenge", "", "text"),
        ("current_context", "", "jsonb"),
        ("disable_tracking", "_table regclass", "void"),
        (
            "enable_tracking",
            "_table regclass, _resource_type text DEFAULT NULL::text, "
            "_organization_column name DEFAULT NULL::name, "
            "_exclude_columns name[] DEFAULT NULL::name[], "
            "_mask_columns name[] DEFAULT NULL::name[], "
            "_capture chronicle.capture_mode DEFAULT 'changes'::chronicle.capture_mode, "
            "_key_columns name[] DEFAULT NULL::name[], "
            "_truncate chronicle.truncate_mode DEFAULT 'rows'::chronicle.truncate_mode, "
            "_require_actor boolean DEFAULT false",
            "void",
        ),
        ("ensure_partitions", "_ahead integer DEFAULT NULL::integer", "SETOF text"),
        ("event_cursor", "_event chronicle.events", "text"),
        (
            "events_since",
            "_cursor text DEFAULT NULL::text, _limit integer DEFAULT 1000",
            "SETOF chronicle.events",
        ),
        (
            "import_events",
            "_source text, _query text, _batch_size integer DEFAULT NULL::integer",
            "TABLE(events_imported bigint, events_total bigint, is_complete boolean)",
        ),
        ("log_audit_events", "_events jsonb", "SETOF uuid"),
        (
            "record_as_of",
            "_table regclass, _record_id text, _at timestamp with time zone",
            "jsonb",
        ),
        ("record_history", "_table regclass, _record_id text", "SETOF chronicle.record_change"),
        (
            "refresh_tracking",
            "_table regclass DEFAULT NULL::regclass",
            "TABLE(table_name text, outcome text)",
        ),
        ("revert_event", "_event_id uuid, _dry_run boolean DEFAULT false", "text"),
        (
            "revert_transaction",
            "_transaction_id bigint, _epoch integer DEFAULT NULL::integer, "
            "_dry_run boolean DEFAULT false",
            "text",
        ),
        ("rows_as_of", "_row anyelement, _at timestamp with time zone", "SETOF anyelement"),
        ("set_signed_context", "_token text", "text"),
        (
            "snapshot_table",
            "_table regclass, _batch_size integer DEFAULT NULL::integer",
            "TABLE(rows_recorded bigint, rows_total bigint, is_complete boolean)",
        ),
        ("stream_head", "", "text"),
    ]


@pytest.mark.parametrize("relation", ["events", "record_change"])
def test_an_event_and_a_change_of_a_record_have_the_columns_of_the_contract(
    db: Connection, relation: str
) -> None:
    found = rows(
        db,
        """
        select a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_attribute as a
        where a.attrelid = ('chronicle.' || %s)::regclass and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
        (relation,),
    )
    assert found == list((EVENT_COLUMNS if relation == "events" else CHANGE_COLUMNS).items())


def test_events_are_partitioned_by_the_time_they_occurred(db: Connection) -> None:
    assert value(db, "select pg_get_partkeydef('chronicle.events'::regclass)") == (
        "RANGE (occurred_at)"
    )
    assert values(
        db,
        """
        select pg_get_constraintdef(k.oid) from pg_constraint as k
        where k.conrelid = 'chronicle.events'::regclass and k.contype = 'p'
        """,
    ) == ["PRIMARY KEY (event_id, occurred_at)"]


# Indexes.


def laid_out(definition: str) -> str:
    """What the server says of an index, without its name and that of its table."""
    return definition.split(" USING ", 1)[1]


def test_the_lean_profile_is_the_real_set_of_indexes(db: Connection) -> None:
    db.execute("select chronicle.ensure_partitions(5)")
    lean: list[tuple[str, str]] = []
    for name, definition in rows(
        db,
        """
        select index_name, definition from chronicle.index_profiles
        where profile = 'lean' order by 1
        """,
    ):
        # Built once more, and thrown away, so that the server lays out both alike.
        with db.transaction(force_rollback=True):
            db.execute("set local role chronicle_owner")
            run(db, f"create index again on chronicle.events_earlier using {definition}")
            again = value(db, "select pg_get_indexdef('chronicle.again'::regclass)")
        lean.append((name, laid_out(again)))
    tables = values(
        db,
        """
        select c.relname from pg_partition_tree('chronicle.events') as t
        inner join pg_class as c on c.oid = t.relid
        """,
    )
    assert len(tables) > 8
    for table in tables:
        indexes = rows(
            db,
            """
            select substr(x.relname, length(%s) + 2), pg_get_indexdef(x.oid)
            from pg_index as i inner join pg_class as x on x.oid = i.indexrelid
            where i.indrelid = ('chronicle.' || %s)::regclass and i.indisvalid
            order by 1
            """,
            (table, table),
        )
        assert [(name, laid_out(text)) for name, text in indexes] == lean, table


def test_every_index_of_the_profiles_can_be_built(db: Connection) -> None:
    profiles = rows(db, "select profile, index_name, definition from chronicle.index_profiles")
    assert {profile for profile, _, _ in profiles} == {"lean", "closed"}
    db.execute("set local role chronicle_owner")
    for profile, name, definition in profiles:
        run(
            db,
            f"create index try_{profile}_{name} on chronicle.events_earlier using {definition}",
        )


# Partitions: each is a side door, and closed.

SIDE_DOORS = """
    select
        c.relname,
        c.relowner::regrole::text,
        c.relrowsecurity,
        c.relforcerowsecurity,
        (select count(*) from pg_policy as p where p.polrelid = c.oid),
        array(
            select distinct case a.grantee when 0 then 'public' else a.grantee::regrole::text end
            from aclexplode(c.relacl) as a where a.grantee <> c.relowner order by 1
        ),
        array(
            select concat_ws(
                ' ',
                t.tgname,
                t.tgenabled,
                case when t.tgtype & 1 > 0 then 'row' else 'statement' end,
                case when t.tgtype & 2 > 0 then 'before' else 'after' end,
                case when t.tgtype & 8 > 0 then 'delete' end,
                case when t.tgtype & 16 > 0 then 'update' end,
                case when t.tgtype & 32 > 0 then 'truncate' end,
                t.tgfoid::regproc,
                pg_get_expr(t.tgqual, t.tgrelid)
            )
            from pg_trigger as t where t.tgrelid = c.oid order by 1
        )
    from pg_inherits as i
    inner join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'chronicle.events'::regclass
    order by 1
"""

ROW_GUARDS = [
    "events_check_erasure A row before update chronicle.check_erasure",
    "events_reject_row_change A row before delete chronicle.reject_change",
]

GUARDS = sorted(
    [
        *ROW_GUARDS,
        "events_reject_change A statement before delete update truncate chronicle.reject_change",
    ]
)

ROOT_GUARDS = sorted(
    [
        *ROW_GUARDS,
        "events_reject_change A statement before delete truncate chronicle.reject_change",
        "events_reject_update A statement before update chronicle.reject_change "
        "(CURRENT_USER <> 'chronicle_eraser'::name)",
    ]
)

NOBODY: list[str] = []

CLOSED = ("chronicle_owner", True, True, 0, NOBODY, GUARDS)


def side_doors(connection: Connection) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(state) for name, *state in rows(connection, SIDE_DOORS)}


def test_every_partition_is_closed(db: Connection) -> None:
    doors = side_doors(db)
    assert len(doors) == 6
    assert doors == dict.fromkeys(doors, CLOSED)


def test_a_partition_made_later_is_closed_too(db: Connection) -> None:
    with acting_as(db, "admin"):
        made = values(db, "select chronicle.ensure_partitions(6)")
    assert len(made) == 3
    doors = side_doors(db)
    assert {name: doors[name] for name in made} == dict.fromkeys(made, CLOSED)


def test_hostile_default_privileges_do_not_open_a_partition(db: Connection) -> None:
    with db.transaction():
        db.execute("set local role chronicle_owner")
        for place in ("", "in schema chronicle"):
            run(
                db,
                f"alter default privileges {place} grant all on tables "
                'to public, app, chronicle_reader, "pg_monitor"',
            )
            run(
                db,
                f"alter default privileges {place} grant all on tables "
                "to stranger with grant option",
            )
        db.execute("set local role none")
    with acting_as(db, "admin"):
        made = values(db, "select chronicle.ensure_partitions(5)")
    doors = side_doors(db)
    assert {name: doors[name] for name in made} == dict.fromkeys(made, CLOSED)


def test_the_log_itself_is_closed(db: Connection) -> None:
    assert rows(db, SIDE_DOORS.replace("i.inhrelid", "i.inhparent") + " limit 1") == [
        (
            *("events", "chronicle_owner", True, True, 5),
            ["chronicle_reader", "chronicle_sealer", "chronicle_writer"],
            ROOT_GUARDS,
        )
    ]


def test_no_partition_is_missing(db: Connection) -> None:
    with as_superuser(db):
        assert (
            rows(
                db,
                """
            select c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_class as c
            where c.relnamespace = 'chronicle'::regnamespace
                and c.relkind = 'r' and c.relname ^@ 'events' and not c.relispartition
            """,
            )
            == []
        )
