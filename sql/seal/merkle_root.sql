create or replace function chronicle.merkle_root(_leaves bytea)
returns bytea
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Read once, where it comes from a table out of line.
    v_level bytea := substr(_leaves, 1);
begin
    if length(v_level) % 32 <> 0 then
        raise exception 'the leaves are not hashes of 32 bytes'
            using errcode = 'invalid_parameter_value',
                detail = format('They are %s bytes together.', length(v_level)),
                hint = 'Pass the hashes one behind the other, as string_agg puts them.';
    end if;
    if v_level = '' then
        return sha256('');
    end if;
    while length(v_level) > 32 loop
        v_level := chronicle.merkle_parents(v_level);
    end loop;
    return v_level;
end
$$;

comment on function chronicle.merkle_root(bytea) is
'The Merkle tree hash of RFC 9162, 2.1.1, over hashes of leaves; 32 bytes.
_leaves: the hashes, 32 bytes each, one behind the other.
Errors: 22023 when the length is no multiple of 32.';

revoke execute on function chronicle.merkle_root(bytea) from public;
grant execute on function chronicle.merkle_root(bytea) to chronicle_sealer, chronicle_auditor;
