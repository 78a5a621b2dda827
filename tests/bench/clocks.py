"""How much time a process has used.

A backend's CPU time says what the server did, and nothing of the client, of waiting, or of whoever
else was running. Only Linux tells it of other processes; elsewhere time that passes is all there
is.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

Clock = Callable[[], float]
"""Gives seconds from some start."""

_PROC = Path("/proc")

IS_CPU = (_PROC / "self" / "stat").exists()
"""Whether these clocks count CPU time; elapsed time if not."""

KIND = (
    "CPU time of the server's processes"
    if IS_CPU
    else "Elapsed time, the client's included, for want of /proc: the ratios come out too low"
)
"""What these clocks count, in words."""


def backend_clock(pid: int) -> Clock:
    """The clock of one process of the server, to be read while it is idle."""
    if not IS_CPU:
        return time.perf_counter
    # In nanoseconds, where the kernel keeps it; the other file counts in hundredths of a second.
    exact = _PROC / str(pid) / "schedstat"
    if exact.exists() and int(exact.read_text().split()[0]):
        return lambda: int(exact.read_text().split()[0]) / 1e9
    return lambda: _own_ticks(_stat(pid)) / os.sysconf("SC_CLK_TCK")


def server_clock(backend_pid: int) -> Clock:
    """The clock of a whole server, of which one backend is given: all processes that it has, and
    all that have ended."""
    if not IS_CPU:
        return time.perf_counter
    postmaster = _parent(_stat(backend_pid))
    return lambda: _family_ticks(postmaster) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on; the second may hold anything."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _parent(stat: list[str]) -> int:
    return int(stat[1])


def _own_ticks(stat: list[str]) -> int:
    user, system = stat[11:13]
    return int(user) + int(system)


def _ended_children_ticks(stat: list[str]) -> int:
    user, system = stat[13:15]
    return int(user) + int(system)


def _family_ticks(parent: int) -> int:
    """The ticks of a process and its children. One that ends while they are added up would be
    missed or counted twice, so then they are added up again."""
    while True:
        stat = _stat(parent)
        ticks = _own_ticks(stat) + _ended_children_ticks(stat)
        ticks += sum(_own_ticks(child) for child in _all_stats() if _parent(child) == parent)
        if _ended_children_ticks(_stat(parent)) == _ended_children_ticks(stat):
            return ticks


def _all_stats() -> Iterator[list[str]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                yield _stat(int(entry.name))
