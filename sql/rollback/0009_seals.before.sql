-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;
