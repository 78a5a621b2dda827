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
