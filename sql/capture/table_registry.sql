-- A table is known by its id here, which its capture function carries in its name. An oid would not
-- survive dump and restore, and a name not a rename.
create table chronicle.table_registry (
    table_id integer generated always as identity constraint table_registry_pkey primary key,
    schema_name name not null,
    table_name name not null,
    resource_type text not null,
    organization_column name,
    excluded_columns name[] not null,
    masked_columns name[] not null,
    captured_columns name[] not null,
    key_columns name[] not null,
    capture chronicle.capture_mode not null,
    truncate chronicle.truncate_mode not null,
    requires_actor boolean not null,
    shape text[] not null,
    tracked_since timestamptz not null default clock_timestamp(),
    tracked_until timestamptz,
    constraint table_registry_resource_type_fits_index check (
        octet_length(resource_type) between 1 and 1000
    )
);

comment on table chronicle.table_registry is
'Every table that is or was tracked, and how. Rows stay when tracking ends: events refer to them.
chronicle.tracked_tables shows how things stand.';
comment on column chronicle.table_registry.table_id is
'As in chronicle.events.table_id; the table''s capture functions are
chronicle_capture.capture_<table_id>_insert, _update, _delete and _truncate.';
comment on column chronicle.table_registry.schema_name is
'Schema of the table when tracking was last enabled.';
comment on column chronicle.table_registry.table_name is
'Name of the table when tracking was last enabled.';
comment on column chronicle.table_registry.resource_type is
'resource_type of its events.';
comment on column chronicle.table_registry.organization_column is
'The column that holds organization_id; null: it comes from the context.';
comment on column chronicle.table_registry.excluded_columns is
'Columns that are not recorded.';
comment on column chronicle.table_registry.masked_columns is
'Columns of which is recorded that they changed, not what they hold.';
comment on column chronicle.table_registry.captured_columns is
'Columns that the capture function knows.';
comment on column chronicle.table_registry.key_columns is
'The primary key, in its order, or what stands for it; empty: there is none, and resource_id is
null.';
comment on column chronicle.table_registry.capture is
'Whether the event of an update holds what changed or both whole rows.';
comment on column chronicle.table_registry.truncate is
'Whether a truncate is recorded row by row, as one event, or refused.';
comment on column chronicle.table_registry.requires_actor is
'Whether a change is refused when the context names no actor.';
comment on column chronicle.table_registry.shape is
'Every column with its type, in order, as the capture functions know them.';
comment on column chronicle.table_registry.tracked_since is
'When tracking was last begun.';
comment on column chronicle.table_registry.tracked_until is
'When tracking ended; null while it goes on.';

revoke all on chronicle.table_registry from public;
grant select on chronicle.table_registry
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
