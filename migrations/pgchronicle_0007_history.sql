-- Reading the log back.
-- depends: pgchronicle_0006_capture

set local role chronicle_owner;

grant create on schema chronicle to chronicle_reader, chronicle_sealer, chronicle_writer;

-- Belongs to chronicle_reader, whom the reading policies are for: so a reader sees through it the
-- rows that the table would show, on version 14 too, which has no security_invoker.
-- The names are found once, not for each event.
create view chronicle.row_changes as
with names as materialized (
    select * from chronicle.table_names
)

select
    e.event_id,
    e.seq,
    e.occurred_at,
    e.transaction_id,
    e.table_id,
    n.schema_name,
    n.table_name,
    e.resource_id as record_id,
    case
        when e.action = e.resource_type || '.truncate' then 'TRUNCATE'
        when e.action_type = 'create' then 'INSERT'
        when e.action_type = 'update' then 'UPDATE'
        when e.action_type = 'delete' then 'DELETE'
    end as action,
    e.details_before as old_values,
    e.details_after as new_values,
    e.changed_columns,
    e.organization_id,
    e.actor_type,
    e.actor_id,
    e.db_user,
    e.context_state,
    e.request_id,
    e.ip_address,
    e.reason,
    e.payload_error
from chronicle.events as e
inner join names as n on n.table_id = e.table_id
where e.origin = 'captured';

comment on view chronicle.row_changes is
'Captured events in the classic shape. On updates old_values and new_values hold the columns that
changed. Order the changes of a record by seq.';
comment on column chronicle.row_changes.event_id is
'As in chronicle.events.';
comment on column chronicle.row_changes.seq is
'Orders the changes of a record.';
comment on column chronicle.row_changes.occurred_at is
'When the change was made.';
comment on column chronicle.row_changes.transaction_id is
'The transaction that made it.';
comment on column chronicle.row_changes.table_id is
'As in chronicle.tracked_tables.';
comment on column chronicle.row_changes.schema_name is
'Schema of the table today.';
comment on column chronicle.row_changes.table_name is
'Name of the table today.';
comment on column chronicle.row_changes.record_id is
'The primary key as text; null for a table without one, and for a truncate.';
comment on column chronicle.row_changes.action is
'INSERT, UPDATE, DELETE or TRUNCATE.';
comment on column chronicle.row_changes.old_values is
'The row, or what changed of it, before; null for an insert.';
comment on column chronicle.row_changes.new_values is
'The row, or what changed of it, after; null for a delete.';
comment on column chronicle.row_changes.changed_columns is
'What an update changed.';
comment on column chronicle.row_changes.organization_id is
'The tenant.';
comment on column chronicle.row_changes.actor_type is
'What kind of actor.';
comment on column chronicle.row_changes.actor_id is
'Who; see context_state for how far to believe it.';
comment on column chronicle.row_changes.db_user is
'The role that logged in.';
comment on column chronicle.row_changes.context_state is
'Where "who" comes from: verified, asserted, absent or malformed.';
comment on column chronicle.row_changes.request_id is
'The request that caused it.';
comment on column chronicle.row_changes.ip_address is
'Where the request came from.';
comment on column chronicle.row_changes.reason is
'Why, as the actor said.';
comment on column chronicle.row_changes.payload_error is
'Why values are missing or told as text although the change was recorded.';

revoke all on chronicle.row_changes from public;
alter view chronicle.row_changes owner to chronicle_reader;

-- Belongs to chronicle_reader for the reason given at chronicle.row_changes.
create view chronicle.row_events as
select
    e.event_id,
    e.seq,
    e.occurred_at,
    e.transaction_id,
    e.epoch,
    e.origin,
    e.table_id,
    e.resource_id as record_id,
    case
        when e.origin = 'snapshot' then 'SNAPSHOT'
        when e.action = e.resource_type || '.truncate' then 'TRUNCATE'
        when e.action_type = 'create' then 'INSERT'
        when e.action_type = 'update' then 'UPDATE'
        when e.action_type = 'delete' then 'DELETE'
    end as action,
    case
        when e.action_type <> 'create' and e.related_resources -> 0 ->> 'relation' = 'previous_key'
            then e.related_resources -> 0 ->> 'resource_id'
        when e.action_type <> 'create' then e.resource_id
    end as key_before,
    case when e.action_type <> 'delete' then e.resource_id end as key_after,
    e.details_before,
    e.details_after,
    e.changed_columns,
    coalesce(e.payload_error ~ '^.....: the table has changed since it was tracked', false)
        as is_drifted,
    e.action_meta -> 'columns' as columns,
    e.payload_error,
    e.organization_id,
    e.actor_type,
    e.actor_id,
    e.db_user,
    e.context_state,
    e.request_id,
    e.reason,
    e.parent_event_id
from chronicle.events as e
where e.origin in ('captured', 'snapshot') and e.table_id is not null;

comment on view chronicle.row_events is
'Private. What was recorded of rows of tracked tables: the key that the row had before and after,
one of them null for a row that came or went.';
comment on column chronicle.row_events.event_id is
'As in chronicle.events, and so are all that are not named otherwise.';
comment on column chronicle.row_events.seq is
'As in chronicle.events.';
comment on column chronicle.row_events.occurred_at is
'As in chronicle.events.';
comment on column chronicle.row_events.transaction_id is
'As in chronicle.events.';
comment on column chronicle.row_events.epoch is
'As in chronicle.events.';
comment on column chronicle.row_events.origin is
'captured or snapshot.';
comment on column chronicle.row_events.table_id is
'As in chronicle.events.';
comment on column chronicle.row_events.record_id is
'resource_id: the key after, or of a row that went the key before.';
comment on column chronicle.row_events.action is
'INSERT, UPDATE, DELETE, TRUNCATE or SNAPSHOT.';
comment on column chronicle.row_events.key_before is
'resource_id of the row before; null for an insert.';
comment on column chronicle.row_events.key_after is
'resource_id of the row after; null for a delete.';
comment on column chronicle.row_events.details_before is
'As in chronicle.events.';
comment on column chronicle.row_events.details_after is
'As in chronicle.events.';
comment on column chronicle.row_events.changed_columns is
'As in chronicle.events.';
comment on column chronicle.row_events.is_drifted is
'Whether the table had other columns than those known to its capture function.';
comment on column chronicle.row_events.columns is
'Of a drifted row, the attribute numbers and types of its columns by name.';
comment on column chronicle.row_events.payload_error is
'As in chronicle.events.';
comment on column chronicle.row_events.organization_id is
'As in chronicle.events.';
comment on column chronicle.row_events.actor_type is
'As in chronicle.events.';
comment on column chronicle.row_events.actor_id is
'As in chronicle.events.';
comment on column chronicle.row_events.db_user is
'As in chronicle.events.';
comment on column chronicle.row_events.context_state is
'As in chronicle.events.';
comment on column chronicle.row_events.request_id is
'As in chronicle.events.';
comment on column chronicle.row_events.reason is
'As in chronicle.events.';
comment on column chronicle.row_events.parent_event_id is
'As in chronicle.events.';

revoke all on chronicle.row_events from public;
alter view chronicle.row_events owner to chronicle_reader;

create or replace aggregate chronicle.merge_images (_image jsonb)(
    sfunc = pg_catalog.jsonb_concat,
    stype = jsonb
);

comment on aggregate chronicle.merge_images (jsonb) is
'Private. One image of several: of a column that is in more than one, the last value.';

revoke execute on function chronicle.merge_images(jsonb) from public;
grant execute on function chronicle.merge_images(jsonb) to chronicle_reader;

-- The periods of a table, and after them the present, if its columns are others by now.
create or replace function chronicle.column_periods(_table_id integer)
returns setof chronicle.tracking_periods
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period chronicle.tracking_periods;
    v_last chronicle.tracking_periods;
begin
    for v_last in
        select p.* from chronicle.tracking_periods as p where p.table_id = _table_id
        order by p.from_seq
    loop
        return next v_last;
    end loop;

    v_period := v_last;
    select
        array_agg(c.column_name order by c.column_number),
        array_agg(c.column_type order by c.column_number),
        array_agg(c.column_number order by c.column_number),
        -- What is new has no number yet; any that no other column has will do.
        array_agg(coalesce(c.column_id, -c.column_number) order by c.column_number),
        array_agg(c.column_name order by c.column_number) filter (
            where not c.is_virtual and c.column_name <> all(o.excluded_columns)
        )
    into
        v_period.column_names, v_period.column_types, v_period.column_numbers,
        v_period.column_ids, v_period.recorded_columns
    from chronicle.identified_columns(chronicle.tracked_relation(_table_id), v_last) as c
    cross join chronicle.present_options(_table_id) as o;
    if v_period.column_names <> v_last.column_names
        or v_period.column_types <> v_last.column_types
    then
        v_period.from_seq := 9223372036854775807;
        v_period.until_seq := null;
        v_period.ended_at := null;
        v_period.began_at := now();
        v_period.is_continuation := true;
        return next v_period;
    end if;
end
$$;

comment on function chronicle.column_periods(integer) is
'Private. chronicle.tracking_periods of a table in their order, and the present as one more period
while the table has changed since the last.';

revoke execute on function chronicle.column_periods(integer) from public;
grant execute on function chronicle.column_periods(integer) to chronicle_reader;

create or replace function chronicle.translate_image(
    _image jsonb, _from chronicle.tracking_periods, _to chronicle.tracking_periods
)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _image is null or _from.from_seq = _to.from_seq then _image
        else (
            select coalesce(jsonb_object_agg(t.column_name, _image -> f.column_name), '{}')
            from unnest(_from.column_names, _from.column_ids) as f (column_name, column_id)
            inner join unnest(_to.column_names, _to.column_ids) as t (column_name, column_id)
                on t.column_id = f.column_id
            where _image ? f.column_name::text
        )
    end
$$;

comment on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) is
'Private. An image under the column names of another period, without the columns that it has not.';

revoke execute on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) from public;
grant execute on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) to chronicle_reader;

create or replace function chronicle.without_retyped(
    _image jsonb, _from chronicle.tracking_periods, _to chronicle.tracking_periods
)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _from.column_types = _to.column_types then _image
        else _image - array(
            select f.column_name::text
            from unnest(_from.column_names, _from.column_types, _from.column_ids)
                as f (column_name, column_type, column_id)
            inner join unnest(_to.column_types, _to.column_ids) as t (column_type, column_id)
                on t.column_id = f.column_id
            where t.column_type <> f.column_type
        )
    end
$$;

comment on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) is
'Private. An image without the columns whose type is another in the other period.';

revoke execute on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) from public;
grant execute on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) to chronicle_reader;

create or replace function chronicle.without_changed(_image jsonb, _changed_columns text[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case when _changed_columns is not null then _image - _changed_columns else '{}' end
$$;

comment on function chronicle.without_changed(jsonb, text[]) is
'Private. What an image still tells across a change whose values were not recorded.
_changed_columns: null when not even those are known.';

revoke execute on function chronicle.without_changed(jsonb, text[]) from public;
grant execute on function chronicle.without_changed(jsonb, text[]) to chronicle_reader;

-- The image of a drifted row holds every value as text. Here it becomes what capture would have
-- made of it, as far as types are built in. What a user's type is stays text there too.
create or replace function chronicle.typed_image(
    _image jsonb, _period chronicle.tracking_periods
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
declare
    v_image jsonb := _image;
    v_column record;
    v_text text;
begin
    for v_column in
        select c.name, regexp_replace(c.type, '[(].*[)]', '') as type
        from unnest(_period.column_names, _period.column_types) as c (name, type)
        where jsonb_typeof(_image -> c.name) = 'string'
    loop
        v_text := _image ->> v_column.name;
        begin
            v_image := jsonb_set(
                v_image,
                array[v_column.name],
                case
                    when v_text = '[masked]' then to_jsonb(v_text)
                    when v_column.type in (
                        'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision'
                    ) and v_text <> '-0' and v_text !~ '[[:alpha:]]{3}'
                        then v_text::jsonb
                    when v_column.type = 'boolean' then to_jsonb(v_text::boolean)
                    when v_column.type = 'timestamp with time zone'
                        then to_jsonb(v_text::timestamptz)
                    when v_column.type = 'timestamp without time zone'
                        then to_jsonb(v_text::timestamp)
                    when v_column.type = 'jsonb'
                        and jsonb_typeof(v_text::jsonb) not in ('string', 'null')
                        then v_text::jsonb
                    when v_column.type = 'json'
                        and jsonb_typeof(v_text::jsonb) not in ('string', 'null')
                        and strpos(v_text, chr(92) || 'u') = 0
                        and v_text::jsonb::text = v_text
                        then v_text::jsonb
                    when v_column.type in ('smallint[]', 'integer[]', 'bigint[]', 'numeric[]')
                        and v_text !~ '[[]'
                        then to_jsonb(v_text::numeric[])
                    when v_column.type in ('text[]', 'character varying[]', 'uuid[]', 'date[]')
                        and v_text !~ '^[[]'
                        then to_jsonb(v_text::text[])
                    else to_jsonb(v_text)
                end
            );
        exception when data_exception then
            null;
        end;
    end loop;
    return v_image;
end
$$;

comment on function chronicle.typed_image(jsonb, chronicle.tracking_periods) is
'Private. The image of a drifted row with its values typed as far as that can be told.
_period: whose column names the image has.';

revoke execute on function chronicle.typed_image(jsonb, chronicle.tracking_periods) from public;
grant execute on function chronicle.typed_image(jsonb, chronicle.tracking_periods)
to chronicle_reader;

create or replace function chronicle.is_interrupted(
    _periods chronicle.tracking_periods[], _from_seq bigint, _to_seq bigint
)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from unnest(_periods) as p
        where p.until_seq > _from_seq and p.until_seq <= _to_seq
            or not p.is_continuation and p.from_seq > _from_seq and p.from_seq <= _to_seq
    )
$$;

comment on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint) is
'Private. Whether changes may have been missed between two events.';

revoke execute on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint)
from public;
grant execute on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint)
to chronicle_reader;

-- A drifted event has the columns of its moment, by number. Which they are is told by the period in
-- which it was recorded, and for those that were new then, by the one that followed.
create or replace function chronicle.period_of_event(
    _periods chronicle.tracking_periods[], _seq bigint, _columns jsonb
)
returns chronicle.tracking_periods
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_place constant integer := greatest(
        1, (select count(*) from unnest(_periods) as p where p.from_seq <= _seq)
    );
    v_period chronicle.tracking_periods := _periods[v_place];
    v_next constant chronicle.tracking_periods := _periods[v_place + 1];
begin
    if _columns is null then
        return v_period;
    end if;
    select
        coalesce(array_agg(c.name), '{}'),
        coalesce(array_agg(coalesce(k.column_id, n.column_id, -c.number)), '{}'),
        coalesce(array_agg(c.type), '{}')
    into v_period.column_names, v_period.column_ids, v_period.column_types
    from (
        select e.key::name as name, (e.value ->> 0)::integer as number, e.value ->> 1 as type
        from jsonb_each(_columns) as e (key, value)
    ) as c
    left join unnest(v_period.column_numbers, v_period.column_ids) as k (column_number, column_id)
        on k.column_number = c.number
    left join unnest(v_next.column_numbers, v_next.column_ids) as n (column_number, column_id)
        on n.column_number = c.number and k.column_id is null;
    v_period.recorded_columns := v_period.column_names;
    v_period.from_seq := _seq;
    return v_period;
end
$$;

comment on function chronicle.period_of_event(chronicle.tracking_periods[], bigint, jsonb) is
'Private. The columns that an event knows, as a period. _columns: of a drifted event, its columns
with their numbers and types; null for any other.
_periods: as chronicle.column_periods gives them.';

revoke execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, jsonb
) from public;
grant execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, jsonb
) to chronicle_reader;

create or replace function chronicle.present_image(
    _image jsonb, _seq bigint, _columns jsonb, _periods chronicle.tracking_periods[]
)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.translate_image(
        case when _columns is not null then chronicle.typed_image(_image, e.period) else _image end,
        e.period,
        _periods[cardinality(_periods)]
    )
    from (
        select chronicle.period_of_event(_periods, _seq, _columns) as period
    ) as e
$$;

comment on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) is
'Private. An image of an event under the present names of the table''s columns.
_periods: as chronicle.column_periods gives them.';

revoke execute on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) from public;
grant execute on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) to chronicle_reader;

-- Runs as the sealer, who reads every event, for those who may as well: row-level security lets no
-- index on an expression be used, even where it hides nothing.
create or replace function chronicle.departures(_table_id integer, _record_id text)
returns table (event_id uuid, occurred_at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select e.event_id, e.occurred_at
    from chronicle.events as e
    where e.table_id = _table_id
        and e.related_resources is not null
        and e.related_resources -> 0 ->> 'resource_id' = _record_id
        and e.related_resources -> 0 ->> 'relation' = 'previous_key'
        and e.origin = 'captured'
$$;

comment on function chronicle.departures(integer, text) is
'Private. The captured updates that gave a record another key. _record_id: the key before.';

revoke execute on function chronicle.departures(integer, text) from public;
grant execute on function chronicle.departures(integer, text) to chronicle_auditor;
alter function chronicle.departures(integer, text) owner to chronicle_sealer;

-- Runs as the sealer, who reads every event, and tells yes or no: without the index that serves it,
-- a reader would look for such an event among all that they see.
create or replace function chronicle.has_departures(_table_id integer, _record_id text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.events as e
        where e.table_id = _table_id
            and e.related_resources is not null
            and e.related_resources -> 0 ->> 'resource_id' = _record_id
    )
$$;

comment on function chronicle.has_departures(integer, text) is
'Private. Whether a change of a table gave a record another key than this one.';

revoke execute on function chronicle.has_departures(integer, text) from public;
grant execute on function chronicle.has_departures(integer, text) to chronicle_reader;
alter function chronicle.has_departures(integer, text) owner to chronicle_sealer;

-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_record_events_hidden(
    _table_id integer, _record_id text, _organizations text[], _sees_system boolean
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.events as e
        where (
            e.resource_id = _record_id
            or e.related_resources is not null
            and e.related_resources -> 0 ->> 'resource_id' = _record_id
            and e.related_resources -> 0 ->> 'relation' = 'previous_key'
        )
            and e.table_id = _table_id
            and e.origin in ('captured', 'snapshot')
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_record_events_hidden(integer, text, text[], boolean) is
'Private. Whether events of a record are of other organizations than these, or system-wide and
these are not seen. Of changes that gave it this key, or took it.';

revoke execute on function chronicle.are_record_events_hidden(integer, text, text[], boolean)
from public;
grant execute on function chronicle.are_record_events_hidden(integer, text, text[], boolean)
to chronicle_reader;
alter function chronicle.are_record_events_hidden(integer, text, text[], boolean)
owner to chronicle_sealer;

-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_table_events_hidden(
    _table_id integer, _after timestamptz, _organizations text[], _sees_system boolean
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.events as e
        where e.table_id = _table_id
            and e.occurred_at > _after
            and e.origin = 'captured'
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean) is
'Private. Whether changes of a table after a time are of other organizations than these, or
system-wide and these are not seen.';

revoke execute on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
from public;
grant execute on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
to chronicle_reader;
alter function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
owner to chronicle_sealer;

create or replace function chronicle.refuse_hidden_events(_what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'some events of % are hidden from "%"', _what, current_user
        using errcode = 'insufficient_privilege',
            detail = 'They concern organizations that this role does not administer; '
                'without them the answer would be wrong.',
            hint = 'Ask as a role that administers all of them, or as a chronicle_auditor.';
end
$$;

comment on function chronicle.refuse_hidden_events(text) is
'Private. Raises 42501: row-level security hides events that are needed. _what: whose.';

revoke execute on function chronicle.refuse_hidden_events(text) from public;
grant execute on function chronicle.refuse_hidden_events(text) to chronicle_reader;

-- Returns a type only so that a query can call it where a row would stand.
create or replace function chronicle.refuse_incomplete(_table regclass, _why text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'the history of % is incomplete', _table
        using errcode = 'ZC007',
            detail = _why,
            hint = 'Ask for a later time, or read what was recorded: '
                'chronicle.record_history, chronicle.row_changes.';
end
$$;

comment on function chronicle.refuse_incomplete(regclass, text) is
'Private. Raises ZC007: what is asked for can not be known. _why: a sentence.';

revoke execute on function chronicle.refuse_incomplete(regclass, text) from public;
grant execute on function chronicle.refuse_incomplete(regclass, text) to chronicle_reader;

create or replace function chronicle.table_with_history(_table regclass)
returns integer
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.known_table_id(_table);
begin
    if v_table_id is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    if chronicle.tracked_relation(v_table_id) <> _table then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                hint = format(
                    'Its rows have their history under %s.',
                    chronicle.tracked_relation(v_table_id)::regclass
                );
    end if;
    if exists (
        select
        from chronicle.table_registry as r
        where r.table_id = v_table_id and r.key_columns = '{}'
    ) then
        raise exception '% has no key', _table
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'Nothing tells which of its rows an event concerns.',
                hint = 'Give it a primary key, or name columns that identify a row: '
                    'chronicle.enable_tracking(..., _key_columns => ''{...}''). '
                    'chronicle.row_changes has what was recorded.';
    end if;
    if not has_table_privilege(_table, 'SELECT') then
        raise exception 'permission denied for table %', _table
            using errcode = 'insufficient_privilege',
                hint = 'Who asks for the history of a table needs SELECT on it.';
    end if;
    if row_security_active(_table) then
        raise exception 'row-level security of % hides rows from "%"', _table, current_user
            using errcode = 'insufficient_privilege',
                detail = 'A row that is hidden could not be told from one that was deleted.',
                hint = 'Ask as a role that sees every row of the table: its owner, '
                    'unless row-level security is forced, or one with BYPASSRLS.';
    end if;
    return v_table_id;
end
$$;

comment on function chronicle.table_with_history(regclass) is
'Private. The table_id of a table whose records have a history that the caller may ask for.
Errors: ZC005 for a table that never was tracked; 42809 for a partition; 55000 for one without a
key; 42501 without SELECT on the
table, and where its own row-level security applies to the caller.';

revoke execute on function chronicle.table_with_history(regclass) from public;
grant execute on function chronicle.table_with_history(regclass) to chronicle_reader;

create or replace function chronicle.canonical_key(_table_id integer, _record_id text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if _record_id is null then
        raise exception 'a record needs its key'
            using errcode = 'null_value_not_allowed',
                hint = 'Pass it as text; a composite key as a JSON object of its columns.';
    end if;
    if _record_id ~ '^[[:space:]]*[{]' and exists (
        select
        from chronicle.table_registry as r
        where r.table_id = _table_id and cardinality(r.key_columns) > 1
    ) then
        return chronicle.fitted_id((
            select jsonb_object_agg(k.key, k.value)::text
            from jsonb_each_text(_record_id::jsonb) as k (key, value)
        ));
    end if;
    return chronicle.fitted_id(_record_id);
exception when invalid_text_representation then
    raise exception 'the key is no JSON object: %', _record_id
        using errcode = 'invalid_parameter_value',
            detail = sqlerrm,
            hint = 'A composite key is a JSON object of its columns, '
                'for example {"region": "eu", "id": "7"}.';
end
$$;

comment on function chronicle.canonical_key(integer, text) is
'Private. A key as events hold it, however its JSON was written.
Errors: 22004 for null; 22023 for a composite key that is no JSON.';

revoke execute on function chronicle.canonical_key(integer, text) from public;
grant execute on function chronicle.canonical_key(integer, text) to chronicle_reader;

-- The same expressions by which rows are captured, so that what stands in the table can be compared
-- with what was recorded of it.
create or replace function chronicle.live_row_query(_table regclass, _table_id integer)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select chronicle.fitted_id(%s) as record_id, %s as image from %s %s as old',
        chronicle.key_expression('old', _table, o.key_columns),
        chronicle.object_expression(c.names, c.expressions),
        case k.relkind when 'r' then 'only' end,
        _table
    )
    from chronicle.present_options(_table_id) as o
    inner join pg_catalog.pg_class as k on k.oid = _table
    cross join lateral (
        select
            array_agg(a.column_name order by a.place) as names,
            array_agg(a.old_value order by a.place) as expressions
        from chronicle.capture_columns(_table, o.masked_columns) as a
        where a.column_name <> all(o.excluded_columns)
    ) as c
$$;

comment on function chronicle.live_row_query(regclass, integer) is
'Private. The text of a query that gives record_id and image of the rows of a table.';

revoke execute on function chronicle.live_row_query(regclass, integer) from public;
grant execute on function chronicle.live_row_query(regclass, integer) to chronicle_reader;

-- The columns of the key are compared in their types, so that an index serves, and as text, since
-- '01' is no name of 1. A key that is known by its digest is looked for row by row.
create or replace function chronicle.record_condition(
    _table regclass, _table_id integer, _record_id text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key constant name[] := (select o.key_columns from chronicle.present_options(_table_id) as o);
    v_exactly constant text := format(
        'chronicle.fitted_id(%s) = %L', chronicle.key_expression('old', _table, v_key), _record_id
    );
    v_values jsonb;
begin
    if _record_id ~ '^sha256:' then
        return v_exactly;
    elsif cardinality(v_key) = 1 then
        v_values := jsonb_build_object(v_key[1], _record_id);
    else
        v_values := _record_id::jsonb;
    end if;
    return concat(
        (
            select string_agg(
                case
                    when v_values ->> k.name is null then format('old.%I is null', k.name)
                    else format(
                        'old.%I = %L::%s', k.name, v_values ->> k.name, c.base_type::regtype
                    )
                end || ' and ',
                ''
            )
            from unnest(v_key) as k (name)
            -- With a type that a user has made, "=" might run a function of theirs.
            inner join chronicle.capture_columns(_table, '{}') as c
                on c.column_name = k.name and not c.is_user_type and not c.is_array
        ),
        v_exactly
    );
end
$$;

comment on function chronicle.record_condition(regclass, integer, text) is
'Private. The text of a condition that finds the row old by its resource_id.';

revoke execute on function chronicle.record_condition(regclass, integer, text) from public;
grant execute on function chronicle.record_condition(regclass, integer, text)
to chronicle_reader;

-- Runs as its caller, who needs SELECT on the table.
create or replace function chronicle.live_image(
    _table regclass, _table_id integer, _record_id text
)
returns jsonb
language plpgsql
stable
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
    v_images jsonb[];
begin
    execute format(
        'select array_agg(r.image) from (%s where %s) as r',
        chronicle.live_row_query(_table, _table_id),
        chronicle.record_condition(_table, _table_id, _record_id)
    )
    into v_images;
    if cardinality(v_images) > 1 then
        raise exception '% rows of % have the key %', cardinality(v_images), _table, _record_id
            using errcode = 'cardinality_violation',
                detail = 'The columns that were named as the key do not tell rows apart.',
                hint = 'chronicle.row_changes has what was recorded of all of them.';
    end if;
    return v_images[1];
exception
    -- Not a value of the key's type: there is no such row.
    when invalid_text_representation or datetime_field_overflow or invalid_datetime_format
        or numeric_value_out_of_range then
        return null;
end
$$;

comment on function chronicle.live_image(regclass, integer, text) is
'Private. What stands in a table under a key, as capture would record it; null for no row.
Errors: 42501 without SELECT on the table; 21000 when several rows have the key.';

revoke execute on function chronicle.live_image(regclass, integer, text) from public;
grant execute on function chronicle.live_image(regclass, integer, text) to chronicle_reader;

-- While a deferrable key is not looked at, two rows may have the same one, and events that name
-- rows by their key do not tell them apart.
create or replace function chronicle.check_key_is_immediate(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from pg_catalog.pg_index as i
        where i.indrelid = _table and i.indisprimary and not i.indimmediate
    ) then
        perform chronicle.refuse_incomplete(
            _table,
            'Keys of records were changed, and its primary key is deferrable: records may have '
            'changed places.'
        );
    end if;
end
$$;

comment on function chronicle.check_key_is_immediate(regclass) is
'Private. Raises ZC007 for a table with a deferrable primary key.';

revoke execute on function chronicle.check_key_is_immediate(regclass) from public;
grant execute on function chronicle.check_key_is_immediate(regclass) to chronicle_reader;

create or replace function chronicle.record_events(_table_id integer, _record_id text)
returns setof chronicle.row_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_auditor constant boolean := chronicle.is_auditor();
    v_organizations constant text[] := case
        when not v_is_auditor then chronicle.administered_organizations()
    end;
begin
    if not v_is_auditor and chronicle.are_record_events_hidden(
        _table_id, _record_id, v_organizations, chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(format('record %s', _record_id));
    end if;
    return query
    select e.*
    from chronicle.row_events as e
    where e.record_id = _record_id and e.table_id = _table_id;

    -- The record may have left this key for another.
    if v_is_auditor then
        return query
        select e.*
        from chronicle.departures(_table_id, _record_id) as d
        inner join chronicle.row_events as e
            on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where e.record_id <> _record_id;
    elsif chronicle.has_departures(_table_id, _record_id) then
        return query
        select e.*
        from chronicle.row_events as e
        where e.table_id = _table_id
            and e.key_before = _record_id
            and e.record_id <> _record_id
            and (e.organization_id = any(v_organizations) or e.organization_id is null);
    end if;
end
$$;

comment on function chronicle.record_events(integer, text) is
'Private. The events by which a row had, got or lost this key, in the order of seq.
Errors: 42501 when row-level security hides one of them.';

revoke execute on function chronicle.record_events(integer, text) from public;
grant execute on function chronicle.record_events(integer, text) to chronicle_reader;

-- A key may have belonged to several rows, one after the other, and a row may have had several
-- keys. A line is the life of one row: it begins with an insert, or when tracking did, follows the
-- row through changes of its key, and ends with a delete.
create or replace function chronicle.record_lines(_table_id integer, _record_id text)
returns table (line integer, event chronicle.row_events)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_own chronicle.row_events;
    v_other chronicle.row_events;
    v_key text;
    v_seq bigint;
    v_is_open boolean := false;
    v_lines integer := 0;
    -- Rows that left and came back: the line, by the event that brings them.
    v_returns jsonb := '{}';
begin
    for v_own in
        select e.* from chronicle.record_events(_table_id, _record_id) as e order by e.seq
    loop
        if v_returns ? v_own.seq::text then
            line := v_returns ->> v_own.seq::text;
        elsif not v_is_open or v_own.key_before is distinct from _record_id then
            v_lines := v_lines + 1;
            line := v_lines;
        end if;

        -- It came under another key: what happened to it before, backwards.
        v_key := case
            when not v_returns ? v_own.seq::text then nullif(v_own.key_before, _record_id)
        end;
        v_seq := v_own.seq;
        while v_key is not null loop
            for v_other in
                select e.*
                from chronicle.record_events(_table_id, v_key) as e
                where e.seq < v_seq and e.key_after = v_key
                order by e.seq desc
            loop
                event := v_other;
                return next;
                v_seq := v_other.seq;
                exit when v_other.key_before is distinct from v_key;
            end loop;
            v_key := case
                when v_other.key_before is distinct from v_key and v_other.seq = v_seq
                    then v_other.key_before
            end;
        end loop;

        event := v_own;
        return next;
        v_is_open := v_own.key_after is not distinct from _record_id;

        -- It left for another key: what happened to it afterwards.
        v_key := nullif(v_own.key_after, _record_id);
        v_seq := v_own.seq;
        while v_key is not null loop
            v_other := null;
            for v_other in
                select e.*
                from chronicle.record_events(_table_id, v_key) as e
                where e.seq > v_seq
                order by e.seq
            loop
                -- Another row has got the key: this one's end was missed.
                exit when v_other.key_before is distinct from v_key;
                v_seq := v_other.seq;
                if v_other.key_after = _record_id then
                    v_returns := v_returns || jsonb_build_object(v_seq, line);
                    v_other := null;
                    exit;
                end if;
                event := v_other;
                return next;
                exit when v_other.key_after is distinct from v_key;
            end loop;
            v_key := case
                when v_other.seq = v_seq and v_other.key_after is distinct from v_key
                    then v_other.key_after
            end;
        end loop;
    end loop;
end
$$;

comment on function chronicle.record_lines(integer, text) is
'Private. The events of every row that ever had this key, with the number of the row; of its life
under other keys as well. Order the events of a line by seq.';

revoke execute on function chronicle.record_lines(integer, text) from public;
grant execute on function chronicle.record_lines(integer, text) to chronicle_reader;

create type chronicle.record_change as (
    event_id uuid,
    seq bigint,
    occurred_at timestamptz,
    transaction_id bigint,
    epoch integer,
    origin chronicle.event_origin,
    action text,
    record_id text,
    old_values jsonb,
    new_values jsonb,
    changed_columns text array,
    is_complete boolean,
    organization_id text,
    actor_type chronicle.actor_type,
    actor_id text,
    db_user text,
    context_state text,
    request_id text,
    reason text,
    parent_event_id uuid,
    payload_error text
);

comment on type chronicle.record_change is
'A change of a record with the whole row before and after it; see chronicle.record_history.';
comment on column chronicle.record_change.action is
'INSERT, UPDATE, DELETE, TRUNCATE or SNAPSHOT.';
comment on column chronicle.record_change.record_id is
'The key after the change, or of a row that went the key before.';
comment on column chronicle.record_change.old_values is
'The row before, under the names that its columns had then; null for an insert.';
comment on column chronicle.record_change.new_values is
'The row after; null for a delete.';
comment on column chronicle.record_change.is_complete is
'Whether every recorded column of both is known. Not so where tracking was interrupted or an event
has no values.';

-- The events of one row, each with the whole row before and after it. Backwards from the row as it
-- stands, or from its delete: that needs no beginning, and survives retention. Then forwards from
-- what was recorded whole, for what the present can not tell: columns that were dropped or given
-- another type since, and rows whose end was missed.
--
-- An event's names are those of its period; a drifted one has those of the period that followed.
create or replace function chronicle.rebuilt_line(
    _events chronicle.row_events[],
    _periods chronicle.tracking_periods[],
    _live jsonb
)
returns setof chronicle.record_change
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last constant integer := cardinality(_events);
    v_event chronicle.row_events;
    v_spans chronicle.tracking_periods[];
    v_given_before jsonb[];
    v_given_after jsonb[];
    v_before jsonb[];
    v_after jsonb[];
    v_state jsonb;
    v_span chronicle.tracking_periods := _periods[cardinality(_periods)];
    v_recorded text[];
    v_change chronicle.record_change;
begin
    for i in 1 .. v_last loop
        v_event := _events[i];
        v_spans[i] := chronicle.period_of_event(_periods, v_event.seq, v_event.columns);
        v_given_before[i] := v_event.details_before;
        v_given_after[i] := v_event.details_after;
        if v_event.payload_error is not null then
            v_given_before[i] := chronicle.typed_image(v_given_before[i], v_spans[i]);
            v_given_after[i] := chronicle.typed_image(v_given_after[i], v_spans[i]);
        end if;
    end loop;

    -- Backwards: v_state is the row after event i, as far as known.
    v_state := _live;
    for i in reverse v_last .. 1 loop
        v_event := _events[i];
        v_state := chronicle.translate_image(v_state, v_span, v_spans[i]);
        v_span := v_spans[i];
        -- Missed changes lie between the two.
        if i < v_last and chronicle.is_interrupted(_periods, v_event.seq, _events[i + 1].seq) then
            v_state := null;
        end if;
        if v_event.key_after is not null then
            v_after[i] := coalesce(v_state, '{}') || coalesce(v_given_after[i], '{}');
        end if;
        if v_event.action in ('INSERT', 'SNAPSHOT') then
            v_before[i] := case v_event.action when 'SNAPSHOT' then v_after[i] end;
        elsif v_event.key_after is null then
            v_before[i] := coalesce(v_given_before[i], '{}');
        elsif v_given_before[i] is not null then
            v_before[i] := v_after[i] || v_given_before[i];
        else
            v_before[i] := chronicle.without_changed(v_after[i], v_event.changed_columns);
        end if;
        -- All the columns that there were.
        if v_event.is_drifted then
            v_before[i] := v_given_before[i];
            v_after[i] := v_given_after[i];
        end if;
        v_state := v_before[i];
    end loop;

    -- Forwards: v_state is the row before event i, as far as known.
    v_state := null;
    for i in 1 .. v_last loop
        v_event := _events[i];
        if i > 1 then
            v_state := case
                when not chronicle.is_interrupted(_periods, _events[i - 1].seq, v_event.seq)
                    then chronicle.translate_image(
                        chronicle.without_retyped(
                            v_state, v_spans[i - 1], v_spans[i]
                        ),
                        v_spans[i - 1], v_spans[i]
                    )
            end;
        end if;
        if v_before[i] is not null and not v_event.is_drifted then
            v_before[i] := v_before[i] || coalesce(v_state, '{}')
                || coalesce(v_given_before[i], '{}');
        end if;
        v_state := v_before[i];
        if v_given_after[i] is null then
            v_state := chronicle.without_changed(v_state, v_event.changed_columns);
        end if;
        if v_after[i] is not null and not v_event.is_drifted then
            v_after[i] := v_after[i] || coalesce(v_state, '{}')
                || coalesce(v_given_after[i], '{}');
        end if;
        v_state := v_after[i];
    end loop;

    for i in 1 .. v_last loop
        v_event := _events[i];
        v_recorded := (v_spans[i]).recorded_columns;
        v_change.event_id := v_event.event_id;
        v_change.seq := v_event.seq;
        v_change.occurred_at := v_event.occurred_at;
        v_change.transaction_id := v_event.transaction_id;
        v_change.epoch := v_event.epoch;
        v_change.origin := v_event.origin;
        v_change.action := v_event.action;
        v_change.record_id := v_event.record_id;
        v_change.old_values := case when v_event.action <> 'SNAPSHOT' then v_before[i] end;
        v_change.new_values := v_after[i];
        v_change.changed_columns := v_event.changed_columns;
        v_change.is_complete := v_event.is_drifted
            and coalesce(v_event.details_before, v_event.details_after) is not null
            or coalesce(v_before[i] ?& v_recorded, true)
            and coalesce(v_after[i] ?& v_recorded, true);
        v_change.organization_id := v_event.organization_id;
        v_change.actor_type := v_event.actor_type;
        v_change.actor_id := v_event.actor_id;
        v_change.db_user := v_event.db_user;
        v_change.context_state := v_event.context_state;
        v_change.request_id := v_event.request_id;
        v_change.reason := v_event.reason;
        v_change.parent_event_id := v_event.parent_event_id;
        v_change.payload_error := v_event.payload_error;
        return next v_change;
    end loop;
end
$$;

comment on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) is
'Private. Events of one row, in their order, with the whole row before and after each.
_periods: as chronicle.column_periods gives them. _live: the row as it stands, under the names of
the last period; null when it is not known.';

revoke execute on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) from public;
grant execute on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) to chronicle_reader;

-- Runs as its caller: row-level security decides which events it sees, and the table's own rights
-- whether it may be read.
create or replace function chronicle.record_history(_table regclass, _record_id text)
returns setof chronicle.record_change
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.table_with_history(_table);
    v_record_id constant text := chronicle.canonical_key(v_table_id, _record_id);
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(v_table_id) as p order by p.from_seq
    );
    v_line record;
    v_last chronicle.row_events;
    v_live jsonb;
    v_changes chronicle.record_change[] := '{}';
begin
    if exists (
        select
        from chronicle.record_events(v_table_id, v_record_id) as e
        where e.key_before <> e.key_after
    ) then
        perform chronicle.check_key_is_immediate(_table);
    end if;
    for v_line in
        select
            array_agg(l.event order by (l.event).seq) as events,
            -- The later row to have a key is the one that may have it now.
            row_number() over (
                partition by (array_agg(l.event order by (l.event).seq desc))[1].key_after
                order by l.line desc
            ) = 1 as is_latest
        from chronicle.record_lines(v_table_id, v_record_id) as l
        group by l.line
        order by l.line
    loop
        v_last := v_line.events[cardinality(v_line.events)];
        v_live := null;
        if v_last.key_after is not null
            and v_line.is_latest
            and not chronicle.is_interrupted(v_periods, v_last.seq, 9223372036854775807)
        then
            v_live := chronicle.live_image(_table, v_table_id, v_last.key_after);
            -- What stands there is not what was recorded last: it can not be built upon.
            if not v_last.is_drifted
                and v_periods[cardinality(v_periods)].from_seq <= v_last.seq
                and v_live::text <> (v_live || v_last.details_after)::text
            then
                v_live := null;
            end if;
        end if;
        v_changes := v_changes || array(
            select r from chronicle.rebuilt_line(v_line.events, v_periods, v_live) as r
        );
    end loop;
    return query select c.* from unnest(v_changes) as c order by c.seq;
end
$$;

comment on function chronicle.record_history(regclass, text) is
'The changes of a record in the order of seq, each with the whole row before and after it, under the
names that its columns had then. Rebuilt backwards from the row as it stands, or from its delete, so
that it needs no beginning. A row''s life under other keys is part of it, and so is every row that
had the key before. Runs with the caller''s rights.
_record_id: the key as text; of a composite key a JSON object of its columns.
Errors: ZC005 for a table that never was tracked; 55000 for one without a key; 42501 without SELECT
on the table, where its own row-level security applies to the caller, or when events of the record
are hidden from the caller.';

revoke execute on function chronicle.record_history(regclass, text) from public;
grant execute on function chronicle.record_history(regclass, text) to chronicle_reader;

-- An erased change of a key does not tell any more which key it was; that it was one is still seen
-- by the columns that changed.
create or replace function chronicle.is_departure_erased(
    _table_id integer, _after_seq bigint, _until timestamptz
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.erasures as x
        inner join chronicle.events as e
            on e.event_id = x.event_id and e.occurred_at = x.occurred_at
        where e.table_id = _table_id
            and e.action_type = 'update'
            and e.seq > _after_seq
            and e.occurred_at <= _until
            and (
                e.changed_columns is null
                or exists (
                    select
                    from chronicle.tracking_periods as p
                    where p.table_id = _table_id and p.key_columns::text[] && e.changed_columns
                )
            )
    )
$$;

comment on function chronicle.is_departure_erased(integer, bigint, timestamptz) is
'Private. Whether an erased event may have given a row of the table another key.
_after_seq, _until: in between.';

revoke execute on function chronicle.is_departure_erased(integer, bigint, timestamptz)
from public;
grant execute on function chronicle.is_departure_erased(integer, bigint, timestamptz) to
chronicle_reader;
alter function chronicle.is_departure_erased(integer, bigint, timestamptz) owner to
chronicle_sealer;

create or replace function chronicle.check_time_is_known(
    _table regclass, _table_id integer, _at timestamptz
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_first timestamptz;
    v_interrupted timestamptz;
    v_partition text;
begin
    if _at is null then
        raise exception 'a time is needed'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: now() - interval ''1 hour''.';
    end if;
    select
        min(p.began_at),
        max(greatest(p.ended_at, case when not p.is_continuation then p.began_at end))
    into v_first, v_interrupted
    from chronicle.tracking_periods as p
    where p.table_id = _table_id;
    if _at < v_first then
        perform chronicle.refuse_incomplete(
            _table, format('It has been tracked since %s.', v_first)
        );
    end if;
    if _at < v_interrupted then
        perform chronicle.refuse_incomplete(
            _table,
            format(
                'Tracking was interrupted, or a truncate recorded without its rows, until %s.',
                v_interrupted
            )
        );
    end if;
    select l.name into v_partition
    from (
        select p.partitions
        from chronicle.tracking_periods as p
        where p.table_id = _table_id
        order by p.from_seq desc
        limit 1
    ) as p
    cross join lateral unnest(p.partitions) as l (name)
    where l.name <> all(chronicle.partition_names(_table))
    limit 1;
    if found then
        perform chronicle.refuse_incomplete(
            _table,
            format('Its partition %s was detached, dropped or renamed, with its rows.', v_partition)
        );
    end if;
end
$$;

comment on function chronicle.check_time_is_known(regclass, integer, timestamptz) is
'Private. Raises ZC007 for a time before tracking began, or before it was interrupted.';

revoke execute on function chronicle.check_time_is_known(regclass, integer, timestamptz)
from public;
grant execute on function chronicle.check_time_is_known(regclass, integer, timestamptz)
to chronicle_reader;

create or replace function chronicle.record_as_of(
    _table regclass, _record_id text, _at timestamptz
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.table_with_history(_table);
    v_record_id constant text := chronicle.canonical_key(v_table_id, _record_id);
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(v_table_id) as p order by p.from_seq
    );
    v_then chronicle.tracking_periods := (
        select p
        from unnest(v_periods) as p
        where p.began_at <= _at
        order by p.from_seq desc
        limit 1
    );
    v_change record;
    v_span chronicle.tracking_periods;
    v_image jsonb;
    v_earlier jsonb;
    v_is_there boolean := false;
    v_seq bigint := 0;
begin
    perform chronicle.check_time_is_known(_table, v_table_id, _at);
    for v_change in
        select h.*, e.key_before, e.key_after, e.columns
        from chronicle.record_history(_table, v_record_id) as h
        inner join chronicle.row_events as e
            on e.event_id = h.event_id and e.occurred_at = h.occurred_at
        where h.origin = 'captured' and v_record_id in (e.key_before, e.key_after)
        order by h.seq
    loop
        v_span := chronicle.period_of_event(v_periods, v_change.seq, v_change.columns);
        -- The first change after that time tells how things stood before it.
        if v_change.occurred_at > _at then
            if v_change.key_before is distinct from v_record_id
                and not (
                    (v_is_there or v_seq = 0)
                    and chronicle.is_departure_erased(v_table_id, v_seq, v_change.occurred_at)
                )
            then
                return null;
            elsif v_change.key_before is distinct from v_record_id then
                perform chronicle.refuse_incomplete(
                    _table, format('When record %s went is not known.', v_record_id)
                );
            elsif v_earlier is null and not v_change.is_complete then
                perform chronicle.refuse_incomplete(
                    _table,
                    format('Not every column of record %s is known at that time.', v_record_id)
                );
            end if;
            v_image := v_change.old_values;
            exit;
        end if;
        v_earlier := null;
        v_is_there := v_change.key_after is not distinct from v_record_id;
        v_seq := v_change.seq;
        if v_change.key_after = v_record_id and v_change.is_complete then
            -- It may have taken up columns before the log did.
            if v_span.from_seq > v_then.from_seq then
                v_then := v_span;
            end if;
            v_earlier := chronicle.translate_image(
                chronicle.without_retyped(v_change.new_values, v_span, v_then), v_span, v_then
            );
        end if;
        v_span := null;
    end loop;
    if v_image is null then
        v_image := chronicle.live_image(_table, v_table_id, v_record_id);
        v_span := v_periods[cardinality(v_periods)];
        if v_image is null
            and (
                v_is_there and v_earlier is null
                or v_is_there and chronicle.is_departure_erased(v_table_id, v_seq, _at)
                -- It may have been there before there were events.
                or v_seq = 0 and chronicle.is_departure_erased(v_table_id, 0, 'infinity')
            )
        then
            perform chronicle.refuse_incomplete(
                _table,
                format('How record %s was then, or when it went, is not known.', v_record_id)
            );
        end if;
    end if;
    return coalesce(chronicle.translate_image(v_image, v_span, v_then), v_earlier) || coalesce(
        v_earlier, '{}'
    );
end
$$;

comment on function chronicle.record_as_of(regclass, text, timestamptz) is
'A record as it stood at a time, as capture would have recorded it, under the names that its columns
had then; null when there was no such record. A time means what had been done by then, by the clock
of each change, not what had been committed. Runs with the caller''s rights.
_record_id: the key that it had then, as for chronicle.record_history. _at: the time.
Errors: ZC007 when that can not be known; as chronicle.record_history.';

revoke execute on function chronicle.record_as_of(regclass, text, timestamptz) from public;
grant execute on function chronicle.record_as_of(regclass, text, timestamptz)
to chronicle_reader;

create or replace function chronicle.table_of(_type regtype)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
begin
    select c.oid into v_table
    from pg_catalog.pg_type as t
    inner join pg_catalog.pg_class as c on c.oid = t.typrelid and c.relkind in ('r', 'p')
    where t.oid = _type;
    if not found then
        raise exception '% is not the row type of a table', _type
            using errcode = 'wrong_object_type',
                hint = 'For example: chronicle.rows_as_of(null::shop.orders, now()).';
    end if;
    return v_table;
end
$$;

comment on function chronicle.table_of(regtype) is
'Private. The table whose row type this is.
Errors: 42809 for any other type.';

revoke execute on function chronicle.table_of(regtype) from public;
grant execute on function chronicle.table_of(regtype) to chronicle_reader;

create or replace function chronicle.check_changes_are_known(
    _table regclass, _table_id integer, _at timestamptz
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_problem text;
begin
    if not chronicle.is_auditor() and chronicle.are_table_events_hidden(
        _table_id, _at, chronicle.administered_organizations(), chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(_table::text);
    end if;

    select format(
        'Event %s of %s %s.',
        e.event_id,
        e.occurred_at,
        case when e.record_id is null then 'names no record' else 'lacks values' end
    )
    into v_problem
    from chronicle.row_events as e
    where e.table_id = _table_id
        and e.occurred_at > _at
        and e.origin = 'captured'
        and (
            e.record_id is null and e.action <> 'TRUNCATE'
            or e.record_id is not null
            and e.action <> 'INSERT'
            and (e.details_before is null or e.payload_error is not null and not e.is_drifted)
        )
    limit 1;
    if found then
        perform chronicle.refuse_incomplete(_table, v_problem);
    end if;

    if exists (
        select
        from chronicle.tracking_periods as p
        inner join chronicle.table_registry as r on r.table_id = p.table_id
        where p.table_id = _table_id
            and p.key_columns <> r.key_columns
            and (cardinality(p.key_columns) > 1 or cardinality(r.key_columns) > 1)
            and p.from_seq >= (
                select max(b.from_seq)
                from chronicle.tracking_periods as b
                where b.table_id = _table_id and b.began_at <= _at
            )
    ) then
        perform chronicle.refuse_incomplete(_table, 'Its records have gone by another key since.');
    end if;
end
$$;

comment on function chronicle.check_changes_are_known(regclass, integer, timestamptz) is
'Private. Raises 42501 when changes after a time are hidden from the caller, and ZC007 when some of
them can not be undone.';

revoke execute on function chronicle.check_changes_are_known(regclass, integer, timestamptz)
from public;
grant execute on function chronicle.check_changes_are_known(regclass, integer, timestamptz)
to chronicle_reader;

-- In a column of JSON, a string in the image holds the text of the value: jsonb_populate_record
-- would take it for the value. What is not recorded is null, whatever the row holds today.
create or replace function chronicle.typed_columns(_table regclass, _table_id integer)
returns table (place integer, from_image text, from_row text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        a.attnum::integer,
        case
            when x.is_hidden then format('null::%s', x.type)
            when a.attgenerated = 'v' then format('(%s)', pg_get_expr(d.adbin, d.adrelid))
            when c.base_type in ('json'::regtype, 'jsonb'::regtype) and not c.is_array
                then format(
                    '(case '
                    'when pg_catalog.jsonb_typeof(i."!image" operator(pg_catalog.->) %1$L) '
                    'operator(pg_catalog.=) ''null'' then null '
                    'when pg_catalog.jsonb_typeof(i."!image" operator(pg_catalog.->) %1$L) '
                    'operator(pg_catalog.=) ''string'' then '
                    '(i."!image" operator(pg_catalog.->>) %1$L)::pg_catalog.%2$s '
                    'else (i."!image" operator(pg_catalog.->) %1$L)::pg_catalog.%2$s end)::%3$s',
                    a.attname,
                    c.base_type::regtype,
                    case when a.atttypid < 16384 then 'pg_catalog.' || x.type else x.type end
                )
            else format('p.%I', a.attname)
        end,
        case when x.is_hidden then format('null::%s', x.type) else format('old.%I', a.attname) end
    from pg_catalog.pg_attribute as a
    cross join chronicle.present_options(_table_id) as o
    cross join lateral (
        select
            a.attname = any(o.excluded_columns || o.masked_columns) as is_hidden,
            format_type(a.atttypid, a.atttypmod) as type
    ) as x
    left join chronicle.capture_columns(_table, '{}') as c on c.column_name = a.attname
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.typed_columns(regclass, integer) is
'Private. For each column of a table the expressions that give its value: from an image in the
column "!image" of i, with p, the record that it populates; and from a row, old.';

revoke execute on function chronicle.typed_columns(regclass, integer) from public;
grant execute on function chronicle.typed_columns(regclass, integer) to chronicle_reader;

-- What a set of changes did to each row, taken together. A touch is a change that a row went
-- through under some key, and the touches of a key up to the one by which the row left it are a
-- stay; a row that was inserted comes from a stay of its own. A row is followed from its first stay
-- through those that changes of its key lead to. What its columns held before is what the earliest
-- touch of each replaced, and what they hold after is what the latest put there.
--
-- The condition is a text of ours, never a caller's, so that the planner sees the times in it and
-- opens no other partitions.
create or replace function chronicle.net_changes(_table_id integer, _condition text)
returns table (
    key_before text,
    key_after text,
    image_before jsonb,
    image_after jsonb,
    last_seq bigint,
    is_drifted boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(_table_id) as p order by p.from_seq
    );
    v_deferrable constant regclass := (
        select i.indrelid
        from pg_catalog.pg_index as i
        where i.indrelid = chronicle.tracked_relation(_table_id)
            and i.indisprimary
            and not i.indimmediate
    );
    v_translation constant text := format(
        'case when %s then e.%%1$s '
        'else chronicle.present_image(e.%%1$s, e.seq, e.columns, $2) end',
        case when cardinality(v_periods) = 1 then 'e.columns is null' else 'false' end
    );
begin
    if v_deferrable is not null then
        execute format(
            'select chronicle.check_key_is_immediate($2) from chronicle.row_events as e '
            'where e.table_id = $1 and e.key_before <> e.key_after and %s limit 1',
            _condition
        )
        using _table_id, v_deferrable;
    end if;
    return query execute format(
        $query$
with recursive changes as materialized (
    select
        e.seq,
        e.key_before is null as is_new,
        coalesce(e.key_before, e.seq::text) as key,
        e.key_after,
        e.is_drifted,
        coalesce(%2$s, '{}') as image_before,
        %3$s as image_after
    from chronicle.row_events as e
    where e.table_id = $1 and e.origin = 'captured' and e.record_id is not null and %1$s
),
touches as (
    select
        c.*,
        count(*) filter (where c.is_new or c.key_after is distinct from c.key) over (
            partition by c.is_new, c.key
            order by c.seq
            rows between unbounded preceding and 1 preceding
        ) as stay
    from changes as c
),
stays as (
    select
        t.is_new,
        t.key,
        min(t.seq) as first_seq,
        max(t.seq) as last_seq,
        t.is_new or bool_or(t.key_after is distinct from t.key) as departs,
        (array_agg(t.key_after order by t.seq desc))[1] as next_key,
        chronicle.merge_images(t.image_before order by t.seq desc) as image_before,
        chronicle.merge_images(t.image_after order by t.seq) as image_after,
        (array_agg(t.is_drifted order by t.seq desc))[1] as is_drifted
    from touches as t
    group by t.is_new, t.key, t.stay
),
numbered as materialized (
    select
        s.*,
        lag(s.last_seq, 1, 0::bigint) over (
            partition by s.is_new, s.key
            order by s.first_seq
        ) as previous_seq
    from stays as s
),
arrivals as (
    select c.key_after as key, min(c.seq) as seq
    from changes as c
    where c.key_after is not null and (c.is_new or c.key_after <> c.key)
    group by 1
),
lives as (
    select
        n.is_new, n.key, n.first_seq, n.departs, n.next_key, n.last_seq, n.image_before,
        n.image_after, n.is_drifted
    from numbered as n
    left join arrivals as a on a.key = n.key and not n.is_new and a.seq < n.first_seq
    where n.previous_seq = 0 and a.key is null
    union all
    select
        l.is_new, l.key, l.first_seq, n.departs, n.next_key, n.last_seq,
        n.image_before || l.image_before, l.image_after || n.image_after, n.is_drifted
    from lives as l
    inner join numbered as n
        on n.key = l.next_key
        and not n.is_new
        and n.first_seq > l.last_seq
        and n.previous_seq < l.last_seq
    where l.departs and l.next_key is not null
)
select distinct on (l.is_new, l.key)
    case when not l.is_new then l.key end, l.next_key, l.image_before, l.image_after, l.last_seq,
    l.is_drifted
from lives as l
order by l.is_new, l.key, l.last_seq desc
$query$,
        _condition,
        format(v_translation, 'details_before'),
        format(v_translation, 'details_after')
    )
    using _table_id, v_periods;
end
$$;

comment on function chronicle.net_changes(integer, text) is
'Private. What captured changes of a table did to each row, taken together, under the present names
of its columns. key_before: null for a row that came; key_after: null for one that went.
image_before: what their columns held that were changed, or the whole row; image_after: what they
hold. _condition: which of chronicle.row_events as e.';

revoke execute on function chronicle.net_changes(integer, text) from public;
grant execute on function chronicle.net_changes(integer, text) to chronicle_reader;

create or replace function chronicle.as_of_query(
    _table regclass, _table_id integer, _at timestamptz
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $query$
with net as materialized (
    select * from chronicle.net_changes(%1$s, %2$L)
),
live as materialized (
    %3$s
    where %4$s in (select n.key_after from net as n where n.key_before is not null)
),
images as (
    select case
        when n.key_after is null then n.image_before
        when v.image is null then chronicle.refuse_incomplete(
            %5$L, format('Record %%s is gone, and nothing says how.', n.key_after)
        )
        when not n.is_drifted
            and n.last_seq >= %6$s
            and v.image::text <> (v.image || n.image_after)::text
            then chronicle.refuse_incomplete(
                %5$L, format('Record %%s is not what was recorded of it last.', n.key_after)
            )
        else v.image || n.image_before
    end as "!image"
    from net as n
    left join live as v on v.record_id = n.key_after
    where n.key_before is not null
)
select %7$s
from %8$s %5$s as old
where %4$s not in (select n.key_after from net as n where n.key_after is not null)
union all
select %9$s
from images as i
cross join lateral jsonb_populate_record(null::%5$s, i."!image" - %10$L::text[]) as p
$query$,
        _table_id, -- 1
        format('e.occurred_at > %L', _at),
        chronicle.live_row_query(_table, _table_id), -- 3
        format('chronicle.fitted_id(%s)', chronicle.key_expression('old', _table, o.key_columns)),
        _table, -- 5
        (select max(p.from_seq) from chronicle.column_periods(_table_id) as p),
        c.from_row, -- 7
        case k.relkind when 'r' then 'only' end,
        c.from_image, -- 9
        o.apart
    )
    from (
        select
            p.key_columns,
            -- What jsonb_populate_record would take for something else.
            array(
                select a.column_name
                from chronicle.capture_columns(_table, '{}') as a
                where a.base_type in ('json'::regtype, 'jsonb'::regtype) and not a.is_array
                    or a.column_name = any(p.masked_columns)
            ) as apart
        from chronicle.present_options(_table_id) as p
    ) as o
    inner join pg_catalog.pg_class as k on k.oid = _table
    cross join (
        select
            string_agg(t.from_image, ', ' order by t.place) as from_image,
            string_agg(t.from_row, ', ' order by t.place) as from_row
        from chronicle.typed_columns(_table, _table_id) as t
    ) as c
$$;

comment on function chronicle.as_of_query(regclass, integer, timestamptz) is
'Private. The text of the query of chronicle.rows_as_of.';

revoke execute on function chronicle.as_of_query(regclass, integer, timestamptz) from public;
grant execute on function chronicle.as_of_query(regclass, integer, timestamptz)
to chronicle_reader;

-- Runs as its caller. One query, so that the table and the log are read as of one moment.
-- Rows that no later change concerns are taken from the table; of the others, the later changes are
-- taken back.
create or replace function chronicle.rows_as_of(_row anyelement, _at timestamptz)
returns setof anyelement
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set lc_monetary = 'C'
set extra_float_digits = 1
set quote_all_identifiers = off
set array_nulls = on
set xmloption = 'content'
as $$
declare
    v_table constant regclass := chronicle.table_of(pg_typeof(_row));
    v_table_id constant integer := chronicle.table_with_history(v_table);
begin
    perform chronicle.check_time_is_known(v_table, v_table_id, _at);
    perform chronicle.check_changes_are_known(v_table, v_table_id, _at);
    begin
        return query execute chronicle.as_of_query(v_table, v_table_id, _at);
    exception when data_exception or check_violation or not_null_violation then
        raise exception 'rows of % as of % do not fit its present columns', v_table, _at
            using errcode = sqlstate,
                detail = sqlerrm,
                hint = 'A type has changed since. chronicle.record_as_of gives a record as JSON.';
    end;
end
$$;

comment on function chronicle.rows_as_of(anyelement, timestamptz) is
'A table as it stood at a time, in its present columns:
select * from chronicle.rows_as_of(null::shop.orders, ''2026-03-01''). Columns that have been added
since hold what they were added with; those that are excluded or masked are null. A time means what
had been done by then, by the clock of each change, not what had been committed. Rows of tables
that inherit are not among them. Runs with the caller''s rights.
_row: anything of the table''s row type. _at: the time.
Errors: ZC007 when that can not be known: before tracking began or was interrupted, over a truncate
without its rows, over events without values; 42501 when row-level security hides events or rows
from the caller; ZC005 for a table that never was tracked; 55000 for one without a key.';

revoke execute on function chronicle.rows_as_of(anyelement, timestamptz) from public;
grant execute on function chronicle.rows_as_of(anyelement, timestamptz) to chronicle_reader;

-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_transaction_events_hidden(
    _transaction_id bigint, _epoch integer, _organizations text[], _sees_system boolean
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.events as e
        where e.transaction_id = _transaction_id
            and e.epoch = _epoch
            and e.origin = 'captured'
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean) is
'Private. Whether changes of a transaction are of other organizations than these, or system-wide
and these are not seen.';

revoke execute on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
from public;
grant execute on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
to chronicle_reader;
alter function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
owner to chronicle_sealer;

create or replace function chronicle.refuse_conflict(_why text, _hint text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a conflict stops the undo'
        using errcode = 'ZC008', detail = _why, hint = _hint;
end
$$;

comment on function chronicle.refuse_conflict(text, text) is
'Private. Raises ZC008: an undo would take back more than it was asked to.';

revoke execute on function chronicle.refuse_conflict(text, text) from public;
grant execute on function chronicle.refuse_conflict(text, text) to chronicle_reader;

create type chronicle.undo_step as (
    relation regclass,
    operation text,
    key jsonb,
    image jsonb,
    rank integer
);

comment on type chronicle.undo_step is
'Private. What takes back the changes of one row: delete, update or insert; the row''s key as it is
now, what its columns are to hold, and, for an update that changes the key, how many others must
have made way before.';

-- A change that was taken back again is none: what counts is whether the row is the one that it
-- was.
create or replace function chronicle.later_change(
    _table regclass, _table_id integer, _record_id text, _seq bigint, _live jsonb
)
returns uuid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(_table_id) as p order by p.from_seq
    );
    v_first chronicle.row_events;
    v_then jsonb;
begin
    select e.* into v_first
    from chronicle.record_events(_table_id, _record_id) as e
    where e.seq > _seq and e.origin = 'captured'
    order by e.seq
    limit 1;
    if v_first.event_id is null then
        return null;
    end if;
    if v_first.key_before = _record_id then
        select chronicle.translate_image(
            h.old_values,
            chronicle.period_of_event(v_periods, v_first.seq, v_first.columns),
            v_periods[cardinality(v_periods)]
        )
        into v_then
        from chronicle.record_history(_table, _record_id) as h
        where h.event_id = v_first.event_id and h.is_complete;
        if v_then is null then
            return v_first.event_id;
        end if;
    end if;
    -- Neither there then nor now, or the same then and now.
    return case
        when coalesce(
            (_live || v_then)::text = _live::text, v_then is null and _live is null
        ) then null
        else v_first.event_id
    end;
end
$$;

comment on function chronicle.later_change(regclass, integer, text, bigint, jsonb) is
'Private. The first change of a record after an event, if the record is not what it was then.
_live: what it is now; null for no row.';

revoke execute on function chronicle.later_change(regclass, integer, text, bigint, jsonb)
from public;
grant execute on function chronicle.later_change(regclass, integer, text, bigint, jsonb)
to chronicle_reader;

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

-- Rows that gave their keys to each other, one to the next, go back one after the other: first the
-- one whose former key is free.
create or replace function chronicle.ranked_steps(_steps chronicle.undo_step[])
returns chronicle.undo_step[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ranked chronicle.undo_step[];
    v_stuck chronicle.undo_step;
begin
    with recursive steps as (
        select
            s.*,
            s.operation = 'update' and m.target <> s.key as is_move,
            m.target
        from unnest(_steps) as s (relation, operation, key, image, rank)
        cross join lateral (
            select jsonb_object_agg(k.name, coalesce(s.image -> k.name, s.key -> k.name)) as target
            from jsonb_object_keys(coalesce(s.key, '{}')) as k (name)
        ) as m
    ),
    moves as (
        select s.relation, s.operation, s.key, s.image, 0 as rank
        from steps as s
        where s.is_move
            and not exists (
                select
                from steps as o
                where o.is_move and o.relation = s.relation and o.key = s.target
            )
        union all
        select s.relation, s.operation, s.key, s.image, m.rank + 1
        from moves as m
        inner join steps as s on s.is_move and s.relation = m.relation and s.target = m.key
    )
    select array_agg(
        row(r.relation, r.operation, r.key, r.image, r.rank)::chronicle.undo_step
    )
    into v_ranked
    from (
        select * from moves
        union all
        select s.relation, s.operation, s.key, s.image, 0 from steps as s where not s.is_move
    ) as r;

    if coalesce(cardinality(v_ranked), 0) < cardinality(_steps)
        or (select max(r.rank) from unnest(v_ranked) as r (relation, operation, key, image, rank))
        > 200
    then
        select s.* into v_stuck
        from unnest(_steps) as s
        where s.operation = 'update'
            and not exists (
                select from unnest(coalesce(v_ranked, '{}')) as r
                where r.relation = s.relation and r.key = s.key and r.rank <= 200
            )
        limit 1;
        raise exception 'records of % have changed places', v_stuck.relation
            using errcode = 'object_not_in_prerequisite_state',
                detail = format(
                    'The former key of record %s is another one''s now, and so on in a circle, or '
                    'for more than 200 records.', v_stuck.key
                ),
                hint = 'Take the change back by hand: give the records other keys first.';
    end if;
    return coalesce(v_ranked, '{}');
end
$$;

comment on function chronicle.ranked_steps(chronicle.undo_step[]) is
'Private. The steps of an undo, each with the number of those that must have made way before.
Errors: 55000 when records have changed places.';

revoke execute on function chronicle.ranked_steps(chronicle.undo_step[]) from public;
grant execute on function chronicle.ranked_steps(chronicle.undo_step[]) to chronicle_reader;

-- One statement, so that foreign keys are looked at when all of it is done. Rows go before others
-- change, those before others come, and of rows that take over each other's keys the one whose key
-- is free, so that a unique value is free when it is needed. Steps
-- that set the same columns of the same table go together. Every name in it is qualified, since it
-- is executed under the caller's search_path.
create or replace function chronicle.undo_statement(_steps chronicle.undo_step[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with steps as (
        select
            s.relation, s.operation, s.key, s.image, s.rank,
            case s.operation when 'delete' then 1 when 'update' then 2 else 3 end as turn,
            array(
                select a.attname
                from pg_catalog.pg_attribute as a
                where a.attrelid = s.relation
                    and s.image ? a.attname::text
                    and a.attgenerated = ''
                    and not a.attisdropped
                order by a.attnum
            ) as columns
        from unnest(_steps) as s (relation, operation, key, image, rank)
    ),
    parts as (
        select
            row_number() over (order by s.turn, s.rank, s.relation::text, s.columns) as place,
            s.relation,
            s.operation,
            s.columns,
            jsonb_agg(
                case when s.key is null then '{}' else jsonb_build_object('key', s.key) end
                || case when s.image is null then '{}' else jsonb_build_object('image', s.image) end
            ) as data
        from steps as s
        group by s.turn, s.rank, s.relation, s.operation, s.columns
    ),
    texts as (
        select
            p.place,
            format(
                case p.operation
                    when 'delete' then
                        E'%1$s as (\n'
                        '    delete from %2$s %3$s as t\n'
                        '    using pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, d operator(pg_catalog.->) ''key'') as k\n'
                        '    where %5$s\n'
                        '    returning 1\n)'
                    when 'update' then
                        E'%1$s as (\n'
                        '    update %2$s %3$s as t\n'
                        '    set %6$s\n'
                        '    from pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, d operator(pg_catalog.->) ''key'') as k\n'
                        '    cross join lateral '
                        '(select d operator(pg_catalog.->) ''image'' as "!image") as i\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, '
                        'i."!image" operator(pg_catalog.-) %9$L::pg_catalog.text[]) as p\n'
                        '    where %5$s\n'
                        '    returning 1\n)'
                    else
                        E'%1$s as (\n'
                        '    insert into %3$s (%7$s) overriding system value\n'
                        '    select %8$s\n'
                        '    from pg_catalog.jsonb_array_elements(%4$L::pg_catalog.jsonb) as d\n'
                        '    cross join lateral '
                        '(select d operator(pg_catalog.->) ''image'' as "!image") as i\n'
                        '    cross join lateral '
                        'pg_catalog.jsonb_populate_record('
                        'null::%3$s, '
                        'i."!image" operator(pg_catalog.-) %9$L::pg_catalog.text[]) as p\n'
                        '    returning 1\n)'
                end,
                'step_' || p.place,
                case when c.relkind = 'r' then 'only' end,
                p.relation, -- 3
                p.data,
                k.condition, -- 5
                v.assignments,
                v.names, -- 7
                v.expressions,
                v.apart -- 9
            ) as text
        from parts as p
        inner join pg_catalog.pg_class as c on c.oid = p.relation
        cross join lateral (
            select string_agg(
                format(
                    case
                        when jsonb_path_exists(
                            p.data, '$[*].key ? (@.keyvalue().value == null)'
                        )
                            then '(t.%1$I operator(pg_catalog.=) k.%1$I '
                                'or t.%1$I is null and k.%1$I is null)'
                        when u.is_user_type
                            then 'row(t.%1$I)::pg_catalog.record operator(pg_catalog.*=) '
                                'row(k.%1$I)::pg_catalog.record'
                        else 't.%1$I operator(pg_catalog.=) k.%1$I'
                    end,
                    n.name
                ),
                ' and ' order by n.name
            ) as condition
            from jsonb_object_keys(p.data -> 0 -> 'key') as n (name)
            inner join chronicle.capture_columns(p.relation, '{}') as u on u.column_name = n.name
        ) as k
        cross join lateral (
            select
                string_agg(format('%I = %s', a.attname, e.from_image), ', ' order by a.attnum)
                    as assignments,
                string_agg(quote_ident(a.attname), ', ' order by a.attnum) as names,
                string_agg(e.from_image, ', ' order by a.attnum) as expressions,
                array(
                    select j.column_name
                    from chronicle.capture_columns(p.relation, '{}') as j
                    where j.base_type in ('json'::regtype, 'jsonb'::regtype) and not j.is_array
                ) as apart
            from chronicle.typed_columns(p.relation, chronicle.tracked_table_id(p.relation)) as e
            inner join pg_catalog.pg_attribute as a
                on a.attrelid = p.relation and a.attnum = e.place
            where a.attname = any(p.columns)
        ) as v
    )
    select case when count(*) > 0 then format(
        E'with %s\nselect %s',
        string_agg(t.text, E',\n' order by t.place),
        string_agg(
            format('(select pg_catalog.count(*) from step_%s)', t.place),
            ' operator(pg_catalog.+) ' order by t.place
        )
    ) end
    from texts as t
$$;

comment on function chronicle.undo_statement(chronicle.undo_step[]) is
'Private. The text of a statement that does all these steps and gives the number of rows that it
touched; null for no step.';

revoke execute on function chronicle.undo_statement(chronicle.undo_step[]) from public;
grant execute on function chronicle.undo_statement(chronicle.undo_step[]) to chronicle_reader;

-- A delete that cascades, or sets columns to null, would change rows that the undo does not speak
-- of, perhaps in tables that are not tracked.
create or replace function chronicle.check_cascades(_steps chronicle.undo_step[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_link record;
    v_count bigint;
begin
    for v_link in
        select
            f.conname,
            f.conrelid::regclass as child,
            f.confrelid::regclass as parent,
            (
                select string_agg(
                    format('c.%I = p.%I', a.attname, b.attname), ' and ' order by k.place
                )
                from unnest(f.conkey, f.confkey) with ordinality as k (child, parent, place)
                inner join pg_catalog.pg_attribute as a
                    on a.attrelid = f.conrelid and a.attnum = k.child
                inner join pg_catalog.pg_attribute as b
                    on b.attrelid = f.confrelid and b.attnum = k.parent
            ) as is_linked,
            (
                select string_agg(format('%1$s.%2$I = k.%2$I', 'p', n.name), ' and ')
                from jsonb_object_keys(s.parents -> 0) as n (name)
            ) as is_parent,
            s.parents,
            (
                select string_agg(format('c.%1$I = k.%1$I', n.name), ' and ')
                from jsonb_object_keys(o.children -> 0) as n (name)
            ) as is_child,
            o.children
        from pg_catalog.pg_constraint as f
        inner join (
            select d.relation, jsonb_agg(d.key) as parents
            from unnest(_steps) as d
            where d.operation = 'delete'
            group by 1
        ) as s on s.relation = f.confrelid
        left join (
            select d.relation, jsonb_agg(d.key) as children
            from unnest(_steps) as d
            where d.operation <> 'insert'
            group by 1
        ) as o on o.relation = f.conrelid
        where f.contype = 'f' and f.conparentid = 0 and f.confdeltype in ('c', 'n', 'd')
    loop
        execute format(
            'select count(*) from %s as c '
            'inner join %s as p on %s '
            'inner join jsonb_populate_recordset(null::%s, %L) as k on %s'
            '%s',
            v_link.child,
            v_link.parent,
            v_link.is_linked,
            v_link.parent,
            v_link.parents,
            v_link.is_parent,
            case when v_link.children is not null then format(
                ' where not exists (select from jsonb_populate_recordset(null::%s, %L) as k '
                'where %s)',
                v_link.child, v_link.children, v_link.is_child
            ) end
        )
        into v_count;
        if v_count > 0 then
            perform chronicle.refuse_conflict(
                format(
                    'Deleting rows of %s would change %s rows of %s by the foreign key "%s".',
                    v_link.parent, v_count, v_link.child, v_link.conname
                ),
                'They were added since, or by another transaction. Take those changes back first, '
                'or change the rows by hand.'
            );
        end if;
    end loop;
end
$$;

comment on function chronicle.check_cascades(chronicle.undo_step[]) is
'Private. Raises ZC008 when a foreign key would carry a delete to rows that are not part of the
undo.';

revoke execute on function chronicle.check_cascades(chronicle.undo_step[]) from public;
grant execute on function chronicle.check_cascades(chronicle.undo_step[]) to chronicle_reader;

create or replace function chronicle.planned_undo(
    _events chronicle.row_events[], _condition text, _lock boolean
)
returns text
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
    v_table record;
    v_event chronicle.row_events;
    v_steps chronicle.undo_step[] := '{}';
begin
    foreach v_event in array _events loop
        -- The event of a truncate as a whole is told by those of its rows.
        if v_event.payload_error is not null and not v_event.is_drifted
            or v_event.record_id is null and v_event.action <> 'TRUNCATE'
            or v_event.record_id is null and not exists (
                select
                from chronicle.events as e
                where e.event_id = v_event.event_id
                    and e.occurred_at = v_event.occurred_at
                    and e.action_meta -> 'rows' = e.action_meta -> 'recorded'
            )
        then
            raise exception 'event % does not tell all that it changed', v_event.event_id
                using errcode = 'object_not_in_prerequisite_state',
                    detail = coalesce(
                        v_event.payload_error,
                        case v_event.action
                            when 'TRUNCATE' then 'It is a truncate without its rows.'
                            else 'Its table has no key.'
                        end
                    ),
                    hint = 'Take it back by hand, with what was recorded: chronicle.row_changes.';
        end if;
    end loop;

    for v_table in
        select e.table_id, chronicle.tracked_relation(e.table_id)::regclass as relation
        from unnest(_events) as e
        group by e.table_id
        order by e.table_id
    loop
        if v_table.relation is null then
            raise exception 'a table that was changed is no longer tracked'
                using errcode = 'object_not_in_prerequisite_state',
                    detail = (
                        select format('It was %I.%I.', r.schema_name, r.table_name)
                        from chronicle.table_registry as r
                        where r.table_id = v_table.table_id
                    ),
                    hint = 'Take the change back by hand: chronicle.row_changes has the values.';
        end if;
        perform chronicle.table_with_history(v_table.relation);
        v_steps := v_steps || array(
            select s
            from chronicle.undo_steps(
                v_table.relation, v_table.table_id, _condition, _lock
            ) as s
        );
    end loop;
    v_steps := chronicle.ranked_steps(v_steps);
    perform chronicle.check_cascades(v_steps);
    return chronicle.undo_statement(v_steps);
end
$$;

comment on function chronicle.planned_undo(chronicle.row_events[], text, boolean) is
'Private. The statement that takes back these events; null when nothing is left to be done.
_condition: by which chronicle.net_changes finds the events. _lock: whether to lock the rows.
Errors: 55000 for what was not recorded; ZC008 for what was changed since.';

revoke execute on function chronicle.planned_undo(chronicle.row_events[], text, boolean)
from public;
grant execute on function chronicle.planned_undo(chronicle.row_events[], text, boolean)
to chronicle_reader;

create or replace function chronicle.plan_event_undo(_event_id uuid, _lock boolean)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
declare
    v_event chronicle.row_events;
begin
    select e.* into v_event
    from chronicle.row_events as e
    where e.event_id = _event_id and e.origin = 'captured';
    if v_event.event_id is null then
        raise exception 'there is no captured event %', coalesce(_event_id::text, 'null')
            using errcode = 'no_data_found',
                detail = 'Or row-level security hides it.',
                hint = 'chronicle.row_changes has the captured events that you may see.';
    end if;
    return chronicle.planned_undo(
        array[v_event],
        format('e.event_id = %L and e.occurred_at = %L', v_event.event_id, v_event.occurred_at),
        _lock
    );
end
$$;

comment on function chronicle.plan_event_undo(uuid, boolean) is
'Private. The statement that takes back one event. _lock: whether to lock the rows.
Errors: as chronicle.revert_event.';

revoke execute on function chronicle.plan_event_undo(uuid, boolean) from public;
grant execute on function chronicle.plan_event_undo(uuid, boolean) to chronicle_reader;

create or replace function chronicle.plan_transaction_undo(
    _transaction_id bigint, _epoch integer, _lock boolean
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
declare
    v_events constant chronicle.row_events[] := array(
        select e
        from chronicle.row_events as e
        where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
        order by e.seq
    );
begin
    if not chronicle.is_auditor() and chronicle.are_transaction_events_hidden(
        _transaction_id, _epoch, chronicle.administered_organizations(),
        chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(format('transaction %s', _transaction_id));
    end if;
    if v_events = '{}' then
        raise exception 'nothing was captured of transaction %',
            coalesce(_transaction_id::text, 'null')
            using errcode = 'no_data_found',
                hint = 'chronicle.row_changes names the transaction of each change.';
    end if;
    return chronicle.planned_undo(
        v_events,
        format(
            'e.transaction_id = %L and e.epoch = %L and e.occurred_at between %L and %L',
            _transaction_id, _epoch,
            (select min(e.occurred_at) from unnest(v_events) as e),
            (select max(e.occurred_at) from unnest(v_events) as e)
        ),
        _lock
    );
end
$$;

comment on function chronicle.plan_transaction_undo(bigint, integer, boolean) is
'Private. The statement that takes back a transaction. _lock: whether to lock the rows.
Errors: as chronicle.revert_transaction.';

revoke execute on function chronicle.plan_transaction_undo(bigint, integer, boolean) from public;
grant execute on function chronicle.plan_transaction_undo(bigint, integer, boolean)
to chronicle_reader;

-- Runs as the sealer, who reads every event, for chronicle.record_revert alone.
create or replace function chronicle.transaction_events(_transaction_id bigint, _epoch integer)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select coalesce(
        jsonb_agg(e.event_id order by e.seq) filter (where e.place <= 1000), '[]'
    )
    from (
        select e.event_id, e.seq, row_number() over (order by e.seq) as place
        from chronicle.events as e
        where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
    ) as e
$$;

comment on function chronicle.transaction_events(bigint, integer) is
'Private. The ids of the captured events of a transaction, the first thousand of them.';

revoke execute on function chronicle.transaction_events(bigint, integer) from public;
alter function chronicle.transaction_events(bigint, integer) owner to chronicle_sealer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_sealer;
grant execute on function chronicle.transaction_events(bigint, integer) to chronicle_owner;
set local role chronicle_owner;

-- Runs as the owner, who may record what pgchronicle does.
create or replace function chronicle.record_revert(
    _event_id uuid, _transaction_id bigint, _epoch integer
)
returns uuid
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.record_internal_event(
        'logged', 'execute', 'chronicle.revert',
        case when _event_id is null then 'chronicle.transaction' else 'chronicle.event' end,
        coalesce(_event_id::text, _transaction_id::text),
        chronicle.current_context() ->> 'organization_id', null, null,
        case
            when _event_id is null then jsonb_build_object(
                'transaction_id', _transaction_id,
                'epoch', _epoch,
                'events', chronicle.transaction_events(_transaction_id, _epoch)
            )
            else jsonb_build_object('events', jsonb_build_array(_event_id))
        end,
        _parent_event_id => _event_id
    )
$$;

comment on function chronicle.record_revert(uuid, bigint, integer) is
'Private. Records that an event, or else a transaction, is about to be taken back. Returns the id of
that record.';

revoke execute on function chronicle.record_revert(uuid, bigint, integer) from public;
grant execute on function chronicle.record_revert(uuid, bigint, integer) to chronicle_app;

-- The captured changes of an undo carry the id of the event that tells of it. Returns what the
-- context was before.
create or replace function chronicle.set_parent_event(_event_id uuid)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_context constant text := coalesce(current_setting('chronicle.context', true), '');
begin
    perform set_config(
        'chronicle.context',
        (
            coalesce(nullif(v_context, ''), '{}')::jsonb
            || jsonb_build_object('parent_event_id', _event_id)
        )::text,
        true
    );
    return v_context;
exception when invalid_text_representation then
    raise exception 'the context can not be read'
        using errcode = 'object_not_in_prerequisite_state',
            detail = sqlerrm,
            hint = 'select chronicle.clear_context(), or set it with chronicle.set_context.';
end
$$;

comment on function chronicle.set_parent_event(uuid) is
'Private. Lets what is captured from now on carry this parent. Returns the context before.
Errors: 55000 when the context is malformed.';

revoke execute on function chronicle.set_parent_event(uuid) from public;
grant execute on function chronicle.set_parent_event(uuid) to chronicle_app;

-- No path is pinned: the application's own triggers run in here, and may rely on the caller's. What
-- is executed was put together with a pinned one. Values are written as these settings read them.
create or replace function chronicle.carry_out_undo(_statement text, _event_id uuid)
returns void
language plpgsql
volatile
set lc_monetary = 'C'
set array_nulls = on
set xmloption = 'content'
as $$
declare
    v_context pg_catalog.text;
    v_rows pg_catalog.int8;
begin
    v_context := chronicle.set_parent_event(_event_id);
    execute _statement into v_rows;
    perform pg_catalog.set_config('chronicle.context', v_context, true);
end
$$;

comment on function chronicle.carry_out_undo(text, uuid) is
'Private. Executes a statement with the caller''s rights; what is captured of it carries this event
as its parent.';

revoke execute on function chronicle.carry_out_undo(text, uuid) from public;
grant execute on function chronicle.carry_out_undo(text, uuid) to chronicle_app;

-- Runs as its caller, and so does the statement. No path is pinned, as the application's triggers
-- rely on the caller's; so every name here is qualified, types included.
create or replace function chronicle.revert_event(
    _event_id uuid, _dry_run boolean default false
)
returns text
language plpgsql
volatile
as $$
declare
    v_statement pg_catalog.text;
begin
    v_statement := chronicle.plan_event_undo(_event_id, not _dry_run);
    if not _dry_run and v_statement is not null then
        perform chronicle.carry_out_undo(
            v_statement,
            chronicle.record_revert(_event_id, null, null)
        );
    end if;
    return v_statement;
end
$$;

comment on function chronicle.revert_event(uuid, boolean) is
'Takes back the change that a captured event tells of: what was inserted is deleted, what was
updated gets the values back that were replaced, what was deleted or truncated is inserted again.
Runs with the caller''s rights, who needs those on the table, chronicle_reader to see the event, and
chronicle_app, as an event chronicle.revert tells of it; the captured changes carry that as their
parent. Returns the statement; null when there is nothing to do.
_event_id: of a captured event, as in chronicle.row_changes. _dry_run: only return the statement.
Errors: ZC008 when the row was changed since, or a foreign key would carry the undo to other rows;
55000 for what was not recorded; 42501 without the rights; P0002 for no captured event of this id.';

revoke execute on function chronicle.revert_event(uuid, boolean) from public;
grant execute on function chronicle.revert_event(uuid, boolean) to chronicle_reader;

create or replace function chronicle.epoch_of(_transaction_id bigint, _epoch integer)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        _epoch,
        (
            -- Epoch by epoch, since the index begins with them.
            select max(i.epoch)
            from generate_series(1, (select max(e.epoch) from chronicle.events as e)) as i (epoch)
            where exists (
                select
                from chronicle.row_events as e
                where e.epoch = i.epoch and e.transaction_id = _transaction_id
            )
        ),
        1
    )
$$;

comment on function chronicle.epoch_of(bigint, integer) is
'Private. The epoch that is meant: the given one, or the latest that has the transaction.';

revoke execute on function chronicle.epoch_of(bigint, integer) from public;
grant execute on function chronicle.epoch_of(bigint, integer) to chronicle_reader;

-- Runs as its caller, and so does the statement. No path is pinned, as for
-- chronicle.revert_event.
create or replace function chronicle.revert_transaction(
    _transaction_id bigint, _epoch integer default null, _dry_run boolean default false
)
returns text
language plpgsql
volatile
as $$
declare
    v_epoch constant pg_catalog.int4 := chronicle.epoch_of(_transaction_id, _epoch);
    v_statement pg_catalog.text;
begin
    v_statement := chronicle.plan_transaction_undo(_transaction_id, v_epoch, not _dry_run);
    if not _dry_run and v_statement is not null then
        perform chronicle.carry_out_undo(
            v_statement,
            chronicle.record_revert(null, _transaction_id, v_epoch)
        );
    end if;
    return v_statement;
end
$$;

comment on function chronicle.revert_transaction(bigint, integer, boolean) is
'Takes back what a transaction did to tracked tables: the net change of each row, in one statement,
so that foreign keys hold. As chronicle.revert_event for everything else.
_transaction_id: as in chronicle.row_changes. _epoch: by default the latest in which there was a
transaction of this number. _dry_run: only return the statement.
Errors: as chronicle.revert_event; 42501 also when events of the transaction are hidden from the
caller.';

revoke execute on function chronicle.revert_transaction(bigint, integer, boolean) from public;
grant execute on function chronicle.revert_transaction(bigint, integer, boolean)
to chronicle_reader;

create table chronicle.snapshots (
    snapshot_id uuid not null default chronicle.uuid_v7() constraint snapshots_pkey primary key,
    table_id integer not null,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    last_key text[],
    rows_recorded bigint not null default 0
);

-- One at a time.
create unique index snapshots_table_id_idx on chronicle.snapshots (table_id)
where ended_at is null;

comment on table chronicle.snapshots is
'Runs of chronicle.snapshot_table, and how far each has come.';
comment on column chronicle.snapshots.snapshot_id is
'As in action_meta of its events.';
comment on column chronicle.snapshots.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.snapshots.began_at is
'When it was begun.';
comment on column chronicle.snapshots.ended_at is
'When its last row was recorded; null while it goes on.';
comment on column chronicle.snapshots.last_key is
'Key of the last row that was recorded; null for none.';
comment on column chronicle.snapshots.rows_recorded is
'How many rows it has recorded.';

revoke all on chronicle.snapshots from public;
grant select, insert, update on chronicle.snapshots to chronicle_writer;
grant select on chronicle.snapshots to chronicle_reader, chronicle_admin;

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

-- By the operators of an index on the key: for a type that a user has made, ">" might be another
-- type's, and then rows would be left out between two batches.
create or replace function chronicle.key_order(_table regclass, _key_columns name[])
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(
        format('operator(%I.%s)', n.nspname, o.oprname)
        order by k.place
    )
    from (
        select i.indkey, i.indclass
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_class as c on c.oid = i.indexrelid
        inner join pg_catalog.pg_am as m on m.oid = c.relam and m.amname = 'btree'
        where i.indrelid = _table
            and i.indisvalid
            and i.indisunique
            and i.indpred is null
            and i.indexprs is null
            and i.indnkeyatts = cardinality(_key_columns)
            -- In their own order, first to last.
            and array(
                select a.attname
                from unnest(i.indkey::smallint[], i.indoption::smallint[])
                    with ordinality as x (attnum, option, place)
                inner join pg_catalog.pg_attribute as a
                    on a.attrelid = _table and a.attnum = x.attnum
                where x.place <= i.indnkeyatts and x.option = 0 and a.attnotnull
                order by x.place
            ) = _key_columns
        order by i.indisprimary desc
        limit 1
    ) as i
    cross join lateral unnest(i.indclass::oid[]) with ordinality as k (opclass, place)
    inner join pg_catalog.pg_opclass as c on c.oid = k.opclass
    inner join pg_catalog.pg_amop as s
        on s.amopfamily = c.opcfamily
        and s.amoplefttype = c.opcintype
        and s.amoprighttype = c.opcintype
        and s.amopstrategy = 5
    inner join pg_catalog.pg_operator as o on o.oid = s.amopopr
    inner join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
$$;

comment on function chronicle.key_order(regclass, name[]) is
'Private. For each column of a key the operator "greater than" by which an index orders it; null
when no index does.';

revoke execute on function chronicle.key_order(regclass, name[]) from public;
grant execute on function chronicle.key_order(regclass, name[]) to chronicle_admin;

-- Rows are locked against writers while they are read, or a change that happens meanwhile could get
-- a lower number than the older row that is told after it.
create or replace function chronicle.snapshot_query(
    _table regclass, _options chronicle.table_registry, _operators text[], _last_key text[]
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select %s as key, %s as organization, %s as image, array[%s]::text[] as key_values '
        'from %s %s as old%s%s for share of old',
        case
            when _options.key_columns = '{}' then 'null'
            else format(
                'chronicle.fitted_id(%s)',
                chronicle.key_expression('old', _table, _options.key_columns)
            )
        end,
        case
            when _options.organization_column is null then 'null::text'
            else format(
                'chronicle.fitted_id(nullif(format(''%%s'', old.%I), ''''))',
                _options.organization_column
            )
        end,
        chronicle.object_expression(c.names, c.expressions),
        k.texts,
        case r.relkind when 'r' then 'only' end,
        _table,
        ' where ' || case
            when _last_key is null or _operators is null then null
            else k.condition
        end,
        case when _operators is not null then ' order by ' || k.columns || ' limit $1' end
    )
    from pg_catalog.pg_class as r
    cross join lateral (
        select
            array_agg(a.column_name order by a.place) as names,
            array_agg(a.old_value order by a.place) as expressions
        from chronicle.capture_columns(_table, _options.masked_columns) as a
        where a.column_name = any(_options.captured_columns)
    ) as c
    cross join lateral (
        select
            string_agg(format('format(''%%s'', old.%I)', k.name), ', ' order by k.place) as texts,
            string_agg(format('old.%I', k.name), ', ' order by k.place) as columns,
            -- (a > x) or (a = x and b > y): a row comparison has one operator for all.
            case
                when count(distinct k.operator) = 1
                    then format(
                        '(%s) %s (%s)',
                        string_agg(format('old.%I', k.name), ', ' order by k.place),
                        min(k.operator),
                        string_agg(quote_nullable(k.value), ', ' order by k.place)
                    )
                else string_agg(
                    format(
                        '(%sold.%I %s %L)',
                        (
                            select string_agg(
                                format('old.%I = %L and ', p.name, p.value), '' order by p.place
                            )
                            from unnest(_options.key_columns, _last_key)
                                with ordinality as p (name, value, place)
                            where p.place < k.place
                        ),
                        k.name, k.operator, k.value
                    ),
                    ' or ' order by k.place
                )
            end as condition
        from unnest(_options.key_columns, _last_key, _operators)
            with ordinality as k (name, value, operator, place)
    ) as k
    where r.oid = _table
$$;

comment on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) is
'Private. The text of a query that reads the next rows of a table for a snapshot; its parameter is
their number. _operators: as chronicle.key_order gives them; null for all rows at once.
_last_key: where the rows before ended.';

revoke execute on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) from public;
grant execute on function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
) to chronicle_admin;

create or replace function chronicle.check_can_be_read_whole(
    _table regclass, _table_id integer, _batch_size integer
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if _table_id is null then
        raise exception '% is not tracked', coalesce(_table::text, 'null')
            using errcode = 'ZC005',
                hint = 'chronicle.enable_tracking first: '
                    'a snapshot begins the history of a tracked table.';
    end if;
    if chronicle.tracked_relation(_table_id) <> _table then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                hint = format(
                    'Its rows have their history under %s.',
                    chronicle.tracked_relation(_table_id)::regclass
                );
    end if;
    perform chronicle.check_owns_table(_table);
    if not chronicle.has_shape(_table_id) then
        raise exception '% has changed since it was tracked', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('First: select * from chronicle.refresh_tracking(%L).', _table::text);
    end if;
    if row_security_active(_table) then
        raise exception 'row-level security of % hides rows from "%"', _table, current_user
            using errcode = 'insufficient_privilege',
                hint = 'alter table ... no force row level security, or ask as a role with '
                    'BYPASSRLS that has the rights of the owner.';
    end if;
    if _batch_size < 1 then
        raise exception 'a batch of % rows', _batch_size
            using errcode = 'invalid_parameter_value',
                hint = 'At least one; a thousand to ten thousand are common.';
    end if;
end
$$;

comment on function chronicle.check_can_be_read_whole(regclass, integer, integer) is
'Private. Raises what keeps a snapshot from being taken.';

revoke execute on function chronicle.check_can_be_read_whole(regclass, integer, integer)
from public;
grant execute on function chronicle.check_can_be_read_whole(regclass, integer, integer)
to chronicle_admin;

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

create table chronicle.imports (
    source text constraint imports_pkey primary key,
    last_source_id text,
    events_imported bigint not null default 0,
    began_at timestamptz not null default clock_timestamp(),
    last_at timestamptz not null default clock_timestamp()
);

comment on table chronicle.imports is
'Where events were imported from by chronicle.import_events, and how far.';
comment on column chronicle.imports.source is
'The name that the caller gave it.';
comment on column chronicle.imports.last_source_id is
'source_id of the last event that was looked at.';
comment on column chronicle.imports.events_imported is
'How many events have come from it.';
comment on column chronicle.imports.began_at is
'When the first came.';
comment on column chronicle.imports.last_at is
'When the last came.';

revoke all on chronicle.imports from public;
grant select, insert, update on chronicle.imports to chronicle_writer;
grant select on chronicle.imports to chronicle_reader, chronicle_admin;

create type chronicle.imported_event as (
    source_id text,
    occurred_at timestamptz,
    organization_id text,
    actor_type chronicle.actor_type,
    actor_id text,
    actor_role text,
    impersonator_id text,
    is_ai_action boolean,
    action_type chronicle.action_type,
    action text,
    action_description text,
    action_meta jsonb,
    reason text,
    resource_type text,
    resource_id text,
    related_resources jsonb,
    details_before jsonb,
    details_after jsonb,
    ai_metadata jsonb,
    ai_operation_id uuid,
    severity chronicle.severity_level,
    status chronicle.event_status,
    error_code text,
    error_message text,
    duration_ms integer,
    session_id text,
    request_id text,
    trace_id text,
    operation_id text,
    parent_event_id uuid,
    ip_address inet,
    user_agent text,
    client_info jsonb
);

comment on type chronicle.imported_event is
'What the query of chronicle.import_events may give: source_id, and columns of chronicle.events.';

create or replace function chronicle.check_imported_event(_event chronicle.imported_event)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_missing constant text := case
        when coalesce(_event.source_id, '') = '' then 'source_id'
        when _event.occurred_at is null then 'occurred_at'
        when _event.actor_type is null then 'actor_type'
        when _event.action_type is null then 'action_type'
        when coalesce(_event.resource_type, '') = '' then 'resource_type'
    end;
    v_document record;
begin
    if v_missing is not null then
        raise exception 'the row "%" has no %', _event.source_id, v_missing
            using errcode = 'null_value_not_allowed',
                detail = 'source_id, occurred_at, actor_type, action_type and resource_type '
                    'are required.',
                hint = format('Give it in the query: ... as %s.', v_missing);
    end if;
    for v_document in
        select d.name, d.type
        from (
            values
            ('action_meta', jsonb_typeof(_event.action_meta), 'object'),
            ('details_before', jsonb_typeof(_event.details_before), 'object'),
            ('details_after', jsonb_typeof(_event.details_after), 'object'),
            ('ai_metadata', jsonb_typeof(_event.ai_metadata), 'object'),
            ('client_info', jsonb_typeof(_event.client_info), 'object'),
            ('related_resources', jsonb_typeof(_event.related_resources), 'array')
        ) as d (name, type, wanted)
        where d.type <> d.wanted
    loop
        raise exception 'in the row "%", % is of JSON type %',
            _event.source_id, v_document.name, v_document.type
            using errcode = 'invalid_parameter_value',
                hint = 'Documents are JSON objects, related_resources is an array.';
    end loop;
    if starts_with(_event.resource_type, 'chronicle.') or starts_with(_event.action, 'chronicle.')
    then
        raise exception 'in the row "%", a name begins with "chronicle."', _event.source_id
            using errcode = 'reserved_name',
                hint = 'Give the resource type or action another name.';
    end if;
    if not isfinite(_event.occurred_at)
        or _event.occurred_at < '0001-01-01 00:00:00+00'
        or _event.occurred_at > clock_timestamp() + interval '5 minutes'
        or _event.duration_ms < 0
    then
        raise exception 'in the row "%", occurred_at % or duration_ms % is out of range',
            _event.source_id, _event.occurred_at, _event.duration_ms
            using errcode = 'invalid_parameter_value',
                hint = 'Times lie between the year 1 and now, durations are not negative.';
    end if;
    if greatest(
        octet_length(_event.resource_type), octet_length(_event.resource_id),
        octet_length(_event.actor_id), octet_length(_event.organization_id)
    ) > 1000 then
        raise exception 'in the row "%", an id or the resource type has more than 1000 bytes',
            _event.source_id
            using errcode = 'program_limit_exceeded',
                hint = 'Use its digest, and put the long one into action_meta.';
    end if;
    if chronicle.is_too_long(array[
        _event.action_meta, _event.related_resources, _event.details_before, _event.details_after,
        _event.ai_metadata, _event.client_info
    ]) then
        raise exception 'in the row "%", the documents are longer than 256 MB, written as text',
            _event.source_id
            using errcode = 'program_limit_exceeded',
                hint = 'Leave out what is so long, or keep it elsewhere and import its digest.';
    end if;
end
$$;

comment on function chronicle.check_imported_event(chronicle.imported_event) is
'Private. Raises what keeps an event from being imported.
Errors: 22004 for a missing field; 22023 for a wrong one; 42939 for a reserved name; 54000 for too
long an id or documents.';

revoke execute on function chronicle.check_imported_event(chronicle.imported_event) from public;
grant execute on function chronicle.check_imported_event(chronicle.imported_event)
to chronicle_writer;

create or replace function chronicle.imported_event_id(_source text, _source_id text)
returns uuid
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    -- Version 8, variant 1: a UUID of one's own making.
    select encode(
        set_byte(
            set_byte(d.digest, 6, (get_byte(d.digest, 6) & 15) | 128),
            8, (get_byte(d.digest, 8) & 63) | 128
        ),
        'hex'
    )::uuid
    from (
        select substr(
            sha256(convert_to(jsonb_build_array(_source, _source_id)::text, 'UTF8')), 1, 16
        ) as digest
    ) as d
$$;

comment on function chronicle.imported_event_id(text, text) is
'Private. The id that an imported event has, so that it is imported once: the first 16 bytes of the
SHA-256 of the JSON array of both, as a UUID of version 8.';

revoke execute on function chronicle.imported_event_id(text, text) from public;
grant execute on function chronicle.imported_event_id(text, text) to chronicle_writer;

-- Runs as the sealer, who reads every event, and tells yes or no.
create or replace function chronicle.is_event_imported(_event_id uuid)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select from chronicle.events as e where e.event_id = _event_id and e.origin = 'imported'
    )
$$;

comment on function chronicle.is_event_imported(uuid) is
'Private. Whether an imported event has this id.';

revoke execute on function chronicle.is_event_imported(uuid) from public;
grant execute on function chronicle.is_event_imported(uuid) to chronicle_writer;
alter function chronicle.is_event_imported(uuid) owner to chronicle_sealer;

-- Runs as the writer, who keeps the list. One import of a source at a time: a second one waits
-- here, and goes on where the first ends.
create or replace function chronicle.begin_import(_source text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last_source_id text;
begin
    insert into chronicle.imports (source) values (_source) on conflict do nothing;
    select i.last_source_id into v_last_source_id
    from chronicle.imports as i
    where i.source = _source
    for update;
    return v_last_source_id;
end
$$;

comment on function chronicle.begin_import(text) is
'Private. Where the last import from a source ended; null when there was none.';

revoke execute on function chronicle.begin_import(text) from public;
grant execute on function chronicle.begin_import(text) to chronicle_admin;
alter function chronicle.begin_import(text) owner to chronicle_writer;

-- Runs as the writer. What the events tell is the caller's word, an administrator's, and origin and
-- db_user say so.
create or replace function chronicle.record_imported_events(
    _source text, _events jsonb, _last_source_id text
)
returns table (events_imported bigint, events_total bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_event chronicle.imported_event;
    v_event_id uuid;
    v_masked_key constant text := chronicle.masked_key();
    v_changed_columns text[];
begin
    events_imported := 0;
    for v_event in
        select (jsonb_populate_record(null::chronicle.imported_event, e.event)).*
        from jsonb_array_elements(_events) with ordinality as e (event, place)
        order by e.place
    loop
        perform chronicle.check_imported_event(v_event);
        v_event_id := chronicle.imported_event_id(_source, v_event.source_id);
        if chronicle.is_event_recorded(v_event_id) then
            if not chronicle.is_event_imported(v_event_id) then
                raise exception 'event id % belongs to another event', v_event_id
                    using errcode = 'ZC001',
                        detail = format(
                            'It is the one of row "%s" of %s, and somebody has logged an event '
                            'with it.', v_event.source_id, _source
                        ),
                        hint = 'Import under another name of the source.';
            end if;
            continue;
        end if;
        v_changed_columns := chronicle.changed_keys(
            v_event.details_before, v_event.details_after
        );
        if concat(
            v_event.action_meta, v_event.related_resources, v_event.details_before,
            v_event.details_after, v_event.ai_metadata, v_event.client_info
        ) ~* ('"' || v_masked_key || '":')
        then
            v_event.action_meta := chronicle.mask_keys(v_event.action_meta, v_masked_key);
            v_event.related_resources := chronicle.mask_keys(
                v_event.related_resources, v_masked_key
            );
            v_event.details_before := chronicle.mask_keys(v_event.details_before, v_masked_key);
            v_event.details_after := chronicle.mask_keys(v_event.details_after, v_masked_key);
            v_event.ai_metadata := chronicle.mask_keys(v_event.ai_metadata, v_masked_key);
            v_event.client_info := chronicle.mask_keys(v_event.client_info, v_masked_key);
        end if;
        insert into chronicle.events (
            event_id, occurred_at, organization_id, actor_type, actor_id, actor_role,
            impersonator_id, is_ai_action, context_state, origin, action_type, action,
            action_description, action_meta, reason, resource_type, resource_id,
            related_resources, details_before, details_after, changed_columns, ai_metadata,
            ai_operation_id, severity, status, error_code, error_message, duration_ms, session_id,
            request_id, trace_id, operation_id, parent_event_id, ip_address, user_agent,
            client_info
        ) values (
            v_event_id, v_event.occurred_at, nullif(v_event.organization_id, ''),
            v_event.actor_type, nullif(v_event.actor_id, ''), v_event.actor_role,
            v_event.impersonator_id,
            coalesce(
                v_event.is_ai_action,
                v_event.actor_type = 'ai' or v_event.ai_operation_id is not null
            ),
            'asserted', 'imported', v_event.action_type,
            coalesce(
                nullif(v_event.action, ''), v_event.resource_type || '.' || v_event.action_type
            ),
            v_event.action_description, v_event.action_meta, v_event.reason,
            v_event.resource_type, nullif(v_event.resource_id, ''), v_event.related_resources,
            v_event.details_before, v_event.details_after, v_changed_columns, v_event.ai_metadata,
            v_event.ai_operation_id, coalesce(v_event.severity, 'info'),
            coalesce(v_event.status, 'success'), v_event.error_code, v_event.error_message,
            v_event.duration_ms, v_event.session_id, v_event.request_id, v_event.trace_id,
            v_event.operation_id, v_event.parent_event_id, v_event.ip_address,
            v_event.user_agent, v_event.client_info
        );
        events_imported := events_imported + 1;
    end loop;

    update chronicle.imports as i
    set
        last_source_id = coalesce(_last_source_id, i.last_source_id),
        events_imported = i.events_imported + record_imported_events.events_imported,
        last_at = clock_timestamp()
    where i.source = _source
    returning i.events_imported into strict events_total;
    perform chronicle.log_management_event(
        'create', 'chronicle.import', 'chronicle.import', left(_source, 200), null,
        jsonb_build_object(
            'events', events_imported, 'total', events_total, 'last_source_id', _last_source_id
        )
    );
    return next;
end
$$;

comment on function chronicle.record_imported_events(text, jsonb, text) is
'Private. Records events of elsewhere that are not recorded yet, and that it did.
_events: objects with the fields of chronicle.imported_event.
Errors: as chronicle.check_imported_event.';

revoke execute on function chronicle.record_imported_events(text, jsonb, text) from public;
grant execute on function chronicle.record_imported_events(text, jsonb, text)
to chronicle_admin;
alter function chronicle.record_imported_events(text, jsonb, text) owner to chronicle_writer;

create or replace function chronicle.check_import(
    _source text, _query text, _batch_size integer
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_known constant text[] := array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = 'chronicle.imported_event'::regclass
            and a.attnum > 0
            and not a.attisdropped
    );
    v_columns text[];
    v_unknown text;
begin
    if coalesce(_source, '') = '' or coalesce(_query, '') = '' then
        raise exception 'an import needs a source and a query'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: chronicle.import_events(''audit_logs'', '
                    '''select id as source_id, ... from public.audit_logs'').';
    end if;
    if _batch_size < 1 then
        raise exception 'a batch of % rows', _batch_size
            using errcode = 'invalid_parameter_value',
                hint = 'At least one; a thousand to ten thousand are common.';
    end if;

    execute format(
        E'select array(select k.key from jsonb_object_keys(to_jsonb(s)) as k (key)) '
        'from (select 1) as one '
        'left join (select q.* from (%s\n) as q limit 1) as s on true',
        _query
    )
    into v_columns;
    select c.name into v_unknown
    from unnest(v_columns) as c (name)
    where c.name <> all(v_known)
    limit 1;
    if found then
        raise exception 'the query gives an unknown column "%"', v_unknown
            using errcode = 'undefined_column',
                detail = format('Known are: %s.', array_to_string(v_known, ', ')),
                hint = coalesce(
                    'Did you mean ' || chronicle.similar_names(v_unknown, v_known) || '? ', ''
                ) || 'Columns without a place of their own go into action_meta: '
                    'jsonb_build_object(...) as action_meta.';
    end if;
    if v_columns <> '{}' and 'source_id' <> all(v_columns) then
        raise exception 'the query gives no column source_id'
            using errcode = 'undefined_column',
                hint = 'It tells each row from the others: select id as source_id, ...';
    end if;
end
$$;

comment on function chronicle.check_import(text, text, integer) is
'Private. Raises what keeps an import from beginning.';

revoke execute on function chronicle.check_import(text, text, integer) from public;
grant execute on function chronicle.check_import(text, text, integer) to chronicle_admin;

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

revoke create on schema chronicle from chronicle_reader, chronicle_sealer, chronicle_writer;
