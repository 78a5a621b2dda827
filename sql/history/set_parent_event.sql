-- The captured changes of an undo carry the id of the event that tells of it. Returns what the
-- context was before.
create or replace function chronicle.set_parent_event(_event_id uuid)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_context constant text := coalesce(current_setting('chronicle.context', true), '');
begin
    perform set_config(
        'chronicle.context',
        (
            coalesce(nullif(v_context, ''), '{}')::jsonb
            || jsonb_build_object('parent_event_id', _event_id)
        )::text,
        true
    );
    return v_context;
exception when invalid_text_representation then
    raise exception 'the context can not be read'
        using errcode = 'object_not_in_prerequisite_state',
            detail = sqlerrm,
            hint = 'select chronicle.clear_context(), or set it with chronicle.set_context.';
end
$$;

comment on function chronicle.set_parent_event(uuid) is
'Private. Lets what is captured from now on carry this parent. Returns the context before.
Errors: 55000 when the context is malformed.';

revoke execute on function chronicle.set_parent_event(uuid) from public;
grant execute on function chronicle.set_parent_event(uuid) to chronicle_app;
