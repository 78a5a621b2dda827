create table chronicle.administrators (
    principal text not null,
    organization_id text,
    constraint administrators_principal_is_not_empty check (principal <> ''),
    constraint administrators_organization_id_is_not_empty check (organization_id <> '')
);

create unique index administrators_principal_organization_id_idx
on chronicle.administrators (principal, organization_id) where organization_id is not null;
create unique index administrators_principal_idx
on chronicle.administrators (principal) where organization_id is null;

comment on table chronicle.administrators is
'Who administers an organization, or everything. chronicle.add_administrator and
chronicle.remove_administrator change it, and record that.';
comment on column chronicle.administrators.principal is
'As chronicle.principal gives it: a database role, or a verified actor as actor_type:actor_id.';
comment on column chronicle.administrators.organization_id is
'The organization whose events the principal may read. Null: a super administrator, who reads
system-wide events.';

alter table chronicle.administrators enable row level security;

create policy administrators_see_themselves on chronicle.administrators
for select to chronicle_reader using (principal = (select chronicle.principal()));
create policy administrators_are_managed on chronicle.administrators
for select to chronicle_admin using (true);

comment on policy administrators_see_themselves on chronicle.administrators is
'A reader sees what they themselves administer.';
comment on policy administrators_are_managed on chronicle.administrators is
'chronicle_admin sees them all.';

revoke all on chronicle.administrators from public;
grant select on chronicle.administrators to chronicle_reader, chronicle_admin;
