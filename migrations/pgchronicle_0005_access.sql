-- Who sees which events: administrators, auditors, and row-level security.
-- depends: pgchronicle_0004_log

set local role chronicle_owner;

-- Runs with the caller's rights, or current_user would be this function's owner.
create or replace function chronicle.principal()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select current_user::text
$$;

comment on function chronicle.principal() is
'Who is reading, as far as access goes: the database role of the query. Never what a session merely
asserts.';

revoke execute on function chronicle.principal() from public;
grant execute on function chronicle.principal() to chronicle_reader, chronicle_admin;

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
'As chronicle.principal gives it: a database role.';
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

-- Runs with the caller's rights: the policies of chronicle.administrators show callers their own
-- rows, and chronicle.principal() has to see who they are.
create or replace function chronicle.administered_organizations()
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(a.organization_id), '{}')
    from chronicle.administrators as a
    where a.principal = chronicle.principal() and a.organization_id is not null
$$;

comment on function chronicle.administered_organizations() is
'The organizations whose events the reader may see. Replace it, with the same signature, to answer
from the application''s own tables of members: take who is asking from chronicle.principal().';

revoke execute on function chronicle.administered_organizations() from public;
grant execute on function chronicle.administered_organizations() to chronicle_reader;

-- Runs with the caller's rights, as chronicle.administered_organizations does.
create or replace function chronicle.is_super_administrator()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from chronicle.administrators as a
        where a.principal = chronicle.principal() and a.organization_id is null
    )
$$;

comment on function chronicle.is_super_administrator() is
'Whether the reader may see system-wide events. Replace it as
chronicle.administered_organizations.';

revoke execute on function chronicle.is_super_administrator() from public;
grant execute on function chronicle.is_super_administrator() to chronicle_reader;

create or replace function chronicle.is_auditor()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select pg_has_role(current_user, 'chronicle_auditor', 'USAGE')
$$;

comment on function chronicle.is_auditor() is
'Whether the role of the query has the rights of chronicle_auditor, who reads every event.';

revoke execute on function chronicle.is_auditor() from public;
grant execute on function chronicle.is_auditor() to chronicle_reader;

-- Runs as the owner of the table of administrators. The row and the event that tells of it are one.
create or replace function chronicle.add_administrator(
    _principal text, _organization_id text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if nullif(_principal, '') is null or _organization_id = '' then
        raise exception 'a principal is needed, and no empty organization'
            using errcode = 'null_value_not_allowed',
                hint = 'The principal is a database role. '
                    'Leave the organization out for a super administrator.';
    end if;

    insert into chronicle.administrators (principal, organization_id)
    values (_principal, _organization_id)
    on conflict do nothing;
    if found then
        perform chronicle.log_management_event(
            'create', 'chronicle.administrator.add', 'chronicle.administrator', _principal,
            null, jsonb_build_object('organization_id', _organization_id)
        );
    end if;
end
$$;

comment on function chronicle.add_administrator(text, text) is
'Lets a principal read the events of an organization, or system-wide events, and records that. They
also need to be granted chronicle_reader. Harmless to repeat.
_principal: a database role. _organization_id: null makes a super administrator.
Errors: 22004 without a principal.';

revoke execute on function chronicle.add_administrator(text, text) from public;
grant execute on function chronicle.add_administrator(text, text) to chronicle_admin;

-- Runs as the owner of the table of administrators. The row and the event that tells of it are one.
create or replace function chronicle.remove_administrator(
    _principal text, _organization_id text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from chronicle.administrators as a
    where a.principal = _principal and a.organization_id is not distinct from _organization_id;
    if not found then
        raise exception '"%" is not an administrator of %',
            _principal, coalesce('organization "' || _organization_id || '"', 'the system')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.administrators shows who is.';
    end if;

    perform chronicle.log_management_event(
        'delete', 'chronicle.administrator.remove', 'chronicle.administrator', _principal,
        jsonb_build_object('organization_id', _organization_id), null
    );
end
$$;

comment on function chronicle.remove_administrator(text, text) is
'Takes back what chronicle.add_administrator gave, and records that.
_principal: a database role. _organization_id: null for a super administrator.
Errors: P0002 when they are none.';

revoke execute on function chronicle.remove_administrator(text, text) from public;
grant execute on function chronicle.remove_administrator(text, text) to chronicle_admin;

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

-- Stands after row-level security, so that no partition is ever without it.
do $partitions$
begin
    perform chronicle.ensure_partitions();
end
$partitions$;
