create or replace function chronicle.current_context()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_object_agg(f.key, f.value)
    from chronicle.resolve_context() as c
    cross join lateral jsonb_each(to_jsonb(c)) as f
    where f.value <> 'null'
$$;

comment on function chronicle.current_context() is
'What events of this transaction will say about who acts: the keys of chronicle.set_context that
have a value, and context_state (asserted, verified, absent, malformed).';

revoke execute on function chronicle.current_context() from public;
grant execute on function chronicle.current_context() to chronicle_app, chronicle_reader;
