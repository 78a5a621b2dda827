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
