create or replace function chronicle.log_size(_size bigint)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_size constant bigint := coalesce(
        (select max(b.batch_number) + 1 from chronicle.seal_batches as b), 0
    );
begin
    if _size not between 0 and v_size then
        raise exception 'the sealed log has % batches, not %', v_size, _size
            using errcode = 'invalid_parameter_value',
                hint = case
                    when _size > v_size
                        then 'If it had so many before, it lost some: it was restored from a '
                            'backup, or somebody removed them.'
                    else 'Sizes count batches from 0.'
                end;
    end if;
    return coalesce(_size, v_size);
end
$$;

comment on function chronicle.log_size(bigint) is
'Private. A size of the sealed log, in batches; null means the present one.
Errors: 22023 for one that it never had.';

revoke execute on function chronicle.log_size(bigint) from public;
grant execute on function chronicle.log_size(bigint) to chronicle_sealer;
