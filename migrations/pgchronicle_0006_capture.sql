-- Tables whose changes become events.
-- depends: pgchronicle_0005_access

set local role chronicle_owner;

grant create on schema chronicle to chronicle_writer;

-- A table is known by its id here, which its capture function carries in its name. An oid would not
-- survive dump and restore, and a name not a rename.
create table chronicle.table_registry (
    table_id integer generated always as identity constraint table_registry_pkey primary key,
    schema_name name not null,
    table_name name not null,
    resource_type text not null,
    organization_column name,
    excluded_columns name[] not null,
    masked_columns name[] not null,
    captured_columns name[] not null,
    key_columns name[] not null,
    tracked_since timestamptz not null default clock_timestamp(),
    tracked_until timestamptz,
    constraint table_registry_resource_type_fits_index check (
        octet_length(resource_type) between 1 and 1000
    )
);

comment on table chronicle.table_registry is
'Every table that is or was tracked, and how. Rows stay when tracking ends: events refer to them.
chronicle.tracked_tables shows how things stand.';
comment on column chronicle.table_registry.table_id is
'As in chronicle.events.table_id; the table''s capture function is
chronicle_capture.capture_<table_id>.';
comment on column chronicle.table_registry.schema_name is
'Schema of the table when tracking was last enabled.';
comment on column chronicle.table_registry.table_name is
'Name of the table when tracking was last enabled.';
comment on column chronicle.table_registry.resource_type is
'resource_type of its events.';
comment on column chronicle.table_registry.organization_column is
'The column that holds organization_id; null: it comes from the context.';
comment on column chronicle.table_registry.excluded_columns is
'Columns that are not recorded.';
comment on column chronicle.table_registry.masked_columns is
'Columns of which is recorded that they changed, not what they hold.';
comment on column chronicle.table_registry.captured_columns is
'Columns that the capture function knows.';
comment on column chronicle.table_registry.key_columns is
'The primary key, in its order; empty: the table has none, and resource_id is null.';
comment on column chronicle.table_registry.tracked_since is
'When tracking was last begun.';
comment on column chronicle.table_registry.tracked_until is
'When tracking ended; null while it goes on.';

revoke all on chronicle.table_registry from public;
grant select on chronicle.table_registry to chronicle_writer, chronicle_reader, chronicle_admin;

-- How each column is compared and rendered, decided once, when the capture function is made.
--
-- Comparison: "is distinct from" only where equal values are the same bytes. Numeric 1.0 equals
-- 1.00, a float -0 equals 0, an interval of a day equals 24 hours, a text under a nondeterministic
-- collation equals another, and json has no equality at all; all these are compared as images
-- (*<>), which also needs no operator that a user may have made.
--
-- Rendering: a type that a user can define may have a cast to json, and jsonb_build_object would
-- run that cast with the writer's rights. Such values are rendered by the output function of their
-- type.
create or replace function chronicle.capture_columns(_table regclass)
returns table (
    column_name name,
    place integer,
    type_name text,
    comparison text,
    is_user_type boolean,
    base_type oid
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with recursive unwrapped as (
        -- Domains are unwrapped down to what they stand on, arrays down to their elements.
        select
            a.attname, a.attnum, a.attcollation, a.atttypid as declared_type, a.atttypid as type_id,
            false as is_array
        from pg_catalog.pg_attribute as a
        where a.attrelid = _table
            and a.attnum > 0
            and not a.attisdropped
            -- A virtual column is no part of the row: it follows from the others.
            and a.attgenerated <> 'v'
        union all
        select
            u.attname, u.attnum, u.attcollation, u.declared_type,
            case t.typtype when 'd' then t.typbasetype else t.typelem end,
            u.is_array or t.typtype <> 'd'
        from unwrapped as u
        inner join pg_catalog.pg_type as t on t.oid = u.type_id
        where t.typtype = 'd' or t.typsubscript = 'array_subscript_handler'::regproc
    )
    select
        u.attname,
        u.attnum::integer,
        u.declared_type::regtype::text,
        format(
            case
                when not u.is_array and (
                    t.typtype = 'e'
                    or t.oid = any(
                        array[
                            'bool', 'int2', 'int4', 'int8', 'oid', 'uuid', 'date', 'time',
                            'timestamp', 'timestamptz', 'bytea', 'money', 'macaddr', 'name'
                        ]::regtype[]::oid[]
                    )
                    or t.oid in ('text'::regtype, 'varchar'::regtype)
                        and coalesce(c.collisdeterministic, true)
                )
                    then 'old.%1$I is distinct from new.%1$I'
                else 'row(old.%1$I)::record operator(pg_catalog.*<>) row(new.%1$I)::record'
            end,
            u.attname
        ),
        t.oid >= 16384,
        t.oid
    from unwrapped as u
    inner join pg_catalog.pg_type as t on t.oid = u.type_id
    left join pg_catalog.pg_collation as c on c.oid = u.attcollation
    where t.typtype <> 'd' and t.typsubscript is distinct from 'array_subscript_handler'::regproc
    order by u.attnum
$$;

comment on function chronicle.capture_columns(regclass) is
'Private. The columns of a table that can be captured, in their order. comparison: an expression
that is true when old and new differ. is_user_type: the type is, or is made of, one that is not
built in. base_type: what lies under domains and arrays.';

revoke execute on function chronicle.capture_columns(regclass) from public;
grant execute on function chronicle.capture_columns(regclass) to chronicle_writer;

-- A SET clause costs a third of a microsecond a call, so a function gets only those its columns
-- need.
create or replace function chronicle.capture_settings(_table regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(s.clause, '' order by s.clause), '')
    from (
        values
        (
            E'set timezone = ''UTC''\n',
            array['timestamptz', 'timetz', 'tstzrange', 'tstzmultirange']
        ),
        (
            E'set datestyle = ''ISO, YMD''\n',
            array[
                'date', 'timestamp', 'timestamptz', 'daterange', 'tsrange', 'tstzrange',
                'datemultirange', 'tsmultirange', 'tstzmultirange'
            ]
        ),
        (E'set intervalstyle = ''iso_8601''\n', array['interval']),
        (E'set bytea_output = ''hex''\n', array['bytea']),
        (E'set lc_monetary = ''C''\n', array['money']),
        (
            E'set extra_float_digits = 1\n',
            array['float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle']
        )
    ) as s (clause, type_names)
    where exists (
        select from chronicle.capture_columns(_table) as c
        -- What a user's type is made of is not looked into: it may be anything.
        where c.is_user_type or c.base_type::regtype::text = any(
            array(
                select n.name::regtype::text
                from unnest(s.type_names) as n (name)
                where to_regtype(n.name) is not null
            )
        )
    )
$$;

comment on function chronicle.capture_settings(regclass) is
'Private. The SET clauses by which a table''s values are rendered alike in every session.';

revoke execute on function chronicle.capture_settings(regclass) from public;
grant execute on function chronicle.capture_settings(regclass) to chronicle_writer;

-- A function takes a hundred arguments, so fifty columns go into one call.
create or replace function chronicle.row_expression(
    _row text, _columns name[], _masked_columns name[], _user_typed_columns name[]
)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(b.call, ' || ' order by b.chunk), '''{}''::jsonb')
    from (
        select
            (c.place - 1) / 50 as chunk,
            'jsonb_build_object('
            || string_agg(
                format(
                    case
                        when c.name = any(_masked_columns)
                            then '%L, case when %s.%I is distinct from null then ''[masked]'' end'
                        when c.name = any(_user_typed_columns)
                            then '%L, case when %2$s.%3$I is distinct from null '
                                'then format(''%%s'', %2$s.%3$I) end'
                        else '%L, %s.%I'
                    end,
                    c.name, _row, c.name
                ),
                ', ' order by c.place
            )
            || ')' as call
        from unnest(_columns) with ordinality as c (name, place)
        group by 1
    ) as b
$$;

comment on function chronicle.row_expression(text, name[], name[], name[]) is
'Private. The text of an expression that renders columns of a row as a JSON object.
_row: old or new. _masked_columns: get "[masked]" in place of a value. _user_typed_columns: are
rendered by the output function of their type.';

revoke execute on function chronicle.row_expression(text, name[], name[], name[]) from public;
grant execute on function chronicle.row_expression(text, name[], name[], name[])
to chronicle_writer;

create or replace function chronicle.key_expression(_row text, _key_columns name[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case cardinality(_key_columns)
        when 0 then 'null::text'
        when 1 then format('format(''%%s'', %s.%I)', _row, _key_columns[1])
        else (
            select 'jsonb_build_object(' || string_agg(
                format('%L, format(''%%s'', %s.%I)', k.name, _row, k.name), ', ' order by k.place
            ) || ')::text'
            from unnest(_key_columns) with ordinality as k (name, place)
        )
    end
$$;

comment on function chronicle.key_expression(text, name[]) is
'Private. The text of an expression that gives a row''s resource_id: the bare value of one key
column, or a JSON object of several, each as text. _row: old or new.';

revoke execute on function chronicle.key_expression(text, name[]) from public;
grant execute on function chronicle.key_expression(text, name[]) to chronicle_writer;

create or replace function chronicle.organization_expression(_row text, _column name)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _column is null then 'null'
        else format('nullif(format(''%%s'', %s.%I), '''')', _row, _column)
    end
$$;

comment on function chronicle.organization_expression(text, name) is
'Private. The text of an expression that gives a row''s organization_id. _row: old or new. _column:
holds it; null for none.';

revoke execute on function chronicle.organization_expression(text, name) from public;
grant execute on function chronicle.organization_expression(text, name) to chronicle_writer;

-- Two tests in one expression. The types: a column that was given another type since might be
-- compared wrongly, and a cast that its owner made would run with the writer's rights; a user's
-- type is rendered safely whatever it becomes. The columns: a row compared with one of the columns
-- known here is equal to it, and the comparison raises 42804 by itself when their numbers differ.
create or replace function chronicle.shape_expression(_row text, _table regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        coalesce(
            string_agg(
                format('pg_typeof(%s.%I) = %L::regtype', _row, a.attname, a.type_name),
                ' and ' order by a.attnum
            ) filter (where not c.is_user_type) || ' and ',
            ''
        )
        || format(
            '%s::record operator(pg_catalog.*=) row(%s)::record',
            _row,
            string_agg(
                case
                    -- A row that a trigger is given holds no value for it.
                    when a.attgenerated = 'v' then 'null::' || a.type_name
                    else format('%s.%I', _row, a.attname)
                end,
                ', ' order by a.attnum
            )
        )
    from (
        select t.attname, t.attnum, t.attgenerated, t.atttypid::regtype::text as type_name
        from pg_catalog.pg_attribute as t
        where t.attrelid = _table and t.attnum > 0 and not t.attisdropped
    ) as a
    left join chronicle.capture_columns(_table) as c on c.column_name = a.attname
$$;

comment on function chronicle.shape_expression(text, regclass) is
'Private. The text of an expression that is true while the columns of a row, and their types, are
those of the table now; otherwise it is false, or raises 42804 or 42703. _row: old or new.';

revoke execute on function chronicle.shape_expression(text, regclass) from public;
grant execute on function chronicle.shape_expression(text, regclass) to chronicle_writer;

-- Writes the function that captures one table: static SQL, its columns and key compiled in, so that
-- a row costs no look-up in a catalog and no dynamic statement. The exception block surrounds
-- rendering alone; it holds no write, so it takes no transaction id.
--
-- Each row is first asked whether it still has the shape that the function knows, which costs a
-- microsecond for a dozen columns: nothing must be lost, compared wrongly or rendered with a
-- foreign cast when the table has changed since.
create or replace function chronicle.capture_function_body(
    _table regclass, _options chronicle.table_registry
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_typed constant name[] := array(
        select c.column_name from chronicle.capture_columns(_table) as c where c.is_user_type
    );
    -- The text form of the row shows every column.
    v_shows_rows constant text := case
        when cardinality(_options.masked_columns || _options.excluded_columns) = 0 then 'true'
        else 'false'
    end;
    v_update text;
    v_changed text;
begin
    select
        string_agg(
            format(
                E'            if %s then\n'
                '                v_changed := array_append(v_changed, %L);\n'
                '                v_before := v_before || %s;\n'
                '                v_after := v_after || %s;\n'
                '            end if;\n',
                c.comparison,
                c.column_name,
                chronicle.row_expression(
                    'old', array[c.column_name], _options.masked_columns, v_user_typed
                ),
                chronicle.row_expression(
                    'new', array[c.column_name], _options.masked_columns, v_user_typed
                )
            ),
            '' order by c.place
        ) filter (where c.column_name = any(_options.captured_columns)),
        string_agg(
            format('case when %s then %L end', c.comparison, c.column_name), ', ' order by c.place
        ) filter (where c.column_name = any(_options.captured_columns))
    into v_update, v_changed
    from chronicle.capture_columns(_table) as c;

    return format(
        $body$
declare
    v_random bytea;
    v_event_id uuid;
    v_payload_salt uuid;
    v_seq bigint;
    v_transaction_id bigint;
    v_now timestamptz;
    v_action_type chronicle.action_type;
    v_action text;
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_related jsonb;
    v_resource_id text;
    v_organization_id text;
    v_error text;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not
    -- wanted. Any other session in replica mode is an administrator at work, and is recorded. Two
    -- conditions, because one with a query in it would start that query for every row.
    if current_setting('session_replication_role') = 'replica' then
        if exists (
            select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
        ) then
            return null;
        end if;
    end if;

    begin
        if tg_op = 'DELETE' then
            v_resource_id := %1$s;
            v_organization_id := %2$s;
            if not (%3$s) then
                raise exception 'a column has another type' using errcode = 'datatype_mismatch';
            end if;
            v_before := %4$s;
        elsif tg_op in ('INSERT', 'UPDATE') then
            v_resource_id := %5$s;
            v_organization_id := %6$s;
            if not (%7$s) then
                raise exception 'a column has another type' using errcode = 'datatype_mismatch';
            end if;
        end if;

        if tg_op = 'INSERT' then
            v_after := %8$s;
        elsif tg_op = 'UPDATE' then
            v_before := '{}';
            v_after := '{}';
            v_changed := '{}';
%9$s            -- Only columns that are not recorded have changed.
            if v_changed = '{}' then
                return null;
            end if;
            if v_resource_id <> %1$s then
                v_related := jsonb_build_array(jsonb_build_object(
                    'relation', 'previous_key', 'resource_type', %10$L, 'resource_id', %1$s
                ));
            end if;
        end if;
    exception
    -- The write goes on. Its event says what is wrong, and holds the row in its text form unless
    -- that would show what is not to be recorded.
    when undefined_column or undefined_function or undefined_object or datatype_mismatch then
        v_error := sqlstate || ': the table has changed since it was tracked: ' || sqlerrm;
        v_changed := null;
        v_before := case
            when %11$s and tg_op <> 'INSERT' then jsonb_build_object('row', format('%%s', old))
        end;
        v_after := case
            when %11$s and tg_op <> 'DELETE' then jsonb_build_object('row', format('%%s', new))
        end;
    when data_exception or program_limit_exceeded or out_of_memory then
        v_error := sqlstate || ': ' || sqlerrm;
        v_before := null;
        v_after := null;
        if tg_op = 'UPDATE' then
            v_changed := array_remove(array[%12$s]::text[], null);
        end if;
    end;

    -- They are indexed, and an index holds no longer entries. The row itself has the value.
    if octet_length(v_resource_id) > 1000 then
        v_resource_id := 'sha256:' || encode(sha256(convert_to(v_resource_id, 'UTF8')), 'hex');
    end if;
    if octet_length(v_organization_id) > 1000 then
        v_organization_id := 'sha256:'
            || encode(sha256(convert_to(v_organization_id, 'UTF8')), 'hex');
    end if;

    v_action_type := case tg_op
        when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete'
    end;
    v_action := case tg_op
        when 'INSERT' then %13$L when 'UPDATE' then %14$L when 'DELETE' then %15$L else %16$L
    end;

    -- What the defaults of the columns would give. PL/pgSQL keeps an expression ready for the whole
    -- transaction; in the insert it would be made ready for every row. The system is asked for
    -- random bytes once; the halves of their digest say nothing about each other.
    v_random := sha256(uuid_send(gen_random_uuid()));
    v_event_id := chronicle.uuid_v7(v_random);
    v_payload_salt := encode(substr(v_random, 17), 'hex');
    v_seq := nextval('chronicle.events_seq');
    v_transaction_id := pg_current_xact_id()::text;
    v_now := clock_timestamp();

    -- Two statements, because naming fewer columns makes the one without a context cheaper.
    if coalesce(current_setting('chronicle.context', true), '') = ''
        and coalesce(current_setting('request.jwt.claims', true), '') = ''
    then
        insert into chronicle.events (
            event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
            actor_type, actor_id, context_state, origin, action_type, action, resource_type,
            resource_id, related_resources, table_id, details_before, details_after,
            changed_columns, payload_error
        ) values (
            v_event_id, v_seq, v_transaction_id, v_now, v_now, v_payload_salt, v_organization_id,
            'system', session_user, 'absent', 'captured', v_action_type,
            v_action, %10$L, v_resource_id, v_related, %17$s, v_before, v_after, v_changed, v_error
        );
        return null;
    end if;

    v_context := chronicle.resolve_context();
    insert into chronicle.events (
        event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
        actor_type, actor_id, actor_role, impersonator_id, is_ai_action, context_state, origin,
        action_type, action, reason, resource_type, resource_id, related_resources,
        table_id, details_before, details_after, changed_columns, payload_error, ai_operation_id,
        session_id, request_id, trace_id, operation_id, ip_address, user_agent,
        client_info
    ) values (
        v_event_id,
        v_seq,
        v_transaction_id,
        v_now,
        v_now,
        v_payload_salt,
        coalesce(v_organization_id, v_context.organization_id),
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role,
        v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state,
        'captured',
        v_action_type,
        v_action,
        v_context.reason,
        %10$L,
        v_resource_id,
        v_related,
        %17$s,
        v_before,
        v_after,
        v_changed,
        v_error,
        v_context.ai_operation_id,
        v_context.session_id,
        v_context.request_id,
        v_context.trace_id,
        v_context.operation_id,
        v_context.ip_address,
        v_context.user_agent,
        v_context.client_info
    );
    return null;
end
$body$,
        chronicle.key_expression('old', _options.key_columns), -- 1
        chronicle.organization_expression('old', _options.organization_column), -- 2
        chronicle.shape_expression('old', _table), -- 3
        chronicle.row_expression(
            'old', _options.captured_columns, _options.masked_columns, v_user_typed
        ), -- 4
        chronicle.key_expression('new', _options.key_columns), -- 5
        chronicle.organization_expression('new', _options.organization_column), -- 6
        chronicle.shape_expression('new', _table), -- 7
        chronicle.row_expression(
            'new', _options.captured_columns, _options.masked_columns, v_user_typed
        ), -- 8
        v_update, -- 9
        _options.resource_type, -- 10
        v_shows_rows, -- 11
        v_changed, -- 12
        _options.resource_type || '.create', -- 13
        _options.resource_type || '.update', -- 14
        _options.resource_type || '.delete', -- 15
        _options.resource_type || '.truncate', -- 16
        _options.table_id -- 17
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry) is
'Private. The text of the trigger function that captures a table. _options: its row of the
registry.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry)
to chronicle_writer;

-- The trigger on the table leads to the function, and the function's name to the id: that survives
-- a rename, and dump and restore.
create or replace function chronicle.tracked_table_id(_table regclass)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select substring(p.proname from '^capture_([0-9]+)$')::integer
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table and p.pronamespace = 'chronicle_capture'::regnamespace
    limit 1
$$;

comment on function chronicle.tracked_table_id(regclass) is
'Private. The table_id of a table whose capture triggers stand; null for any other table.';

revoke execute on function chronicle.tracked_table_id(regclass) from public;
grant execute on function chronicle.tracked_table_id(regclass) to chronicle_admin, chronicle_writer;

create or replace function chronicle.has_capture_triggers(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) = 3
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table
        and t.tgname in ('!chronicle_row', '!chronicle_update', '!chronicle_truncate')
        and t.tgenabled = 'A'
        and p.pronamespace = 'chronicle_capture'::regnamespace
$$;

comment on function chronicle.has_capture_triggers(regclass) is
'Private. Whether all capture triggers of a table stand and fire always.';

revoke execute on function chronicle.has_capture_triggers(regclass) from public;
grant execute on function chronicle.has_capture_triggers(regclass)
to chronicle_admin, chronicle_reader;

create or replace function chronicle.tracking_options(_options chronicle.table_registry)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select to_jsonb(_options) - array['schema_name', 'table_name', 'tracked_since', 'tracked_until']
$$;

comment on function chronicle.tracking_options(chronicle.table_registry) is
'Private. How a table is tracked, as events tell it.';

revoke execute on function chronicle.tracking_options(chronicle.table_registry) from public;
grant execute on function chronicle.tracking_options(chronicle.table_registry)
to chronicle_writer, chronicle_admin;

create or replace function chronicle.check_trackable(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_class pg_catalog.pg_class;
    v_kind text;
begin
    if _table is null then
        raise exception 'a table is needed'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: chronicle.enable_tracking(''shop.orders'').';
    end if;
    select * into v_class from pg_catalog.pg_class as c where c.oid = _table;
    if not found then
        raise exception 'there is no table with oid %', _table::oid
            using errcode = 'undefined_table',
                hint = 'Name the table, as in chronicle.enable_tracking(''shop.orders'').';
    end if;

    v_kind := case
        when v_class.relnamespace in ('chronicle'::regnamespace, 'chronicle_capture'::regnamespace)
            then 'part of pgchronicle'
        when v_class.relnamespace in (
            'pg_catalog'::regnamespace, 'information_schema'::regnamespace
        )
            then 'a system catalog'
        when v_class.relkind = 'v' then 'a view'
        when v_class.relkind = 'm' then 'a materialized view'
        when v_class.relkind = 'f' then 'a foreign table'
        when v_class.relkind = 'S' then 'a sequence'
        when v_class.relkind in ('i', 'I') then 'an index'
        when v_class.relkind not in ('r', 'p') then 'no table'
        when v_class.relpersistence = 't' then 'a temporary table'
        when v_class.relpersistence = 'u' then 'an unlogged table'
    end;
    if v_kind is not null then
        raise exception '% can not be tracked: it is %', _table, v_kind
            using errcode = 'wrong_object_type',
                detail = case v_class.relpersistence
                    when 'u' then 'A crash empties an unlogged table, and no event would say so.'
                    else 'Ordinary and partitioned tables can be tracked.'
                end,
                hint = case
                    when v_kind in ('a view', 'a materialized view')
                        then 'Track the tables it reads.'
                    when v_kind = 'an unlogged table'
                        then format('First: alter table %s set logged.', _table)
                    else 'Name an ordinary table.'
                end;
    end if;
    if v_class.relispartition then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                detail = 'Its changes belong to the history of the partitioned table.',
                hint = format(
                    'Track that one: chronicle.enable_tracking(%L).',
                    pg_partition_root(_table)::regclass::text
                );
    end if;
end
$$;

comment on function chronicle.check_trackable(regclass) is
'Private. Raises what keeps a table from being tracked.
Errors: 22004 for null; 42P01 for no table; 42809 for something that is no ordinary table of the
application.';

revoke execute on function chronicle.check_trackable(regclass) from public;
grant execute on function chronicle.check_trackable(regclass) to chronicle_admin;

create or replace function chronicle.check_owns_table(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_owner constant name := (
        select pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c where c.oid = _table
    );
begin
    if not pg_has_role(current_user, v_owner, 'USAGE') then
        raise exception 'must be owner of table %', _table
            using errcode = 'insufficient_privilege',
                detail = format('It belongs to "%s"; you are "%s".', v_owner, current_user),
                hint = format(
                    'Call this as "%1$s", after: grant chronicle_admin to %1$I.', v_owner
                );
    end if;
end
$$;

comment on function chronicle.check_owns_table(regclass) is
'Private. Raises 42501 unless the caller has the rights of the table''s owner.';

revoke execute on function chronicle.check_owns_table(regclass) from public;
grant execute on function chronicle.check_owns_table(regclass) to chronicle_admin;

-- The functions with rights of their own can not see who called them: current_user is their owner,
-- and every chronicle_admin may call them. So the caller shows that they act for the table's owner
-- by what only that one can do: chronicle.enable_tracking grants TRIGGER on the table to
-- chronicle_writer, and takes it back before it ends.
create or replace function chronicle.check_owner_consents(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select
        from pg_catalog.pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = _table
            and a.grantee = 'chronicle_writer'::regrole
            and a.privilege_type = 'TRIGGER'
    ) then
        raise exception 'the owner of % has not asked for this', _table
            using errcode = 'insufficient_privilege',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
end
$$;

comment on function chronicle.check_owner_consents(regclass) is
'Private. Raises 42501 unless chronicle_writer holds TRIGGER on the table, which the owner grants
while tracking is enabled.';

revoke execute on function chronicle.check_owner_consents(regclass) from public;
grant execute on function chronicle.check_owner_consents(regclass) to chronicle_writer;

-- Runs as the owner of the registry. It trusts nothing that chronicle.enable_tracking checked
-- before, as every administrator may call it. The row and the event that tells of it are one.
create or replace function chronicle.register_tracked_table(
    _table regclass,
    _resource_type text,
    _organization_column name,
    _exclude_columns name[],
    _mask_columns name[]
)
returns chronicle.table_registry
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schema_name name;
    v_table_name name;
    v_table_id integer;
    v_columns name[];
    v_key name[];
    v_unknown name;
    v_before chronicle.table_registry;
    v_options chronicle.table_registry;
begin
    select n.nspname, c.relname into strict v_schema_name, v_table_name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owner_consents(_table);

    v_columns := array(select c.column_name from chronicle.capture_columns(_table) as c);
    v_key := array(
        select a.attname
        from pg_catalog.pg_index as i
        cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
        inner join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = _table and i.indisprimary and k.place <= i.indnkeyatts
        order by k.place
    );
    if _mask_columns is null then
        _mask_columns := array(
            select c.name
            from unnest(v_columns) as c (name)
            cross join chronicle.logging_rules as r
            where c.name ~* ('^' || r.masked_key || '$')
                and c.name <> all(v_key || coalesce(_exclude_columns, '{}'))
        );
    end if;
    _exclude_columns := coalesce(_exclude_columns, '{}');

    select u.name into v_unknown
    from unnest(
        _exclude_columns || _mask_columns || array_remove(array[_organization_column], null)
    ) as u (name)
    where u.name <> all(v_columns)
    limit 1;
    if found then
        raise exception 'column "%" of table % does not exist', v_unknown, _table
            using errcode = 'undefined_column',
                hint = format('It has: %s.', array_to_string(v_columns, ', '));
    end if;
    select k.name into v_unknown
    from unnest(v_key) as k (name)
    where k.name = any(_exclude_columns || _mask_columns)
    limit 1;
    if found then
        raise exception 'column "%" is part of the primary key of %', v_unknown, _table
            using errcode = 'invalid_parameter_value',
                hint = 'The key names the record in the log: '
                    'it can be neither excluded nor masked.';
    end if;

    -- A table of the same name as one that is no longer tracked goes on with its history, unless
    -- that one was renamed and is tracked under its new name.
    v_table_id := coalesce(
        chronicle.tracked_table_id(_table),
        (
            select max(r.table_id)
            from chronicle.table_registry as r
            where r.schema_name = v_schema_name
                and r.table_name = v_table_name
                and not exists (
                    select
                    from pg_catalog.pg_trigger as t
                    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
                    where p.pronamespace = 'chronicle_capture'::regnamespace
                        and p.proname = 'capture_' || r.table_id
                )
        )
    );
    if v_table_id is null then
        insert into chronicle.table_registry (
            schema_name, table_name, resource_type, excluded_columns, masked_columns,
            captured_columns, key_columns
        )
        values (v_schema_name, v_table_name, 'new', '{}', '{}', '{}', '{}')
        returning table_id into v_table_id;
    else
        select * into v_before
        from chronicle.table_registry as r
        where r.table_id = v_table_id and r.tracked_until is null;
    end if;

    update chronicle.table_registry as r
    set
        schema_name = v_schema_name,
        table_name = v_table_name,
        resource_type = coalesce(
            _resource_type,
            case when v_schema_name = 'public' then '' else v_schema_name || '.' end || v_table_name
        ),
        organization_column = _organization_column,
        excluded_columns = _exclude_columns,
        masked_columns = _mask_columns,
        captured_columns = array(
            select c.name from unnest(v_columns) as c (name) where c.name <> all(_exclude_columns)
        ),
        key_columns = v_key,
        tracked_since = case
            when r.tracked_until is null then r.tracked_since else clock_timestamp()
        end,
        tracked_until = null
    where r.table_id = v_table_id
    returning r.* into v_options;

    if v_before.table_id is null
        or chronicle.tracking_options(v_before) <> chronicle.tracking_options(v_options)
        or not chronicle.has_capture_triggers(_table)
    then
        perform chronicle.log_management_event(
            case
                when v_before.table_id is null then 'create' else 'update'
            end::chronicle.action_type,
            'chronicle.tracking.' || case
                when v_before.table_id is null then 'enable' else 'update'
            end,
            'chronicle.tracked_table',
            format('%I.%I', v_schema_name, v_table_name),
            case when v_before.table_id is not null then chronicle.tracking_options(v_before) end,
            chronicle.tracking_options(v_options)
        );
    end if;
    return v_options;
end
$$;

comment on function chronicle.register_tracked_table(regclass, text, name, name[], name[]) is
'Private. Enters a table and its options into the registry, records that, and returns the row.
Errors: 42501 unless the owner consents; 42703 for an unknown column; 22023 for a key column that is
excluded or masked; 42809 and 0A000 as chronicle.check_trackable.';

revoke execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
to chronicle_admin;

-- Runs as the writer, who owns the capture functions and so lends them the right to insert events,
-- and no other. Until chronicle.confirm_tracking, in the same transaction, the table's owner may
-- attach the function to a trigger; afterwards nobody may. It is made only for the table that it is
-- named for: another one's columns would blind it.
create or replace function chronicle.create_capture_function(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
    v_owner name;
    v_name constant text := format('chronicle_capture.capture_%s()', _table_id);
begin
    perform chronicle.check_owner_consents(_table);
    select r.* into v_options
    from chronicle.table_registry as r
    inner join pg_catalog.pg_namespace as n on n.nspname = r.schema_name
    inner join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = r.table_name
    where r.table_id = _table_id
        and r.tracked_until is null
        and c.oid = _table
        and coalesce(chronicle.tracked_table_id(_table), _table_id) = _table_id;
    if not found then
        raise exception '% is not registered as %', _table, _table_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    select pg_get_userbyid(c.relowner) into strict v_owner
    from pg_catalog.pg_class as c
    where c.oid = _table;

    -- Whoever replaces a function must be able to execute it, its owner too.
    if to_regprocedure(v_name) is not null then
        execute format('grant execute on function %s to chronicle_writer', v_name);
    end if;
    execute format(
        E'create or replace function %s\nreturns trigger\nlanguage plpgsql\nsecurity definer\n'
        'set search_path = pg_catalog, pg_temp\n%sas %L',
        v_name,
        chronicle.capture_settings(_table),
        chronicle.capture_function_body(_table, v_options)
    );
    execute format(
        'comment on function %s is %L',
        v_name,
        format(
            'Captures %I.%I. Generated by chronicle.enable_tracking.',
            v_options.schema_name, v_options.table_name
        )
    );
    execute format('revoke execute on function %s from public', v_name);
    execute format('grant execute on function %s to %I', v_name, v_owner);
end
$$;

comment on function chronicle.create_capture_function(regclass, integer) is
'Private. Makes the trigger function that captures a registered table, executable by the table''s
owner until chronicle.confirm_tracking.
Errors: 42501 unless the owner consents; 55000 for another table than the registered one.';

revoke execute on function chronicle.create_capture_function(regclass, integer) from public;
grant execute on function chronicle.create_capture_function(regclass, integer) to chronicle_admin;
alter function chronicle.create_capture_function(regclass, integer) owner to chronicle_writer;

-- Runs as the writer, who owns the capture function and is the one to close it.
create or replace function chronicle.confirm_tracking(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_grantee text;
begin
    for v_grantee in
        select quote_ident(pg_get_userbyid(a.grantee))
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = 'capture_' || _table_id
        group by 1
    loop
        execute format(
            'revoke execute on function chronicle_capture.capture_%s() from %s',
            _table_id, v_grantee
        );
    end loop;

    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
end
$$;

comment on function chronicle.confirm_tracking(regclass, integer) is
'Private. Closes a capture function to everybody and checks that the triggers stand.';

revoke execute on function chronicle.confirm_tracking(regclass, integer) from public;
grant execute on function chronicle.confirm_tracking(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_tracking(regclass, integer) owner to chronicle_writer;

-- Runs as the owner of the registry, and of the schema whose function it drops. The drop fails
-- while any trigger uses the function, so it can not end the capture of a table behind its owner's
-- back.
create or replace function chronicle.retire_tracked_table(_table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    update chronicle.table_registry as r set tracked_until = clock_timestamp()
    where r.table_id = _table_id and r.tracked_until is null
    returning r.* into v_options;
    if not found then
        raise exception 'no table is tracked as %', _table_id
            using errcode = 'ZC005',
                hint = 'Call chronicle.disable_tracking with the table.';
    end if;

    execute format('drop function chronicle_capture.capture_%s()', _table_id);
    perform chronicle.log_management_event(
        'delete', 'chronicle.tracking.disable', 'chronicle.tracked_table',
        format('%I.%I', v_options.schema_name, v_options.table_name),
        chronicle.tracking_options(v_options), null
    );
end
$$;

comment on function chronicle.retire_tracked_table(integer) is
'Private. Drops the capture function of a table whose triggers are gone, and records that tracking
ended.';

revoke execute on function chronicle.retire_tracked_table(integer) from public;
grant execute on function chronicle.retire_tracked_table(integer) to chronicle_admin;

-- Runs as its caller: a trigger on a table is its owner's business. Only what needs the log's own
-- rights (the registry, the capture function, the event) is done by inner functions that have them.
--
-- AFTER triggers fire by name: ! sorts before letters and digits, so that an insert is recorded
-- before what another trigger makes of it. The update trigger compares images before it calls the
-- function, so an update that changes nothing costs next to nothing.
create or replace function chronicle.enable_tracking(
    _table regclass,
    _resource_type text default null,
    _organization_column name default null,
    _exclude_columns name[] default null,
    _mask_columns name[] default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before_id constant integer := chronicle.tracked_table_id(_table);
    v_before chronicle.table_registry;
    v_after chronicle.table_registry;
    v_function text;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owns_table(_table);
    -- Serializes calls for the same table, and writers that would slip in between.
    execute format('lock table %s in share row exclusive mode', _table);

    -- Shown to the inner functions as the owner's consent, and taken back at the end.
    execute format('grant trigger on %s to chronicle_writer', _table);

    select * into v_before from chronicle.table_registry as r where r.table_id = v_before_id;
    v_after := chronicle.register_tracked_table(
        _table, _resource_type, _organization_column, _exclude_columns, _mask_columns
    );
    if v_before_id = v_after.table_id
        and chronicle.tracking_options(v_before) = chronicle.tracking_options(v_after)
        and chronicle.has_capture_triggers(_table)
    then
        execute format('revoke trigger on %s from chronicle_writer', _table);
        return;
    end if;

    perform chronicle.create_capture_function(_table, v_after.table_id);
    v_function := format('chronicle_capture.capture_%s()', v_after.table_id);
    execute format(
        'create or replace trigger "!chronicle_row" after insert or delete on %s '
        'for each row execute function %s', _table, v_function
    );
    execute format(
        'create or replace trigger "!chronicle_update" after update on %s for each row '
        'when (old.* operator(pg_catalog.*<>) new.*) execute function %s', _table, v_function
    );
    execute format(
        'create or replace trigger "!chronicle_truncate" after truncate on %s '
        'for each statement execute function %s', _table, v_function
    );
    execute format(
        'alter table %s enable always trigger "!chronicle_row", '
        'enable always trigger "!chronicle_update", '
        'enable always trigger "!chronicle_truncate"', _table
    );
    perform chronicle.confirm_tracking(_table, v_after.table_id);
    execute format('revoke trigger on %s from chronicle_writer', _table);
end
$$;

comment on function chronicle.enable_tracking(regclass, text, name, name[], name[]) is
'From now on, every committed insert, update, delete and truncate of a table is an event in its
transaction. Called again with other options it changes them; with the same ones it does nothing.
That tracking began or changed is an event. The caller must own the table and have chronicle_admin;
writers wait for the moment that it takes.
_resource_type: of its events; by default the table''s name, with its schema unless that is public.
_organization_column: holds organization_id; by default it comes from the context.
_exclude_columns: not recorded. _mask_columns: recorded as "[masked]"; by default those whose names
are in the setting masked_keys, and {} for none.
Without a primary key rows are recorded with resource_id null. A truncate is one event, without the
rows.
Errors: 42809 for what is no ordinary table; 42501 for somebody else''s table; 42703 for an unknown
column; 22023 for a key column that is excluded or masked.';

revoke execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
to chronicle_admin;

-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.disable_tracking(_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
begin
    if v_table_id is null then
        raise exception '% is not tracked', coalesce(_table::text, 'null')
            using errcode = 'ZC005',
                hint = 'select * from chronicle.tracked_tables shows what is.';
    end if;
    perform chronicle.check_owns_table(_table);

    execute format('drop trigger if exists "!chronicle_row" on %s', _table);
    execute format('drop trigger if exists "!chronicle_update" on %s', _table);
    execute format('drop trigger if exists "!chronicle_truncate" on %s', _table);
    perform chronicle.retire_tracked_table(v_table_id);
end
$$;

comment on function chronicle.disable_tracking(regclass) is
'Ends the capture of a table, which is an event. What was recorded stays. Writers wait for the
moment that it takes. The caller must own the table and have chronicle_admin.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table.';

revoke execute on function chronicle.disable_tracking(regclass) from public;
grant execute on function chronicle.disable_tracking(regclass) to chronicle_admin;

-- Names are those of today, found through the triggers; the registry's serve where the table is
-- gone.
create view chronicle.table_names as
select
    r.table_id,
    t.tgrelid as relation,
    coalesce(n.nspname, r.schema_name) as schema_name,
    coalesce(c.relname, r.table_name) as table_name
from chronicle.table_registry as r
left join pg_catalog.pg_proc as p
    on p.pronamespace = (
        select s.oid
        from pg_catalog.pg_namespace as s
        where s.nspname = 'chronicle_capture'
    )
    and p.proname = 'capture_' || r.table_id
left join (
    select
        g.tgfoid,
        min(g.tgrelid) as tgrelid
    from pg_catalog.pg_trigger as g
    where g.tgparentid = 0
    group by g.tgfoid
) as t on t.tgfoid = p.oid
left join pg_catalog.pg_class as c on c.oid = t.tgrelid
left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace;

comment on view chronicle.table_names is
'Private. What the tables of the registry are called today.';
comment on column chronicle.table_names.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.table_names.relation is
'Oid of the table; null when no capture trigger stands.';
comment on column chronicle.table_names.schema_name is
'Schema of the table.';
comment on column chronicle.table_names.table_name is
'Name of the table.';

revoke all on chronicle.table_names from public;
grant select on chronicle.table_names to chronicle_reader, chronicle_admin;

create view chronicle.tracked_tables as
select
    r.table_id,
    n.schema_name,
    n.table_name,
    r.resource_type,
    r.key_columns,
    r.organization_column,
    r.excluded_columns,
    r.masked_columns,
    r.tracked_since,
    r.tracked_until,
    case
        when r.tracked_until is not null then 'ended'
        when n.relation is null then 'broken'
        when not chronicle.has_capture_triggers(n.relation) then 'broken'
        when coalesce(d.added_columns, d.lost_columns) is not null then 'drifted'
        else 'tracked'
    end as state,
    case
        when r.tracked_until is not null then null
        when n.relation is null
            then 'No capture trigger stands: the table or its triggers were dropped.'
        when not chronicle.has_capture_triggers(n.relation)
            then 'A capture trigger is missing or disabled; chronicle.enable_tracking puts it back.'
        when coalesce(d.added_columns, d.lost_columns) is not null
            then concat_ws(
                ' ',
                'The table has changed since.',
                'Not recorded column by column: ' || d.added_columns || '.',
                'Gone: ' || d.lost_columns || '.',
                'chronicle.enable_tracking takes it up.'
            )
    end as problem
from chronicle.table_registry as r
inner join chronicle.table_names as n on n.table_id = r.table_id
left join lateral (
    select
        (
            select string_agg(a.attname, ', ' order by a.attnum)
            from pg_catalog.pg_attribute as a
            where
                a.attrelid = n.relation
                and a.attnum > 0
                and not a.attisdropped
                and a.attgenerated <> 'v'
                and a.attname <> all(r.captured_columns || r.excluded_columns)
        ) as added_columns,
        (
            select string_agg(k.name, ', ' order by k.place)
            from unnest(r.captured_columns) with ordinality as k (name, place)
            where not exists (
                select from pg_catalog.pg_attribute as a
                where a.attrelid = n.relation and a.attname = k.name and not a.attisdropped
            )
        ) as lost_columns
) as d on true;

comment on view chronicle.tracked_tables is
'Every table that is or was tracked, how, and what is wrong with it.';
comment on column chronicle.tracked_tables.table_id is
'As in chronicle.events.table_id.';
comment on column chronicle.tracked_tables.schema_name is
'Schema of the table.';
comment on column chronicle.tracked_tables.table_name is
'Name of the table.';
comment on column chronicle.tracked_tables.resource_type is
'resource_type of its events.';
comment on column chronicle.tracked_tables.key_columns is
'What resource_id is made of; empty: resource_id is null.';
comment on column chronicle.tracked_tables.organization_column is
'The column that holds organization_id.';
comment on column chronicle.tracked_tables.excluded_columns is
'Columns that are not recorded.';
comment on column chronicle.tracked_tables.masked_columns is
'Columns recorded as "[masked]".';
comment on column chronicle.tracked_tables.tracked_since is
'When tracking was last begun.';
comment on column chronicle.tracked_tables.tracked_until is
'When tracking ended; null while it goes on.';
comment on column chronicle.tracked_tables.state is
'tracked, drifted (recorded, but not with every column), broken (not recorded, or not wholly) or
ended.';
comment on column chronicle.tracked_tables.problem is
'What is wrong and what mends it; null when nothing is.';

revoke all on chronicle.tracked_tables from public;
grant select on chronicle.tracked_tables to chronicle_reader, chronicle_admin;

revoke create on schema chronicle from chronicle_writer;
