-- Names of columns change, and tracking may pause. To read an old event right, one has to know what
-- its columns were called then, which of today's they are, and whether changes were missed since.
create table chronicle.tracking_periods (
    table_id integer not null,
    from_seq bigint not null,
    until_seq bigint,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    is_continuation boolean not null,
    key_columns name[] not null,
    column_names name[] not null,
    column_types text[] not null,
    column_numbers smallint[] not null,
    column_ids integer[] not null,
    recorded_columns name[] not null,
    partitions text[] not null,
    constraint tracking_periods_pkey primary key (table_id, from_seq)
);

comment on table chronicle.tracking_periods is
'What the columns of each tracked table were, and when. A period begins when tracking does or when
it takes up another shape of the table.';
comment on column chronicle.tracking_periods.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.tracking_periods.from_seq is
'The table''s events from here on belong to the period; chronicle.events.seq.';
comment on column chronicle.tracking_periods.until_seq is
'Where tracking was ended; null when the next period, or the present, follows at once.';
comment on column chronicle.tracking_periods.began_at is
'When it began.';
comment on column chronicle.tracking_periods.ended_at is
'When tracking was ended; null as until_seq.';
comment on column chronicle.tracking_periods.is_continuation is
'Whether no change between the period before and this one was missed.';
comment on column chronicle.tracking_periods.key_columns is
'What resource_id was made of.';
comment on column chronicle.tracking_periods.column_names is
'The columns, in their order.';
comment on column chronicle.tracking_periods.column_types is
'Their types.';
comment on column chronicle.tracking_periods.column_numbers is
'Their attribute numbers.';
comment on column chronicle.tracking_periods.column_ids is
'Numbers by which a column is known through every change of its name.';
comment on column chronicle.tracking_periods.recorded_columns is
'Those of them that events hold.';
comment on column chronicle.tracking_periods.partitions is
'The partitions that the table had when it began.';

revoke all on chronicle.tracking_periods from public;
grant select on chronicle.tracking_periods
to chronicle_writer, chronicle_sealer, chronicle_table_reader, chronicle_reader, chronicle_admin;
