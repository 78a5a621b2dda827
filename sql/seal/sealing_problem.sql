create or replace function chronicle.sealing_problem()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when pg_is_in_recovery() then 'the server is a standby'
        when not exists (select from chronicle.epochs) or not exists (
            select from chronicle.seal_state
        )
            then 'chronicle.epochs and chronicle.seal_state were restored without their rows'
        when chronicle.is_log_moved()
            then 'the log comes from another server'
        -- In another one, a character may have no equivalent in UTF-8, and the keys of a jsonb
        -- document have another order than after a move to UTF-8.
        when getdatabaseencoding() <> 'UTF8'
            then format('the encoding of the database is %s, not UTF8', getdatabaseencoding())
    end
$$;

comment on function chronicle.sealing_problem() is
'Private. Why nothing can be sealed here; null when it can.';

revoke execute on function chronicle.sealing_problem() from public;
grant execute on function chronicle.sealing_problem() to chronicle_sealer;
