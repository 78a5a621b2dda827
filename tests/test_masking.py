"""Secrets do not get into the log: the values of certain JSON keys are masked."""

import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from ask import logged
from support import Connection, acting_as


def masked(db: Connection, document: Any) -> Any:
    """What the log holds of a document."""
    return logged(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'other', _resource_type => 'page',
            _action_meta => %s
        )
        """,
        (Jsonb(document),),
    )["action_meta"]


@pytest.mark.parametrize(
    "key",
    [
        *("password", "PASSWORD", "Pass_Word", "pass-word", "_password", "--password", "password_"),
        *("api_key", "apiKey", "API-KEY", "apikey", "x" * 0 + "Authorization", "set-cookie"),
        *("cardNumber", "card_number", "CVV", "client-secret", "refreshToken", "PIN"),
    ],
)
def test_masking_knows_a_key_in_any_spelling(db: Connection, key: str) -> None:
    assert masked(db, {key: "s3cret"}) == {key: "[masked]"}


@pytest.mark.parametrize(
    "document",
    [
        {"passwords": 1, "password hint": 2, "mypassword": 3, "tokens": 4, "pinned": 5},
        {"text": '"password": x', "list": ["password", "token"]},
        {"": "password"},
        {},
    ],
)
def test_masking_leaves_other_keys_alone(db: Connection, document: Any) -> None:
    assert masked(db, document) == document


def test_masking_reaches_any_depth(db: Connection) -> None:
    document = {
        "user": {"login": "ann", "credentials": {"password": "x"}},
        "calls": [{"headers": [{"Authorization": "Bearer x", "accept": "*"}]}, 7, None],
        "otp": [1, 2],
        "pin": 1234,
        "token": None,
        "ssn": {"number": "x"},
    }
    assert masked(db, document) == {
        "user": {"login": "ann", "credentials": "[masked]"},
        "calls": [{"headers": [{"Authorization": "[masked]", "accept": "*"}]}, 7, None],
        "otp": "[masked]",
        "pin": "[masked]",
        "token": None,
        "ssn": "[masked]",
    }


def test_masking_reaches_a_hundred_levels_down(db: Connection) -> None:
    document: Any = {"password": "x"}
    expected: Any = {"password": "[masked]"}
    for level in range(50):
        document, expected = {"in": [document, level]}, {"in": [expected, level]}
    assert masked(db, document) == expected


def test_masking_covers_every_document_of_an_event(db: Connection) -> None:
    secret = '{"token": "s3cret", "n": 1}'
    found = logged(
        db,
        f"""
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'update', _resource_type => 'page',
            _action_meta => '{secret}', _related_resources => '[{secret}]',
            _details_before => '{secret}', _details_after => '{{"token": "other", "n": 1}}',
            _ai_metadata => '{secret}', _client_info => '{secret}'
        )
        """,
    )
    hidden = {"token": "[masked]", "n": 1}
    assert {name: found[name] for name in found if "token" in str(found[name])} == {
        "action_meta": hidden,
        "related_resources": [hidden],
        "details_before": hidden,
        "details_after": hidden,
        # That a secret changed is none.
        "changed_columns": ["token"],
        "ai_metadata": hidden,
        "client_info": hidden,
    }


def test_masking_covers_the_client_info_of_the_context(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute("""select chronicle.set_context(_client_info => '{"cookie": "s3cret"}')""")
    read = (
        "select chronicle.log_audit_event("
        "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')"
    )
    assert logged(db, read)["client_info"] == {"cookie": "[masked]"}


@pytest.mark.parametrize(
    ("key", "spelling"),
    [
        *(("tax_id", each) for each in ("tax_id", "taxId", "TAX-ID", "_tax_id")),
        *(("Tax_ID", each) for each in ("tax_id", "taxid")),
        *(("--tax-id--", each) for each in ("tax_id", "taxid-")),
        # What means something in a pattern is a letter like any other.
        *((each, each) for each in ("a.b", "abc.d", "x*", "abcd*", "(y", "abc(d", "abc|d", "[z]")),
        *((each, each) for each in ("a|b", "abc$", "^abc", "a+b", "a{2}", "a?b", "two words")),
        ("größe", "größe"),
        ("x", "x"),
    ],
)
def test_masked_keys_are_a_setting(db: Connection, key: str, spelling: str) -> None:
    with acting_as(db, "admin"):
        keys = json.dumps([key, "abcz"])
        db.execute("select chronicle.set_setting('masked_keys', %s::jsonb)", (keys,))
    assert masked(db, {spelling: "s3cret"}) == {spelling: "[masked]"}
    others = {"password": 1, "aXb": 2, "xx": 3, "abc": 4, "abcXd": 5, "abcdd": 6, "b": 7}
    assert masked(db, others) == others
    assert masked(db, others | {"abcz": "s3cret"}) == others | {"abcz": "[masked]"}


def test_an_empty_list_of_masked_keys_masks_nothing(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.set_setting('masked_keys', '[]')")
    assert masked(db, {"password": "x"}) == {"password": "x"}
