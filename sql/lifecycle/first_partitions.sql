-- Stands after row-level security, so that no partition is ever without it.
do $partitions$
begin
    perform chronicle.ensure_partitions();
end
$partitions$;
