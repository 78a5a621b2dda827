create or replace function chronicle.check_actor(
    _context chronicle.event_context, _relation oid
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(_context.context_state in ('asserted', 'verified'), false)
        and nullif(_context.actor_id, '') is not null
    then
        return;
    end if;
    raise exception 'a change of % needs an actor', _relation::regclass
        using errcode = 'ZC006',
            detail = 'The table is tracked so that every change says who made it, '
                'and the context names nobody.',
            hint = 'In the same transaction, before the change: select chronicle.set_context('
                '_actor_type => ''user'', _actor_id => ''...'').';
end
$$;

comment on function chronicle.check_actor(chronicle.event_context, oid) is
'Private. Raises ZC006 for a table that is tracked with _require_actor, when nobody is named.
_context: null when there is none.';

revoke execute on function chronicle.check_actor(chronicle.event_context, oid) from public;
grant execute on function chronicle.check_actor(chronicle.event_context, oid)
to chronicle_writer, chronicle_table_reader;
