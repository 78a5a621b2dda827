-- Run as the two roles that own the capture functions, who are the ones to close them.
create or replace function chronicle.confirm_row_capture(_table regclass, _table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.close_capture_functions(_table, _table_id)
$$;

comment on function chronicle.confirm_row_capture(regclass, integer) is
'Private. Closes the functions that capture rows, once their triggers stand.
Errors: 55000 when they do not.';

revoke execute on function chronicle.confirm_row_capture(regclass, integer) from public;
grant execute on function chronicle.confirm_row_capture(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_row_capture(regclass, integer) owner to chronicle_writer;

create or replace function chronicle.confirm_truncate_capture(_table regclass, _table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.close_capture_functions(_table, _table_id)
$$;

comment on function chronicle.confirm_truncate_capture(regclass, integer) is
'Private. Closes the function that captures truncates, once its trigger stands.
Errors: 55000 when it does not.';

revoke execute on function chronicle.confirm_truncate_capture(regclass, integer) from public;
grant execute on function chronicle.confirm_truncate_capture(regclass, integer)
to chronicle_admin;
alter function chronicle.confirm_truncate_capture(regclass, integer)
owner to chronicle_table_reader;
