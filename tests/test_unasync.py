"""How the client that waits is written from the one that is awaited."""

import ast
import inspect
from pathlib import Path

import pytest

import unasync
from pgchronicle import AsyncChronicle, Chronicle

SOURCE = '''
"""What is awaited.

    async with log.context(): await log.log()
"""
import asyncio
from contextlib import asynccontextmanager
from pgchronicle._async_source import AsyncSource


class AsyncThing:
    async def __aenter__(self): ...
    async def __anext__(self):
        async for each in self.things:
            await asyncio.sleep(await each.time())
        raise StopAsyncIteration
'''

WAITING = '''
"""What is awaited.

    with log.context(): log.log()
"""
import time
from contextlib import contextmanager
from pgchronicle._source import Source


class Thing:
    def __enter__(self): ...
    def __next__(self):
        for each in self.things:
            time.sleep(each.time())
        raise StopIteration
'''


def test_words_of_waiting_take_the_place_of_those_of_awaiting() -> None:
    assert unasync.waiting(SOURCE) == WAITING


def test_generated_module_says_so_and_bears_the_name_without_async(tmp_path: Path) -> None:
    (tmp_path / "_async_thing.py").write_text("import os\nimport ast\n\n\nasync def f():\n  pass\n")
    assert unasync.generate(tmp_path) == {
        tmp_path / "_thing.py": (
            "# Made from _async_thing.py by tools/unasync.py: change that, and run "
            "`make unasync`.\nimport ast\nimport os\n\n\ndef f():\n    pass\n"
        )
    }


def test_generated_modules_are_what_their_sources_say() -> None:
    generated = unasync.generate(unasync.PACKAGE)
    assert unasync.PACKAGE / "client.py" in generated
    assert {path: path.read_text() for path in generated} == generated


def test_nothing_that_is_awaited_is_left_in_a_generated_module() -> None:
    awaited = ast.Await | ast.AsyncFor | ast.AsyncFunctionDef | ast.AsyncWith
    for path, text in unasync.generate(unasync.PACKAGE).items():
        assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, awaited)], path
        assert "sync" not in text.split("\n", 1)[1].replace("asynchronous", ""), path


def test_stale_module_fails_the_check_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unasync, "ROOT", tmp_path)
    monkeypatch.setattr(unasync, "PACKAGE", tmp_path)
    (tmp_path / "async_thing.py").write_text("async def f(): ...\n")
    monkeypatch.setattr("sys.argv", ["unasync.py", "--check"])
    assert unasync.main() == 1
    assert capsys.readouterr().err == ("thing.py is not what its source says; run: make unasync\n")
    assert not (tmp_path / "thing.py").exists()
    monkeypatch.setattr("sys.argv", ["unasync.py"])
    assert unasync.main() == 0
    monkeypatch.setattr("sys.argv", ["unasync.py", "--check"])
    assert unasync.main() == 0


def test_both_clients_have_the_same_methods() -> None:
    def public(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(client).items()
            if not name.startswith("_")
        }

    assert public(Chronicle) == public(AsyncChronicle)
