create or replace function chronicle.masked_image(_columns jsonb, _image jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _columns -> 'masked' = '[]' then _image
        else _image || coalesce(
            (
                select jsonb_object_agg(m.name, '[masked]'::text)
                from jsonb_array_elements_text(_columns -> 'masked') as m (name)
                where _image ->> m.name is not null
            ),
            '{}'
        )
    end
$$;

comment on function chronicle.masked_image(jsonb, jsonb) is
'Private. An image as chronicle.drifted_image gives it, with what is to be masked masked.
_columns: as chronicle.present_columns gives them.';

revoke execute on function chronicle.masked_image(jsonb, jsonb) from public;
grant execute on function chronicle.masked_image(jsonb, jsonb)
to chronicle_writer, chronicle_table_reader;
