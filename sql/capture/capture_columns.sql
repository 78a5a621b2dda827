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
