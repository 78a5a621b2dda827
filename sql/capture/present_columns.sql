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
