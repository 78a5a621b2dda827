-- A look before the lock, so that sealing where nothing happens takes no transaction id and writes
-- nothing. For the settings, see chronicle.seal_range.
create or replace function chronicle.is_sealing_due()
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_present constant integer := (select max(e.epoch) from chronicle.epochs as e);
    v_horizon constant bigint := pg_snapshot_xmin(pg_current_snapshot())::text;
    v_after record;
begin
    if (select s.sealed_epochs from chronicle.seal_state as s) < v_present - 1 then
        return true;
    end if;
    select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
    from chronicle.seal_batches as b
    where b.epoch = v_present and not b.is_late
    order by b.to_transaction_id desc, b.to_seq desc
    limit 1;
    return exists (
        select
        from chronicle.events as e
        where e.epoch = v_present
            and (e.transaction_id, e.seq)
            > (coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0))
            and e.transaction_id < v_horizon
    );
end
$$;

comment on function chronicle.is_sealing_due() is
'Private. Whether anything settled is not sealed yet, as far as can be seen.';

revoke execute on function chronicle.is_sealing_due() from public;
grant execute on function chronicle.is_sealing_due() to chronicle_sealer;
