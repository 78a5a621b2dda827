-- Undoes pgchronicle_0005_access.

set local role chronicle_owner;

-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;

drop policy events_super_administrator_reads on chronicle.events;
drop policy events_organization_administrator_reads on chronicle.events;
drop policy events_auditor_reads on chronicle.events;
drop policy events_sealer_reads on chronicle.events;
drop policy events_writer_inserts on chronicle.events;
drop function chronicle.remove_trusted_gateway(text);
drop function chronicle.add_trusted_gateway(text);
drop function chronicle.retire_context_key(text);
drop function chronicle.add_context_key(text, bytea);
drop function chronicle.remove_administrator(text, text);
drop function chronicle.add_administrator(text, text);
drop function chronicle.is_auditor();
drop function chronicle.is_super_administrator();
drop function chronicle.administered_organizations();
drop policy administrators_are_managed on chronicle.administrators;
drop policy administrators_see_themselves on chronicle.administrators;
drop table chronicle.administrators;
drop function chronicle.principal();
