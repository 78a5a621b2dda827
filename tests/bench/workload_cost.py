"""What it takes from pgbench's TPC-B that its four tables are tracked."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median

from psycopg import sql

from . import pgbench
from .clocks import Clock, server_clock
from .pgbench import Load
from .report import Result
from .rounds import Pair, Samples, ratios, run_rounds
from .setting import INSTALLER, Connection, Setting

NAME = "pgbench"

_ABOUT = (
    "TPC-B, prepared, of which each transaction is four captured changes: transactions a second, "
    "and the whole server's CPU a transaction; the same tables, untracked and tracked by turns"
)

_CLIENTS = (1, 4)
_SYNCHRONOUS_COMMIT = ("off", "on")


@dataclass(frozen=True, slots=True)
class _Sample:
    tps: float
    cpu_us: float


def measure(setting: Setting) -> Result:
    """Measures each load."""
    loads = [Load(*load) for load in product(_CLIENTS, _SYNCHRONOUS_COMMIT)]
    pgbench.fill_tables(setting)
    with setting.connect(INSTALLER) as owner:
        clock = server_clock(owner.info.backend_pid)
        tracking = _Tracking(owner)
        pairs = [_pair(setting, load, tracking, clock) for load in loads]
        taken = run_rounds(pairs, setting.rounds, between=partial(pgbench.vacuum, owner))
    return Result(
        NAME, _ABOUT, [_row(load, samples) for load, samples in zip(loads, taken, strict=True)]
    )


class _Tracking:
    """Whether the tables are tracked; they are not at first."""

    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._is_on = False

    def set(self, is_on: bool) -> None:
        """Tracks the tables, or no longer."""
        if is_on == self._is_on:
            return
        function = sql.Identifier("chronicle", "enable_tracking" if is_on else "disable_tracking")
        for table in pgbench.TABLES:
            self._owner.execute(sql.SQL("select {}(%s::regclass)").format(function), (table,))
        self._is_on = is_on


def _pair(setting: Setting, load: Load, tracking: _Tracking, clock: Clock) -> Pair[_Sample]:
    def turn(is_tracked: bool) -> _Sample:
        tracking.set(is_tracked)
        start = clock()
        ran = pgbench.run(setting, load)
        return _Sample(ran.tps, (clock() - start) / ran.transactions * 1e6)

    return Pair(partial(turn, False), partial(turn, True))


def _row(load: Load, samples: Samples[_Sample]) -> dict[str, str | int | float]:
    bare_tps, ours_tps = ([s.tps for s in side] for side in (samples.bare, samples.ours))
    bare_cpu, ours_cpu = ([s.cpu_us for s in side] for side in (samples.bare, samples.ours))
    return {
        "clients": load.clients,
        "synchronous_commit": load.synchronous_commit,
        "untracked_tps": round(median(bare_tps)),
        "tracked_tps": round(median(ours_tps)),
        "tps_ratio": median(ratios(ours_tps, bare_tps)),
        "untracked_cpu_us": median(bare_cpu),
        "tracked_cpu_us": median(ours_cpu),
        "cpu_ratio": median(ratios(ours_cpu, bare_cpu)),
    }
