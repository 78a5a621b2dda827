-- Every writer is shut out until it is done, so that an epoch ends for all of them at once: who has
-- written has ended, and who writes next is given the new one, as a constant.
--
-- Whoever seals holds the row of chronicle.seal_state and then reads events, so that order is kept
-- here.
create or replace function chronicle.begin_epoch(_reason text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set lock_timeout = '3s'
set timezone = 'UTC'
as $$
declare
    v_before chronicle.epochs;
    v_epoch chronicle.epochs;
    v_seq bigint;
begin
    if _reason is null or btrim(_reason) = '' then
        raise exception '_reason is missing'
            using errcode = 'invalid_parameter_value',
                hint = 'Say what happened to the log, for example: '
                    '''restored from the dump of 2026-11-20''.';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'an epoch begins under the isolation level READ COMMITTED only'
            using errcode = 'active_sql_transaction',
                hint = 'Call it in a transaction of its own: '
                    'begin transaction isolation level read committed.';
    end if;

    perform from chronicle.seal_state as s for update;
    lock table chronicle.events in access exclusive mode;
    select * into v_before from chronicle.epochs as e order by e.epoch desc limit 1;
    if not found then
        raise exception 'there is no epoch yet'
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'chronicle.epochs was restored without its rows.',
                hint = 'Restore its data as well: pg_dump --data-only --table=chronicle.epochs '
                    '--table=chronicle.seal_state.';
    end if;

    -- A logical copy does not bring the sequence.
    v_seq := chronicle.greatest_seq(v_before.epoch);
    if v_seq > (select s.last_value from chronicle.events_seq as s) then
        perform setval('chronicle.events_seq', v_seq);
    end if;

    v_epoch.epoch := v_before.epoch + 1;
    v_epoch.began_at := clock_timestamp();
    v_epoch.reason := _reason;
    v_epoch.system_identifier := (select c.system_identifier from pg_control_system() as c);
    v_epoch.sealed_seq := coalesce(
        (select max(b.max_seq) from chronicle.seal_batches as b where b.epoch = v_before.epoch), 0
    );
    v_epoch.is_on_copy := chronicle.is_log_moved();

    execute format(
        'create or replace function chronicle.current_epoch() returns integer '
        'language sql stable as %L',
        format('select %s::pg_catalog.int4', v_epoch.epoch)
    );
    v_epoch.recorded_by := chronicle.log_management_event(
        'create', 'chronicle.epoch.begin', 'chronicle.epoch', v_epoch.epoch::text,
        to_jsonb(v_before) - 'recorded_by', to_jsonb(v_epoch) - 'recorded_by'
    );
    insert into chronicle.epochs select v_epoch.*;
    return v_epoch.epoch;
end
$$;

comment on function chronicle.begin_epoch(text) is
'Declares that the log goes on where its transaction ids mean something else: restored from a dump
or a backup, upgraded, copied by logical replication. Sealing refuses on another server until then.
What was written there before is sealed as well, and checkpoints from before stay consistent.
Returns the number of the epoch; an event tells of it. Writers wait while it runs, and it waits for
them 3 seconds at most. Where the sequence chronicle.events_seq was left behind, it is set forward.
_reason: what happened, for an auditor.
Errors: 22023 without a reason; 25001 under another isolation level than READ COMMITTED; 55000 where
chronicle.epochs is empty; 55P03 when writers do not make way: try again.
Example: select chronicle.begin_epoch(''restored from the dump of 2026-11-20'');';

revoke execute on function chronicle.begin_epoch(text) from public;
grant execute on function chronicle.begin_epoch(text) to chronicle_admin;
