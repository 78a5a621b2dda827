create or replace function chronicle.table_of(_type regtype)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
begin
    select c.oid into v_table
    from pg_catalog.pg_type as t
    inner join pg_catalog.pg_class as c on c.oid = t.typrelid and c.relkind in ('r', 'p')
    where t.oid = _type;
    if not found then
        raise exception '% is not the row type of a table', _type
            using errcode = 'wrong_object_type',
                hint = 'For example: chronicle.rows_as_of(null::shop.orders, now()).';
    end if;
    return v_table;
end
$$;

comment on function chronicle.table_of(regtype) is
'Private. The table whose row type this is.
Errors: 42809 for any other type.';

revoke execute on function chronicle.table_of(regtype) from public;
grant execute on function chronicle.table_of(regtype) to chronicle_reader;
