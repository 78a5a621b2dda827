-- Runs as the owner of the registry. The row and the event that tells of it are one.
create or replace function chronicle.register_action(_name text, _description text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before text;
begin
    if _name is null or _name = '' or _description is null then
        raise exception 'a name and a description are needed'
            using errcode = 'null_value_not_allowed',
                hint = 'Say what it is: chronicle.register_action(''name'', ''description'').';
    end if;

    insert into chronicle.actions (name, description) values (_name, _description)
    on conflict (name) do nothing;
    if not found then
        select r.description into v_before
        from chronicle.actions as r
        where r.name = _name
        for update;
        if v_before = _description then
            return;
        end if;
        update chronicle.actions as r set description = _description where r.name = _name;
    end if;

    perform chronicle.log_management_event(
        case when v_before is null then 'create' else 'update' end::chronicle.action_type,
        'chronicle.action.register', 'chronicle.action', _name,
        case when v_before is not null then jsonb_build_object('description', v_before) end,
        jsonb_build_object('description', _description)
    );
end
$$;

comment on function chronicle.register_action(text, text) is
'Declares an action, or describes it anew, and records that as an event.
_name: as in chronicle.events.action. _description: what is done.
Errors: 22004 when either is missing.';

revoke execute on function chronicle.register_action(text, text) from public;
grant execute on function chronicle.register_action(text, text) to chronicle_admin;
