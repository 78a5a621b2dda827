-- What is sealed says for itself; the rest lies behind it.
create or replace function chronicle.greatest_seq(_epoch integer)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select coalesce(greatest(
        (select max(b.max_seq) from chronicle.seal_batches as b),
        (
            select max(e.seq)
            from chronicle.events as e
            where e.epoch = _epoch
                and (e.transaction_id, e.seq) > (
                    coalesce(l.transaction_id, 0), coalesce(l.seq, 0)
                )
        )
    ), 0)
    from (values (true)) as one (row)
    left join (
        select b.to_transaction_id as transaction_id, b.to_seq as seq
        from chronicle.seal_batches as b
        where b.epoch = _epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1
    ) as l on true
$$;

comment on function chronicle.greatest_seq(integer) is
'Private. The greatest seq of what is sealed and of what comes behind that in an epoch; 0 without
any.';

revoke execute on function chronicle.greatest_seq(integer) from public;
alter function chronicle.greatest_seq(integer) owner to chronicle_sealer;
set local role chronicle_sealer;
grant execute on function chronicle.greatest_seq(integer) to chronicle_owner;
set local role chronicle_owner;
