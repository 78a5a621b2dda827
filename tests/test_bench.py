"""The benchmarks run and give every row. What they measure is not asserted: it is not the same
twice."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import count, product

from bench.report import Result, Value, as_text
from bench.rounds import Pair, Samples, run_rounds, run_turns
from support import ROOT

OPERATIONS = ("insert", "update", "update to the same", "delete")

CHANGES = ("insert", "update", "no-op", "delete", "wide update")


def test_bench_gives_every_row() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--rounds", "1", "--no-packages", "--json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "tests"},
    )
    assert ran.returncode == 0, ran.stderr
    rows = {result["name"]: result["rows"] for result in json.loads(ran.stdout)["results"]}
    assert list(rows) == [
        *("log", "capture", "context", "context, calls", "pgbench", "peers", "peers, bytes"),
        *("reads", "stream", "stream, polls", "seal", "seal, bytes", "seal, writers"),
    ]
    assert [(row["transactions"], row["event"]) for row in rows["log"]] == [
        *product(["one for all"], ["small", "full", "full, context set"]),
        *product(["each its own"], ["small", "full"]),
    ]
    assert [
        (row["transactions"], row["rows_a_statement"], row["operation"]) for row in rows["capture"]
    ] == [
        *product(["one for all"], [1], OPERATIONS),
        *product(["each its own"], [1], OPERATIONS),
        *product(["one for all"], [50], OPERATIONS),
        ("one for all", 1, "update beside document"),
    ]
    assert [(row["change"], row["events_a_transaction"]) for row in rows["context"]] == list(
        product(("captured update", "logged event"), (1, 10))
    )
    assert {"none_us", "asserted", "gateway", "token", "jwt_claims"} <= rows["context"][0].keys()
    assert [row["call"] for row in rows["context, calls"]] == [
        *("set_context", "context_challenge", "set_signed_context", "HMAC-SHA256 in SQL")
    ]
    assert [(row["clients"], row["synchronous_commit"]) for row in rows["pgbench"]] == list(
        product((1, 4), ("off", "on"))
    )
    assert [row["operation"] for row in rows["peers"]] == [
        *(f"{o}, many in a transaction" for o in CHANGES),
        *(f"{o}, one in a transaction" for o in CHANGES),
        *(f"{o} of 1,000 rows" for o in ("insert", "update", "no-op", "delete", "COPY")),
        *(f"four statements a transaction, clients: {clients}" for clients in (1, 2, 8)),
    ]
    assert {"untracked", "pgchronicle", "textbook", "verdict"} <= rows["peers"][0].keys()
    assert [(row["change"], row["where"]) for row in rows["peers, bytes"]] == list(
        product(("insert", "update", "delete", "wide update"), ("write-ahead log", "disk"))
    )
    assert [(row["as"], row["reading"]) for row in rows["reads"]] == list(
        product(
            ("bench_reader", "bench_auditor"),
            (
                "a record's history: chronicle.record_history",
                "a record's events",
                "an organization's latest 100",
                "an actor's last week",
            ),
        )
    )
    assert [(row["reading"], row["batch"]) for row in rows["stream"]] == [
        *product(
            ("all, by an index on seq", "the first, in the order of seq"), (100, 1_000, 10_000)
        ),
        ("all, by the Python client", 1_000),
    ]
    assert [row["poll"] for row in rows["stream, polls"]] == ["finds nothing"]
    assert [(row["events_a_batch"], row["work"]) for row in rows["seal"]] == list(
        product((10_000, 10), ("seal_events", "verify_log"))
    )
    assert [row["events_a_batch"] for row in rows["seal, bytes"]] == [10_000, 10]
    assert [(row["clients"], row["synchronous_commit"]) for row in rows["seal, writers"]] == list(
        product((1, 4), ("off", "on"))
    )


def test_what_is_compared_changes_turns_and_the_first_round_is_not_counted() -> None:
    turns = count()
    pair = Pair(bare=lambda: next(turns), ours=lambda: next(turns))
    assert run_rounds([pair], 3) == [Samples(bare=[2, 5, 6], ours=[3, 4, 7])]


def test_of_several_each_is_first_in_turn() -> None:
    turns = count()
    work = [lambda: next(turns)] * 3
    assert run_turns([work], 3) == [[[5, 7, 9], [3, 8, 10], [4, 6, 11]]]


def test_a_table_has_its_numbers_on_the_right() -> None:
    rows: list[Mapping[str, Value]] = [
        {"event": "small", "log_us": 1234.5, "rounds": 7},
        {"event": "full", "log_us": 0.125, "rounds": 10_000},
    ]
    assert as_text(Result("log", "what it costs", rows)).splitlines() == [
        "log: what it costs.",
        "",
        "event    log µs  rounds",
        "small  1,234.50       7",
        "full       0.12  10,000",
    ]
