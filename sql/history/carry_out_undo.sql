-- No path is pinned: the application's own triggers run in here, and may rely on the caller's. What
-- is executed was put together with a pinned one. Values are written as these settings read them.
create or replace function chronicle.carry_out_undo(_statement text, _event_id uuid)
returns void
language plpgsql
volatile
set lc_monetary = 'C'
set array_nulls = on
set xmloption = 'content'
as $$
declare
    v_context pg_catalog.text;
    v_rows pg_catalog.int8;
begin
    v_context := chronicle.set_parent_event(_event_id);
    execute _statement into v_rows;
    perform pg_catalog.set_config('chronicle.context', v_context, true);
end
$$;

comment on function chronicle.carry_out_undo(text, uuid) is
'Private. Executes a statement with the caller''s rights; what is captured of it carries this event
as its parent.';

revoke execute on function chronicle.carry_out_undo(text, uuid) from public;
grant execute on function chronicle.carry_out_undo(text, uuid) to chronicle_app;
