-- The digest that stands in for an erased payload vouches for nothing that is put in its place.
-- That it is the right one is seen in the batch of the event.
create or replace function chronicle.find_erasure_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        'erasure_differs', null::bigint, x.event_id,
        format('The payload of event %s was erased, and there is one again.', x.event_id)
    from chronicle.erasures as x
    inner join chronicle.events as e
        on e.event_id = x.event_id and e.occurred_at = x.occurred_at
    where e.payload_salt is not null
        or e.payload_error is distinct from 'erased'
        or array_remove(chronicle.payload_fields(e), null) <> array['erased'::bytea]

    union all

    select
        'erasure_differs', null::bigint, x.event_id,
        format(
            'What is stored of the erasure of event %s is not what the event %s tells of it.',
            x.event_id, x.recorded_by
        )
    from (
        select y.*, count(*) over (partition by y.recorded_by) as event_count
        from chronicle.erasures as y
    ) as x
    left join chronicle.events as e on e.event_id = x.recorded_by
    where (e.action, e.occurred_at, e.action_meta) is distinct from (
        'chronicle.payload.erase', x.erased_at,
        jsonb_build_object('legal_basis', x.legal_basis, 'events', x.event_count)
    )
$$;

comment on function chronicle.find_erasure_faults() is
'Private. Erased payloads that are back, and erasures of which no event tells as they are stored.';

revoke execute on function chronicle.find_erasure_faults() from public;
grant execute on function chronicle.find_erasure_faults() to chronicle_sealer;
