create or replace function chronicle.drifted_key(_columns jsonb, _image jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.fitted_id(
        case
            when jsonb_array_length(_columns -> 'key') = 1
                then _image ->> (_columns -> 'key' ->> 0)
            -- Under the names that the record has been known by until now.
            else (
                select jsonb_object_agg(
                    _columns -> 'key_names' ->> (n.place::integer - 1), _image ->> n.name
                )::text
                from jsonb_array_elements_text(_columns -> 'key') with ordinality as n (name, place)
                having count(*) > 0
            )
        end
    )
$$;

comment on function chronicle.drifted_key(jsonb, jsonb) is
'Private. The resource_id of a row as chronicle.drifted_image gives it; null for a table without a
key. _columns: as chronicle.present_columns gives them.';

revoke execute on function chronicle.drifted_key(jsonb, jsonb) from public;
grant execute on function chronicle.drifted_key(jsonb, jsonb)
to chronicle_writer, chronicle_table_reader;
