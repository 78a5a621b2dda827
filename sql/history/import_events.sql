-- Runs as its caller, and so does the query.
create or replace function chronicle.import_events(
    _source text, _query text, _batch_size integer default null
)
returns table (events_imported bigint, events_total bigint, is_complete boolean)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
declare
    v_last_id text;
    v_size integer;
    v_batch record;
    v_done record;
begin
    _query := rtrim(_query, E'; \t\n\r');
    perform chronicle.check_import(_source, _query, _batch_size);
    v_last_id := chronicle.begin_import(_source);

    events_imported := 0;
    is_complete := false;
    while not is_complete and (_batch_size is null or _batch_size > 0) loop
        v_size := least(1000, _batch_size);
        execute format(
            E'select coalesce(jsonb_agg(to_jsonb(s)), ''[]'') as events, count(*) as rows, '
            '(array_agg(format(''%%s'', s.source_id)))[count(*)] as last_id '
            'from (select q.* from (%s\n) as q %s order by q.source_id limit %s) as s',
            _query,
            case when v_last_id is not null then format('where q.source_id > %L', v_last_id) end,
            v_size
        )
        into v_batch;
        v_last_id := coalesce(v_batch.last_id, v_last_id);
        is_complete := v_batch.rows < v_size;
        _batch_size := _batch_size - v_batch.rows;
        select * into v_done
        from chronicle.record_imported_events(_source, v_batch.events, v_batch.last_id);
        events_imported := events_imported + v_done.events_imported;
        events_total := v_done.events_total;
    end loop;
    return next;
end
$$;

comment on function chronicle.import_events(text, text, integer) is
'Records events of an older audit table, with origin imported and their original times. An event of
the same source and source_id is recorded once, however often it is imported; a later call goes on
after the last source_id. The query runs with the caller''s rights, who needs chronicle_admin; each
call is an event as well.
_source: a name of yours for where they come from, for example audit_logs. _query: a SELECT with a
column source_id, in whose order it goes, and columns named as in chronicle.imported_event;
occurred_at, actor_type, action_type and resource_type are required. Tables in it need their schema:
the path is pg_catalog. _batch_size: how many rows to look at in this call; commit, and call again
until is_complete; by default all.
events_imported: by this call; events_total: from this source so far.
Errors: 42703 for an unknown column; 22004 for a missing value; 22023 for a wrong one; 22P02 for an
unknown label; 42939 for a reserved name; 54000 for too long an id.';

revoke execute on function chronicle.import_events(text, text, integer) from public;
grant execute on function chronicle.import_events(text, text, integer) to chronicle_admin;
