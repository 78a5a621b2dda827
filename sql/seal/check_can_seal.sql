-- Under a snapshot that was taken before the lock, the horizon would be older than what another
-- session has sealed meanwhile, and rows would be missed or sealed twice.
create or replace function chronicle.check_can_seal()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_problem constant text := chronicle.sealing_problem();
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'sealing needs the isolation level READ COMMITTED'
            using errcode = 'active_sql_transaction',
                detail = format(
                    'This transaction runs under %s.',
                    upper(current_setting('transaction_isolation'))
                ),
                hint = 'Call it in a transaction of its own: '
                    'begin transaction isolation level read committed.';
    end if;
    if v_problem is not null then
        raise exception 'nothing is sealed: %', v_problem
            using errcode = 'object_not_in_prerequisite_state',
                hint = case
                    when pg_is_in_recovery() then 'Seal on the primary.'
                    when v_problem ~ 'rows'
                        then 'Restore their data as well: pg_dump --data-only '
                            '--table=chronicle.epochs --table=chronicle.seal_state.'
                    when v_problem ~ 'encoding' then 'Move to a database in UTF8; a dump converts. '
                        'Writers are not affected.'
                    else 'A dump was restored, the cluster upgraded or the log copied. Writers are '
                        'not affected. Declare it: '
                        'select chronicle.begin_epoch(''restored from the dump of …'').'
                end;
    end if;
end
$$;

comment on function chronicle.check_can_seal() is
'Private. Refuses where sealing would be wrong. Errors: 25001 under another isolation level than
READ COMMITTED; 55000 on a standby, in a database whose encoding is not UTF8, and when the log comes
from another server.';

revoke execute on function chronicle.check_can_seal() from public;
grant execute on function chronicle.check_can_seal() to chronicle_sealer;
