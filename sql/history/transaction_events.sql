create or replace function chronicle.transaction_events(_transaction_id bigint, _epoch integer)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'transaction_id', _transaction_id,
        'epoch', _epoch,
        'events', coalesce(
            jsonb_agg(e.event_id order by e.seq) filter (where e.place <= 1000), '[]'
        ),
        'number_of_events', count(*)
    )
    from (
        select e.event_id, e.seq, row_number() over (order by e.seq) as place
        from chronicle.row_events as e
        where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
    ) as e
$$;

comment on function chronicle.transaction_events(bigint, integer) is
'Private. What the event of an undo says of the transaction: its number, epoch and events, the first
thousand of them by id.';

revoke execute on function chronicle.transaction_events(bigint, integer) from public;
grant execute on function chronicle.transaction_events(bigint, integer) to chronicle_reader;
