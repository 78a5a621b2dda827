create table chronicle.snapshots (
    snapshot_id uuid not null default chronicle.uuid_v7() constraint snapshots_pkey primary key,
    table_id integer not null,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    last_key text[],
    rows_recorded bigint not null default 0
);

-- One at a time.
create unique index snapshots_table_id_idx on chronicle.snapshots (table_id)
where ended_at is null;

comment on table chronicle.snapshots is
'Runs of chronicle.snapshot_table, and how far each has come.';
comment on column chronicle.snapshots.snapshot_id is
'As in action_meta of its events.';
comment on column chronicle.snapshots.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.snapshots.began_at is
'When it was begun.';
comment on column chronicle.snapshots.ended_at is
'When its last row was recorded; null while it goes on.';
comment on column chronicle.snapshots.last_key is
'Key of the last row that was recorded; null for none.';
comment on column chronicle.snapshots.rows_recorded is
'How many rows it has recorded.';

revoke all on chronicle.snapshots from public;
grant select, insert, update on chronicle.snapshots to chronicle_writer;
grant select on chronicle.snapshots to chronicle_reader, chronicle_admin;
