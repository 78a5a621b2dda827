-- What is to be done to the rows of one table, each looked at as it is now. In a conflict nothing
-- is done: a row that was changed since is somebody else''s work.
create or replace function chronicle.undo_steps(
    _table regclass, _table_id integer, _condition text, _lock boolean
)
returns setof chronicle.undo_step
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options constant chronicle.table_registry := chronicle.present_options(_table_id);
    v_net record;
    v_live jsonb;
    v_later uuid;
    v_unknown text;
    v_step chronicle.undo_step;
begin
    v_step.relation := _table;
    v_step.rank := 0;
    for v_net in
        with net as materialized (
            select * from chronicle.net_changes(_table_id, _condition)
        )
        select
            n.key_before,
            -- A row that went and one that came under the same key are one that changed.
            coalesce(n.key_after, c.key_after) as key_after,
            n.image_before,
            coalesce(c.image_after, n.image_after) as image_after,
            -- Of all of them: who else wanted one of these rows had to wait for the last.
            (select max(o.last_seq) from net as o) as last_seq,
            n.is_drifted or coalesce(c.is_drifted, false) as is_drifted,
            n.key_after is null and exists (
                select from net as o where o.key_after = n.key_before and o.key_before is not null
            ) as is_replaced
        from net as n
        left join net as c
            on c.key_after = n.key_before and c.key_before is null and n.key_after is null
        where (n.key_before is not null or n.key_after is not null)
            and not (
                n.key_before is null
                and exists (
                    select from net as g where g.key_before = n.key_after and g.key_after is null
                )
            )
    loop
        if _lock and v_net.key_after is not null then
            execute format(
                'select from %s as old where %s for update',
                _table,
                chronicle.record_condition(_table, _table_id, v_net.key_after)
            );
        end if;
        v_live := chronicle.live_image(
            _table, _table_id, coalesce(v_net.key_after, v_net.key_before)
        );
        -- Where another of these rows has the key now, that one is looked at.
        v_later := null;
        if v_net.is_replaced then
            v_live := null;
        else
            v_later := chronicle.later_change(
                _table, _table_id, coalesce(v_net.key_after, v_net.key_before), v_net.last_seq,
                v_live
            );
        end if;
        if v_later is not null then
            perform chronicle.refuse_conflict(
                format(
                    'Record %s of %s was changed since, by event %s.',
                    coalesce(v_net.key_after, v_net.key_before), _table, v_later
                ),
                'Take back the later change first, or change the row by hand.'
            );
        end if;
        if (v_net.key_after is null) <> (v_live is null)
            or not v_net.is_drifted and v_live::text <> (v_live || v_net.image_after)::text
        then
            perform chronicle.refuse_conflict(
                format(
                    'Record %s of %s is not what was recorded of it last.',
                    coalesce(v_net.key_after, v_net.key_before), _table
                ),
                'It was changed while the table was not tracked. Change the row by hand.'
            );
        end if;

        v_step.image := v_net.image_before;
        v_unknown := null;
        if v_net.key_before is null then
            v_step.operation := 'delete';
            v_step.image := null;
        elsif v_net.key_after is null then
            v_step.operation := 'insert';
            v_unknown := (
                select min(h.name)
                from unnest(v_options.excluded_columns || v_options.masked_columns) as h (name)
                where v_net.image_before ->> h.name is not null
                    or h.name = any(v_options.excluded_columns)
            );
        else
            v_step.operation := 'update';
            v_step.image := (
                select coalesce(jsonb_object_agg(c.name, c.value), '{}')
                from jsonb_each(v_net.image_before) as c (name, value)
                -- As text: jsonb holds 1.0 and 1.00 for equal.
                where c.value::text is distinct from (v_live -> c.name)::text
            );
            v_unknown := (
                select min(m.name)
                from unnest(v_options.masked_columns) as m (name)
                where v_net.image_before ? m.name::text
            );
            continue when v_step.image = '{}' and v_unknown is null;
        end if;
        if v_unknown is not null then
            raise exception 'column "%" of record % of % is not known',
                v_unknown, coalesce(v_net.key_after, v_net.key_before), _table
                using errcode = 'object_not_in_prerequisite_state',
                    detail = 'The column is masked or excluded, so its value was not recorded.',
                    hint = 'Take back the change by hand, or the other columns by event.';
        end if;

        v_step.key := case
            when v_live is not null then (
                select jsonb_object_agg(k.name, v_live -> k.name)
                from unnest(v_options.key_columns) as k (name)
            )
        end;
        return next v_step;
    end loop;
end
$$;

comment on function chronicle.undo_steps(regclass, integer, text, boolean) is
'Private. What takes back changes of a table. _condition: as for chronicle.net_changes.
_lock: whether to lock the rows.
Errors: ZC008 for a row that was changed since; 55000 for one with masked or excluded columns.';

revoke execute on function chronicle.undo_steps(regclass, integer, text, boolean) from public;
grant execute on function chronicle.undo_steps(regclass, integer, text, boolean)
to chronicle_reader;
