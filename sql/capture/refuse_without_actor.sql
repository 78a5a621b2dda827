create or replace function chronicle.refuse_without_actor(_relation oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a change of % needs an actor', _relation::regclass
        using errcode = 'ZC006',
            detail = 'The table is tracked so that every change says who made it, '
                'and the context names nobody.',
            hint = 'In the same transaction, before the change: select chronicle.set_context('
                '_actor_type => ''user'', _actor_id => ''...'').';
end
$$;

comment on function chronicle.refuse_without_actor(oid) is
'Private. Raises ZC006: the table is tracked with _require_actor, and nobody is named.';

revoke execute on function chronicle.refuse_without_actor(oid) from public;
grant execute on function chronicle.refuse_without_actor(oid)
to chronicle_writer, chronicle_table_reader;
