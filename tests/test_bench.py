"""The benchmarks run and give every row. What they measure is not asserted: it is not the same
twice."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import count, product

from bench.report import Result, Value, as_text
from bench.rounds import Pair, Samples, run_rounds
from support import ROOT

OPERATIONS = ("insert", "update", "update to the same", "delete")


def test_bench_gives_every_row() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--rounds", "1", "--json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "tests"},
    )
    assert ran.returncode == 0, ran.stderr
    rows = {result["name"]: result["rows"] for result in json.loads(ran.stdout)["results"]}
    assert list(rows) == ["log", "capture", "pgbench"]
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
    assert [(row["clients"], row["synchronous_commit"]) for row in rows["pgbench"]] == list(
        product((1, 4), ("off", "on"))
    )


def test_what_is_compared_changes_turns_and_the_first_round_is_not_counted() -> None:
    turns = count()
    pair = Pair(bare=lambda: next(turns), ours=lambda: next(turns))
    assert run_rounds([pair], 3) == [Samples(bare=[2, 5, 6], ours=[3, 4, 7])]


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
