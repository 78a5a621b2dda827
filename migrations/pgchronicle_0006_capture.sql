-- Tables whose changes become events.
-- depends: pgchronicle_0005_access

set local role chronicle_owner;

grant create on schema chronicle to chronicle_writer;

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
'The primary key, in its order; empty: the table has none, and resource_id is null.';
comment on column chronicle.table_registry.shape is
'Every column with its type, in order, as the capture functions know them.';
comment on column chronicle.table_registry.tracked_since is
'When tracking was last begun.';
comment on column chronicle.table_registry.tracked_until is
'When tracking ended; null while it goes on.';

revoke all on chronicle.table_registry from public;
grant select on chronicle.table_registry to chronicle_writer, chronicle_reader, chronicle_admin;

create or replace function chronicle.table_shape(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        array_agg(format('%I %s', a.attname, a.atttypid::regtype) order by a.attnum), '{}'
    )
    from pg_catalog.pg_attribute as a
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.table_shape(regclass) is
'Private. The columns of a table with their types, in order.';

revoke execute on function chronicle.table_shape(regclass) from public;
grant execute on function chronicle.table_shape(regclass)
to chronicle_writer, chronicle_reader, chronicle_admin;

-- Names are those of today, found through the triggers; the registry's serve where the table is
-- gone.
create view chronicle.table_names as
select
    r.table_id,
    t.tgrelid as relation,
    coalesce(n.nspname, r.schema_name) as schema_name,
    coalesce(c.relname, r.table_name) as table_name
from chronicle.table_registry as r
left join (
    select
        substring(p.proname from '^capture_([0-9]+)_')::integer as table_id,
        min(g.tgrelid) as tgrelid
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_trigger as g on g.tgfoid = p.oid
    where
        p.pronamespace = (
            select s.oid
            from pg_catalog.pg_namespace as s
            where s.nspname = 'chronicle_capture'
        )
        and g.tgparentid = 0
    group by 1
) as t on t.table_id = r.table_id
left join pg_catalog.pg_class as c on c.oid = t.tgrelid
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
grant select on chronicle.table_names to chronicle_writer, chronicle_reader, chronicle_admin;

create or replace function chronicle.has_shape(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select r.shape = chronicle.table_shape(n.relation)
    from chronicle.table_registry as r
    inner join chronicle.table_names as n on n.table_id = r.table_id
    where r.table_id = _table_id
$$;

comment on function chronicle.has_shape(integer) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made.';

revoke execute on function chronicle.has_shape(integer) from public;
grant execute on function chronicle.has_shape(integer)
to chronicle_writer, chronicle_reader, chronicle_admin;

-- Labelled immutable, which it is not, so that a capture function asks once: its plan is made at
-- the first row of a session, and the answer is folded into it as a constant. _table is a constant
-- that names the table by its oid: the server notes that the plan depends on that table, and
-- discards the plan, and with it the answer, when the table is altered.
--
-- After a dump and restore the constant names another table, or none. Then the answer is null, and
-- each row has to be looked at, until chronicle.enable_tracking is called again.
create or replace function chronicle.planned_shape(_table_id integer, _table regclass)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.has_shape(n.table_id)
    from chronicle.table_names as n
    where n.table_id = _table_id and n.relation = _table
$$;

comment on function chronicle.planned_shape(integer, regclass) is
'Private. As chronicle.has_shape, for the plan of a capture function; null when _table is not the
tracked table.';

revoke execute on function chronicle.planned_shape(integer, regclass) from public;
grant execute on function chronicle.planned_shape(integer, regclass) to chronicle_writer;

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
-- and so are arrays that do not begin at 1, since JSON has no bounds.
create or replace function chronicle.capture_columns(_table regclass, _masked_columns name[])
returns table (
    column_name name,
    place integer,
    comparison text,
    old_value text,
    new_value text,
    is_short boolean,
    may_be_large boolean,
    is_user_type boolean,
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
        where t.typtype = 'd' or t.typsubscript = 'array_subscript_handler'::regproc
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
            and t.typsubscript is distinct from 'array_subscript_handler'::regproc
    )
    select
        d.name,
        d.place,
        -- A value that is stored apart and was not touched is the same one: it is not fetched.
        case
            when d.may_be_large and current_setting('server_version_num')::integer >= 170000
                then format(
                    '(pg_column_toast_chunk_id(old.%1$I) is null '
                    'or pg_column_toast_chunk_id(old.%1$I) '
                    'is distinct from pg_column_toast_chunk_id(new.%1$I)) and ',
                    d.name
                )
            else ''
        end
        || format(
            case
                when d.is_exact then 'old.%1$I is distinct from new.%1$I'
                else 'row(old.%1$I)::record operator(pg_catalog.*<>) row(new.%1$I)::record'
            end,
            d.name
        ),
        format(v.template, 'old', d.name),
        format(v.template, 'new', d.name),
        d.is_short,
        d.may_be_large,
        d.is_user_type,
        d.base_type
    from described as d
    cross join lateral (
        select case
            when d.name = any(_masked_columns)
                then 'case when %1$s.%2$I is distinct from null then ''[masked]'' end'
            when d.is_user_type
                then 'case when %1$s.%2$I is distinct from null then format(''%%s'', %1$s.%2$I) end'
            when d.is_array
                then 'case when position(''['' in replace(array_dims(%1$s.%2$I), ''[1:'', '''')) '
                    '> 0 then to_jsonb(format(''%%s'', %1$s.%2$I)) else to_jsonb(%1$s.%2$I) end'
            else '%1$s.%2$I'
        end as template
    ) as v
    order by d.place
$$;

comment on function chronicle.capture_columns(regclass, name[]) is
'Private. The columns of a table that can be captured, in their order. comparison: an expression
that is true when old and new differ. old_value, new_value: expressions that render a value.
is_short: its text has at most a hundred bytes. may_be_large: it may be stored apart from the row.
is_user_type: the type is, or is made of, one that is not built in. base_type: what lies under
domains and arrays. _masked_columns: those of which no value is rendered.';

revoke execute on function chronicle.capture_columns(regclass, name[]) from public;
grant execute on function chronicle.capture_columns(regclass, name[]) to chronicle_writer;

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
grant execute on function chronicle.capture_settings(regclass) to chronicle_writer;

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
grant execute on function chronicle.object_expression(name[], text[]) to chronicle_writer;

create or replace function chronicle.key_expression(_row text, _key_columns name[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case cardinality(_key_columns)
        when 0 then 'null'
        when 1 then format('format(''%%s'', %s.%I)', _row, _key_columns[1])
        else chronicle.object_expression(
            _key_columns,
            array(
                select format('format(''%%s'', %s.%I)', _row, k.name)
                from unnest(_key_columns) with ordinality as k (name, place)
                order by k.place
            )
        ) || '::text'
    end
$$;

comment on function chronicle.key_expression(text, name[]) is
'Private. The text of an expression that gives a row''s resource_id: the bare value of one key
column, or a JSON object of several, each as text. _row: old or new.';

revoke execute on function chronicle.key_expression(text, name[]) from public;
grant execute on function chronicle.key_expression(text, name[]) to chronicle_writer;

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
                chronicle.key_expression(_row, _options.key_columns) as value,
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
to chronicle_writer;

-- One "if" a column. Small columns stand in groups of eight whose images are compared first: most
-- updates change few columns, and an expression that is not reached costs nothing, where every one
-- that is has to be made ready once a transaction. A column that may be large stands alone: to
-- compare its image, the server would fetch a value that is stored apart.
create or replace function chronicle.update_statements(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        case
            when g.may_be_large then g.statements
            else format(
                E'        if row(%s)::record operator(pg_catalog.*<>) row(%s)::record then\n'
                '%s        end if;\n',
                g.old_row, g.new_row, g.statements
            )
        end,
        '' order by g.place
    )
    from (
        select
            c.may_be_large,
            min(c.place) as place,
            string_agg(format('old.%I', c.column_name), ', ' order by c.place) as old_row,
            string_agg(format('new.%I', c.column_name), ', ' order by c.place) as new_row,
            string_agg(
                format(
                    E'            if %1$s then\n'
                    '                v_changed := array_append(v_changed, %2$L);\n'
                    '                v_before := v_before || jsonb_build_object(%2$L, %3$s);\n'
                    '                v_after := v_after || jsonb_build_object(%2$L, %4$s);\n'
                    '            end if;\n',
                    c.comparison, c.column_name, c.old_value, c.new_value
                ),
                '' order by c.place
            ) as statements
        from (
            select
                n.*,
                -- Neighbours only, so that columns are named in their order.
                case
                    when n.may_be_large then n.place
                    else (
                        row_number() over (partition by n.neighbours order by n.place) - 1
                    ) / 8
                end as chunk
            from (
                select
                    a.*,
                    count(*) filter (where a.may_be_large) over (order by a.place) as neighbours
                from chronicle.capture_columns(_table, _options.masked_columns) as a
                where a.column_name = any(_options.captured_columns)
            ) as n
        ) as c
        group by c.may_be_large, c.neighbours, c.chunk
    ) as g
$$;

comment on function chronicle.update_statements(regclass, chronicle.table_registry) is
'Private. The statements of a capture function that find what an update changed and render it.
_options: the table''s row of the registry.';

revoke execute on function chronicle.update_statements(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.update_statements(regclass, chronicle.table_registry)
to chronicle_writer;

-- The only exception block of a capture function. It holds no write, so it takes no transaction id.
-- Whatever goes wrong in it, the application's write goes on, and the event says what is missing.
create or replace function chronicle.rendering_block(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_row constant text := case _operation when 'DELETE' then 'old' else 'new' end;
    -- The text form of a row shows every column, so not where some are not to be recorded.
    v_shows_rows constant boolean := cardinality(
        _options.masked_columns || _options.excluded_columns
    ) = 0;
    v_names name[];
    v_old_values text[];
    v_new_values text[];
    v_changed text;
    v_rendering text;
    v_misfit text;
begin
    select
        array_agg(c.column_name order by c.place),
        array_agg(c.old_value order by c.place),
        array_agg(c.new_value order by c.place),
        string_agg(
            format('case when %s then %L end', c.comparison, c.column_name), ', ' order by c.place
        )
    into v_names, v_old_values, v_new_values, v_changed
    from chronicle.capture_columns(_table, _options.masked_columns) as c
    where c.column_name = any(_options.captured_columns);

    v_rendering := case _operation
        when 'INSERT'
            then format(
                E'        v_after := %s;\n', chronicle.object_expression(v_names, v_new_values)
            )
        when 'DELETE'
            then format(
                E'        v_before := %s;\n', chronicle.object_expression(v_names, v_old_values)
            )
        when 'UPDATE' then
            E'        v_before := ''{}'';\n'
            '        v_after := ''{}'';\n'
            '        v_changed := ''{}'';\n'
            || coalesce(chronicle.update_statements(_table, _options), '')
            -- Only columns that are not recorded have changed.
            || E'        if v_changed = ''{}'' then\n            return null;\n        end if;\n'
            || case when cardinality(_options.key_columns) = 0 then '' else format(
                E'        if v_resource_id <> %1$s then\n'
                '            v_related := jsonb_build_array(jsonb_build_object(\n'
                '                ''relation'', ''previous_key'', ''resource_type'', %2$L,\n'
                '                ''resource_id'', %1$s\n'
                '            ));\n'
                '        end if;\n',
                chronicle.key_expression('old', _options.key_columns), _options.resource_type
            ) end
    end;

    -- Where the plan can not know: a row is equal to one of the columns known here, unless a column
    -- was added; then the comparison itself raises 42804. A partition may order its columns
    -- otherwise, so there the catalog is asked.
    select format(
        'not coalesce(chronicle.planned_shape(%s, %L), %s)',
        _options.table_id,
        c.oid,
        case
            when c.relkind = 'p' then format('chronicle.has_shape(%s)', _options.table_id)
            else format(
                '%1$s::record operator(pg_catalog.*=) row(%2$s)::record', v_row, (
                    select string_agg(
                        case
                            -- A row that a trigger is given holds no value for it.
                            when a.attgenerated = 'v' then 'null::' || a.atttypid::regtype
                            else format('%s.%I', v_row, a.attname)
                        end,
                        ', ' order by a.attnum
                    )
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
                )
            )
        end
    )
    into strict v_misfit
    from pg_catalog.pg_class as c
    where c.oid = _table;

    return format(
        $block$
    begin
%2$s        if %1$s then
            raise exception 'its columns or types are others' using errcode = 'datatype_mismatch';
        end if;
%3$s    exception
        when undefined_column or undefined_function or undefined_object or datatype_mismatch then
            v_error := sqlstate || ': the table has changed since it was tracked: ' || sqlerrm;
            v_changed := null;
            begin
                v_before := %4$s;
                v_after := %5$s;
            exception
                when data_exception or program_limit_exceeded or out_of_memory or internal_error
                then
                    v_before := null;
                    v_after := null;
            end;
        when data_exception or program_limit_exceeded or out_of_memory or internal_error then
            v_error := sqlstate || ': ' || sqlerrm;
            v_before := null;
            v_after := null;
%6$s    end;
$block$,
        v_misfit, -- 1
        chronicle.key_statements(v_row, _table, _options),
        v_rendering, -- 3
        case
            when v_shows_rows and _operation <> 'INSERT'
                then 'jsonb_build_object(''row'', format(''%s'', old))'
            else 'null'
        end,
        case
            when v_shows_rows and _operation <> 'DELETE'
                then 'jsonb_build_object(''row'', format(''%s'', new))'
            else 'null'
        end, -- 5
        case
            when _operation = 'UPDATE' then format(
                E'            v_changed := array_remove(array[%s]::text[], null);\n', v_changed
            )
            else ''
        end
    );
end
$$;

comment on function chronicle.rendering_block(regclass, chronicle.table_registry, text) is
'Private. The part of a capture function that renders a row. _options: the table''s row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.rendering_block(regclass, chronicle.table_registry, text)
to chronicle_writer;

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
    v_action constant text := _options.resource_type || '.'
        || case _operation when 'TRUNCATE' then 'truncate' else v_action_type end;
begin
    return format(
        $body$
declare
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_related jsonb;
    v_resource_id text;
    v_organization_id text;
    v_error text;
    v_random bytea;
    v_event_id uuid;
    v_payload_salt uuid;
    v_seq bigint;
    v_transaction_id bigint;
    v_now timestamptz;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not
    -- wanted. Any other session in replica mode is an administrator at work, and is recorded. Two
    -- conditions, because one with a query in it would start that query for every row.
    if current_setting('session_replication_role') = 'replica' then
        if exists (
            select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
        ) then
            return null;
        end if;
    end if;
%1$s
    -- The system is asked for random bytes once; the halves of their digest say nothing about each
    -- other.
    v_random := sha256(uuid_send(gen_random_uuid()));
    v_event_id := chronicle.uuid_v7_from(v_random);
    v_payload_salt := encode(substr(v_random, 17), 'hex');
    v_seq := nextval('chronicle.events_seq');
    v_transaction_id := pg_current_xact_id()::text;
    v_now := clock_timestamp();

    -- Two statements, because naming fewer columns makes the one without a context cheaper.
    if concat(
        current_setting('chronicle.context', true), current_setting('request.jwt.claims', true)
    ) = '' then
        insert into chronicle.events (
            event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
            actor_type, actor_id, context_state, origin, action_type, action, resource_type,
            resource_id, related_resources, table_id, details_before, details_after,
            changed_columns, payload_error
        ) values (
            v_event_id, v_seq, v_transaction_id, v_now, v_now, v_payload_salt, v_organization_id,
            'system', session_user, 'absent', 'captured', %2$L, %3$L, %4$L,
            v_resource_id, v_related, %5$s, v_before, v_after,
            v_changed, v_error
        );
        return null;
    end if;

    v_context := chronicle.resolve_context();
    insert into chronicle.events (
        event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, reason, resource_type, resource_id,
        related_resources, table_id, details_before, details_after, changed_columns, payload_error,
        ai_operation_id, session_id, request_id, trace_id,
        operation_id, ip_address, user_agent, client_info
    ) values (
        v_event_id, v_seq, v_transaction_id, v_now, v_now, v_payload_salt,
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
        v_context.context_state, 'captured', %2$L, %3$L, v_context.reason, %4$L, v_resource_id,
        v_related, %5$s, v_before, v_after, v_changed, v_error,
        v_context.ai_operation_id, v_context.session_id, v_context.request_id, v_context.trace_id,
        v_context.operation_id, v_context.ip_address, v_context.user_agent, v_context.client_info
    );
    return null;
end
$body$,
        case
            when _operation = 'TRUNCATE' then ''
            else chronicle.rendering_block(_table, _options, _operation)
        end, -- 1
        v_action_type,
        v_action, -- 3
        _options.resource_type,
        _options.table_id -- 5
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry, text) is
'Private. The text of a trigger function that captures changes of a table. _options: its row of the
registry. _operation: INSERT, UPDATE, DELETE or TRUNCATE.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
to chronicle_writer;

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
to chronicle_admin, chronicle_writer, chronicle_reader;

create or replace function chronicle.has_capture_triggers(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) = 4
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table
        and t.tgname in (
            '!chronicle_insert', '!chronicle_update', '!chronicle_delete', '!chronicle_truncate'
        )
        and t.tgenabled = 'A'
        and p.pronamespace = 'chronicle_capture'::regnamespace
$$;

comment on function chronicle.has_capture_triggers(regclass) is
'Private. Whether all capture triggers of a table stand and fire always.';

revoke execute on function chronicle.has_capture_triggers(regclass) from public;
grant execute on function chronicle.has_capture_triggers(regclass)
to chronicle_admin, chronicle_reader;

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
to chronicle_writer, chronicle_admin;

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
grant execute on function chronicle.check_owner_consents(regclass) to chronicle_writer;

-- Runs as the owner of the registry. It trusts nothing that chronicle.enable_tracking checked
-- before, as every administrator may call it. The row and the event that tells of it are one.
create or replace function chronicle.register_tracked_table(
    _table regclass,
    _resource_type text,
    _organization_column name,
    _exclude_columns name[],
    _mask_columns name[]
)
returns chronicle.table_registry
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schema_name name;
    v_table_name name;
    v_table_id integer;
    v_columns name[];
    v_key name[];
    v_unknown name;
    v_before chronicle.table_registry;
    v_options chronicle.table_registry;
begin
    select n.nspname, c.relname into strict v_schema_name, v_table_name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owner_consents(_table);

    v_columns := array(select c.column_name from chronicle.capture_columns(_table, '{}') as c);
    v_key := array(
        select a.attname
        from pg_catalog.pg_index as i
        cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
        inner join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = _table and i.indisprimary and k.place <= i.indnkeyatts
        order by k.place
    );
    if _mask_columns is null then
        _mask_columns := array(
            select c.name
            from unnest(v_columns) as c (name)
            where c.name ~* ('^' || chronicle.masked_key() || '$')
                and c.name <> all(v_key || coalesce(_exclude_columns, '{}'))
        );
    end if;
    _exclude_columns := coalesce(_exclude_columns, '{}');

    select u.name into v_unknown
    from unnest(
        _exclude_columns || _mask_columns || array_remove(array[_organization_column], null)
    ) as u (name)
    where u.name <> all(v_columns)
    limit 1;
    if found then
        raise exception 'column "%" of table % does not exist', v_unknown, _table
            using errcode = 'undefined_column',
                hint = format('It has: %s.', array_to_string(v_columns, ', '));
    end if;
    select k.name into v_unknown
    from unnest(v_key) as k (name)
    where k.name = any(_exclude_columns || _mask_columns)
    limit 1;
    if found then
        raise exception 'column "%" is part of the primary key of %', v_unknown, _table
            using errcode = 'invalid_parameter_value',
                hint = 'The key names the record in the log: '
                    'it can be neither excluded nor masked.';
    end if;

    if _organization_column = any(_mask_columns || _exclude_columns) then
        raise exception 'column "%" holds the organization', _organization_column
            using errcode = 'invalid_parameter_value',
                detail = 'Its value is the organization_id of every event.',
                hint = 'Neither mask nor exclude it, or take the organization from the context.';
    end if;

    -- A table of the same name as one that is no longer tracked goes on with its history, unless
    -- that one was renamed and is tracked under its new name.
    v_table_id := coalesce(
        chronicle.tracked_table_id(_table),
        (
            select max(r.table_id)
            from chronicle.table_registry as r
            where r.schema_name = v_schema_name
                and r.table_name = v_table_name
                and not exists (
                    select
                    from pg_catalog.pg_trigger as t
                    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
                    where p.pronamespace = 'chronicle_capture'::regnamespace
                        and p.proname like format('capture\_%s\_%%', r.table_id)
                )
        )
    );
    if v_table_id is null then
        insert into chronicle.table_registry (
            schema_name, table_name, resource_type, excluded_columns, masked_columns,
            captured_columns, key_columns, shape
        )
        values (v_schema_name, v_table_name, 'new', '{}', '{}', '{}', '{}', '{}')
        returning table_id into v_table_id;
    else
        select * into v_before
        from chronicle.table_registry as r
        where r.table_id = v_table_id and r.tracked_until is null;
    end if;

    update chronicle.table_registry as r
    set
        schema_name = v_schema_name,
        table_name = v_table_name,
        resource_type = coalesce(
            _resource_type,
            case when v_schema_name = 'public' then '' else v_schema_name || '.' end || v_table_name
        ),
        organization_column = _organization_column,
        excluded_columns = _exclude_columns,
        masked_columns = _mask_columns,
        captured_columns = array(
            select c.name from unnest(v_columns) as c (name) where c.name <> all(_exclude_columns)
        ),
        key_columns = v_key,
        shape = chronicle.table_shape(_table),
        tracked_since = case
            when r.tracked_until is null then r.tracked_since else clock_timestamp()
        end,
        tracked_until = null
    where r.table_id = v_table_id
    returning r.* into v_options;

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
            format('%I.%I', v_schema_name, v_table_name),
            case when v_before.table_id is not null then chronicle.tracking_options(v_before) end,
            chronicle.tracking_options(v_options)
        );
    end if;
    return v_options;
end
$$;

comment on function chronicle.register_tracked_table(regclass, text, name, name[], name[]) is
'Private. Enters a table and its options into the registry, records that, and returns the row.
Errors: 42501 unless the owner consents; 42703 for an unknown column; 22023 for a key column that is
excluded or masked; 42809 as chronicle.check_trackable.';

revoke execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
to chronicle_admin;

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
    v_options chronicle.table_registry;
    v_owner name;
    v_operation text;
    v_name text;
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
    select pg_get_userbyid(c.relowner) into strict v_owner
    from pg_catalog.pg_class as c
    where c.oid = _table;

    -- row_security is pinned because every script of pg_dump turns it off, and the server would
    -- then refuse the insert that a policy allows.
    foreach v_operation in array array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] loop
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
Errors: 42501 unless the owner consents; 55000 for another table than the registered one.';

revoke execute on function chronicle.create_capture_functions(regclass, integer) from public;
grant execute on function chronicle.create_capture_functions(regclass, integer) to chronicle_admin;
alter function chronicle.create_capture_functions(regclass, integer) owner to chronicle_writer;

-- Runs as the writer, who owns the capture functions and is the one to close them. Of a partitioned
-- table the owner keeps the right to execute them: a new partition gets copies of the triggers, and
-- the server asks its maker for that right. They could be misused to record changes that were not
-- made, of that owner's table only, whose changes the owner can make as well.
create or replace function chronicle.confirm_tracking(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_owner name;
    v_is_partitioned boolean;
    v_right record;
begin
    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    select pg_get_userbyid(c.relowner), c.relkind = 'p' into strict v_owner, v_is_partitioned
    from pg_catalog.pg_class as c
    where c.oid = _table;

    for v_right in
        select p.oid::regprocedure as function_name, pg_get_userbyid(a.grantee) as grantee
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname like format('capture\_%s\_%%', _table_id)
            and not (v_is_partitioned and a.grantee = v_owner::regrole)
    loop
        execute format(
            'revoke execute on function %s from %I', v_right.function_name, v_right.grantee
        );
    end loop;
end
$$;

comment on function chronicle.confirm_tracking(regclass, integer) is
'Private. Checks that the capture triggers stand and closes their functions to everybody, except for
the owner of a partitioned table.';

revoke execute on function chronicle.confirm_tracking(regclass, integer) from public;
grant execute on function chronicle.confirm_tracking(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_tracking(regclass, integer) owner to chronicle_writer;

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
-- rights (the registry, the capture function, the event) is done by inner functions that have them.
--
-- AFTER triggers fire by name: ! sorts before letters and digits, so that an insert is recorded
-- before what another trigger makes of it. The update trigger compares images before it calls the
-- function, so an update that changes nothing costs next to nothing.
create or replace function chronicle.enable_tracking(
    _table regclass,
    _resource_type text default null,
    _organization_column name default null,
    _exclude_columns name[] default null,
    _mask_columns name[] default null
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
    v_operation text;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owns_table(_table);
    -- Serializes calls for the same table, and writers that would slip in between.
    execute format('lock table %s in share row exclusive mode', _table);

    -- Shown to the inner functions as the owner's consent, and taken back at the end.
    execute format('grant trigger on %s to chronicle_writer', _table);

    select * into v_before from chronicle.table_registry as r where r.table_id = v_before_id;
    v_after := chronicle.register_tracked_table(
        _table, _resource_type, _organization_column, _exclude_columns, _mask_columns
    );
    if v_before_id = v_after.table_id
        and chronicle.tracking_options(v_before) = chronicle.tracking_options(v_after)
        and chronicle.has_capture_triggers(_table)
        -- After a dump and restore, the functions know the table by another oid.
        and exists (
            select from pg_catalog.pg_proc as p
            where p.pronamespace = 'chronicle_capture'::regnamespace
                and p.proname = format('capture_%s_insert', v_before_id)
                and position(format('(%s, %L)', v_before_id, _table::oid) in p.prosrc) > 0
        )
    then
        execute format('revoke trigger on %s from chronicle_writer', _table);
        return;
    end if;

    perform chronicle.create_capture_functions(_table, v_after.table_id);
    foreach v_operation in array array['insert', 'update', 'delete', 'truncate'] loop
        execute format(
            'create or replace trigger "!chronicle_%1$s" after %1$s on %2$s for each %3$s '
            'execute function chronicle_capture.capture_%4$s_%1$s()',
            v_operation,
            _table,
            case v_operation
                when 'truncate' then 'statement'
                when 'update' then 'row when (old.* operator(pg_catalog.*<>) new.*)'
                else 'row'
            end,
            v_after.table_id
        );
        execute format('alter table %s enable always trigger "!chronicle_%s"', _table, v_operation);
    end loop;
    perform chronicle.confirm_tracking(_table, v_after.table_id);
    execute format('revoke trigger on %s from chronicle_writer', _table);
end
$$;

comment on function chronicle.enable_tracking(regclass, text, name, name[], name[]) is
'From now on, every committed insert, update, delete and truncate of a table is an event in its
transaction. Called again with other options it changes them; with the same ones it does nothing.
That tracking began or changed is an event. The caller must own the table and have chronicle_admin;
writers wait for the moment that it takes.
_resource_type: of its events; by default the table''s name, with its schema unless that is public.
_organization_column: holds organization_id; by default it comes from the context.
_exclude_columns: not recorded. _mask_columns: recorded as "[masked]"; by default those whose names
are in the setting masked_keys, and {} for none.
Without a primary key rows are recorded with resource_id null. A truncate is one event, without the
rows.
Errors: 42809 for what is no ordinary table; 42501 for somebody else''s table; 42703 for an unknown
column; 22023 for a key column that is excluded or masked.';

revoke execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
to chronicle_admin;

-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.disable_tracking(_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_operation text;
begin
    if v_table_id is null then
        raise exception '% is not tracked', coalesce(_table::text, 'null')
            using errcode = 'ZC005',
                hint = 'select * from chronicle.tracked_tables shows what is.';
    end if;
    perform chronicle.check_owns_table(_table);

    foreach v_operation in array array['insert', 'update', 'delete', 'truncate'] loop
        execute format('drop trigger if exists "!chronicle_%s" on %s', v_operation, _table);
    end loop;
    perform chronicle.retire_tracked_table(v_table_id);
end
$$;

comment on function chronicle.disable_tracking(regclass) is
'Ends the capture of a table, which is an event. What was recorded stays. Writers wait for the
moment that it takes. The caller must own the table and have chronicle_admin.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table.';

revoke execute on function chronicle.disable_tracking(regclass) from public;
grant execute on function chronicle.disable_tracking(regclass) to chronicle_admin;

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
    r.tracked_since,
    r.tracked_until,
    case
        when r.tracked_until is not null then 'ended'
        when n.relation is null then 'broken'
        when not chronicle.has_capture_triggers(n.relation) then 'broken'
        when not chronicle.has_shape(r.table_id) then 'drifted'
        when h.untracked_children is not null then 'partial'
        else 'tracked'
    end as state,
    case
        when r.tracked_until is not null then null
        when n.relation is null
            then 'No capture trigger stands: the table or its triggers were dropped.'
        when not chronicle.has_capture_triggers(n.relation)
            then 'A capture trigger is missing or disabled; chronicle.enable_tracking puts it back.'
        when not chronicle.has_shape(r.table_id)
            then concat_ws(
                ' ',
                'The table has changed since: its rows are recorded in their text form.',
                'Now: ' || d.added || '.',
                'Before: ' || d.lost || '.',
                'chronicle.enable_tracking takes it up.'
            )
        when h.untracked_children is not null
            then
                'Rows of tables that inherit from it are not recorded; track these as well: '
                || h.untracked_children || '.'
    end as problem
from chronicle.table_registry as r
inner join chronicle.table_names as n on n.table_id = r.table_id
left join lateral (
    select
        string_agg(s.description, ', ' order by s.place) filter (where s.is_new) as added,
        string_agg(s.description, ', ' order by s.place) filter (where not s.is_new) as lost
    from (
        select
            a.description,
            a.place,
            true as is_new
        from unnest(chronicle.table_shape(n.relation)) with ordinality as a (description, place)
        where a.description <> all(r.shape)
        union all
        select
            b.description,
            b.place,
            false as is_new
        from unnest(r.shape) with ordinality as b (description, place)
        where b.description <> all(chronicle.table_shape(n.relation))
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
comment on column chronicle.tracked_tables.tracked_since is
'When tracking was last begun.';
comment on column chronicle.tracked_tables.tracked_until is
'When tracking ended; null while it goes on.';
comment on column chronicle.tracked_tables.state is
'tracked, drifted (changed since: rows are recorded in their text form), partial (tables inherit
from it that are not tracked), broken (a trigger is missing or disabled) or ended.';
comment on column chronicle.tracked_tables.problem is
'What is wrong and what mends it; null when nothing is.';

revoke all on chronicle.tracked_tables from public;
grant select on chronicle.tracked_tables to chronicle_reader, chronicle_admin;

revoke create on schema chronicle from chronicle_writer;
