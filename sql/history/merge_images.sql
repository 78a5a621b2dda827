create or replace aggregate chronicle.merge_images (_image jsonb)(
    sfunc = pg_catalog.jsonb_concat,
    stype = jsonb
);

comment on aggregate chronicle.merge_images (jsonb) is
'Private. One image of several: of a column that is in more than one, the last value.';

revoke execute on function chronicle.merge_images(jsonb) from public;
grant execute on function chronicle.merge_images(jsonb) to chronicle_reader;
