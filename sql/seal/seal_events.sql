-- The order of the statements is what makes it right, each with a snapshot of its own: first the
-- lock, then what is sealed, then the horizon, then the rows. Behind the oldest transaction that is
-- open (pg_snapshot_xmin) every transaction is over for ever, so what is seen there is all that
-- ever will be.
create or replace function chronicle.seal_events(_limit integer default 100000)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_closed integer;
    v_present integer;
    v_horizon bigint;
    v_left bigint := _limit;
begin
    if _limit is null or _limit not between 1 and 1000000 then
        raise exception '_limit is %, not 1 to 1000000', coalesce(_limit::text, 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'Call it again until it returns 0.';
    end if;
    perform chronicle.check_can_seal();
    if not chronicle.is_sealing_due() then
        return 0;
    end if;

    -- A checkpoint that somebody has seen must survive a crash. With the seal, all that it covers
    -- is flushed too, whoever wrote it.
    if current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    select s.sealed_epochs into strict v_closed from chronicle.seal_state as s for update;
    select max(e.epoch) into strict v_present from chronicle.epochs as e;
    v_horizon := pg_snapshot_xmin(pg_current_snapshot())::text;

    for v_epoch in v_closed + 1 .. v_present - 1 loop
        v_left := v_left - chronicle.seal_range(v_epoch, true, null, v_left);
        exit when v_left = 0;
        v_left := v_left - chronicle.seal_range(v_epoch, false, 9223372036854775807, v_left);
        exit when v_left = 0;
        update chronicle.seal_state set sealed_epochs = v_epoch;
        v_closed := v_epoch;
    end loop;
    if v_closed = v_present - 1 then
        v_left := v_left - chronicle.seal_range(v_present, false, v_horizon, v_left);
    end if;
    return _limit - v_left;
end
$$;

comment on function chronicle.seal_events(integer) is
'Seals the events that are settled and not sealed yet: hashes them into batches and appends these to
the sealed log, so that chronicle.verify_log, and whoever keeps a checkpoint, can tell whether any
was changed, removed or slipped in since. Returns how many. Writers do not wait for it. An open
transaction holds back what was written after it began (see chronicle.seal_status), and loses
nothing. Two at once: the second waits, and goes on behind the first.
_limit: at most so many events in one call, 1 to 1000000; when it returns as many, more may be left.
Errors: 22023 for a wrong limit; 25001 under another isolation level than READ COMMITTED; 55000 on a
standby, in a database whose encoding is not UTF8, and when the log comes from another server, until
chronicle.begin_epoch was called.
Example: select chronicle.seal_events();';

revoke execute on function chronicle.seal_events(integer) from public;
grant execute on function chronicle.seal_events(integer) to chronicle_admin;
alter function chronicle.seal_events(integer) owner to chronicle_sealer;
