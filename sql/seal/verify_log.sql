create or replace function chronicle.verify_log(
    _from_batch bigint default 0, _to_batch bigint default null
)
returns setof chronicle.log_finding
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_batch chronicle.seal_batches;
begin
    if _from_batch is null or _from_batch < 0 or _to_batch < _from_batch then
        raise exception 'there are no batches from % to %',
            coalesce(_from_batch::text, 'null'), _to_batch
            using errcode = 'invalid_parameter_value',
                hint = 'The first is number 0, and _to_batch is not read any more.';
    end if;

    for v_batch in
        select *
        from chronicle.seal_batches as b
        where b.batch_number >= _from_batch
            and (_to_batch is null or b.batch_number < _to_batch)
        order by b.batch_number
    loop
        return query select * from chronicle.find_batch_faults(v_batch);
    end loop;

    if _from_batch = 0 then
        return query
        select * from chronicle.find_hidden_faults()
        union all
        select * from chronicle.find_unsealed_faults()
        union all
        select * from chronicle.find_erasure_faults()
        union all
        select * from chronicle.find_epoch_faults()
        union all
        select * from chronicle.find_tree_faults();
    end if;
end
$$;

comment on function chronicle.verify_log(bigint, bigint) is
'Reads sealed events again and tells which are not as they were sealed, which are gone and which
were put in: one row a finding; no row is good. What was done before an event was sealed, and a log
that somebody with all rights sealed anew from its beginning, are not found so: compare with a
checkpoint that was kept elsewhere ("pgchronicle verify --note").
_from_batch, _to_batch: only the batches from one to before the other; null: to the last. What
concerns the log as a whole is looked at where _from_batch is 0. Errors: 22023 for no such range.
Example: select * from chronicle.verify_log();';

revoke execute on function chronicle.verify_log(bigint, bigint) from public;
grant execute on function chronicle.verify_log(bigint, bigint) to chronicle_auditor;
alter function chronicle.verify_log(bigint, bigint) owner to chronicle_sealer;
