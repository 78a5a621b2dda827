-- Runs as the owner of the keys. Their row, the secret and the event are one.
create or replace function chronicle.add_context_key(_key_id text, _secret bytea default null)
returns bytea
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_secret constant bytea := coalesce(_secret, chronicle.random_secret());
    v_key bytea := case when length(v_secret) > 64 then sha256(v_secret) else v_secret end;
    v_inner_block bytea := decode(repeat('36', 64), 'hex');
    v_outer_block bytea := decode(repeat('5c', 64), 'hex');
begin
    if coalesce(_key_id, '') !~ '^[A-Za-z0-9._-]{1,100}$' then
        raise exception 'the name of a key is 1 to 100 letters, digits, dots, dashes, underscores'
            using errcode = 'invalid_parameter_value',
                hint = 'A name that tells its age is easy to retire: backend-2026-11.';
    end if;
    if length(v_secret) < 32 then
        raise exception 'the secret has % bytes, less than 32', length(v_secret)
            using errcode = 'invalid_parameter_value',
                hint = 'Leave it out: the server then draws one and returns it.';
    end if;

    insert into chronicle.context_keys (key_id) values (_key_id) on conflict do nothing;
    if not found then
        raise exception 'there is a key "%" already', _key_id
            using errcode = 'unique_violation',
                hint = 'Keys are not changed. Add one of another name, let those who sign use it, '
                    'then retire this one.';
    end if;
    for i in 0 .. length(v_key) - 1 loop
        v_inner_block := set_byte(v_inner_block, i, get_byte(v_key, i) # 54);
        v_outer_block := set_byte(v_outer_block, i, get_byte(v_key, i) # 92);
    end loop;
    insert into chronicle.context_secrets (key_id, inner_block, outer_block)
    values (_key_id, v_inner_block, v_outer_block);
    -- With the first key, also after a restore that left the secrets out, comes the one by which
    -- transactions recognize what they verified. Two blocks drawn apart are no weaker than two made
    -- of one key.
    insert into chronicle.context_secrets (key_id, inner_block, outer_block)
    values (
        '',
        chronicle.random_secret() || chronicle.random_secret(),
        chronicle.random_secret() || chronicle.random_secret()
    )
    on conflict do nothing;

    perform chronicle.log_management_event(
        'create', 'chronicle.context_key.add', 'chronicle.context_key', _key_id, null, null
    );
    return v_secret;
end
$$;

comment on function chronicle.add_context_key(text, bytea) is
'Adds a key whose tokens chronicle.set_signed_context accepts from now on, and records that. Returns
its secret, which nobody can read again.
_key_id: what tokens name as "kid"; 1 to 100 letters, digits, dots, dashes, underscores. _secret: at
least 32 bytes; by default the server draws 32. Pass it as a parameter, so that it stands in no log.
Errors: 22023 for a wrong name or a short secret; 23505 when there is such a key.';

revoke execute on function chronicle.add_context_key(text, bytea) from public;
grant execute on function chronicle.add_context_key(text, bytea) to chronicle_admin;
