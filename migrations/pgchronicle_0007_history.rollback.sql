-- Undoes pgchronicle_0007_history.

set local role chronicle_owner;

drop view chronicle.row_changes;
