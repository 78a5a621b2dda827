-- Who sees which events, and who is believed: administrators, keys, gateways, row-level security.
-- depends: pgchronicle_0004_log

set local role chronicle_owner;

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
                hint = 'The principal is a database role, or an actor as in user:ada. '
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
_principal: a database role, or a verified actor as in user:ada. _organization_id: null makes a
super administrator.
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
_principal: a database role, or a verified actor as in user:ada. _organization_id: null for a super
administrator.
Errors: P0002 when they are none.';

revoke execute on function chronicle.remove_administrator(text, text) from public;
grant execute on function chronicle.remove_administrator(text, text) to chronicle_admin;

-- Runs as the owner of the keys. Their row, the secret and the event are one.
create or replace function chronicle.add_context_key(_key_id text, _secret bytea default null)
returns bytea
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_secret constant bytea := coalesce(_secret, chronicle.random_secret());
    v_key bytea := case when length(v_secret) > 64 then sha256(v_secret) else v_secret end;
    v_inner_block bytea := decode(repeat('36', 64), 'hex');
    v_outer_block bytea := decode(repeat('5c', 64), 'hex');
begin
    if coalesce(_key_id, '') !~ '^[A-Za-z0-9._-]{1,100}$' then
        raise exception 'the name of a key is 1 to 100 letters, digits, dots, dashes, underscores'
            using errcode = 'invalid_parameter_value',
                hint = 'A name that tells its age is easy to retire: backend-2026-11.';
    end if;
    if length(v_secret) < 32 then
        raise exception 'the secret has % bytes, less than 32', length(v_secret)
            using errcode = 'invalid_parameter_value',
                hint = 'Leave it out: the server then draws one and returns it.';
    end if;

    insert into chronicle.context_keys (key_id) values (_key_id) on conflict do nothing;
    if not found then
        raise exception 'there is a key "%" already', _key_id
            using errcode = 'unique_violation',
                hint = 'Keys are not changed. Add one of another name, let those who sign use it, '
                    'then retire this one.';
    end if;
    for i in 0 .. length(v_key) - 1 loop
        v_inner_block := set_byte(v_inner_block, i, get_byte(v_key, i) # 54);
        v_outer_block := set_byte(v_outer_block, i, get_byte(v_key, i) # 92);
    end loop;
    insert into chronicle.context_secrets (key_id, inner_block, outer_block)
    values (_key_id, v_inner_block, v_outer_block);
    -- With the first key, also after a restore that left the secrets out, comes the one by which
    -- transactions recognize what they verified. Two blocks drawn apart are no weaker than two made
    -- of one key.
    insert into chronicle.context_secrets (key_id, inner_block, outer_block)
    values (
        '',
        chronicle.random_secret() || chronicle.random_secret(),
        chronicle.random_secret() || chronicle.random_secret()
    )
    on conflict do nothing;

    perform chronicle.log_management_event(
        'create', 'chronicle.context_key.add', 'chronicle.context_key', _key_id, null, null
    );
    return v_secret;
end
$$;

comment on function chronicle.add_context_key(text, bytea) is
'Adds a key whose tokens chronicle.set_signed_context accepts from now on, and records that. Returns
its secret, which nobody can read again.
_key_id: what tokens name as "kid"; 1 to 100 letters, digits, dots, dashes, underscores. _secret: at
least 32 bytes; by default the server draws 32. Pass it as a parameter, so that it stands in no log.
Errors: 22023 for a wrong name or a short secret; 23505 when there is such a key.';

revoke execute on function chronicle.add_context_key(text, bytea) from public;
grant execute on function chronicle.add_context_key(text, bytea) to chronicle_admin;

-- Runs as the owner of the keys.
create or replace function chronicle.retire_context_key(_key_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from chronicle.context_keys as k where k.key_id = _key_id;
    if not found then
        raise exception 'there is no key "%"', coalesce(_key_id, 'null')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.context_keys shows which there are.';
    end if;
    delete from chronicle.context_secrets as s where s.key_id = _key_id;

    perform chronicle.log_management_event(
        'delete', 'chronicle.context_key.retire', 'chronicle.context_key', _key_id, null, null
    );
end
$$;

comment on function chronicle.retire_context_key(text) is
'Accepts no tokens of a key any more, and records that. What they verified stays verified.
_key_id: in chronicle.context_keys. Errors: P0002 when there is none.';

revoke execute on function chronicle.retire_context_key(text) from public;
grant execute on function chronicle.retire_context_key(text) to chronicle_admin;

-- Runs as the owner of the list. The row and the event that tells of it are one.
create or replace function chronicle.add_trusted_gateway(_role_name text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select from pg_catalog.pg_roles as r where r.rolname = _role_name and r.rolcanlogin
    ) then
        raise exception 'there is no role "%" that can log in', coalesce(_role_name, 'null')
            using errcode = 'undefined_object',
                hint = 'A gateway is the role with which a service logs in, such as the '
                    '"authenticator" of PostgREST, not one that it plays.';
    end if;

    -- Before the row: two that first wrote and then locked would wait for each other.
    lock table chronicle.trusted_gateways in share row exclusive mode;

    insert into chronicle.trusted_gateways (role_name) values (_role_name) on conflict do nothing;
    if found then
        perform chronicle.log_management_event(
            'create', 'chronicle.trusted_gateway.add', 'chronicle.trusted_gateway', _role_name,
            null, null
        );
    end if;
end
$$;

comment on function chronicle.add_trusted_gateway(text) is
'Believes what is said over sessions of a login role about who acts, by chronicle.set_context or
request.jwt.claims, and records that. Whoever can run SQL over such a session can claim to be
anyone. Harmless to repeat.
_role_name: as in session_user. Errors: 42704 when there is no such role, or it can not log in.';

revoke execute on function chronicle.add_trusted_gateway(text) from public;
grant execute on function chronicle.add_trusted_gateway(text) to chronicle_admin;

-- Runs as the owner of the list.
create or replace function chronicle.remove_trusted_gateway(_role_name text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Before the row: two that first wrote and then locked would wait for each other.
    lock table chronicle.trusted_gateways in share row exclusive mode;

    delete from chronicle.trusted_gateways as g where g.role_name = _role_name;
    if not found then
        raise exception '"%" is not a trusted gateway', coalesce(_role_name, 'null')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.trusted_gateways shows which are.';
    end if;

    perform chronicle.log_management_event(
        'delete', 'chronicle.trusted_gateway.remove', 'chronicle.trusted_gateway', _role_name,
        null, null
    );
end
$$;

comment on function chronicle.remove_trusted_gateway(text) is
'Takes back what chronicle.add_trusted_gateway gave, and records that. It holds at once, except for
transactions that are open and have asked already.
_role_name: in chronicle.trusted_gateways. Errors: P0002 when it is none.';

revoke execute on function chronicle.remove_trusted_gateway(text) from public;
grant execute on function chronicle.remove_trusted_gateway(text) to chronicle_admin;

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
