"""What is wanted of a figure, beside those of others, and whether it is met. It is printed, not
asserted: a time depends on what else the machine is doing."""

from collections.abc import Callable, Mapping

from .report import Value
from .systems import OURS, System

Figures = Mapping[System, float]
"""What each system but the bare one takes."""

Judge = Callable[[Figures], Mapping[str, Value]]
"""Gives the columns that say what was found, what is wanted, and whether it is met."""


def no_judge(_figures: Figures) -> Mapping[str, Value]:
    """Nothing is wanted."""
    return {"found": None, "wanted": "", "verdict": ""}


def at_most(most: float, unit: str) -> Judge:
    """Ours is to be no more than an absolute figure."""

    def judge(figures: Figures) -> Mapping[str, Value]:
        return _verdict(figures[OURS], most, unit)

    return judge


def of_least_with_json(most: float) -> Judge:
    """Ours is to be at most a share of the least of those that store JSON."""

    def judge(figures: Figures) -> Mapping[str, Value]:
        least = min(f for system, f in figures.items() if system.stores_json and system != OURS)
        return _verdict(figures[OURS] / least, most, "of the least with JSON")

    return judge


def of_least(most: float) -> Judge:
    """Ours is to be at most a share of the least."""

    def judge(figures: Figures) -> Mapping[str, Value]:
        least = min(f for system, f in figures.items() if system != OURS)
        return _verdict(figures[OURS] / least, most, "of the least")

    return judge


def of_one(peer: System, most: float) -> Judge:
    """Ours is to be at most a share of one peer's, if it is there."""

    def judge(figures: Figures) -> Mapping[str, Value]:
        if peer not in figures:
            return no_judge(figures)
        return _verdict(figures[OURS] / figures[peer], most, f"of {peer.name}")

    return judge


def _verdict(found: float, most: float, of_what: str) -> Mapping[str, Value]:
    return {
        "found": found,
        "wanted": f"at most {most} {of_what}",
        "verdict": "met" if found <= most else "not met",
    }
