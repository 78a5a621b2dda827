-- Runs as the owner of the keys.
create or replace function chronicle.retire_context_key(_key_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from chronicle.context_keys as k where k.key_id = _key_id;
    if not found then
        raise exception 'there is no key "%"', coalesce(_key_id, 'null')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.context_keys shows which there are.';
    end if;
    delete from chronicle.context_secrets as s where s.key_id = _key_id;

    perform chronicle.log_management_event(
        'delete', 'chronicle.context_key.retire', 'chronicle.context_key', _key_id, null, null
    );
end
$$;

comment on function chronicle.retire_context_key(text) is
'Accepts no tokens of a key any more, and records that. What they verified stays verified.
_key_id: in chronicle.context_keys. Errors: P0002 when there is none.';

revoke execute on function chronicle.retire_context_key(text) from public;
grant execute on function chronicle.retire_context_key(text) to chronicle_admin;
