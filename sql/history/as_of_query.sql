create or replace function chronicle.as_of_query(
    _table regclass, _table_id integer, _at timestamptz
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $query$
with net as materialized (
    select * from chronicle.net_changes(%1$s, %2$L)
),
live as materialized (
    %3$s
    where %4$s in (select n.key_after from net as n where n.key_before is not null)
),
images as (
    select case
        when n.key_after is null then n.image_before
        when v.image is null then chronicle.refuse_incomplete(
            %5$L, format('Record %%s is gone, and nothing says how.', n.key_after)
        )
        when not n.is_drifted
            and n.last_seq >= %6$s
            and v.image::text <> (v.image || n.image_after)::text
            then chronicle.refuse_incomplete(
                %5$L, format('Record %%s is not what was recorded of it last.', n.key_after)
            )
        else v.image || n.image_before
    end as "!image"
    from net as n
    left join live as v on v.record_id = n.key_after
    where n.key_before is not null
)
select %7$s
from %8$s %5$s as old
where %4$s not in (select n.key_after from net as n where n.key_after is not null)
union all
select %9$s
from images as i
cross join lateral jsonb_populate_record(null::%5$s, i."!image" - %10$L::text[]) as p
$query$,
        _table_id, -- 1
        format('e.occurred_at > %L', _at),
        chronicle.live_row_query(_table, _table_id), -- 3
        format('chronicle.fitted_id(%s)', chronicle.key_expression('old', _table, o.key_columns)),
        _table, -- 5
        (select max(p.from_seq) from chronicle.column_periods(_table_id) as p),
        c.from_row, -- 7
        case k.relkind when 'r' then 'only' end,
        c.from_image, -- 9
        o.apart
    )
    from (
        select
            p.key_columns,
            -- What jsonb_populate_record would take for something else.
            array(
                select a.column_name
                from chronicle.capture_columns(_table, '{}') as a
                where a.base_type in ('json'::regtype, 'jsonb'::regtype) and not a.is_array
                    or a.column_name = any(p.masked_columns)
            ) as apart
        from chronicle.present_options(_table_id) as p
    ) as o
    inner join pg_catalog.pg_class as k on k.oid = _table
    cross join (
        select
            string_agg(t.from_image, ', ' order by t.place) as from_image,
            string_agg(t.from_row, ', ' order by t.place) as from_row
        from chronicle.typed_columns(_table, _table_id) as t
    ) as c
$$;

comment on function chronicle.as_of_query(regclass, integer, timestamptz) is
'Private. The text of the query of chronicle.rows_as_of.';

revoke execute on function chronicle.as_of_query(regclass, integer, timestamptz) from public;
grant execute on function chronicle.as_of_query(regclass, integer, timestamptz)
to chronicle_reader;
