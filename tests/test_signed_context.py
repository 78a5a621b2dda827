"""A context that came as a signed token is verified: what a token says, when it is believed, how
long, and what is recorded where it is not."""

import hashlib
import json
import random
import uuid
from base64 import urlsafe_b64decode
from itertools import pairwise
from typing import Any

import psycopg
import pytest

import tokens
from ask import as_superuser, event, events, refusal, row, rows, run, sqlstate, value, values
from capturing import ITEM, make
from support import Connection, Database, acting_as
from tokens import Key, ada, current, present, state, verify

LOG = "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')"

SAID = {
    "actor_id": "ada",
    "actor_type": "employee",
    "actor_role": "clerk",
    "impersonator_id": "boss",
    "organization_id": "acme",
    "session_id": "s-1",
    "request_id": "r-1",
    "trace_id": "t-1",
    "operation_id": "op-1",
    "ip_address": "10.1.2.3",
    "user_agent": "Browser/1.0",
    "client_info": {"app": "web", "build": None, "deep": [1, {"a": 0.5}]},
    "reason": "Because 'of' \"this\" \\ €😀",
    "ai_operation_id": "0c1e9b1e-0000-4000-8000-00000000000d",
}

REASONS = ("malformed", "unknown_key", "bad_signature", "expired", "wrong_transaction")


@pytest.fixture
def key(db: Connection) -> Key:
    """A key of the database of db."""
    with acting_as(db, "admin"):
        return tokens.add_key(db)


@pytest.fixture
def shared_key(database: Database) -> Key:
    """A key of the database of database."""
    return tokens.add_key(database.connect("admin", autocommit=True))


def refused(connection: Connection, key: Key, reason: str) -> str:
    """A token that is refused for this reason, of which nothing else is wrong."""
    claims = ada(connection)
    if reason == "malformed":
        return key.sign(key.header(), "{")
    if reason == "unknown_key":
        return Key("another", key.secret).token(claims)
    if reason == "bad_signature":
        return Key(key.key_id, key.secret[::-1]).token(claims)
    if reason == "expired":
        return key.token(claims | {"iat": claims["iat"] - 120, "exp": claims["iat"] - 60})
    return key.token(claims | {"nonce": claims["nonce"] + "x"})


# What a token says.


def test_what_a_token_says_is_the_context_and_is_verified(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        assert present(db, key.token(tokens.claims(db, **SAID))) == "verified"
        assert current(db) == SAID | {"context_state": "verified"}


def test_logged_and_captured_events_carry_all_that_the_token_says(db: Connection, key: Key) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to app")
    with acting_as(db, "app"):
        verify(db, key, **SAID)
        db.execute(LOG)
        db.execute("insert into public.item values (1, 'a', 1)")
    expected = SAID | {"context_state": "verified", "db_user": "app", "is_ai_action": True}
    for kind in ("page", "item"):
        (found,) = events(db, kind)
        told = {name: str(one) if name == "ai_operation_id" else one for name, one in found.items()}
        told["ip_address"] = str(told["ip_address"])
        assert {name: told[name] for name in expected} == expected


def test_every_kind_of_write_of_a_verified_transaction_is_verified(
    db: Connection, key: Key
) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to app")
    with acting_as(db, "app"):
        verify(db, key)
        for statement in (
            "insert into public.item values (1, 'a', 1), (2, 'b', 2)",
            "update public.item set price = price + 1",
            "update public.item set id = 3 where id = 2",
            "insert into public.item values (1, 'a', 9) on conflict (id) do update set price = 9",
            "delete from public.item where id = 1",
            "truncate public.item",
        ):
            run(db, statement)
    told = rows(
        db,
        "select action, actor_type, actor_id, context_state from chronicle.row_changes "
        "order by seq",
    )
    actions = ["INSERT"] * 2 + ["UPDATE"] * 4 + ["DELETE"] + ["TRUNCATE"] * 2
    assert [one[0] for one in told[:7]] == actions[:7]
    assert {one[1:] for one in told} == {("user", "ada", "verified")}


@pytest.mark.parametrize("actor_type", ["user", "customer", "service", "ai", "anonymous", "system"])
def test_a_token_names_an_actor_of_any_type(db: Connection, key: Key, actor_type: str) -> None:
    with acting_as(db, "app"):
        verify(db, key, actor_type=actor_type)
        assert current(db) == {
            "actor_id": "ada",
            "actor_type": actor_type,
            "context_state": "verified",
        }


def test_claims_that_mean_nothing_here_are_ignored(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        verify(
            db,
            key,
            iss="somebody",
            sub="eve",
            aud=["a", "b"],
            jti=str(uuid.uuid4()),
            role="service_role",
            context_state="absent",
            parent_event_id=str(uuid.uuid4()),
            db_user="postgres",
            event_id=str(uuid.uuid4()),
            seal="x",
            mac="x",
            **{"": "x", "_actor_id": "eve", "ACTOR_ID": "eve", "actor id": {"a": [None]}},
        )
        assert current(db) == {
            "actor_id": "ada",
            "actor_type": "user",
            "context_state": "verified",
        }
        event_id = value(db, LOG)
    assert event(db, event_id) == {
        **{"epoch": 1, "schema_version": 1, "actor_type": "user", "actor_id": "ada"},
        **{"is_ai_action": False, "db_user": "app", "context_state": "verified"},
        **{"origin": "logged", "action_type": "read", "action": "page.read"},
        **{"resource_type": "page", "severity": "info", "status": "success"},
    }


def test_claims_that_are_null_are_left_out(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        claims = ada(db) | dict.fromkeys((name for name in SAID if "actor" not in name), None)
        assert present(db, key.token(claims)) == "verified"
        assert current(db) == {
            "actor_id": "ada",
            "actor_type": "user",
            "context_state": "verified",
        }


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "kid": "first"},
        {"kid": "first", "alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "typ": "JWT", "kid": "first", "x5t": "ignored", "cty": "JWT"},
        '{ "kid" : "first",\n\t"alg" : "HS256" }',
    ],
)
def test_a_header_may_be_written_as_its_language_likes(
    db: Connection, key: Key, header: object
) -> None:
    with acting_as(db, "app"):
        assert present(db, key.sign(header, ada(db))) == "verified"


def test_claims_may_be_written_as_their_language_likes(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        claims = ada(db, reason="€ \x7f \u2028 😀")
        for text in (
            json.dumps(claims, indent=4),
            json.dumps(claims, ensure_ascii=True),
            json.dumps(dict(reversed(claims.items())), separators=(" , ", " :\r\n")),
            json.dumps(claims).replace("ada", "\\u0061d\\u0061"),
        ):
            assert present(db, key.sign(key.header(), text)) == "verified", text
            assert current(db) == {
                "actor_id": "ada",
                "actor_type": "user",
                "reason": "€ \x7f \u2028 😀",
                "context_state": "verified",
            }


def test_tokens_of_every_length_are_read_to_the_end(db: Connection, key: Key) -> None:
    """base64 without padding ends in three ways, and SHA-256 pads in blocks of 64."""
    with acting_as(db, "app"):
        for length in [*range(140), 1000, 10_000]:
            reason = "r" * length or None
            verify(db, key, reason=reason)
            assert current(db).get("reason") == reason


def test_a_token_may_have_65536_bytes(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        claims = ada(db)
        for length in range(48_000, 50_000):
            token = key.token(claims | {"reason": "r" * length})
            if len(token) > 65_530:
                assert present(db, token) == ("verified" if len(token) <= 65_536 else "malformed")
            if len(token) > 65_540:
                break


@pytest.mark.parametrize("number", [20_000, 23_000, 24_000])
def test_a_token_that_is_verified_is_so_whatever_it_holds(
    db: Connection, key: Key, number: int
) -> None:
    """What is kept of it may be longer than the token is."""
    with acting_as(db, "app"):
        said = present(db, key.token(ada(db, client_info={"a": [1] * number})))
        assert state(db) == said


def test_the_tokens_of_pyjwt_are_understood(db: Connection, key: Key) -> None:
    jwt = pytest.importorskip("jwt", reason="PyJWT is not installed")
    with acting_as(db, "app"):
        for fields in ({}, SAID, {"reason": "ü" * 500}):
            token = jwt.encode(
                ada(db, **fields), key.secret, algorithm="HS256", headers={"kid": key.key_id}
            )
            assert present(db, token) == "verified"
            assert current(db)["actor_id"] == "ada"
        wrong = jwt.encode(ada(db), key.secret * 2, algorithm="HS512", headers={"kid": key.key_id})
        assert present(db, wrong) == "malformed"


def test_our_own_token_is_that_of_the_rfc() -> None:
    """RFC 7515, appendix A.1: what the other tests sign is what the world signs."""
    secret = (
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    )
    assert Key("", urlsafe_b64decode(secret + "==")).sign(
        b'{"typ":"JWT",\r\n "alg":"HS256"}',
        b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}',
    ) == (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )


# Keys.


def test_keys_of_every_length_sign_as_hmac_says(db: Connection) -> None:
    """HMAC pads a key up to 64 bytes and hashes a longer one; bytes are any bytes."""
    draw = random.Random(4231)
    lengths = [*range(32, 140), 200, 255, 256, 1000]
    with acting_as(db, "admin"):
        keys = [tokens.add_key(db, f"k{n}", draw.randbytes(n)) for n in lengths]
    # RFC 4231, test cases 6 and 7: what is longer than a block.
    assert len(keys[lengths.index(131)].secret) == 131
    with acting_as(db, "app"):
        for key in keys:
            verify(db, key, reason=draw.randbytes(draw.randrange(200)).hex())
        for key, other in pairwise(keys):
            assert present(db, Key(key.key_id, other.secret).token(ada(db))) == "bad_signature"


@pytest.mark.parametrize(
    ("secret", "message", "code"),
    [
        (
            b"\x0b" * 20,
            "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            hashlib.sha256(b"\xaa" * 131).digest(),
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            hashlib.sha256(b"\xaa" * 131).digest(),
            "This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ],
    ids=["case 1", "case 2", "case 6", "case 7"],
)
def test_the_code_is_that_of_rfc_4231(
    db: Connection, secret: bytes, message: str, code: str
) -> None:
    """The private function itself, with keys that are shorter than ours may be. Cases 3 to 5 are no
    text, or cut."""
    blocks = [bytes(one ^ pad for one in secret.ljust(64, b"\0")) for pad in (0x36, 0x5C)]
    with as_superuser(db):
        assert (
            value(
                db,
                "select encode(chronicle.hmac_sha256(%s, %s, %s), 'hex')",
                (*blocks, message),
            )
            == code
        )


@pytest.mark.parametrize(
    "secret",
    [
        bytes(32),
        b"\xff" * 64,
        bytes(65),
        b"\x36" * 64,
        b"\x5c" * 64,
        b"\xaa" * 131,
        bytes(range(256)),
        b"\x00" + b"k" * 31,
        b"k" * 31 + b"\x00",
    ],
    ids=["zeros", "ones", "65", "inner", "outer", "rfc4231", "all", "leading", "trailing"],
)
def test_a_key_is_its_bytes_whatever_they_are(db: Connection, secret: bytes) -> None:
    with acting_as(db, "admin"):
        key = tokens.add_key(db, secret=secret)
    assert key.secret == secret
    with acting_as(db, "app"):
        verify(db, key)


def test_a_longer_key_is_as_good_as_its_hash_and_no_other(db: Connection) -> None:
    """It is how HMAC is made, and a proof that ours is HMAC."""
    with acting_as(db, "admin"):
        tokens.add_key(db, "long", b"k" * 65)
        tokens.add_key(db, "block", b"k" * 64)
    with acting_as(db, "app"):
        hashed = hashlib.sha256(b"k" * 65).digest()
        verify(db, Key("long", hashed))
        assert present(db, Key("block", hashlib.sha256(b"k" * 64).digest()).token(ada(db))) == (
            "bad_signature"
        )


def test_the_server_draws_a_key_of_32_bytes_when_none_is_given(db: Connection) -> None:
    with acting_as(db, "admin"):
        drawn = [tokens.add_key(db, f"k{n}") for n in range(20)]
    assert {len(key.secret) for key in drawn} == {32}
    assert len({key.secret for key in drawn}) == 20
    # Bytes that are the same in all keys, as the version of a UUID is, would be bytes that are
    # known: 20 draws of 32 fair bytes have one in common in less than one run in 10 to the 40.
    assert [n for n in range(32) if len({key.secret[n] for key in drawn}) < 5] == []
    with acting_as(db, "app"):
        for key in drawn:
            verify(db, key)


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_short_key_is_refused(db: Connection, length: int) -> None:
    with acting_as(db, "admin"):
        told = refusal(db, "select chronicle.add_context_key('short', %s)", (b"s" * length,))
        assert told.sqlstate == "22023"
        assert "32" in f"{told.message} {told.detail} {told.hint}"
        assert values(db, "select key_id from chronicle.context_keys") == []


@pytest.mark.parametrize("key_id", [None, ""])
def test_a_key_needs_a_name(db: Connection, key_id: str | None) -> None:
    with acting_as(db, "admin"):
        code = sqlstate(db, "select chronicle.add_context_key(%s)", (key_id,))
        assert code in ("22004", "22023")


def test_a_key_id_is_given_once(db: Connection, key: Key) -> None:
    with acting_as(db, "admin"):
        told = refusal(db, "select chronicle.add_context_key('first')")
        assert told.sqlstate in ("23505", "42710")
        assert "first" in told.message + (told.detail or "")
    with acting_as(db, "app"):
        verify(db, key)


def test_keys_change_hands_without_a_gap(db: Connection, key: Key) -> None:
    with acting_as(db, "admin"):
        second = tokens.add_key(db, "second")
    with acting_as(db, "app"):
        verify(db, key)
        verify(db, second)
    with acting_as(db, "admin"):
        db.execute("select chronicle.retire_context_key('first')")
        assert values(db, "select key_id from chronicle.context_keys") == ["second"]
    with acting_as(db, "app"):
        verify(db, second)
        assert present(db, key.token(ada(db))) == "unknown_key"


@pytest.mark.usefixtures("key")
def test_retiring_a_key_that_is_none_is_refused(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.retire_context_key('first')")
        for key_id in ("first", "nonsense", "", None):
            assert sqlstate(db, "select chronicle.retire_context_key(%s)", (key_id,)) == "P0002"


@pytest.mark.usefixtures("key")
def test_adding_and_retiring_a_key_are_system_wide_events(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select set_config('chronicle.context', '{\"organization_id\": \"b\"}', true)")
        db.execute("select chronicle.retire_context_key('first')")
    columns = ("action_type", "resource_id", "organization_id", "db_user", "origin")
    assert events(db, "chronicle.context_key", *columns) == [
        dict(zip(columns, (verb, "first", None, "admin", "logged"), strict=True))
        for verb in ("create", "delete")
    ]


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("role", ["app", "reader_a", "auditor", "shopkeeper", "stranger"])
def test_only_an_operator_manages_keys(db: Connection, role: str) -> None:
    with acting_as(db, role):
        for statement in (
            "select chronicle.add_context_key('mine', decode(repeat('00', 32), 'hex'))",
            "select chronicle.add_context_key('mine')",
            "select chronicle.retire_context_key('first')",
            "select key_id from chronicle.context_keys",
            "insert into chronicle.context_keys (key_id) values ('mine')",
            "delete from chronicle.context_keys",
            "update chronicle.context_keys set key_id = 'mine'",
        ):
            assert sqlstate(db, statement) == "42501", statement


@pytest.mark.usefixtures("key")
def test_an_operator_changes_keys_through_the_functions_only(db: Connection) -> None:
    with acting_as(db, "admin"):
        for statement in (
            "insert into chronicle.context_keys (key_id) values ('mine')",
            "delete from chronicle.context_keys",
            "update chronicle.context_keys set key_id = 'mine'",
            "truncate chronicle.context_keys",
        ):
            assert sqlstate(db, statement) == "42501", statement


# Who may present a token.


@pytest.mark.parametrize("role", ["app", "reader_a", "auditor"])
def test_applications_and_readers_present_tokens(db: Connection, key: Key, role: str) -> None:
    with acting_as(db, role):
        verify(db, key)
        assert state(db) == "verified"


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("role", ["shopkeeper", "stranger"])
def test_others_do_not(db: Connection, role: str) -> None:
    with acting_as(db, role):
        for statement in (
            "select chronicle.context_challenge()",
            "select chronicle.set_signed_context('x')",
            "select chronicle.principal()",
        ):
            assert sqlstate(db, statement) == "42501", statement


def test_a_verified_context_holds_for_a_writer_who_may_not_even_present_one(
    database: Database, shared_key: Key
) -> None:
    """As in an application that changes roles within a transaction."""
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to stranger")
    superuser = database.connect(database.cluster.superuser)
    verify(superuser, shared_key)
    superuser.execute("set local role stranger")
    superuser.execute("insert into public.item values (1, 'a', 1)")
    superuser.commit()
    assert rows(
        database.connect("auditor"),
        "select actor_id, db_user = session_user, context_state from chronicle.row_changes",
    ) == [("ada", False, "verified")]


# What is not believed.


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_token_is_recorded_and_breaks_no_write(
    db: Connection, key: Key, reason: str
) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to app")
    with acting_as(db, "app"):
        assert present(db, refused(db, key, reason)) == reason
        malformed = {
            "actor_type": "system",
            "actor_id": "app",
            "client_info": {"context_error": reason},
            "context_state": "malformed",
        }
        assert current(db) == malformed
        event_id = value(db, LOG)
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("update public.item set price = 2")
        db.execute("delete from public.item")
        assert value(
            db,
            "select array_length(array(select chronicle.log_audit_events("
            '\'[{"action_type": "read", "resource_type": "set"}]\')), 1)',
        ) == (1)
    assert event(db, event_id) == malformed | {
        **{"epoch": 1, "schema_version": 1, "is_ai_action": False, "db_user": "app"},
        **{"origin": "logged", "action_type": "read", "action": "page.read"},
        **{"resource_type": "page", "severity": "info", "status": "success"},
    }
    for kind, number in (("item", 3), ("set", 1)):
        assert events(db, kind, *malformed) == [malformed] * number


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("before", ["verified", "asserted", "claims"])
def test_after_a_refused_token_nothing_is_left_of_what_was_said_before(
    db: Connection, key: Key, reason: str, before: str
) -> None:
    with acting_as(db, "app"):
        if before == "verified":
            verify(db, key, organization_id="acme", reason="Because")
        elif before == "asserted":
            db.execute("select chronicle.set_context(_actor_id => 'eve', _reason => 'Because')")
        else:
            db.execute("select set_config('request.jwt.claims', '{\"sub\": \"eve\"}', true)")
        assert present(db, refused(db, key, reason)) == reason
        assert current(db) == {
            "actor_type": "system",
            "actor_id": "app",
            "client_info": {"context_error": reason},
            "context_state": "malformed",
        }


@pytest.mark.parametrize("reason", REASONS)
def test_what_a_caller_says_beside_a_refused_token_stays_malformed(
    db: Connection, key: Key, reason: str
) -> None:
    with acting_as(db, "app"):
        present(db, refused(db, key, reason))
        event_id = value(
            db,
            "select chronicle.log_audit_event(_actor_type => 'user', _actor_id => 'eve', "
            "_action_type => 'read', _resource_type => 'page')",
        )
    found = event(db, event_id)
    assert (found["actor_type"], found["actor_id"]) == ("user", "eve")
    assert found["context_state"] == "malformed"


def test_a_good_token_mends_what_a_bad_one_spoilt(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        for reason in REASONS:
            present(db, refused(db, key, reason))
            assert state(db) == "malformed"
            verify(db, key)
            assert state(db) == "verified"


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_token_does_not_name_the_actor_that_a_table_asks_for(
    db: Connection, key: Key, reason: str
) -> None:
    make(db, ITEM, "_require_actor => true")
    db.execute("grant all on public.item to app")
    with acting_as(db, "app"):
        present(db, refused(db, key, reason))
        assert sqlstate(db, "insert into public.item values (1, 'a', 1)") == "ZC006"
        assert sqlstate(db, "truncate public.item") == "ZC006"
        verify(db, key)
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("truncate public.item")


@pytest.mark.usefixtures("key")
def test_a_context_of_the_application_goes_on_after_a_refused_token(db: Connection) -> None:
    with acting_as(db, "app"):
        present(db, "nonsense")
        db.execute("select chronicle.set_context(_actor_id => 'eve')")
        assert current(db) == {"actor_id": "eve", "context_state": "asserted"}
        present(db, "nonsense")
        db.execute("select chronicle.clear_context()")
        assert state(db) == "absent"


@pytest.mark.usefixtures("key")
def test_a_token_of_no_value_is_malformed(db: Connection) -> None:
    with acting_as(db, "app"):
        assert present(db, None) == "malformed"
        assert state(db) == "malformed"


# Time.


@pytest.mark.parametrize(
    ("issued", "expires", "said"),
    [
        (0, 60, "verified"),
        (0, 300, "verified"),
        (0, 301, "malformed"),
        (-290, 10, "verified"),
        (-290, 20, "malformed"),
        (50, 60, "verified"),
        (50, 350, "verified"),
        (70, 80, "malformed"),
        (10**6, 10**6 + 60, "malformed"),
        (-300, 0, "expired"),
        (-61, -1, "expired"),
        (-(10**6), -(10**6) + 60, "expired"),
        (0, 10**9, "malformed"),
        (-(10**9), 10**9, "malformed"),
        (60, 30, "malformed"),
    ],
)
def test_a_token_is_good_from_its_issue_for_at_most_five_minutes(
    db: Connection, key: Key, issued: int, expires: int, said: str
) -> None:
    with acting_as(db, "app"):
        claims = ada(db)
        now = claims["iat"]
        assert present(db, key.token(claims | {"iat": now + issued, "exp": now + expires})) == said


def test_times_may_have_fractions(db: Connection, key: Key) -> None:
    """A NumericDate of RFC 7519 is any number."""
    with acting_as(db, "app"):
        claims = ada(db)
        now = claims["iat"]
        verify(db, key, iat=now + 0.25, exp=now + 59.75)
        text = json.dumps(claims).replace(str(now), f"{now}.0e0")
        assert present(db, key.sign(key.header(), text)) == "verified"


def test_a_verified_transaction_stays_so_when_its_token_is_over(
    database: Database, shared_key: Key
) -> None:
    app = database.connect("app")
    claims = ada(app)
    now = claims["iat"]
    token = shared_key.token(claims | {"iat": now - 299, "exp": now + 1})
    assert present(app, token) == "verified"
    over = f"select extract(epoch from clock_timestamp()) > {now + 1}"
    while not value(app, over):
        pass
    assert state(app) == "verified"
    event_id = value(app, LOG)
    app.commit()
    assert rows(
        database.connect("auditor"),
        "select actor_id, context_state from chronicle.events where event_id = %s",
        (event_id,),
    ) == [("ada", "verified")]
    app.rollback()
    claims = ada(app) | {"iat": now - 299, "exp": now + 1}
    assert present(app, shared_key.token(claims)) == "expired"


# Checked once.


@pytest.mark.parametrize("replaced", [False, True])
def test_a_verified_transaction_stays_so_when_its_key_is_retired(
    database: Database, shared_key: Key, replaced: bool
) -> None:
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to app")
    app = database.connect("app")
    verify(app, shared_key)
    with database.connect("admin", autocommit=True) as admin:
        admin.execute("select chronicle.retire_context_key('first')")
        if replaced:
            tokens.add_key(admin)
    assert state(app) == "verified"
    app.execute("insert into public.item values (1, 'a', 1)")
    app.execute("savepoint a")
    assert present(app, shared_key.token(ada(app))) == (
        "bad_signature" if replaced else "unknown_key"
    )
    app.execute("rollback to a")
    assert state(app) == "verified"
    app.commit()
    assert present(app, shared_key.token(ada(app))) != "verified"
    app.execute("insert into public.item values (2, 'b', 2)")
    app.commit()
    assert rows(
        database.connect("auditor"),
        "select record_id, actor_id, context_state from chronicle.row_changes order by seq",
    ) == [("1", "ada", "verified"), ("2", "app", "malformed")]


def test_one_token_is_good_for_all_of_its_transaction(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        token = key.token(ada(db))
        for _ in range(3):
            assert present(db, token) == "verified"
        for _ in range(20):
            db.execute(LOG)
    assert {one["context_state"] for one in events(db, "page", "context_state")} == {"verified"}


def test_a_challenge_names_one_transaction_of_one_session(database: Database) -> None:
    first, second = (database.connect("app") for _ in range(2))
    ask = "select chronicle.context_challenge()"
    seen: list[str] = []
    for connection in (first, second):
        for ends in ("commit", "rollback", "commit and chain", "rollback and chain"):
            challenge = value(connection, ask)
            connection.execute("savepoint a")
            assert value(connection, ask) == challenge
            connection.execute("rollback to a")
            assert value(connection, ask) == challenge
            connection.execute(LOG.replace("_action_type", "_actor_type => 'user', _action_type"))
            assert value(connection, ask) == challenge
            seen.append(challenge)
            run(connection, ends)
        connection.rollback()
    assert len(set(seen)) == len(seen) == 8
    assert {type(one) for one in seen} == {str}


def test_outside_of_a_transaction_block_a_challenge_is_over_at_once(
    database: Database, shared_key: Key
) -> None:
    app = database.connect("app", autocommit=True)
    token = shared_key.token(ada(app))
    assert present(app, token) == "wrong_transaction"
    # And so is what was said of it.
    assert state(app) == "absent"


@pytest.mark.parametrize("ends", ["commit", "rollback", "commit and chain", "rollback and chain"])
def test_a_verified_context_ends_with_its_transaction(
    database: Database, shared_key: Key, ends: str
) -> None:
    app = database.connect("app")
    verify(app, shared_key)
    run(app, ends)
    assert current(app) == {"actor_type": "system", "actor_id": "app", "context_state": "absent"}


def test_a_failed_statement_outside_of_a_savepoint_ends_the_context(
    database: Database, shared_key: Key
) -> None:
    app = database.connect("app")
    verify(app, shared_key)
    with pytest.raises(psycopg.errors.DivisionByZero):
        app.execute("select 1 / 0")
    app.rollback()
    assert state(app) == "absent"


def test_a_verified_context_survives_savepoints_as_any_other(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        verify(db, key)
        with db.transaction(force_rollback=True):
            verify(db, key, actor_id="grace")
            assert current(db)["actor_id"] == "grace"
        assert current(db) == {"actor_id": "ada", "actor_type": "user", "context_state": "verified"}
        with db.transaction(force_rollback=True):
            db.execute("select chronicle.clear_context()")
            assert state(db) == "absent"
        assert state(db) == "verified"
        with db.transaction(force_rollback=True):
            present(db, "nonsense")
            assert state(db) == "malformed"
        assert state(db) == "verified"
        sqlstate(db, "select 1 / 0")
        assert state(db) == "verified"
        with db.transaction():
            verify(db, key, actor_id="grace")
        assert current(db)["actor_id"] == "grace"
        db.execute("select chronicle.clear_context()")
        assert state(db) == "absent"


def test_a_context_that_began_in_a_savepoint_goes_with_it(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        with db.transaction(force_rollback=True):
            verify(db, key)
        assert state(db) == "absent"


def test_set_context_replaces_what_was_verified_and_asserts(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        verify(db, key, organization_id="acme")
        db.execute("select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')")
        assert current(db) == {
            "actor_id": "ada",
            "actor_type": "user",
            "context_state": "asserted",
        }
        db.execute("select chronicle.set_context(_reason => 'Because')")
        assert state(db) == "asserted"


def test_claims_of_a_gateway_do_not_touch_a_verified_context(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        for claims in ('{"sub": "eve", "role": "anon"}', "nonsense", "{}"):
            db.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            verify(db, key)
            assert current(db) == {
                "actor_id": "ada",
                "actor_type": "user",
                "context_state": "verified",
            }


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("access", ["read write", "read only"])
def test_a_token_is_good_in_any_kind_of_transaction(
    database: Database, shared_key: Key, isolation: str, access: str
) -> None:
    app = database.connect("app")
    run(app, f"begin isolation level {isolation}, {access}")
    verify(app, shared_key)
    if access == "read write":
        app.execute(LOG)
    assert present(app, "nonsense") == "malformed"
    verify(app, shared_key)
    assert current(app) == {"actor_id": "ada", "actor_type": "user", "context_state": "verified"}
    run(app, "commit")
    auditor = database.connect("auditor")
    expected = [("verified",)] if access == "read write" else []
    assert (
        rows(auditor, "select context_state from chronicle.events where resource_type = 'page'")
        == expected
    )


def test_presenting_a_token_takes_no_transaction_id(database: Database, shared_key: Key) -> None:
    """A reader's transaction stays one that writes nothing."""
    app = database.connect("app")
    verify(app, shared_key)
    for reason in REASONS:
        present(app, refused(app, shared_key, reason))
    assert value(app, "select pg_current_xact_id_if_assigned()") is None


# What a caller says of who, against what is verified.


WHO = {
    "actor_id": "ada",
    "actor_type": "user",
    "actor_role": "clerk",
    "impersonator_id": "boss",
}

ARGUMENTS: list[tuple[dict[str, str], str]] = [
    ({}, "verified"),
    (dict(WHO), "verified"),
    *(({name: said}, "verified") for name, said in WHO.items()),
    ({"organization_id": "acme", "reason": "another", "session_id": "s"}, "verified"),
    ({"actor_id": "eve"}, "asserted"),
    ({"actor_id": "ADA"}, "asserted"),
    ({"actor_id": "ada "}, "asserted"),
    ({"actor_type": "admin"}, "asserted"),
    ({"actor_type": "admin", "actor_id": "ada"}, "asserted"),
    ({"actor_role": "owner"}, "asserted"),
    ({"impersonator_id": "eve"}, "asserted"),
    (WHO | {"impersonator_id": "eve"}, "asserted"),
    (WHO | {"actor_id": "eve"}, "asserted"),
]


@pytest.mark.parametrize("function", ["log_audit_event", "log_audit_events"])
@pytest.mark.parametrize(("who", "expected"), ARGUMENTS)
def test_who_is_named_otherwise_than_verified_is_asserted(
    db: Connection, key: Key, function: str, who: dict[str, str], expected: str
) -> None:
    with acting_as(db, "app"):
        verify(db, key, **WHO)
        event_id = logged_as(db, function, who)
        after = value(db, LOG)
    columns = (*WHO, "context_state")
    found = event(db, event_id)
    told = {name: found.get(name) for name in columns}
    assert told["context_state"] == expected
    assert {name: told[name] for name in who if name in WHO} == {
        name: said for name, said in who.items() if name in WHO
    }
    if expected == "verified":
        assert told == WHO | {"context_state": "verified"}
    # It is a matter of that event alone.
    assert event(db, after)["context_state"] == "verified"


@pytest.mark.parametrize("function", ["log_audit_event", "log_audit_events"])
@pytest.mark.parametrize("name", ["actor_role", "impersonator_id"])
def test_who_says_more_of_an_actor_than_the_token_does_asserts_it(
    db: Connection, key: Key, function: str, name: str
) -> None:
    with acting_as(db, "app"):
        verify(db, key)
        event_id = logged_as(db, function, {name: "owner"})
    found = event(db, event_id)
    assert (found[name], found["context_state"]) == ("owner", "asserted")


def logged_as(db: Connection, function: str, who: dict[str, str]) -> Any:
    """Logs an event whose who-arguments are these, one by one or as a set."""
    if function == "log_audit_events":
        fields = {"action_type": "read", "resource_type": "page"} | who
        return value(db, "select chronicle.log_audit_events(%s)", (json.dumps([fields]),))
    given = "".join(f", _{name} => %({name})s" for name in who)
    return value(
        db,
        "select chronicle.log_audit_event("
        f"_action_type => 'read', _resource_type => 'page'{given})",
        who,
    )


def test_a_set_of_events_is_judged_event_by_event(db: Connection, key: Key) -> None:
    named = [{}, {"actor_id": "eve"}, {"actor_id": "ada"}, {"actor_type": "ai"}, {}]
    with acting_as(db, "app"):
        verify(db, key)
        db.execute(
            "select chronicle.log_audit_events(%s)",
            (
                json.dumps(
                    [{"action_type": "read", "resource_type": "page"} | each for each in named]
                ),
            ),
        )
    assert [one["context_state"] for one in events(db, "page", "context_state")] == [
        *("verified", "asserted", "verified", "asserted", "verified"),
    ]


def test_a_retry_with_an_id_of_the_callers_is_recorded_once(db: Connection, key: Key) -> None:
    event_id = uuid.uuid4()
    with acting_as(db, "app"):
        for _ in range(2):
            verify(db, key)
            assert (
                value(
                    db,
                    "select chronicle.log_audit_event(_action_type => 'read', "
                    "_resource_type => 'page', _event_id => %s)",
                    (event_id,),
                )
                == event_id
            )
    assert [one["context_state"] for one in events(db, "page", "context_state")] == ["verified"]


# What the log does itself.


def test_what_manages_the_log_is_done_by_the_verified_actor(db: Connection, key: Key) -> None:
    with acting_as(db, "admin"):
        assert sqlstate(db, "select chronicle.set_signed_context('x')") in ("42501", "00000")
    db.execute("create table public.item (id integer primary key)")
    # The installer has chronicle_app and chronicle_admin.
    verify(db, key)
    db.execute("select chronicle.set_setting('partitions_ahead', '4')")
    db.execute("select chronicle.enable_tracking('public.item')")
    db.execute("select chronicle.disable_tracking('public.item')")
    db.execute("select chronicle.add_administrator('user:grace', 'acme')")
    db.execute("select chronicle.retire_context_key('first')")
    found = rows(
        db,
        "select actor_type::text, actor_id, context_state from chronicle.events "
        "where resource_type in ('chronicle.setting', 'chronicle.tracked_table', "
        "'chronicle.administrator') or action_type = 'delete' and action ^@ 'chronicle.'",
    )
    assert len(found) >= 5
    assert set(found) == {("user", "ada", "verified")}


def revert_of(db: Connection, undone: Any) -> Any:
    """Takes an event back, and returns the id of the event that tells of it."""
    db.execute("select chronicle.revert_event(%s)", (undone,))
    return value(
        db,
        "select event_id from chronicle.events where action = 'chronicle.revert' "
        "order by seq desc limit 1",
    )


def test_what_is_taken_back_in_a_verified_context_is_so_by_the_verified_actor(
    db: Connection, key: Key
) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("delete from public.item")
    undone = value(db, "select event_id from chronicle.row_changes where action = 'DELETE'")
    verify(db, key, organization_id="acme", reason="Because")
    before = tokens.kept(db)
    revert = revert_of(db, undone)
    columns = ("parent_event_id", "actor_type", "actor_id", "reason", "context_state")
    told = dict(zip(columns, (undone, "user", "ada", "Because", "verified"), strict=True))
    assert {name: event(db, revert)[name] for name in columns} == told
    assert events(db, "item", *columns)[-1] == told | {"parent_event_id": revert}
    # And then everything is as it was.
    assert tokens.kept(db) == before
    assert state(db) == "verified"
    db.execute("update public.item set price = 2")
    assert events(db, "item", *columns)[-1] == told | {"parent_event_id": None}


def test_a_whole_transaction_is_taken_back_by_the_verified_actor(
    database: Database, shared_key: Key
) -> None:
    owner = database.connect()
    make(owner, ITEM)
    owner.commit()
    owner.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    transaction = value(owner, "select pg_current_xact_id()::text::bigint")
    owner.commit()
    verify(owner, shared_key)
    owner.execute("select chronicle.revert_transaction(%s)", (transaction,))
    revert = value(owner, "select event_id from chronicle.events where action = 'chronicle.revert'")
    assert state(owner) == "verified"
    owner.commit()
    assert (
        rows(
            owner,
            "select actor_id, context_state, parent_event_id from chronicle.events "
            "where resource_type = 'item' order by seq offset 2",
        )
        == [("ada", "verified", revert)] * 2
    )


def test_a_failed_undo_leaves_the_context_verified(db: Connection, key: Key) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("update public.item set price = 2")
    inserted = value(db, "select event_id from chronicle.row_changes where action = 'INSERT'")
    verify(db, key)
    assert sqlstate(db, "select chronicle.revert_event(%s)", (inserted,)) == "ZC008"
    assert state(db) == "verified"


@pytest.mark.usefixtures("key")
def test_a_refused_token_is_told_of_what_is_taken_back(db: Connection) -> None:
    """An operator's undo must not be lost for a bad token, nor become somebody's."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("delete from public.item")
    undone = value(db, "select event_id from chronicle.row_changes where action = 'DELETE'")
    present(db, "nonsense")
    revert = revert_of(db, undone)
    found = event(db, revert)
    assert (found["actor_id"], found["context_state"]) == ("installer", "malformed")
    last = events(db, "item", "context_state", "actor_id", "parent_event_id")[-1]
    assert (last["context_state"], last["actor_id"]) == ("malformed", "installer")
    assert state(db) == "malformed"


def test_a_snapshot_is_taken_by_the_verified_actor(db: Connection, key: Key) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("insert into public.item values (1), (2)")
    db.execute("select chronicle.enable_tracking('public.item')")
    verify(db, key)
    db.execute("select * from chronicle.snapshot_table('public.item')")
    columns = ("origin", "actor_id", "context_state")
    found = [one for one in events(db, "item", *columns) if one["origin"] == "snapshot"]
    assert found == [dict(zip(columns, ("snapshot", "ada", "verified"), strict=True))] * 2


def test_what_is_imported_is_not_the_verified_actors(db: Connection, key: Key) -> None:
    """Who imports is verified; who did what the source tells of is not."""
    db.execute(
        "create table public.old as select 1 as source_id, 'user' as actor_type, "
        "'grace' as actor_id, 'create' as action_type, 'item' as resource_type, "
        "timestamptz '2020-01-01' as occurred_at"
    )
    verify(db, key)
    db.execute("select * from chronicle.import_events('old', 'select * from public.old')")
    (found,) = events(db, "item", "actor_id", "context_state")
    assert found["actor_id"] == "grace"
    assert found["context_state"] != "verified"
    (told,) = row(
        db,
        "select array_agg(distinct actor_id || ' ' || context_state) from chronicle.events "
        "where resource_type = 'chronicle.import'",
    )
    assert told == ["ada verified"]


@pytest.mark.parametrize(
    "role",
    [
        *("chronicle_owner", "chronicle_writer", "chronicle_table_reader", "chronicle_app"),
        *("chronicle_reader", "chronicle_auditor", "chronicle_admin"),
    ],
)
def test_whoever_asks_for_the_context_may_ask_whether_it_is_sealed(
    database: Database, shared_key: Key, role: str
) -> None:
    """A session of its own each: whoever asked first in a transaction has asked for all."""
    with database.connect(database.cluster.superuser) as session:
        verify(session, shared_key)
        run(session, f"set local role {role}")
        assert value(session, "select (chronicle.resolve_context()).context_state") == "verified"


def test_a_claim_of_another_column_is_ignored(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        claims = ada(db) | {"parent_event_id": "no uuid", "context_state": "absent"}
        assert present(db, key.token(claims)) == "verified"
        assert {"parent_event_id", "context_state"} & current(db).keys() == {"context_state"}
        assert state(db) == "verified"


def test_who_reads_all_data_reads_no_secret(db: Connection, key: Key) -> None:
    with as_superuser(db):
        db.execute("grant pg_read_all_data to stranger")
    with acting_as(db, "stranger"):
        assert rows(db, "select * from chronicle.context_secrets") == []
    with acting_as(db, "app"):
        assert present(db, key.token(ada(db))) == "verified"
