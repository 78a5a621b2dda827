-- What a set of changes did to each row, taken together. A touch is a change that a row went
-- through under some key, and the touches of a key up to the one by which the row left it are a
-- stay; a row that was inserted comes from a stay of its own. A row is followed from its first stay
-- through those that changes of its key lead to. What its columns held before is what the earliest
-- touch of each replaced, and what they hold after is what the latest put there.
--
-- The condition is a text of ours, never a caller's, so that the planner sees the times in it and
-- opens no other partitions.
create or replace function chronicle.net_changes(_table_id integer, _condition text)
returns table (
    key_before text,
    key_after text,
    image_before jsonb,
    image_after jsonb,
    last_seq bigint,
    is_drifted boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(_table_id) as p order by p.from_seq
    );
    v_deferrable constant regclass := (
        select i.indrelid
        from pg_catalog.pg_index as i
        where i.indrelid = chronicle.tracked_relation(_table_id)
            and i.indisprimary
            and not i.indimmediate
    );
    v_translation constant text := format(
        'case when %s then e.%%1$s '
        'else chronicle.present_image(e.%%1$s, e.seq, e.columns, $2) end',
        case when cardinality(v_periods) = 1 then 'e.columns is null' else 'false' end
    );
begin
    if v_deferrable is not null then
        execute format(
            'select chronicle.check_key_is_immediate($2) from chronicle.row_events as e '
            'where e.table_id = $1 and e.key_before <> e.key_after and %s limit 1',
            _condition
        )
        using _table_id, v_deferrable;
    end if;
    return query execute format(
        $query$
with recursive changes as materialized (
    select
        e.seq,
        e.key_before is null as is_new,
        coalesce(e.key_before, e.seq::text) as key,
        e.key_after,
        e.is_drifted,
        coalesce(%2$s, '{}') as image_before,
        %3$s as image_after
    from chronicle.row_events as e
    where e.table_id = $1 and e.origin = 'captured' and e.record_id is not null and %1$s
),
touches as (
    select
        c.*,
        count(*) filter (where c.is_new or c.key_after is distinct from c.key) over (
            partition by c.is_new, c.key
            order by c.seq
            rows between unbounded preceding and 1 preceding
        ) as stay
    from changes as c
),
stays as (
    select
        t.is_new,
        t.key,
        min(t.seq) as first_seq,
        max(t.seq) as last_seq,
        t.is_new or bool_or(t.key_after is distinct from t.key) as departs,
        (array_agg(t.key_after order by t.seq desc))[1] as next_key,
        chronicle.merge_images(t.image_before order by t.seq desc) as image_before,
        chronicle.merge_images(t.image_after order by t.seq) as image_after,
        (array_agg(t.is_drifted order by t.seq desc))[1] as is_drifted
    from touches as t
    group by t.is_new, t.key, t.stay
),
numbered as materialized (
    select
        s.*,
        lag(s.last_seq, 1, 0::bigint) over (
            partition by s.is_new, s.key
            order by s.first_seq
        ) as previous_seq
    from stays as s
),
arrivals as (
    select c.key_after as key, min(c.seq) as seq
    from changes as c
    where c.key_after is not null and (c.is_new or c.key_after <> c.key)
    group by 1
),
lives as (
    select
        n.is_new, n.key, n.first_seq, n.departs, n.next_key, n.last_seq, n.image_before,
        n.image_after, n.is_drifted
    from numbered as n
    left join arrivals as a on a.key = n.key and not n.is_new and a.seq < n.first_seq
    where n.previous_seq = 0 and a.key is null
    union all
    select
        l.is_new, l.key, l.first_seq, n.departs, n.next_key, n.last_seq,
        n.image_before || l.image_before, l.image_after || n.image_after, n.is_drifted
    from lives as l
    inner join numbered as n
        on n.key = l.next_key
        and not n.is_new
        and n.first_seq > l.last_seq
        and n.previous_seq < l.last_seq
    where l.departs and l.next_key is not null
)
select distinct on (l.is_new, l.key)
    case when not l.is_new then l.key end, l.next_key, l.image_before, l.image_after, l.last_seq,
    l.is_drifted
from lives as l
order by l.is_new, l.key, l.last_seq desc
$query$,
        _condition,
        format(v_translation, 'details_before'),
        format(v_translation, 'details_after')
    )
    using _table_id, v_periods;
end
$$;

comment on function chronicle.net_changes(integer, text) is
'Private. What captured changes of a table did to each row, taken together, under the present names
of its columns. key_before: null for a row that came; key_after: null for one that went.
image_before: what their columns held that were changed, or the whole row; image_after: what they
hold. _condition: which of chronicle.row_events as e.';

revoke execute on function chronicle.net_changes(integer, text) from public;
grant execute on function chronicle.net_changes(integer, text) to chronicle_reader;
