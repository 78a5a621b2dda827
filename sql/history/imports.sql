create table chronicle.imports (
    source text constraint imports_pkey primary key,
    last_source_id text,
    events_imported bigint not null default 0,
    began_at timestamptz not null default clock_timestamp(),
    last_at timestamptz not null default clock_timestamp()
);

comment on table chronicle.imports is
'Where events were imported from by chronicle.import_events, and how far.';
comment on column chronicle.imports.source is
'The name that the caller gave it.';
comment on column chronicle.imports.last_source_id is
'source_id of the last event that was looked at.';
comment on column chronicle.imports.events_imported is
'How many events have come from it.';
comment on column chronicle.imports.began_at is
'When the first came.';
comment on column chronicle.imports.last_at is
'When the last came.';

revoke all on chronicle.imports from public;
grant select, insert, update on chronicle.imports to chronicle_writer;
grant select on chronicle.imports to chronicle_reader, chronicle_admin;
