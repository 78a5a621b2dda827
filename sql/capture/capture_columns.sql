-- How each column is compared and rendered, decided once, when the capture function is made.
--
-- Comparison: "is distinct from" only where equal values are the same bytes. Numeric 1.0 equals
-- 1.00, a float -0 equals 0, an interval of a day equals 24 hours, a text under a nondeterministic
-- collation equals another, and json has no equality at all; all these are compared as images
-- (*<>), which also needs no operator that a user may have made.
--
-- Rendering: a type that a user can define may have a cast to json, and jsonb_build_object would
-- run that cast with the writer's rights. Such values are rendered by the output function of their
-- type.
create or replace function chronicle.capture_columns(_table regclass)
returns table (
    column_name name,
    place integer,
    type_name text,
    comparison text,
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
            a.attname, a.attnum, a.attcollation, a.atttypid as declared_type, a.atttypid as type_id,
            false as is_array
        from pg_catalog.pg_attribute as a
        where a.attrelid = _table
            and a.attnum > 0
            and not a.attisdropped
            -- A virtual column is no part of the row: it follows from the others.
            and a.attgenerated <> 'v'
        union all
        select
            u.attname, u.attnum, u.attcollation, u.declared_type,
            case t.typtype when 'd' then t.typbasetype else t.typelem end,
            u.is_array or t.typtype <> 'd'
        from unwrapped as u
        inner join pg_catalog.pg_type as t on t.oid = u.type_id
        where t.typtype = 'd' or t.typsubscript = 'array_subscript_handler'::regproc
    )
    select
        u.attname,
        u.attnum::integer,
        u.declared_type::regtype::text,
        format(
            case
                when not u.is_array and (
                    t.typtype = 'e'
                    or t.oid = any(
                        array[
                            'bool', 'int2', 'int4', 'int8', 'oid', 'uuid', 'date', 'time',
                            'timestamp', 'timestamptz', 'bytea', 'money', 'macaddr', 'name'
                        ]::regtype[]::oid[]
                    )
                    or t.oid in ('text'::regtype, 'varchar'::regtype)
                        and coalesce(c.collisdeterministic, true)
                )
                    then 'old.%1$I is distinct from new.%1$I'
                else 'row(old.%1$I)::record operator(pg_catalog.*<>) row(new.%1$I)::record'
            end,
            u.attname
        ),
        t.oid >= 16384,
        t.oid
    from unwrapped as u
    inner join pg_catalog.pg_type as t on t.oid = u.type_id
    left join pg_catalog.pg_collation as c on c.oid = u.attcollation
    where t.typtype <> 'd' and t.typsubscript is distinct from 'array_subscript_handler'::regproc
    order by u.attnum
$$;

comment on function chronicle.capture_columns(regclass) is
'Private. The columns of a table that can be captured, in their order. comparison: an expression
that is true when old and new differ. is_user_type: the type is, or is made of, one that is not
built in. base_type: what lies under domains and arrays.';

revoke execute on function chronicle.capture_columns(regclass) from public;
grant execute on function chronicle.capture_columns(regclass) to chronicle_writer;
