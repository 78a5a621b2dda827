-- Runs as its caller, the table's owner, who alone may read and lock its rows.
create or replace function chronicle.snapshot_table(
    _table regclass, _batch_size integer default null
)
returns table (rows_recorded bigint, rows_total bigint, is_complete boolean)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set lc_monetary = 'C'
set extra_float_digits = 1
set quote_all_identifiers = off
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_options chronicle.table_registry;
    v_operators text[];
    v_last_key text[];
    v_size integer;
    v_rows record;
begin
    perform chronicle.check_can_be_read_whole(_table, v_table_id, _batch_size);
    -- One snapshot of a table at a time; a second call goes on where the first ends. Neither
    -- readers nor writers wait for this lock.
    execute format('lock table %s in share update exclusive mode', _table);
    select r.* into strict v_options
    from chronicle.table_registry as r
    where r.table_id = v_table_id;
    v_operators := chronicle.key_order(_table, v_options.key_columns);
    select s.last_key into v_last_key
    from chronicle.snapshots as s
    where s.table_id = v_table_id and s.ended_at is null;

    execute format('grant trigger on %s to chronicle_writer', _table);
    rows_recorded := 0;
    is_complete := false;
    while not is_complete and rows_recorded < coalesce(_batch_size, 9223372036854775807) loop
        v_size := least(1000, _batch_size - rows_recorded);
        execute format(
            'select array_agg(r.key) as keys, array_agg(r.organization) as organizations, '
            'array_agg(r.image) as images, count(*) as rows, '
            '(array_agg(to_jsonb(r.key_values)))[count(*)] as last_key from (%s) as r',
            chronicle.snapshot_query(_table, v_options, v_operators, v_last_key)
        )
        into v_rows
        using v_size;
        v_last_key := coalesce(
            array(select k.value from jsonb_array_elements_text(v_rows.last_key) as k (value)),
            v_last_key
        );
        is_complete := v_operators is null or v_rows.rows < v_size;
        rows_total := chronicle.record_snapshot_rows(
            _table, coalesce(v_rows.keys, '{}'), coalesce(v_rows.organizations, '{}'),
            coalesce(v_rows.images, '{}'), nullif(v_last_key, '{}'), is_complete
        );
        rows_recorded := rows_recorded + v_rows.rows;
    end loop;
    execute format('revoke trigger on %s from chronicle_writer', _table);
    return next;
end
$$;

comment on function chronicle.snapshot_table(regclass, integer) is
'Records every row that a tracked table holds as an event of origin snapshot: the baseline of a
table that was in use before it was tracked. Rows are locked against writers until the caller
commits. The beginning and the end are events as well. The caller must own the table and have
chronicle_admin.
_batch_size: how many rows to record in this call, in the order of the key; commit, and call again
until is_complete; by default all. What was committed is not done again. Without an index on the
key, all rows are done in one call.
rows_recorded: by this call; rows_total: by the snapshot so far.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table, or when row-level
security hides rows from the caller; 42809 for a partition; 22023 for a batch size below 1.';

revoke execute on function chronicle.snapshot_table(regclass, integer) from public;
grant execute on function chronicle.snapshot_table(regclass, integer) to chronicle_admin;
