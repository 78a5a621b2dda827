-- Another server has another identifier; but not where a dump went back to a clone of its own
-- server, whose transaction ids are behind.
create or replace function chronicle.is_log_moved()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        e.system_identifier <> (select c.system_identifier from pg_control_system() as c)
        or coalesce(
            not pg_is_in_recovery()
            and (
                select max(b.to_transaction_id)
                from chronicle.seal_batches as b
                where b.epoch = e.epoch and not b.is_late
            ) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
            false
        )
    from chronicle.epochs as e
    order by e.epoch desc
    limit 1
$$;

comment on function chronicle.is_log_moved() is
'Private. Whether the present epoch was begun on another server than this one.';

revoke execute on function chronicle.is_log_moved() from public;
grant execute on function chronicle.is_log_moved() to chronicle_sealer;
