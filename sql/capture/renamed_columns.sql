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
