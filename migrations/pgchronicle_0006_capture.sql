-- Tables whose changes become events.
-- depends: pgchronicle_0005_access

set local role chronicle_owner;

grant create on schema chronicle to chronicle_writer, chronicle_table_reader;

create type chronicle.capture_mode as enum ('changes', 'full');

comment on type chronicle.capture_mode is
'What the event of an update holds: the columns that changed, or both whole rows.';

create type chronicle.truncate_mode as enum ('rows', 'event', 'refuse');

comment on type chronicle.truncate_mode is
'What a truncate of a tracked table leaves: an event for every row, one event, or nothing, since it
is refused.';

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

-- How each column is compared and rendered, decided once, when the capture functions are made.
--
-- Comparison: "is distinct from" only for built-in types whose equal values are the same bytes.
-- Numeric 1.0 equals 1.00, a float -0 equals 0, an interval of a day equals 24 hours, a text under
-- a nondeterministic collation equals another, and json has no equality at all; all these are
-- compared as images (*<>), and so are users' types: for an enum, a cast that a user made could be
-- taken for the comparison.
--
-- Rendering: a type that a user can define may have a cast to json, and jsonb_build_object would
-- run it with the writer's rights. Such values are rendered by the output function of their type,
-- as a string, and so is what JSON has no form for: arrays that do not begin at 1, minus zero, and
-- arrays of JSON or of vectors, whose brackets could be either's.
--
-- In a column of JSON, a string in the image holds the text of the value. So JSON null is "null",
-- and stays apart from the SQL null; a JSON string keeps its quotes; and json that jsonb would not
-- give back to the letter (white space, double keys, escapes) is kept to the letter.
create or replace function chronicle.capture_columns(_table regclass, _masked_columns name[])
returns table (
    column_name name,
    place integer,
    comparison text,
    has_chunk_id boolean,
    old_value text,
    new_value text,
    old_exception text,
    new_exception text,
    is_plain boolean,
    is_short boolean,
    is_user_type boolean,
    is_array boolean,
    base_type oid
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with recursive unwrapped as (
        -- Domains are unwrapped down to what they stand on, arrays down to their elements.
        select
            a.attname, a.attnum, a.attcollation, a.atttypid as type_id, false as is_array,
            -- Of a limited text the limit is what it can hold.
            a.attstorage <> 'p' and a.atttypmod not between 0 and 2000 as may_be_large
        from pg_catalog.pg_attribute as a
        where a.attrelid = _table
            and a.attnum > 0
            and not a.attisdropped
            -- A virtual column is no part of the row: it follows from the others.
            and a.attgenerated <> 'v'
        union all
        select
            u.attname, u.attnum, u.attcollation,
            case t.typtype when 'd' then t.typbasetype else t.typelem end,
            u.is_array or t.typtype <> 'd',
            u.may_be_large
        from unwrapped as u
        inner join pg_catalog.pg_type as t on t.oid = u.type_id
        where t.typtype = 'd'
            or t.typsubscript = 'array_subscript_handler'::regproc
            -- Vectors have brackets of their own.
            and t.oid not in ('int2vector'::regtype, 'oidvector'::regtype)
    ),
    described as (
        select
            u.attname as name,
            u.attnum::integer as place,
            not u.is_array and (
                t.oid = any(
                    array[
                        'bool', 'int2', 'int4', 'int8', 'oid', 'uuid', 'date', 'time', 'timestamp',
                        'timestamptz', 'bytea', 'money', 'macaddr', 'name'
                    ]::regtype[]::oid[]
                )
                or t.oid in ('text'::regtype, 'varchar'::regtype)
                and coalesce(c.collisdeterministic, true)
            ) as is_exact,
            u.is_array,
            not u.is_array and t.typlen > 0 as is_short,
            u.may_be_large and t.oid <> 'numeric'::regtype as may_be_large,
            t.oid >= 16384 as is_user_type,
            t.oid as base_type
        from unwrapped as u
        inner join pg_catalog.pg_type as t on t.oid = u.type_id
        left join pg_catalog.pg_collation as c on c.oid = u.attcollation
        where t.typtype <> 'd'
            and (
                t.typsubscript is distinct from 'array_subscript_handler'::regproc
                or t.oid in ('int2vector'::regtype, 'oidvector'::regtype)
            )
    )
    select
        d.name,
        d.place,
        format(
            case
                when d.is_exact then 'old.%1$I is distinct from new.%1$I'
                else 'row(old.%1$I)::record operator(pg_catalog.*<>) row(new.%1$I)::record'
            end,
            d.name
        ),
        d.may_be_large and current_setting('server_version_num')::integer >= 170000,
        format(v.template, 'old', d.name),
        format(v.template, 'new', d.name),
        format(e.exception, 'old', d.name),
        format(e.exception, 'new', d.name),
        not d.is_user_type
        and d.base_type <> 'json'::regtype
        and not (
            d.is_array and d.base_type = 'jsonb'::regtype
            or d.base_type in ('int2vector'::regtype, 'oidvector'::regtype)
        ),
        d.is_short,
        d.is_user_type,
        d.is_array,
        d.base_type
    from described as d
    cross join lateral (
        -- When JSON has no form for a value of a type that otherwise it has one for.
        select case
            when d.is_array
                then 'position(''['' in replace(array_dims(%1$s.%2$I), ''[1:'', '''')) > 0'
                    || case
                        when d.base_type in ('float4'::regtype, 'float8'::regtype)
                            then ' or format(''%%s'', %1$s.%2$I) ~ ''[{,]-0[,}]'''
                        else ''
                    end
            when d.base_type in ('float4'::regtype, 'float8'::regtype)
                then '%1$s.%2$I = 0 and format(''%%s'', %1$s.%2$I) = ''-0'''
            when d.base_type = 'jsonb'::regtype
                then 'jsonb_typeof(%1$s.%2$I) in (''string'', ''null'')'
        end as exception
    ) as e
    cross join lateral (
        select case
            when d.name = any(_masked_columns)
                then 'case when %1$s.%2$I is distinct from null then ''[masked]'' end'
            when d.is_user_type
                then 'case when %1$s.%2$I is distinct from null then format(''%%s'', %1$s.%2$I) end'
            when d.base_type in ('int2vector'::regtype, 'oidvector'::regtype)
                or d.is_array and d.base_type in ('json'::regtype, 'jsonb'::regtype)
                then 'case when %1$s.%2$I is not null then format(''%%s'', %1$s.%2$I) end'
            when d.base_type = 'json'::regtype
                then 'case when %1$s.%2$I is null then null '
                    'when format(''%%s'', %1$s.%2$I) ~ ''^[[:space:]]*["n]'' '
                    'or strpos(format(''%%s'', %1$s.%2$I), chr(92) || ''u'') > 0 '
                    'or format(''%%s'', %1$s.%2$I) '
                    '<> format(''%%s'', format(''%%s'', %1$s.%2$I)::jsonb) '
                    'then to_jsonb(format(''%%s'', %1$s.%2$I)) '
                    'else format(''%%s'', %1$s.%2$I)::jsonb end'
            when e.exception is not null
                then 'case when ' || e.exception || ' then to_jsonb(format(''%%s'', %1$s.%2$I)) '
                    'else to_jsonb(%1$s.%2$I) end'
            else '%1$s.%2$I'
        end as template
    ) as v
    order by d.place
$$;

comment on function chronicle.capture_columns(regclass, name[]) is
'Private. The columns of a table that can be captured, in their order. comparison: an expression
that is true when old and new differ. has_chunk_id: whether a value may be stored apart from the
row, and that can be asked. old_value, new_value: expressions that render a value.
old_exception, new_exception: expressions that are true where to_jsonb would not do for it; null:
nowhere. is_plain: elsewhere it does. is_short: its text has at most a hundred bytes.
is_user_type: the type is, or is made of, one that is not built in. is_array: so it is, under its
domains. base_type: what lies under domains and arrays.
_masked_columns: those of which no value is rendered.';

revoke execute on function chronicle.capture_columns(regclass, name[]) from public;
grant execute on function chronicle.capture_columns(regclass, name[])
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- What capture relies on: of a type that a user has made, or a domain, not the name, which may be
-- given to another one, but the built-in type that it stands for; and for a type of no such kind
-- that it is one, as its values are told by their output function whatever it is.
create or replace function chronicle.table_shape(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select coalesce(
        array_agg(
            format('%I %s', a.attname, a.atttypid::regtype) || case
                when a.atttypid < 16384 then ''
                when c.is_user_type then ' = ?'
                else format(
                    ' = %s%s', c.base_type::regtype, case when c.is_array then '[]' end
                )
            end
            order by a.attnum
        ),
        '{}'
    )
    from pg_catalog.pg_attribute as a
    left join chronicle.capture_columns(_table, '{}') as c on c.column_name = a.attname
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.table_shape(regclass) is
'Private. The columns of a table with their types and what these stand for, in order.';

revoke execute on function chronicle.table_shape(regclass) from public;
grant execute on function chronicle.table_shape(regclass)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

create or replace function chronicle.is_known_by_oid(_table_id integer, _table oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from pg_catalog.pg_proc as p
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_insert', _table_id)
            and position(format('(%s, %L)', _table_id, _table) in p.prosrc) > 0
    )
$$;

comment on function chronicle.is_known_by_oid(integer, oid) is
'Private. Whether the capture functions were made for the table with this oid. Not so in a restored
database: there, attribute numbers may be others as well.';

revoke execute on function chronicle.is_known_by_oid(integer, oid) from public;
grant execute on function chronicle.is_known_by_oid(integer, oid)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- Through any of the row triggers, so that a table is found that has lost some of them. If somebody
-- has put a function on another table as well, the one that it was made for counts. Reads no view,
-- as a session may forbid itself those.
create or replace function chronicle.tracked_relation(_table_id integer)
returns oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select r.relation
    from (
        select t.tgrelid as relation, count(*) over () as candidates
        from pg_catalog.pg_proc as p
        -- No index leads from a function to its triggers, but their dependency on it has one.
        inner join pg_catalog.pg_depend as d
            on d.refclassid = 'pg_catalog.pg_proc'::regclass
            and d.refobjid = p.oid
            and d.classid = 'pg_catalog.pg_trigger'::regclass
        inner join pg_catalog.pg_trigger as t on t.oid = d.objid and t.tgfoid = p.oid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname in (
                format('capture_%s_insert', _table_id), format('capture_%s_update', _table_id),
                format('capture_%s_delete', _table_id)
            )
            -- Not the copies on partitions.
            and t.tgparentid = 0
            and t.tgname in ('!chronicle_insert', '!chronicle_update', '!chronicle_delete')
        group by t.tgrelid
    ) as r
    -- A function's text is long, so it is not looked into without need.
    order by r.candidates > 1 and not chronicle.is_known_by_oid(_table_id, r.relation), r.relation
    limit 1
$$;

comment on function chronicle.tracked_relation(integer) is
'Private. The oid of the table that is tracked by this table_id; null when no trigger captures its
rows.';

revoke execute on function chronicle.tracked_relation(integer) from public;
grant execute on function chronicle.tracked_relation(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- Names are those of today, found through the triggers; the registry's serve where the table is
-- gone. Looked up table by table, so that the planner knows how many rows to expect.
create view chronicle.table_names as
select
    r.table_id,
    t.relation,
    coalesce(n.nspname, r.schema_name) as schema_name,
    coalesce(c.relname, r.table_name) as table_name
from chronicle.table_registry as r
cross join chronicle.tracked_relation(r.table_id) as t (relation)
left join pg_catalog.pg_class as c on c.oid = t.relation
left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace;

comment on view chronicle.table_names is
'Private. What the tables of the registry are called today.';
comment on column chronicle.table_names.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.table_names.relation is
'Oid of the table; null when no capture trigger stands.';
comment on column chronicle.table_names.schema_name is
'Schema of the table.';
comment on column chronicle.table_names.table_name is
'Name of the table.';

revoke all on chronicle.table_names from public;
grant select on chronicle.table_names
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

create or replace function chronicle.has_shape(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select r.shape = chronicle.table_shape(chronicle.tracked_relation(_table_id))
    from chronicle.table_registry as r
    where r.table_id = _table_id and chronicle.tracked_relation(_table_id) is not null
$$;

comment on function chronicle.has_shape(integer) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made.';

revoke execute on function chronicle.has_shape(integer) from public;
grant execute on function chronicle.has_shape(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- Labelled immutable, which it is not, so that a capture function asks once: its plan is made at
-- the first row of a session, and the answer is folded into it as a constant. _table is a constant
-- that names the table by its oid: the server notes that the plan depends on that table, and
-- discards the plan, and with it the answer, when the table is altered or a partition comes or
-- goes.
--
-- After a dump and restore the constant names another table, or none. Then the answer is null, and
-- the catalog is asked at each row, until chronicle.refresh_tracking is called.
create or replace function chronicle.planned_relations(_table_id integer, _table regclass)
returns oid[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when chronicle.tracked_relation(_table_id) is distinct from _table then null
        when not chronicle.has_shape(_table_id) then '{}'
        else array(
            select _table::oid
            union
            select p.relid::oid from pg_partition_tree(_table) as p
        )
    end
$$;

comment on function chronicle.planned_relations(integer, regclass) is
'Private. For the plan of a capture function: the tracked table and its partitions, none when they
have other columns or types than when the function was made; null when _table is not the tracked
table.';

revoke execute on function chronicle.planned_relations(integer, regclass) from public;
grant execute on function chronicle.planned_relations(integer, regclass)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.is_captured_by(_relation oid, _table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        coalesce(pg_partition_root(_relation), _relation) = chronicle.tracked_relation(_table_id)
        and chronicle.has_shape(_table_id),
        false
    )
$$;

comment on function chronicle.is_captured_by(oid, integer) is
'Private. Whether a relation is a tracked table or a partition of it, and that has the columns and
types it had when its capture functions were made.';

revoke execute on function chronicle.is_captured_by(oid, integer) from public;
grant execute on function chronicle.is_captured_by(oid, integer)
to chronicle_writer, chronicle_table_reader;

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

-- A column is the one it was when it has its attribute number; in a restored database, where
-- numbers are given anew, when it has its name.
create or replace function chronicle.identified_columns(
    _table oid, _period chronicle.tracking_periods
)
returns table (
    column_name name, column_type text, column_number smallint, column_id integer,
    is_virtual boolean
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        a.attname,
        format_type(a.atttypid, a.atttypmod),
        a.attnum,
        k.column_id,
        a.attgenerated = 'v'
    from pg_catalog.pg_attribute as a
    cross join chronicle.is_known_by_oid(_period.table_id, _table) as o (is_known)
    left join unnest(_period.column_names, _period.column_numbers, _period.column_ids)
        as k (column_name, column_number, column_id)
        on case
            when o.is_known then k.column_number = a.attnum
            else k.column_name = a.attname
        end
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.identified_columns(oid, chronicle.tracking_periods) is
'Private. The columns that a table has now, with the number by which each was known in a period;
null for a new one. is_virtual: it is generated and not stored.';

revoke execute on function chronicle.identified_columns(oid, chronicle.tracking_periods)
from public;
grant execute on function chronicle.identified_columns(oid, chronicle.tracking_periods)
to chronicle_reader;

create or replace function chronicle.renamed_columns(_table_id integer)
returns table (column_name name, present_name name)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        c.column_name,
        a.attname
    from (
        select p.*
        from chronicle.tracking_periods as p
        where p.table_id = _table_id
        order by p.from_seq desc
        limit 1
    ) as p
    cross join chronicle.tracked_relation(_table_id) as t (relation)
    cross join lateral unnest(p.column_names, p.column_numbers) as c (column_name, column_number)
    inner join pg_catalog.pg_attribute as a
        on a.attrelid = t.relation and a.attnum = c.column_number and not a.attisdropped
    where a.attname <> c.column_name
        and chronicle.is_known_by_oid(_table_id, t.relation)
$$;

comment on function chronicle.renamed_columns(integer) is
'Private. The columns of a tracked table that have been renamed since tracking last took up its
shape. None in a restored database, whose tables have other oids.';

revoke execute on function chronicle.renamed_columns(integer) from public;
grant execute on function chronicle.renamed_columns(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- What a capture function needs to know of a table that has changed since the function was made:
-- what its columns are called now, and which of them may be shown. A column that is masked or
-- excluded and has lost its name could be any of those that are new, so all of these are masked
-- then; and so is a new one whose name asks for it.
create or replace function chronicle.present_columns(_table_id integer, _relation oid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'names', c.names,
        'numbers', c.numbers,
        'excluded', c.excluded,
        'masked', c.masked,
        'key', array(
            select coalesce(n.present_name, k.name)
            from unnest(r.key_columns) with ordinality as k (name, place)
            left join chronicle.renamed_columns(_table_id) as n on n.column_name = k.name
            order by k.place
        ),
        'key_names', r.key_columns,
        'organization', coalesce(
            (
                select n.present_name
                from chronicle.renamed_columns(_table_id) as n
                where n.column_name = r.organization_column
            ),
            r.organization_column
        )
    )
    from chronicle.table_registry as r
    cross join lateral (
        -- By what their names have become: a name may be another column's by now.
        select
            array(
                select coalesce(n.present_name, m.name)
                from unnest(r.masked_columns) as m (name)
                left join chronicle.renamed_columns(_table_id) as n on n.column_name = m.name
            ) as masked,
            array(
                select coalesce(n.present_name, x.name)
                from unnest(r.excluded_columns) as x (name)
                left join chronicle.renamed_columns(_table_id) as n on n.column_name = x.name
            ) as excluded,
            array(
                select coalesce(n.present_name, k.name)
                from unnest(r.captured_columns) as k (name)
                left join chronicle.renamed_columns(_table_id) as n on n.column_name = k.name
            ) as captured,
            exists (
                select
                from unnest(r.masked_columns || r.excluded_columns) as l (name)
                where l.name not in (
                    select a.attname
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = _relation and not a.attisdropped
                    union all
                    select n.column_name
                    from chronicle.renamed_columns(_table_id) as n
                )
            ) as are_lost
    ) as h
    cross join lateral (
        select
            coalesce(array_agg(a.attname order by a.attnum), '{}') as names,
            -- The table's own, which those of a partition are not.
            (
                select coalesce(
                    jsonb_object_agg(
                        t.attname,
                        jsonb_build_array(t.attnum, format_type(t.atttypid, t.atttypmod))
                    ),
                    '{}'
                )
                from pg_catalog.pg_attribute as t
                where t.attrelid = chronicle.tracked_relation(_table_id)
                    and t.attnum > 0
                    and not t.attisdropped
            ) as numbers,
            coalesce(
                array_agg(a.attname) filter (
                    where a.attname = any(h.excluded) or a.attgenerated = 'v'
                ),
                '{}'
            ) as excluded,
            coalesce(
                array_agg(a.attname) filter (
                    where a.attname = any(h.masked)
                        or a.attname <> all(h.captured || h.excluded)
                        and (h.are_lost or a.attname ~* ('^' || chronicle.masked_key() || '$'))
                ),
                '{}'
            ) as masked
        from pg_catalog.pg_attribute as a
        where a.attrelid = _relation and a.attnum > 0 and not a.attisdropped
    ) as c
    where r.table_id = _table_id
$$;

comment on function chronicle.present_columns(integer, oid) is
'Private. The columns of a tracked table, or of one of its partitions, as they are now: names in
their order; numbers, the table''s attribute numbers and types by name; those excluded and masked;
those of the key and of the organization, by their names of now; and key_names, what the key''s
columns were called when tracking was last enabled.';

revoke execute on function chronicle.present_columns(integer, oid) from public;
grant execute on function chronicle.present_columns(integer, oid)
to chronicle_writer, chronicle_table_reader;

-- Labelled immutable for the reason given at chronicle.planned_relations, and discarded when that
-- is.
create or replace function chronicle.planned_columns(_table_id integer, _table regclass)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.present_columns(_table_id, c.oid)
    from pg_catalog.pg_class as c
    -- A partition may order its columns otherwise.
    where c.oid = _table and c.relkind = 'r' and chronicle.tracked_relation(_table_id) = _table
$$;

comment on function chronicle.planned_columns(integer, regclass) is
'Private. As chronicle.present_columns, for the plan of a capture function; null when _table is not
the tracked table, or is partitioned.';

revoke execute on function chronicle.planned_columns(integer, regclass) from public;
grant execute on function chronicle.planned_columns(integer, regclass)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.fitted_id(_id text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when octet_length(_id) > 1000
            then 'sha256:' || encode(sha256(convert_to(_id, 'UTF8')), 'hex')
        else _id
    end
$$;

comment on function chronicle.fitted_id(text) is
'Private. An id as captured events hold it: itself, or its digest if it has more than 1000 bytes.';

revoke execute on function chronicle.fitted_id(text) from public;
grant execute on function chronicle.fitted_id(text)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- The text form is what the server makes of any row without running a cast of its types.
create or replace function chronicle.row_fields(_row text)
returns table (place bigint, value text)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select
        m.place,
        case
            when m.field[1] is not null
                then replace(replace(m.field[1], '""', '"'), E'\\\\', E'\\')
            else nullif(m.field[2], '')
        end
    from regexp_matches(
        ',' || substr(_row, 2, length(_row) - 2),
        E',(?:"((?:[^"\\\\]|""|\\\\\\\\)*)"|([^,"]*))',
        'g'
    ) with ordinality as m (field, place)
    where _row <> '()'
$$;

comment on function chronicle.row_fields(text) is
'Private. The fields of the text form of a row, in their order.';

revoke execute on function chronicle.row_fields(text) from public;
grant execute on function chronicle.row_fields(text) to chronicle_writer, chronicle_table_reader;

-- Every value is a string, which in a column of JSON stands for its text anyway. A value of 64 MB
-- and more is left out, so that the others are kept.
create or replace function chronicle.drifted_image(_columns jsonb, _row text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case when _row is not null and _row <> '' then
        coalesce(
            (
                select jsonb_object_agg(f.name, f.value)
                from (
                    select _columns -> 'names' ->> (r.place::integer - 1) as name, r.value
                    from chronicle.row_fields(_row) as r
                ) as f
                where f.name is not null
                    and not (_columns -> 'excluded') @> to_jsonb(f.name)
                    and (f.value is null or octet_length(f.value) < 67108864)
            ),
            '{}'
        )
    end
$$;

comment on function chronicle.drifted_image(jsonb, text) is
'Private. The image of a row that capture could not render, with nothing masked; every value is a
string. _columns: as chronicle.present_columns gives them. _row: the row''s text form.';

revoke execute on function chronicle.drifted_image(jsonb, text) from public;
grant execute on function chronicle.drifted_image(jsonb, text)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.masked_image(_columns jsonb, _image jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _columns -> 'masked' = '[]' then _image
        else _image || coalesce(
            (
                select jsonb_object_agg(m.name, '[masked]'::text)
                from jsonb_array_elements_text(_columns -> 'masked') as m (name)
                where _image ->> m.name is not null
            ),
            '{}'
        )
    end
$$;

comment on function chronicle.masked_image(jsonb, jsonb) is
'Private. An image as chronicle.drifted_image gives it, with what is to be masked masked.
_columns: as chronicle.present_columns gives them.';

revoke execute on function chronicle.masked_image(jsonb, jsonb) from public;
grant execute on function chronicle.masked_image(jsonb, jsonb)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.drifted_key(_columns jsonb, _image jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.fitted_id(
        case
            when jsonb_array_length(_columns -> 'key') = 1
                then _image ->> (_columns -> 'key' ->> 0)
            -- Under the names that the record has been known by until now.
            else (
                select jsonb_object_agg(
                    _columns -> 'key_names' ->> (n.place::integer - 1), _image ->> n.name
                )::text
                from jsonb_array_elements_text(_columns -> 'key') with ordinality as n (name, place)
                having count(*) > 0
            )
        end
    )
$$;

comment on function chronicle.drifted_key(jsonb, jsonb) is
'Private. The resource_id of a row as chronicle.drifted_image gives it; null for a table without a
key. _columns: as chronicle.present_columns gives them.';

revoke execute on function chronicle.drifted_key(jsonb, jsonb) from public;
grant execute on function chronicle.drifted_key(jsonb, jsonb)
to chronicle_writer, chronicle_table_reader;

-- A SET clause costs a third of a microsecond a call, so a function gets only those its columns
-- need.
create or replace function chronicle.capture_settings(_table regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(s.clause, '' order by s.clause), '')
    from (
        values
        (
            E'set timezone = ''UTC''\n',
            array['timestamptz', 'timetz', 'tstzrange', 'tstzmultirange']
        ),
        (
            E'set datestyle = ''ISO, YMD''\n',
            array[
                'date', 'timestamp', 'timestamptz', 'daterange', 'tsrange', 'tstzrange',
                'datemultirange', 'tsmultirange', 'tstzmultirange'
            ]
        ),
        (
            E'set quote_all_identifiers = off\n',
            array[
                'regclass', 'regtype', 'regproc', 'regprocedure', 'regoper', 'regoperator',
                'regrole', 'regnamespace', 'regconfig', 'regdictionary', 'regcollation'
            ]
        ),
        (E'set intervalstyle = ''iso_8601''\n', array['interval']),
        (E'set bytea_output = ''hex''\n', array['bytea']),
        (E'set lc_monetary = ''C''\n', array['money']),
        (
            E'set extra_float_digits = 1\n',
            array[
                'float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'
            ]
        )
    ) as s (clause, type_names)
    where exists (
        select from chronicle.capture_columns(_table, '{}') as c
        -- What a user's type is made of is not looked into: it may be anything.
        where c.is_user_type or c.base_type = any(s.type_names::regtype[]::oid[])
    )
$$;

comment on function chronicle.capture_settings(regclass) is
'Private. The SET clauses by which a table''s values are rendered alike in every session.';

revoke execute on function chronicle.capture_settings(regclass) from public;
grant execute on function chronicle.capture_settings(regclass)
to chronicle_writer, chronicle_table_reader;

-- A function takes a hundred arguments, so fifty keys go into one call.
create or replace function chronicle.object_expression(_names name[], _values text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        string_agg('jsonb_build_object(' || c.pairs || ')', ' || ' order by c.chunk),
        '''{}''::jsonb'
    )
    from (
        select
            (p.place - 1) / 50 as chunk,
            string_agg(quote_literal(p.name) || ', ' || p.value, ', ' order by p.place) as pairs
        from unnest(_names, _values) with ordinality as p (name, value, place)
        group by 1
    ) as c
$$;

comment on function chronicle.object_expression(name[], text[]) is
'Private. The text of an expression that builds a JSON object of names and the expressions of their
values.';

revoke execute on function chronicle.object_expression(name[], text[]) from public;
grant execute on function chronicle.object_expression(name[], text[])
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- A primary key holds no null; columns that stand for one may.
create or replace function chronicle.key_expression(
    _row text, _table regclass, _key_columns name[]
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case cardinality(_key_columns)
        when 0 then 'null'
        when 1 then k.expressions[1]
        else chronicle.object_expression(_key_columns, k.expressions) || '::text'
    end
    from (
        select array_agg(
            format(
                case
                    when a.attnotnull then 'format(''%%s'', %1$s.%2$I)'
                    else 'case when %1$s.%2$I is distinct from null '
                        'then format(''%%s'', %1$s.%2$I) end'
                end,
                _row, k.name
            )
            order by k.place
        ) as expressions
        from unnest(_key_columns) with ordinality as k (name, place)
        inner join pg_catalog.pg_attribute as a
            on a.attrelid = _table and a.attname = k.name and not a.attisdropped
    ) as k
$$;

comment on function chronicle.key_expression(text, regclass, name[]) is
'Private. The text of an expression that gives a row''s resource_id: the bare value of one key
column, or a JSON object of several, each as text. _row: old or new.';

revoke execute on function chronicle.key_expression(text, regclass, name[]) from public;
grant execute on function chronicle.key_expression(text, regclass, name[])
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;

-- What is indexed has to fit into an index entry; what is longer is given by its digest, and the
-- row itself has the value. Where the type bounds the text, nothing needs to be asked.
create or replace function chronicle.key_statements(
    _row text, _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(
        format(
            E'        %1$s := %2$s;\n'
            || case when x.is_short then '' else
                E'        if octet_length(%1$s) > 1000 then\n'
                '            %1$s := ''sha256:'' '
                '|| encode(sha256(convert_to(%1$s, ''UTF8'')), ''hex'');\n'
                '        end if;\n'
            end,
            x.variable, x.value
        ),
        '' order by x.place
    ), '')
    from (
        select 1 as place, 'v_resource_id' as variable, k.value, k.is_short
        from (
            select
                chronicle.key_expression(_row, _table, _options.key_columns) as value,
                bool_and(c.is_short) and cardinality(_options.key_columns) = 1 as is_short
            from chronicle.capture_columns(_table, '{}') as c
            where c.column_name = any(_options.key_columns)
            having cardinality(_options.key_columns) > 0
        ) as k
        union all
        select
            2, 'v_organization_id',
            format('nullif(format(''%%s'', %s.%I), '''')', _row, c.column_name), c.is_short
        from chronicle.capture_columns(_table, '{}') as c
        where c.column_name = _options.organization_column
    ) as x
$$;

comment on function chronicle.key_statements(text, regclass, chronicle.table_registry) is
'Private. The statements of a capture function that set v_resource_id and v_organization_id.
_row: old or new. _options: the table''s row of the registry.';

revoke execute on function chronicle.key_statements(text, regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.key_statements(text, regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;

-- A binary tree of "if": an expression that is not reached costs nothing, and every one that is has
-- to be made ready once a transaction.
create or replace function chronicle.choice_statements(_statements text[], _first integer default 1)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_half constant integer := cardinality(_statements) / 2;
begin
    if cardinality(_statements) = 1 then
        return _statements[1];
    end if;
    return format(
        E'            if v_place < %s then\n%s            else\n%s            end if;\n',
        _first + v_half,
        chronicle.choice_statements(_statements[1:v_half], _first),
        chronicle.choice_statements(_statements[v_half + 1:], _first + v_half)
    );
end
$$;

comment on function chronicle.choice_statements(text[], integer) is
'Private. The text of statements that carry out the one whose place is in v_place. _first: the place
of the first of them.';

revoke execute on function chronicle.choice_statements(text[], integer) from public;
grant execute on function chronicle.choice_statements(text[], integer)
to chronicle_writer, chronicle_table_reader;

-- All comparisons are one expression: PL/pgSQL makes each one ready once a transaction, which for a
-- single row costs more than the comparisons. What is rendered is only what changed.
--
-- A value that is stored apart and was not touched is the same one: it is not fetched. Whether
-- there is any such value is asked first, since it makes every comparison dearer.
create or replace function chronicle.update_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        case
            when not bool_or(c.has_chunk_id)
                then E'        v_places := array_positions(array[%1$s], true);\n'
            else
                E'        if coalesce(%3$s) is null then\n'
                '            v_places := array_positions(array[%1$s], true);\n'
                '        else\n'
                '            v_places := array_positions(array[%2$s], true);\n'
                '        end if;\n'
        end
        || E'        foreach v_place in array v_places loop\n%4$s        end loop;\n',
        string_agg(c.comparison, ', ' order by c.place),
        string_agg(
            case
                when c.has_chunk_id then format(
                    '(pg_column_toast_chunk_id(old.%1$I) is null '
                    'or pg_column_toast_chunk_id(old.%1$I) '
                    'is distinct from pg_column_toast_chunk_id(new.%1$I)) and ',
                    c.column_name
                )
                else ''
            end || c.comparison,
            ', ' order by c.place
        ),
        string_agg(format('pg_column_toast_chunk_id(new.%I)', c.column_name), ', ' order by c.place)
        filter (where c.has_chunk_id),
        chronicle.choice_statements(array_agg(
            format(
                E'                v_changed := array_append(v_changed, %1$L);\n'
                || case _options.capture
                    when 'full' then ''
                    else
                        E'                v_before := coalesce(v_before, ''{}'') '
                        '|| jsonb_build_object(%1$L, %2$s);\n'
                        '                v_after := coalesce(v_after, ''{}'') '
                        '|| jsonb_build_object(%1$L, %3$s);\n'
                end,
                c.column_name, c.old_value, c.new_value
            )
            order by c.place
        ))
    )
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns)
    having count(*) > 0
$$;

comment on function chronicle.update_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that find what an update changed and render it.
_options: the table''s row of the registry.';

revoke execute on function chronicle.update_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.update_statements(regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;

-- A whole row is rendered by to_jsonb where that gives the same, which is cheaper than a pair for
-- each column; what JSON has no form for is put right afterwards, where there is any.
create or replace function chronicle.row_statements(
    _table regclass, _options chronicle.table_registry, _row text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when r.is_plain then format(E'        %s := to_jsonb(%s);\n', r.variable, _row) || case
            when r.exceptions is null then ''
            else format(
                E'        if %1$s then\n            %2$s := %2$s || %3$s;\n        end if;\n',
                r.exceptions, r.variable, chronicle.object_expression(r.odd_names, r.odd_values)
            )
        end
        else format(
            E'        %s := %s;\n', r.variable, chronicle.object_expression(r.names, r.values)
        )
    end
    from (
        select
            case _row when 'old' then 'v_before' else 'v_after' end as variable,
            coalesce(bool_and(c.is_plain), false)
            and cardinality(_options.masked_columns || _options.excluded_columns) = 0
            and not exists (
                select
                from pg_catalog.pg_attribute as a
                where a.attrelid = _table and a.attgenerated = 'v' and not a.attisdropped
            ) as is_plain,
            array_agg(c.column_name order by c.place) as names,
            array_agg(v.value order by c.place) as values,
            string_agg(v.exception, ' or ' order by c.place) as exceptions,
            array_agg(c.column_name order by c.place) filter (where v.exception is not null)
                as odd_names,
            array_agg(v.value order by c.place) filter (where v.exception is not null)
                as odd_values
        from chronicle.capture_columns(_table, _options.masked_columns) as c
        cross join lateral (
            select
                case _row when 'old' then c.old_value else c.new_value end as value,
                case _row when 'old' then c.old_exception else c.new_exception end as exception
        ) as v
        where c.column_name = any(_options.captured_columns)
    ) as r
$$;

comment on function chronicle.row_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function that render a whole row. _options: the table''s row
of the registry. _row: old or new.';

revoke execute on function chronicle.row_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.row_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;

-- That this is the table the function was made for, and as it was then. A trigger that somebody has
-- put on another table, or a column of another type, brings values whose casts would run with our
-- rights.
create or replace function chronicle.shape_statements(
    _table regclass, _options chronicle.table_registry, _row text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statements$        if v_sees_past then
            if %1$s then
                raise exception 'its columns or types are others'
                    using errcode = 'datatype_mismatch';
            end if;
            -- The catalog is seen as it was when the transaction began; the row is of now.
            if array[%4$s]::oid[] <> %5$L::oid[] or %6$s then
                -- In a restored database types have other numbers, until the table is refreshed.
                if chronicle.planned_relations(%2$s, %3$L) is not null
                    and chronicle.is_captured_by(tg_relid, %2$s)
                then
                    perform chronicle.refuse_concurrent_change(tg_relid);
                end if;
                raise exception 'its columns or types are others'
                    using errcode = 'datatype_mismatch';
            end if;
        -- Apart from the above, since what is folded into a plan is what was seen when it was made.
        elsif %1$s then
            raise exception 'its columns or types are others' using errcode = 'datatype_mismatch';
        end if;
$statements$,
        -- A partition of a partition may be newer than the plan, so then the catalog is asked.
        format(
            'not coalesce(tg_relid = any(chronicle.planned_relations(%1$s, %2$L)) '
            'or coalesce(chronicle.planned_relations(%1$s, %2$L) <> ''{}'', true) '
            'and chronicle.is_captured_by(tg_relid, %1$s), false)',
            _options.table_id, _table::oid
        ), -- 1
        _options.table_id,
        _table::oid, -- 3
        string_agg(format('pg_typeof(%s.%I)::oid', _row, a.attname), ', ' order by a.attnum)
        filter (where a.attnum > 0),
        coalesce(array_agg(a.atttypid order by a.attnum) filter (where a.attnum > 0), '{}'), -- 5
        -- A partition may order its columns otherwise, so there they are counted.
        case
            when count(a.attnum) = 0 then 'false'
            when c.relkind = 'p' then format(
                '(select count(*) from chronicle.row_fields(format(''%%s'', %s))) <> %s',
                _row, count(a.attnum)
            )
            else format(
                '%s::record operator(pg_catalog.*<>) row(%s)::record',
                _row,
                string_agg(
                    case
                        -- A row that a trigger is given holds no value for it.
                        when a.attgenerated = 'v' then 'null::' || a.atttypid::regtype
                        else format('%s.%I', _row, a.attname)
                    end,
                    ', ' order by a.attnum
                ) filter (where a.attnum > 0)
            )
        end
    )
    from pg_catalog.pg_class as c
    left join pg_catalog.pg_attribute as a
        on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.oid = _table
    group by c.oid
$$;

comment on function chronicle.shape_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function that look whether the row is one that it can render.
_options: the table''s row of the registry. _row: old or new.';

revoke execute on function chronicle.shape_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.shape_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.previous_key_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        E'        v_previous_id := %s;\n',
        chronicle.key_expression('old', _table, _options.key_columns)
    ) || case
        when bool_and(c.is_short) and count(*) = 1 then ''
        else E'        if octet_length(v_previous_id) > 1000 then\n'
            '            v_previous_id := chronicle.fitted_id(v_previous_id);\n'
            '        end if;\n'
    end
    from chronicle.capture_columns(_table, '{}') as c
    where c.column_name = any(_options.key_columns)
    having count(*) > 0
$$;

comment on function chronicle.previous_key_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that set v_previous_id; null for a table without a
key. _options: the table''s row of the registry.';

revoke execute on function chronicle.previous_key_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.previous_key_statements(regclass, chronicle.table_registry)
to chronicle_writer, chronicle_table_reader;

-- What can not be rendered column by column is taken from the text of the row.
create or replace function chronicle.fallback_statements(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statements$            v_error := sqlstate || case
                when sqlstate like '42%%' then ': the table has changed since it was tracked: '
                else ': '
            end || sqlerrm;
            begin
                if v_sees_past then
                    v_columns := chronicle.present_columns(%1$s, tg_relid);
                else
                    v_columns := coalesce(
                        chronicle.planned_columns(%1$s, %2$L),
                        chronicle.present_columns(%1$s, tg_relid)
                    );
                end if;
                -- Nor is anything known of a table that is tracked for a shorter time than that.
                if (select count(*) from chronicle.row_fields(format('%%s', %3$s)))
                    is distinct from jsonb_array_length(v_columns -> 'names')
                then
                    perform chronicle.refuse_concurrent_change(tg_relid);
                end if;
%4$s                v_resource_id := chronicle.drifted_key(v_columns, %5$s);
                v_meta := jsonb_build_object('columns', v_columns -> 'numbers');
                v_organization_id := chronicle.fitted_id(
                    nullif(%5$s ->> (v_columns ->> 'organization'), '')
                );
%6$s            exception
                when data_exception or program_limit_exceeded or out_of_memory or internal_error
                then
                    v_before := null;
                    v_after := null;
%7$s            end;
$statements$,
        _options.table_id, -- 1
        _table::oid,
        case _operation when 'DELETE' then 'old' else 'new' end, -- 3
        concat(
            case when _operation <> 'INSERT' then
                E'                v_before := '
                'chronicle.drifted_image(v_columns, format(''%s'', old));\n'
            end,
            case when _operation <> 'DELETE' then
                E'                v_after := '
                'chronicle.drifted_image(v_columns, format(''%s'', new));\n'
            end,
            case when _operation = 'UPDATE' then
                E'                v_changed := chronicle.changed_keys(v_before, v_after);\n'
            end,
            case when _operation = 'UPDATE' and _options.excluded_columns <> '{}' then
                E'                if v_changed = ''{}'' then\n'
                '                    return null;\n                end if;\n'
            end,
            case when _operation = 'UPDATE' then
                E'                v_previous_id := '
                'chronicle.drifted_key(v_columns, v_before);\n'
            end
        ),
        case _operation when 'DELETE' then 'v_before' else 'v_after' end, -- 5
        concat(
            case when _operation <> 'INSERT' then
                E'                v_before := chronicle.masked_image(v_columns, v_before);\n'
            end,
            case when _operation <> 'DELETE' then
                E'                v_after := chronicle.masked_image(v_columns, v_after);\n'
            end
        ),
        case
            when _operation = 'UPDATE' then format(
                E'                    v_changed := null;\n'
                '                    if v_error not like ''42%%'' then\n'
                '                        v_changed := array_remove(array[%s]::text[], null);\n'
                '                    end if;\n',
                string_agg(
                    format('case when %s then %L end', c.comparison, c.column_name),
                    ', ' order by c.place
                )
            )
            else ''
        end -- 7
    )
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns)
$$;

comment on function chronicle.fallback_statements(regclass, chronicle.table_registry, text) is
'Private. The statements of a capture function for a row that could not be rendered. _options: the
table''s row of the registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.fallback_statements(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.fallback_statements(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;

-- The only exception block of a capture function. It holds no write, so it takes no transaction id.
-- Whatever goes wrong in it, the application's write goes on, and the event says what is missing.
create or replace function chronicle.rendering_block(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $block$
    begin
%1$s%2$s%3$s    exception
        when undefined_column or undefined_function or ambiguous_function or undefined_object
            or datatype_mismatch or data_exception or program_limit_exceeded or out_of_memory
            or internal_error
        then
%4$s    end;
    -- What is smaller can not be too long.
    if coalesce(pg_column_size(v_before), 0) + coalesce(pg_column_size(v_after), 0) > 16384
        and chronicle.is_too_long(array[v_before, v_after])
    then
        v_before := null;
        v_after := null;
        v_error := '54000: the states are longer than 256 MB, written as text';
    end if;
%5$s$block$,
        chronicle.key_statements(r.row, _table, _options),
        chronicle.shape_statements(_table, _options, r.row),
        case
            when _operation <> 'UPDATE' then chronicle.row_statements(_table, _options, r.row)
            else concat(
                chronicle.update_statements(_table, _options),
                -- Only columns that are not recorded have changed.
                E'        if v_changed is null then\n            return null;\n        end if;\n',
                case when _options.capture = 'full' then
                    chronicle.row_statements(_table, _options, 'old')
                    || chronicle.row_statements(_table, _options, 'new')
                end,
                chronicle.previous_key_statements(_table, _options)
            )
        end, -- 3
        chronicle.fallback_statements(_table, _options, _operation),
        case
            when _operation = 'UPDATE' and _options.key_columns <> '{}' then format(
                $related$
    if v_resource_id <> v_previous_id then
        v_related := jsonb_build_array(jsonb_build_object(
            'relation', 'previous_key', 'resource_type', %L, 'resource_id', v_previous_id
        ));
    end if;
$related$,
                _options.resource_type
            )
            else ''
        end -- 5
    )
    from (select case _operation when 'DELETE' then 'old' else 'new' end as row) as r
$$;

comment on function chronicle.rendering_block(regclass, chronicle.table_registry, text) is
'Private. The part of a capture function that renders a row. _options: the table''s row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.check_actor(
    _context chronicle.event_context, _relation oid
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(_context.context_state in ('asserted', 'verified'), false)
        and nullif(_context.actor_id, '') is not null
    then
        return;
    end if;
    raise exception 'a change of % needs an actor', _relation::regclass
        using errcode = 'ZC006',
            detail = 'The table is tracked so that every change says who made it, '
                'and the context names nobody.',
            hint = 'In the same transaction, before the change: select chronicle.set_context('
                '_actor_type => ''user'', _actor_id => ''...'').';
end
$$;

comment on function chronicle.check_actor(chronicle.event_context, oid) is
'Private. Raises ZC006 for a table that is tracked with _require_actor, when nobody is named.
_context: null when there is none.';

revoke execute on function chronicle.check_actor(chronicle.event_context, oid) from public;
grant execute on function chronicle.check_actor(chronicle.event_context, oid)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.refuse_concurrent_change(_relation oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'could not serialize access due to concurrent change of table %',
        _relation::regclass
        using errcode = 'serialization_failure',
            detail = 'Its columns were changed after this transaction began, '
                'so what they are called can not be told.',
            hint = 'Retry the transaction.';
end
$$;

comment on function chronicle.refuse_concurrent_change(oid) is
'Private. Raises 40001: a tracked table was altered after the transaction''s snapshot was taken.';

revoke execute on function chronicle.refuse_concurrent_change(oid) from public;
grant execute on function chronicle.refuse_concurrent_change(oid)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.tracking_options(_options chronicle.table_registry)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select to_jsonb(_options) - array['schema_name', 'table_name', 'tracked_since', 'tracked_until']
$$;

comment on function chronicle.tracking_options(chronicle.table_registry) is
'Private. How a table is tracked, as events tell it.';

revoke execute on function chronicle.tracking_options(chronicle.table_registry) from public;
grant execute on function chronicle.tracking_options(chronicle.table_registry)
to chronicle_writer, chronicle_reader, chronicle_admin;

create or replace function chronicle.options_digest(_options chronicle.table_registry)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select 'options ' || md5(chronicle.tracking_options(_options)::text)
$$;

comment on function chronicle.options_digest(chronicle.table_registry) is
'Private. What a capture function carries to show for which options it was made.';

revoke execute on function chronicle.options_digest(chronicle.table_registry) from public;
grant execute on function chronicle.options_digest(chronicle.table_registry)
to chronicle_writer, chronicle_reader, chronicle_admin;

-- Writes a function that captures one kind of change of one table: static SQL, its columns and key
-- compiled in, so that a row costs no look-up in a catalog and no dynamic statement.
--
-- PL/pgSQL makes an expression ready once a transaction, and a statement with a table at every
-- call. So the defaults of columns are evaluated outside the insert, and an operation has a
-- function of its own: fewer expressions for a single row, more reuse for many.
create or replace function chronicle.capture_function_body(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_action_type constant text := case _operation
        when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete'
    end;
begin
    return format(
        $body$
-- %7$s
declare
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_place integer;
    v_places integer[];
    v_sees_past boolean := false;
    v_related jsonb;
    v_columns jsonb;
    v_meta jsonb;
    v_resource_id text;
    v_previous_id text;
    v_organization_id text;
    v_error text;
    v_event_id uuid;
    v_payload_salt uuid;
    v_seq bigint;
    v_transaction_id bigint;
    v_settled_after bigint;
    v_now timestamptz;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not
    -- wanted. Any other session in replica mode is an administrator at work, and is recorded.
    if concat(
        current_setting('session_replication_role'), current_setting('transaction_isolation')
    ) <> 'originread committed' then
        if current_setting('session_replication_role') = 'replica'
            and exists (
                select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
            )
        then
            return null;
        end if;
        v_sees_past := current_setting('transaction_isolation') in (
            'repeatable read', 'serializable'
        );
    end if;
%1$s
    -- The system is asked for random bytes once; the salt can not be found from the id.
    v_payload_salt := gen_random_uuid();
    v_event_id := chronicle.uuid_v7_from(v_payload_salt);
    v_seq := nextval('chronicle.events_seq');
    v_transaction_id := pg_current_xact_id()::text;
    v_settled_after := chronicle.settled_after(v_transaction_id);
    v_now := clock_timestamp();

    -- Two statements, because naming fewer columns makes the one without a context cheaper.
    if concat(
        current_setting('chronicle.context', true), current_setting('request.jwt.claims', true)
    ) = '' then
%6$s        insert into chronicle.events (
            event_id, seq, transaction_id, settled_after, occurred_at, recorded_at, payload_salt,
            organization_id,
            actor_type, actor_id, context_state, origin, action_type, action, action_meta,
            resource_type, resource_id, related_resources, table_id, details_before, details_after,
            changed_columns, payload_error
        ) values (
            v_event_id, v_seq, v_transaction_id, v_settled_after, v_now, v_now, v_payload_salt,
            v_organization_id,
            'system', session_user, 'absent', 'captured', %2$L, %3$L, v_meta, %4$L,
            v_resource_id, v_related, %5$s, v_before, v_after,
            v_changed, v_error
        );
        return null;
    end if;

    v_context := chronicle.resolve_context();
%6$s    insert into chronicle.events (
        event_id, seq, transaction_id, settled_after, occurred_at, recorded_at, payload_salt,
        organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, action_meta, reason, resource_type, resource_id,
        related_resources, table_id, details_before, details_after, changed_columns, payload_error,
        ai_operation_id, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent, client_info
    ) values (
        v_event_id, v_seq, v_transaction_id, v_settled_after, v_now, v_now, v_payload_salt,
        coalesce(v_organization_id, v_context.organization_id),
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role, v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state, 'captured', %2$L, %3$L, v_meta, v_context.reason, %4$L,
        v_resource_id,
        v_related, %5$s, v_before, v_after, v_changed, v_error,
        v_context.ai_operation_id, v_context.session_id, v_context.request_id, v_context.trace_id,
        v_context.operation_id, v_context.parent_event_id, v_context.ip_address,
        v_context.user_agent, v_context.client_info
    );
    return null;
end
$body$,
        chronicle.rendering_block(_table, _options, _operation), -- 1
        v_action_type,
        _options.resource_type || '.' || v_action_type, -- 3
        _options.resource_type,
        _options.table_id, -- 5
        case
            when _options.requires_actor
                then E'        perform chronicle.check_actor(v_context, tg_relid);\n'
            else ''
        end,
        chronicle.options_digest(_options) -- 7
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry, text) is
'Private. The text of a trigger function that captures changes of a table. _options: its row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
to chronicle_writer;

create or replace function chronicle.unguarded_partitions(_table oid)
returns oid[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(l.relid::oid order by l.relid::oid), '{}')
    from pg_partition_tree(_table) as l
    where l.isleaf
        and l.relid <> _table
        and not exists (
            select
            from pg_partition_ancestors(l.relid) as a (relid)
            inner join pg_partition_tree(_table) as p on p.relid = a.relid
            inner join pg_catalog.pg_trigger as t on t.tgrelid = a.relid
            where a.relid <> _table and t.tgname = '!chronicle_truncate' and t.tgenabled = 'A'
        )
$$;

comment on function chronicle.unguarded_partitions(oid) is
'Private. The partitions, at the lowest level, whose truncate neither they nor a partition above
them, below _table, would record.';

revoke execute on function chronicle.unguarded_partitions(oid) from public;
grant execute on function chronicle.unguarded_partitions(oid) to chronicle_table_reader;

-- The planner evaluates functions of constants in expressions of indexes, statistics and partition
-- keys, as whoever asks. In any of the relations that a read of the table would open.
create or replace function chronicle.runs_foreign_code(_table oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with relations as (
        select _table as relation
        union
        select p.relid from pg_partition_tree(_table) as p
    ),
    objects as (
        select 'pg_catalog.pg_class'::regclass as class, i.indexrelid as object
        from pg_catalog.pg_index as i
        inner join relations as r on r.relation = i.indrelid
        where i.indexprs is not null or i.indpred is not null
        union all
        select 'pg_catalog.pg_statistic_ext'::regclass, s.oid
        from pg_catalog.pg_statistic_ext as s
        inner join relations as r on r.relation = s.stxrelid
        where s.stxexprs is not null
        union all
        select 'pg_catalog.pg_class'::regclass, t.partrelid
        from pg_catalog.pg_partitioned_table as t
        inner join relations as r on r.relation = t.partrelid
        where t.partexprs is not null
    )
    select exists (
        select
        from objects as o
        inner join pg_catalog.pg_depend as d on d.classid = o.class and d.objid = o.object
        where d.refobjid >= 16384
            and d.refclassid in (
                'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
                'pg_catalog.pg_type'::regclass
            )
    )
$$;

comment on function chronicle.runs_foreign_code(oid) is
'Private. Whether planning a read of the table would evaluate functions that users have made.';

revoke execute on function chronicle.runs_foreign_code(oid) from public;
grant execute on function chronicle.runs_foreign_code(oid)
to chronicle_table_reader, chronicle_reader, chronicle_admin;

create or replace function chronicle.refuse_truncate(_relation oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'truncate of % is refused', _relation::regclass
        using errcode = 'object_not_in_prerequisite_state',
            detail = 'The table is tracked with _truncate => ''refuse''.',
            hint = format('Record every row: delete from %s.', _relation::regclass);
end
$$;

comment on function chronicle.refuse_truncate(oid) is
'Private. Raises 55000: the table is tracked with _truncate => ''refuse''.';

revoke execute on function chronicle.refuse_truncate(oid) from public;
grant execute on function chronicle.refuse_truncate(oid) to chronicle_table_reader;

-- Runs as the owner of the list, for the function that records a truncate. What a table held before
-- can not be told from what it holds after: the same as if it had not been tracked meanwhile.
create or replace function chronicle.note_interruption(_table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into chronicle.tracking_periods (
        table_id, from_seq, is_continuation, key_columns, column_names, column_types,
        column_numbers, column_ids, recorded_columns, partitions
    )
    select
        p.table_id, nextval('chronicle.events_seq'), false, p.key_columns, p.column_names,
        p.column_types, p.column_numbers, p.column_ids, p.recorded_columns, p.partitions
    from chronicle.tracking_periods as p
    where p.table_id = _table_id
    order by p.from_seq desc
    limit 1
$$;

comment on function chronicle.note_interruption(integer) is
'Private. Notes that rows of a table went without being recorded.';

revoke execute on function chronicle.note_interruption(integer) from public;
grant execute on function chronicle.note_interruption(integer) to chronicle_table_reader;

-- Fires before the truncate, since afterwards there is nothing to read. Every partition has the
-- trigger as well: a truncate of the parent fires it on each, and each records its own rows. So on
-- the parent only the rows of those partitions are left to be read that were made since.
--
-- The role that reads may read every tracked table, so no code of one table's owner must run with
-- its rights. Hence row-level security and constraint exclusion are off, the one raising instead of
-- asking a policy, and a table that makes the planner evaluate somebody's function is not read.
create or replace function chronicle.truncate_function_body(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $body$
declare
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_relation record;
    v_query text;
    v_limit bigint := 0;
    v_rows bigint := 0;
    v_recorded bigint := 0;
    v_obstacle text;
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_columns jsonb;
    v_meta jsonb;
    v_sees_past constant boolean := false;
    v_resource_id text;
    v_organization_id text;
    v_error text;
begin
    if current_setting('session_replication_role') = 'replica'
        and exists (select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid())
    then
        return null;
    end if;
    -- A partition that was detached is a table of its own, and has lost its other triggers.
    if not exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = tg_relid and t.tgname = '!chronicle_insert'
    ) then
        return null;
    end if;
%1$s    select c.oid::regclass as name, c.relkind, c.relispartition into strict v_relation
    from pg_catalog.pg_class as c
    where c.oid = tg_relid;
    if '%2$s' = 'rows' then
        v_obstacle := case
            -- What is read is of the transaction's beginning; what is emptied is of now.
            when current_setting('transaction_isolation') in ('repeatable read', 'serializable')
                then 'under this isolation level the transaction does not see every row'
            when not has_table_privilege(tg_relid, 'SELECT')
                then 'chronicle_table_reader may not read the table'
            when row_security_active(tg_relid)
                then 'row-level security hides rows of the table from chronicle_table_reader'
            when exists (
                select
                from pg_partition_tree(tg_relid) as p
                inner join pg_catalog.pg_class as f on f.oid = p.relid
                where f.relkind = 'f'
            )
                then 'a partition is on another server'
            when chronicle.runs_foreign_code(tg_relid)
                then 'an index, statistics or the partition key of the table call functions of a '
                    'user, and chronicle_table_reader runs none'
        end;
        if v_obstacle is null then
            select s.value::bigint into v_limit
            from chronicle.settings as s
            where s.name = 'truncate_row_limit';
            -- Where only the schema was restored.
            v_limit := coalesce(v_limit, 100000);
        end if;
        v_query := case
            when v_relation.relkind <> 'p' then format('from only %%s', v_relation.name)
            else format(
                'from %%s where tableoid = any(%%L::oid[])',
                v_relation.name, chronicle.unguarded_partitions(tg_relid)
            )
        end;
    end if;

    -- The number of rows is told even where they can not be.
    if v_query is not null and v_obstacle is null then
        for old in execute 'select * ' || v_query loop
            v_rows := v_rows + 1;
            exit when v_rows > v_limit;
            v_error := null;
            v_meta := null;
%3$s
            perform chronicle.record_internal_event(
                'captured', 'delete', %5$L, %6$L, v_resource_id,
                coalesce(v_organization_id, v_context.organization_id), v_before, null, v_meta,
                _table_id => %4$s, _payload_error => v_error
            );
            v_recorded := v_recorded + 1;
        end loop;
        if v_rows > v_recorded then
            execute 'select count(*) ' || v_query into v_rows;
        end if;
    end if;
    if v_obstacle is not null or v_query is null or v_rows > v_recorded then
        perform chronicle.note_interruption(%4$s);
    end if;
    perform chronicle.record_internal_event(
        'captured', 'delete', %5$L, %6$L, null, v_context.organization_id, null, null,
        jsonb_strip_nulls(jsonb_build_object(
            'rows', case when v_query is not null and v_obstacle is null then v_rows end,
            'recorded', v_recorded,
            'partition', case when v_relation.relispartition then v_relation.name::text end
        )),
        _table_id => %4$s, _payload_error => v_obstacle
    );
    return null;
end
$body$,
        concat(
            case
                when _options.requires_actor
                    then E'    perform chronicle.check_actor(v_context, tg_relid);\n'
            end,
            case
                when _options.truncate = 'refuse' then
                    E'    perform chronicle.refuse_truncate(tg_relid);\n'
            end
        ), -- 1
        _options.truncate,
        chronicle.rendering_block(_table, _options, 'DELETE'), -- 3
        _options.table_id,
        _options.resource_type || '.truncate', -- 5
        _options.resource_type
    )
$$;

comment on function chronicle.truncate_function_body(regclass, chronicle.table_registry) is
'Private. The text of a trigger function that records a truncate of a table. _options: its row of
the registry.';

revoke execute on function chronicle.truncate_function_body(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.truncate_function_body(regclass, chronicle.table_registry)
to chronicle_table_reader;

create or replace function chronicle.primary_key_columns(_table regclass)
returns name[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(a.attname order by k.place), '{}')
    from pg_catalog.pg_index as i
    cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
    inner join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = _table and i.indisprimary and k.place <= i.indnkeyatts
$$;

comment on function chronicle.primary_key_columns(regclass) is
'Private. The columns of a table''s primary key, in its order; empty without one.';

revoke execute on function chronicle.primary_key_columns(regclass) from public;
grant execute on function chronicle.primary_key_columns(regclass)
to chronicle_reader, chronicle_admin;

-- The trigger on the table leads to the function, and the function's name to the id: that survives
-- a rename, and dump and restore.
create or replace function chronicle.tracked_table_id(_table regclass)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select substring(p.proname from '^capture_([0-9]+)_')::integer
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table and p.pronamespace = 'chronicle_capture'::regnamespace
    limit 1
$$;

comment on function chronicle.tracked_table_id(regclass) is
'Private. The table_id of a table whose capture triggers stand; null for any other table.';

revoke execute on function chronicle.tracked_table_id(regclass) from public;
grant execute on function chronicle.tracked_table_id(regclass)
to chronicle_admin, chronicle_writer, chronicle_table_reader, chronicle_reader;

-- A table of the same name as one that is no longer tracked goes on with its history, unless that
-- one was renamed and is tracked under its new name.
create or replace function chronicle.known_table_id(_table regclass)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        chronicle.tracked_table_id(_table),
        (
            select max(r.table_id)
            from chronicle.table_registry as r
            inner join chronicle.table_names as n on n.table_id = r.table_id
            inner join pg_catalog.pg_namespace as s on s.nspname = r.schema_name
            inner join pg_catalog.pg_class as c
                on c.relnamespace = s.oid and c.relname = r.table_name
            where c.oid = _table and n.relation is null
        )
    )
$$;

comment on function chronicle.known_table_id(regclass) is
'Private. The table_id of a table that is or was tracked; null for any other.';

revoke execute on function chronicle.known_table_id(regclass) from public;
grant execute on function chronicle.known_table_id(regclass) to chronicle_reader, chronicle_admin;

create or replace function chronicle.has_key(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.primary_key_columns(chronicle.tracked_relation(_table_id))
        in (r.key_columns, '{}')
    from chronicle.table_registry as r
    where r.table_id = _table_id
$$;

comment on function chronicle.has_key(integer) is
'Private. Whether a tracked table has no other primary key than the one its records go by.';

revoke execute on function chronicle.has_key(integer) from public;
grant execute on function chronicle.has_key(integer) to chronicle_reader, chronicle_admin;

-- Names prove nothing: a trigger of the same name may fire never, or for another table's function.
create or replace function chronicle.has_capture_triggers(
    _table regclass, _firing text[] default '{A}'
)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select count(*) = 4 and count(distinct substring(p.proname from '^capture_([0-9]+)_')) = 1
    from (
        -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
        values
        ('insert', 1 + 4, ' FOR EACH ROW EXECUTE FUNCTION '),
        ('update', 1 + 16, ' FOR EACH ROW WHEN ((old.* *<> new.*)) EXECUTE FUNCTION '),
        ('delete', 1 + 8, ' FOR EACH ROW EXECUTE FUNCTION '),
        ('truncate', 2 + 32, ' FOR EACH STATEMENT EXECUTE FUNCTION ')
    ) as w (operation, type, ending)
    inner join pg_catalog.pg_trigger as t
        on t.tgrelid = _table
        and t.tgname = '!chronicle_' || w.operation
        and t.tgtype = w.type
        and t.tgenabled::text = any(_firing)
        and t.tgattr = ''
        and t.tgnargs = 0
        and not t.tgdeferrable
        and t.tgnewtable is null
        and t.tgoldtable is null
    inner join pg_catalog.pg_proc as p
        on p.oid = t.tgfoid
        and p.pronamespace = 'chronicle_capture'::regnamespace
        and p.proname ~ ('^capture_[0-9]+_' || w.operation || '$')
    where
        -- Nothing before that ending but names and the time, nothing after it but the function.
        pg_get_triggerdef(t.oid)
        like '%' || w.ending || 'chronicle_capture.' || p.proname || '()'
        -- And so do the copies on partitions.
        and not exists (
            select
            from pg_catalog.pg_trigger as c
            where c.tgfoid = p.oid
                and c.tgenabled::text <> all(_firing)
                and c.tgrelid in (select l.relid from pg_partition_tree(_table) as l)
        )
$$;

comment on function chronicle.has_capture_triggers(regclass, text[]) is
'Private. Whether all capture triggers of a table stand as they were made, and fire. _firing: when,
as in pg_trigger.tgenabled; by default always.';

revoke execute on function chronicle.has_capture_triggers(regclass, text[]) from public;
grant execute on function chronicle.has_capture_triggers(regclass, text[])
to chronicle_admin, chronicle_reader;

create or replace function chronicle.uncovered_partitions(_table regclass)
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select p.relid
    from pg_partition_tree(_table) as p
    inner join pg_catalog.pg_class as c on c.oid = p.relid
    where c.relkind <> 'f'
        and not exists (
            select
            from pg_catalog.pg_trigger as t
            where t.tgrelid = p.relid and t.tgname = '!chronicle_truncate' and t.tgenabled = 'A'
        )
$$;

comment on function chronicle.uncovered_partitions(regclass) is
'Private. The partitions of a tracked table whose own truncate is not recorded.';

revoke execute on function chronicle.uncovered_partitions(regclass) from public;
grant execute on function chronicle.uncovered_partitions(regclass)
to chronicle_reader, chronicle_admin;

create or replace function chronicle.partition_names(_table oid)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select coalesce(array_agg(p.relid::text order by p.relid::text), '{}')
    from pg_partition_tree(_table) as p
    where p.isleaf and p.relid <> _table
$$;

comment on function chronicle.partition_names(oid) is
'Private. The partitions of a table that hold rows.';

revoke execute on function chronicle.partition_names(oid) from public;
grant execute on function chronicle.partition_names(oid) to chronicle_reader, chronicle_admin;

create or replace function chronicle.has_options(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from chronicle.table_registry as r
        inner join pg_catalog.pg_proc as p
            on p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_insert', r.table_id)
        where r.table_id = _table_id
            and position(chronicle.options_digest(r) in p.prosrc) > 0
    )
$$;

comment on function chronicle.has_options(integer) is
'Private. Whether the capture functions of a table were made for the options in the registry.';

revoke execute on function chronicle.has_options(integer) from public;
grant execute on function chronicle.has_options(integer) to chronicle_reader, chronicle_admin;

create or replace function chronicle.is_captured_whole(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.has_capture_triggers(_table)
        and not exists (select from chronicle.uncovered_partitions(_table))
        and chronicle.is_known_by_oid(chronicle.tracked_table_id(_table), _table)
        and chronicle.partition_names(_table) = (
            select p.partitions
            from chronicle.tracking_periods as p
            where p.table_id = chronicle.tracked_table_id(_table)
            order by p.from_seq desc
            limit 1
        )
        and chronicle.has_options(chronicle.tracked_table_id(_table))
        and not exists (
            select
            from chronicle.table_registry as r
            where r.table_id = chronicle.tracked_table_id(_table)
                and r.truncate = 'rows'
                and not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
        )
$$;

comment on function chronicle.is_captured_whole(regclass) is
'Private. Whether nothing is left for chronicle.enable_tracking to do, the options being the same.';

revoke execute on function chronicle.is_captured_whole(regclass) from public;
grant execute on function chronicle.is_captured_whole(regclass) to chronicle_admin;

create or replace function chronicle.refuse_untracked(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is not tracked', coalesce(_table::text, 'null')
        using errcode = 'ZC005',
            hint = 'select * from chronicle.tracked_tables shows what is.';
end
$$;

comment on function chronicle.refuse_untracked(regclass) is
'Private. Raises ZC005.';

revoke execute on function chronicle.refuse_untracked(regclass) from public;
grant execute on function chronicle.refuse_untracked(regclass)
to chronicle_reader, chronicle_admin;

create or replace function chronicle.check_trackable(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_class pg_catalog.pg_class;
    v_kind text;
begin
    if _table is null then
        raise exception 'a table is needed'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: chronicle.enable_tracking(''shop.orders'').';
    end if;
    select * into v_class from pg_catalog.pg_class as c where c.oid = _table;
    if not found then
        raise exception 'there is no table with oid %', _table::oid
            using errcode = 'undefined_table',
                hint = 'Name the table, as in chronicle.enable_tracking(''shop.orders'').';
    end if;

    v_kind := case
        when v_class.relnamespace in ('chronicle'::regnamespace, 'chronicle_capture'::regnamespace)
            then 'part of pgchronicle'
        when v_class.relnamespace in (
            'pg_catalog'::regnamespace, 'information_schema'::regnamespace
        )
            then 'a system catalog'
        when v_class.relkind = 'v' then 'a view'
        when v_class.relkind = 'm' then 'a materialized view'
        when v_class.relkind = 'f' then 'a foreign table'
        when v_class.relkind = 'S' then 'a sequence'
        when v_class.relkind in ('i', 'I') then 'an index'
        when v_class.relkind not in ('r', 'p') then 'no table'
        when v_class.relpersistence = 't' then 'a temporary table'
        when v_class.relpersistence = 'u' then 'an unlogged table'
    end;
    if v_kind is not null then
        raise exception '% can not be tracked: it is %', _table, v_kind
            using errcode = 'wrong_object_type',
                detail = case v_class.relpersistence
                    when 'u' then 'A crash empties an unlogged table, and no event would say so.'
                    else 'Ordinary and partitioned tables can be tracked.'
                end,
                hint = case
                    when v_kind in ('a view', 'a materialized view')
                        then 'Track the tables it reads.'
                    when v_kind = 'an unlogged table'
                        then format('First: alter table %s set logged.', _table)
                    else 'Name an ordinary table.'
                end;
    end if;
    if v_class.relispartition then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                detail = 'Its changes belong to the history of the partitioned table.',
                hint = format(
                    'Track that one: chronicle.enable_tracking(%L).',
                    pg_partition_root(_table)::regclass::text
                );
    end if;
end
$$;

comment on function chronicle.check_trackable(regclass) is
'Private. Raises what keeps a table from being tracked.
Errors: 22004 for null; 42P01 for no table; 42809 for something that is no ordinary table of the
application.';

revoke execute on function chronicle.check_trackable(regclass) from public;
grant execute on function chronicle.check_trackable(regclass) to chronicle_admin;

create or replace function chronicle.check_owns_table(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_owner constant name := (
        select pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c where c.oid = _table
    );
begin
    if not pg_has_role(current_user, v_owner, 'USAGE') then
        raise exception 'must be owner of table %', _table
            using errcode = 'insufficient_privilege',
                detail = format('It belongs to "%s"; you are "%s".', v_owner, current_user),
                hint = format(
                    'Call this as "%1$s", after: grant chronicle_admin to %1$I.', v_owner
                );
    end if;
end
$$;

comment on function chronicle.check_owns_table(regclass) is
'Private. Raises 42501 unless the caller has the rights of the table''s owner.';

revoke execute on function chronicle.check_owns_table(regclass) from public;
grant execute on function chronicle.check_owns_table(regclass) to chronicle_admin;

-- The functions with rights of their own can not see who called them: current_user is their owner,
-- and every chronicle_admin may call them. So the caller shows that they act for the table's owner
-- by what only that one can do: chronicle.enable_tracking grants TRIGGER on the table to
-- chronicle_writer, and takes it back before it ends.
create or replace function chronicle.check_owner_consents(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select
        from pg_catalog.pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = _table
            and a.grantee = 'chronicle_writer'::regrole
            and a.privilege_type = 'TRIGGER'
            -- Not from somebody who may pass on a right of the owner's.
            and a.grantor = c.relowner
    ) then
        raise exception 'the owner of % has not asked for this', _table
            using errcode = 'insufficient_privilege',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
end
$$;

comment on function chronicle.check_owner_consents(regclass) is
'Private. Raises 42501 unless chronicle_writer holds TRIGGER on the table, which the owner grants
while tracking is enabled.';

revoke execute on function chronicle.check_owner_consents(regclass) from public;
grant execute on function chronicle.check_owner_consents(regclass)
to chronicle_writer, chronicle_table_reader;

create or replace function chronicle.complete_tracking_options(
    _table regclass, _options chronicle.table_registry
)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns constant name[] := array(
        select c.column_name from chronicle.capture_columns(_table, '{}') as c
    );
    v_primary_key constant name[] := chronicle.primary_key_columns(_table);
    v_options chronicle.table_registry := _options;
    v_column name;
begin
    select n.nspname, c.relname into strict v_options.schema_name, v_options.table_name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;

    if v_primary_key <> '{}' and v_options.key_columns <> v_primary_key then
        raise exception '% has a primary key: %', _table, array_to_string(v_primary_key, ', ')
            using errcode = 'invalid_parameter_value',
                hint = '_key_columns is for tables without one; leave it out.';
    end if;
    v_options.key_columns := coalesce(nullif(v_primary_key, '{}'), v_options.key_columns, '{}');
    v_options.excluded_columns := coalesce(v_options.excluded_columns, '{}');
    if v_options.masked_columns is null then
        v_options.masked_columns := array(
            select c.name
            from unnest(v_columns) as c (name)
            where c.name ~* ('^' || chronicle.masked_key() || '$')
                and c.name <> all(v_options.key_columns || v_options.excluded_columns)
        );
    end if;

    select u.name into v_column
    from unnest(
        v_options.excluded_columns || v_options.masked_columns || v_options.key_columns
        || array_remove(array[v_options.organization_column], null)
    ) as u (name)
    where u.name is null or u.name <> all(v_columns)
    limit 1;
    if found then
        raise exception 'column "%" of table % does not exist', v_column, _table
            using errcode = 'undefined_column',
                hint = format('It has: %s.', array_to_string(v_columns, ', '));
    end if;

    select k.name into v_column
    from unnest(v_options.key_columns) as k (name)
    group by k.name
    having count(*) > 1
    limit 1;
    if found then
        raise exception 'column "%" is named twice in _key_columns', v_column
            using errcode = 'invalid_parameter_value', hint = 'Name each column once.';
    end if;
    select k.name into v_column
    from unnest(v_options.key_columns) as k (name)
    where k.name = any(v_options.excluded_columns || v_options.masked_columns)
    limit 1;
    if found then
        raise exception 'column "%" is part of the key of %', v_column, _table
            using errcode = 'invalid_parameter_value',
                hint = 'The key names the record in the log: '
                    'it can be neither excluded nor masked.';
    end if;
    if v_options.organization_column
        = any(v_options.masked_columns || v_options.excluded_columns)
    then
        raise exception 'column "%" holds the organization', v_options.organization_column
            using errcode = 'invalid_parameter_value',
                detail = 'Its value is the organization_id of every event.',
                hint = 'Neither mask nor exclude it, or take the organization from the context.';
    end if;

    v_options.resource_type := coalesce(
        v_options.resource_type,
        case when v_options.schema_name = 'public' then '' else v_options.schema_name || '.' end
        || v_options.table_name
    );
    if starts_with(v_options.resource_type, 'chronicle.') then
        raise exception 'the name % is reserved', v_options.resource_type
            using errcode = 'reserved_name',
                detail = 'Events about "chronicle." tell what was done to pgchronicle itself.',
                hint = 'Give another _resource_type.';
    end if;
    v_options.captured_columns := array(
        select c.name
        from unnest(v_columns) as c (name)
        where c.name <> all(v_options.excluded_columns)
    );
    v_options.truncate := coalesce(v_options.truncate, 'rows');
    v_options.requires_actor := coalesce(v_options.requires_actor, false);
    -- Without a key, the whole row is all there is to tell which one it was.
    v_options.capture := case
        when v_options.key_columns = '{}' then 'full'
        else coalesce(v_options.capture, 'changes')
    end;
    v_options.shape := chronicle.table_shape(_table);
    return v_options;
end
$$;

comment on function chronicle.complete_tracking_options(regclass, chronicle.table_registry) is
'Private. How a table is to be tracked: what was asked for, the rest by default.
Errors: 42939 for a reserved resource type; 42703 for an unknown column; 22023 for a key column that
is excluded or masked, for an organization column that is, and for other key columns than the
primary key''s.';

revoke execute on function chronicle.complete_tracking_options(regclass, chronicle.table_registry)
from public;

-- Called under a lock that keeps writers out, so the number of the first event parts what was
-- recorded before from what will be.
create or replace function chronicle.begin_tracking_period(
    _table regclass, _options chronicle.table_registry, _is_continuation boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before chronicle.tracking_periods;
    v_after chronicle.tracking_periods;
    v_highest_id integer;
begin
    select p.* into v_before
    from chronicle.tracking_periods as p
    where p.table_id = _options.table_id
    order by p.from_seq desc
    limit 1;

    select coalesce(max(i.column_id), 0) into v_highest_id
    from chronicle.tracking_periods as p
    cross join lateral unnest(p.column_ids) as i (column_id)
    where p.table_id = _options.table_id;
    select
        coalesce(array_agg(c.column_name order by c.column_number), '{}'),
        coalesce(array_agg(c.column_type order by c.column_number), '{}'),
        coalesce(array_agg(c.column_number order by c.column_number), '{}'),
        coalesce(array_agg(coalesce(c.column_id, c.new_id) order by c.column_number), '{}')
    into
        v_after.column_names, v_after.column_types, v_after.column_numbers, v_after.column_ids
    from (
        select
            n.*,
            v_highest_id
            + row_number() over (partition by n.column_id order by n.column_number) as new_id
        from chronicle.identified_columns(_table, v_before) as n
    ) as c;

    v_after.partitions := chronicle.partition_names(_table);
    -- With a partition that was taken away, rows went that no event tells of.
    v_after.is_continuation := _is_continuation
        and v_before.table_id is not null
        and v_before.until_seq is null
        and v_before.partitions <@ v_after.partitions;
    if v_after.is_continuation
        and v_before.key_columns = _options.key_columns
        and v_before.column_names = v_after.column_names
        and v_before.column_types = v_after.column_types
        and v_before.column_numbers = v_after.column_numbers
        and v_before.recorded_columns = _options.captured_columns
        and v_before.partitions = v_after.partitions
    then
        return;
    end if;

    insert into chronicle.tracking_periods (
        table_id, from_seq, is_continuation, key_columns, column_names, column_types,
        column_numbers, column_ids, recorded_columns, partitions
    ) values (
        _options.table_id, nextval('chronicle.events_seq'), v_after.is_continuation,
        _options.key_columns, v_after.column_names, v_after.column_types, v_after.column_numbers,
        v_after.column_ids, _options.captured_columns, v_after.partitions
    );
end
$$;

comment on function chronicle.begin_tracking_period(
    regclass, chronicle.table_registry, boolean
) is
'Private. Begins a period in chronicle.tracking_periods unless the present one goes on unchanged.
_options: the table''s row of the registry. _is_continuation: whether the capture triggers stood
until now.';

revoke execute on function chronicle.begin_tracking_period(
    regclass, chronicle.table_registry, boolean
) from public;

-- Runs as the owner of the registry. It trusts nothing that chronicle.enable_tracking checked
-- before, as every administrator may call it. The row and the event that tells of it are one.
create or replace function chronicle.register_tracked_table(
    _table regclass, _options chronicle.table_registry
)
returns chronicle.table_registry
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id integer;
    v_stood boolean;
    v_before chronicle.table_registry;
    v_options chronicle.table_registry;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owner_consents(_table);
    v_options := chronicle.complete_tracking_options(_table, _options);
    -- A restore may leave triggers that fire for everybody but replicas: nothing was missed.
    v_stood := chronicle.has_capture_triggers(_table, '{A,O}');
    v_table_id := chronicle.known_table_id(_table);

    select * into v_before
    from chronicle.table_registry as r
    where r.table_id = v_table_id and r.tracked_until is null;
    -- Where only the schema was restored, its functions still carry the number.
    if not exists (select from chronicle.table_registry as r where r.table_id = v_table_id) then
        v_table_id := coalesce(v_table_id, nextval('chronicle.table_registry_table_id_seq'));
        insert into chronicle.table_registry (
            table_id, schema_name, table_name, resource_type, excluded_columns, masked_columns,
            captured_columns, key_columns, capture, truncate, requires_actor, shape
        ) overriding system value values (
            v_table_id, v_options.schema_name, v_options.table_name, v_options.resource_type, '{}',
            '{}', '{}', '{}', 'changes', 'rows', false, '{}'
        );
        perform setval('chronicle.table_registry_table_id_seq', greatest(
            v_table_id, (select s.last_value from chronicle.table_registry_table_id_seq as s)
        ));
    end if;

    update chronicle.table_registry as r
    set
        schema_name = v_options.schema_name,
        table_name = v_options.table_name,
        resource_type = v_options.resource_type,
        organization_column = v_options.organization_column,
        excluded_columns = v_options.excluded_columns,
        masked_columns = v_options.masked_columns,
        captured_columns = v_options.captured_columns,
        key_columns = v_options.key_columns,
        capture = v_options.capture,
        truncate = v_options.truncate,
        requires_actor = v_options.requires_actor,
        shape = v_options.shape,
        tracked_since = case
            when r.tracked_until is null then r.tracked_since else clock_timestamp()
        end,
        tracked_until = null
    where r.table_id = v_table_id
    returning r.* into v_options;
    perform chronicle.begin_tracking_period(_table, v_options, v_stood);

    if v_before.table_id is null
        or chronicle.tracking_options(v_before) <> chronicle.tracking_options(v_options)
        or not chronicle.has_capture_triggers(_table)
    then
        perform chronicle.log_management_event(
            case
                when v_before.table_id is null then 'create' else 'update'
            end::chronicle.action_type,
            'chronicle.tracking.' || case
                when v_before.table_id is null then 'enable' else 'update'
            end,
            'chronicle.tracked_table',
            format('%I.%I', v_options.schema_name, v_options.table_name),
            case when v_before.table_id is not null then chronicle.tracking_options(v_before) end,
            chronicle.tracking_options(v_options)
        );
    end if;
    return v_options;
end
$$;

comment on function chronicle.register_tracked_table(regclass, chronicle.table_registry) is
'Private. Enters a table into the registry, records that, and returns the row. _options: what was
asked for; null is the default.
Errors: 42501 unless the owner consents; as chronicle.check_trackable and
chronicle.complete_tracking_options.';

revoke execute on function chronicle.register_tracked_table(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.register_tracked_table(regclass, chronicle.table_registry)
to chronicle_admin;

create or replace function chronicle.consented_options(_table regclass, _table_id integer)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    perform chronicle.check_owner_consents(_table);
    select r.* into v_options
    from chronicle.table_registry as r
    inner join pg_catalog.pg_namespace as n on n.nspname = r.schema_name
    inner join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = r.table_name
    where r.table_id = _table_id
        and r.tracked_until is null
        and c.oid = _table
        and coalesce(chronicle.tracked_table_id(_table), _table_id) = _table_id;
    if not found then
        raise exception '% is not registered as %', _table, _table_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    return v_options;
end
$$;

comment on function chronicle.consented_options(regclass, integer) is
'Private. How a table is to be tracked, when its owner has asked for that.
Errors: 42501 unless the owner consents; 55000 for another table than the registered one.';

revoke execute on function chronicle.consented_options(regclass, integer) from public;
grant execute on function chronicle.consented_options(regclass, integer)
to chronicle_writer, chronicle_table_reader;

-- Runs as the writer, who owns the capture functions and so lends them the right to insert events,
-- and no other. Until chronicle.confirm_tracking, in the same transaction, the table's owner may
-- attach them to triggers. They are made only for the table that they are named for: another one's
-- columns would blind them.
create or replace function chronicle.create_capture_functions(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options constant chronicle.table_registry := chronicle.consented_options(_table, _table_id);
    v_owner name;
    v_operation text;
    v_name text;
begin
    select pg_get_userbyid(c.relowner) into strict v_owner
    from pg_catalog.pg_class as c
    where c.oid = _table;

    -- row_security is pinned because every script of pg_dump turns it off, and the server would
    -- then refuse the insert that a policy allows.
    foreach v_operation in array array['INSERT', 'UPDATE', 'DELETE'] loop
        v_name := format('chronicle_capture.capture_%s_%s()', _table_id, lower(v_operation));
        -- Whoever replaces a function must be able to execute it, its owner too.
        if to_regprocedure(v_name) is not null then
            execute format('grant execute on function %s to chronicle_writer', v_name);
        end if;
        execute format(
            E'create or replace function %s\nreturns trigger\nlanguage plpgsql\nsecurity definer\n'
            'set search_path = pg_catalog, pg_temp\nset row_security = on\n%sas %L',
            v_name,
            chronicle.capture_settings(_table),
            chronicle.capture_function_body(_table, v_options, v_operation)
        );
        execute format(
            'comment on function %s is %L',
            v_name,
            format(
                'Captures each %s of %I.%I. Generated by chronicle.enable_tracking.',
                lower(v_operation), v_options.schema_name, v_options.table_name
            )
        );
        execute format('revoke execute on function %s from public', v_name);
        execute format('grant execute on function %s to %I', v_name, v_owner);
    end loop;
end
$$;

comment on function chronicle.create_capture_functions(regclass, integer) is
'Private. Makes the trigger functions that capture a registered table, executable by the table''s
owner until chronicle.confirm_tracking.
Errors: as chronicle.consented_options.';

revoke execute on function chronicle.create_capture_functions(regclass, integer) from public;
grant execute on function chronicle.create_capture_functions(regclass, integer) to chronicle_admin;
alter function chronicle.create_capture_functions(regclass, integer) owner to chronicle_writer;

-- Runs as the role that may read tracked tables, which owns this one of the capture functions: what
-- a truncate empties has to be read first, and the writer reads nothing.
create or replace function chronicle.create_truncate_function(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options constant chronicle.table_registry := chronicle.consented_options(_table, _table_id);
    v_name constant text := format('chronicle_capture.capture_%s_truncate()', _table_id);
begin
    if to_regprocedure(v_name) is not null then
        execute format('grant execute on function %s to chronicle_table_reader', v_name);
    end if;
    execute format(
        E'create or replace function %s\nreturns trigger\nlanguage plpgsql\nsecurity definer\n'
        'set search_path = pg_catalog, pg_temp\nset row_security = off\n'
        'set constraint_exclusion = off\n%sas %L',
        v_name,
        chronicle.capture_settings(_table),
        chronicle.truncate_function_body(_table, v_options)
    );
    execute format(
        'comment on function %s is %L',
        v_name,
        format(
            'Captures each truncate of %I.%I. Generated by chronicle.enable_tracking.',
            v_options.schema_name, v_options.table_name
        )
    );
    execute format('revoke execute on function %s from public', v_name);
    execute format(
        'grant execute on function %s to %I',
        v_name,
        (select pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c where c.oid = _table)
    );
end
$$;

comment on function chronicle.create_truncate_function(regclass, integer) is
'Private. Makes the trigger function that records a truncate of a registered table, executable by
the table''s owner until chronicle.confirm_truncate_capture.
Errors: as chronicle.consented_options.';

revoke execute on function chronicle.create_truncate_function(regclass, integer) from public;
grant execute on function chronicle.create_truncate_function(regclass, integer) to chronicle_admin;
alter function chronicle.create_truncate_function(regclass, integer)
owner to chronicle_table_reader;

-- AFTER triggers fire by name: ! sorts before letters and digits, so that an insert is recorded
-- before what another trigger makes of it. The update trigger compares images before it calls the
-- function, so an update that changes nothing costs next to nothing.
--
-- Row triggers are copied to partitions by the server; those for truncate are not, and a foreign
-- table can not have one.
create or replace function chronicle.place_capture_triggers(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_operation text;
    v_relation regclass;
begin
    foreach v_operation in array array['insert', 'update', 'delete'] loop
        execute format(
            'create or replace trigger "!chronicle_%1$s" after %1$s on %2$s for each row %3$s'
            'execute function chronicle_capture.capture_%4$s_%1$s()',
            v_operation,
            _table,
            case v_operation when 'update' then 'when (old.* operator(pg_catalog.*<>) new.*) ' end,
            _table_id
        );
        execute format('alter table %s enable always trigger "!chronicle_%s"', _table, v_operation);
    end loop;

    for v_relation in
        select c.oid
        from pg_catalog.pg_class as c
        where c.relkind <> 'f'
            and (c.oid = _table or c.oid in (select p.relid from pg_partition_tree(_table) as p))
    loop
        execute format(
            'create or replace trigger "!chronicle_truncate" before truncate on %s '
            'execute function chronicle_capture.capture_%s_truncate()', v_relation, _table_id
        );
        execute format(
            'alter table %s enable always trigger "!chronicle_truncate"', v_relation
        );
    end loop;
end
$$;

comment on function chronicle.place_capture_triggers(regclass, integer) is
'Private. Puts the capture triggers on a table, and those for truncate on its partitions.';

revoke execute on function chronicle.place_capture_triggers(regclass, integer) from public;
grant execute on function chronicle.place_capture_triggers(regclass, integer) to chronicle_admin;

-- Runs as its caller, the table's owner: only that one can let somebody else read it.
create or replace function chronicle.share_rows(_table regclass, _are_read boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_relation regclass;
    v_schema_name name;
    v_schema_owner name;
begin
    select n.nspname, pg_get_userbyid(n.nspowner) into strict v_schema_name, v_schema_owner
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;
    if _are_read and not has_schema_privilege('chronicle_table_reader', v_schema_name, 'USAGE') then
        if not pg_has_role(current_user, v_schema_owner, 'USAGE') then
            raise exception 'chronicle_table_reader may not use the schema "%"', v_schema_name
                using errcode = 'insufficient_privilege',
                    detail = 'That role reads the rows that a truncate is about to empty.',
                    hint = format(
                        'As "%s": grant usage on schema %I to chronicle_table_reader. '
                        'Or give _truncate => ''event'': a truncate is one event then, '
                        'without the rows.',
                        v_schema_owner, v_schema_name
                    );
        end if;
        execute format('grant usage on schema %I to chronicle_table_reader', v_schema_name);
    end if;

    for v_relation in
        select c.oid
        from pg_catalog.pg_class as c
        where (c.oid = _table or c.oid in (select p.relid from pg_partition_tree(_table) as p))
            and _are_read <> exists (
                select
                from aclexplode(c.relacl) as a
                where a.grantee = 'chronicle_table_reader'::regrole
                    and a.privilege_type = 'SELECT'
            )
    loop
        execute format(
            case
                when _are_read then 'grant select on %s to chronicle_table_reader'
                else 'revoke select on %s from chronicle_table_reader'
            end,
            v_relation
        );
    end loop;
end
$$;

comment on function chronicle.share_rows(regclass, boolean) is
'Private. Lets the role that reads what a truncate empties read a table and its partitions, or lets
it no longer.
Errors: 42501 when that role may not use the schema, and the caller can not allow it.';

revoke execute on function chronicle.share_rows(regclass, boolean) from public;
grant execute on function chronicle.share_rows(regclass, boolean) to chronicle_admin;

-- Of a partitioned table the owner keeps the right to execute the functions for rows: a new
-- partition gets copies of the triggers, and the server asks its maker for that right. They could
-- be misused to record changes that were not made, of that owner's table only, whose changes the
-- owner can make as well.
create or replace function chronicle.close_capture_functions(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_right record;
begin
    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    for v_right in
        select p.oid::regprocedure as function_name, pg_get_userbyid(a.grantee) as grantee
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        inner join pg_catalog.pg_class as c on c.oid = _table
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and starts_with(p.proname, format('capture_%s_', _table_id))
            and p.proowner = current_user::regrole
            and not (
                c.relkind = 'p' and a.grantee = c.relowner and p.proname !~ '_truncate$'
            )
    loop
        execute format(
            'revoke execute on function %s from %I', v_right.function_name, v_right.grantee
        );
    end loop;
end
$$;

comment on function chronicle.close_capture_functions(regclass, integer) is
'Private. Checks that the capture triggers stand and takes from everybody the right to execute those
of their functions that belong to the caller, except from the owner of a partitioned table.';

revoke execute on function chronicle.close_capture_functions(regclass, integer) from public;
grant execute on function chronicle.close_capture_functions(regclass, integer)
to chronicle_writer, chronicle_table_reader;

-- Run as the two roles that own the capture functions, who are the ones to close them.
create or replace function chronicle.confirm_row_capture(_table regclass, _table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.close_capture_functions(_table, _table_id)
$$;

comment on function chronicle.confirm_row_capture(regclass, integer) is
'Private. Closes the functions that capture rows, once their triggers stand.
Errors: 55000 when they do not.';

revoke execute on function chronicle.confirm_row_capture(regclass, integer) from public;
grant execute on function chronicle.confirm_row_capture(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_row_capture(regclass, integer) owner to chronicle_writer;

create or replace function chronicle.confirm_truncate_capture(_table regclass, _table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.close_capture_functions(_table, _table_id)
$$;

comment on function chronicle.confirm_truncate_capture(regclass, integer) is
'Private. Closes the function that captures truncates, once its trigger stands.
Errors: 55000 when it does not.';

revoke execute on function chronicle.confirm_truncate_capture(regclass, integer) from public;
grant execute on function chronicle.confirm_truncate_capture(regclass, integer)
to chronicle_admin;
alter function chronicle.confirm_truncate_capture(regclass, integer)
owner to chronicle_table_reader;

-- Runs as the owner of the registry, and of the schema whose function it drops. The drop fails
-- while any trigger uses the function, so it can not end the capture of a table behind its owner's
-- back.
create or replace function chronicle.retire_tracked_table(_table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    update chronicle.table_registry as r set tracked_until = clock_timestamp()
    where r.table_id = _table_id and r.tracked_until is null
    returning r.* into v_options;
    if not found then
        raise exception 'no table is tracked as %', _table_id
            using errcode = 'ZC005',
                hint = 'Call chronicle.disable_tracking with the table.';
    end if;

    update chronicle.tracking_periods as p
    set until_seq = nextval('chronicle.events_seq'), ended_at = v_options.tracked_until
    where p.table_id = _table_id
        and p.from_seq = (
            select max(l.from_seq)
            from chronicle.tracking_periods as l
            where l.table_id = _table_id
        );

    execute format(
        'drop function chronicle_capture.capture_%1$s_insert(), '
        'chronicle_capture.capture_%1$s_update(), chronicle_capture.capture_%1$s_delete(), '
        'chronicle_capture.capture_%1$s_truncate()', _table_id
    );
    perform chronicle.log_management_event(
        'delete', 'chronicle.tracking.disable', 'chronicle.tracked_table',
        format('%I.%I', v_options.schema_name, v_options.table_name),
        chronicle.tracking_options(v_options), null
    );
end
$$;

comment on function chronicle.retire_tracked_table(integer) is
'Private. Drops the capture functions of a table whose triggers are gone, and records that tracking
ended.';

revoke execute on function chronicle.retire_tracked_table(integer) from public;
grant execute on function chronicle.retire_tracked_table(integer) to chronicle_admin;

-- Runs as its caller: a trigger on a table is its owner's business. Only what needs the log's own
-- rights (the registry, the capture functions, the event) is done by inner functions that have
-- them.
create or replace function chronicle.enable_tracking(
    _table regclass,
    _resource_type text default null,
    _organization_column name default null,
    _exclude_columns name[] default null,
    _mask_columns name[] default null,
    _capture chronicle.capture_mode default 'changes',
    _key_columns name[] default null,
    _truncate chronicle.truncate_mode default 'rows',
    _require_actor boolean default false
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before_id constant integer := chronicle.tracked_table_id(_table);
    v_before chronicle.table_registry;
    v_after chronicle.table_registry;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owns_table(_table);
    -- Serializes calls for the same table, and writers that would slip in between.
    execute format('lock table %s in share row exclusive mode', _table);

    -- Shown to the inner functions as the owner's consent, and taken back at the end.
    execute format('grant trigger on %s to chronicle_writer', _table);

    select * into v_before from chronicle.table_registry as r where r.table_id = v_before_id;
    v_after.resource_type := _resource_type;
    v_after.organization_column := _organization_column;
    v_after.excluded_columns := _exclude_columns;
    v_after.masked_columns := _mask_columns;
    v_after.capture := _capture;
    v_after.key_columns := nullif(_key_columns, '{}');
    v_after.truncate := _truncate;
    v_after.requires_actor := _require_actor;
    v_after := chronicle.register_tracked_table(_table, v_after);

    if chronicle.tracking_options(v_before) is distinct from chronicle.tracking_options(v_after)
        or not chronicle.is_captured_whole(_table)
    then
        perform chronicle.share_rows(_table, v_after.truncate = 'rows');
        perform chronicle.create_capture_functions(_table, v_after.table_id);
        perform chronicle.create_truncate_function(_table, v_after.table_id);
        perform chronicle.place_capture_triggers(_table, v_after.table_id);
        perform chronicle.confirm_row_capture(_table, v_after.table_id);
        perform chronicle.confirm_truncate_capture(_table, v_after.table_id);
    end if;
    execute format('revoke trigger on %s from chronicle_writer', _table);
end
$$;

comment on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) is
'From now on, every committed insert, update, delete and truncate of a table is an event in its
transaction. Called again with other options it changes them; with the same ones it does nothing.
That tracking began or changed is an event. The caller must own the table and have chronicle_admin;
writers wait for the moment that it takes.
_resource_type: of its events; by default the table''s name, with its schema unless that is public.
_organization_column: holds organization_id; by default it comes from the context.
_exclude_columns: not recorded. _mask_columns: recorded as "[masked]"; by default those whose names
are in the setting masked_keys, and {} for none.
_capture: changes, an update''s event holds the columns that changed; full, both whole rows.
_key_columns: what names a record of a table without a primary key. Without any key, resource_id is
null, capture is full, and there is no history by key.
_truncate: rows, every row is recorded before it goes, up to the setting truncate_row_limit; event,
only that it happened; refuse.
_require_actor: a change is refused when the context names no actor.
Errors: 42809 for what is no ordinary table; 42501 for somebody else''s table, or a schema that
chronicle_table_reader may not use; 42703 for an unknown column; 22023 for a key column that is
excluded or masked, and for other key columns than the primary key''s.';

revoke execute on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) from public;
grant execute on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) to chronicle_admin;

-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.disable_tracking(_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_relation regclass;
begin
    if v_table_id is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    perform chronicle.check_owns_table(_table);

    execute format('lock table %s in share row exclusive mode', _table);
    for v_relation in
        select t.tgrelid
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_truncate', v_table_id)
    loop
        execute format('drop trigger "!chronicle_truncate" on %s', v_relation);
    end loop;
    execute format('drop trigger if exists "!chronicle_insert" on %s', _table);
    execute format('drop trigger if exists "!chronicle_update" on %s', _table);
    execute format('drop trigger if exists "!chronicle_delete" on %s', _table);
    perform chronicle.share_rows(_table, false);
    perform chronicle.retire_tracked_table(v_table_id);
end
$$;

comment on function chronicle.disable_tracking(regclass) is
'Ends the capture of a table, which is an event. What was recorded stays. Writers wait for the
moment that it takes. The caller must own the table and have chronicle_admin.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table.';

revoke execute on function chronicle.disable_tracking(regclass) from public;
grant execute on function chronicle.disable_tracking(regclass) to chronicle_admin;

-- How a table would be tracked if its owner called chronicle.enable_tracking now and meant the same
-- as before: options follow columns that were renamed and forget those that were dropped, and a new
-- column whose name asks for it is masked.
create or replace function chronicle.present_options(_table_id integer)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
    v_table constant regclass := chronicle.tracked_relation(_table_id);
    v_columns name[];
    v_names jsonb;
begin
    select r.* into strict v_options
    from chronicle.table_registry as r
    where r.table_id = _table_id;
    v_columns := array(
        select a.attname
        from pg_catalog.pg_attribute as a
        where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped
    );
    v_names := (
        select coalesce(jsonb_object_agg(n.column_name, n.present_name), '{}')
        from chronicle.renamed_columns(_table_id) as n
    );

    v_options.masked_columns := array(
        select c.name
        from unnest(v_columns) as c (name)
        where c.name in (
            select coalesce(v_names ->> m.name, m.name)
            from unnest(v_options.masked_columns) as m (name)
        )
        or c.name ~* ('^' || chronicle.masked_key() || '$')
        and c.name not in (
            select coalesce(v_names ->> k.name, k.name)
            from unnest(v_options.captured_columns || v_options.excluded_columns) as k (name)
        )
    );
    v_options.excluded_columns := array(
        select e.name
        from (
            select coalesce(v_names ->> x.name, x.name)::name as name
            from unnest(v_options.excluded_columns) as x (name)
        ) as e
        where e.name = any(v_columns)
    );
    v_options.organization_column := (
        select c.name
        from unnest(v_columns) as c (name)
        where c.name
            = coalesce(v_names ->> v_options.organization_column, v_options.organization_column)
    );
    v_options.key_columns := case
        when chronicle.primary_key_columns(v_table) <> '{}'
            then chronicle.primary_key_columns(v_table)
        else array(
            select coalesce(v_names ->> k.name, k.name)::name
            from unnest(v_options.key_columns) with ordinality as k (name, place)
            where coalesce(v_names ->> k.name, k.name)::name = any(v_columns)
            order by k.place
        )
    end;
    return v_options;
end
$$;

comment on function chronicle.present_options(integer) is
'Private. The options of a tracked table, carried over to the columns that it has now.';

revoke execute on function chronicle.present_options(integer) from public;
grant execute on function chronicle.present_options(integer) to chronicle_reader, chronicle_admin;

-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.refresh_tracking(_table regclass default null)
returns table (table_name text, outcome text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tracked record;
    v_options chronicle.table_registry;
begin
    if _table is not null and chronicle.tracked_table_id(_table) is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    for v_tracked in
        select r.table_id, n.relation, c.relowner
        from chronicle.table_registry as r
        inner join chronicle.table_names as n on n.table_id = r.table_id
        inner join pg_catalog.pg_class as c on c.oid = n.relation
        where r.tracked_until is null
            and n.relation = coalesce(
                (
                    select t.relation
                    from chronicle.table_names as t
                    where t.table_id = chronicle.tracked_table_id(_table)
                ),
                n.relation
            )
        order by n.schema_name, n.table_name
    loop
        table_name := v_tracked.relation::regclass;
        if chronicle.is_captured_whole(v_tracked.relation)
            and chronicle.has_shape(v_tracked.table_id)
            and chronicle.has_key(v_tracked.table_id)
        then
            outcome := 'unchanged';
        elsif not pg_has_role(v_tracked.relowner, 'USAGE') then
            outcome := 'skipped: must be owner';
        else
            v_options := chronicle.present_options(v_tracked.table_id);
            perform chronicle.enable_tracking(
                v_tracked.relation, v_options.resource_type, v_options.organization_column,
                v_options.excluded_columns, v_options.masked_columns, v_options.capture,
                v_options.key_columns, v_options.truncate, v_options.requires_actor
            );
            outcome := 'refreshed';
        end if;
        return next;
    end loop;
end
$$;

comment on function chronicle.refresh_tracking(regclass) is
'Takes up how tracked tables have changed since: columns that were added, renamed, dropped or
retyped, another key, new partitions, triggers that are missing, the oids of a restored database.
Options stay, and follow renamed columns. For each table: refreshed, unchanged, or skipped: must be
owner. Every change is an event.
_table: one table; by default all that are tracked.
Errors: ZC005 for a table that is not tracked.';

revoke execute on function chronicle.refresh_tracking(regclass) from public;
grant execute on function chronicle.refresh_tracking(regclass) to chronicle_admin;

create or replace function chronicle.capture_gaps(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(g.sentence order by g.place, g.sentence), '{}')
    from (
        select
            1 as place,
            format(
                'A truncate of partition %s by itself is not recorded; '
                'chronicle.refresh_tracking takes it up.',
                p.relation
            ) as sentence
        from chronicle.uncovered_partitions(_table) as p (relation)
        union all
        select
            2,
            format('What the server of foreign partition %s does to it is not seen.', p.relid)
        from pg_partition_tree(_table) as p
        inner join pg_catalog.pg_class as c on c.oid = p.relid
        where c.relkind = 'f'
        union all
        select
            3,
            format(
                'Rows of %s, which inherits from it, are not recorded; track it as well.',
                i.inhrelid::regclass
            )
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        where i.inhparent = _table
            and not c.relispartition
            and chronicle.tracked_table_id(i.inhrelid) is null
        union all
        select
            4,
            case
                when not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
                    then 'A truncate is recorded without its rows: chronicle_table_reader may not '
                        'read them; chronicle.refresh_tracking allows it.'
                when c.relrowsecurity
                    then 'A truncate is recorded without its rows: the table''s row-level security '
                        'would hide some from chronicle_table_reader.'
                else 'A truncate is recorded without its rows: an index, statistics or the '
                    'partition key call functions of a user, which chronicle_table_reader must '
                    'not run.'
            end
        from pg_catalog.pg_class as c
        inner join chronicle.table_registry as r
            on r.table_id = chronicle.tracked_table_id(_table) and r.truncate = 'rows'
        where c.oid = _table
            and (
                c.relrowsecurity
                or chronicle.runs_foreign_code(_table)
                or not has_table_privilege('chronicle_table_reader', _table, 'SELECT')
            )
        union all
        select
            5,
            format(
                'What the INSTEAD OF triggers of view %s write elsewhere is recorded only where '
                'that is tracked.', v.oid::regclass
            )
        from pg_catalog.pg_depend as d
        inner join pg_catalog.pg_rewrite as w on w.oid = d.objid
        inner join pg_catalog.pg_class as v on v.oid = w.ev_class and v.relkind = 'v'
        where d.classid = 'pg_catalog.pg_rewrite'::regclass
            and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid = _table
            and exists (
                select from pg_catalog.pg_trigger as t where t.tgrelid = v.oid and t.tgtype & 64 > 0
            )
        group by v.oid
        union all
        select 6, format('Changes that subscription "%s" brings are not recorded.', s.subname)
        from pg_catalog.pg_subscription_rel as u
        inner join pg_catalog.pg_subscription as s on s.oid = u.srsubid
        where u.srrelid = _table
            or u.srrelid in (select p.relid from pg_partition_tree(_table) as p)
        group by s.subname
        union all
        select
            7,
            format(
                'Table %s calls its capture functions as well, by trigger "%s": what that records '
                'did not happen here.',
                t.tgrelid::regclass, t.tgname
            )
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and starts_with(
                p.proname, format('capture_%s_', chronicle.tracked_table_id(_table))
            )
            and t.tgrelid <> _table
            and t.tgrelid not in (select l.relid from pg_partition_tree(_table) as l)
    ) as g
$$;

comment on function chronicle.capture_gaps(regclass) is
'Private. Ways to change what a tracked table shows that leave no event, each in a sentence.';

revoke execute on function chronicle.capture_gaps(regclass) from public;
grant execute on function chronicle.capture_gaps(regclass) to chronicle_reader, chronicle_admin;

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

revoke create on schema chronicle from chronicle_writer, chronicle_table_reader;
