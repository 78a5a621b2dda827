-- SUBPROOF of RFC 9162, 2.1.4.1, from the top down. The part that both logs have whole goes without
-- saying only as long as it is the whole of the older one.
create or replace function chronicle.consistency_proof(_from bigint, _to bigint default null)
returns bytea[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_old constant bigint := chronicle.log_size(_from);
    v_from bigint := 0;
    v_to bigint := chronicle.log_size(_to);
    v_half bigint;
    v_proof bytea[] := array[]::bytea[];
begin
    if _from is null or v_old > v_to then
        raise exception 'the older size is %, the newer one %', coalesce(_from::text, 'null'), v_to
            using errcode = 'invalid_parameter_value',
                hint = 'Pass the size of the checkpoint that you keep first.';
    end if;
    if v_old = 0 then
        return v_proof;
    end if;

    while v_old <> v_to loop
        v_half := 1;
        while v_half * 2 < v_to - v_from loop
            v_half := v_half * 2;
        end loop;
        if v_old <= v_from + v_half then
            v_proof := chronicle.subtree_hash(v_from + v_half, v_to) || v_proof;
            v_to := v_from + v_half;
        else
            v_proof := chronicle.subtree_hash(v_from, v_from + v_half) || v_proof;
            v_from := v_from + v_half;
        end if;
    end loop;
    if v_from > 0 then
        v_proof := chronicle.subtree_hash(v_from, v_to) || v_proof;
    end if;
    return v_proof;
end
$$;

comment on function chronicle.consistency_proof(bigint, bigint) is
'What proves that the sealed log of an earlier checkpoint is the beginning of that of a later one:
the hashes of RFC 9162, 2.1.4, lowest first. The client verifies them.
_from: size of the earlier, in batches. _to: of the later; null: now. Errors: 22023 for sizes that
the log never had; XX001 when hashes are missing.';

revoke execute on function chronicle.consistency_proof(bigint, bigint) from public;
grant execute on function chronicle.consistency_proof(bigint, bigint) to
chronicle_reader, chronicle_admin;
alter function chronicle.consistency_proof(bigint, bigint) owner to chronicle_sealer;
