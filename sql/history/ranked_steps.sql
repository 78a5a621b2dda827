-- Rows that gave their keys to each other, one to the next, go back one after the other: first the
-- one whose former key is free.
create or replace function chronicle.ranked_steps(_steps chronicle.undo_step[])
returns chronicle.undo_step[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ranked chronicle.undo_step[];
    v_stuck chronicle.undo_step;
begin
    with recursive steps as (
        select
            s.*,
            s.operation = 'update' and m.target <> s.key as is_move,
            m.target
        from unnest(_steps) as s (relation, operation, key, image, rank)
        cross join lateral (
            select jsonb_object_agg(k.name, coalesce(s.image -> k.name, s.key -> k.name)) as target
            from jsonb_object_keys(coalesce(s.key, '{}')) as k (name)
        ) as m
    ),
    moves as (
        select s.relation, s.operation, s.key, s.image, 0 as rank
        from steps as s
        where s.is_move
            and not exists (
                select
                from steps as o
                where o.is_move and o.relation = s.relation and o.key = s.target
            )
        union all
        select s.relation, s.operation, s.key, s.image, m.rank + 1
        from moves as m
        inner join steps as s on s.is_move and s.relation = m.relation and s.target = m.key
    )
    select array_agg(
        row(r.relation, r.operation, r.key, r.image, r.rank)::chronicle.undo_step
    )
    into v_ranked
    from (
        select * from moves
        union all
        select s.relation, s.operation, s.key, s.image, 0 from steps as s where not s.is_move
    ) as r;

    if coalesce(cardinality(v_ranked), 0) < cardinality(_steps)
        or (select max(r.rank) from unnest(v_ranked) as r (relation, operation, key, image, rank))
        > 200
    then
        select s.* into v_stuck
        from unnest(_steps) as s
        where s.operation = 'update'
            and not exists (
                select from unnest(coalesce(v_ranked, '{}')) as r
                where r.relation = s.relation and r.key = s.key and r.rank <= 200
            )
        limit 1;
        raise exception 'records of % have changed places', v_stuck.relation
            using errcode = 'object_not_in_prerequisite_state',
                detail = format(
                    'The former key of record %s is another one''s now, and so on in a circle, or '
                    'for more than 200 records.', v_stuck.key
                ),
                hint = 'Take the change back by hand: give the records other keys first.';
    end if;
    return coalesce(v_ranked, '{}');
end
$$;

comment on function chronicle.ranked_steps(chronicle.undo_step[]) is
'Private. The steps of an undo, each with the number of those that must have made way before.
Errors: 55000 when records have changed places.';

revoke execute on function chronicle.ranked_steps(chronicle.undo_step[]) from public;
grant execute on function chronicle.ranked_steps(chronicle.undo_step[]) to chronicle_reader;
