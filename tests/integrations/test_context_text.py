"""Whatever surrounds the code: the write succeeds, and its event says what can be known."""

from typing import Any
from uuid import UUID

import pytest

from ask import rows, run, value
from integrations.shop import ABSENT, MALFORMED, SIGNER, Shop, asserted, verified
from pgchronicle.integrations._context import context_text, tell
from pgchronicle.models import ContextFields
from pgchronicle.signing import ContextSigner

ADA: Any = {"actor_id": "ada", "actor_type": "user"}


def written(shop: Shop, fields: Any, signer: ContextSigner | None = None) -> dict[str, Any]:
    """What the event of a write says, which app makes while the fields surround it."""
    connection = shop.database.connect("app")

    def ask(query: str, given: str | None) -> Any:
        return value(connection, query.format("%s"), None if given is None else (given,))

    tell(fields, signer, ask)
    run(connection, "insert into orders default values")
    connection.commit()
    return shop.context()


def test_every_field_reaches_the_event(shop: Shop) -> None:
    said: Any = {
        "actor_id": 7,
        "actor_type": "user",
        "actor_role": "clerk",
        "impersonator_id": UUID(int=1),
        "organization_id": "acme",
        "session_id": "s",
        "request_id": "r",
        "trace_id": "t",
        "operation_id": "o",
        "ip_address": "192.0.2.7",
        "user_agent": "Mozilla/5.0",
        "client_info": {"till": [3, None, 1.5]},
        "reason": "quotes ' \" and backslash \\ \\u0000 and ünïcødé \U0001f980",
    }
    expected = said | {"actor_id": "7", "impersonator_id": str(UUID(int=1))}
    assert written(shop, said) == asserted(**expected)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"actor_type": "wizard"}, id="an unknown type of actor"),
        pytest.param({"ip_address": "somewhere"}, id="no address"),
        pytest.param({"client_info": ["a list"]}, id="client_info is no object"),
        pytest.param({"ai_operation_id": "x"}, id="no uuid"),
        pytest.param({"actor_id": "x" * 1001}, id="an id that is too long for an index"),
        pytest.param({"session_id": "x" * 70_000}, id="an id of more than 64 KiB"),
    ],
)
def test_a_field_that_can_not_be_makes_the_context_malformed(shop: Shop, wrong: Any) -> None:
    assert written(shop, ADA | wrong) == MALFORMED


def test_characters_that_the_database_has_not_are_replaced(shop: Shop) -> None:
    said: Any = ADA | {
        "reason": "nul \0, half \ud800 a pair",
        "client_info": {"k\0": "\udfff", "b": "\\u0000"},
    }
    assert written(shop, said) == asserted(
        **ADA,
        reason="nul \ufffd, half \ufffd a pair",
        client_info={"k\ufffd": "\ufffd", "b": "\\u0000"},
    )


def test_empty_texts_are_as_left_out(shop: Shop) -> None:
    said: Any = ADA | {"ip_address": "", "organization_id": "", "reason": None}
    assert written(shop, said) == asserted(**ADA)


def test_a_context_that_is_too_large_keeps_who_acts(shop: Shop) -> None:
    said: Any = ADA | {
        "request_id": "r-1",
        "reason": "x" * 50_000,
        "user_agent": "y" * 50_000,
        "client_info": {"z": "z" * 50_000},
    }
    assert written(shop, said) == asserted(
        **ADA,
        request_id="r-1",
        reason="x" * 1000,
        user_agent="y" * 1000,
        client_info={"context_error": "too large: 150108 bytes"},
    )


def test_a_signed_context_that_is_too_large_keeps_who_acts(shop: Shop) -> None:
    said: Any = ADA | {"reason": "x" * 48_000}
    assert written(shop, said, SIGNER) == verified(
        **ADA, reason="x" * 1000, client_info={"context_error": "too large: 48050 bytes"}
    )


def test_a_signed_context_may_be_large(shop: Shop) -> None:
    said: Any = ADA | {"reason": "x" * 47_900}
    assert written(shop, said, SIGNER) == verified(**said)


def test_ids_that_are_too_large_are_not_even_sent() -> None:
    assert context_text({"session_id": "x" * 70_000}) == "malformed"


@pytest.mark.parametrize("value_without_json", [object(), {1, 2}])
def test_client_info_without_a_form_in_json_is_left_out(
    shop: Shop, value_without_json: object, caplog: pytest.LogCaptureFixture
) -> None:
    said: Any = ADA | {"client_info": {"it": value_without_json}}
    assert written(shop, said) == asserted(**ADA, client_info={"context_error": "TypeError"})
    assert [record.message for record in caplog.records] == [
        "client_info is left out of the context: it has no form in JSON"
    ]


def test_client_info_that_contains_itself_is_left_out(shop: Shop) -> None:
    endless: dict[str, Any] = {}
    endless["it"] = endless
    said: Any = ADA | {"client_info": endless}
    assert written(shop, said) == asserted(**ADA, client_info={"context_error": "RecursionError"})


def test_what_can_not_be_signed_is_malformed(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ContextSigner):
        def token(self, challenge: str, context: ContextFields) -> str:
            raise OSError(f"no key for {challenge}, {context}")

    assert written(shop, ADA, Broken("shop", bytes(32))) == MALFORMED
    assert [record.message for record in caplog.records] == ["the context could not be signed"]


def test_nothing_clears_what_was_told(shop: Shop) -> None:
    connection = shop.database.connect("app")

    def ask(query: str, given: str | None) -> Any:
        return rows(connection, query.format("%s"), (given,))

    tell(ADA, None, ask)
    tell({}, None, ask)
    run(connection, "insert into orders default values")
    connection.commit()
    assert shop.context() == ABSENT
