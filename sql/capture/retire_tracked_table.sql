-- Runs as the owner of the registry, and of the schema whose function it drops. The drop fails
-- while any trigger uses the function, so it can not end the capture of a table behind its owner's
-- back.
create or replace function chronicle.retire_tracked_table(_table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    update chronicle.table_registry as r set tracked_until = clock_timestamp()
    where r.table_id = _table_id and r.tracked_until is null
    returning r.* into v_options;
    if not found then
        raise exception 'no table is tracked as %', _table_id
            using errcode = 'ZC005',
                hint = 'Call chronicle.disable_tracking with the table.';
    end if;

    update chronicle.tracking_periods as p
    set until_seq = nextval('chronicle.events_seq'), ended_at = v_options.tracked_until
    where p.table_id = _table_id
        and p.from_seq = (
            select max(l.from_seq)
            from chronicle.tracking_periods as l
            where l.table_id = _table_id
        );

    execute format(
        'drop function chronicle_capture.capture_%1$s_insert(), '
        'chronicle_capture.capture_%1$s_update(), chronicle_capture.capture_%1$s_delete(), '
        'chronicle_capture.capture_%1$s_truncate()', _table_id
    );
    perform chronicle.log_management_event(
        'delete', 'chronicle.tracking.disable', 'chronicle.tracked_table',
        format('%I.%I', v_options.schema_name, v_options.table_name),
        chronicle.tracking_options(v_options), null
    );
end
$$;

comment on function chronicle.retire_tracked_table(integer) is
'Private. Drops the capture functions of a table whose triggers are gone, and records that tracking
ended.';

revoke execute on function chronicle.retire_tracked_table(integer) from public;
grant execute on function chronicle.retire_tracked_table(integer) to chronicle_admin;
