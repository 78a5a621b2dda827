"""What a request says about itself, and that nobody spoils the record by what they send."""

from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from pgchronicle.integrations._request import request_fields

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def fields(peer: str | None = None, *, trusted_proxies: int = 0, **headers: str) -> dict[str, Any]:
    """The fields of a request; the header x-request-id has the argument x_request_id."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    found: dict[str, Any] = {**request_fields(given.get, peer, trusted_proxies)}
    if "x-request-id" not in given:
        del found["request_id"]
    return found


def test_a_request_says_its_id_address_agent_and_trace() -> None:
    assert fields(
        "192.0.2.7",
        x_request_id="r-1",
        user_agent="Mozilla/5.0",
        traceparent=f"00-{TRACE}-00f067aa0ba902b7-01",
    ) == {
        "request_id": "r-1",
        "ip_address": ip_address("192.0.2.7"),
        "user_agent": "Mozilla/5.0",
        "trace_id": TRACE,
    }


@pytest.mark.parametrize("given", [None, "", "two words", "line\nbreak", "é", "x" * 201])
def test_a_request_without_a_usable_id_gets_one(given: str | None) -> None:
    made = request_fields({"x-request-id": given}.get, None, 0).get("request_id")
    assert UUID(str(made)).version == 4


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        pytest.param(0, "203.0.113.9", "192.0.2.7", id="it is not believed unless told"),
        pytest.param(1, "203.0.113.9", "203.0.113.9", id="one proxy says whom it was called by"),
        pytest.param(1, "10.0.0.1, 203.0.113.9", "203.0.113.9", id="nor what was before"),
        pytest.param(2, "10.0.0.1,203.0.113.9,192.0.2.1", "203.0.113.9", id="two proxies"),
        pytest.param(2, "203.0.113.9", "203.0.113.9", id="fewer than said"),
        pytest.param(1, None, "192.0.2.7", id="past the proxy"),
        pytest.param(1, "203.0.113.9:4711", "203.0.113.9", id="with a port"),
        pytest.param(1, "[2001:db8::1]:4711", "2001:db8::1", id="with brackets and a port"),
        pytest.param(1, "2001:db8::1", "2001:db8::1", id="version 6"),
        pytest.param(1, "fe80::1%eth0", "fe80::1", id="with a zone"),
        pytest.param(1, "unknown", None, id="no address"),
        pytest.param(1, "", "192.0.2.7", id="an empty header"),
    ],
)
def test_the_address_is_believed_as_far_as_the_proxies_are_ours(
    proxies: int, forwarded: str | None, client: str | None
) -> None:
    headers = {} if forwarded is None else {"x_forwarded_for": forwarded}
    expected = {} if client is None else {"ip_address": ip_address(client)}
    assert fields("192.0.2.7", trusted_proxies=proxies, **headers) == expected


@pytest.mark.parametrize("peer", [None, "", "testclient", "/run/app.sock"])
def test_a_peer_without_an_address_has_none(peer: str | None) -> None:
    assert fields(peer) == {}


def test_a_user_agent_is_cut_and_holds_no_control_characters() -> None:
    assert fields(user_agent="a\0b\x1b" + "x" * 2000) == {
        "user_agent": "a\ufffdb\ufffd" + "x" * 996
    }


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-01",
    ],
)
def test_a_traceparent_that_is_none_is_ignored(traceparent: str) -> None:
    assert fields(traceparent=traceparent) == {}
