"""What the README shows is what happens."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from pgchronicle.embedded import find_program
from streaming import migrated_database, quiet_cluster
from support import INSTALLER, ROOT, Database

EXAMPLE = re.compile(r"^```sql\n(.*?)^```$\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def own() -> Iterator[Database]:
    """On a server of its own: other tests would hold back the stream."""
    with quiet_cluster() as cluster:
        yield from migrated_database(cluster, "shop")


def test_the_examples_in_sql_print_what_the_readme_shows(own: Database) -> None:
    examples = EXAMPLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(examples) >= 3
    for statements, output in examples:
        printed = subprocess.run(
            [
                *(str(find_program("psql")), "--no-psqlrc", "--quiet", "--pset", "footer=off"),
                *("--set", "ON_ERROR_STOP=1", "--dbname", own.dsn(user=INSTALLER)),
            ],
            input=statements,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        shown = [line.rstrip() for line in output.splitlines()]
        assert [line.rstrip() for line in printed.splitlines() if line][-len(shown) :] == shown
