create view chronicle.tracked_tables as
select
    r.table_id,
    n.schema_name,
    n.table_name,
    r.resource_type,
    r.key_columns,
    r.organization_column,
    r.excluded_columns,
    r.masked_columns,
    r.capture,
    r.truncate,
    r.requires_actor,
    r.tracked_since,
    r.tracked_until,
    case
        when r.tracked_until is not null then 'ended'
        when n.relation is null then 'broken'
        when not chronicle.has_capture_triggers(n.relation) then 'broken'
        when
            not chronicle.has_shape(r.table_id)
            or not chronicle.has_key(r.table_id)
            or not chronicle.has_options(r.table_id)
            then 'drifted'
        when h.untracked_children is not null then 'partial'
        else 'tracked'
    end as state,
    case
        when r.tracked_until is not null then null
        when n.relation is null
            then 'No capture trigger stands: the table or its triggers were dropped.'
        when not chronicle.has_capture_triggers(n.relation)
            then 'A capture trigger is missing or off; chronicle.refresh_tracking puts it back.'
        when not chronicle.has_shape(r.table_id)
            then concat_ws(
                ' ',
                'The table has changed since: its rows are recorded whole, values as text.',
                'Now: ' || d.added || '.',
                'Before: ' || d.lost || '.',
                'chronicle.refresh_tracking takes it up.'
            )
        when not chronicle.has_key(r.table_id)
            then
                'The table has another primary key since; its records go by the former one. '
                'chronicle.refresh_tracking takes it up.'
        when not chronicle.has_options(r.table_id)
            then
                'Its capture functions were made for other options than these; '
                'chronicle.refresh_tracking makes them anew.'
        when h.untracked_children is not null
            then
                'Rows of tables that inherit from it are not recorded; track these as well: '
                || h.untracked_children || '.'
    end as problem,
    case
        when r.tracked_until is null and n.relation is not null
            then chronicle.capture_gaps(n.relation)
        else '{}'
    end as not_covered
from chronicle.table_registry as r
inner join chronicle.table_names as n on n.table_id = r.table_id
-- Asked once a table.
left join lateral (
    select chronicle.table_shape(n.relation) as shape
    order by shape
    limit 1
) as p on true
left join lateral (
    select
        string_agg(s.description, ', ' order by s.place) filter (where s.is_new) as added,
        string_agg(s.description, ', ' order by s.place) filter (where not s.is_new) as lost
    from (
        select
            a.description,
            a.place,
            true as is_new
        from unnest(p.shape) with ordinality as a (description, place)
        where a.description <> all(r.shape)
        union all
        select
            b.description,
            b.place,
            false as is_new
        from unnest(r.shape) with ordinality as b (description, place)
        where b.description <> all(p.shape)
    ) as s
) as d on true
left join lateral (
    select string_agg(i.inhrelid::regclass::text, ', ') as untracked_children
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
    where
        i.inhparent = n.relation
        and not c.relispartition
        and chronicle.tracked_table_id(i.inhrelid) is null
) as h on true;

comment on view chronicle.tracked_tables is
'Every table that is or was tracked, how, and what is wrong with it.';
comment on column chronicle.tracked_tables.table_id is
'As in chronicle.events.table_id.';
comment on column chronicle.tracked_tables.schema_name is
'Schema of the table.';
comment on column chronicle.tracked_tables.table_name is
'Name of the table.';
comment on column chronicle.tracked_tables.resource_type is
'resource_type of its events.';
comment on column chronicle.tracked_tables.key_columns is
'What resource_id is made of; empty: resource_id is null.';
comment on column chronicle.tracked_tables.organization_column is
'The column that holds organization_id.';
comment on column chronicle.tracked_tables.excluded_columns is
'Columns that are not recorded.';
comment on column chronicle.tracked_tables.masked_columns is
'Columns recorded as "[masked]".';
comment on column chronicle.tracked_tables.capture is
'changes or full: what the event of an update holds.';
comment on column chronicle.tracked_tables.truncate is
'rows, event or refuse.';
comment on column chronicle.tracked_tables.requires_actor is
'Whether a change is refused when the context names no actor.';
comment on column chronicle.tracked_tables.tracked_since is
'When tracking was last begun.';
comment on column chronicle.tracked_tables.tracked_until is
'When tracking ended; null while it goes on.';
comment on column chronicle.tracked_tables.state is
'tracked, drifted (changed since: rows are recorded whole, values as text), partial (tables inherit
from it that are not tracked), broken (a trigger is missing or disabled) or ended.';
comment on column chronicle.tracked_tables.problem is
'What is wrong and what mends it; null when nothing is.';
comment on column chronicle.tracked_tables.not_covered is
'Ways to change what the table shows that leave no event, each in a sentence.';

revoke all on chronicle.tracked_tables from public;
grant select on chronicle.tracked_tables to chronicle_reader, chronicle_admin;
