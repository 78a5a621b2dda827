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
        (
            E'set quote_all_identifiers = off\n',
            array[
                'regclass', 'regtype', 'regproc', 'regprocedure', 'regoper', 'regoperator',
                'regrole', 'regnamespace', 'regconfig', 'regdictionary', 'regcollation'
            ]
        ),
        (E'set intervalstyle = ''iso_8601''\n', array['interval']),
        (E'set bytea_output = ''hex''\n', array['bytea']),
        (E'set lc_monetary = ''C''\n', array['money']),
        (
            E'set extra_float_digits = 1\n',
            array[
                'float4', 'float8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'
            ]
        )
    ) as s (clause, type_names)
    where exists (
        select from chronicle.capture_columns(_table, '{}') as c
        -- What a user's type is made of is not looked into: it may be anything.
        where c.is_user_type or c.base_type = any(s.type_names::regtype[]::oid[])
    )
$$;

comment on function chronicle.capture_settings(regclass) is
'Private. The SET clauses by which a table''s values are rendered alike in every session.';

revoke execute on function chronicle.capture_settings(regclass) from public;
grant execute on function chronicle.capture_settings(regclass)
to chronicle_writer, chronicle_table_reader;
