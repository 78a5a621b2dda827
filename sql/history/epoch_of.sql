create or replace function chronicle.epoch_of(_transaction_id bigint, _epoch integer)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        _epoch,
        (
            -- Epoch by epoch, since the index begins with them.
            select max(i.epoch)
            from generate_series(1, (select max(e.epoch) from chronicle.events as e)) as i (epoch)
            where exists (
                select
                from chronicle.row_events as e
                where e.epoch = i.epoch and e.transaction_id = _transaction_id
            )
        ),
        1
    )
$$;

comment on function chronicle.epoch_of(bigint, integer) is
'Private. The epoch that is meant: the given one, or the latest that has the transaction.';

revoke execute on function chronicle.epoch_of(bigint, integer) from public;
grant execute on function chronicle.epoch_of(bigint, integer) to chronicle_reader;
