"""Each test of the client is run with both: the one that waits and the one that is awaited."""

from collections.abc import Iterator

import pytest

import awaited


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module: object = getattr(metafunc, "module")  # noqa: B009  pytest gives it no type
    if hasattr(module, "Chronicle"):
        metafunc.parametrize("client", ["sync", "async"], indirect=True)


@pytest.fixture(autouse=True)
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the other client in the place of Chronicle, in the module of the test."""
    if getattr(request, "param", "sync") == "async":
        module: object = getattr(request, "module")  # noqa: B009  pytest gives it no type
        monkeypatch.setattr(module, "Chronicle", awaited.AwaitedChronicle)
    yield
    awaited.close()
