-- Runs with the caller's rights, or current_user would be this function's owner. A role that is
-- named like an actor must not be taken for one.
create or replace function chronicle.principal()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when c.context_state = 'verified' and c.actor_id <> ''
            then concat(c.actor_type, ':', c.actor_id)
        when strpos(current_user, ':') > 0 then concat('role:', current_user)
        else current_user::text
    end
    from chronicle.resolve_context() as c
$$;

comment on function chronicle.principal() is
'Who is reading, as far as access goes: the actor of a verified context, as actor_type:actor_id,
such as user:ada; else the database role of the query (role:name where the name has a colon). Never
what a session merely asserts.';

revoke execute on function chronicle.principal() from public;
grant execute on function chronicle.principal() to chronicle_reader, chronicle_admin;
