"""Who has everything but the secret cannot become somebody else: not with a token that was tampered
with, not with one that was meant for another transaction, not with what a session keeps of one, and
not by reading the secret. None of it breaks a write."""

import base64
import hashlib
import hmac
import json
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

import tokens
from ask import as_superuser, row, rows, run, sqlstate, value, values
from capturing import ITEM, make
from streaming import migrated_database, quiet_cluster
from support import Connection, Database, acting_as
from tokens import Key, ada, base64url, current, keep, kept, present, segment, state, verify

REASONS = {"malformed", "unknown_key", "bad_signature", "expired", "wrong_transaction"}

URL_SAFE = string.ascii_letters + string.digits + "-_"

SECRET = b"the secret that nobody may know."


@pytest.fixture
def key(db: Connection) -> Key:
    """A key of the database of db, in which item is tracked and app may write to it."""
    make(db, ITEM)
    db.execute("grant all on public.item to app")
    with acting_as(db, "admin"):
        return tokens.add_key(db, secret=SECRET)


@pytest.fixture
def shared_key(database: Database) -> Key:
    """The same in the database of database."""
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to app")
    with database.connect("admin") as admin:
        return tokens.add_key(admin, secret=SECRET)


def refused(db: Connection, token: str) -> str:
    """Presents a token that must be refused, writes, and gives the reason that is recorded."""
    said = present(db, token)
    malformed = {
        "actor_type": "system",
        "actor_id": "app",
        "client_info": {"context_error": said},
        "context_state": "malformed",
    }
    assert current(db) == malformed
    written = rows(
        db,
        "with logged as (select chronicle.log_audit_event(_action_type => 'read', "
        "_resource_type => 'page')) insert into public.item "
        "select floor(random() * 2e9)::integer, 'a', 1 from logged returning id",
    )
    assert len(written) == 1
    return said


def said_of(db: Connection, candidates: list[str]) -> dict[str, str]:
    """What the server says of each of many tokens."""
    return dict(
        rows(
            db,
            "select t.token, chronicle.set_signed_context(t.token) "
            "from unnest(%s::text[]) as t (token)",
            (candidates,),
        )
    )


def told_events(db: Connection) -> list[Any]:
    """Who did what was written, once each."""
    return rows(
        db,
        "select distinct origin::text, db_user, actor_type::text, actor_id, context_state, "
        "client_info ->> 'context_error' from chronicle.events "
        "where resource_type in ('item', 'page') order by 1, 6",
    )


# Tokens that nobody signed.


def forgeries(claims: dict[str, Any], key: Key) -> Iterator[tuple[str, str, set[str]]]:
    """Tokens of somebody who does not know the secret: what, the token, what may be said of it."""
    good = key.token(claims)
    header, payload, mac = good.split(".")
    malformed = {"malformed"}
    yield "nothing", "", malformed
    for text in (".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "....", " ", "\n", "{}", "null"):
        yield repr(text), text, malformed
    yield "no signature", f"{header}.{payload}.", malformed | {"bad_signature"}
    yield "two segments", f"{header}.{payload}", malformed
    yield "four segments", f"{good}.{mac}", malformed
    yield "no header", f".{payload}.{mac}", malformed
    yield "no claims", f"{header}..{mac}", malformed | {"bad_signature"}
    yield "segments twice", f"{good}.{good}", malformed
    for blank in (" ", "\n", "\t", "\r\n", "\x0b", "\u00a0", "\ufeff"):
        yield f"{blank!r} before", blank + good, malformed | {"bad_signature"}
        yield f"{blank!r} after", good + blank, malformed | {"bad_signature"}
        yield (
            f"{blank!r} between",
            f"{header}{blank}.{payload}.{mac}",
            malformed | {"bad_signature"},
        )
    yield "padding after", good + "=", malformed
    yield "padding", ".".join(one + "=" * (-len(one) % 4) for one in good.split(".")), malformed
    yield "padding in the middle", f"{header}.{payload[:8]}={payload[8:]}.{mac}", malformed
    for character in "+/=$%&'\"\\;()*é€😀\x01\x7f":
        yield f"{character!r} in the header", f"{header[:-1]}{character}.{payload}.{mac}", malformed
        yield (
            f"{character!r} in the claims",
            f"{header}.{payload[:-1]}{character}.{mac}",
            malformed | {"bad_signature"},
        )
        yield (
            f"{character!r} in the signature",
            f"{header}.{payload}.{mac[:-1]}{character}",
            malformed | {"bad_signature"},
        )

    unsigned = {"alg": "none", "kid": key.key_id}
    yield "alg none", f"{segment(unsigned)}.{payload}.", malformed
    for name in ("none", "None", "NONE", "nOnE", "HS512", "HS384", "RS256", "ES256", "EdDSA"):
        said = segment(key.header(alg=name))
        for signature in ("", mac, base64url(b"")):
            yield f"alg {name}, signed {signature!r}", f"{said}.{payload}.{signature}", malformed
    others: tuple[object, ...] = (
        *("hs256", "HS256 ", " HS256", "HS256\0", "HS256'", "", None, 1, ["HS256"], {}),
    )
    for other in others:
        said = segment(key.header(alg=other))
        yield f"alg {other!r}", f"{said}.{payload}.{mac}", malformed

    either = {"malformed", "unknown_key"}
    names: tuple[object, ...] = (
        *(None, "", 1, True, [], {}, ["first"], {"kid": "first"}, "FIRST", "first ", " first"),
        *("first\0", "first'", "first' or '1' = '1", "'; drop table chronicle.context_keys; --"),
        *("%", "_____", "fir%", "first\\", "$$first$$", "../first", "k" * 40_000, "é€😀"),
        *("chronicle", "chronicle_verifier", "first,second", "(first)", "1"),
    )
    for kid in names:
        for secret in (b"", bytes(32), bytes(64), b"first", b"null"):
            yield (
                f"kid {str(kid)[:40]!r}, secret {secret[:5]!r}",
                Key("", secret).sign(key.header(kid=kid), claims),
                either,
            )
    kidless = segment({"alg": "HS256", "typ": "JWT"})
    yield "no kid", f"{kidless}.{payload}.{mac}", either

    bad = {"bad_signature"}
    unsealed = f"{header}.{payload}"
    for what, made in {
        "nothing": b"",
        "zeros": bytes(32),
        "a hash without a key": hashlib.sha256(unsealed.encode()).digest(),
        "of nothing": hmac.digest(b"", unsealed.encode(), "sha256"),
        "of zeros": hmac.digest(bytes(64), unsealed.encode(), "sha256"),
        "by the key's name": hmac.digest(key.key_id.encode(), unsealed.encode(), "sha256"),
        "of the hash of the token": hashlib.sha256(good.encode()).digest(),
        "half": hmac.digest(key.secret, unsealed.encode(), "sha256")[:16],
        "too long": hmac.digest(key.secret, unsealed.encode(), "sha256") + b"\0",
    }.items():
        yield f"signature: {what}", f"{unsealed}.{base64url(made)}", bad | malformed
    for members in (
        {"jwk": {"kty": "oct", "k": base64url(bytes(32))}},
        {"jku": "https://example.org/keys", "x5u": "https://example.org/x"},
        {"secret": base64url(bytes(32)), "key": base64url(bytes(32))},
    ):
        yield (
            f"brings {', '.join(members)}",
            Key("", bytes(32)).sign(key.header(**members), claims),
            bad | malformed,
        )
    eve = claims | {"actor_id": "eve"}
    yield "the claims of another", f"{header}.{segment(eve)}.{mac}", bad
    theirs = Key(key.key_id, bytes(32)).token(eve).split(".")[2]
    yield "the signature of another", f"{header}.{payload}.{theirs}", bad
    yield "in capitals", good.upper(), malformed | bad | {"unknown_key"}
    yield "backwards", good[::-1], malformed | bad
    yield "claims before the header", f"{payload}.{header}.{mac}", malformed

    nested = "[" * 10_000 + "]" * 10_000
    yield "a deep header", f"{segment(nested)}.{payload}.{mac}", malformed
    deep = '{"kid": "first", "alg": "HS256", "a": ' + nested + "}"
    yield "a deep member", f"{segment(deep)}.{payload}.{mac}", malformed | bad
    yield "a header of nothing but nesting", f"{segment('[' * 40_000)}.{payload}.{mac}", malformed
    yield "a megabyte", "a" * 1_000_000, malformed
    yield "a megabyte of dots", "." * 1_000_000, malformed
    yield "a megabyte of header", f"{'a' * 1_000_000}.{payload}.{mac}", malformed
    yield "a megabyte of claims", f"{header}.{'a' * 1_000_000}.{mac}", malformed
    yield "a megabyte of signature", f"{header}.{payload}.{'a' * 1_000_000}", malformed
    yield "a megabyte of euros", "€" * 300_000, malformed
    yield "one byte too many", f"{header}.{payload}.{'a' * 65_536}"[:65_537], malformed
    yield "an array", segment([]) + f".{payload}.{mac}", malformed
    for text in ("", "{", "x", "[]", "1", "null", '"HS256"', '{"alg":"HS256"', "\0"):
        yield f"header {text!r}", f"{segment(text)}.{payload}.{mac}", malformed
    yield "a header of no text", f"{segment(bytes([255, 254]))}.{payload}.{mac}", malformed
    for text in ('{"alg":"\\u0000"}', '{"alg":"\\ud800"}', '{"alg":"HS256","kid":"\\ud83d"}'):
        yield f"header {text}", f"{segment(text)}.{payload}.{mac}", malformed | {"unknown_key"}


def test_no_forged_token_opens_a_door_or_breaks_a_write(db: Connection, key: Key) -> None:
    wrong: list[str] = []
    with acting_as(db, "app"):
        tried = list(forgeries(ada(db), key))
        for what, token, allowed in tried:
            said = refused(db, token)
            if said not in allowed:
                wrong.append(f"{what}: {said}")
        verify(db, key)
    assert wrong == []
    assert len(tried) > 200
    told = told_events(db)
    assert {one[:5] for one in told} == {
        (origin, "app", "system", "app", "malformed") for origin in ("logged", "captured")
    }
    assert {one[5] for one in told} == {"malformed", "unknown_key", "bad_signature"}


def test_no_cut_of_a_token_is_a_token(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        good = key.token(ada(db, organization_id="acme"))
        cuts = [good[:n] for n in range(len(good))] + [good[n:] for n in range(1, len(good))]
        holes = [good[:n] + good[n + 1 :] for n in range(len(good))]
        doubled = [good[:n] + good[n] + good[n:] for n in range(len(good))]
        said = said_of(db, [one for one in cuts + holes + doubled if one != good])
        assert set(said.values()) <= {"malformed", "bad_signature", "unknown_key"}
        assert present(db, good) == "verified"


def test_no_flipped_bit_of_a_token_goes_unnoticed(db: Connection, key: Key) -> None:
    """Every bit of every character that is still ASCII, the last ones of base64 included, which
    stand for nothing."""
    with acting_as(db, "app"):
        good = key.token(ada(db, organization_id="acme"))
        flipped = [
            good[:n] + chr(ord(one) ^ 1 << bit) + good[n + 1 :]
            for n, one in enumerate(good)
            for bit in range(7)
            if ord(one) ^ 1 << bit
        ]
        said = said_of(db, flipped)
        assert len(said) > 1500
        assert {one: told for one, told in said.items() if told == "verified"} == {}
        assert set(said.values()) <= {"malformed", "bad_signature", "unknown_key"}


def test_no_other_character_at_the_end_of_a_segment_is_as_good(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        good = key.token(ada(db))
        ends = [n - 1 for n, one in enumerate(f"{good}.") if one == "."]
        others = [
            good[:n] + other + good[n + 1 :] for n in ends for other in URL_SAFE if other != good[n]
        ]
        assert "verified" not in said_of(db, others).values()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_at_random_is_a_token(db: Connection, key: Key, seed: int) -> None:
    draw = random.Random(seed)
    with acting_as(db, "app"):
        good = key.token(ada(db, client_info={"a": [1, "b"]}))
        candidates = set[str]()
        for _ in range(500):
            text = list(good)
            for _ in range(draw.randrange(1, 6)):
                place = draw.randrange(len(text))
                strange = draw.choice([*URL_SAFE, *".=+/ \"'\\", "é", "\u2028", "😀"])
                match draw.randrange(5):
                    case 0:
                        text[place] = strange
                    case 1:
                        text.insert(place, strange)
                    case 2:
                        del text[place]
                    case 3:
                        other = draw.randrange(len(text))
                        text[place], text[other] = text[other], text[place]
                    case _:
                        text[place:place] = text[: draw.randrange(1, 40)]
            candidates.add("".join(text))
        candidates.discard(good)
        for _ in range(200):
            candidates.add("".join(draw.choices(URL_SAFE + "...", k=draw.randrange(300))))
        said = said_of(db, list(candidates))
        assert set(said.values()) <= {"malformed", "bad_signature", "unknown_key"}


def test_segments_of_good_tokens_do_not_make_another(db: Connection, key: Key) -> None:
    with acting_as(db, "admin"):
        second = tokens.add_key(db, "second", SECRET[::-1])
    with acting_as(db, "app"):
        good = [
            one.token(ada(db, actor_id=actor))
            for one in (key, second)
            for actor in ("ada", "grace")
        ]
        parts = [one.split(".") for one in good]
        mixed = {
            f"{header}.{payload}.{mac}"
            for header, *_ in parts
            for _, payload, _ in parts
            for *_, mac in parts
        }
        said = said_of(db, list(mixed))
        assert {one for one, told in said.items() if told == "verified"} == set(good)
        assert set(said.values()) == {"verified", "bad_signature"}


# Tokens that somebody signed who should have known better.


def mistakes(claims: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Claims that a signer must not make: nobody can tell from them who acts, and until when."""
    for text in (
        *("", " ", "{", "}", "x", "[]", "[{}]", "1", "null", "true", '"ada"', "{}", '{"a":1}{}'),
        *(json.dumps(claims)[:-1], json.dumps(claims) + "}", json.dumps([claims])),
        *("'" + json.dumps(claims) + "'", json.dumps(json.dumps(claims)), str(claims)),
    ):
        yield f"claims {text[:30]}", text
    yield "bytes", b"\xff\xfe\xfd"
    yield "an overlong sequence", json.dumps(claims).encode().replace(b"ada", b"\xc1\xa1")
    yield "a surrogate", json.dumps(claims).replace("ada", "\\ud800")
    yield "NUL", json.dumps(claims).replace("ada", "a\\u0000")
    yield "a bare NUL", json.dumps(claims).replace("ada", "a\0")
    yield "UTF-16", json.dumps(claims).encode("utf-16")
    yield "nesting", "[" * 10_000 + "]" * 10_000
    yield "nesting that never ends", "[" * 40_000
    for name in ("nonce", "iat", "exp", "actor_id", "actor_type"):
        yield f"no {name}", {other: one for other, one in claims.items() if other != name}
        yield f"{name} null", claims | {name: None}
        # An id may be anything: what it is is its text.
        if name != "actor_id":
            kinds: tuple[object, ...] = ([], {}, True, False, [claims[name]], {"a": claims[name]})
            for said in kinds:
                yield f"{name} {said!r}", claims | {name: said}
    for name in ("iat", "exp"):
        for said in (str(claims[name]), "", "now", "infinity", "2026-01-01", -1, 0, -(10**30)):
            if not (name == "iat" and said == 0):
                yield f"{name} {said!r}", claims | {name: said}
        for text in ("NaN", "Infinity", "-Infinity", "1e400", "1e309", "9" * 400, "1e131072"):
            written = json.dumps(claims | {name: "HERE"}).replace('"HERE"', text)
            yield f"{name} {text[:20]}", written
        yield f"{name} in milliseconds", claims | {name: claims[name] * 1000}
    yield "both in milliseconds", claims | {n: claims[n] * 1000 for n in ("iat", "exp")}
    for text in ("", "x" * 1001, "é" * 501):
        yield f"actor_id {text[:5]!r}, {len(text)} characters", claims | {"actor_id": text}
    yield "a long organization", claims | {"organization_id": "x" * 1001}
    wrong: dict[str, tuple[object, ...]] = {
        "actor_type": ("", "USER", "nonsense", "user ", 1, "user'"),
        "ip_address": ("", "999.1", "localhost", "10.0.0.1; drop", {}, [], 7, True),
        "ai_operation_id": ("", "x", 7, {}, [], "0c1e9b1e-0000-4000-8000-00000000000"),
        "client_info": ("x", 7, [], [{}], True),
    }
    for name, values_ in wrong.items():
        for said in values_:
            yield f"{name} {said!r}", claims | {name: said}
    yield "too much to say", claims | {"reason": "x" * 70_000}
    yield "too much of what means nothing here", claims | {"padding": "x" * 70_000}


def test_no_mistake_of_a_signer_opens_a_door_or_breaks_a_write(db: Connection, key: Key) -> None:
    wrong: list[str] = []
    with acting_as(db, "app"):
        good = ada(db)
        tried = list(mistakes(good))
        for what, claims in tried:
            said = refused(db, key.sign(key.header(), claims))
            # A time may as well be over as be none, a nonce that of no transaction.
            late = what.startswith(("iat", "exp")) and said == "expired"
            elsewhere = "nonce" in what and said == "wrong_transaction"
            if said != "malformed" and not late and not elsewhere:
                wrong.append(f"{what}: {said}")
        verify(db, key)
    assert wrong == []
    assert len(tried) > 100


def test_a_deep_claim_breaks_no_write(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        good = json.dumps(ada(db))[:-1]
        for deep in (
            '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}",
            '{"a":' * 6_000 + "1" + "}" * 6_000,
        ):
            token = key.sign(key.header(), good + ', "client_info": ' + deep + "}")
            said = present(db, token)
            assert said in ("verified", "malformed")
            db.execute("insert into public.item values (floor(random() * 2e9), 'a', 1)")
    assert value(db, "select count(*) from chronicle.row_changes") == 2


@pytest.mark.parametrize("said", [7, 7.5, -0.0, 1e100, True, [], {}, ["ada"], {"ada": "user"}])
@pytest.mark.parametrize(
    "name", ["actor_id", "organization_id", "actor_role", "session_id", "reason"]
)
def test_a_claim_of_another_type_is_its_text_or_refused(
    db: Connection, key: Key, name: str, said: Any
) -> None:
    with acting_as(db, "app"):
        answer = present(db, key.token(ada(db) | {name: said}))
        assert answer in ("verified", "malformed")
        if answer == "verified":
            assert json.loads(current(db)[name], parse_int=float) == said


@pytest.mark.parametrize("name", ["actor_id", "actor_type", "nonce", "exp", "iat"])
@pytest.mark.parametrize("first", [True, False])
def test_a_claim_that_stands_there_twice_is_said_once(
    db: Connection, key: Key, name: str, first: bool
) -> None:
    """JSON leaves it open which one counts. Here it is the last, or none: what is checked is what
    is recorded."""
    with acting_as(db, "app"):
        claims = ada(db)
        another = {
            **{"actor_id": "eve", "actor_type": "admin", "nonce": "another"},
            **{"exp": claims["exp"] - 10_000, "iat": claims["iat"] - 10_000},
        }[name]
        good, twice = json.dumps(claims), json.dumps({name: another})[1:-1]
        text = "{" + twice + ", " + good[1:] if first else good[:-1] + ", " + twice + "}"
        said = present(db, key.sign(key.header(), text))
        assert said in (*REASONS, "verified")
        if said == "verified":
            last = claims if first else claims | {name: another}
            assert current(db) == {
                "actor_id": last["actor_id"],
                "actor_type": last["actor_type"],
                "context_state": "verified",
            }
        if not first and name in ("nonce", "exp", "iat"):
            assert said != "verified"


@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": ["unheard-of"], "unheard-of": 1},
        {"crit": []},
        {"crit": None},
    ],
)
def test_what_a_header_calls_critical_is_not_passed_over(
    db: Connection, key: Key, members: dict[str, Any]
) -> None:
    """RFC 7515, 4.1.11: who does not understand it must refuse it."""
    with acting_as(db, "app"):
        assert refused(db, key.sign(key.header(**members), ada(db))) == "malformed"


def test_a_key_is_named_by_text_and_nothing_that_looks_like_it(db: Connection, key: Key) -> None:
    with acting_as(db, "admin"):
        seven = tokens.add_key(db, "7", key.secret)
    with acting_as(db, "app"):
        verify(db, seven)
        assert refused(db, seven.sign(seven.header(kid=7), ada(db))) == "malformed"
        assert refused(db, seven.sign(seven.header(kid="07"), ada(db))) == "unknown_key"


def test_a_header_that_says_it_twice_is_refused_or_says_the_last(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        for text in (
            '{"alg":"HS256","alg":"none","kid":"first"}',
            '{"kid":"first","kid":"another","alg":"HS256"}',
        ):
            assert refused(db, key.sign(text, ada(db))) in ("malformed", "unknown_key")


def test_another_algorithm_is_refused_though_the_secret_is_right(db: Connection, key: Key) -> None:
    with acting_as(db, "app"):
        for name in ("sha512", "sha384", "sha1", "md5", "sha224", "sha3_256"):
            for alg in ("HS256", f"HS{name[3:]}"):
                unsealed = f"{segment(key.header(alg=alg))}.{segment(ada(db))}"
                mac = hmac.digest(key.secret, unsealed.encode(), name)
                assert refused(db, f"{unsealed}.{base64url(mac)}") in ("malformed", "bad_signature")


def test_the_signature_is_judged_before_what_is_signed(db: Connection, key: Key) -> None:
    """What a stranger's token says of time and place is nobody's word."""
    stranger = Key(key.key_id, bytes(32))
    with acting_as(db, "app"):
        claims = ada(db)
        for wrong in (
            {"exp": claims["exp"] - 1000, "iat": claims["iat"] - 1000},
            {"nonce": "another"},
            {"actor_type": "nonsense"},
            {"exp": "x"},
        ):
            assert refused(db, stranger.token(claims | wrong)) == "bad_signature"
        assert refused(db, stranger.sign(key.header(), "[" * 10_000)) == "bad_signature"


# Tokens that were meant for another transaction.


Again = Callable[[Connection], Connection]


def in_another_session(app: Connection) -> Connection:
    return psycopg.connect(app.info.dsn)


def in_the_next_transaction(app: Connection) -> Connection:
    app.commit()
    return app


def after_a_rollback(app: Connection) -> Connection:
    app.rollback()
    return app


def in_a_chained_transaction(app: Connection) -> Connection:
    app.execute("commit and chain")
    return app


def in_a_transaction_chained_to_a_rollback(app: Connection) -> Connection:
    app.execute("rollback and chain")
    return app


def after_the_session_was_reset(app: Connection) -> Connection:
    app.commit()
    app.autocommit = True
    app.execute("discard all")
    app.autocommit = False
    return app


ELSEWHERE: list[Again] = [
    in_another_session,
    in_the_next_transaction,
    after_a_rollback,
    in_a_chained_transaction,
    in_a_transaction_chained_to_a_rollback,
    after_the_session_was_reset,
]


@pytest.mark.parametrize("again", ELSEWHERE)
@pytest.mark.parametrize("used", [True, False])
def test_a_token_is_no_good_elsewhere(
    database: Database, shared_key: Key, again: Again, used: bool
) -> None:
    app = database.connect("app")
    token = shared_key.token(ada(app))
    if used:
        assert present(app, token) == "verified"
        app.execute("insert into public.item values (1, 'a', 1)")
    elsewhere = again(app)
    assert refused(elsewhere, token) == "wrong_transaction"
    elsewhere.commit()
    if elsewhere is not app:
        elsewhere.close()
        assert present(app, token) == "verified"


@pytest.mark.parametrize("again", ELSEWHERE)
@pytest.mark.parametrize("is_local", [True, False])
def test_what_is_kept_of_a_token_is_no_good_elsewhere(
    database: Database, shared_key: Key, again: Again, is_local: bool
) -> None:
    app = database.connect("app")
    verify(app, shared_key)
    app.execute("insert into public.item values (1, 'a', 1)")
    sealed = kept(app)
    elsewhere = again(app)
    keep(elsewhere, sealed, is_local=is_local)
    assert current(elsewhere)["context_state"] == "malformed"
    assert current(elsewhere)["actor_id"] == "app"
    elsewhere.execute("insert into public.item values (2, 'b', 2)")
    elsewhere.commit()
    if not is_local:
        # A session that goes on saying so does not get further.
        assert state(elsewhere) == "malformed"
    if elsewhere is not app:
        elsewhere.close()
        assert state(app) == "verified"
        app.commit()
    assert ("2", "app", "malformed") in rows(
        database.connect("auditor"),
        "select record_id, actor_id, context_state from chronicle.row_changes",
    )


def test_what_a_session_brings_from_its_beginning_is_no_good(
    database: Database, shared_key: Key
) -> None:
    """Set for the session before it began, or for its role or database."""
    first = database.connect("app")
    verify(first, shared_key)
    sealed = kept(first)
    options = "-c chronicle.context=" + sealed.replace("\\", "\\\\").replace(" ", "\\ ")
    second = database.connect("app", options=options)
    assert kept(second) == sealed
    assert state(second) == "malformed"
    with database.connect(database.cluster.superuser) as superuser:
        superuser.execute(
            sql.SQL("alter role app in database {} set chronicle.context = {}").format(
                sql.Identifier(database.name), sql.Literal(sealed)
            )
        )
    third = database.connect("app")
    assert kept(third) == sealed
    assert state(third) == "malformed"
    assert state(first) == "verified"


def test_what_a_session_says_in_advance_does_not_become_true(
    database: Database, shared_key: Key
) -> None:
    """A value that is set for the session within the verified transaction is still there after
    it."""
    app = database.connect("app")
    verify(app, shared_key)
    keep(app, kept(app), is_local=False)
    assert state(app) == "verified"
    app.commit()
    assert state(app) == "malformed"
    app.execute("insert into public.item values (1, 'a', 1)")
    app.commit()
    verify(app, shared_key)
    app.commit()
    assert state(app) == "malformed"
    assert rows(
        database.connect("auditor"),
        "select actor_id, context_state from chronicle.row_changes",
    ) == [("app", "malformed")]


def test_a_function_that_sets_it_for_itself_gets_no_further(
    database: Database, shared_key: Key
) -> None:
    app = database.connect("app")
    verify(app, shared_key)
    with database.connect(database.cluster.superuser) as superuser:
        superuser.execute(
            sql.SQL(
                "create function public.as_ada() returns text language sql "
                "set chronicle.context = {} as "
                "$$ select chronicle.current_context() ->> 'context_state' $$"
            ).format(sql.Literal(kept(app)))
        )
    assert value(app, "select public.as_ada()") == "verified"
    app.commit()
    assert value(app, "select public.as_ada()") == "malformed"


def test_in_its_own_transaction_what_was_kept_can_be_put_back(db: Connection, key: Key) -> None:
    """As a client does that ends an inner context: it says no more than was verified there."""
    with acting_as(db, "app"):
        verify(db, key)
        outer = kept(db)
        verify(db, key, actor_id="grace")
        inner = kept(db)
        for text, actor in ((outer, "ada"), (inner, "grace"), (outer, "ada")):
            db.execute("select chronicle.set_context(_actor_id => 'eve')")
            keep(db, text)
            assert current(db) == {
                "actor_id": actor,
                "actor_type": "user",
                "context_state": "verified",
            }


@pytest.mark.usefixtures("shared_key")
def test_a_block_that_commits_ends_what_was_verified_in_it(database: Database) -> None:
    app = database.connect("app", autocommit=True)
    app.execute("begin")
    app.execute("commit")
    said: list[str] = []
    app.add_notice_handler(lambda diagnostic: said.append(str(diagnostic.message_primary)))
    app.execute(
        """
        do $$
        declare
            v_challenges text[];
        begin
            for i in 1 .. 5 loop
                v_challenges[i] := chronicle.context_challenge();
                perform chronicle.set_context(_actor_id => 'ada');
                commit;
                raise notice '%', chronicle.current_context() ->> 'context_state';
            end loop;
            raise notice '%', (select count(distinct c) from unnest(v_challenges) as c);
        end
        $$
        """
    )
    assert said == ["absent"] * 5 + ["5"]


def correspondent(database: Database, key: Key) -> tuple[Connection, list[str]]:
    """A session of app that gets a token by letter for each challenge that it tells in a message,
    and all that it tells."""
    writer = database.connect(autocommit=True)
    writer.execute("create table public.letters (token text)")
    writer.execute("grant select on public.letters to app")
    app = database.connect("app", autocommit=True)
    said: list[str] = []

    def answer_letter(diagnostic: Any) -> None:
        text = str(diagnostic.message_primary)
        said.append(text)
        if text.startswith("challenge "):
            claims = ada(writer, nonce=text.removeprefix("challenge "))
            writer.execute("insert into public.letters values (%s)", (key.token(claims),))

    app.add_notice_handler(answer_letter)
    return app, said


WAIT_FOR_LETTER = """
    do $$
    declare
        v_token text;
    begin
        raise notice 'challenge %', chronicle.context_challenge();
        while v_token is null loop
            select token into v_token from public.letters;
        end loop;
        raise notice 'said %', chronicle.set_signed_context(v_token);
        perform set_config('test.token', v_token, false),
            set_config('test.kept', current_setting('chronicle.context'), false);
    end
    $$;
"""
"""Tells its transaction's challenge, waits for the token that answers it, presents that, and keeps
for the session what the transaction keeps."""

REPLAY = """
    do $$
    begin
        raise notice 'said %', chronicle.set_signed_context(current_setting('test.token'));
        perform set_config('chronicle.context', current_setting('test.kept'), true);
        raise notice 'is %', chronicle.current_context() ->> 'context_state';
        insert into public.item values (2, 'b', 2);
    end
    $$;
"""


@pytest.mark.parametrize("between", ["commit; begin;", "commit and chain;"])
def test_transactions_of_one_message_are_told_apart_by_nobody(
    database: Database, shared_key: Key, between: str
) -> None:
    """A known limit, and how far it goes: in a message of the simple protocol, which is that of one
    client, what was verified in one transaction holds in the next, with the same actor. Its now()
    is the same too. With the message it ends."""
    app, said = correspondent(database, shared_key)
    run(app, f"begin; {WAIT_FOR_LETTER} {between} {REPLAY} commit;")
    assert [one for one in said if one.startswith(("said", "is"))] == [
        *("said verified", "said verified", "is verified"),
    ]
    app.execute("begin")
    run(app, REPLAY.replace("(2, 'b', 2)", "(3, 'c', 3)"))
    app.execute("commit")
    assert said[-2:] == ["said wrong_transaction", "is malformed"]
    assert rows(
        database.connect("auditor"),
        "select record_id, actor_id, context_state from chronicle.row_changes order by seq",
    ) == [("2", "ada", "verified"), ("3", "app", "malformed")]


def test_what_a_block_verified_before_it_committed_is_over(
    database: Database, shared_key: Key
) -> None:
    """The transactions of a procedure are told apart, though they are of one statement."""
    app, said = correspondent(database, shared_key)
    first = WAIT_FOR_LETTER.rpartition("end")[0]
    second = REPLAY.partition("begin")[2]
    run(
        app,
        f"""
        {first}
        insert into public.item values (1, 'a', 1);
        commit;
        insert into public.item values (3, 'c', 3);
        {second}
        """,
    )
    assert [one for one in said if one.startswith(("said", "is"))] == [
        *("said verified", "said wrong_transaction", "is malformed"),
    ]
    assert rows(
        database.connect("auditor"),
        "select record_id, actor_id, context_state from chronicle.row_changes order by seq",
    ) == [("1", "ada", "verified"), ("3", "app", "absent"), ("2", "app", "malformed")]


# What a session keeps, edited.


def edits(text: str, draw: random.Random) -> Iterator[str]:
    """Other texts: characters changed, lost and added, and what JSON can be changed to."""
    for place, one in enumerate(text):
        for other in draw.sample(string.printable[:95], 3):
            if other != one:
                yield text[:place] + other + text[place + 1 :]
        yield text[:place] + text[place + 1 :]
        yield text[:place]
        yield text[:place] + draw.choice("0aA {}[],:\"'\\") + text[place:]
    yield from (text.replace("ada", "eve"), text.replace("ada", "ADA"), text.upper(), text * 2)
    try:
        members = json.loads(text)
    except ValueError:
        return
    forged = {"actor_id": "eve", "actor_type": "admin", "context_state": "verified"}
    for changed in changes(members):
        yield json.dumps(changed)
    for name in (*forged, "actor_role", "impersonator_id", "organization_id", "parent_event_id"):
        said = forged.get(name, "00000000-0000-4000-8000-000000000000")
        for inner in changes_inside(members, {name: said}):
            yield json.dumps(inner)
    yield json.dumps(forged)
    yield json.dumps(members | {"claims": forged})


def changes(members: Any) -> Iterator[Any]:
    """What JSON becomes when one of its values, at any depth, is removed or replaced."""
    if isinstance(members, dict):
        held: dict[str, Any] = members  # pyright: ignore[reportUnknownVariableType]
        for name, one in held.items():
            yield {other: each for other, each in held.items() if other != name}
            for another in (None, "", "eve", 0, [], {}, True, [one], {name: one}):
                yield held | {name: another}
            for deeper in changes(one):
                yield held | {name: deeper}


def changes_inside(members: Any, more: dict[str, Any]) -> Iterator[Any]:
    """What JSON becomes when one of its objects, at any depth, gets more members."""
    if isinstance(members, dict):
        held: dict[str, Any] = members  # pyright: ignore[reportUnknownVariableType]
        yield held | more
        for name, one in held.items():
            for deeper in changes_inside(one, more):
                yield held | {name: deeper}


def contexts_of(db: Connection, texts: list[str]) -> list[tuple[str, Any, str]]:
    """What the context is, and who the principal, with each of many texts kept."""
    return rows(
        db,
        "select set_config('chronicle.context', t.text, true), chronicle.current_context(), "
        "chronicle.principal() from unnest(%s::text[]) as t (text)",
        (texts,),
    )


def test_no_edit_of_what_is_kept_says_that_somebody_else_is_verified(
    db: Connection, key: Key
) -> None:
    draw = random.Random(7)
    with acting_as(db, "reader_a"):
        verify(db, key, organization_id="acme", client_info={"a": 1})
        sealed, good = kept(db), current(db)
        tried = [one for one in edits(sealed, draw) if one != sealed and "\0" not in one]
        assert len(tried) > 1000
        for text, context, principal in contexts_of(db, tried):
            # White space between members says nothing.
            if context["context_state"] == "verified":
                # Nor does the event that a change is told to follow from.
                assert context.pop("parent_event_id", None) is None or "parent_event_id" in text
                assert context == good, text
                assert principal == "user:ada"
            else:
                assert principal == "reader_a", text
        keep(db, sealed)
        assert current(db) == good


def test_an_edit_that_keeps_the_seal_is_told_as_such(db: Connection, key: Key) -> None:
    """Who tampers does not get away as one who merely asserts."""
    with acting_as(db, "app"):
        verify(db, key, organization_id="acme")
        sealed = kept(db)
        for number, edited in enumerate(
            (
                sealed.replace("ada", "eve"),
                sealed.replace("acme", "evil"),
                sealed.replace("user", "admin"),
                sealed[:-1],
            )
        ):
            keep(db, edited)
            assert current(db)["context_state"] == "malformed", edited
            assert current(db)["actor_id"] == "app"
            db.execute("insert into public.item values (%s, 'a', 1)", (number,))
    assert {one[2:] for one in told_events(db)} == {
        ("system", "app", "malformed", "bad_seal"),
        ("system", "app", "malformed", None),
    }


def test_the_seal_of_one_context_does_not_fit_another(db: Connection, key: Key) -> None:
    """Nor a seal in another database, by another secret, over the same words."""
    with acting_as(db, "app"):
        verify(db, key)
        first = json.loads(kept(db))
        verify(db, key, actor_id="grace")
        second = json.loads(kept(db))
        assert first.keys() == second.keys()
        good = [first, second]
        for name in first:
            for one, other in (good, good[::-1]):
                mixed = one | {name: other[name]}
                if mixed in good:
                    continue
                keep(db, json.dumps(mixed))
                assert state(db) != "verified", name


def test_nobody_seals_what_was_not_verified(db: Connection, key: Key) -> None:
    """Every function that an application, a reader or an operator may call: none of them makes of
    an asserted context a verified one."""
    forged = '{"actor_id": "eve", "actor_type": "user"}'
    for role in ("app", "reader_a", "admin", "auditor"):
        with acting_as(db, role):
            callable_ = rows(
                db,
                """
                select p.oid::regprocedure::text, array(
                    select format_type(t.type, null)
                    from unnest(p.proargtypes) with ordinality as t (type, place)
                    order by t.place
                )
                from pg_proc as p
                where p.pronamespace = 'chronicle'::regnamespace and p.prokind = 'f'
                    and has_function_privilege(p.oid, 'execute')
                    and p.prorettype <> 'trigger'::regtype
                    and p.pronargs <= 4
                """,
            )
            for signature, types in callable_:
                name = signature.partition("(")[0]
                for said in arguments(types, forged, key.key_id):
                    keep(db, forged)
                    try:
                        with db.transaction():
                            answer = values(db, f"select ({name}({said}))::text")
                            after = kept(db)
                    except psycopg.Error:
                        continue
                    for text in (after, *answer):
                        if text and "\0" not in text:
                            keep(db, text)
                            assert principal_of(db) != "user:eve", f"{role}: {name}({said})"


def arguments(types: list[str], forged: str, key_id: str) -> Iterator[str]:
    """Arguments for a function of these types that an attacker would try."""
    literal = sql.Literal
    for text in (forged, key_id):
        yield ", ".join(
            {
                "jsonb": literal(forged).as_string(None),
                "text": literal(text).as_string(None),
                "bytea": literal(text.encode()).as_string(None),
                "uuid": "gen_random_uuid()",
                "integer": "1",
                "bigint": "1",
                "chronicle.event_context": (
                    "jsonb_populate_record(null::chronicle.event_context, "
                    f"{literal(forged).as_string(None)})"
                ),
            }.get(one, "null")
            for one in types
        )


def principal_of(db: Connection) -> Any:
    """The principal as somebody who may ask sees it."""
    with as_superuser(db):
        return value(db, "select chronicle.principal()")


def test_an_undo_does_not_seal_what_was_asserted(db: Connection, key: Key) -> None:
    """It adds a parent to the context: to a sealed one under the seal, to another without one."""
    parent = "00000000-0000-4000-8000-000000000000"
    with acting_as(db, "app"):
        keep(db, '{"actor_id": "ada", "actor_type": "user"}')
        db.execute("select chronicle.set_parent_event(%s)", (parent,))
        assert state(db) == "asserted"
        verify(db, key)
        db.execute("select chronicle.set_parent_event(%s)", (parent,))
        assert state(db) == "verified"
        tampered = kept(db).replace("ada", "eve")
        keep(db, tampered)
        db.execute("select chronicle.set_parent_event(%s)", (parent,))
        assert state(db) == "malformed"


# Odd transactions.


@pytest.fixture
def able() -> Iterator[Database]:
    """A database where transactions can be prepared."""
    with quiet_cluster() as cluster:
        yield from migrated_database(cluster, "able")


def test_a_prepared_transaction_keeps_its_actor_and_gives_it_to_nobody(able: Database) -> None:
    with able.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to app")
    with able.connect("admin") as admin:
        key = tokens.add_key(admin, secret=SECRET)
    app, other = (able.connect("app", autocommit=True) for _ in range(2))
    app.execute("begin")
    token = key.token(ada(app))
    assert present(app, token) == "verified"
    app.execute("insert into public.item values (1, 'a', 1)")
    sealed = kept(app)
    app.execute("prepare transaction 'one'")
    assert state(app) == "absent"
    for connection in (app, other):
        connection.execute("begin")
        assert present(connection, token) == "wrong_transaction"
        keep(connection, sealed)
        assert state(connection) == "malformed"
        connection.execute("rollback")
    other.execute("begin")
    assert present(other, key.token(ada(other, actor_id="grace"))) == "verified"
    other.execute("commit")
    app.execute("commit prepared 'one'")
    assert rows(
        able.connect("auditor"),
        "select record_id, actor_id, context_state from chronicle.row_changes",
    ) == [("1", "ada", "verified")]


def test_workers_of_a_parallel_query_see_the_principal_of_their_leader(
    db: Connection, key: Key, server_version: int
) -> None:
    """They are other processes."""
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_administrator('user:ada', 'acme')")
    with acting_as(db, "app"):
        verify(db, key, organization_id="acme")
        db.execute("insert into public.item select n, 'a', n from generate_series(1, 200) as n")
    forced = "debug_parallel_query" if server_version >= 160000 else "force_parallel_mode"
    for setting in (
        *(f"{forced} = on", "parallel_setup_cost = 0", "parallel_tuple_cost = 0"),
        *("min_parallel_table_scan_size = 0", "min_parallel_index_scan_size = 0"),
        "max_parallel_workers_per_gather = 2",
    ):
        run(db, f"set local {setting}")
    with acting_as(db, "reader_a"):
        for _ in range(2):
            assert value(db, "select chronicle.principal()") == "user:ada"
            assert value(db, "select chronicle.current_context() ->> 'context_state'") == "verified"
            assert value(db, "select count(*) from chronicle.events where action_meta is null") > 99
            assert value(db, "select count(*) from chronicle.row_changes") == 200
            assert values(
                db, "select chronicle.principal() from chronicle.row_changes group by 1"
            ) == ["user:ada"]
        db.execute("select set_config('chronicle.context', '{\"actor_id\": \"ada\"}', true)")
        assert value(db, "select chronicle.principal()") == "reader_a"
        assert value(db, "select count(*) from chronicle.events") == 0


# The secret.

ROLES = (
    *("app", "reader_a", "auditor", "admin", "shopkeeper", "stranger", "installer"),
    *("chronicle_app", "chronicle_reader", "chronicle_auditor", "chronicle_admin"),
    *("chronicle_writer", "chronicle_sealer", "chronicle_table_reader"),
)


def shapes(secret: bytes) -> list[str]:
    """How a secret would look: itself, as text of bytea, as base64, and as the numbers by which
    plans print bytes, with signs or without; and its two padded blocks likewise, with which one
    signs as well."""
    blocks = [secret, *(bytes(one ^ pad for one in secret) for pad in (0x36, 0x5C))]
    return [
        shape
        for block in blocks
        for shape in (
            block.decode("latin-1"),
            block.hex(),
            block.hex().upper(),
            base64url(block)[:-2],
            " ".join(str(one) for one in block),
            " ".join(str(one - 256 if one > 127 else one) for one in block),
            "".join(f"\\{one:03o}" for one in block),
        )
    ]


def secrets(db: Connection) -> list[bytes]:
    """Every secret that the schema holds, as the superuser sees them."""
    with as_superuser(db):
        return [
            bytes(one)
            for relation, column in rows(
                db,
                """
                select a.attrelid::regclass::text, quote_ident(a.attname)
                from pg_attribute as a
                inner join pg_class as c on c.oid = a.attrelid
                where c.relnamespace = 'chronicle'::regnamespace and c.relkind = 'r'
                    and a.atttypid = 'bytea'::regtype and a.attnum > 0
                """,
            )
            for one in values(db, f"select {column} from {relation} where {column} is not null")
        ]


def tells(text: str, known: list[bytes]) -> bool:
    """Whether a text holds a secret; it may be broken into lines anywhere, as plans are."""
    joined = "".join(text.split())
    return any("".join(shape.split()) in joined for one in known for shape in shapes(one))


def assert_untold(texts: list[str], known: list[bytes]) -> None:
    """None of the texts tells a secret."""
    assert [text[:2000] for text in texts if tells(text, known)] == []


def answer(db: Connection, statement: str, parameters: Any = None) -> str:
    """What a role gets for a statement: rows, or an error with all that it says."""
    try:
        with db.transaction():
            return str(rows(db, statement, parameters))
    except psycopg.Error as error:
        told = error.diag
        return (
            f"{error} {told.message_detail} {told.message_hint} {told.context} "
            f"{told.internal_query}"
        )


@pytest.fixture
def known(db: Connection, key: Key) -> list[bytes]:
    """The secrets of a database in which a key was used."""
    with acting_as(db, "app"):
        verify(db, key)
        db.execute("select chronicle.clear_context()")
    found = secrets(db)
    assert any(SECRET in (one, one[:32]) or one[:32] in padded(SECRET) for one in found)
    return [SECRET, *found]


def padded(secret: bytes) -> list[bytes]:
    return [bytes(one ^ pad for one in secret) for pad in (0x36, 0x5C)]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_reads_a_secret(db: Connection, known: list[bytes], role: str) -> None:
    if role == "installer" and db.info.server_version < 160000:
        pytest.skip("before version 16 the installer has the rights of the log's owner")
    with as_superuser(db):
        db.execute("analyze")
        relations = values(
            db,
            "select c.oid::regclass::text from pg_class as c "
            "where c.relnamespace in ('chronicle'::regnamespace, 'chronicle_capture'::regnamespace)"
            " and c.relkind in ('r', 'p', 'v', 'm', 'S')",
        )
        run(db, f"set local role {role}")
        told = [
            answer(db, statement)
            for statement in (
                *(f"select t::text from {one} as t" for one in relations),
                *(f"select to_jsonb(t) from {one} as t" for one in relations),
                *(f"table {one}" for one in relations),
                *(f"explain (verbose) select * from {one}" for one in relations),
                "select * from pg_stats where schemaname = 'chronicle'",
                "select * from pg_statistic",
                "select t::text from pg_stats_ext as t",
                "select pg_get_functiondef(p.oid) from pg_proc as p where p.prokind = 'f' "
                "and p.pronamespace::regnamespace::text ^@ 'chronicle'",
                "select * from pg_proc where pronamespace::regnamespace::text ^@ 'chronicle'",
                "select * from pg_settings",
                "select * from pg_attrdef",
                "select * from pg_description",
                "select query from pg_stat_activity",
            )
        ]
        assert_untold(told, known)
        assert sqlstate(db, "select inner_block from chronicle.context_secrets") == "42501"
        db.execute("set local role none")


def test_the_log_does_not_hold_a_secret(db: Connection, known: list[bytes]) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.retire_context_key('first')")
        for statement in (
            "select chronicle.add_context_key('second', %s)",
            "select chronicle.add_context_key('third', %s)",
        ):
            run(db, statement, (SECRET,))
    with as_superuser(db):
        told = [
            str(rows(db, f"select t::text from chronicle.{one} as t"))
            for one in ("events", "row_changes", "event_keys", "settings")
        ]
        assert value(db, "select count(*) from chronicle.events where action ^@ 'chronicle.'") > 3
    assert_untold(told, known)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("who", ["admin", "superuser"])
def test_no_error_says_what_the_secret_was(db: Connection, who: str) -> None:
    """As a constraint would that shows the failing row."""
    long_id = "k" * 5000
    calls = [
        ("select chronicle.add_context_key('first', %s)", (SECRET,)),
        ("select chronicle.add_context_key(null, %s)", (SECRET,)),
        ("select chronicle.add_context_key('', %s)", (SECRET,)),
        ("select chronicle.add_context_key('short', %s)", (SECRET[:31],)),
        ("select chronicle.add_context_key(%s, %s)", (long_id, SECRET)),
        ("select chronicle.add_context_key(%s, %s)", ("a\nb", SECRET)),
        ("select chronicle.add_context_key('again', %s::bytea), 1 / 0", (SECRET,)),
        ("select chronicle.add_context_key('text', %s::text)", (SECRET.decode(),)),
    ]
    known = [SECRET, SECRET[:31]]
    for statement, parameters in calls:
        if who == "superuser":
            with as_superuser(db):
                told = answer(db, statement, parameters)
        else:
            with acting_as(db, who):
                told = answer(db, statement, parameters)
        # Where it succeeds, the secret is the answer.
        if not told.startswith("["):
            assert_untold([told], known)


@pytest.mark.usefixtures("shared_key")
def test_an_operator_in_a_read_only_transaction_is_not_told_either(database: Database) -> None:
    admin = database.connect("admin")
    admin.execute("set transaction read only")
    told = answer(admin, "select chronicle.add_context_key('second', %s)", (SECRET,))
    assert "read-only" in told
    assert_untold([told], [SECRET])


@pytest.mark.parametrize("role", ["app", "reader_a"])
def test_no_plan_or_message_tells_the_secret(
    db: Connection, known: list[bytes], key: Key, role: str
) -> None:
    """Anybody may ask to be shown the plans of what runs in their session, also of what runs in
    there with the rights of others, and have values planned as constants."""
    heard: list[str] = []

    def hear(diagnostic: Any) -> None:
        heard.append(f"{diagnostic.message_primary} {diagnostic.message_detail}")

    with acting_as(db, role):
        db.execute("create temporary table held (secret bytea)")
        db.execute("insert into held values (%s)", (known[-1],))
        for setting in (
            *("debug_print_parse = on", "debug_print_rewritten = on", "debug_print_plan = on"),
            *("plan_cache_mode = force_custom_plan", "log_parameter_max_length_on_error = -1"),
            *("plpgsql.extra_warnings = 'all'", "client_min_messages = debug5"),
        ):
            run(db, f"set local {setting}")
        db.add_notice_handler(hear)
        for _ in range(3):
            # The cached plans of a session that has done so before are not shown again.
            db.execute("discard plans")
            verify(db, key)
            present(db, Key("first", bytes(32)).token(ada(db)))
            present(db, Key("another", bytes(32)).token(ada(db)))
            present(db, key.token(ada(db, exp=1)))
            verify(db, key)
            current(db)
            if role == "reader_a":
                value(db, "select chronicle.principal()")
            else:
                db.execute("insert into public.item values (1, 'a', 1)")
                db.execute("delete from public.item")
        said_of_ours = len(heard)
        # That a secret would be seen: as the parameter of a plan.
        run(db, CARELESS)
        db.remove_notice_handler(hear)
        db.execute("set local client_min_messages = notice")
    assert_untold(heard[:said_of_ours], known)
    assert [one for one in heard[said_of_ours:] if tells(one, known[-1:])]


CARELESS = """
    do $$
    declare
        v_secret bytea;
        v_hash bytea;
    begin
        select secret into v_secret from pg_temp.held;
        select sha256(v_secret || convert_to(now()::text, 'UTF8')) into v_hash from pg_temp.held;
    end
    $$
"""
"""Hashes a secret as many would."""


@pytest.mark.parametrize("role", ["app", "reader_a"])
def test_no_plan_or_message_tells_what_a_signature_should_have_been(
    db: Connection, key: Key, role: str
) -> None:
    """Who is told the right code for a wrong token, or for a context set by hand, can forge."""
    heard: list[str] = []

    def hear(diagnostic: Any) -> None:
        heard.append(f"{diagnostic.message_primary} {diagnostic.message_detail}")

    with acting_as(db, role):
        claims = ada(db)
        good = key.token(claims)
        signature = base64.urlsafe_b64decode(good[-43:] + "=")
        challenge = claims["nonce"]
        forged = json.dumps({"verified": {"actor_id": "ada"}, "seal": "0" * 64})
        for setting in (
            *("debug_print_parse = on", "debug_print_plan = on", "client_min_messages = debug5"),
            "plan_cache_mode = force_custom_plan",
        ):
            run(db, f"set local {setting}")
        db.add_notice_handler(hear)
        db.execute("discard plans")
        present(db, good[:-43] + "A" * 43)
        keep(db, forged)
        current(db)
        db.remove_notice_handler(hear)
        db.execute("set local client_min_messages = notice")
    with as_superuser(db):
        inner, outer = row(
            db, "select inner_block, outer_block from chronicle.context_secrets where key_id = ''"
        )
    text = f'verified in {challenge}: {{"actor_id": "ada"}}'.encode()
    seal = hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()
    # That this is how a seal is made: with it, the forger would have got through.
    with acting_as(db, role):
        keep(db, forged.replace("0" * 64, seal.hex()))
        assert state(db) == "verified"
    wanted = [signature, seal]
    hashed = [hashlib.sha256(one).digest() for one in (good[-43:].encode(), seal.hex().encode())]
    assert_untold(heard, wanted + hashed)
    assert [one for one in heard if good[-43:] in "".join(one.split())] == []


def sqlstate_or_none(db: Connection, name: str, text: str) -> str | None:
    """How a setting is refused, if it is."""
    try:
        with db.transaction(force_rollback=True):
            db.execute("select set_config(%s, %s, true)", (name, text))
    except psycopg.Error as error:
        return error.sqlstate
    return None


STRINGS = {
    "TimeZone": ["Asia/Kathmandu", "<X>-3:21"],
    "DateStyle": ["SQL, DMY", "German"],
    "client_encoding": ["LATIN1"],
    "search_path": ["''", "pg_temp", "pg_temp, pg_catalog"],
    "plpgsql.extra_errors": ["all"],
    "plpgsql.extra_warnings": ["all"],
    "lc_monetary": ["C"],
    "lc_numeric": ["C"],
}


@pytest.mark.parametrize("kind", ["bool", "enum", "string"])
def test_no_setting_changes_who_is_believed(db: Connection, key: Key, kind: str) -> None:
    choices = (
        [(name, text) for name, texts in STRINGS.items() for text in texts]
        if kind == "string"
        else [
            (name, text)
            for name, labels in rows(
                db,
                "select name, coalesce(enumvals, '{on,off}') from pg_settings "
                "where context = 'user' and vartype = %s and name <> 'exit_on_error'",
                (kind,),
            )
            for text in labels
        ]
    )
    different: list[str] = []
    tried = 0
    with acting_as(db, "app"):
        for name, text in choices:
            token, forged = key.token(ada(db)), Key("first", bytes(32)).token(ada(db))
            with db.transaction(force_rollback=True):
                if sqlstate_or_none(db, name, text):
                    continue
                tried += 1
                db.execute("select set_config(%s, %s, true)", (name, text))
                db.execute("discard plans")
                told = [present(db, token), state(db), present(db, forged), state(db)]
                present(db, token)
                keep(db, kept(db).replace("ada", "eve"))
                told.append(state(db))
                if told != ["verified", "verified", "bad_signature", "malformed", "malformed"]:
                    different.append(f"{name} = {text}: {told}")
    assert different == []
    assert tried > 5


def test_plans_of_an_operator_who_adds_a_key_are_not_told_to_them_anew(
    db: Connection, known: list[bytes]
) -> None:
    """A key that the server draws is told once, as the answer. It is in no plan."""
    heard: list[str] = []

    def hear(diagnostic: Any) -> None:
        heard.append(f"{diagnostic.message_primary} {diagnostic.message_detail}")

    with acting_as(db, "admin"):
        for setting in (
            *("debug_print_parse = on", "debug_print_plan = on", "client_min_messages = debug5"),
            "plan_cache_mode = force_custom_plan",
        ):
            run(db, f"set local {setting}")
        db.add_notice_handler(hear)
        tokens.add_key(db, "drawn")
        db.execute("select chronicle.retire_context_key('first')")
        db.remove_notice_handler(hear)
        db.execute("set local client_min_messages = notice")
    assert_untold(heard, [one for one in known if one != SECRET])


def test_explain_tells_nothing_of_a_secret(db: Connection, known: list[bytes], key: Key) -> None:
    with acting_as(db, "app"):
        for options in ("verbose", "analyze, verbose", "analyze, verbose, settings, format json"):
            told = rows(
                db,
                f"explain ({options}) select chronicle.set_signed_context(%s), "
                "chronicle.current_context()",
                (key.token(ada(db)),),
            )
            assert_untold([str(told)], known)


def test_the_roles_of_the_writer_do_not_reach_the_secrets(
    db: Connection, known: list[bytes]
) -> None:
    """Who takes over a function that captures or logs gets no further."""
    assert len(known) > 1
    with as_superuser(db):
        assert values(
            db,
            """
            select r.rolname::text from pg_roles as r
            where r.rolname ^@ 'chronicle_' and r.rolname <> 'chronicle_owner'
                and pg_has_role(r.oid, 'chronicle_verifier', 'member')
            order by 1
            """,
        ) == ["chronicle_verifier"]
        assert (
            rows(
                db,
                """
            select p.oid::regprocedure::text, p.proowner::regrole::text
            from pg_proc as p
            where p.prosecdef and p.pronamespace = 'chronicle'::regnamespace
                and p.proowner = 'chronicle_verifier'::regrole
                and (
                    p.prorettype = 'bytea'::regtype
                    or 'bytea'::regtype = any(p.proallargtypes)
                )
            """,
            )
            == []
        )
