"""The lines that docs/frameworks.md tells people to paste."""

import ast
import importlib
import re

import pytest

from integrations.test_imports import MODULES
from pgchronicle import Chronicle
from pgchronicle.testing import recording
from support import ROOT, Connection

PAGE = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_imported_is_there(block: str) -> None:
    for statement in ast.walk(ast.parse(block)):
        if isinstance(statement, ast.ImportFrom):
            module = importlib.import_module(str(statement.module))
            assert [name.name for name in statement.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("module", [*MODULES[1:], "pgchronicle.ambient"])
def test_every_module_is_told_of(module: str) -> None:
    assert module in PAGE or module.replace("pgchronicle.", "from pgchronicle import ") in PAGE


def test_the_tests_it_shows_pass_and_fail_as_it_shows(db: Connection) -> None:
    (block,) = (block for block in BLOCKS if "EventRecorder" in block)
    (shown,) = re.findall(r"^```text\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    db.execute("create table orders (id integer primary key, status text)")
    db.execute("select chronicle.enable_tracking('orders')")
    db.execute("insert into orders values (4711, 'new')")
    exec(block, {"connection": db})
    with Chronicle(db).context(actor_id="ada", actor_type="user"), recording(db) as recorded:
        db.execute("update orders set status = 'pai' where id = 4711")
    with pytest.raises(AssertionError) as failure:
        recorded.assert_recorded(
            action="orders.update", resource_id=4711, details_after={"status": "paid"}
        )
    assert str(failure.value) == shown
