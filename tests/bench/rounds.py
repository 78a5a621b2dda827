"""Running what is compared by turns, and what comes out of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """The same work without us and with us; each call does it once and returns what it took."""

    bare: Callable[[], T]
    ours: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Samples(Generic[T]):
    """What a pair took, one sample a round."""

    bare: list[T]
    ours: list[T]


def run_rounds(
    pairs: Sequence[Pair[T]], rounds: int, *, between: Callable[[], object] = lambda: None
) -> list[Samples[T]]:
    """Runs every pair once a round, in their order, after a round that is not counted.

    Within a pair the first turn changes from round to round, so that what drifts while it runs
    favours neither.

    Args:
        pairs: what is compared.
        rounds: how many are counted.
        between: tidies up after each round.
    """
    samples: list[Samples[T]] = [Samples([], []) for _ in pairs]
    for number in range(rounds + 1):
        for pair, taken in zip(pairs, samples, strict=True):
            if number % 2:
                bare, ours = pair.bare(), pair.ours()
            else:
                ours, bare = pair.ours(), pair.bare()
            if number:
                taken.bare.append(bare)
                taken.ours.append(ours)
        between()
    return samples


def ratios(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    """The ratio of each round, whose median counts: a round in which the machine was busy was so
    for both. A clock too coarse for what was measured shows nothing, hence the least divisor."""
    return [o / max(b, 0.01) for o, b in zip(ours, bare, strict=True)]


def run_turns(
    contests: Sequence[Sequence[Callable[[], T]]],
    rounds: int,
    *,
    between: Callable[[], object] = lambda: None,
) -> list[list[list[T]]]:
    """Runs every contest once a round, after a round that is not counted; gives the samples of each
    contender. Whose turn is first moves on from round to round.

    Args:
        contests: the same work, done by each contender.
        rounds: how many are counted.
        between: tidies up after each round.
    """
    samples: list[list[list[T]]] = [[[] for _ in contenders] for contenders in contests]
    for number in range(rounds + 1):
        for contenders, taken in zip(contests, samples, strict=True):
            for turn in range(len(contenders)):
                which = (turn + number) % len(contenders)
                sample = contenders[which]()
                if number:
                    taken[which].append(sample)
        between()
    return samples
