-- By the operators of an index on the key: for a type that a user has made, ">" might be another
-- type's, and then rows would be left out between two batches.
create or replace function chronicle.key_order(_table regclass, _key_columns name[])
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(
        format('operator(%I.%s)', n.nspname, o.oprname)
        order by k.place
    )
    from (
        select i.indkey, i.indclass
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_class as c on c.oid = i.indexrelid
        inner join pg_catalog.pg_am as m on m.oid = c.relam and m.amname = 'btree'
        where i.indrelid = _table
            and i.indisvalid
            and i.indisunique
            and i.indpred is null
            and i.indexprs is null
            and i.indnkeyatts = cardinality(_key_columns)
            -- In their own order, first to last.
            and array(
                select a.attname
                from unnest(i.indkey::smallint[], i.indoption::smallint[])
                    with ordinality as x (attnum, option, place)
                inner join pg_catalog.pg_attribute as a
                    on a.attrelid = _table and a.attnum = x.attnum
                where x.place <= i.indnkeyatts and x.option = 0 and a.attnotnull
                order by x.place
            ) = _key_columns
        order by i.indisprimary desc
        limit 1
    ) as i
    cross join lateral unnest(i.indclass::oid[]) with ordinality as k (opclass, place)
    inner join pg_catalog.pg_opclass as c on c.oid = k.opclass
    inner join pg_catalog.pg_amop as s
        on s.amopfamily = c.opcfamily
        and s.amoplefttype = c.opcintype
        and s.amoprighttype = c.opcintype
        and s.amopstrategy = 5
    inner join pg_catalog.pg_operator as o on o.oid = s.amopopr
    inner join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
$$;

comment on function chronicle.key_order(regclass, name[]) is
'Private. For each column of a key the operator "greater than" by which an index orders it; null
when no index does.';

revoke execute on function chronicle.key_order(regclass, name[]) from public;
grant execute on function chronicle.key_order(regclass, name[]) to chronicle_admin;
