"""Each test of the client is run with both: the one that waits and the one that is awaited."""

from collections.abc import Iterator

import pytest

import awaited


@pytest.fixture(autouse=True, params=["sync", "async"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the other client in the place of Chronicle, in the module of the test."""
    if request.param == "async":
        module: object = getattr(request, "module")  # noqa: B009  pytest gives it no type
        monkeypatch.setattr(module, "Chronicle", awaited.AwaitedChronicle, raising=False)
    yield
    awaited.close()
