-- What every call of log_audit_event has to know of the settings, as functions that return
-- constants: chronicle.derive_logging_rules writes them anew when a setting changes. They
-- inline, so that asking costs nothing, where reading a row cost each call 4 microseconds and
-- reading the settings several times that; hence no pinned search_path. The server discards the
-- plans into which the former ones were built; a transaction that is open meanwhile may ask the
-- former one once more.
create or replace function chronicle.enforces_resource_types()
returns boolean
language sql
stable
as $$
    select false::pg_catalog.bool
$$;

comment on function chronicle.enforces_resource_types() is
'Private. Whether the setting enforce_resource_types is on.';

revoke execute on function chronicle.enforces_resource_types() from public;
grant execute on function chronicle.enforces_resource_types() to chronicle_writer;

create or replace function chronicle.enforces_actions()
returns boolean
language sql
stable
as $$
    select false::pg_catalog.bool
$$;

comment on function chronicle.enforces_actions() is
'Private. Whether the setting enforce_actions is on.';

revoke execute on function chronicle.enforces_actions() from public;
grant execute on function chronicle.enforces_actions() to chronicle_writer;

create or replace function chronicle.masked_key_start()
returns text
language sql
stable
as $$
    select null::pg_catalog.text
$$;

comment on function chronicle.masked_key_start() is
'Private. Regular expression for the first letters of a masked key in JSON text: a quick test that
most events fail. Null when nothing is masked.';

revoke execute on function chronicle.masked_key_start() from public;
grant execute on function chronicle.masked_key_start() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

create or replace function chronicle.masked_key()
returns text
language sql
stable
as $$
    select null::pg_catalog.text
$$;

comment on function chronicle.masked_key() is
'Private. Regular expression for a masked key, to be matched whole and in any case. Null when
nothing is masked.';

revoke execute on function chronicle.masked_key() from public;
grant execute on function chronicle.masked_key() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

create or replace function chronicle.payload_limit_bytes()
returns integer
language sql
stable
as $$
    select 0::pg_catalog.int4
$$;

comment on function chronicle.payload_limit_bytes() is
'Private. The setting payload_limit_bytes.';

revoke execute on function chronicle.payload_limit_bytes() from public;
grant execute on function chronicle.payload_limit_bytes() to chronicle_writer;
