-- A table that is attached stops no writer: ATTACH takes SHARE UPDATE EXCLUSIVE on the parent,
-- where "create table ... partition of" takes ACCESS EXCLUSIVE. A partition inherits neither grants
-- nor row security nor statement triggers, so each side door is closed here, before it is attached.
create or replace function chronicle.add_partition(_name name, _bound text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_grantee text;
begin
    execute format(
        'create table chronicle.%I '
        '(like chronicle.events including defaults including constraints)',
        _name
    );
    execute format('comment on table chronicle.%I is %L', _name, 'Partition of chronicle.events.');

    -- Every other partition is bounded on both sides, and so holds finite times only.
    if _bound = 'default' or _bound ~ 'minvalue' then
        execute format(
            'alter table chronicle.%I add constraint %I check (isfinite(occurred_at))',
            _name, _name || '_occurred_at_is_finite'
        );
    end if;

    -- Default privileges of the platform may have granted rights on it.
    for v_grantee in
        select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_catalog.pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.relnamespace = 'chronicle'::regnamespace
            and c.relname = _name
            and a.grantee <> c.relowner
        group by 1
    loop
        execute format('revoke all on chronicle.%I from %s', _name, v_grantee);
    end loop;

    execute format('alter table chronicle.%I enable row level security', _name);
    execute format('alter table chronicle.%I force row level security', _name);
    execute format(
        'create trigger events_reject_change before update or delete or truncate on chronicle.%I '
        'for each statement execute function chronicle.reject_change()',
        _name
    );
    execute format('alter table chronicle.%I enable always trigger events_reject_change', _name);
    execute format('alter table chronicle.events attach partition chronicle.%I %s', _name, _bound);
end
$$;

comment on function chronicle.add_partition(name, text) is
'Private. Makes a partition of chronicle.events with its side doors closed, and attaches it.
_name: of the partition. _bound: what follows ATTACH PARTITION name.';

revoke execute on function chronicle.add_partition(name, text) from public;
