-- MTH(D[from:to]) of RFC 9162, 2.1.1: what is complete is stored, what is not is split.
create or replace function chronicle.subtree_hash(_from bigint, _to bigint)
returns bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level integer := 0;
    v_hash bytea;
begin
    if _from = _to then
        return sha256('');
    end if;
    while (2::bigint << v_level) <= _to - _from loop
        v_level := v_level + 1;
    end loop;
    if (1::bigint << v_level) = _to - _from then
        select n.hash into v_hash
        from chronicle.seal_nodes as n
        where n.level = v_level and n.node_index = _from >> v_level;
        if not found then
            raise exception 'the sealed log lacks the node % of level %', _from >> v_level, v_level
                using errcode = 'data_corrupted',
                    hint = 'Somebody removed it. chronicle.verify_log() tells what else is wrong.';
        end if;
        return v_hash;
    end if;
    return sha256(
        E'\\x01'::bytea
        || chronicle.subtree_hash(_from, _from + (1::bigint << v_level))
        || chronicle.subtree_hash(_from + (1::bigint << v_level), _to)
    );
end
$$;

comment on function chronicle.subtree_hash(bigint, bigint) is
'Private. The Merkle tree hash over batches of the sealed log.
_from: the first, a multiple of the power of 2 that holds them all. _to: the first after them.
Errors: XX001 when a node is missing.';

revoke execute on function chronicle.subtree_hash(bigint, bigint) from public;
grant execute on function chronicle.subtree_hash(bigint, bigint) to chronicle_sealer;
