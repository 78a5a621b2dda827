create or replace function chronicle.derive_trusted_gateways()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'create or replace function chronicle.is_trusted_gateway() '
        'returns pg_catalog.bool language sql stable as %L',
        format(
            'select session_user operator(pg_catalog.=) any (%L::pg_catalog.text[])',
            (
                select coalesce(array_agg(g.role_name order by g.role_name), '{}')
                from chronicle.trusted_gateways as g
            )
        )
    );
    return null;
end
$$;

comment on function chronicle.derive_trusted_gateways() is
'Trigger function: writes the function anew by which events know chronicle.trusted_gateways.';

revoke execute on function chronicle.derive_trusted_gateways() from public;

create trigger trusted_gateways_derive
after insert or update or delete or truncate on chronicle.trusted_gateways
for each statement execute function chronicle.derive_trusted_gateways();

comment on trigger trusted_gateways_derive on chronicle.trusted_gateways is
'Keeps in step what events know of the gateways.';
