-- PATH(m, D_n) of RFC 9162, 2.1.3.1, from the top down: at each split one side holds the leaf, and
-- the hash of the other belongs to the path, above what is still to come.
create or replace function chronicle.log_path(_index bigint, _size bigint)
returns bytea[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_from bigint := 0;
    v_to bigint := _size;
    v_half bigint;
    v_path bytea[] := array[]::bytea[];
begin
    while v_to - v_from > 1 loop
        v_half := 1;
        while v_half * 2 < v_to - v_from loop
            v_half := v_half * 2;
        end loop;
        if _index < v_from + v_half then
            v_path := chronicle.subtree_hash(v_from + v_half, v_to) || v_path;
            v_to := v_from + v_half;
        else
            v_path := chronicle.subtree_hash(v_from, v_from + v_half) || v_path;
            v_from := v_from + v_half;
        end if;
    end loop;
    return v_path;
end
$$;

comment on function chronicle.log_path(bigint, bigint) is
'Private. The hashes that lead from a batch to the root of the sealed log, lowest first.
_index: number of the batch. _size: of the log, in batches.';

revoke execute on function chronicle.log_path(bigint, bigint) from public;
grant execute on function chronicle.log_path(bigint, bigint) to chronicle_sealer;
