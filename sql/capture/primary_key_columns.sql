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
