create or replace function chronicle.checkpoint(_size bigint default null)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_size constant bigint := chronicle.log_size(_size);
begin
    return format(
        E'pgchronicle/%s\n%s\n%s\n',
        (select s.log_id from chronicle.seal_state as s),
        v_size,
        encode(chronicle.subtree_hash(0, v_size), 'base64')
    );
end
$$;

comment on function chronicle.checkpoint(bigint) is
'The state of the sealed log in three lines (C2SP tlog-checkpoint): its name, its size in batches,
and its Merkle tree hash in base64. Whoever keeps one elsewhere can tell later whether anything that
it covers was changed. Read it in a later transaction than seal_events, so that a crash can not take
back what it covers; the client signs it.
_size: as it was at that size; null: now. Errors: 22023 for a size that the log never had; XX001
when hashes are missing.';

revoke execute on function chronicle.checkpoint(bigint) from public;
grant execute on function chronicle.checkpoint(bigint) to chronicle_reader, chronicle_admin;
alter function chronicle.checkpoint(bigint) owner to chronicle_sealer;
