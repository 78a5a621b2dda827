create or replace function chronicle.find_epoch_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    -- As written in the function that events are given it by, which a query sees as it sees the
    -- table: a call would be ahead of its snapshot.
    with present as (
        select substring(f.prosrc from '[0-9]+')::integer as epoch
        from pg_catalog.pg_proc as f
        where f.oid = 'chronicle.current_epoch()'::regprocedure
    )

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            'What is stored of the epochs %s and %s is not what the event tells that began the '
            'latter.',
            b.epoch, x.epoch
        )
    from chronicle.epochs as x
    inner join chronicle.epochs as b on b.epoch = x.epoch - 1
    left join chronicle.events as e on e.event_id = x.recorded_by
    where (e.action, e.details_before, e.details_after) is distinct from (
            'chronicle.epoch.begin', to_jsonb(b) - 'recorded_by', to_jsonb(x) - 'recorded_by'
        )
        or x.system_identifier is distinct from b.system_identifier and x.is_on_copy is not true

    union all

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            'The epochs are %s and the present one is %s.',
            coalesce(array_agg(x.epoch order by x.epoch)::text, 'gone'), min(p.epoch)
        )
    from present as p
    left join chronicle.epochs as x on true
    having coalesce(array_agg(x.epoch order by x.epoch), '{}') <> (
        select array_agg(n.epoch)
        from present as q
        cross join lateral generate_series(1, q.epoch) as n (epoch)
    )

    union all

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            '%s of the %s epochs are marked as sealed for ever.',
            coalesce(max(s.sealed_epochs)::text, 'None'), min(p.epoch)
        )
    from present as p
    left join chronicle.seal_state as s on true
    having count(*) filter (where s.sealed_epochs between 0 and p.epoch - 1) <> 1
$$;

comment on function chronicle.find_epoch_faults() is
'Private. What is wrong with the list of epochs.';

revoke execute on function chronicle.find_epoch_faults() from public;
grant execute on function chronicle.find_epoch_faults() to chronicle_sealer;
