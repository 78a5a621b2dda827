-- A check that is kept from seeing an event can not miss it.
create or replace function chronicle.find_hidden_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        'policy_differs', null::bigint, null::uuid,
        format('Row-level security of %s may keep events from whoever seals and verifies.', t.name)
    from (
        values
        ('chronicle.events', 'events_sealer_reads'),
        ('chronicle.erasures', 'erasures_sealer_reads')
    ) as t (name, policy)
    where exists (
            select
            from pg_catalog.pg_policy as p
            where p.polrelid = t.name::regclass and not p.polpermissive
        )
        or not exists (
            select
            from pg_catalog.pg_policy as p
            where p.polrelid = t.name::regclass
                and p.polname = t.policy
                and p.polcmd = 'r'
                and pg_get_expr(p.polqual, p.polrelid) = 'true'
                and p.polroles = array['chronicle_sealer'::regrole::oid]
        )
$$;

comment on function chronicle.find_hidden_faults() is
'Private. Policies by which events could be hidden from the check.';

revoke execute on function chronicle.find_hidden_faults() from public;
grant execute on function chronicle.find_hidden_faults() to chronicle_sealer;
