-- Runs as the writer. What the rows hold is the word of the table's owner, who alone can let this
-- be called, and whose rows they are.
create or replace function chronicle.record_snapshot_rows(
    _table regclass,
    _keys text[],
    _organizations text[],
    _images jsonb[],
    _last_key text[],
    _is_complete boolean
)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_options constant chronicle.table_registry := chronicle.consented_options(_table, v_table_id);
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_snapshot chronicle.snapshots;
begin
    select s.* into v_snapshot
    from chronicle.snapshots as s
    where s.table_id = v_table_id and s.ended_at is null
    for update;
    if not found then
        insert into chronicle.snapshots (table_id) values (v_table_id) returning * into v_snapshot;
        perform chronicle.log_management_event(
            'create', 'chronicle.snapshot.begin', 'chronicle.snapshot',
            v_snapshot.snapshot_id::text, null,
            jsonb_build_object(
                'table', format('%I.%I', v_options.schema_name, v_options.table_name)
            )
        );
    end if;

    perform chronicle.record_internal_event(
        'snapshot', 'other', v_options.resource_type || '.snapshot', v_options.resource_type, r.key,
        coalesce(r.organization, v_context.organization_id), null,
        case when not r.is_too_long then r.image end,
        jsonb_build_object('snapshot_id', v_snapshot.snapshot_id), v_table_id,
        _payload_error => case
            when r.is_too_long
                then '54000: the row is longer than 256 MB, written as text'
        end
    )
    from (
        select
            u.*,
            pg_column_size(u.image) > 16384 and chronicle.is_too_long(array[u.image]) as is_too_long
        from unnest(_keys, _organizations, _images)
            with ordinality as u (key, organization, image, place)
        order by u.place
    ) as r;

    update chronicle.snapshots as s
    set
        rows_recorded = s.rows_recorded + cardinality(_images),
        last_key = coalesce(_last_key, s.last_key),
        ended_at = case when _is_complete then clock_timestamp() end
    where s.snapshot_id = v_snapshot.snapshot_id
    returning s.* into v_snapshot;
    if _is_complete then
        perform chronicle.log_management_event(
            'update', 'chronicle.snapshot.end', 'chronicle.snapshot',
            v_snapshot.snapshot_id::text, null,
            jsonb_build_object(
                'table', format('%I.%I', v_options.schema_name, v_options.table_name),
                'rows', v_snapshot.rows_recorded
            )
        );
    end if;
    return v_snapshot.rows_recorded;
end
$$;

comment on function chronicle.record_snapshot_rows(
    regclass, text[], text[], jsonb[], text[], boolean
) is
'Private. Records rows of a table as they are, and how far the snapshot has come. Returns how many
rows it has recorded by now.
Errors: as chronicle.consented_options.';

revoke execute on function chronicle.record_snapshot_rows(
    regclass, text[], text[], jsonb[], text[], boolean
) from public;
grant execute on function chronicle.record_snapshot_rows(
    regclass, text[], text[], jsonb[], text[], boolean
) to chronicle_admin;
alter function chronicle.record_snapshot_rows(
    regclass, text[], text[], jsonb[], text[], boolean
) owner to chronicle_writer;
