-- Every hash of the log's tree from the batches up. Below a root that somebody kept, nothing can be
-- changed that fits.
create or replace function chronicle.find_tree_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with present as materialized (
        select
            b.*,
            lag(b.batch_number, 1, -1) over (order by b.batch_number) as previous_number,
            b.bucket_from < lag(b.bucket_to) over line as is_next_call,
            max(b.epoch) over (order by b.batch_number) as latest_epoch,
            sha256(E'\\x00'::bytea || convert_to(chronicle.batch_record(b), 'UTF8'))
                is distinct from b.leaf_hash as is_changed
        from chronicle.seal_batches as b
        window line as (partition by b.epoch, b.is_late order by b.batch_number)
    ),

    -- One call of seal_events writes its months in their order, and all of them lie behind what the
    -- calls before it have sealed.
    numbered as (
        select
            p.*,
            count(*) filter (where p.is_next_call) over (
                partition by p.epoch, p.is_late order by p.batch_number
            ) as call_number
        from present as p
    ),

    calls as (
        select
            n.epoch,
            n.is_late,
            n.call_number,
            max(max(array[n.to_transaction_id, n.to_seq])) over (
                partition by n.epoch, n.is_late order by n.call_number
                rows between unbounded preceding and 1 preceding
            ) as sealed_before
        from numbered as n
        group by n.epoch, n.is_late, n.call_number
    ),

    size as (
        select coalesce(max(p.batch_number), -1) + 1 as batches from present as p
    ),

    expected as (
        select l.level, i.node_index
        from size as s
        cross join lateral generate_series(0, 62) as l (level)
        cross join lateral generate_series(0, (s.batches >> l.level) - 1) as i (node_index)
        where (s.batches >> l.level) > 0
    )

    select
        'batch_missing',
        p.previous_number + 1,
        null::uuid,
        format(
            'Of the sealed log, batch %s is gone.',
            case p.batch_number - p.previous_number
                when 2 then (p.previous_number + 1)::text
                else format('%s to %s', p.previous_number + 1, p.batch_number - 1)
            end
        )
    from present as p
    where p.batch_number is distinct from p.previous_number + 1

    union all

    select
        'batch_differs', p.batch_number, null::uuid,
        'What is stored of the batch is not what was sealed.'
    from present as p
    where p.is_changed

    union all

    select
        'batch_differs', p.batch_number, null::uuid,
        format('It seals what a copy wrote in epoch %s, and no copy followed that.', p.epoch)
    from present as p
    where p.is_late
        and not exists (
            select from chronicle.epochs as n where n.epoch = p.epoch + 1 and n.is_on_copy
        )

    union all

    select
        'leaves_differ', l.batch_number, null::uuid,
        'There are hashes of events of a batch that is not there.'
    from chronicle.seal_leaves as l
    left join present as p on p.batch_number = l.batch_number
    where p.batch_number is null

    union all

    select
        'batch_overlaps', n.batch_number, null::uuid,
        'It claims events from where everything had been sealed before it.'
    from numbered as n
    inner join calls as c
        on c.epoch = n.epoch and c.is_late = n.is_late and c.call_number = n.call_number
    where array[n.from_transaction_id, n.from_seq] <= c.sealed_before
        or n.epoch < n.latest_epoch

    union all

    select
        'node_missing', e.node_index << e.level, null::uuid,
        format('The hash %s of level %s of the log''s tree is gone.', e.node_index, e.level)
    from expected as e
    left join chronicle.seal_nodes as n on n.level = e.level and n.node_index = e.node_index
    where n.hash is null

    union all

    select
        'node_superfluous', null, null::uuid,
        format(
            'The log''s tree has a hash %s of level %s, which covers no batch.',
            n.node_index, n.level
        )
    from chronicle.seal_nodes as n
    left join expected as e on e.level = n.level and e.node_index = n.node_index
    where e.level is null

    union all

    select
        'node_differs', n.node_index << n.level, null::uuid,
        format(
            'The hash %s of level %s of the log''s tree is not that of what it covers.',
            n.node_index, n.level
        )
    from chronicle.seal_nodes as n
    left join present as p on n.level = 0 and p.batch_number = n.node_index
    left join chronicle.seal_nodes as l
        on l.level = n.level - 1 and l.node_index = n.node_index * 2
    left join chronicle.seal_nodes as r
        on r.level = n.level - 1 and r.node_index = n.node_index * 2 + 1
    cross join lateral (
        -- Null where one that it covers is gone, which was told above.
        select coalesce(p.leaf_hash, sha256(E'\\x01'::bytea || l.hash || r.hash))
    ) as x (hash)
    where n.hash <> x.hash
$$;

comment on function chronicle.find_tree_faults() is
'Private. What is wrong with the batches of the sealed log and the tree over them.';

revoke execute on function chronicle.find_tree_faults() from public;
grant execute on function chronicle.find_tree_faults() to chronicle_sealer;
