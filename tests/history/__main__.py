"""The command that takes as many sequences as one has time for:

PYTHONPATH=tests .venv/bin/python -m history --sequences 3000 --seed 7
"""

import argparse
import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    """Has pytest take them; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="history",
        description="Takes random sequences of writes and compares the log with what was written. "
        "A failure is printed with its seed and number, shortened. PG_BIN names the directory of "
        "another server's programs.",
    )
    parser.add_argument("--sequences", type=int, default=1000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="from which they are drawn")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--jobs", default="auto", help="processes that share the work")
    options = parser.parse_args()
    os.environ |= {
        "HISTORY_SEQUENCES": str(options.sequences),
        "HISTORY_SEED": str(options.seed),
        "HISTORY_FIRST": str(options.first),
    }
    tests = str(Path(__file__).with_name("test_sequences.py"))
    name = "test_the_log_tells_what_was_written_and_undoes_it"
    return pytest.main([f"{tests}::{name}", "-n", options.jobs, "-q"])


if __name__ == "__main__":
    sys.exit(main())
