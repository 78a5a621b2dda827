create or replace function chronicle.merkle_path(_leaves bytea, _index bigint)
returns bytea[]
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level bytea := substr(_leaves, 1);
    v_index integer;
    v_sibling integer;
    v_path bytea[] := array[]::bytea[];
begin
    if length(v_level) % 32 <> 0 or _index not between 0 and length(v_level) / 32 - 1 then
        raise exception 'there is no leaf % in these %', _index, length(v_level) / 32
            using errcode = 'invalid_parameter_value',
                hint = 'Count from 0, and pass hashes of 32 bytes one behind the other.';
    end if;
    v_index := _index;
    while length(v_level) > 32 loop
        -- The left one of a pair has an even place, the right one the odd place behind it.
        v_sibling := v_index # 1;
        if (v_sibling + 1) * 32 <= length(v_level) then
            v_path := v_path || substr(v_level, v_sibling * 32 + 1, 32);
        end if;
        v_index := v_index / 2;
        v_level := chronicle.merkle_parents(v_level);
    end loop;
    return v_path;
end
$$;

comment on function chronicle.merkle_path(bytea, bigint) is
'The hashes that lead from a leaf to the root, lowest first: the inclusion proof of RFC 9162, 2.1.3.
_leaves: the hashes, 32 bytes each, one behind the other. _index: of the leaf, from 0.
Errors: 22023 when there is no such leaf.';

revoke execute on function chronicle.merkle_path(bytea, bigint) from public;
grant execute on function chronicle.merkle_path(bytea, bigint) to
chronicle_sealer, chronicle_auditor;
