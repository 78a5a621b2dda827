-- Row-level security stands on the parent and, with no policy, on every partition: whoever reaches
-- for a partition directly finds nothing. It is forced, so that the owner is subject to it as well.
--
-- Every reading policy is for chronicle_reader, and decides by what the querying role is. So the
-- views of the log can belong to chronicle_reader: on every server version they then show a reader
-- the rows that the table would show. A policy for another role would be lost on the way through
-- the view.
alter table chronicle.events enable row level security;
alter table chronicle.events force row level security;

create policy events_writer_inserts on chronicle.events
for insert to chronicle_writer with check (true);

create policy events_sealer_reads on chronicle.events
for select to chronicle_sealer using (true);

create policy events_auditor_reads on chronicle.events
for select to chronicle_reader using ((select chronicle.is_auditor()));

-- The sub-selects are evaluated once a query, and "= any" of text is leakproof, so the index on
-- organization and time serves them.
create policy events_organization_administrator_reads on chronicle.events
for select to chronicle_reader
using (organization_id = any((select chronicle.administered_organizations())::text[]));

create policy events_super_administrator_reads on chronicle.events
for select to chronicle_reader
using (organization_id is null and (select chronicle.is_super_administrator()));

comment on policy events_writer_inserts on chronicle.events is
'Events come in through the functions that chronicle_writer owns.';
comment on policy events_sealer_reads on chronicle.events is
'Sealing and the check of ids see every event.';
comment on policy events_auditor_reads on chronicle.events is
'Auditors see every event.';
comment on policy events_organization_administrator_reads on chronicle.events is
'Administrators of an organization see its events.';
comment on policy events_super_administrator_reads on chronicle.events is
'Super administrators see system-wide events.';
