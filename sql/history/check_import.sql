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
