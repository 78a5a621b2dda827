-- Runs as the sealer for chronicle.inclusion_proof, which has looked whether the caller may see the
-- event. It gives away hashes and sizes of batches only.
create or replace function chronicle.sealed_place(
    _event_id uuid,
    _epoch integer,
    _occurred_at timestamptz,
    _transaction_id bigint,
    _seq bigint,
    _leaf bytea,
    _size bigint
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_size constant bigint := chronicle.log_size(_size);
    v_batch chronicle.seal_batches;
    v_leaves bytea;
    v_index bigint;
begin
    select b.* into v_batch
    from chronicle.batch_of(_epoch, _occurred_at, _transaction_id, _seq) as n (batch_number)
    inner join chronicle.seal_batches as b on b.batch_number = n.batch_number
    limit 1;
    if not found then
        raise exception 'event % is not sealed yet', _event_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'select chronicle.seal_events(); '
                    'chronicle.seal_status tells what holds it back.';
    end if;
    if v_batch.batch_number >= v_size then
        raise exception 'event % was not sealed yet when the log had % batches', _event_id, v_size
            using errcode = 'object_not_in_prerequisite_state',
                detail = format('It is in batch %s, counted from 0.', v_batch.batch_number),
                hint = 'Ask for the proof at a later size.';
    end if;

    v_leaves := (
        select substr(l.leaves, 1)
        from chronicle.seal_leaves as l
        where l.batch_number = v_batch.batch_number
    );
    v_index := (
        select n.place
        from generate_series(0, length(v_leaves) / 32 - 1) as n (place)
        where substr(v_leaves, n.place * 32 + 1, 32) = _leaf
        limit 1
    );
    if v_index is null then
        raise exception 'event % is not as it was sealed', _event_id
            using errcode = 'data_corrupted',
                detail = format('Batch %s has no such hash.', v_batch.batch_number),
                hint = 'There is nothing to prove. chronicle.verify_log() tells what else differs.';
    end if;

    return jsonb_build_object(
        'event_index', v_index,
        'event_path', (
            select coalesce(jsonb_agg(encode(p.hash, 'hex') order by p.place), '[]')
            from unnest(chronicle.merkle_path(v_leaves, v_index)) with ordinality as p (hash, place)
        ),
        'batch', chronicle.batch_record(v_batch),
        'batch_path', (
            select coalesce(jsonb_agg(encode(p.hash, 'hex') order by p.place), '[]')
            from unnest(
                chronicle.log_path(v_batch.batch_number, v_size)
            ) with ordinality as p (hash, place)
        ),
        'checkpoint', chronicle.checkpoint(v_size)
    );
end
$$;

comment on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) is
'Private. Where an event is sealed, with the hashes that lead from it to a checkpoint.
Errors: 55000 when it is not sealed, or not within that size; XX001 when it is not as it was
sealed; 22023 for a size that the log never had.';

revoke execute on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) from public;
grant execute on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) to chronicle_reader;
alter function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) owner to chronicle_sealer;
