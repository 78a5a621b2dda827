-- A binary tree of "if": an expression that is not reached costs nothing, and every one that is has
-- to be made ready once a transaction.
create or replace function chronicle.choice_statements(_statements text[], _first integer default 1)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_half constant integer := cardinality(_statements) / 2;
begin
    if cardinality(_statements) = 1 then
        return _statements[1];
    end if;
    return format(
        E'            if v_place < %s then\n%s            else\n%s            end if;\n',
        _first + v_half,
        chronicle.choice_statements(_statements[1:v_half], _first),
        chronicle.choice_statements(_statements[v_half + 1:], _first + v_half)
    );
end
$$;

comment on function chronicle.choice_statements(text[], integer) is
'Private. The text of statements that carry out the one whose place is in v_place. _first: the place
of the first of them.';

revoke execute on function chronicle.choice_statements(text[], integer) from public;
grant execute on function chronicle.choice_statements(text[], integer)
to chronicle_writer, chronicle_table_reader;
