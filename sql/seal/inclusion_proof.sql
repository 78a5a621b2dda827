-- Runs with the caller's rights: row-level security decides whether there is such an event.
create or replace function chronicle.inclusion_proof(_event_id uuid, _size bigint default null)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_event chronicle.events;
    v_payload_digest bytea;
    v_place jsonb;
begin
    select e.* into v_event from chronicle.events as e where e.event_id = _event_id limit 1;
    if not found then
        raise exception 'there is no event % that you may see', _event_id
            using errcode = 'no_data_found',
                hint = 'Check the id, and that you may see events of its organization.';
    end if;

    v_payload_digest := coalesce(
        chronicle.payload_digest(v_event),
        (select x.payload_digest from chronicle.erasures as x where x.event_id = _event_id)
    );
    v_place := chronicle.sealed_place(
        v_event.event_id, v_event.epoch, v_event.occurred_at, v_event.transaction_id, v_event.seq,
        chronicle.event_leaf(v_event, v_payload_digest), _size
    );

    return v_place || jsonb_build_object(
        'format', 'pgchronicle-proof/v1',
        'event', (
            select jsonb_agg(convert_from(f.field, 'UTF8') order by f.place)
            from unnest(chronicle.event_fields(v_event)) with ordinality as f (field, place)
        ),
        'payload', case
            when v_event.payload_salt is null
                then jsonb_build_object('digest', encode(v_payload_digest, 'hex'))
            else jsonb_build_object(
                'salt', v_event.payload_salt,
                'fields', (
                    select jsonb_agg(convert_from(f.field, 'UTF8') order by f.place)
                    from unnest(chronicle.payload_fields(v_event)) with ordinality
                        as f (field, place)
                )
            )
        end
    );
end
$$;

comment on function chronicle.inclusion_proof(uuid, bigint) is
'What proves that an event is in the sealed log as it is: its columns, and the hashes that lead from
it to a checkpoint; docs/format.md describes the members. "pgchronicle prove" makes a file of it,
and "pgchronicle verify" checks that without a database.
_event_id: an event that the caller may see. _size: of the checkpoint to prove it against, in
batches; null: the present one. Errors: P0002 no such event; 55000 it is not sealed yet, or not
within that size; XX001 it is not as it was sealed; 22023 a size that the log never had.';

revoke execute on function chronicle.inclusion_proof(uuid, bigint) from public;
grant execute on function chronicle.inclusion_proof(uuid, bigint) to chronicle_reader;
