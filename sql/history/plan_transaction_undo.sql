create or replace function chronicle.plan_transaction_undo(
    _transaction_id bigint, _epoch integer, _lock boolean
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
declare
    v_events constant chronicle.row_events[] := array(
        select e
        from chronicle.row_events as e
        where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
        order by e.seq
    );
begin
    if not chronicle.is_auditor() and chronicle.are_transaction_events_hidden(
        _transaction_id, _epoch, chronicle.administered_organizations(),
        chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(format('transaction %s', _transaction_id));
    end if;
    if v_events = '{}' then
        raise exception 'nothing was captured of transaction %',
            coalesce(_transaction_id::text, 'null')
            using errcode = 'no_data_found',
                hint = 'chronicle.row_changes names the transaction of each change.';
    end if;
    return chronicle.planned_undo(
        v_events,
        format(
            'e.transaction_id = %L and e.epoch = %L and e.occurred_at between %L and %L',
            _transaction_id, _epoch,
            (select min(e.occurred_at) from unnest(v_events) as e),
            (select max(e.occurred_at) from unnest(v_events) as e)
        ),
        _lock
    );
end
$$;

comment on function chronicle.plan_transaction_undo(bigint, integer, boolean) is
'Private. The statement that takes back a transaction. _lock: whether to lock the rows.
Errors: as chronicle.revert_transaction.';

revoke execute on function chronicle.plan_transaction_undo(bigint, integer, boolean) from public;
grant execute on function chronicle.plan_transaction_undo(bigint, integer, boolean)
to chronicle_reader;
