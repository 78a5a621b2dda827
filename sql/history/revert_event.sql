-- Runs as its caller, and so does the statement. No path is pinned, as the application's triggers
-- rely on the caller's; so every name here is qualified, types included.
create or replace function chronicle.revert_event(
    _event_id uuid, _dry_run boolean default false
)
returns text
language plpgsql
volatile
as $$
declare
    v_statement pg_catalog.text;
begin
    v_statement := chronicle.plan_event_undo(_event_id, not _dry_run);
    if not _dry_run and v_statement is not null then
        perform chronicle.carry_out_undo(
            v_statement,
            chronicle.record_revert(_event_id, null, null)
        );
    end if;
    return v_statement;
end
$$;

comment on function chronicle.revert_event(uuid, boolean) is
'Takes back the change that a captured event tells of: what was inserted is deleted, what was
updated gets the values back that were replaced, what was deleted or truncated is inserted again.
Runs with the caller''s rights, who needs those on the table, chronicle_reader to see the event, and
chronicle_app, as an event chronicle.revert tells of it; the captured changes carry that as their
parent. Returns the statement; null when there is nothing to do.
_event_id: of a captured event, as in chronicle.row_changes. _dry_run: only return the statement.
Errors: ZC008 when the row was changed since, or a foreign key would carry the undo to other rows;
55000 for what was not recorded; 42501 without the rights; P0002 for no captured event of this id.';

revoke execute on function chronicle.revert_event(uuid, boolean) from public;
grant execute on function chronicle.revert_event(uuid, boolean) to chronicle_reader;
