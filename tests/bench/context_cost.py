"""What it adds to an event that it says who acts, and how far that can be believed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import LiteralString

from psycopg import sql

from pgchronicle import ContextFields
from pgchronicle.signing import ContextSigner

from .clocks import backend_clock
from .report import Result, Value
from .rounds import Pair, ratios, run_rounds, run_turns
from .sessions import TimedSession, Transactions
from .setting import APPLICATION, INSTALLER, Connection, Setting

NAME = "context"

_ABOUT = (
    "time an event, of a transaction that says first who acts: microseconds without a context, and "
    "ratios to that with one"
)

_ABOUT_CALLS = "time a call of those that a context is made of, against a bare one of its kind"

_GATEWAY = "bench_gateway"
"""Logs in like the application, and is believed."""

_KEY = "bench"

_TABLE = "bench.orders"

_EVENTS_A_TRANSACTION = (1, 10)

_WHO: ContextFields = {
    "actor_id": "user-42",
    "actor_type": "employee",
    "actor_role": "clerk",
    "organization_id": "org-7",
    "session_id": "b7ad6b7169203331",
    "request_id": "0af7651916cd43dd8448eb211c80319c",
    "ip_address": "10.1.2.3",
}

_SET_CONTEXT = """
    select chronicle.set_context(
        _actor_id => %(actor_id)s::text, _actor_type => %(actor_type)s,
        _actor_role => %(actor_role)s, _organization_id => %(organization_id)s::text,
        _session_id => %(session_id)s, _request_id => %(request_id)s,
        _ip_address => %(ip_address)s
    )
"""

_CALLS: Sequence[tuple[str, str, LiteralString, LiteralString]] = (
    (
        "set_context",
        "set_config",
        "set_config('bench.copy', '{\"actor_id\": \"user-42\"}', true)",
        "chronicle.set_context(_actor_id => 'user-42')",
    ),
    (
        "context_challenge",
        "pg_backend_pid",
        "pg_backend_pid()",
        "chronicle.context_challenge()",
    ),
    (
        "set_signed_context",
        "set_config of the token",
        "set_config('bench.copy', current_setting('bench.token'), true)",
        "chronicle.set_signed_context(current_setting('bench.token'))",
    ),
)
"""Name, what it is held against, that as SQL, and the call itself."""

_DIGESTS: tuple[LiteralString, LiteralString] = (
    "sha256(convert_to(t.text, 'UTF8'))",
    "chronicle.hmac_sha256("
    "convert_to(repeat('i', 64), 'UTF8'), convert_to(repeat('o', 64), 'UTF8'), t.text)",
)

_CHANGES: Mapping[str, LiteralString] = {
    "captured update": "update bench.orders set place = place + 1 where id = %s",
    "logged event": """
        select chronicle.log_audit_event(
            _actor_type => 'employee', _actor_id => 'user-42', _action_type => 'update',
            _resource_type => 'ticket', _resource_id => %s::text
        )
    """,
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of context: whose session it takes, and what a transaction begins with."""

    name: str
    user: str
    begin: Callable[[Connection], object]


def measure(setting: Setting) -> Iterator[Result]:
    """Measures what a context adds to an event, then what its parts take."""
    signer = _prepare(setting)
    kinds = _kinds(signer)
    with ExitStack() as stack:
        sessions = [stack.enter_context(setting.connect(kind.user)) for kind in kinds]
        owner = stack.enter_context(setting.connect(INSTALLER))
        contests = [(change, events) for change in _CHANGES for events in _EVENTS_A_TRANSACTION]
        taken = run_turns(
            [
                [
                    partial(_time, setting, kind, session, change, events)
                    for kind, session in zip(kinds, sessions, strict=True)
                ]
                for change, events in contests
            ],
            setting.rounds,
            between=partial(owner.execute, f"vacuum {_TABLE}"),
        )
    yield Result(
        NAME,
        _ABOUT,
        [_row(kinds, *contest, samples) for contest, samples in zip(contests, taken, strict=True)],
    )
    yield _measure_calls(setting, signer)


def _prepare(setting: Setting) -> ContextSigner:
    """Makes what is written to, who is believed, and the key of the tokens."""
    setting.execute_as_superuser(
        f"create role {_GATEWAY} login in role chronicle_app",
        f"grant usage on schema bench to {_GATEWAY}",
    )
    with setting.connect(INSTALLER) as owner:
        owner.execute(f"create table {_TABLE} (id bigint primary key, place integer, note text)")
        owner.execute(
            f"insert into {_TABLE} select n, 0, 'note' from generate_series(0, %s - 1) as n",
            (setting.sizes.statements,),
        )
        owner.execute(f"grant select, update on {_TABLE} to {APPLICATION}, {_GATEWAY}")
        owner.execute("select chronicle.enable_tracking(%s::regclass)", (_TABLE,))
        owner.execute(f"select chronicle.add_trusted_gateway('{_GATEWAY}')")
        found = owner.execute(f"select chronicle.add_context_key('{_KEY}')").fetchone()
    assert found is not None
    return ContextSigner(_KEY, found[0])


def _kinds(signer: ContextSigner) -> Sequence[_Kind]:
    claims = json.dumps({"sub": _WHO.get("actor_id"), "role": _WHO.get("actor_role")})

    def set_context(session: Connection) -> None:
        session.execute(_SET_CONTEXT, _WHO, prepare=True)

    def set_claims(session: Connection) -> None:
        session.execute(
            "select set_config('request.jwt.claims', %s, true)", (claims,), prepare=True
        )

    return (
        _Kind("none", APPLICATION, lambda _: None),
        _Kind("asserted", APPLICATION, set_context),
        _Kind("gateway", _GATEWAY, set_context),
        _Kind("token", APPLICATION, partial(_present_token, signer)),
        _Kind("jwt_claims", APPLICATION, set_claims),
    )


def _present_token(signer: ContextSigner, session: Connection) -> None:
    token = signer.token(_challenge(session), _WHO)
    session.execute("select chronicle.set_signed_context(%s)", (token,), prepare=True)


def _challenge(session: Connection) -> str:
    found = session.execute("select chronicle.context_challenge()", prepare=True).fetchone()
    assert found is not None
    challenge: str = found[0]
    return challenge


def _time(setting: Setting, kind: _Kind, session: Connection, change: str, events: int) -> float:
    """Writes events in transactions of so many each; gives the microseconds of one."""
    transactions = max(setting.sizes.statements // events, 1)
    numbers = count()
    clock = backend_clock(session.info.backend_pid)
    start = clock()
    # In a pipeline, so that round trips are not part of it; the challenge takes one.
    with session.pipeline():
        for _ in range(transactions):
            with session.transaction():
                kind.begin(session)
                for _ in range(events):
                    key = next(numbers) % setting.sizes.statements
                    session.execute(_CHANGES[change], (key,), prepare=True)
    return (clock() - start) / (transactions * events) * 1e6


def _row(
    kinds: Sequence[_Kind], change: str, events: int, samples: Sequence[Sequence[float]]
) -> Mapping[str, Value]:
    bare, *others = samples
    return {
        "change": change,
        "events_a_transaction": events,
        "none_us": median(bare),
        **{
            kind.name: median(ratios(ours, bare))
            for kind, ours in zip(kinds[1:], others, strict=True)
        },
    }


def _measure_calls(setting: Setting, signer: ContextSigner) -> Result:
    with setting.connect(APPLICATION) as application, setting.connect("postgres") as superuser:
        pairs = [
            Pair(
                partial(_time_call, setting, signer, application, bare),
                partial(_time_call, setting, signer, application, ours),
            )
            for _, _, bare, ours in _CALLS
        ]
        hashing = TimedSession(superuser)
        pairs.append(Pair(*(partial(_time_digest, setting, hashing, each) for each in _DIGESTS)))
        taken = run_rounds(pairs, setting.rounds)
    names = [(name, against) for name, against, _, _ in _CALLS]
    names.append(("HMAC-SHA256 in SQL", "sha256 of the same bytes"))
    return Result(
        f"{NAME}, calls",
        _ABOUT_CALLS,
        [
            {
                "call": name,
                "against": against,
                "bare_us": median(samples.bare),
                "call_us": median(samples.ours),
                "ratio": median(ratios(samples.ours, samples.bare)),
            }
            for (name, against), samples in zip(names, taken, strict=True)
        ],
    )


def _time_call(
    setting: Setting, signer: ContextSigner, connection: Connection, query: LiteralString
) -> float:
    """Calls it again and again in one transaction, which has its token in a setting."""

    def keep_token(session: Connection) -> None:
        token = signer.token(_challenge(session), _WHO)
        session.execute("select set_config('bench.token', %s, true)", (token,))

    rows = [()] * setting.sizes.statements
    return TimedSession(connection).run(
        sql.SQL("select {}").format(sql.SQL(query)), rows, Transactions.SHARED, first=keep_token
    )


def _time_digest(setting: Setting, session: TimedSession, digest: LiteralString) -> float:
    """Digests many texts of the length of a token in one statement."""
    query = sql.SQL(
        "select count({}) from generate_series(1, %s) as n"
        " cross join lateral (select repeat('x', 400) || n) as t (text)"
    ).format(sql.SQL(digest))
    digests = setting.sizes.rows_of_one_statement
    return session.run(query, [(digests,)], Transactions.SHARED) / digests
