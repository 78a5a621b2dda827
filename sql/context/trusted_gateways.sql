create table chronicle.trusted_gateways (
    role_name text constraint trusted_gateways_pkey primary key,
    constraint trusted_gateways_role_name_is_not_empty check (role_name <> '')
);

comment on table chronicle.trusted_gateways is
'Login roles whose sessions are believed about who acts: whoever can run SQL over such a session can
claim to be anyone. chronicle.add_trusted_gateway and chronicle.remove_trusted_gateway change it,
and record that.';
comment on column chronicle.trusted_gateways.role_name is
'As in session_user.';

revoke all on chronicle.trusted_gateways from public;
grant select on chronicle.trusted_gateways to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

-- What every event has to know of the table, as a function that returns a constant and inlines; as
-- chronicle.derive_logging_rules does for settings. Hence no pinned search_path.
create or replace function chronicle.is_trusted_gateway()
returns boolean
language sql
stable
as $$
    select false
$$;

comment on function chronicle.is_trusted_gateway() is
'Private. Whether the role that logged in was in chronicle.trusted_gateways when that last changed.
A copy of the schema without its data says so too: ask the table as well.';

revoke execute on function chronicle.is_trusted_gateway() from public;
grant execute on function chronicle.is_trusted_gateway() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;
