create or replace function chronicle.check_registered(
    _resource_type text, _action text, _enforce_resource_types boolean, _enforce_actions boolean
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_similar text;
begin
    if _enforce_resource_types
        and not exists (select from chronicle.resource_types as r where r.name = _resource_type)
    then
        v_similar := chronicle.similar_names(
            _resource_type, array(select r.name from chronicle.resource_types as r)
        );
        raise exception 'the resource type "%" is not registered', _resource_type
            using errcode = 'ZC002',
                detail = 'The setting enforce_resource_types is on.',
                hint = coalesce('Did you mean ' || v_similar || '? ', '')
                    || 'Register it with chronicle.register_resource_type.';
    end if;

    if _enforce_actions
        and not exists (select from chronicle.actions as a where a.name = _action)
    then
        v_similar := chronicle.similar_names(
            _action, array(select a.name from chronicle.actions as a)
        );
        raise exception 'the action "%" is not registered', _action
            using errcode = 'ZC002',
                detail = 'The setting enforce_actions is on.',
                hint = coalesce('Did you mean ' || v_similar || '? ', '')
                    || 'Register it with chronicle.register_action.';
    end if;
end
$$;

comment on function chronicle.check_registered(text, text, boolean, boolean) is
'Private. Raises ZC002 for a resource type or an action that is not registered while that is
enforced.';

revoke execute on function chronicle.check_registered(text, text, boolean, boolean) from public;
grant execute on function chronicle.check_registered(text, text, boolean, boolean)
to chronicle_writer;
