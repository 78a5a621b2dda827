"""The command behind ``make bench``."""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from . import (
    capture_cost,
    context_cost,
    logging_cost,
    peers_cost,
    reads_cost,
    seal_cost,
    stream_cost,
    workload_cost,
)
from .clocks import KIND
from .report import Result, as_text
from .setting import TINY, Setting, Sizes, open_setting

_MEASUREMENTS: Mapping[str, Callable[[Setting], Iterable[Result]]] = {
    logging_cost.NAME: lambda setting: [logging_cost.measure(setting)],
    capture_cost.NAME: lambda setting: [capture_cost.measure(setting)],
    context_cost.NAME: context_cost.measure,
    workload_cost.NAME: lambda setting: [workload_cost.measure(setting)],
    peers_cost.NAME: peers_cost.measure,
    reads_cost.NAME: reads_cost.measure,
    stream_cost.NAME: stream_cost.measure,
    seal_cost.NAME: seal_cost.measure,
}


def main() -> None:
    """Measures what is asked for and prints it."""
    options = _options()
    sizes = (
        TINY
        if options.tiny
        else Sizes(pgbench_length=("-T", str(options.seconds)), events=options.events)
    )
    with open_setting(options.rounds, sizes, has_packages=not options.no_packages) as setting:
        facts = {
            "server_version": setting.server_version(),
            "cores": os.cpu_count(),
            "rounds": options.rounds,
        }
        if not options.json:
            print(_heading(facts, is_tiny=options.tiny), flush=True)
        results: list[Result] = []
        for name in options.only or _MEASUREMENTS:
            for result in _MEASUREMENTS[name](setting):
                results.append(result)
                if not options.json:
                    print(f"\n{as_text(result)}", flush=True)
    if options.json:
        print(json.dumps({**facts, "results": [asdict(result) for result in results]}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures what logging and tracking cost, on a server of its own. PG_BIN names "
        "the directory of another server's programs.",
    )
    parser.add_argument("--rounds", type=_at_least_one, default=5, help="rounds that are counted")
    parser.add_argument(
        "--seconds", type=_at_least_one, default=1, help="length of each run of pgbench"
    )
    parser.add_argument(
        "--events", type=_at_least_one, default=Sizes().events, help="events that are read from"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(_MEASUREMENTS),
        metavar="NAME",
        help=f"only this measurement, of {', '.join(_MEASUREMENTS)}; can be given again",
    )
    parser.add_argument(
        "--no-packages",
        action="store_true",
        help="compare with nothing that has to be installed from the package registry",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="do as little as possible, to see that it runs; the figures mean nothing",
    )
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _heading(facts: Mapping[str, object], *, is_tiny: bool) -> str:
    lines = [
        f"PostgreSQL {facts['server_version']}, {facts['cores']} cores, rounds: {facts['rounds']}.",
        "What is compared runs by turns. Medians: of times, of the rounds' differences and ratios.",
        f"{KIND}.",
        "Autovacuum is off, no checkpoint is due, the data is on the disk of temporary files.",
    ]
    if is_tiny:
        lines.append("Tiny: only to see that it runs. The figures mean nothing.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
