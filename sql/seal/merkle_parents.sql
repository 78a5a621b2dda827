-- Hashes lie one behind the other in a bytea: to reach into an array of them would be linear each
-- time. A hash without a sibling goes up as it is, which gives the tree of RFC 9162, 2.1.1.
create or replace function chronicle.merkle_parents(_hashes bytea)
returns bytea
language sql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        case
            when n.place + 32 < length(_hashes)
                then sha256(E'\\x01'::bytea || substr(_hashes, n.place + 1, 64))
            else substr(_hashes, n.place + 1, 32)
        end,
        ''::bytea order by n.place
    )
    from generate_series(0, length(_hashes) - 32, 64) as n (place)
$$;

comment on function chronicle.merkle_parents(bytea) is
'Private. One level up in a Merkle tree.
_hashes: the hashes of a level, 32 bytes each, one behind the other.';

revoke execute on function chronicle.merkle_parents(bytea) from public;
grant execute on function chronicle.merkle_parents(bytea) to chronicle_sealer, chronicle_auditor;
