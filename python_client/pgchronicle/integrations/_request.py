"""What a request says about itself, and how much of it is believed."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from uuid import uuid4

from pgchronicle.ambient import merged
from pgchronicle.integrations.opentelemetry import span_fields
from pgchronicle.models import ContextFields

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-.*")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_USER_AGENT = 1000
# With the port that some proxies write behind it.
_V4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]+")
_V6_IN_BRACKETS = re.compile(r"\[([^\]]+)\](?::[0-9]+)?")


def request_fields(
    header: Callable[[str], str | None], peer: str | None, trusted_proxies: int
) -> ContextFields:
    """The fields of the context that a request supplies.

    What a client sends must not spoil the record of what it does: values that can not be what they
    should be are left out, and long ones are cut.

    Args:
        header: gives a header by its name in lower case; several of one name joined by commas.
        peer: the address of whoever opened the connection, if it has one.
        trusted_proxies: how many proxies of ours, one behind the other, a request comes through.
    """
    fields = ContextFields(request_id=_request_id(header("x-request-id")))
    address = _client(header("x-forwarded-for"), peer, trusted_proxies)
    if address is not None:
        fields["ip_address"] = address
    user_agent = header("user-agent")
    if user_agent:
        fields["user_agent"] = _NOT_TEXT.sub("\ufffd", user_agent[:_LONGEST_USER_AGENT])
    traceparent = _TRACEPARENT.fullmatch(header("traceparent") or "")
    if traceparent:
        fields["trace_id"] = traceparent[1]
    return merged(fields, span_fields())


def _request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else str(uuid4())


def _client(
    forwarded_for: str | None, peer: str | None, trusted_proxies: int
) -> IPv4Address | IPv6Address | None:
    # Each proxy appends whom it was called by; what stands before that, anybody may have written.
    forwarded = forwarded_for.split(",") if forwarded_for else []
    path = [*forwarded, peer or ""]
    return _address(path[max(len(path) - 1 - trusted_proxies, 0)])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    with_port = _V4_WITH_PORT.fullmatch(text) or _V6_IN_BRACKETS.fullmatch(text)
    try:
        # inet has no place for the zone of a link-local address.
        return ip_address((with_port[1] if with_port else text).partition("%")[0])
    except ValueError:
        return None
