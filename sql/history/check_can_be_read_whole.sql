create or replace function chronicle.check_can_be_read_whole(
    _table regclass, _table_id integer, _batch_size integer
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if _table_id is null then
        raise exception '% is not tracked', coalesce(_table::text, 'null')
            using errcode = 'ZC005',
                hint = 'chronicle.enable_tracking first: '
                    'a snapshot begins the history of a tracked table.';
    end if;
    if chronicle.tracked_relation(_table_id) <> _table then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                hint = format(
                    'Its rows have their history under %s.',
                    chronicle.tracked_relation(_table_id)::regclass
                );
    end if;
    perform chronicle.check_owns_table(_table);
    if not chronicle.has_shape(_table_id) then
        raise exception '% has changed since it was tracked', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('First: select * from chronicle.refresh_tracking(%L).', _table::text);
    end if;
    if row_security_active(_table) then
        raise exception 'row-level security of % hides rows from "%"', _table, current_user
            using errcode = 'insufficient_privilege',
                hint = 'alter table ... no force row level security, or ask as a role with '
                    'BYPASSRLS that has the rights of the owner.';
    end if;
    if _batch_size < 1 then
        raise exception 'a batch of % rows', _batch_size
            using errcode = 'invalid_parameter_value',
                hint = 'At least one; a thousand to ten thousand are common.';
    end if;
end
$$;

comment on function chronicle.check_can_be_read_whole(regclass, integer, integer) is
'Private. Raises what keeps a snapshot from being taken.';

revoke execute on function chronicle.check_can_be_read_whole(regclass, integer, integer)
from public;
grant execute on function chronicle.check_can_be_read_whole(regclass, integer, integer)
to chronicle_admin;
