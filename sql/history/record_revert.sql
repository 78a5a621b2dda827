-- Runs as the owner, who may record what pgchronicle does.
create or replace function chronicle.record_revert(
    _event_id uuid, _transaction_id bigint, _epoch integer
)
returns uuid
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.record_internal_event(
        'logged', 'execute', 'chronicle.revert',
        case when _event_id is null then 'chronicle.transaction' else 'chronicle.event' end,
        coalesce(_event_id::text, _transaction_id::text),
        chronicle.current_context() ->> 'organization_id', null, null,
        case
            when _event_id is null then jsonb_build_object(
                'transaction_id', _transaction_id,
                'epoch', _epoch,
                'events', chronicle.transaction_events(_transaction_id, _epoch)
            )
            else jsonb_build_object('events', jsonb_build_array(_event_id))
        end,
        _parent_event_id => _event_id
    )
$$;

comment on function chronicle.record_revert(uuid, bigint, integer) is
'Private. Records that an event, or else a transaction, is about to be taken back. Returns the id of
that record.';

revoke execute on function chronicle.record_revert(uuid, bigint, integer) from public;
grant execute on function chronicle.record_revert(uuid, bigint, integer) to chronicle_app;
