"""A plan in few lines: partitions that are read alike are one."""

import re
from collections.abc import Iterator, Sequence
from typing import TypedDict, cast

from psycopg import sql

from .setting import Connection

# What is used of a node of "explain (format json)".
Node = TypedDict(
    "Node",
    {
        "Node Type": str,
        "Relation Name": str,
        "Function Name": str,
        "Index Name": str,
        "Index Cond": str,
        "Recheck Cond": str,
        "Sort Key": list[str],
        "Actual Rows": float,
        "Actual Loops": float,
        "Shared Hit Blocks": int,
        "Shared Read Blocks": int,
        "Parent Relationship": str,
        "Plans": "list[Node]",
    },
    total=False,
)

_PARTITION = re.compile(r"^events_(?:earlier|default|\d+_\d+)_")


def explained(connection: Connection, query: sql.SQL) -> str:
    """Runs a query and gives its plan, with the rows and the pages that each node took."""
    row = connection.execute(
        sql.SQL("explain (analyze, buffers, timing off, format json) ") + query
    ).fetchone()
    assert row is not None
    return "\n".join(_lines(cast("list[dict[str, Node]]", row[0])[0]["Plan"]))


def _lines(node: Node, indent: str = "    ") -> Iterator[str]:
    yield indent + _text([node])
    children = [n for n in node.get("Plans", ()) if n.get("Parent Relationship") != "InitPlan"]
    alike: dict[str, list[Node]] = {}
    for child in children:
        kind = _kind(child) if "Relation Name" in child else f"{id(child)}"
        alike.setdefault(kind, []).append(child)
    for nodes in alike.values():
        if "Relation Name" in nodes[0]:
            yield f"{indent}  {_text(nodes)}"
        else:
            yield from _lines(nodes[0], indent + "  ")


def _kind(node: Node) -> str:
    """What is done, whichever partition it is done to."""
    parts = [
        node.get("Node Type", ""),
        ", ".join(node.get("Sort Key", ())),
        node.get("Function Name", ""),
        _PARTITION.sub("", _index_name(node)),
        node.get("Index Cond", node.get("Recheck Cond", "")),
    ]
    return " ".join(part for part in parts if part)


def _index_name(node: Node) -> str:
    if node.get("Node Type") == "Bitmap Heap Scan":
        return " ".join(_index_name(child) for child in node.get("Plans", ()))
    return node.get("Index Name", "")


def _text(nodes: Sequence[Node]) -> str:
    rows = sum(n.get("Actual Rows", 0) * n.get("Actual Loops", 1) for n in nodes)
    pages = sum(n.get("Shared Hit Blocks", 0) + n.get("Shared Read Blocks", 0) for n in nodes)
    where = ""
    if "Relation Name" in nodes[0]:
        names = [n.get("Relation Name", "") for n in nodes]
        where = f" on {names[0]}" + (f" and {len(names) - 1} alike" if len(names) > 1 else "")
    return f"{_kind(nodes[0])}{where}: rows {rows:,.0f}, pages {pages:,}"


def partitions_scanned(connection: Connection) -> Sequence[str]:
    """The partitions with events of which this transaction has read all, also inside functions."""
    return [
        name
        for (name,) in connection.execute("""
            select s.relname
            from pg_stat_xact_all_tables as s
            inner join pg_inherits as i on i.inhrelid = s.relid
            inner join pg_class as c on c.oid = s.relid
            where i.inhparent = 'chronicle.events'::regclass and s.seq_scan > 0 and c.reltuples > 0
            order by s.relname
        """)
    ]
