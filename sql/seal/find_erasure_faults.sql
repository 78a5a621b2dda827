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
        case
            when e.event_id is null
                then format('The event %s, whose payload was erased, is gone.', x.event_id)
            else format(
                'Event %s is not as its erasure left it, or the record of that was changed.',
                x.event_id
            )
        end
    from chronicle.erasures as x
    left join chronicle.events as e on e.event_id = x.event_id
    where (
        e.occurred_at, e.payload_salt, array_remove(chronicle.payload_fields(e), null),
        e.payload_error
    ) is distinct from (x.occurred_at, null::uuid, array['erased'::bytea], 'erased')

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
