"""Drawing a sequence of steps from a seed, and taking them in several sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from ask import rows, run, value
from support import INSTALLER, Connection, Database

from .tables import DEFINITIONS, Definition
from .verbs import ALTERATIONS, VERBS, Statement, Verb
from .world import Change, InapplicableError, Mark, Table, Transaction, World, make_world

WRITER = "stranger"
"""Who writes beside the owner: a role that has no right on the log."""

_SESSIONS = 3
_CONTROL: Mapping[str, int] = {
    "commit": 14,
    "roll back": 5,
    "savepoint": 9,
    "go back": 8,
    "release": 2,
    "moment": 6,
}


class MismatchError(Exception):
    """Something is not as promised."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who does what to which table; how exactly, a seed decides when its turn comes."""

    session: int
    verb: str
    table: str
    seed: int


@dataclass(frozen=True, slots=True)
class Script:
    """The tables, and what is done to them."""

    name: str
    tables: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction that has changed something."""

    transaction_id: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment at which no transaction was open, and the tables as they were then."""

    at: datetime
    tables: Mapping[str, Table]
    committed: int
    """How many transactions had been."""


@dataclass(slots=True)
class Outcome:
    """What has happened."""

    schema: str
    world: World
    committed: list[Committed] = field(default_factory=list[Committed])
    moments: list[Moment] = field(default_factory=list[Moment])
    trace: list[str] = field(default_factory=list[str])
    taken: list[Step] = field(default_factory=list[Step])
    """The steps that could be taken."""
    altered_at: int = 0
    """How many transactions had been when a table was last altered or refreshed."""


def draw(seed: int, number: int) -> Script:
    """The sequence of a number, for a seed."""
    name = f"seed {seed}, sequence {number}"
    dice = Random(name)
    tables = _draw_tables(dice)
    verbs = {**_CONTROL, **{name: verb.weight for name, verb in VERBS.items()}}
    if dice.random() < 0.35:
        verbs |= {name: verb.weight for name, verb in ALTERATIONS.items()}
    length = dice.randint(30, 90)
    drawn = dice.choices(list(verbs), list(verbs.values()), k=length)
    steps = [
        Step(dice.randrange(_SESSIONS), verb, dice.choice(tables), dice.randrange(10**6))
        for verb in drawn
    ]
    return Script(name, tables, tuple(steps))


def _draw_tables(dice: Random) -> tuple[str, ...]:
    chosen = {each.name for each in dice.sample(DEFINITIONS, dice.choice([1, 2, 2, 3]))}
    if "child" in chosen:
        chosen.add("parent")
    return tuple(each.name for each in DEFINITIONS if each.name in chosen)


def definitions(names: Sequence[str]) -> list[Definition]:
    """The definitions of tables, parents first."""
    return [each for each in DEFINITIONS if each.name in names]


def make_tables(owner: Connection, schema: str, names: Sequence[str]) -> None:
    """Makes the tables of a sequence in a schema of their own, tracked."""
    run(owner, f"create schema {schema}")
    run(owner, f"grant usage on schema {schema} to {WRITER}")
    run(owner, f"set search_path = {schema}")
    for definition in definitions(names):
        for statement in definition.statements():
            run(owner, statement)
    run(owner, f"grant all on all tables in schema {schema} to {WRITER}")


@dataclass(slots=True)
class _Session:
    connection: Connection
    transaction: Transaction | None = None
    has_altered: bool = False


class Runner:
    """Takes sequences in one database, each in a schema of its own."""

    def __init__(self, database: Database, *, sabotage: str | None = None) -> None:
        """
        Args:
            database: a migrated one, for this runner alone.
            sabotage: a statement to be run for each table when it is tracked, with ``{}`` for its
                name: so that one can see that what it breaks is found.
        """
        self._sabotage = sabotage
        self.owner = database.connect(INSTALLER, autocommit=True)
        self._connections = [
            # What would wait for a lock has escaped the model.
            database.connect(user, options="-c lock_timeout=10s -c timezone=UTC")
            for user in (INSTALLER, WRITER, WRITER)
        ]
        self._version = self.owner.info.server_version
        self._count = 0
        run(self.owner, "set timezone = 'UTC'")

    def run(self, sequence: Script) -> Outcome:
        """Takes the steps that can be taken, then commits what is open, which is a moment too.

        Raises:
            MismatchError: the model is not what the tables are.
            psycopg.Error: a statement was refused.
        """
        self._count += 1
        outcome = Outcome(f"h{self._count}", make_world(definitions(sequence.tables)))
        make_tables(self.owner, outcome.schema, sequence.tables)
        if self._sabotage is not None:
            for name in sequence.tables:
                run(self.owner, self._sabotage.format(name))
        sessions = [_Session(connection) for connection in self._connections]
        for session in sessions:
            run(session.connection, f"set search_path = {outcome.schema}")
            session.connection.commit()
        self.outcome = outcome
        try:
            self._moment(outcome, sessions)
            for step in sequence.steps:
                if self._take(outcome, sessions, step):
                    outcome.taken.append(step)
            self._moment(outcome, sessions)
        finally:
            for session in sessions:
                session.connection.rollback()
        return outcome

    def _take(self, outcome: Outcome, sessions: list[_Session], step: Step) -> bool:
        verbs: Mapping[str, Verb] = {**VERBS, **ALTERATIONS}
        session = sessions[step.session]
        if step.verb == "moment":
            self._moment(outcome, sessions)
            return True
        if step.verb not in verbs:
            return self._control(outcome, sessions, step)
        verb = verbs[step.verb]
        if verb.since > self._version:
            return False
        if verb.is_owners:
            session = sessions[0]
        began = session.transaction is None
        work = session.transaction or Transaction(outcome.world)
        if began:
            outcome.world.open.append(work)
        mark = work.mark()
        holdings = (set(work.held), set(work.shared), set(work.exclusive))
        try:
            table = work.use(step.table)
            statements = verb.act(work, table, Random(step.seed))
        except InapplicableError:
            work.go_back(mark)
            work.held, work.shared, work.exclusive = holdings
            if began:
                outcome.world.open.remove(work)
            return False
        session.transaction = work
        for statement in statements:
            self._execute(outcome, sessions.index(session), session.connection, statement)
        session.has_altered |= verb.is_owners
        return True

    def _control(self, outcome: Outcome, sessions: list[_Session], step: Step) -> bool:
        """Ends a transaction or a part of it, of whichever session has one."""
        needs_savepoint = step.verb in ("go back", "release")
        able = [
            (number, each.transaction)
            for number, each in enumerate(sessions)
            if each.transaction and (each.transaction.savepoints or not needs_savepoint)
        ]
        if not able:
            return False
        number, work = able[step.session % len(able)]
        session = sessions[number]
        if step.verb == "commit":
            self._commit(outcome, number, session)
            return True
        if step.verb == "roll back":
            self._note(outcome, number, "rollback")
            session.connection.rollback()
            work.go_back(Mark(0, 0))
            self._end(outcome, session)
            return True
        if step.verb == "savepoint":
            name = f"s{len(work.savepoints)}"
            work.savepoints.append((name, work.mark()))
            text = f"savepoint {name}"
        else:
            place = step.seed % len(work.savepoints)
            name, mark = work.savepoints[place]
            if step.verb == "go back":
                del work.savepoints[place + 1 :]
                work.go_back(mark)
                text = f"rollback to savepoint {name}"
            else:
                del work.savepoints[place:]
                text = f"release savepoint {name}"
        self._execute(outcome, number, session.connection, Statement(text))
        return True

    def _commit(self, outcome: Outcome, number: int, session: _Session) -> None:
        work = session.transaction
        assert work is not None
        transaction_id = value(
            session.connection, "select pg_current_xact_id_if_assigned()::text::bigint"
        )
        outcome.trace.append(f"{'abc'[number]}: commit; -- {transaction_id}")
        session.connection.commit()
        if work.changes:
            outcome.committed.append(Committed(transaction_id, tuple(work.changes)))
        if session.has_altered:
            outcome.altered_at = len(outcome.committed)
        self._end(outcome, session)

    def _end(self, outcome: Outcome, session: _Session) -> None:
        assert session.transaction is not None
        outcome.world.open.remove(session.transaction)
        session.transaction = None
        session.has_altered = False

    def _moment(self, outcome: Outcome, sessions: list[_Session]) -> None:
        """Ends what is open, looks whether the model is right, and remembers."""
        for number, session in enumerate(sessions):
            if session.transaction is not None:
                self._commit(outcome, number, session)
        check_model(self.owner, outcome.world.tables)
        at = value(self.owner, "select clock_timestamp()")
        tables = {
            name: replace(table, versions=dict(table.versions), columns=dict(table.columns))
            for name, table in outcome.world.tables.items()
        }
        outcome.moments.append(Moment(at, tables, len(outcome.committed)))
        outcome.trace.append(f"-- moment {len(outcome.moments) - 1}: {at}")

    def _execute(
        self, outcome: Outcome, number: int, connection: Connection, statement: Statement
    ) -> None:
        self._note(outcome, number, statement.text)
        if statement.data is None:
            run(connection, statement.text)
            return
        outcome.trace.append(statement.data.rstrip("\n") + "\n\\.")
        with connection.cursor().copy(statement.text.encode()) as copy:
            copy.write(statement.data)

    def _note(self, outcome: Outcome, number: int, text: str) -> None:
        outcome.trace.append(f"{'abc'[number]}: {text};")


def check_model(owner: Connection, tables: Mapping[str, Table]) -> None:
    """Compares the tables with the model: where they differ, a test has gone wrong, or undo has."""
    for table in tables.values():
        columns = ", ".join(f"{name}::text" for name in table.columns)
        found = sorted(map(repr, rows(owner, f"select {columns} from {table.name}")))
        expected = sorted(repr(tuple(v.row.values())) for v in table.versions.values())
        if found != expected:
            raise MismatchError(f"{table.name} holds\n  {found}\nand the model\n  {expected}")
