-- Every value is a string, which in a column of JSON stands for its text anyway. A value of 64 MB
-- and more is left out, so that the others are kept.
create or replace function chronicle.drifted_image(_columns jsonb, _row text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case when _row is not null and _row <> '' then
        coalesce(
            (
                select jsonb_object_agg(f.name, f.value)
                from (
                    select _columns -> 'names' ->> (r.place::integer - 1) as name, r.value
                    from chronicle.row_fields(_row) as r
                ) as f
                where f.name is not null
                    and not (_columns -> 'excluded') @> to_jsonb(f.name)
                    and (f.value is null or octet_length(f.value) < 67108864)
            ),
            '{}'
        )
    end
$$;

comment on function chronicle.drifted_image(jsonb, text) is
'Private. The image of a row that capture could not render, with nothing masked; every value is a
string. _columns: as chronicle.present_columns gives them. _row: the row''s text form.';

revoke execute on function chronicle.drifted_image(jsonb, text) from public;
grant execute on function chronicle.drifted_image(jsonb, text)
to chronicle_writer, chronicle_table_reader;
